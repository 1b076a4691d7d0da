"""Readings that remember: they compute as numbers do, and tell when two of them meet across a step."""

from __future__ import annotations

import copy
import datetime as dt
import json
import math
import operator
import pickle
import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hvclock import Host
from pytest_hvclock.running import Running
from pytest_hvclock.running.readings import Memories, memory_of

OPERATIONS = (
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, divmod,
    operator.lt, operator.le, operator.eq, operator.ne, operator.ge, operator.gt,
    operator.and_, operator.or_, operator.xor, operator.rshift,
)  # fmt: skip
NUMBERS = st.sampled_from([3, -7, 0.25, 1e9, 60, True, 10**9, Fraction(1, 3), Decimal(2), None])


@pytest.fixture(params=["time-machine", "freezegun"])
def guest(request):
    guest = Host(start="2026-01-01T00:00:00Z").guest(timesync="off")
    guest.met = []
    guest.ran = Running(guest, request.param)
    with guest.ran:
        guest.ran.remember(Memories(guest, guest.met.append))
        yield guest
        guest.ran.remember(None)


def result(operate, *operands):
    try:
        found = operate(*operands)
    except Exception as failure:  # noqa: BLE001  (it is compared)
        return type(failure), str(failure)
    return found, repr(found), hash(found)


def both():
    with Host(start="2026-01-01T00:00:00.25Z").guest(timesync="off").running():
        plain = time.time(), time.time_ns() // 10**6
    guest = Host(start="2026-01-01T00:00:00.25Z").guest(timesync="off")
    running = Running(guest)
    with running:
        running.remember(Memories(guest, print))
        readings = time.time(), time.time_ns() // 10**6
        running.remember(None)
    assert all(map(memory_of, readings))
    return tuple(zip(plain, readings, strict=True))


BOTH = both()


@given(which=st.sampled_from(BOTH), operate=st.sampled_from(OPERATIONS), other=NUMBERS, swapped=st.booleans())
def test_a_reading_computes_and_compares_as_a_number_does(which, operate, other, swapped):
    """Also with what it does not go with: then with the same error."""
    plain, reading = ((other, one) if swapped else (one, other) for one in which)
    expected = result(operate, *plain)
    if expected[0] is TypeError:  # which names the types
        assert result(operate, *reading)[0] is TypeError
    else:
        assert result(operate, *reading) == expected


@pytest.mark.parametrize(("plain", "reading"), BOTH, ids=["float", "int"])
def test_a_reading_is_the_number_to_everybody_who_does_not_ask_for_its_type(plain, reading):
    assert isinstance(reading, type(plain))
    for see in (repr, str, hash, json.dumps, int, float, bool, math.floor, math.ceil, round, abs):
        assert see(reading) == see(plain)
    assert f"{reading:.3e}" == f"{plain:.3e}"
    assert {plain: 1}[reading] == 1
    assert copy.copy(reading) is copy.deepcopy(reading) is reading
    assert type(pickle.loads(pickle.dumps(reading))) is type(plain)  # noqa: S301  (ours)


@pytest.mark.usefixtures("guest")
def test_a_datetime_remembers_and_is_a_datetime_otherwise():
    expected = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    now = dt.datetime.now(dt.UTC)
    for one in (now, now + dt.timedelta(1), now - dt.timedelta(1), now.replace(hour=3), now.astimezone(dt.UTC),
                dt.datetime.now(), dt.datetime.today(), dt.datetime.fromtimestamp(time.time(), dt.UTC)):  # fmt: skip
        assert memory_of(one) is not None, one
    assert memory_of(now.timestamp()) is not None
    for see in (repr, str, hash, dt.datetime.isoformat, dt.datetime.timetuple, dt.datetime.timestamp):
        assert see(now) == see(expected)
    assert (now == expected, now - expected, expected - now, now < expected) == (
        True,
        dt.timedelta(),
        dt.timedelta(),
        False,
    )
    assert copy.deepcopy(now) is now
    assert type(pickle.loads(pickle.dumps(now))) is dt.datetime  # noqa: S301  (ours)
    assert memory_of(dt.datetime.fromtimestamp(0, dt.UTC)) is None
    with pytest.raises(TypeError):
        now < dt.datetime(2026, 1, 1)  # noqa: B015  (naive is the point)


class Moment(dt.datetime):
    pass


@pytest.mark.usefixtures("guest")
def test_what_is_left_alone():
    assert type(Moment.now()) is Moment
    assert type(dt.date.today()) is dt.date
    assert type(time.gmtime()) is time.struct_time
    assert memory_of(int(time.time())) is None


MEETINGS = [
    (lambda old: time.time() - old, "-", "duration"),
    (lambda old: time.time() < old + 60, "<", "deadline"),
    (lambda old: old + 60 - time.time(), "-", "deadline"),
    (lambda old: max(old, time.time()), ">", "order"),
    (lambda old: round(time.time() * 1000) == round(old * 1000), "==", "order"),
    (lambda old: dt.datetime.fromtimestamp(old) <= dt.datetime.now(), "<=", "order"),
]


@pytest.mark.parametrize(("meet", "how", "use"), MEETINGS)
def test_two_readings_that_meet_are_told_of_with_their_sides(guest, meet, how, use):
    old = time.time()
    meet(old)
    guest.step("-1 h")
    meet(old)
    assert [(one.how, one.use, one.crossed) for one in guest.met] == [(how, use, False), (how, use, True)]
    crossing = guest.met[-1]
    assert crossing.place.text.startswith("(lambda old: ")
    assert {crossing.one.place.text, crossing.other.place.text} == {"old = time.time()", crossing.place.text}


def test_what_is_no_meeting(guest):
    """Plain numbers, another clock, what has become a span, and readings of a guest that is gone."""
    old, monotonic = time.time(), time.monotonic()
    guest.step("1 h")
    assert time.time() > old.real
    assert time.time() > monotonic
    assert memory_of(time.time() - 1_767_000_000) is None
    assert memory_of(3_000_000_000 - time.time()) is None
    guest.ran.remember(Memories(guest, guest.met.append))
    assert time.time() > old
    assert guest.met == []


def test_a_boot_is_another_side_of_every_clock(guest):
    time.sleep(1)
    old = time.monotonic()
    guest.power_off()
    guest.boot()
    assert time.monotonic() < old
    (crossing,) = guest.met
    assert crossing.crossed
    assert crossing.one.clock == "monotonic"


def test_nothing_remembers_any_more_when_it_is_over(guest):
    guest.ran.remember(None)
    assert type(time.time()) is float
    assert type(dt.datetime.now()) is dt.datetime
    guest.ran.suspend()
    assert dt.datetime.now() - dt.datetime(2026, 1, 1) > dt.timedelta(1)
    guest.ran.resume()
