"""Whatever happens in a test, the real clock is back after it: each a run of its own, with a plain test behind it."""

from __future__ import annotations

import pytest

REAL = """
import datetime, signal, threading, time, pytest
REAL = (time.time, time.monotonic, time.perf_counter, time.sleep, threading.Condition.wait, threading.Thread.start,
        threading.Lock)

@pytest.fixture(scope="session", autouse=True)
def reality_at_the_end():
    began = time.time(), time.monotonic()
    yield
    assert REAL == (time.time, time.monotonic, time.perf_counter, time.sleep, threading.Condition.wait,
                    threading.Thread.start, threading.Lock)
    assert 0 <= time.time() - began[0] < 300
    assert 0 <= time.monotonic() - began[1] < 300
    print("REALITY IS BACK")

def test_reality(reality_at_the_end):
    assert abs(time.time() - datetime.datetime.now().timestamp()) < 60
    assert time.time() > 1_700_000_000
    assert "Counters" not in repr(time.monotonic)
"""


@pytest.mark.parametrize(
    "body",
    [
        "assert False",
        "raise RuntimeError('boom')",
        "raise KeyboardInterrupt",
        "pytest.exit('enough')",
        "signal.raise_signal(signal.SIGINT)",
        "hvclock.host.at('10 s', lambda: pytest.fail('planned')); time.sleep(60)",
        "hvclock.save()",
        "hvclock.power_off()",
        "threading.Thread(target=time.sleep, args=(10 ** 6,), daemon=True).start()",
        "threading.Event().wait()",
    ],
)
def test_the_real_clock_is_back_after(pytester, body):
    """A failure, an interrupt, an exit or an unfinished thread leaves no fake time behind."""
    pytester.makepyfile(
        test_it=f"{REAL}\ndef test_a_body(hvclock):\n    hvclock.advance('30 d')\n    time.sleep(86_400)\n    {body}\n"
        "def test_z_reality(reality_at_the_end):\n    test_reality(None)\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-s")
    assert "REALITY IS BACK" in result.stdout.str()
    assert "test_z_reality" not in [line for line in result.outlines if line.startswith("FAILED")]


@pytest.mark.parametrize(
    "wait", ["time.sleep(0); real_sleep(60)", "while True: pass", "threading.Event().wait(0); real_sleep(60)"]
)
def test_the_real_clock_is_back_after_a_signal_of_pytest_timeout(pytester, wait):
    """pytest-timeout counts real time, and its signal ends the test without leaving anything behind."""
    pytester.makepyfile(
        test_it=f"{REAL}\nreal = [time.sleep]\n@pytest.mark.timeout(1, method='signal')\n"
        f"def test_a_body(hvclock):\n    real_sleep = real[0]\n    time.sleep(86_400)\n    {wait}\n"
        "def test_z_reality(reality_at_the_end):\n    test_reality(None)\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-s")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*REALITY IS BACK*"])
    result.stdout.fnmatch_lines(["*Timeout*1.0s*"])


@pytest.mark.parametrize("where", ["setup", "teardown"])
def test_the_real_clock_is_back_after_a_fixture_that_fails(pytester, where):
    """An error in a fixture of the test, before or after it, leaves nothing behind."""
    raising = {"setup": "raise RuntimeError('no')\n    yield", "teardown": "yield\n    raise RuntimeError('no')"}[where]
    pytester.makepyfile(
        test_it=f"{REAL}\n@pytest.fixture\ndef broken(hvclock):\n    time.sleep(3600)\n    {raising}\n"
        "def test_a_body(broken):\n    time.sleep(3600)\n"
        "def test_z_reality(reality_at_the_end):\n    test_reality(None)\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-s")
    assert result.parseoutcomes()["errors"] == 1
    result.stdout.fnmatch_lines(["*REALITY IS BACK*"])


def test_durations_and_times_of_the_report_are_real(pytester):
    """A month on the guest takes no time in the report, and the report is of today."""
    pytester.makepyfile(
        "import time\n"
        "def test_it(hvclock):\n    time.sleep(30 * 86_400)\n"
        "def test_dynamic(request):\n    request.getfixturevalue('hvclock')\n    time.sleep(30 * 86_400)\n"
    )
    pytester.makeconftest(
        "import time\n"
        "began = time.time()\n"
        "def pytest_runtest_logreport(report):\n"
        "    assert 0 <= report.duration < 60 and 0 <= report.start - began < 60 and 0 <= report.stop - began < 60\n"
    )
    result = pytester.runpytest_subprocess("--junitxml=report.xml", "--durations=0", "-vv")
    result.assert_outcomes(passed=2)
    import xml.etree.ElementTree as ET

    suite = ET.parse(pytester.path / "report.xml").getroot()[0]  # noqa: S314  (our own file)
    assert all(float(case.get("time")) < 60 for case in suite)


def test_the_debugger_has_the_real_clock_and_the_test_gets_its_guest_back(pytester):
    """At the prompt of ``--pdb`` or ``breakpoint()`` time is real; after ``continue`` the guest goes on."""
    pytester.makepyfile(
        "import time\n"
        "def test_it(hvclock):\n    time.sleep(86_400)\n    before = time.monotonic()\n    breakpoint()\n"
        "    assert time.monotonic() == before\n"
    )
    result = pytester.run(
        *pytester._getpytestargs(), "-p", "no:randomly", stdin=b"print('REPR', repr(time.monotonic))\ncontinue\n"
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*REPR <built-in function monotonic>*"])


@pytest.mark.parametrize("options", [[], ["--hvclock-report=out"], ["--hvclock=azure-pause-28s"]])
def test_nothing_of_a_test_is_kept(pytester, options):
    """Neither its guest nor its record: items and reports live as long as the run, which may have ten thousand."""
    pytester.makepyfile(
        "import time, pytest\n"
        "@pytest.mark.parametrize('number', range(3))\n"
        "def test_it(hvclock, number):\n    time.time(), time.time()\n    time.sleep(5)\n    time.time()\n"
    )
    pytester.makeconftest(
        "import gc\n"
        "def pytest_sessionfinish(session):\n"
        "    gc.collect()\n"
        "    kept = [type(it).__name__ for it in gc.get_objects()]\n"
        "    print('KEPT', [name for name in ('Guest', 'Running', 'Recorder', 'Timeline') if name in kept])\n"
        "    plugin = session.config.pluginmanager.get_plugin('terminalreporter')\n"
        "    print('TIMELINES', [report for report in plugin.stats['passed'] if hasattr(report, 'hvclock_timeline')])\n"
    )
    result = pytester.runpytest_subprocess("-s", *options)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*KEPT [[]]", "TIMELINES [[]]"], consecutive=True)


def test_a_fixture_that_fails_on_the_guest_is_shown_as_a_test_is(pytester):
    """Made or torn down: with the picture, and the command that repeats it last."""
    pytester.makepyfile(
        test_it="""
        import time, pytest
        @pytest.fixture
        def made(hvclock): hvclock.step("-1 h"); assert time.time() < 0
        @pytest.fixture
        def torn_down(hvclock):
            yield
            time.sleep(60)
            assert time.time() < 0
        def test_made(made): pass
        def test_torn_down(torn_down): pass
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-o", "hvclock_start=2101-01-01T00:00:00Z")
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_made*",
            "0 s from 2101-01-01T00:00:00Z; at the end the guest is 1 h behind",
            "pytest test_it.py::test_made -o hvclock_start=2101-01-01T00:00:00Z",
            "*ERROR at teardown of test_torn_down*",
            "1 min from 2101-01-01T00:00:00Z; at the end the guest is at true time",
            "pytest test_it.py::test_torn_down -o hvclock_start=2101-01-01T00:00:00Z",
        ]
    )


def test_a_test_that_leaves_a_guest_running_says_so_and_no_fake_time_outlives_it(pytester):
    """Whoever enters it, and wherever the kit is imported; a guest of a wider fixture goes on with that."""
    pytester.makepyfile(
        test_it="""
        import gc, time, pytest
        def enter():
            from pytest_hvclock import Host
            running = Host(start="2101-01-01T00:00:00Z").guest().running()
            running.__enter__()
            return running
        def on_guest(): return time.time() > 4e9
        @pytest.fixture
        def entered(): enter()
        def generator():
            running = enter()
            try: yield
            finally: running.__exit__(None, None, None)
        forgotten = []
        def test_plain(): pass
        def test_leaves(): assert not on_guest(); enter()
        def test_fails_too(): assert not on_guest(); enter(); assert False
        def test_by_a_fixture(entered): assert on_guest()
        def test_generator(): forgotten.append(generator()); next(forgotten[0])
        def test_ended_once_more_later(hvclock):
            forgotten.clear()
            gc.collect()
            time.sleep(3600)
            assert hvclock.monotonic_ns == 3600 * 10**9
        """,
        test_wide="""
        import pytest
        from test_it import enter, on_guest
        @pytest.fixture(scope="module")
        def wide():
            running = enter()
            yield
            running.__exit__(None, None, None)
        def test_one(wide): assert on_guest()
        def test_two(wide): assert on_guest()
        """,
        test_z_last="""
        import time, pytest
        from test_it import enter, on_guest
        def test_after(): assert not on_guest()
        @pytest.fixture(scope="session")
        def for_ever(): enter()
        def test_last(for_ever): pass
        def pytest_sessionfinish(): print("REALITY" if time.time() < 4e9 else "FAKE")
        """,
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-s", "-p", "test_z_last")
    result.assert_outcomes(passed=9, failed=1, errors=5)
    assert "REALITY" in result.stdout.str()
    for name in ("leaves", "fails_too", "by_a_fixture", "generator"):
        result.stdout.fnmatch_lines(
            [f"test_it.py::test_{name}: this test left a guest running, which has been ended for it: write with *"]
        )
    result.stdout.fnmatch_lines(["test_z_last.py::test_last: this test left a guest running, *"])


def test_a_guest_of_a_fixture_that_imports_the_kit_itself_is_left_alone(pytester):
    """Nobody could know of it when the tests were collected."""
    pytester.makepyfile(
        """
        import time, pytest
        @pytest.fixture(scope="module")
        def wide():
            from pytest_hvclock import Host
            with Host(start="2101-01-01T00:00:00Z").guest().running():
                yield
        def test_one(wide): assert time.time() > 4e9
        def test_two(wide): assert time.time() > 4e9
        """
    )
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=2)
