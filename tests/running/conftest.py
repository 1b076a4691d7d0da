"""What the tests of running guests share: a guest, and Python processes of their own for what could hang."""

import os
import subprocess
import sys
import textwrap

import pytest

from pytest_hvclock import Host

START = "2026-01-01T00:00:00Z"
PREAMBLE = """
import sys, threading, time
from pytest_hvclock import Host, StuckError
real_monotonic, real_sleep, real_time = [time.monotonic], [time.sleep], [time.time]
guest = Host(start="2026-01-01T00:00:00Z").guest(timesync="off")
host = guest.host
"""
"""What every script begins with; plain containers keep the real functions."""


@pytest.fixture
def guest():
    """A guest in sync, that nothing corrects, at the beginning of 2026."""
    return Host(start=START).guest(timesync="off")


@pytest.fixture
def python(tmp_path):
    """Run a script in a Python process of its own, and return the lines that it prints."""

    def run(script, *, timeout=60, environment=None, preamble=PREAMBLE):
        path = tmp_path / "script.py"
        path.write_text(preamble + textwrap.dedent(script), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", str(path)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **(environment or {})},
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout.splitlines()

    return run
