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
