"""Planted bugs: each is found, and shrunk to the strike that a person would have written."""

from __future__ import annotations

import random
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_hvclock.explore import Acknowledged, Explorer, explore, trial_of


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
        ("crossed", 'Step("-1 s") before reading 1 of "while time.time() < until:"'),
        ("never ended", 'Step("-9 h") before reading 1 of "while time.time() < until:"'),
    ]


def test_a_wait_that_is_too_long_is_a_finding_with_its_line():
    found = explore(sleeps_until_the_wall_says_so, random.Random(1), places=None)
    (one,) = [one for one in found.findings if one.kind == "long wait"]
    assert one.schedule == 'Step("-10 s") before reading 1 of "time.sleep(max(due - time.time(), 0))"'
    assert one.what.startswith("waits 20 s at ")


class Ids:
    last = 0.0

    def plain(self):
        self.last = max(self.last, time.time() + 1)

    def meant(self):
        self.last = max(self.last, time.time() + 1)  # hvclock: may cross: numbers only go up

    def said(self):
        self.last = max(self.last, time.time() + 1)  # hvclock: may cross


def guarded(kind):
    ids = Ids()
    for _ in range(2):
        kind(ids)
        time.sleep(1)


def test_readings_that_meet_across_a_step_are_a_finding_with_the_lines_that_read():
    (one,) = explore(lambda: guarded(Ids.plain), random.Random(1), places=None).findings
    here = Path(__file__).relative_to(Path.cwd())
    line = "self.last = max(self.last, time.time() + 1)"
    number = Ids.plain.__code__.co_firstlineno + 1
    assert one.schedule == f'Step("-1 s") before reading 2 of "{line}"'
    assert one.what.splitlines() == [
        f"readings from two sides of a step: they are compared at {here}:{number}: {line}",
        f"  read at {here}:{number}: {line}",
        f"  read at {here}:{number}: {line}",
    ]


def test_a_guard_says_that_it_may_cross_and_why():
    """In a comment or in the configuration; without a reason it is refused, and told of with what is missing."""
    found = explore(lambda: guarded(Ids.meant), random.Random(1), places=None)
    assert (found.failures, found.findings) == ([], [])
    (one,) = explore(lambda: guarded(Ids.said), random.Random(1), places=None).findings
    assert "its comment gives no reason, and so acknowledges nothing: write # hvclock: may cross: REASON" in one.what
    for where in ("explore/test_planted_bugs.py", "test_planted_bugs.py::Ids.plain", "test_planted_bugs.py::plain"):
        explorer = Explorer(
            trial_of(lambda: guarded(Ids.plain)), random.Random, None, Acknowledged([f"{where}: it counts"])
        )
        assert explorer.explore(explorer.tasks()).findings == []
    explorer = Explorer(trial_of(lambda: guarded(Ids.plain)), random.Random, None, Acknowledged(["bugs.py: it counts"]))
    assert len(explorer.explore(explorer.tasks()).findings) == 1
    for line in ("file.py", "file.py: ", ": why", "file.py::name"):
        with pytest.raises(ValueError, match="does not say what may cross a step and why"):
            Acknowledged([line])


def test_the_standard_librarys_own_guard_is_known():
    def makes():
        ids = [uuid.uuid1() for _ in range(3)]
        assert len(set(ids)) == 3

    found = explore(makes, random.Random(1), places=None)
    assert (found.left_out, found.failures, found.findings) == ("", [], [])
    assert found.runs > 10


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
