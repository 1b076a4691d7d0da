"""Beside other plugins, and in suites that never use the kit."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.installed_plugins


def test_importing_the_plugin_loads_no_engine():
    """In a run that never uses the kit only its door is loaded: no model, no engine, nothing that pytest has not."""
    import subprocess
    import sys

    script = (
        "import sys, pytest, _pytest.config\n"
        "before = set(sys.modules)\n"
        "import pytest_hvclock.plugin\n"
        "print(*sorted(set(sys.modules) - before), sep='\\n')\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert loaded == [
        "pytest_hvclock",
        "pytest_hvclock.plugin",
        "pytest_hvclock.plugin.declared",
    ]


def test_a_run_that_never_uses_it_pays_for_nothing(pytester, monkeypatch):
    """No wrapper is registered, and neither the model nor an engine is loaded."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        """
        import sys
        def test_it(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("hvclock")
            assert not pytestconfig.pluginmanager.has_plugin("hvclock-phases")
            assert {name for name in sys.modules if name.startswith("pytest_hvclock")} == {
                "pytest_hvclock", "pytest_hvclock.plugin", "pytest_hvclock.plugin.declared",
                "pytest_hvclock.plugin.hookspecs",
            }
            assert not {"time_machine", "freezegun", "hypothesis", "zoneinfo"} & set(sys.modules)
            assert sys.version_info >= (3, 14) or "asyncio" not in sys.modules  # pytest has pdb, which has it there
        """
    )
    pytester.runpytest_subprocess("-p", "hvclock").assert_outcomes(passed=1)


def test_neither_a_key_nor_xdist_loads_the_model(pytester):
    """Both are known before any test is, and cost no more than what they need themselves."""
    pytester.makeconftest(
        """
        import sys
        def pytest_unconfigure():
            loaded = {name.split(".")[1] for name in sys.modules if name.startswith("pytest_hvclock.")}
            assert loaded <= {"plugin", "errors", "units"}, loaded
        """
    )
    pytester.makepyfile("def test_it(): pass")
    for given in (["-n", "1"], ["-o", "hvclock_start=2026-10-25T00:30:00Z"]):
        result = pytester.runpytest_subprocess(*given)
        result.assert_outcomes(passed=1)
        assert result.ret == 0


def test_xdist_and_randomly_together(pytester):
    """Workers collect the same tests in whatever order, run them on guests, and report what came of each."""
    pytester.makepyfile(
        """
        import time, pytest
        @pytest.mark.hvclock("azure-pause-28s", "restore-after-a-month")
        @pytest.mark.hvclock_recovers(lambda: time.time() > 0, within="10 s")
        @pytest.mark.parametrize("number", range(5))
        def test_it(number): time.sleep(3600)
        @pytest.mark.parametrize("number", range(5))
        def test_plain(number): assert "Counters" not in repr(time.monotonic)
        def test_broken(hvclock):
            hvclock.step("1 h")
            assert hvclock.error_ns == 0
        """
    )
    result = pytester.runpytest_subprocess("-n", "2", "--junitxml=report.xml")
    result.assert_outcomes(passed=15, failed=1)
    result.stdout.fnmatch_lines_random(["azure-pause-28s: 5 recovered", "restore-after-a-month: 5 recovered"])
    result.stdout.fnmatch_lines(["*- Guest clock -*", "*; at the end the guest is 1 h ahead"])
    assert (pytester.path / "report.xml").read_text().count("hvclock.recovered_after") == 10


def test_the_debugger_after_a_failure(pytester):
    """``--pdb`` opens on the failed test with the real clocks, and the run goes on with them."""
    pytester.makepyfile(
        """
        import time
        def test_it(hvclock):
            time.sleep(86_400)
            assert hvclock is None
        def test_plain(): assert "Counters" not in repr(time.monotonic)
        """
    )
    result = pytester.run(
        *pytester._getpytestargs(), "--pdb", "-p", "no:randomly",
        stdin=b"print('REPR', repr(time.monotonic), hvclock.monotonic_ns)\ncontinue\n",
    )  # fmt: skip
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*REPR <built-in function monotonic> 86400000000000*"])


@pytest.mark.parametrize("body", ["threading.Event().wait()", "with lock: lock.acquire()", "time.sleep(10**9)"])
def test_pytest_timeout_in_a_wait_of_the_guest(pytester, body):
    """Its signal ends a wait that real time would not, and a wait that takes no real time is not ended by it."""
    pytester.makepyfile(
        f"""
        import threading, time, pytest
        stranger = threading.Thread(target=time.sleep, args=(3,), daemon=True)
        stranger.start()  # as long as somebody else could end the wait, it is not reported as endless
        lock = threading.Lock()
        @pytest.mark.timeout(1.5, method="signal")
        def test_it(hvclock):
            {body}
        def test_plain():
            before = time.monotonic()
            time.sleep(0.01)
            assert time.monotonic() - before < 60 and "Counters" not in repr(time.monotonic)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    if "sleep" in body:
        result.assert_outcomes(passed=2)
    else:
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["*Timeout*1.5s*"])


def test_fixtures_of_other_libraries_that_are_asked_for_late(pytester):
    """``getfixturevalue`` in the body is refused by name at the first use; without a guest the fixtures work."""
    pytester.makeconftest(
        """
        import pytest
        @pytest.fixture
        def freezer():  # as pytest-freezer has it
            from freezegun import freeze_time
            freeze = freeze_time()
            yield freeze.start()
            freeze.stop()
        """
    )
    pytester.makepyfile(
        """
        import time, pytest
        from pytest_hvclock import ConflictError
        def test_freezer(hvclock, request):
            with pytest.raises(ConflictError, match="^freezegun cannot fake time while a guest is running: "):
                request.getfixturevalue("freezer")
        def test_time_machine(hvclock, request):
            with pytest.raises(ConflictError, match="^time-machine cannot fake time while a guest is running: "):
                request.getfixturevalue("time_machine").move_to(0)
        def test_freezer_alone(freezer):
            freezer.move_to("1970-01-02")
            assert time.time() == 86_400
        @pytest.mark.time_machine(0, tick=False)
        def test_time_machine_alone(): assert time.time() == 0
        def test_on_a_guest_again(hvclock): assert time.time_ns() == hvclock.wall_ns
        """
    )
    pytester.runpytest_subprocess("-p", "no:freezer", "-p", "no:randomly").assert_outcomes(passed=5)


def test_a_guest_that_a_test_has_entered_itself(pytester):
    """Next to the fixture it is refused; without it, and left running, the next guest says so."""
    pytester.makepyfile(
        """
        import time, pytest
        from pytest_hvclock import ConflictError, Host
        def test_second(hvclock):
            with pytest.raises(ConflictError, match="^a guest is running in this process already"):
                Host().guest().running().__enter__()
        def test_own():
            with Host(start="2100-01-01T00:00:00Z").guest().running():
                assert time.time() > 4e9
            assert time.time() < 4e9
        """
    )
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=2)
