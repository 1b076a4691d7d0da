"""What is said about a wrong marker: one line, below the test that has it, and nothing else."""

from __future__ import annotations

SUITE = """
import pytest
hv, rec = pytest.mark.hvclock, pytest.mark.hvclock_recovers
struck = hv("azure-pause-28s")

@pytest.fixture
def well(): return lambda: True

@hv("restore-after-a-mont")
def test_scenario(): pass

@hv(42)
def test_number(): pass

@hv(drift="5 furlongs")
def test_drift(): pass

@hv(start="tomorrow")
def test_start(): pass

@hv(zone="Mars/Phobos")
def test_zone(): pass

@hv(os="beos")
def test_os(): pass

@hv(pace="slow")
def test_pace(): pass

@struck
@rec("well", within=3.5)
def test_float(): pass

@struck
@rec("well", within="-3 s")
def test_negative(): pass

@struck
@rec("well", within="3 s", every=0)
def test_every(): pass

@struck
@rec("well", within="3 s", hold="1 fortnight")
def test_hold(): pass

@struck
@rec("well", "3 s", holt="3 s")
def test_keyword(): pass

@struck
@rec()
def test_nothing(): pass

def test_plain(): pass
"""
MESSAGES = {
    "test_scenario": "unknown scenario 'restore-after-a-mont': did you mean 'restore-after-a-month'?",
    "test_number": ('the marker hvclock names its scenarios by text, such as "restore-after-a-month", and 42 is none'),
    "test_drift": "unknown unit 'furlongs' in the rate '5 furlongs': use one of %, ppm, ppb",
    "test_start": "'tomorrow' is not an instant: write ISO 8601 text such as \"2026-01-01T00:00:00Z\"",
    "test_zone": (
        "unknown time zone 'Mars/Phobos': write an IANA name such as \"Asia/Tokyo\" "
        "(on a machine without a time zone database, install tzdata)"
    ),
    "test_os": 'unknown os \'beos\': use "linux" or "windows"',
    "test_pace": "unknown pace 'slow': use stepped or live",
    "test_float": 'the float 3.5 would lose nanoseconds: write "3.5 s", a timedelta, or integer nanoseconds',
    "test_negative": "within cannot be negative, and '-3 s' is: true time only goes forward",
    "test_every": "every=0: time has to pass between two probes",
    "test_hold": "unknown unit 'fortnight' in the duration '1 fortnight': use one of ns, us, µs, ms, s, min, h, d, w",
    "test_keyword": "the marker hvclock_recovers has no setting 'holt': use probe, within, hold, every, judged_by",
    "test_nothing": (
        "the marker hvclock_recovers missing 2 required positional arguments: 'probe' and 'within': "
        'write hvclock_recovers("probe", within="30 s")'
    ),
}


def test_each_message_is_one_line_below_its_test(pytester):
    """Nothing comes between a test's heading, its one line, and the next heading."""
    pytester.makepyfile(test_it=SUITE)
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-q", "-r", "N")
    result.assert_outcomes(errors=len(MESSAGES), passed=1)
    lines = result.outlines
    for name, message in MESSAGES.items():
        (heading,) = [number for number, line in enumerate(lines) if f" ERROR at setup of {name} " in line]
        assert lines[heading + 1] == f"test_it.py::{name}: {message}"
        assert lines[heading + 2].startswith("____") or " passed, " in lines[heading + 2]


def test_other_ways_to_be_wrong(pytester):
    """A probe without a fixture, one that cannot be called, several scenarios on a unittest method."""
    pytester.makepyfile(
        test_it="""
        import pytest, unittest

        @pytest.fixture
        def number(): return 3

        @pytest.mark.hvclock("azure-pause-28s")
        @pytest.mark.hvclock_recovers("number", within="30 s")
        def test_number(): pass

        @pytest.mark.hvclock("azure-pause-28s")
        @pytest.mark.hvclock_recovers("nobody", within="30 s")
        def test_nobody(): pass

        class TestCase(unittest.TestCase):
            @pytest.mark.hvclock("azure-pause-28s", "drift-500ppm")
            def test_two(self): pass

        @pytest.mark.hvclock_recovers(lambda: True, within="30 s")
        def test_calm(hvclock): pass
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-q", "-r", "N")
    result.assert_outcomes(errors=3, failed=1)
    result.stdout.fnmatch_lines_random(
        [
            (
                "test_it.py::test_number: the fixture 'number' returned 3, which cannot be called: a probe is a "
                "callable that says whether the application is well"
            ),
            "E       fixture 'nobody' not found",
            (
                "test_it.py::TestCase::test_two: 2 scenarios cannot become several tests here: a marker added after "
                "collection, or one on a unittest method, names one scenario"
            ),
            (
                "nothing has struck this guest, so there is nothing to recover from: name a scenario, as "
                '@pytest.mark.hvclock("restore-after-a-month") does, or disturb the clock in the test: '
                'hvclock.step("1 h")'
            ),
        ]
    )
    assert "During handling of the above exception" not in result.stdout.str()


def test_a_failed_recovery_says_what_was_expected_and_how_to_repeat_it(pytester):
    """The expectation, the guest's error, the last answer of the probe, and the command, in consecutive lines."""
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.hvclock("restore-after-a-month-uncorrected", start="2026-01-01T00:00:00Z")
        @pytest.mark.hvclock_recovers("in_step", within="30 s")
        def test_it(): pass

        @pytest.fixture
        def in_step(hvclock):
            def probe():
                assert hvclock.error_ns == 0, "out of step"
                return True
            return probe
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-q", "-r", "N")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "in_step did not recover (allowed: 30 s of true time after the strike at 2026-01-31T00:00:00Z)",
            "the guest is 2,592,000 s behind true time; no line of the program has read a clock meanwhile",
            "its last answer: AssertionError: out of step",
            "assert -2592000000000000 == 0",
            " +  where -2592000000000000 = <linux Guest running, 2,592,000 s behind true time, *>.error_ns",
            "why it matters: the clock stays wrong, and the application stays unwell until somebody steps in",
            (
                "what to do: measure lengths of time by time.monotonic(), and make anew what was stamped before the "
                "strike; if it only takes longer, allow more with within="
            ),
            "if it is meant: write within=None, which says that it does not recover by itself",
        ],
        consecutive=True,
    )
    result.stdout.fnmatch_lines(["pytest test_it.py::test_it -o hvclock_start=2026-01-01T00:00:00Z"])
    result.stdout.fnmatch_lines(
        [
            "*- Guest clock -*",
            "scenario: restore-after-a-month-uncorrected (*)",
            "30 d from 2026-01-01T00:00:00Z; at the end the guest is 30 d behind",
            "                1▼ save             2 restore                                  ✗",
        ],
        consecutive=True,
    )
    section = result.outlines[result.outlines.index(next(line for line in result.outlines if "Guest clock" in line)) :]
    drawn = section[2 : section.index("pytest test_it.py::test_it -o hvclock_start=2026-01-01T00:00:00Z")]
    assert len(drawn) <= 20
    assert max(map(len, drawn)) <= 80


CLAIM = """
import time
from pytest_hvclock import claims

def test_it(hvclock):
    ends = time.time() + 60
    with claims.lifetime(lambda: time.time() < ends, of="60 s"):
        hvclock.step("-1 h")
        time.sleep(100)
"""


def test_a_claim_that_does_not_hold_is_told_below_the_line_that_broke_it(pytester):
    """Whatever of the kit is in between is of no use to whoever reads this; ``--full-trace`` shows it."""
    pytester.makepyfile(test_it=CLAIM)
    options = ("-p", "no:randomly", "-q", "-r", "N", "-o", "hvclock_start=2026-01-01T00:00:00Z")
    result = pytester.runpytest_subprocess(*options)
    result.stdout.fnmatch_lines(
        [
            ">           time.sleep(100)",
            "E           pytest_hvclock.errors.ClaimError: lifetime of 60 s: still honoured at the age of 61.2 s (it *",
            "E           the guest is 3,600 s behind true time; a clock was last read at test_it.py:6 in *",
            "E           why it matters: stale data is served, or a session goes on that is over",
            "E           what to do: measure its age by time.monotonic(), or with a timer= that does: a step of *",
            "E           if it is meant: judge it by the other clock, judged_by=*true*, or allow more with tolerance=",
            "",
            "test_it.py:8: ClaimError",
            "*- Guest clock -*",
        ],
        consecutive=True,
    )
    result.stdout.fnmatch_lines(["pytest test_it.py::test_it -o hvclock_start=2026-01-01T00:00:00Z"])
    result.stdout.no_fnmatch_line("*pytest_hvclock*.py:*")
    pytester.runpytest_subprocess(*options, "--full-trace").stdout.fnmatch_lines(["*base.py:*: ClaimError"])


def test_a_bug_of_the_kit_shows_where_it_is(pytester):
    """What the kit does not raise to say something has all its frames."""
    pytester.makepyfile(
        """
        def test_it(hvclock, monkeypatch):
            with monkeypatch.context() as broken:
                broken.setattr("pytest_hvclock.model.guest.State", None)
                hvclock.pause()
        """
    )
    pytester.runpytest_subprocess("-q").stdout.fnmatch_lines(["*guest.py:*: AttributeError"])
