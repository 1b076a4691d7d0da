"""Which line read, what for, and what struck it: one shape of code for each rule."""

from __future__ import annotations

import logging
import pickle
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from pytest_hvclock import Host
from pytest_hvclock.running import Running
from pytest_hvclock.running.lines import Lines
from pytest_hvclock.running.readings import Memories


def counted(program, *, remembers=True, backend="time-machine", pace="stepped"):
    """Return what a program's lines have read, by their text and clock."""
    guest = Host().guest()
    running = Running(guest, backend, pace)
    with running:
        lines = Lines(guest)
        running.count(lines)
        if remembers:
            running.remember(Memories(guest, lines.met))
        program(guest)
    return {(found.place.text, found.clock): found for found in lines.found()}


def uses_of(program):
    """Return what a program's only line that reads is used for."""
    return [set(found.uses) for found in counted(lambda _: program()).values()]


# -------------------------------------------------------------------------------------------------------------- uses


def expires():
    ends = time.time() + 60
    return time.time() < ends


def expires_by_datetime():
    ends = datetime.now(UTC) + timedelta(seconds=60)
    return datetime.now(UTC) >= ends


def expires_elsewhere():
    return time.time() > 1_767_225_600.0


def measured():
    began = time.monotonic()
    return time.monotonic() - began


def measured_since_elsewhere():
    return time.time() - 1_767_225_000.0


def in_order():
    last = time.time_ns()
    return time.time_ns() > last


def counted_from_zero():
    return max(0, time.time_ns())


def written():
    return datetime.now(UTC).isoformat()


def formatted():
    return f"{time.time():.3f}"


def pickled():
    return pickle.dumps(time.time())


def untold():
    return int(time.time())


USES = [
    (expires, {"deadline"}),
    (expires_by_datetime, {"deadline"}),
    (expires_elsewhere, {"deadline"}),
    (measured, {"duration"}),
    (measured_since_elsewhere, {"duration"}),
    (in_order, {"order"}),
    (counted_from_zero, set()),
    (written, {"timestamp"}),
    (formatted, {"timestamp"}),
    (pickled, {"timestamp"}),
    (untold, set()),
]


@pytest.mark.parametrize(("program", "uses"), USES, ids=[program.__name__ for program, _ in USES])
def test_what_a_reading_is_used_for_is_told_where_it_can_be(program, uses):
    """Of both lines that took part."""
    found = uses_of(program)
    assert found
    assert all(one == uses for one in found)


def test_a_line_that_is_used_for_several_things_has_them_all():
    """In one run and in several."""

    def program(_):
        now = time.time()
        str(now)
        _ = time.time() - now

    first, second = counted(program).values()
    assert first.uses == {"timestamp", "duration"}
    assert second.uses == {"duration"}


def test_readings_that_do_not_remember_tell_no_use():
    """Which a run that is judged by its outcome cannot have."""
    assert [found.uses for found in counted(lambda _: expires(), remembers=False).values()] == [frozenset()] * 2


# ------------------------------------------------------------------------------------------------------------- lines


def test_every_reading_of_a_line_is_counted_for_its_clock():
    """And memory does not grow with their number."""

    def program(_):
        for _ in range(20_000):
            time.time(), time.monotonic()

    found = counted(program, remembers=False)
    assert {clock: one.times for (_, clock), one in found.items()} == {"wall": 20_000, "monotonic": 20_000}
    assert [one.through for one in found.values()] == [None, None]


@pytest.mark.parametrize(("backend", "pace"), [("freezegun", "stepped"), ("time-machine", "live")])
def test_every_backend_and_pace_is_counted(backend, pace):
    """With what was read for."""
    found = counted(lambda _: (expires_by_datetime(), measured()), backend=backend, pace=pace)
    assert sorted((clock, *one.uses) for (_, clock), one in found.items()) == [
        ("monotonic", "duration"), ("monotonic", "duration"), ("wall", "deadline"), ("wall", "deadline"),
    ]  # fmt: skip


def test_code_that_is_handed_its_clock_is_counted_too():
    """Where nothing is patched."""
    found = counted(lambda guest: guest.clock.time(), backend="direct")
    assert [(clock, one.times) for (_, clock), one in found.items()] == [("wall", 1)]


def test_a_line_of_the_standard_library_is_shown_beside_the_application_s():
    """uuid reads for the line that calls it."""
    (found,) = [one for one in counted(lambda _: uuid.uuid1()).values() if one.clock == "wall"]
    assert "uuid.uuid1()" in found.place.text
    assert found.through is not None
    assert found.through.file == "uuid.py"


def test_what_logging_reads_is_no_line_of_the_program():
    """Which stamps its records by itself."""
    assert counted(lambda _: logging.getLogger("a").makeRecord("a", 10, "f", 1, "hello", (), None)) == {}


# ----------------------------------------------------------------------------------------------------------- strikes

VERBS = [
    (lambda guest: guest.step("-1 s"), {"step back"}),
    (lambda guest: guest.step("1 h"), {"step forward"}),
    (lambda guest: setattr(guest, "drift", "500 ppm"), {"drift"}),
    (lambda guest: setattr(guest, "timesync", "off"), {"timesync"}),
    (lambda guest: (guest.pause(), guest.resume()), {"pause"}),
    (lambda guest: guest.restore(guest.save()), {"restore"}),
    (lambda guest: guest.apply(guest.checkpoint(), view="outside"), {"checkpoint"}),
    (lambda guest: guest.migrate(), {"migration"}),
    (lambda guest: (guest.power_off(), guest.boot()), {"boot"}),
    (lambda guest: guest.hibernate(), {"hibernation"}),
    (lambda guest: guest.hctosys(), {"hctosys"}),
    (lambda guest: guest.advance("1 h"), set()),
    (lambda guest: (guest.step("1 s"), guest.step("-1 s"), guest.pause(), guest.resume()),
     {"step forward", "step back", "pause"}),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "struck"), VERBS)
def test_an_anomaly_strikes_the_line_that_reads_first_after_it(verb, struck):
    """And no other, whichever verbs it takes."""

    def program(guest):
        before = time.time()
        verb(guest)
        after = time.time()
        later = time.time()
        del before, after, later

    found = {text.partition(" =")[0]: one.struck for (text, _), one in counted(program).items()}
    assert found == {"before": set(), "after": struck, "later": set()}


def test_a_scenario_strikes_under_its_name():
    """And not by the verbs that it is made of."""
    from pytest_hvclock.scenarios import scenario_named

    def program(guest):
        guest.arm(scenario_named("restore-after-a-month"))
        guest.strike()
        first = time.time()
        guest.step("1 s")
        second = time.time()
        del first, second

    assert [one.struck for one in counted(program).values()] == [{"restore-after-a-month"}, {"step forward"}]
