"""Beside the plugins that other projects have: each in a run of its own, with a plain test that sees what is left."""

from __future__ import annotations

import textwrap
import xml.etree.ElementTree as ET

import pytest

pytestmark = pytest.mark.installed_plugins

PLAIN = """
import datetime, threading, time
def test_plain():
    assert "Counters" not in repr(time.monotonic) and "kit" not in repr(threading.Condition.wait)
    assert time.sleep.__name__ == "sleep" and threading.Condition.wait.__module__ == "threading"
    assert threading.Condition.wait.__qualname__ == "Condition.wait"
    assert abs(time.time() - datetime.datetime.now().timestamp()) < 60
"""


@pytest.fixture
def run(pytester):
    """Run a module of tests, and a plain one after it, in a process of their own."""

    def run(tests, *options, inner="", **outcomes):
        pytester.makepyfile(test_it=textwrap.dedent(tests), test_plain=PLAIN)
        if inner:
            pytester.makeini(textwrap.dedent(inner))
        result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider", *options)
        reruns = outcomes.pop("rerun", 0)
        if outcomes:
            result.assert_outcomes(**outcomes)
            assert result.parseoutcomes().get("rerun", 0) == reruns
        return result

    return run


# --------------------------------------------------------------------------------------------------- asyncio

ASYNCIO = """
import asyncio, time, pytest, pytest_asyncio

@pytest_asyncio.fixture
async def begun(hvclock):
    await asyncio.sleep(60)
    yield time.monotonic()
    await asyncio.sleep(60)
    assert 7320 <= time.monotonic() < 7320.001  # a loop counts in floats

@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def heart():
    beats = []
    async def beat():
        while True:
            beats.append(asyncio.get_running_loop().time())
            await asyncio.sleep(0.02)
    task = asyncio.create_task(beat())
    yield beats
    task.cancel()

async def test_function_loop(hvclock, begun):
    assert begun == 60
    await asyncio.sleep(3600)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3600):
            await asyncio.Event().wait()
    assert 7260 <= time.monotonic() < 7260.001

async def test_without_a_guest():
    before = time.monotonic()
    await asyncio.sleep(0.05)
    assert 0.04 < time.monotonic() - before < 60

@pytest.mark.asyncio(loop_scope="session")
async def test_session_loop(hvclock, heart):
    many = len(heart)
    await asyncio.sleep(1)
    assert len(heart) >= many + 49
    assert heart == sorted(heart)

@pytest.mark.asyncio(loop_scope="session")
async def test_session_loop_afterwards(heart):
    many, before = len(heart), time.monotonic()
    while len(heart) < many + 3:
        await asyncio.sleep(0.01)
        assert time.monotonic() - before < 60
    assert heart == sorted(heart)

@pytest.mark.hvclock(timesync="off")
@pytest.mark.parametrize("pace", [pytest.param("live", marks=pytest.mark.hvclock(pace="live")), "stepped"])
async def test_paces(hvclock, pace):
    before = asyncio.get_running_loop().time()
    await asyncio.sleep(0.05)
    assert asyncio.get_running_loop().time() - before > 0.0499
"""


def test_pytest_asyncio(run):
    """In auto mode: loops of a function and of a session, and fixtures that are coroutines."""
    result = run(ASYNCIO, inner="[pytest]\nasyncio_mode = auto\n", passed=7)
    result.stdout.no_fnmatch_line("*never awaited*")


# --------------------------------------------------------------------------------------------------- xdist


@pytest.mark.parametrize("dist", ["loadscope", "worksteal"])
def test_xdist_and_its_ways_of_sharing(run, dist):
    """No worker crashes, and all report what they did."""
    tests = """
        import time, pytest
        @pytest.mark.parametrize("hours", range(12))
        class TestIt:
            def test_sleep(self, hvclock, hours):
                time.sleep(hours * 3600)
                assert time.monotonic() == hours * 3600
        def test_crash_free(hvclock):
            hvclock.advance("30 d")
            assert time.time() > 0
    """
    result = run(tests, "-n2", "--dist", dist, passed=14)
    assert "crashed" not in result.stdout.str()


# --------------------------------------------------------------------------------------------------- timeouts


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_pytest_timeout_does_not_end_a_long_sleep_of_the_guest(run, method):
    """3,650 days pass at once, and a later test has its own time."""
    tests = """
        import time
        def test_it(hvclock):
            time.sleep(3650 * 86_400)
            hvclock.advance("3650 d")
            assert time.monotonic() == 7300 * 86_400
    """
    run(tests, "--timeout=30", "--timeout-method", method, passed=2)


@pytest.mark.parametrize("pace", ["stepped", "live"])
def test_pytest_timeout_by_signal_ends_a_real_spin(run, pace):
    """The next test runs on the real clocks."""
    tests = """
        import time, pytest
        @pytest.mark.timeout(1, method="signal")
        def test_it(hvclock):
            hvclock.advance("30 d")
            while True: time.monotonic_ns() and None
    """
    result = run(tests, f"--hvclock-pace={pace}", passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Timeout*1.0s*"])


def test_pytest_timeout_by_thread_ends_the_run_after_real_time(run):
    """Its thread counts real seconds, also under a guest that has lived a month; it shows where the test was."""
    tests = """
        import time, pytest
        @pytest.mark.timeout(1, method="thread")
        @pytest.mark.hvclock(pace="live")
        def test_it(hvclock):
            hvclock.advance("30 d")
            while True: time.monotonic()
    """
    result = run(tests)
    assert result.ret != 0
    assert "Timeout" in result.stdout.str() + result.stderr.str()
    assert "while True: time.monotonic()" in result.stdout.str() + result.stderr.str()


def test_the_session_timeout_counts_real_time(run):
    """A month on the guest is not a month of the session."""
    tests = """
        import time, pytest
        @pytest.mark.parametrize("number", range(3))
        def test_it(hvclock, number): time.sleep(30 * 86_400)
    """
    run(tests, "--session-timeout=3600", passed=4)


# --------------------------------------------------------------------------------------------------- reruns

RERUNS = """
import time, pytest
RUNS, REAL = [], []
@pytest.mark.flaky(reruns=2, reruns_delay=0.05)
def test_it(hvclock):
    REAL.append([time.monotonic][0])
    RUNS.append((hvclock, hvclock.error_ns, time.monotonic(), hvclock.host.true_ns))
    hvclock.step("1 h")
    time.sleep(86_400)
    assert len(RUNS) == 3
    guests, errors, begins, _ = zip(*RUNS)
    assert len(set(map(id, guests))) == 3 and errors == (0, 0, 0) and begins == (0, 0, 0)
"""


def test_pytest_rerunfailures(run):
    """A rerun gets a guest of its own, and the delay between two is real."""
    result = run(RERUNS, passed=2, rerun=2)
    result.stdout.no_fnmatch_line("*- Guest clock -*")


def test_a_rerun_is_told_once(run, pytester):
    """What came of the test in the end, and not how often it was tried."""
    result = run(
        """
        import pytest, time
        from pytest_hvclock import recovers

        RUNS = []

        @pytest.mark.flaky(reruns=2)
        @pytest.mark.hvclock("azure-pause-28s")
        def test_it(hvclock):
            RUNS.append(hvclock)
            hvclock.strike()
            recovers(hvclock, lambda: time.time() > 0, within="30 s")
            assert len(RUNS) == 3
        """,
        "--junitxml=report.xml",
        passed=2,
        rerun=2,
    )
    result.stdout.fnmatch_lines(
        ["azure-pause-28s: 1 recovered", "recovered *", "*::test_it  azure-pause-28s     30 s   0 s"], consecutive=True
    )
    assert result.stdout.str().count("::test_it  azure-pause-28s") == 1
    assert (pytester.path / "report.xml").read_text().count("hvclock.recovered_after") == 3  # one for each try


def test_pytest_rerunfailures_under_xdist(run):
    """Its server and its threads are nobody's business."""
    run(RERUNS, "-n2", "--dist=loadfile", passed=2, rerun=2)


# --------------------------------------------------------------------------------------------------- coverage


def test_pytest_cov(pytester):
    """What ran on the guest and in its threads is covered, and nothing is reported of a time to come."""
    pytester.makepyfile(
        app="""
        import threading, time
        def wait():
            time.sleep(3600)
            return 1
        def in_thread():
            found = []
            thread = threading.Thread(target=lambda: found.append(wait()))
            thread.start()
            thread.join()
            return found
        """,
        test_it="""
        import app
        def test_it(hvclock):
            hvclock.advance("3650 d")
            assert app.in_thread() == [1]
        """,
    )
    result = pytester.runpytest_subprocess("--cov=app", "--cov-branch", "--cov-report=xml", "-p", "no:randomly")
    result.assert_outcomes(passed=1)
    report = ET.parse(pytester.path / "coverage.xml").getroot()  # noqa: S314  (our own file)
    assert report.get("line-rate") == "1"
    assert abs(int(report.get("timestamp")) / 1000 - (pytester.path / "coverage.xml").stat().st_mtime) < 300


# --------------------------------------------------------------------------------------------------- Hypothesis

HYPOTHESIS = """
import time, pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pytest_hvclock import Host

@settings(max_examples=30, deadline=2000)
@given(st.integers(1, 3650))
def test_context_manager(days):
    host = Host(start="2026-01-01T00:00:00Z")
    with host.guest(timesync="off").running():
        time.sleep(days * 86_400)
        assert time.time() == 1767225600 + days * 86_400

@settings(max_examples=3)
@given(st.integers(1, 9))
def test_fixture(hvclock, hours):
    time.sleep(3600)

@settings(max_examples=3, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 9))
def test_suppressed(hvclock, hours):
    before = time.monotonic()
    time.sleep(hours * 3600)
    assert time.monotonic() - before == hours * 3600

@settings(max_examples=2, deadline=500, database=None)
@given(st.just(0))
def test_deadline_is_real(zero):
    real = [time.sleep]
    with Host().guest().running():
        real[0](0.8)
"""


def test_hypothesis(run):
    """Each example on a guest of its own; the fixture, made once for all, is what its health check is about."""
    result = run(HYPOTHESIS, passed=3, failed=2)
    result.stdout.fnmatch_lines(
        ["FAILED *::test_fixture*FailedHealthCheck*", "FAILED *::test_deadline_is_real*Deadline*"]
    )
    result.stdout.fnmatch_lines(["*uses a function-scoped fixture 'hvclock'*"])


# --------------------------------------------------------------------------------------------------- unittest

UNITTEST = """
import asyncio, time, unittest, pytest

@pytest.mark.hvclock(start="2026-01-01T00:00:00Z")
class TestOnGuest(unittest.TestCase):
    def setUp(self):
        time.sleep(3600)
        self.begun = time.time()
    def tearDown(self):
        assert time.time() == 1767225600 + 10_800
    def test_it(self):
        self.assertEqual(self.begun, 1767225600 + 3600)
        time.sleep(7200)
    @pytest.fixture(autouse=True)
    def take(self, hvclock):
        self.guest = hvclock
    def test_guest(self):
        self.guest.advance("2 h")
        with self.subTest("inside"):
            self.assertEqual(self.guest.error_ns, 0)

@pytest.mark.hvclock(start="2026-01-01T00:00:00Z", timesync="off")
class TestAsync(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        await asyncio.sleep(60)
    async def asyncTearDown(self):
        await asyncio.sleep(60)
        assert time.monotonic() == 3720
    async def test_it(self):
        await asyncio.sleep(3600)
        self.assertEqual(time.time(), 1767225600 + 3660)

class TestPlain(unittest.TestCase):
    def test_it(self):
        self.assertNotIn("Counters", repr(time.monotonic))
"""


def test_unittest_classes(run):
    """``setUp``, ``tearDown`` and their coroutines are on the guest."""
    run(UNITTEST, passed=5)


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest has subtests from 9.0 on")
def test_subtests(run):
    """pytest's own: each on the same guest, which has moved on."""
    tests = """
        import time
        def test_it(hvclock, subtests):
            for hours in range(3):
                with subtests.test(hours=hours):
                    assert time.monotonic() == hours * 3600 and hours != 1
                time.sleep(3600)
            assert time.monotonic() == 3 * 3600
    """
    result = run(tests)
    text = result.stdout.str()
    assert "hours=1" in text
    assert "hours=2" not in text.partition("short test summary")[2]


# --------------------------------------------------------------------------------------------------- doctests


def test_doctests(pytester):
    """A doctest reads the guest that a run or its fixture gives it."""
    pytester.makepyfile(
        app='''
        import time
        def later():
            """
            >>> before = time.monotonic()
            >>> time.sleep(3600)
            >>> 3600 <= time.monotonic() - before < 3601
            True
            """
        '''
    )
    result = pytester.runpytest_subprocess("--doctest-modules", "--hvclock=restore-after-a-month", "-p", "no:randomly")
    result.assert_outcomes(passed=1)
    pytester.makepyfile(
        app='''
        def guest():
            """
            >>> guest = getfixture("hvclock")
            >>> import time
            >>> time.sleep(86_400)
            >>> guest.monotonic_ns
            86400000000000
            """
        '''
    )
    pytester.runpytest_subprocess("--doctest-modules", "-p", "no:randomly").assert_outcomes(passed=1)


# --------------------------------------------------------------------------------------------------- pytest's own

SCOPES = """
import time, pytest
real = []
def made(scope):
    @pytest.fixture(scope=scope)
    def fixture():
        assert "Counters" not in repr(time.monotonic)
        time.sleep(0.001)
        yield time.time()
        assert "Counters" not in repr(time.monotonic)
    return fixture
session, package, module, class_ = map(made, ("session", "package", "module", "class"))

@pytest.fixture
def function():
    assert "Counters" in repr(time.monotonic)
    time.sleep(3600)
    yield
    time.sleep(3600)
    assert time.monotonic() == 10_800

@pytest.fixture(autouse=True)
def everywhere(request):
    on_guest = "hvclock" in request.fixturenames
    assert ("Counters" in repr(time.monotonic)) == on_guest
    yield
    assert ("Counters" in repr(time.monotonic)) == on_guest

class TestLate:
    def test_it(self, request, function, hvclock):
        for name in ("session", "package", "module", "class_"):
            request.getfixturevalue(name)
            assert "Counters" in repr(time.monotonic)
        time.sleep(3600)

class TestArguments:
    def test_it(self, hvclock, class_, function): time.sleep(3600)

@pytest.mark.hvclock(timesync="off")
def test_arguments(session, package, module, function, request):
    assert time.monotonic() == 3600
    time.sleep(3600)
    assert time.monotonic() == 7200
"""


def test_fixtures_of_every_scope(run):
    """Wider ones are made and torn down on the real clocks, whenever they are asked for; a test's own on its guest."""
    run(SCOPES, passed=4)


def test_pytest_randomly(pytester):
    """The seed gives each test the same numbers and the same place, on a guest and without one."""
    pytester.makepyfile(
        """
        import random, time, pytest
        @pytest.mark.parametrize("number", range(9))
        def test_it(number):
            time.time(), time.monotonic()
            print("DRAWN", number, random.random())
        """
    )

    def drawn(*options):
        result = pytester.runpytest_subprocess("-s", "-p", "randomly", "-p", "no:xdist", *options)
        result.assert_outcomes(passed=9)
        return [line.partition("DRAWN")[2] for line in result.outlines if "DRAWN" in line]

    plain = drawn("--randomly-seed=1")
    assert len(set(plain)) == 9
    assert drawn("--randomly-seed=1", "--hvclock=restore-after-a-month") == plain
    assert drawn("--randomly-seed=2", "--hvclock=restore-after-a-month") != plain


FAILING = """
import time
def test_fails(hvclock):
    hvclock.step("1 h")
    time.sleep(86_400)
    assert hvclock is None
"""


@pytest.mark.parametrize(
    ("options", "expected", "missing"),
    [
        (["--setup-show"], ["*SETUP    F hvclock*", "*TEARDOWN F hvclock*", "*- Guest clock -*"], None),
        (["-q"], ["*- Guest clock -*", "1 failed, 1 passed*"], None),
        (["--tb=no"], ["FAILED test_it.py::test_fails*", "*1 failed, 1 passed*"], "*- Guest clock -*"),
        (["-v", "--durations=1", "--durations-min=0"], ["*slowest*"], "*86400*s call*"),
    ],
    ids=["setup-show", "quiet", "no-traceback", "durations"],
)
def test_what_the_terminal_shows(run, options, expected, missing):
    """Every way of showing a run shows it, and no more than was asked for."""
    result = run(FAILING, *options)
    assert result.ret == 1
    result.stdout.fnmatch_lines(expected)
    if missing is not None:
        result.stdout.no_fnmatch_line(missing)


def test_without_a_terminal(run):
    """``-p no:terminal`` has nobody to tell a story to."""
    result = run(FAILING, "-p", "no:terminal", "-p", "no:asyncio")
    assert result.ret == 1
    assert (result.stdout.str(), result.stderr.str()) == ("", "")


def test_the_last_failures_first(pytester):
    """``--lf``, ``--ff`` and ``--sw`` find the tests again, each scenario by itself, and give them new guests."""
    pytester.makepyfile(
        """
        import time, pytest
        def test_good(hvclock): time.sleep(3600)
        @pytest.mark.hvclock("azure-pause-28s", "drift-500ppm")
        def test_by_scenario(hvclock, request):
            hvclock.strike() if hvclock.armed else None
            time.sleep(3600)
            assert time.time() > 0 and "drift" not in request.node.nodeid
        """
    )

    def run(*options):
        return pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:xdist", *options)

    run().assert_outcomes(passed=2, failed=1)
    run("--lf").assert_outcomes(failed=1)
    result = run("--ff", "-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*::test_by_scenario?drift-500ppm? FAILED*", "*::test_good PASSED*"])
    result = run("--sw")
    result.assert_outcomes(passed=2, failed=1)


def test_junit_xml(run, pytester):
    """Times are real, the date is today's, and the scenario and the recovery are properties of the test."""
    tests = """
        import time, pytest
        @pytest.mark.hvclock("restore-after-a-month")
        @pytest.mark.hvclock_recovers(lambda: time.time() > 0, within="30 s")
        def test_it(hvclock, record_property):
            time.sleep(30 * 86_400)
            hvclock.strike()
            record_property("read", time.monotonic() > 86_400)
    """
    run(tests, "--junitxml=report.xml", passed=2)
    suite = ET.parse(pytester.path / "report.xml").getroot()[0]  # noqa: S314  (our own file)
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    names = {entry.get("name"): entry.get("value") for entry in cases["test_it"].iter("property")}
    assert names["hvclock.scenario"] == "restore-after-a-month"
    assert names["read"] == "True"
    assert float(names["hvclock.recovered_after"]) >= 0
    assert all(float(case.get("time")) < 60 for case in cases.values())
    assert float(suite.get("time")) < 60
    import datetime as dt

    begun = dt.datetime.fromisoformat(suite.get("timestamp"))
    now = dt.datetime.now(begun.tzinfo)
    assert abs((now - begun).total_seconds()) < 300


# --------------------------------------------------------------------------------------------------- other libraries

OTHERS = """
import datetime, time, pytest, time_machine
from freezegun import freeze_time

def test_fixture_of_pytest_freezer(freezer):
    freezer.move_to("2001-01-01")
    assert datetime.date.today() == datetime.date(2001, 1, 1)
def test_guest(hvclock): assert time.time_ns() == hvclock.wall_ns
@pytest.mark.freeze_time("2002-01-01")
def test_marker_of_pytest_freezer(): assert datetime.date.today() == datetime.date(2002, 1, 1)
def test_guest_again(hvclock): assert time.time_ns() == hvclock.wall_ns
def test_fixture_of_time_machine(time_machine):
    time_machine.move_to(86_400)
    assert 86_400 <= time.time() < 86_460
@pytest.mark.time_machine(0, tick=False)
def test_marker_of_time_machine(): assert time.time() == 0
@freeze_time("2003-01-01")
def test_decorator_of_freezegun(): assert datetime.date.today() == datetime.date(2003, 1, 1)
@time_machine.travel(0, tick=False)
def test_decorator_of_time_machine(): assert time.time() == 0
def test_guest_at_last(hvclock):
    time.sleep(3600)
    assert time.monotonic() == 3600 and time.time_ns() == hvclock.wall_ns
"""

REFUSED = """
import time, pytest, time_machine
from freezegun import freeze_time
def test_freezer(hvclock, freezer): pass
@pytest.mark.freeze_time("2001-01-01")
def test_freezer_marker(hvclock): pass
def test_time_machine(hvclock, time_machine): pass
@pytest.mark.time_machine(0)
def test_time_machine_marker(hvclock): pass
@freeze_time("2001-01-01")
def test_freezegun_decorator(hvclock): pass
@time_machine.travel(0)
def test_time_machine_decorator(hvclock): pass
"""


@pytest.mark.parametrize("backend", ["time-machine", "freezegun"])
def test_other_tests_use_other_libraries(run, backend):
    """In one run, one after the other, in their own ways."""
    run(OTHERS, f"--hvclock-backend={backend}", passed=10)


@pytest.mark.parametrize("backend", ["time-machine", "freezegun"])
def test_in_one_test_other_libraries_are_refused_by_name(run, backend):
    """With what to do; and the plain test behind them is none the worse."""
    result = run(REFUSED, f"--hvclock-backend={backend}")
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] == 1
    assert outcomes["failed"] + outcomes["errors"] == 6
    summary = result.stdout.str()
    for words in (
        "test_freezer: the fixture 'freezer' of pytest-freezer fakes time too",
        "test_freezer_marker: the fixture 'freezer' of pytest-freezer fakes time too",
        "test_time_machine: the fixture 'time_machine' of time-machine fakes time too",
        "test_time_machine_marker: the fixture 'time_machine' of time-machine fakes time too",
        "freezegun cannot fake time while a guest is running",
        "time-machine cannot fake time while a guest is running",
    ):
        assert words in summary


def test_it_all_at_once(run):
    """Workers, reruns, coverage, random order and a timeout, and the kit among them."""
    run(RERUNS, "-n2", "--dist=loadfile", "-p", "randomly", "--timeout=60", "--cov=test_it", "--reruns=1",
        passed=2, rerun=2)  # fmt: skip
