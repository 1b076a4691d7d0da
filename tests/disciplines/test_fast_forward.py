"""A stretch of time in one stride ends exactly where it ends when it is lived through message by message."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_hvclock import Host
from pytest_hvclock.clocks.actor import Actor
from pytest_hvclock.disciplines import DISCIPLINES
from pytest_hvclock.drifts import Periodic, RandomWalk, load_curve
from pytest_hvclock.model.service import Service
from pytest_hvclock.model.timekeeping import Cycle

S = 1_000_000_000
DAY = 86_400 * S
NAMES = ["off", "partial", *DISCIPLINES]
FIGHTS = ["linux-4.10+ntp", "freebsd+ntp", "linux-implicit+timesyncd", "freebsd+chrony", "windows+ntp"]
DRIFTS = ["0 ppm", "+78.387 ppm", "-200 ppm", "+500 ppm", "-500 ppm", "+1.5 %"]


def machine(timesync, drift, **settings):
    """A guest whose host is 2 s wrong if another source could fight it for the clock."""
    return Host(error="2 s" if "+" in timesync else 0).guest(timesync=timesync, drift=drift, **settings)


def readings(guest):
    return (guest.wall_ns, guest.monotonic_ns, guest.monotonic_raw_ns, guest.boottime_ns, guest.reference_ticks)


def exactly(guest):
    """Everything about the clocks, to the attosecond."""
    clocks = guest._timekeeping.clocks
    return (*readings(guest), clocks.wall_as, clocks.monotonic_as, clocks.raw_as, clocks.correction_ppb, clocks.heard())


@pytest.fixture
def stepping(monkeypatch):
    """Return a function after which nothing is skipped any more: every act of every actor is lived through."""

    def live_through_everything():
        monkeypatch.setattr(Cycle, "skip", lambda *_: None)
        monkeypatch.setattr(Service, "leap", Actor.leap)
        monkeypatch.setattr(Service, "catch_up", lambda *_: None)
        monkeypatch.setattr(Service, "due_ns", property(lambda service: service.next_at_ns))

    return live_through_everything


@pytest.mark.parametrize("timesync", NAMES + FIGHTS)
def test_a_day_in_one_stride_ends_where_every_act_ends(timesync, stepping):
    """The skipping is taken away for the second guest, so that nothing of it can hide in both."""
    spans = dict.fromkeys(DRIFTS, "2 h") | {"+78.387 ppm": "1 d"}
    skipped = {}
    for drift, span in spans.items():
        guest = machine(timesync, drift)
        guest.advance(span)
        skipped[drift] = exactly(guest)
    stepping()
    for drift, span in spans.items():
        guest = machine(timesync, drift)
        guest.advance(span)
        assert exactly(guest) == skipped[drift], drift


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("timesync", NAMES + FIGHTS)
def test_reading_every_five_seconds_changes_nothing(timesync, drift):
    guest, other = machine(timesync, drift), machine(timesync, drift)
    for _ in range(720):
        guest.advance("5 s")
        readings(guest)
    other.advance("1 h")
    assert exactly(guest) == exactly(other)


@pytest.mark.parametrize("timesync", NAMES + FIGHTS)
def test_ten_years_in_one_stride_end_where_ten_years_in_pieces_end(timesync):
    """The pieces are of every size, from a nanosecond to years, and none of them is a multiple of another."""
    pieces = [1, 7 * S + 13, 3_333 * S + 77, 9 * DAY + 1, 300 * DAY + 5 * S, 1_001 * DAY + 123_456_789, 17, 61 * S]
    for drift in ("+78.387 ppm",) if timesync in FIGHTS else ("+78.387 ppm", "-200 ppm", "+1.5 %"):
        guest, other = machine(timesync, drift), machine(timesync, drift)
        for piece in pieces:
            guest.advance(piece)
            readings(guest)
        guest.advance(3_650 * DAY - sum(pieces))
        other.advance("3650 d")
        assert exactly(guest) == exactly(other), drift


@pytest.mark.parametrize("timesync", NAMES)
def test_ten_years_are_a_few_acts(timesync, monkeypatch):
    """What is not skipped is counted: at most some thousand acts, where there are 63 million messages."""
    acts = []
    skip = Cycle.skip
    monkeypatch.setattr(Cycle, "skip", lambda cycle, *ends: (acts.append(1), skip(cycle, *ends))[1])
    for drift in DRIFTS:
        acts.clear()
        guest = machine(timesync, drift)
        guest.advance("3650 d")
        readings(guest)
        assert len(acts) < 5_000, drift


@pytest.mark.parametrize("drift", DRIFTS)
def test_the_log_of_sets_stays_small_for_each_discipline(drift):
    for timesync in NAMES:
        guest = machine(timesync, drift)
        guest.advance("3650 d")
        assert len(guest.clock_sets) <= 3, timesync


@pytest.mark.parametrize("timesync", ["linux-4.10+ntp", "freebsd+chrony"])
def test_the_log_of_sets_stays_bounded_for_two_sources_that_fight(timesync):
    """One round of the fight and the way into it are kept; for 5 s and 64 s a round is 6,400 messages."""
    guest = machine(timesync, "+78.387 ppm")
    guest.advance("3650 d")
    entries = len(guest.clock_sets)
    assert entries < 16_384
    century = machine(timesync, "+78.387 ppm")
    century.advance("36500 d")
    assert len(century.clock_sets) - entries < 100


def test_the_log_of_a_fight_counts_every_set():
    """Repetition is recorded as such, and none is lost: NTP sets the clock every 64 s, the host every 5.01 s."""
    guest = machine("linux-4.10+ntp", 0)
    guest.advance("3650 d")
    assert sum(entry.times for entry in guest.clock_sets if entry.by == "ntp") == 3_650 * 86_400 // 64
    samples = 3_650 * 86_400 * 100 // 501
    assert sum(entry.times for entry in guest.clock_sets if entry.by == "SAMPLE") == samples
    assert max(entry.last_at_ns for entry in guest.clock_sets) <= guest.host.true_ns


# ------------------------------------------------------------------------------------------ any sequence of verbs

FREQUENT = st.integers(0, 90 * S) | st.integers(0, 4 * DAY)
VERBS = st.one_of(
    st.tuples(st.just("advance"), FREQUENT),
    st.tuples(st.just("step"), st.integers(-400 * S, 400 * S)),
    st.tuples(st.just("step"), st.integers(-2 * S, 2 * S)),
    st.tuples(st.just("pause"), FREQUENT),
    st.tuples(st.just("lose SYNC"), FREQUENT),
    st.tuples(st.just("drift"), st.integers(-600_000_000, 600_000_000)),
    st.tuples(st.just("host error"), st.integers(-3 * S, 3 * S)),
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "delivery_delay": st.sampled_from(["0 s", "30 ms", "7 s"]),
        "protocol": st.sampled_from([1, 3, 4]),
        "sample_period": st.sampled_from(["5 s", "1 s", "11 min"]),
    },
)
COURSES = st.tuples(st.sampled_from(NAMES + FIGHTS), SETTINGS, st.lists(VERBS, max_size=6))


def live(course, cut):
    """Live a course, every advance cut into pieces by ``cut``; yield the guest after each piece."""
    timesync, settings_, verbs = course
    guest = Host().guest(timesync=timesync, **settings_)
    for verb, amount in [*verbs, ("advance", 1_000 * S)]:
        if verb in ("pause", "lose SYNC"):
            guest.pause()
            guest.host.advance(amount)
            guest.resume(sync=verb == "pause")
        elif verb == "step":
            guest.step(amount)
        elif verb == "drift":
            guest.drift = Fraction(amount, 1_000_000_000)
        elif verb == "host error":
            guest.host.error = amount
        else:
            for piece in cut(amount):
                guest.advance(piece)
                readings(guest)
                yield guest
    yield guest


@settings(max_examples=200, deadline=None)
@given(COURSES, st.lists(st.integers(1, 100 * S), max_size=30))
@example(("chrony", {"sample_period": "11 min"}, [("host error", S), ("advance", DAY)]), [S] * 30)
@example(("timesyncd", {}, [("host error", S), ("step", S), ("advance", DAY)]), [5 * S] * 30)
def test_split_advances_end_where_one_advance_ends(course, sizes):
    """``advance(a); advance(b)`` equals ``advance(a + b)``, whatever was done to the guest before."""

    def pieces(amount):
        for size in sizes:
            yield min(size, amount)
            amount -= min(size, amount)
        yield amount

    *_, whole = live(course, lambda amount: [amount])
    *_, split = live(course, pieces)
    assert exactly(split) == exactly(whole)


@settings(max_examples=100, deadline=None)
@given(COURSES)
def test_skipping_ends_where_living_through_everything_ends(course):
    """Fast-forward equals stepping, for any sequence of verbs."""
    *_, skipped = live(course, lambda amount: [amount])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cycle, "skip", lambda *_: None)
        patch.setattr(Service, "leap", Actor.leap)
        patch.setattr(Service, "catch_up", lambda *_: None)
        patch.setattr(Service, "due_ns", property(lambda service: service.next_at_ns))
        *_, lived = live(course, lambda amount: [amount])
    assert exactly(lived) == exactly(skipped)


@settings(max_examples=100, deadline=None)
@given(COURSES, st.integers(S // 3, 20 * S))
def test_a_slewing_wall_never_goes_back_and_monotonic_never_does(course, stride):
    """Only a set that is in the log takes the wall clock back."""
    wall = monotonic = None
    sets = 0
    for guest in live(course, lambda amount: [stride] * min(amount // stride, 60)):
        logged = sum(entry.times for entry in guest.clock_sets)
        if wall is not None:
            assert guest.wall_ns >= wall or logged > sets
            assert guest.monotonic_ns >= monotonic
        wall, monotonic, sets = guest.wall_ns, guest.monotonic_ns, logged


@pytest.mark.parametrize("timesync", ["linux", "w32time-2016", "chrony", "timesyncd", "linux-4.10", "ntp"])
@pytest.mark.parametrize(
    "drift", [RandomWalk(seed=7, every="10 s"), Periodic(seed=3, period="1 h", amplitude="40 ppm"), load_curve]
)
def test_a_drift_that_changes_is_as_exact(timesync, drift):
    guest, other = machine(timesync, drift), machine(timesync, drift)
    for moment in (guest, other):
        moment.host.load = Fraction(5, 2)
    for piece in itertools.islice(itertools.cycle([1, 4 * S, 33 * S + 3, 600 * S]), 40):
        guest.advance(piece)
        readings(guest)
    other.advance(guest.host.true_ns - other.host.true_ns)
    assert exactly(guest) == exactly(other)
