"""A stretch of time in one stride ends exactly where it ends when it is lived through message by message."""

import itertools
from fractions import Fraction

import pytest

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
