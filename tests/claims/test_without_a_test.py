"""Claims on a guest that no test runs on: in code that is handed its clock, and without pytest."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_hvclock import Host, HvclockError
from pytest_hvclock.claims import lifetime, wait


def test_a_claim_needs_a_guest_and_no_backend():
    guest = Host().guest()
    with pytest.raises(HvclockError, match="name one with guest=, or enter guest.running"), wait("1 s"):
        pass
    end = guest.clock.monotonic() + 60
    with lifetime(lambda: guest.clock.monotonic() < end, of="60 s", guest=guest):
        saved = guest.save()
        guest.host.advance("1 h")
        guest.restore(saved)
        guest.advance("2 min")


def test_claims_need_no_pytest_and_no_test():
    code = """
import sys; sys.modules["pytest"] = sys.modules["_pytest"] = None
import time
from pytest_hvclock import Host
from pytest_hvclock.claims import ClaimError, wait
guest = Host().guest()
with guest.running():
    with wait("10 s"):
        time.sleep(10)
    try:
        with wait("10 s"):
            time.sleep(1)
    except ClaimError as failure:
        print(str(failure).splitlines()[0])
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "wait of 10 s: was over after 1 s of the guest's running time (asked for 10 s, tolerance 2.5 s)\n"
    )
