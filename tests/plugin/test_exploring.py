"""``--hvclock-explore`` and what belongs to it, from the command to the line that is printed."""

from __future__ import annotations

import shlex

import pytest

CACHE = """
import time

class Cache:
    def __init__(self):
        self.born = time.time()

    def fresh(self):
        return time.time() - self.born < 60

def test_cache():
    cache = Cache()
    time.sleep(50)
    assert cache.fresh()
"""
SMALLEST = 'Step("10 s") before reading 1 of "return time.time() - self.born < 60"'


def run(pytester, *options):
    return pytester.runpytest_subprocess("-p", "no:randomly", *options)


def test_it_prints_the_line_that_breaks_and_a_command_that_repeats_it(pytester):
    """The failure first, the command last; the command fails as an ordinary test does."""
    pytester.makepyfile(test_it=CACHE)
    result = run(pytester, "--hvclock-explore", "--hvclock-seed=1")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "hvclock: --hvclock-explore --hvclock-places=5 --hvclock-seed=1",
            "FAILED test_it.py::test_cache",
            f"  {SMALLEST}",
            "  struck before test_it.py:8: return time.time() - self.born < 60",
            "  AssertionError: *",
            "*= 1 failed in *",
        ]
    )
    command = result.outlines[-2]
    assert command.startswith("pytest test_it.py::test_cache -o hvclock_start=")
    again = run(pytester, *shlex.split(command)[1:])
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines([">       assert cache.fresh()"])


def test_a_replay_survives_edits_to_other_lines_and_says_if_it_did_not_strike(pytester):
    pytester.makepyfile(test_it="# one more line\n" + CACHE)
    run(pytester, f"--hvclock-replay={SMALLEST}").assert_outcomes(failed=1)
    result = run(pytester, '--hvclock-replay=Step("1 h") before reading 3 of "return gone"')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["1 of 1 anomalies have not struck: the test never came to Step*"])


def test_findings_fail_nothing_unless_they_are_to(pytester):
    pytester.makepyfile(
        """
        import time
        def test_waits():
            due = time.time() + 10
            time.sleep(max(due - time.time(), 0))
        """
    )
    result = run(pytester, "--hvclock-explore")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["finding test_findings*::test_waits", "*= 1 passed in *"])
    assert run(pytester, "--hvclock-explore", "--hvclock-strict").ret == 1


def test_every_kind_of_test_is_explored_with_fixtures_of_its_own(pytester):
    pytester.makepyfile(
        test_it='''
        import time, unittest
        import pytest

        made = []

        @pytest.fixture(scope="module", autouse=True)
        def once():
            made.append("module")
            yield
            assert made.count("module") == 1

        @pytest.fixture
        def cache():
            made.append("function")
            yield time.time()
            assert made.pop() == "function"

        @pytest.fixture(scope="class")
        def shelf():
            made.append("class")
            yield made
            assert made.count("class") == 1
            made.remove("class")

        @pytest.fixture
        def reported(request):
            yield
            assert request.node.rep_call.when == "call"

        @pytest.mark.usefixtures("reported")
        def test_with_a_directory(tmp_path):
            (tmp_path / "stamp").write_text(str(time.time()))
            assert float((tmp_path / "stamp").read_text()) <= time.time()

        class TestShelf:
            def test_one(self, shelf):
                assert time.time() >= time.time()

            def test_other(self, shelf):
                assert time.time() >= time.time()

        @pytest.mark.parametrize("life", [60, 30])
        def test_function(cache, life):
            assert time.time() - cache < life

        class TestMethods:
            def test_method(self):
                assert not hasattr(self, "began")
                self.began = time.time()
                assert time.time() >= self.began

        class Case(unittest.TestCase):
            def setUp(self):
                self.began = time.time()
            def test_case(self):
                self.assertGreaterEqual(time.time(), self.began)

        def example():
            """
            >>> began = time.time()
            >>> time.time() >= began
            True
            """

        def test_without_a_clock():
            print("no clock")

        @pytest.mark.skip("not today")
        def test_skipped():
            time.time()

        def test_fails():
            assert time.time() < 0
        '''
    )
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            setattr(item, "rep_" + report.when, report)
            return report
        """
    )
    result = run(pytester, "--hvclock-explore", "--doctest-modules", "--setup-show", "--hvclock-seed=3")
    broken = {line.partition("::")[2] for line in result.outlines if line.startswith("FAILED ")}
    assert broken == {
        "test_function[60]",
        "test_function[30]",
        "TestMethods::test_method",
        "Case::test_case",
        "test_it.example",
        "test_with_a_directory",
        "TestShelf::test_one",
        "TestShelf::test_other",
    }
    left_out = dict(
        line.removeprefix("left out test_it.py::").split(": ", 1)
        for line in result.outlines
        if line.startswith("left out")
    )
    assert left_out.pop("test_fails").startswith("already failing: AssertionError: ")
    assert left_out == {
        "test_without_a_clock": "it reads no clock and waits for none",
        "test_skipped": "skipped: not today",
    }
    assert not [line for line in result.outlines if line.strip().startswith("SETUP")]


SUBTESTS = """
import time, unittest

class Case(unittest.TestCase):
    def test_case(self):
        began = time.time()
        time.sleep(1)
        for number in range(2):
            with self.subTest(number=number):
                self.assertGreater(time.time(), began)
        with self.subTest("skipped"):
            self.skipTest("not today")
"""


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest has subtests from 9.0 on")
def test_a_subtest_that_fails_fails_its_test_and_is_not_reported_by_itself(pytester):
    """The line is that within the subtest; and the count at the end is one of tests."""
    pytester.makepyfile(test_it=SUBTESTS)
    result = run(pytester, "--hvclock-explore", "--hvclock-seed=1", "--pdb")
    result.stdout.fnmatch_lines(
        [
            "FAILED test_it.py::Case::test_case",
            '  Step("-1 s") before reading 1 of "self.assertGreater(time.time(), began)"',
            "  AssertionError: * not greater than * (test_it.py:9)",
            "*= 1 failed in *",
        ]
    )
    result.stdout.no_fnmatch_line("*SUBFAILED*")


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest has subtests from 9.0 on")
def test_subtests_of_the_fixture_are_those_of_their_test_too(pytester):
    pytester.makepyfile(
        test_it="""
        import time
        import pytest

        def test_struck(subtests):
            began = time.time()
            time.sleep(1)
            with subtests.test("one"):
                assert time.time() > began
            with subtests.test("other"):
                pytest.skip("not today")

        def test_fails(subtests):
            with subtests.test("one"):
                assert time.time() < 0
        """
    )
    result = run(pytester, "--hvclock-explore", "--hvclock-seed=1")
    result.stdout.fnmatch_lines(
        [
            "FAILED test_it.py::test_struck",
            '  Step("-1 s") before reading 1 of "assert time.time() > began"',
            "  AssertionError: * (test_it.py:8)",
            "left out test_it.py::test_fails: already failing: AssertionError: *",
            "*= 1 failed, 1 left out in *",
        ]
    )


def test_a_doctest_says_which_example_came_out_otherwise(pytester):
    pytester.makepyfile(
        test_it='''
        def differs():
            """
            >>> import time
            >>> began = time.time()
            >>> time.time() >= began
            True
            """

        def raises():
            """
            >>> import time
            >>> began = time.time()
            >>> if time.time() < began: raise ValueError("back")
            """
        '''
    )
    for more in (), ("--doctest-continue-on-failure",):
        result = run(pytester, "--hvclock-explore", "--hvclock-seed=1", "--doctest-modules", *more)
        result.stdout.fnmatch_lines(
            [
                "FAILED test_it.py::test_it.differs",
                "  DocTestFailure: expected 'True', got 'False' (<doctest test_it.differs[[]2]>:1)",
                "FAILED test_it.py::test_it.raises",
                "  ValueError: back (<doctest test_it.raises[[]2]>:1)",
            ]
        )


@pytest.mark.installed_plugins
def test_coroutines_are_explored(pytester):
    pytester.makepyfile(
        """
        import asyncio, time
        import pytest

        @pytest.mark.asyncio
        async def test_coroutine():
            began = time.time()
            await asyncio.sleep(5)
            assert time.time() - began < 60
        """
    )
    result = run(pytester, "--hvclock-explore", "--hvclock-seed=1", "--hvclock-places=1")
    result.stdout.fnmatch_lines(
        ["FAILED *::test_coroutine", '  Step("1 min") before reading 1 of "assert time.time() - began < 60"']
    )


MANY = """
import time

def test_many():
    stamps = []
    for number in range(30):
        stamps.append(time.time())
    assert stamps[17] >= stamps[16]
    print("nobody reads this")
"""


def test_all_places_find_what_five_may_miss(pytester):
    """And what the test prints on the way is shown no more than that of any test that passes."""
    pytester.makepyfile(test_it=MANY)
    few = run(pytester, "--hvclock-explore", "--hvclock-seed=3", "--hvclock-places=1")
    few.assert_outcomes(passed=1)
    every = run(pytester, "--hvclock-explore", "--hvclock-places=all")
    every.assert_outcomes(failed=1)
    every.stdout.fnmatch_lines(["hvclock: --hvclock-explore --hvclock-places=all --hvclock-seed=*"])
    every.stdout.fnmatch_lines(['  Step("-1 s") before reading 18 of "stamps.append(time.time())"'])
    every.stdout.no_fnmatch_line("nobody reads this")


def test_an_interrupt_keeps_and_tells_what_was_found_so_far(pytester):
    pytester.makepyfile(
        test_it=CACHE
        + """
runs = []

def test_interrupts():
    runs.append(time.time())
    if len(runs) > 9:
        raise KeyboardInterrupt
"""
    )
    result = run(pytester, "--hvclock-explore", "--hvclock-seed=1")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["2 explored in *", "FAILED test_it.py::test_cache", f"  {SMALLEST}", "to see it fail:"]
    )
    result.stdout.re_match_lines([r"^pytest test_it.py::test_cache .*--hvclock-replay='Step\(.*'$"])


def test_an_interrupt_under_xdist_keeps_what_a_worker_has_found_in_a_part_that_is_not_over(pytester):
    """The run stops at the first that is reported, which is not yet made as small as can be."""
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_runtest_logreport(report):
            if hasattr(report, "node") and '"schedule"' in report.hvclock_explored:
                assert report.when == "setup"
                raise KeyboardInterrupt
        """
    )
    pytester.makepyfile(test_it=CACHE)
    result = run(pytester, "--hvclock-explore", "--hvclock-seed=1", "-n1")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["1 explored in *, 1 broke, *", "FAILED test_it.py::test_cache", "  * before reading *", "to see it fail:"]
    )
    result.stdout.re_match_lines([r"^pytest test_it.py::test_cache .*--hvclock-replay='.* before reading .*'$"])


def test_an_interrupt_in_a_fixture_is_no_internal_error(pytester):
    """No report is made of a teardown without one of the setup, on which plugins rely (pytest-rerunfailures does)."""
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            if call.when == "setup":
                item.is_set_up = True
            assert item.is_set_up
            return report
        """
    )
    pytester.makepyfile(
        test_it=CACHE
        + """
import pytest
runs = []

@pytest.fixture
def interrupts():
    runs.append(time.time())
    if len(runs) > 9:
        raise KeyboardInterrupt

def test_interrupted(interrupts):
    time.time()
"""
    )
    result = run(pytester, "--hvclock-explore", "--hvclock-seed=1")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["2 explored in *", "FAILED test_it.py::test_cache", f"  {SMALLEST}"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_a_long_exploration_says_how_far_it_is(pytester):
    pytester.makeconftest("from pytest_hvclock.plugin import exploring\nexploring.TELL_EVERY_S = 0")
    pytester.makepyfile(test_it=CACHE)
    far = r"test_it\.py::test_cache \(part 2 of 4\): \d+ of \d+ strikes, in \d+ runs"
    run(pytester, "--hvclock-explore", "--hvclock-seed=1").stdout.re_match_lines([far])
    run(pytester, "--hvclock-explore", "--hvclock-seed=1", "-n1").stdout.re_match_lines([far])
    run(pytester, "-q", "--hvclock-explore", "--hvclock-seed=1").stdout.no_re_match_line(far)


def test_a_boot_strikes_where_it_is_asked_for(pytester):
    pytester.makepyfile(
        """
        import time
        def test_disk(tmp_path):
            time.sleep(100)
            (tmp_path / "seen").write_text(str(time.monotonic()))
            assert time.monotonic() >= float((tmp_path / "seen").read_text())
        """
    )
    run(pytester, "--hvclock-explore").assert_outcomes(passed=1)
    result = run(pytester, "--hvclock-explore", "-o", "hvclock_explore_boots=true")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  Boot() before reading 1 of *assert time.monotonic() >=*"])


def test_a_live_test_is_left_out_unless_the_option_says_live(pytester):
    pytester.makepyfile(
        """
        import time
        import pytest

        @pytest.mark.hvclock(pace="live")
        def test_live():
            began = time.time()
            assert time.time() - began < 60
        """
    )
    result = run(pytester, "--hvclock-explore")
    result.stdout.fnmatch_lines(["left out *::test_live: it runs in live pace, *: explore it with --hvclock-pace=live"])
    result = run(pytester, "--hvclock-explore", "--hvclock-pace=live", "--hvclock-places=all")
    result.stdout.fnmatch_lines(['  Step("1 min") before reading 1 of "assert time.time() - began < 60"'])


def test_the_same_is_found_on_two_workers(pytester):
    """Whichever test changes the directory in the same process, and whichever part is the first to leave one out."""
    pytester.makepyfile(
        test_it="""
def test_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    test_cache()
"""
        + CACHE
        + """
seen = []

def test_leaks():
    seen.append(time.time())
    assert max(seen) - min(seen) < 3_000
"""
    )
    options = ("--hvclock-explore", "--hvclock-seed=7", "-o", "hvclock_start=2026-01-01T00:00:00Z")

    def told(*more):
        lines = run(pytester, *options, *more).outlines
        return lines[lines.index(next(line for line in lines if "clock exploration" in line)) : -1]

    alone = told()
    (left_out,) = [line for line in alone if line.startswith("left out test_it.py::test_leaks: not repeatable: ")]
    assert left_out.endswith(": after a struck run it fails without any anomaly: AssertionError (test_it.py:23)")
    assert not [line for line in alone if str(pytester.path) in line]
    assert [line for line in told("-n2") if "runs" not in line] == [line for line in alone if "runs" not in line]


def test_a_strike_that_broke_is_kept_and_tried_first(pytester):
    pytester.makepyfile(test_it=CACHE)
    kept = pytester.path / ".hvclock-regressions"
    other = 'test_it.py::test_other\tStep("1 s") at the start'
    kept.write_text(f"# an order was lost\n{other}", encoding="utf-8")
    for _ in range(2):
        assert run(pytester, "--hvclock-explore", "--hvclock-seed=1").ret == 1
        lines = ["# an order was lost", other, f"test_it.py::test_cache\t{SMALLEST}"]
        assert kept.read_text(encoding="utf-8").splitlines() == lines
    kept.write_text("", encoding="utf-8")
    run(pytester, "--hvclock-explore", "--hvclock-seed=1")
    head, line = kept.read_text(encoding="utf-8").splitlines()
    assert head.startswith("# Strikes that broke a test once")
    assert line == f"test_it.py::test_cache\t{SMALLEST}"
    for wrong, why in (
        (b"nonsense\n", "*:1: there is no tab between *"),
        (b"# none\ntest_it.py::test_cache\tStep\n", "*:2: 'Step' is not a schedule *"),
        (b"\xff", "*hvclock-regressions: it cannot be read: *"),
    ):
        kept.write_bytes(wrong)
        result = run(pytester, "--hvclock-explore")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {why}"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hvclock-explore", "--hvclock-places=0"], "ERROR: --hvclock-places: '0' is no number of places: *"),
        (["--hvclock-explore", "--hvclock-seed=x"], "ERROR: --hvclock-seed: 'x' is no seed: *"),
        (["--hvclock-explore", "--hvclock-places="], "ERROR: --hvclock-places: '' is no number of places: *"),
        (["--hvclock-explore", "--hvclock-seed="], "ERROR: --hvclock-seed: '' is no seed: *"),
        (["--hvclock-explore", "-o", "hvclock_explore_boots=maybe"], "ERROR: hvclock_explore_boots: *"),
        (["--hvclock-report="], "ERROR: --hvclock-report: '' is no directory: *"),
        (["--hvclock-replay=Step"], "ERROR: --hvclock-replay: 'Step' is not a schedule *"),
        (
            ["--hvclock-explore", "-o", "hvclock_may_cross=file.py"],
            "ERROR: hvclock_may_cross: 'file.py' does *",
        ),
        (["--hvclock-explore", "--hvclock=drift-500ppm"], "ERROR: --hvclock-explore and *leave --hvclock out*"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(pytester, options, message):
    pytester.makepyfile("def test_it(): pass")
    result = run(pytester, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
