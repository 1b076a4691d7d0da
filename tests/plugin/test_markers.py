"""The fixture and the two markers, as a test suite uses them."""

from __future__ import annotations

import json

import pytest


def run(pytester, source, *options):
    """Run some tests in a process of their own."""
    pytester.makepyfile(source)
    return pytester.runpytest_subprocess("-p", "no:randomly", "-rA", *options)


def test_several_scenarios_make_several_tests_with_readable_ids(pytester):
    """The id of each is the scenario's name, with or without the fixture as an argument, on functions and classes."""
    result = run(
        pytester,
        """
        import pytest, time
        both = pytest.mark.hvclock("drift-500ppm", "restore-after-a-month", allow_vacuous=True)
        @both
        def test_argument(hvclock): hvclock.strike()
        @both
        def test_marker_alone(): time.sleep(3600)
        @both
        class TestClass:
            @pytest.mark.parametrize("number", [1])
            def test_method(self, number): time.sleep(3600)
        @pytest.mark.hvclock("drift-500ppm")
        def test_one(hvclock):
            time.sleep(1000)
            assert hvclock.error_ns == 499_750_124
        """,
    )
    result.assert_outcomes(passed=7)
    for name in (
        "test_argument[drift-500ppm]", "test_argument[restore-after-a-month]", "test_marker_alone[drift-500ppm]",
        "TestClass::test_method[restore-after-a-month-1]", "test_one",
    ):  # fmt: skip
        assert any(name in line for line in result.outlines), name


def test_settings_come_from_the_closest_marker_each(pytester):
    """A setting of the function wins over the class's, the class's over the scenario's, setting by setting."""
    result = run(
        pytester,
        """
        import pytest, time, datetime
        @pytest.mark.hvclock("drift-500ppm", start="2030-01-01T00:00:00Z", timesync="off")
        class TestClass:
            @pytest.mark.hvclock(drift="+1 ppm", zone="Asia/Tokyo", host_zone="Europe/Berlin", host_error="2 s")
            def test_it(self, hvclock):
                assert (hvclock.drift, hvclock.timesync) == ("+1 ppm", "off")
                assert hvclock.host.started_ns == 1893456000_000000000
                assert datetime.datetime.now().isoformat() == "2030-01-01T09:00:02"
                assert time.localtime().tm_hour == 9 and hvclock.rtc.hour == 1
            def test_other(self, hvclock):
                assert hvclock.drift == "+500 ppm"
        """,
    )
    result.assert_outcomes(passed=2)


def test_the_guest_comes_before_every_fixture_of_the_test_and_after_those_of_higher_scopes(pytester):
    """Autouse fixtures are on the guest; session and module fixtures see real time, even if made inside the test."""
    result = run(
        pytester,
        """
        import pytest, time
        @pytest.fixture(scope="session")
        def session(): yield time.time(); assert time.time() < 4e9
        @pytest.fixture(scope="module")
        def late(): return time.time()
        @pytest.fixture(autouse=True)
        def auto(): return time.time()
        @pytest.mark.hvclock(start="2100-01-01T00:00:00Z")
        def test_marker(auto, session, request):
            assert auto > 4e9 > session and request.getfixturevalue("late") < 4e9 < time.time()
        @pytest.mark.hvclock(start="2100-01-01T00:00:00Z")
        def test_argument(auto, session, hvclock): assert auto > 4e9 > session
        """,
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_a_fixture_of_a_higher_scope_is_unmade_in_real_time(pytester, scope):
    """Also one with parameters, which goes when the next test that is to run on a guest wants another value."""
    result = run(
        pytester,
        f"""
        import pytest, time
        @pytest.fixture(scope={scope!r}, params=[1, 2])
        def several(): yield time.time(); assert time.time() < 4e9
        @pytest.fixture(scope={scope!r})
        def late(): yield time.time(); assert time.time() < 4e9
        @pytest.fixture
        def on_it(several): return several
        @pytest.mark.hvclock(start="2100-01-01T00:00:00Z")
        class TestIt:
            def test_argument(self, several): assert several < 4e9 < time.time()
            def test_indirectly(self, on_it, hvclock, request):
                assert on_it < 4e9 < time.time() and request.getfixturevalue("late") < 4e9
        """,
    )
    result.assert_outcomes(passed=4)


def test_wrong_markers_are_errors_of_their_own_tests_alone(pytester):
    """Each says in one line what is wrong, where, and what to write instead; the other tests run."""
    result = run(
        pytester,
        """
        import datetime, pytest
        hv, rec = pytest.mark.hvclock, pytest.mark.hvclock_recovers
        @hv("restore-after-a-mont")
        def test_name(): pass
        @hv(drfit="+1 ppm")
        def test_keyword(): pass
        @hv(drift=0.5)
        def test_float(): pass
        @hv(start=datetime.datetime(2026, 1, 1))
        def test_naive(): pass
        @hv("drift-500ppm", "drift-500ppm")
        def test_twice(): pass
        @hv(timesync="chronos")
        def test_timesync(): pass
        @hv(backend="clock")
        def test_backend(): pass
        @hv(["drift-500ppm"])
        def test_list(): pass
        @hv("drift-500ppm", None)
        def test_none(): pass
        @hv(allow_vacuous="no")
        def test_flag(): pass
        @hv("drift-500ppm")
        @rec("well")
        def test_recovers(): pass
        @hv("drift-500ppm")
        @rec(3, within="1 s")
        def test_probe(): pass
        @hv("drift-500ppm")
        @rec("number", within="1 s")
        def test_fixture(): pass
        @pytest.fixture
        def number(): return 3
        @hv("drift-500ppm")
        def test_right(): pass
        @hv("drift-500ppm")
        @rec(probe="well", within="1 s")
        def test_keyword_probe(): pass
        @pytest.fixture
        def well(): return lambda: True
        def test_plain(): pass
        """,
    )
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["errors"], outcomes.get("failed", 0)) == (3, 15, 0)
    name = "test_wrong_markers_are_errors_of_their_own_tests_alone.py"
    result.stdout.fnmatch_lines_random(
        [
            f"{name}::test_name: unknown scenario 'restore-after-a-mont': did you mean 'restore-after-a-month'[?]",
            f"{name}::test_keyword: the marker hvclock has no setting 'drfit': use os, zone, timesync, drift, *",
            f'{name}::test_float: the float 0.5 is not an exact rate: write text such as "+200 ppm", or a Fraction',
            f"{name}::test_naive: datetime.datetime(2026, 1, 1, 0, 0) has no time zone, so it names no instant: *",
            f"{name}::test_twice[[]drift-500ppm[]]: the marker hvclock names a scenario twice: *",
            f"{name}::test_timesync: unknown timesync 'chronos': use one of *",
            f"{name}::test_backend: unknown backend 'clock': use one of *",
            f"{name}::test_list: the marker hvclock names its scenarios by text, *, and [[]'drift-500ppm'[]] is none",
            f"{name}::test_none[[]None[]]: the marker hvclock names its scenarios by text, *, and None is none",
            f"{name}::test_flag: allow_vacuous is either True or False, and not 'no'",
            f'{name}::test_recovers: *within*: write hvclock_recovers("probe", within="30 s")',
            f"{name}::test_probe: the probe 3 cannot be called: *",
            f"{name}::test_fixture: the fixture 'number' returned 3, which cannot be called: *",
        ]
    )


@pytest.mark.installed_plugins
def test_other_libraries_that_fake_time_are_refused_by_name(pytester):
    """In the same test, by fixture, by marker and by use; in other tests of the run they work."""
    result = run(
        pytester,
        """
        import pytest, time, time_machine
        from freezegun import freeze_time
        @pytest.fixture
        def freezer(): pass
        def test_fixture(hvclock, freezer): pass
        @pytest.mark.time_machine(0)
        def test_marker(hvclock): pass
        def test_travel(hvclock):
            with pytest.raises(Exception, match="time-machine cannot fake time while a guest is running"):
                time_machine.travel(0).start()
            with pytest.raises(Exception, match="freezegun cannot fake time while a guest is running"):
                freeze_time("2020-01-01").start()
        def test_elsewhere(time_machine, freezer):
            time_machine.move_to(0)
            assert time.time() < 60
        def test_freezegun():
            with freeze_time("1970-01-01"): assert time.time() == 0
        @pytest.fixture
        def frozen():
            with time_machine_module.travel(0): yield
        time_machine_module = time_machine
        """,
    )
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["errors"]) == (3, 2)
    result.stdout.fnmatch_lines_random(
        [
            "*::test_fixture: the fixture 'freezer' of pytest-freezer fakes time too: take it away from this test, *",
            "*::test_marker: the *'time_machine' of time-machine fakes time too: take it away from this test, *",
        ]
    )


def test_recovery_is_judged_in_true_time(pytester):
    """In time, too late, not for long and never; within what was allowed, and how long it took, is reported."""
    result = run(
        pytester,
        """
        import pytest, time
        month = pytest.mark.hvclock("restore-after-a-month")
        @pytest.fixture
        def well_after(hvclock):
            since = {}
            def make(low, high=10 ** 9):
                def probe():
                    true = hvclock.host.true_ns
                    began = since.setdefault("", true)
                    return low <= (true - began) / 1e9 - 1 < high
                return probe
            return make
        @pytest.fixture
        def soon(well_after): return well_after(5)
        @pytest.fixture
        def late(well_after): return well_after(50)
        @pytest.fixture
        def briefly(well_after): return well_after(25, 40)
        @month
        @pytest.mark.hvclock_recovers("soon", within="30 s")
        def test_soon(hvclock): pass
        @month
        @pytest.mark.hvclock_recovers("late", within="30 s")
        def test_late(hvclock): pass
        @month
        @pytest.mark.hvclock_recovers("briefly", within="30 s")
        def test_briefly(hvclock): pass
        @pytest.mark.hvclock_recovers("soon", within="30 s")
        def test_verb(hvclock): hvclock.step("1 h")
        @pytest.mark.hvclock_recovers("soon", within="30 s")
        def test_nothing_struck(hvclock): pass
        @pytest.mark.xfail(strict=True, reason="never well")
        @month
        @pytest.mark.hvclock_recovers(lambda: 1 / 0, within="30 s")
        def test_raises(hvclock): pass
        """,
        "--junitxml=report.xml",
    )
    result.assert_outcomes(passed=2, failed=3, xfailed=1)
    result.stdout.fnmatch_lines(["late did not recover (allowed: 30 s of true time after the correction at *Z)"])
    result.stdout.fnmatch_lines(
        ["briefly did not stay well: it held 25 s after the correction, and no longer 40 s after it (allowed: *"]
    )
    result.stdout.fnmatch_lines(["nothing has struck this guest, so there is nothing to recover from: *"])
    result.stdout.fnmatch_lines(["restore-after-a-month: 3 broke, 1 recovered"])
    result.stdout.fnmatch_lines(
        [
            "recovered* scenario               allowed  took",
            "*.py::test_verb  a verb                    30 s   6 s",
            "*.py::test_soon  restore-after-a-month     30 s   5 s",
        ],
        consecutive=True,
    )
    report = (pytester.path / "report.xml").read_text()
    assert 'name="hvclock.recovered_after" value="5"' in report
    assert report.count('name="hvclock.allowed" value="30"') == 5


def test_a_recovery_in_code_is_told_as_one_of_the_marker(pytester):
    """In the table at the end, in JUnit XML and in the record, with and without a loop; one that fails has no time."""
    result = run(
        pytester,
        """
        import asyncio, pytest, time
        from pytest_hvclock import recovers, recovers_async
        month = pytest.mark.hvclock("restore-after-a-month")
        def well_from(hvclock, after):
            began = hvclock.host.true_ns
            return lambda: hvclock.host.true_ns >= began + after * 10 ** 9
        @month
        def test_code(hvclock):
            hvclock.strike()
            recovers(hvclock, well_from(hvclock, 4), within="30 s", every="1 s")
        @month
        def test_loop(hvclock):
            hvclock.strike()
            async def judge(): await recovers_async(hvclock, well_from(hvclock, 7), within="30 s", every="1 s")
            asyncio.run(judge())
        @month
        def test_late(hvclock):
            hvclock.strike()
            recovers(hvclock, well_from(hvclock, 70), within="30 s")
        """,
        "--junitxml=report.xml",
        "--hvclock-report=out",
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["restore-after-a-month: 1 broke, 2 recovered"])
    result.stdout.fnmatch_lines(
        [
            "recovered * scenario               allowed  took",
            "*.py::test_code  restore-after-a-month     30 s   3 s",
            "*.py::test_loop  restore-after-a-month     30 s   6 s",
        ],
        consecutive=True,
    )
    report = (pytester.path / "report.xml").read_text()
    assert report.count('name="hvclock.allowed" value="30"') == 3
    assert report.count("hvclock.recovered_after") == 2
    record = json.loads((pytester.path / "out/record.json").read_text(encoding="utf-8"))
    judged = [judgement for test in record["tests"] for judgement in test["judgements"]]
    assert [(one["kind"], one["took_ns"]) for one in judged] == [
        ("recovery", 3 * 10**9), ("recovery", None), ("recovery", 6 * 10**9),
    ]  # fmt: skip


def test_each_recovery_of_a_test_is_told_with_what_it_was_allowed(pytester):
    """In their order, and the one that comes to nothing is told by its failure alone."""
    result = run(
        pytester,
        """
        from pytest_hvclock import recovers
        def test_three(hvclock):
            for seconds in (12, 4, 70):
                hvclock.step("1 h")
                began = hvclock.host.true_ns
                well = lambda: hvclock.host.true_ns >= began + seconds * 10 ** 9
                recovers(hvclock, well, within=f"{seconds + 2} s" if seconds < 70 else "60 s", every="1 s")
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "recovered * scenario  allowed  took",
            "*.py::test_three  a verb       14 s  12 s",
            "*.py::test_three  a verb        6 s   4 s",
            "*short test summary info*",
        ],
        consecutive=True,
    )


def test_the_recovery_marker_takes_either_judge_an_async_probe_and_none(pytester):
    """``within=None`` passes where nothing recovers, fails where something does, and reports no time to recover."""
    result = run(
        pytester,
        """
        import pytest, time
        month = pytest.mark.hvclock("restore-after-a-month")
        @pytest.fixture
        def healthy():
            ends = time.time() + 60
            async def healthy():
                return time.time() > ends
            return healthy
        @pytest.fixture
        def stale(): return lambda: time.time() < 0
        @month
        @pytest.mark.hvclock_recovers("healthy", within="5 s", judged_by="guest")
        def test_async(hvclock): pass
        @month
        @pytest.mark.hvclock_recovers("stale", within=None, hold="10 s")
        def test_never(hvclock): pass
        @month
        @pytest.mark.hvclock_recovers("healthy", within=None)
        def test_by_itself(hvclock): pass
        @month
        @pytest.mark.hvclock_recovers("stale", within="5 s", judged_by="wall")
        def test_judge(hvclock): pass
        """,
        "--junitxml=report.xml",
    )
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(["healthy recovered by itself 0 s after the correction at *Z: it was not to do so *"])
    result.stdout.fnmatch_lines(['*::test_judge: unknown judged_by \'wall\': use "true" or "guest"'])
    report = (pytester.path / "report.xml").read_text()
    assert report.count('name="hvclock.allowed" value="5"') == 1
    assert report.count("hvclock.recovered_after") == 1
