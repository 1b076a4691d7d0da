"""The options and ini keys, and what the plugin does to runs that do not use it."""

from __future__ import annotations

import pytest


def run(pytester, source, *options):
    """Run some tests in a process of their own."""
    pytester.makepyfile(source)
    return pytester.runpytest_subprocess("-p", "no:randomly", *options)


PLAIN = """
import time
def test_reads():
    readings = [time.time() for _ in range(3)]
    assert readings[0] == readings[1], readings
def test_waits():
    first = time.time()
    assert time.time() == first
    time.sleep(10)
    assert time.time() - first < 60, "time has jumped"
"""


def test_a_whole_suite_runs_under_a_scenario(pytester):
    """Unmarked tests are struck before their second reading; the restore shows once the service has corrected it."""
    result = run(pytester, PLAIN, "--hvclock=restore-after-a-month")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["hvclock: --hvclock=restore-after-a-month"])
    result.stdout.fnmatch_lines(["restore-after-a-month: 1 broke, 1 held"])
    result.stdout.fnmatch_lines(
        ["pytest *::test_waits --hvclock=restore-after-a-month -o hvclock_start=????-??-??T??:??:??Z"]
    )


def test_a_scenario_of_the_tests_own_wins_over_the_option(pytester):
    """The marker's scenario strikes at the end of the body, as without the option."""
    source = """
    import pytest, time
    @pytest.mark.hvclock("azure-pause-28s", allow_vacuous=True)
    def test_own(hvclock):
        for _ in range(5): time.time()
        assert hvclock.error_ns == 0 and hvclock.armed.name == "azure-pause-28s"
    @pytest.mark.hvclock(drift="+1 ppm")
    def test_settings_alone(hvclock):
        time.time(); time.time()
        assert hvclock.armed is None and hvclock.drift == "+1 ppm"
    """
    run(pytester, source, "--hvclock=restore-after-a-month").assert_outcomes(passed=2)


@pytest.mark.parametrize(("at", "struck"), [("1", 1), ("2", 2), ("3", 3)])
def test_the_reading_before_which_it_strikes_can_be_chosen(pytester, at, struck):
    """``hvclock_strike_at`` counts the readings of the body, of whatever clock; logging's are not the test's."""
    source = f"""
    import logging, time
    def test_it(hvclock):
        for number, read in enumerate([time.time, time.monotonic, time.time_ns], 1):
            logging.getLogger().warning("a record reads the clock")
            read()
            assert (hvclock.struck_at_ns is not None) == (number >= {struck})
    """
    run(pytester, source, "--hvclock=azure-pause-28s", "-o", f"hvclock_strike_at={at}").assert_outcomes(passed=1)


def test_what_unittest_reads_for_its_own_durations_is_not_the_tests(pytester):
    """It measures each test by ``perf_counter``, around the test and within what pytest takes for its body."""
    source = """
    import time, unittest, pytest
    class TestCase(unittest.TestCase):
        @pytest.fixture(autouse=True)
        def guest(self, hvclock): self.hvclock = hvclock
        def test_struck(self):
            time.time()
            assert self.hvclock.struck_at_ns is None
            time.time()
            assert self.hvclock.struck_at_ns is not None
        @pytest.mark.hvclock("azure-pause-28s")
        def test_vacuous(self): self.hvclock.strike()
    """
    result = run(pytester, source, "--hvclock=azure-pause-28s")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["this test is vacuous: *"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hvclock=drift"], "ERROR: --hvclock: unknown scenario 'drift': *"),
        (["--hvclock-backend=clock"], "ERROR: --hvclock-backend: unknown backend 'clock': use one of *"),
        (["--hvclock-pace=slow"], "ERROR: --hvclock-pace: unknown pace 'slow': use stepped or live"),
        (["-o", "hvclock=drift"], "ERROR: hvclock: unknown scenario 'drift': *"),
        (["-o", "hvclock_pace=slow"], "ERROR: hvclock_pace: unknown pace 'slow': use stepped or live"),
        (["--hvclock-places=0"], "ERROR: --hvclock-places: '0' is no number of places: write 1, 2, 3, ... or all"),
        (["-o", "hvclock_seed=-1"], "ERROR: hvclock_seed: '-1' is no seed: write a whole number"),
        (
            ["--hvclock-explore", "-o", "hvclock_regressions=nowhere/kept"],
            "ERROR: hvclock_regressions: *nowhere*kept cannot be written: name a file in a directory that is there",
        ),
        (["-o", "hvclock_strict=maybe"], "ERROR: hvclock_strict: invalid truth value 'maybe'"),
        (["-o", "hvclock_start=2026-01-01"], "ERROR: hvclock_start: '2026-01-01' has no time zone, *"),
        (
            ["-o", "hvclock_strike_at=0"],
            "ERROR: hvclock_strike_at: '0' is not the number of a reading: write 1, 2, 3, ...",
        ),
        (
            ["-o", "hvclock_strike_at=²"],
            "ERROR: hvclock_strike_at: '²' is not the number of a reading: write 1, 2, 3, ...",
        ),
    ],
)
def test_a_wrong_option_is_one_line(pytester, options, message):
    """It says which, and what to write instead, before any test runs."""
    result = run(pytester, PLAIN, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
    assert len([line for line in result.errlines if line]) == 1


def test_the_catalogue_is_printed(pytester):
    """``--hvclock-scenarios`` prints every scenario, and runs nothing."""
    result = run(pytester, PLAIN, "--hvclock-scenarios")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["restore-after-a-month", "    The guest is saved, *", "    Source: *"])
    assert "passed" not in result.stdout.str()


@pytest.mark.parametrize("options", [["-n", "2"], ["-p", "randomly"], ["--setup-show"], ["-p", "no:terminal"], ["-q"]])
def test_the_harness_is_undisturbed(pytester, options):
    """xdist, pytest-randomly, and every way of reporting or not."""
    pytester.makepyfile(
        """
        import pytest, time
        @pytest.mark.hvclock("drift-500ppm", "restore-after-a-month", "checkpoint-seen-from-outside")
        @pytest.mark.parametrize("number", range(4))
        def test_it(hvclock, number):
            hvclock.strike()
            time.sleep(3600)
        def test_plain(): assert "Counters" not in repr(time.monotonic)
        """
    )
    result = pytester.runpytest_subprocess(*options)
    assert result.ret == 0
    if "no:terminal" not in options:
        result.assert_outcomes(passed=13)


def test_it_can_be_switched_off(pytester):
    """``-p no:hvclock`` leaves a suite that does not use it as it was."""
    run(pytester, "def test_it(): pass", "-p", "no:hvclock").assert_outcomes(passed=1)


def test_others_add_scenarios_and_disciplines(pytester):
    """A conftest's hooks add names, for markers, options and ``timesync``; a name that is taken is refused."""
    pytester.makeconftest(
        """
        from pytest_hvclock.anomalies import Step
        from pytest_hvclock.disciplines.ntp import Ntp
        from pytest_hvclock.scenarios import Scenario
        def pytest_hvclock_scenarios():
            return [Scenario("ours", "It steps.", "None.", "us", {"timesync": "slow-ntp"}, anomalies=(Step("5 s"),))]
        def pytest_hvclock_disciplines():
            return {"slow-ntp": lambda: [Ntp(poll_ns=1000 * 10**9)]}
        """
    )
    source = """
    import pytest
    @pytest.mark.hvclock("ours", "ours+drift-500ppm")
    def test_it(hvclock):
        hvclock.strike()
        assert hvclock.error_ns == 5 * 10**9
        hvclock.advance("1000 s")
        assert hvclock.error_ns == 0
    """
    run(pytester, source, "--hvclock=ours").assert_outcomes(passed=2)
    pytester.makeconftest(
        "from pytest_hvclock.scenarios import SCENARIOS\n"
        "def pytest_hvclock_scenarios(): return [SCENARIOS['drift-500ppm']]\n"
    )
    result = run(pytester, source)
    result.stderr.fnmatch_lines(["*there is a scenario called 'drift-500ppm' already: choose another name"])


@pytest.mark.parametrize(
    ("hook", "returned", "wanted"),
    [
        ("scenarios", "5", "a sequence of Scenario"),
        ("scenarios", "['x']", "a sequence of Scenario"),
        ("disciplines", "{'x': 5}", "a mapping from names to callables"),
        ("backends", "[print]", "a mapping from names to callables"),
    ],
)
def test_a_hook_that_returns_something_else_is_one_line(pytester, hook, returned, wanted):
    """It says whose hook, what it returned, and what to return."""
    pytester.makeconftest(f"def pytest_hvclock_{hook}(): return {returned}\n")
    result = run(pytester, "def test_it(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line]
    assert line.startswith(f"ERROR: conftest: pytest_hvclock_{hook} returned ")
    assert line.endswith(f": return {wanted}")


def test_the_time_that_peers_outside_get_is_a_setting(pytester):
    """A thread that waits for a socket is named below a failure when its time is up; the closest setting holds."""
    source = """
    import pytest, socket, threading, time
    def receive(connection, received):
        received.append(connection.recv(1))
    def late(connection, go):
        go.wait()
        threading.Event().wait(0.3)
        connection.send(b"x")
    @pytest.fixture(scope="session")
    def peer():
        ours, theirs = socket.socketpair()
        go = threading.Event()
        threading.Thread(target=late, args=(theirs, go)).start()
        yield ours, go
        go.set()
        time.sleep(0.5)
        ours.close(), theirs.close()
    def test_it(hvclock, peer):
        received = []
        thread = threading.Thread(target=receive, args=(peer[0], received), name="receiver")
        thread.start()
        peer[1].set()
        thread.join(60)
        assert received == [b"x"]
    """
    result = run(pytester, source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*not waited for any longer (hvclock_io_grace): receiver at *received.append(connection.recv(1))"]
    )
    result = run(pytester, source, "-o", "hvclock_io_grace=30 s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["hvclock: -o 'hvclock_io_grace=30 s'"])
    marked = source.replace("def test_it", '@pytest.mark.hvclock(io_grace="30 s")\n    def test_it')
    run(pytester, marked, "-o", "hvclock_io_grace=0 s").assert_outcomes(passed=1)
    result = run(pytester, source, "-o", "hvclock_io_grace=soon")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: hvclock_io_grace: *'soon'*"])


def test_a_hook_with_a_wrong_argument_is_an_error_of_its_own_directory(pytester):
    """The hooks are declared before any conftest comes, so that pluggy refuses one alone, and says why."""
    pytester.mkdir("a").joinpath("conftest.py").write_text("def pytest_hvclock_claims(gast): return []")
    pytester.path.joinpath("a", "test_a.py").write_text("def test_it(): pass")
    pytester.mkdir("b").joinpath("test_b.py").write_text("def test_it(hvclock): assert hvclock.error_ns == 0")
    result = pytester.runpytest_subprocess("--continue-on-collection-errors", "-p", "no:randomly")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*'gast'* can not be found in the hookspec*"])


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest reads TOML's own types from 9.0 on")
@pytest.mark.parametrize("line", ['hvclock_strict = "yes"', "hvclock_cover = 1", "hvclock_strike_at = 3"])
def test_a_value_of_another_type_in_toml_is_refused_with_its_key(pytester, line):
    """pytest itself raises TypeError for it before 9.2, and does not name the key after that."""
    pytester.makepyfile("def test_it(): pass")
    pytester.makefile(".toml", pyproject=f"[tool.pytest]\n{line}\n")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {line.split()[0]}: *"])
