"""Claims on a guest that no test runs on: in code that is handed its clock, and without pytest."""

from __future__ import annotations

import subprocess
import sys
import time
import unittest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_hvclock import ClaimError, Host, HvclockError
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


def test_a_claim_that_does_not_hold_is_a_failure_of_unittest():
    class Cases(unittest.TestCase):
        def wait(self, seconds):
            with Host().guest().running(), wait("10 s"):
                time.sleep(seconds)

        def test_holds(self):
            self.wait(10)

        def test_breaks(self):
            self.wait(1)

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Cases).run(result)
    assert (result.testsRun, result.errors) == (2, [])
    ((case, said),) = result.failures
    assert case.id().endswith(".test_breaks")
    assert "ClaimError: wait of 10 s: was over after 1 s" in said


def test_hypothesis_finds_the_smallest_step_that_breaks_a_claim():
    def live(clock, seconds):
        guest = Host(start="2026-01-01T00:00:00Z").guest(timesync="off")
        with guest.running():
            ends = clock() + 60
            with lifetime(lambda: clock() < ends, of="60 s"):
                time.sleep(10)
                guest.step(f"{-seconds} s")
                time.sleep(60)

    @settings(database=None, deadline=None, derandomize=True, max_examples=10)
    @given(seconds=st.integers(0, 30))
    def claimed(clock, seconds):
        live(clock, seconds)

    claimed(time.monotonic)
    with pytest.raises(ClaimError) as failed:
        claimed(time.time)
    assert "the guest is 2 s behind true time" in str(failed.value)
