"""Planted bugs: each is found, and shrunk to the strike that a person would have written."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

import pytest

from pytest_hvclock.explore import explore


def wall_as_duration():
    began = time.time()
    time.sleep(5)
    assert time.time() - began >= 0


def lifetime_by_the_wall():
    born = time.time()
    time.sleep(50)
    assert time.time() - born < 60


def deadline_by_the_wall():
    due = time.time() + 10
    time.sleep(11)
    assert time.time() >= due


def naive_local_time():
    due = datetime.now().timestamp() + 3_000
    time.sleep(1)
    assert datetime.now().timestamp() < due


def whole_seconds():
    issued = int(time.time())
    assert int(time.time()) - issued < 1


def a_mark_left_in_the_future():
    ids = [time.time_ns() + number for number in range(3)]
    assert ids == sorted(ids)


def an_aware_datetime():
    issued = datetime.now(UTC)
    assert datetime.now(UTC) >= issued


def wall_against_monotonic():
    offset = time.time() - time.monotonic()
    time.sleep(1)
    assert abs(time.time() - time.monotonic() - offset) < 0.5


FAILURES = [
    (wall_as_duration, 'Step("-10 s") before reading 1 of "assert time.time() - began >= 0"'),
    (lifetime_by_the_wall, 'Step("10 s") before reading 1 of "assert time.time() - born < 60"'),
    (deadline_by_the_wall, 'Step("-2 s") before reading 1 of "assert time.time() >= due"'),
    (naive_local_time, 'Step("1 h") before reading 1 of "assert datetime.now().timestamp() < due"'),
    (whole_seconds, 'Step("1 s") before reading 1 of "assert int(time.time()) - issued < 1"'),
    (
        a_mark_left_in_the_future,
        'Step("-1 s") before reading 2 of "ids = [time.time_ns() + number for number in range(3)]"',
    ),
    (an_aware_datetime, 'Step("-1 s") before reading 1 of "assert datetime.now(UTC) >= issued"'),
    (
        wall_against_monotonic,
        'Step("-1 s") before reading 1 of "assert abs(time.time() - time.monotonic() - offset) < 0.5"',
    ),
]


@pytest.mark.parametrize(("program", "smallest"), FAILURES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_bug_is_found_and_made_as_small_as_can_be(program, smallest):
    found = explore(program, random.Random(1), places=None)
    assert (found.left_out, [one.schedule for one in found.failures]) == ("", [smallest])


def retries_by_the_wall():
    until = time.time() + 10
    while time.time() < until:
        time.sleep(1)


def sleeps_until_the_wall_says_so():
    due = time.time() + 10
    time.sleep(max(due - time.time(), 0))


def test_a_loop_that_goes_on_too_long_is_a_finding():
    found = explore(retries_by_the_wall, random.Random(1), places=None)
    assert not found.failures
    assert [(one.kind, one.schedule) for one in found.findings] == [
        ("waits", 'Step("-1 s") before reading 1 of "while time.time() < until:"'),
        ("never ended", 'Step("-9 h") before reading 1 of "while time.time() < until:"'),
    ]


def test_a_wait_that_is_too_long_is_a_finding_with_its_line():
    found = explore(sleeps_until_the_wall_says_so, random.Random(1), places=None)
    (one,) = [one for one in found.findings if one.kind == "long wait"]
    assert one.schedule == 'Step("-10 s") before reading 1 of "time.sleep(max(due - time.time(), 0))"'
    assert one.what.startswith("waits 20 s at ")


def sound():
    due = time.monotonic() + 10
    while time.monotonic() < due:
        time.sleep(1)
    assert time.monotonic() - due < 1


def test_a_sound_program_is_left_alone():
    found = explore(sound, random.Random(1), places=None)
    assert (found.left_out, found.failures, found.findings) == ("", [], [])
    assert found.runs > 100


def test_what_cannot_be_explored_is_said_and_left_out():
    calls = []

    def leaks():
        calls.append(time.time())
        assert len(calls) < 2

    def wanders():
        calls.append(0)
        time.sleep(len(calls))

    assert explore(lambda: time.time() / 0, random.Random(1)).left_out.startswith("already failing: ZeroDivisionError")
    assert explore(leaks, random.Random(1)).left_out.startswith("not repeatable: AssertionError")
    assert explore(wanders, random.Random(1)).left_out.startswith("not repeatable: without any anomaly")
    assert explore(lambda: None, random.Random(1)).left_out == "it reads no clock and waits for none"


def test_a_failure_that_stays_is_not_repeatable():
    seen = []

    def remembers():
        seen.append(time.time())
        assert max(seen) - min(seen) < 3_000

    assert explore(remembers, random.Random(1)).left_out.startswith("not repeatable: after a struck run it fails")


def test_a_run_that_never_ends_is_ended():
    def waits_for_a_date():
        due = time.time() + 5
        while time.time() != due:
            time.sleep(1)

    found = explore(waits_for_a_date, random.Random(1), places=None)
    (one,) = [one for one in found.findings if one.kind == "never ended"]
    assert one.schedule == 'Step("2 s") before reading 5 of "while time.time() != due:"'
