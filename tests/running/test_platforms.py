"""Where ``clock_gettime``, ``tzset`` or ``fork`` do not exist, everything else works: they are taken away here."""

from __future__ import annotations

import pytest

TAKEN = {
    "clock_gettime": """
        for name in ("clock_gettime", "clock_gettime_ns", "clock_settime", "clock_settime_ns", "pthread_getcpuclockid"):
            if hasattr(time, name): delattr(time, name)
    """,
    "clock_settime": "del time.clock_settime, time.clock_settime_ns",
    "CLOCK_*": """
        for name in [name for name in vars(time) if name.startswith("CLOCK_")]: delattr(time, name)
    """,
    "tzset": "del time.tzset",
    "fork": """
        import os
        del os.fork, os.register_at_fork
    """,
    "uname": """
        import os
        del os.uname
    """,
}


@pytest.mark.parametrize("what", TAKEN)
def test_a_system_without_it(python, what):
    """Readings, sleeps and threads work, and the real functions are back."""
    script = f"""
import sys, threading, time, textwrap
import time_machine  # it looks for them itself, and has its own answer
exec(textwrap.dedent({TAKEN[what]!r}))
real = [time.monotonic, time.time, time.sleep]
from pytest_hvclock import Host
from pytest_hvclock.running import Running
guest = Host(start="2026-01-01T00:00:00Z").guest(timesync="off", zone="Asia/Tokyo")
with Running(guest, zone="Asia/Tokyo"):
    before = time.monotonic()
    time.sleep(3600)
    print(time.monotonic() - before, time.time_ns() == guest.wall_ns, threading.Event().wait(60))
    thread = threading.Thread(target=time.sleep, args=(30,))
    thread.start()
    thread.join()
    print(time.perf_counter() - before, hasattr(time, "tzset") == (time.localtime().tm_hour == 10))
print([time.monotonic, time.time, time.sleep] == real, hasattr(time, {what!r}))
"""
    assert python(script, preamble="") == ["3600.0 True False", "3690.0 True", "True False"]


SUITE = """
import asyncio, threading, time
import pytest

def test_argument(hvclock):
    before = time.monotonic()
    time.sleep(3600)
    thread = threading.Thread(target=time.sleep, args=(60,))
    thread.start()
    thread.join()
    assert time.monotonic() - before == 3660
    hvclock.step("1 h")
    assert abs(time.time() - hvclock.wall_ns / 10**9) < 1e-6

@pytest.mark.hvclock("restore-after-a-month", "drift-500ppm", zone="Asia/Tokyo")
@pytest.mark.hvclock_recovers("well", within="1 h")
def test_recovers(hvclock, well):
    hvclock.strike()
    asyncio.run(asyncio.sleep(5))

@pytest.fixture
def well(hvclock):
    return lambda: abs(hvclock.error_ns) < 60 * 10**9

@pytest.mark.hvclock(pace="live")
def test_live(hvclock):
    before = time.monotonic()
    time.sleep(0.05)
    hvclock.advance("1 h")
    assert 3600.05 <= time.monotonic() - before < 3660

@pytest.mark.hvclock(drift=0.5)
def test_wrong(): pass

def test_real():
    assert abs(time.time() - time.time()) < 60
"""


@pytest.mark.parametrize("what", ["clock_gettime", "tzset", "fork"])
def test_a_run_of_pytest_without_it(python, tmp_path, what):
    """Guests are made, scenarios strike, a test recovers, a wrong marker is refused, and a report is written."""
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")
    script = f"""
import os, sys, textwrap, time
import time_machine
exec(textwrap.dedent({TAKEN[what]!r}))
import pytest
class Outcomes:
    def pytest_terminal_summary(self, terminalreporter):
        print({{kind: len(terminalreporter.stats.get(kind, ())) for kind in ("passed", "failed", "error")}})
os.chdir({str(tmp_path)!r})
options = ["-q", "-p", "no:cacheprovider", "-p", "pytest_hvclock.plugin", "--hvclock-report=report", "test_suite.py"]
pytest.main(options, plugins=[Outcomes()])
print(sorted(os.listdir("report"))[:1])
"""
    lines = python(script, preamble="", environment={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    assert "{'passed': 5, 'failed': 0, 'error': 1}" in lines
    assert lines[-1] == "['index.html']"
