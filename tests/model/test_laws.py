"""What holds for every guest after any sequence of verbs, however its time was cut up and whoever looked at it."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_hvclock import Host, StateError
from pytest_hvclock.clocks.actor import Actor
from pytest_hvclock.clocks.segment import Segment
from pytest_hvclock.clocks.sets import ClockSets
from pytest_hvclock.disciplines import DISCIPLINES
from pytest_hvclock.drifts import Periodic, RandomWalk, load_curve
from pytest_hvclock.model.service import Service
from pytest_hvclock.model.timekeeping import Cycle

S = 1_000_000_000
AS_PER_NS = 1_000_000_000
START = "2026-03-08T09:59:58.123456789Z"  # two seconds before Los Angeles changes to daylight saving
FIGHTS = [
    "linux+ntp",
    "windows+ntp",
    "freebsd+ntp",
    "freebsd+chrony",
    "linux-4.10+ntp",
    "linux-implicit+timesyncd",
    "linux-4.10+chrony",
    "w32time-standalone+ntp",
]
NAMES = ["off", "partial", *DISCIPLINES, *FIGHTS]
DRIFTS = ["+78.387 ppm", Fraction(-1, 3_000_000), "-6 %", "+0.001 ppm", "-99.9999999 %"]
COUNTERS = ("monotonic_ns", "monotonic_raw_ns", "boottime_ns", "reference_ticks")


def single_sets(log):
    """Return every set of a log by itself, in the order of time: repetition is only a way of writing."""
    return sorted(
        (entry.at_ns + count * entry.every_ns, entry.from_ns + count * entry.every_ns, entry.by_ns, entry.by)
        for entry in log
        for count in range(entry.times)
    )


def shown(guest):
    """Read everything that a guest shows in its state."""
    always = (guest.state, guest.rtc, guest.generation_id, single_sets(guest.clock_sets), guest.host.true_ns)
    if guest.state.value == "off":
        return always
    try:
        ptp_ns = guest.ptp_ns
    except OSError as stale:
        ptp_ns = stale.errno
    return (*always, guest.wall_ns, guest.error_ns, ptp_ns, *(getattr(guest, counter) for counter in COUNTERS))


def exactly(guest):
    """Everything about the clocks, to the attosecond."""
    clocks = guest._timekeeping.clocks
    return (clocks.wall_as, clocks.monotonic_as, clocks.raw_as, clocks.asleep_as, clocks.correction_ppb, clocks.heard())


# --------------------------------------------------------------------------------------- any sequence of verbs

CHANGING = {
    "load": load_curve,
    "walk": RandomWalk(seed=7, every="10 s"),
    "swing": Periodic(seed=3, every="20 s", period="10 min", amplitude="40 ppm"),
}
DAY = 86_400 * S
SPANS = st.integers(0, 20 * S) | st.integers(0, 3_600 * S) | st.sampled_from([5_010_000_000, 64 * S, 1])
LIFE_ENDS = {"boot", "hibernate", "apply"}
VERBS = st.one_of(
    st.tuples(st.sampled_from(["advance", "advance", "migrate", "hibernate", "host error"]), SPANS),
    st.tuples(st.sampled_from(["step", "write_rtc"]), st.integers(-9_000 * S, 9_000 * S) | st.integers(-6 * S, 6 * S)),
    st.tuples(st.just("drift"), st.integers(-(10**9), 10**9) | st.integers(-500_000, 500_000)),
    st.tuples(st.just("changing drift"), st.sampled_from(sorted(CHANGING))),
    st.tuples(st.just("load"), st.integers(0, 9)),
    st.tuples(
        st.sampled_from(["pause", "resume", "resume without SYNC", "save", "restore", "checkpoint", "apply"]),
        st.just(0),
    ),
    st.tuples(st.sampled_from(["power_off", "boot", "hctosys"]), st.just(0)),
    st.tuples(st.just("timesync"), st.sampled_from(NAMES)),
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "drift": st.sampled_from([0, "-200 ppm", "+1.5 %", *CHANGING.values()]),
        "delivery_delay": st.sampled_from(["30 ms", "7 s", "601 s"]),
        "protocol": st.sampled_from([1, 3]),
        "sample_period": st.sampled_from(["1 s", "11 min"]),
        "coarse": st.just(value=True),
        "boottime_over_saves": st.just(value=True),
        "ptp_over_saves": st.just(value=False),
        "rtc_over_power_off": st.just(value=False),
    },
)
COURSES = st.tuples(st.sampled_from(NAMES), SETTINGS, st.lists(VERBS, max_size=12))


class Life:
    """A guest to which a course of verbs happens; what its state refuses does not happen."""

    def __init__(self, timesync, **settings_):
        self.host = Host(START, zone="America/Los_Angeles")
        self.guest = self.host.guest(**{"timesync": timesync, "drift": "+78.387 ppm", **settings_})
        self.saved = self.point = None

    def do(self, verb, amount):
        """Let one verb happen, and return whether it ended a life."""
        guest = self.guest
        deeds = {
            "advance": lambda: guest.advance(amount),
            "migrate": lambda: guest.migrate(blackout=amount),
            "hibernate": lambda: guest.hibernate(amount),
            "host error": lambda: setattr(self.host, "error", amount),
            "step": lambda: guest.step(amount),
            "write_rtc": lambda: guest.write_rtc(guest.rtc + timedelta(seconds=amount // S)),
            "drift": lambda: setattr(guest, "drift", Fraction(amount, 10**9)),
            "changing drift": lambda: setattr(guest, "drift", CHANGING[amount]),
            "load": lambda: setattr(self.host, "load", amount),
            "timesync": lambda: setattr(guest, "timesync", amount),
            "pause": guest.pause,
            "resume": guest.resume,
            "resume without SYNC": lambda: guest.resume(sync=False),
            "save": lambda: setattr(self, "saved", guest.save()),
            "restore": lambda: guest.restore(self.saved),
            "checkpoint": lambda: setattr(self, "point", guest.checkpoint()),
            "apply": lambda: guest.apply(self.point, view="outside") if self.point else None,
            "power_off": guest.power_off,
            "boot": guest.boot,
            "hctosys": guest.hctosys,
        }
        try:
            deeds[verb]()
        except StateError:
            return False
        return verb in LIFE_ENDS


@settings(deadline=None, max_examples=150)
@given(COURSES, st.lists(st.integers(1, 100 * S), min_size=1, max_size=20))
@example(("chrony", {"sample_period": "11 min"}, [("host error", S), ("advance", DAY)]), [S] * 30)
@example(("timesyncd", {}, [("host error", S), ("step", S), ("advance", DAY)]), [5 * S] * 30)
def test_whoever_looks_at_a_guest_and_when_changes_nothing(course, looks):
    """Read twice at every instant, at random instants or only at the end, a guest shows the same, its log included."""
    timesync, settings_, verbs = course
    watched, alone = Life(timesync, **settings_), Life(timesync, **settings_)
    for verb, amount in [*verbs, ("advance", 400 * S)]:
        alone.do(verb, amount)
        if verb != "advance":
            watched.do(verb, amount)
            continue
        for look in looks:
            piece = min(look, amount)
            watched.do("advance", piece)
            assert shown(watched.guest) == shown(watched.guest)
            amount -= piece  # noqa: PLW2901  (what is left to be passed)
        watched.do("advance", amount)
    assert shown(watched.guest) == shown(alone.guest)
    assert exactly(watched.guest) == exactly(alone.guest)


@settings(deadline=None, max_examples=100)
@given(COURSES)
def test_whatever_is_skipped_ends_where_living_through_everything_ends(course):
    """Fast-forward equals stepping: every message and every poll is lived through by the second guest."""
    timesync, settings_, verbs = course
    if "sample_period" not in settings_:
        verbs = [*verbs, ("advance", 20_000 * S)]
    skipping, living = Life(timesync, **settings_), Life(timesync, **settings_)
    for verb, amount in verbs:
        skipping.do(verb, amount)
    found = shown(skipping.guest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cycle, "skip", lambda *_: None)
        patch.setattr(Service, "leap", Actor.leap)
        patch.setattr(Service, "catch_up", lambda *_: None)
        patch.setattr(Service, "due_ns", property(lambda service: service.next_at_ns))
        for verb, amount in verbs:
            living.do(verb, amount)
        assert shown(living.guest) == found
    assert exactly(living.guest) == exactly(skipping.guest)


@settings(deadline=None, max_examples=100)
@given(COURSES, st.integers(S // 3, 20 * S))
def test_a_slewing_wall_never_goes_back(course, stride):
    """While time passes, only a set that is in the log takes the wall clock back, whatever was done before."""
    timesync, settings_, verbs = course
    life = Life(timesync, **settings_)
    guest = life.guest
    for verb, amount in [*verbs, ("advance", 400 * S)]:
        if verb != "advance" or guest.state.value == "off":
            life.do(verb, amount)
            continue
        wall_ns, logged = guest.wall_ns, len(single_sets(guest.clock_sets))
        for _ in range(min(amount // stride, 60)):
            guest.advance(stride)
            now_ns, now_logged = guest.wall_ns, len(single_sets(guest.clock_sets))
            assert now_ns >= wall_ns or now_logged > logged
            wall_ns, logged = now_ns, now_logged


@settings(deadline=None, max_examples=150)
@given(COURSES)
def test_no_counter_ever_goes_back_within_a_life(course):
    """MONOTONIC, RAW, BOOTTIME and the reference counter: back at a boot, a hibernation or an apply, and only there."""
    timesync, settings_, verbs = course
    life = Life(timesync, **settings_)
    before = (0, 0, 0, 0)
    for verb, amount in verbs:
        for part in (amount // 2, amount - amount // 2) if verb == "advance" else (amount,):
            ended = life.do(verb, part)
            if life.guest.state.value == "off":
                continue
            now = tuple(getattr(life.guest, counter) for counter in COUNTERS)
            assert ended or all(one <= other for one, other in zip(before, now, strict=True)), (verb, before, now)
            before = now


@settings(deadline=None, max_examples=150)
@given(COURSES)
def test_of_linux_clocks_wall_minus_monotonic_is_moved_by_logged_sets_alone(course):
    """Steps change the offset between the two; drift and slew move both, and nothing moves the wall without a line."""
    timesync, settings_, verbs = course
    life = Life(timesync, **{**settings_, "os": "linux", "coarse": False})
    guest = life.guest
    offset_ns = guest.wall_ns - guest.monotonic_ns
    for verb, amount in verbs:
        if verb not in LIFE_ENDS | {"power_off"}:
            life.do(verb, amount)
    moved_ns = sum(entry.by_ns * entry.times for entry in guest.clock_sets)
    count = sum(entry.times for entry in guest.clock_sets)
    assert abs(guest.wall_ns - guest.monotonic_ns - offset_ns - moved_ns) <= count + 1  # each line rounds below 1 ns


@settings(deadline=None, max_examples=100)
@given(COURSES, SPANS)
def test_a_save_and_a_restore_change_nothing_but_the_error_and_the_host_s_time(course, away_ns):
    """At the moment of the restore every clock of the guest is where it was; only true time and the RTC went on."""
    timesync, settings_, verbs = course
    life = Life(timesync, **{**settings_, "boottime_over_saves": False, "ptp_over_saves": True})
    for verb, amount in verbs:
        life.do(verb, amount)
    if life.guest.state.value not in {"running", "paused"}:
        return
    guest = life.guest
    *_, sets, _, wall_ns, error_ns, ptp_ns, monotonic_ns, raw_ns, boottime_ns, ticks = shown(guest)
    generation = guest.generation_id
    saved = guest.save()
    life.host.advance(away_ns)
    guest.restore(saved)
    after = shown(guest)
    assert after[2:4] == (generation, sets)
    assert after[5:] == (wall_ns, error_ns - away_ns, ptp_ns, monotonic_ns, raw_ns, boottime_ns, ticks)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), SPANS), max_size=6), SPANS, SPANS)
def test_a_guest_whom_nobody_corrects_lives_on_after_a_restore_as_if_nothing_had_been(drifts, away_ns, then_ns):
    """Remainders below a nanosecond are in the saved state as well: a twin that was never saved shows the same."""
    saved_life, twin = Life("off"), Life("off")
    for ppb, span_ns in drifts:
        for life in (saved_life, twin):
            life.do("drift", ppb)
            life.do("advance", span_ns)
    saved = saved_life.guest.save()
    saved_life.host.advance(away_ns)
    saved_life.guest.restore(saved)
    for life in (saved_life, twin):
        life.do("advance", then_ns)
    assert saved_life.guest.error_ns == twin.guest.error_ns - away_ns
    assert shown(saved_life.guest)[-4:] == shown(twin.guest)[-4:]


# ------------------------------------------------------------------------------------------ time cut into pieces


@pytest.mark.parametrize("timesync", NAMES)
def test_two_advances_are_one_of_their_sum_in_every_clock_and_in_the_log(timesync):
    """Whatever disciplines there are, at awkward drifts and awkward lengths, from an error that wants correcting."""
    for drift in DRIFTS:
        for first_ns, second_ns in [
            (1, 3_599 * S),
            (5_010_000_000, 1_234_567_890_123),
            (64 * S - 1, 2),
            (0, 86_400 * S),
        ]:
            split, whole = (Host(START).guest(timesync=timesync, drift=drift) for _ in range(2))
            for guest in (split, whole):
                guest.step("-0.3 s")
            split.advance(first_ns)
            shown(split)
            split.advance(second_ns)
            whole.advance(first_ns + second_ns)
            assert shown(split) == shown(whole), drift


@pytest.mark.parametrize("timesync", NAMES)
def test_fast_forward_shows_what_a_reading_every_five_seconds_shows(timesync):
    """An hour in one stride, after a boot in the wrong zone: to the nanosecond, and set by set."""
    for drift in DRIFTS:
        stepped, whole = (Host(START, zone="Asia/Tokyo").guest(timesync=timesync, drift=drift) for _ in range(2))
        for guest in (stepped, whole):
            guest.power_off()
            guest.boot()
        for _ in range(720):
            stepped.advance("5 s")
            _ = stepped.wall_ns
        whole.advance("1 h")
        assert shown(stepped) == shown(whole), drift


@pytest.mark.parametrize("timesync", FIGHTS)
@pytest.mark.parametrize("error", ["6 s", "-6 s"])
def test_two_sources_that_disagree_are_fast_forwarded_as_they_fight(timesync, error):
    """A host that is wrong by more than any threshold, and a daemon that is right: every set of either is the same."""
    for drift in DRIFTS:
        stepped, whole = (Host(START, error=error).guest(timesync=timesync, drift=drift) for _ in range(2))
        for _ in range(200):
            stepped.advance("5.5 s")
            _ = stepped.wall_ns
        whole.advance("1100 s")
        assert shown(stepped) == shown(whole), drift


@pytest.mark.parametrize("drift", ["0 ppm", "+1 %", "+78.387 ppm"])
def test_fast_forward_does_not_freshen_what_a_guest_has_heard_long_ago(drift):
    """A guest that no longer listens has an old host sample, and days in one stride leave it as old as they are."""
    guest = Host(START).guest(drift=drift)
    guest.timesync = "ntp"
    guest.advance("599 s")
    assert guest.ptp_ns == guest.host.true_ns
    guest.advance("30 d")
    with pytest.raises(OSError, match="/dev/ptp_hyperv"):
        _ = guest.ptp_ns


@pytest.mark.parametrize("drift", DRIFTS)
def test_a_guest_that_no_longer_listens_is_fast_forwarded_like_any_other(drift, monkeypatch):
    """Ten years after the service was switched off for NTP are few acts, and end where pieces of them end."""
    acts = []
    skip = Cycle.skip
    monkeypatch.setattr(Cycle, "skip", lambda cycle, *ends: (acts.append(1), skip(cycle, *ends))[1])
    split, whole = (Host(START).guest(drift=drift) for _ in range(2))
    split.timesync = whole.timesync = "ntp"
    whole.advance("3650 d")
    shown_at_once = (whole.wall_ns, whole.monotonic_ns, whole.reference_ticks)
    assert len(acts) < 5_000
    for piece in ("1 ns", "599 s", "2 s", "1 h", "7 d"):
        split.advance(piece)
        _ = split.wall_ns
    split.advance(whole.host.true_ns - split.host.true_ns)
    assert (split.wall_ns, split.monotonic_ns, split.reference_ticks) == shown_at_once


GAPS = st.sampled_from([5 * S, 5 * S, 64 * S])
MOVES = st.sampled_from([(S, "SAMPLE"), (S, "SAMPLE"), (-S, "ntp")])
LOGGED = st.lists(st.tuples(GAPS, MOVES), max_size=8)


@settings(deadline=None, max_examples=500)
@given(LOGGED, LOGGED.filter(bool), st.sampled_from([0, 0, 59 * S]), st.integers(0, 5))
def test_a_log_repeats_what_was_logged_since_a_mark_as_if_it_had_happened_again(before, during, quiet_ns, times):
    """However much of it is written as repetition, the single sets are those of living through every round."""

    def log_all(log, moves, now_ns):
        for gap_ns, (by_ns, by) in moves:
            now_ns += gap_ns
            log.add(now_ns, (now_ns - by_ns) * AS_PER_NS, now_ns * AS_PER_NS, by)
        return now_ns

    repeated, lived = ClockSets(), ClockSets()
    now_ns = log_all(lived, before, 0)
    log_all(repeated, before, 0)
    mark = repeated.mark()
    log_all(repeated, during, now_ns)
    repeated.repeat(mark, times, sum(gap_ns for gap_ns, _ in during) + quiet_ns)
    for _ in range(times + 1):
        now_ns = log_all(lived, during, now_ns) + quiet_ns
    assert single_sets(repeated) == single_sets(lived)


# --------------------------------------------------------------------------------------------------- exactness

RATES = st.integers(-(10**9), 10**10)


@settings(deadline=None)
@given(st.lists(st.tuples(RATES, st.integers(0, 10**18) | st.integers(0, 5), st.booleans()), max_size=10))
def test_drift_is_exact_to_the_last_nanosecond(stretches):
    """Fractions, which lose nothing, say the same after any changes of rate, with pauses in between."""
    guest = Host(START).guest(timesync="off")
    gained, lived_ns, missed_ns = Fraction(0), 0, 0
    for ppb, span_ns, pausing in stretches:
        guest.drift = Fraction(ppb, 10**9)
        if pausing:
            guest.pause()
            guest.host.advance(span_ns)
            guest.resume()
            missed_ns += span_ns
        else:
            guest.advance(span_ns)
            gained += Fraction(ppb * span_ns, 10**9)
            lived_ns += span_ns
    counted_ns = (lived_ns + gained).__floor__()
    assert guest.error_ns == gained.__floor__() - missed_ns
    assert guest.monotonic_ns == guest.monotonic_raw_ns == guest.boottime_ns == counted_ns
    assert guest.reference_ticks == lived_ns // 100


@settings(deadline=None)
@given(RATES, st.integers(-(10**9), 10**9), st.integers(0, 10**15), st.integers(0, 10**15))
def test_a_deadline_is_reached_at_the_first_nanosecond_that_shows_it(drift_ppb, correction_ppb, passed_ns, wait_ns):
    """One nanosecond of true time earlier MONOTONIC has not reached it yet; a clock that stands still never does."""
    clocks = Segment(0, 0, drift_ppb=drift_ppb)
    clocks.slew(correction_ppb)
    clocks.move_to(passed_ns)
    deadline_as = clocks.monotonic_as + wait_ns * AS_PER_NS
    reached_ns = clocks.when_monotonic(deadline_as)
    if reached_ns is None:
        assert clocks.monotonic_rate == 0
        return
    if reached_ns > passed_ns:
        clocks.move_to(reached_ns - 1)
        assert clocks.monotonic_as < deadline_as
    clocks.move_to(reached_ns)
    assert clocks.monotonic_as >= deadline_as


@settings(deadline=None)
@given(RATES, st.lists(st.integers(0, 10**15), max_size=20))
def test_a_segment_ends_on_the_same_integer_however_it_was_cut(drift_ppb, pieces):
    """Attoseconds make one stride and a thousand end alike."""
    cut, whole = Segment(0, 0, drift_ppb=drift_ppb), Segment(0, 0, drift_ppb=drift_ppb)
    for piece in pieces:
        cut.move_to(cut.true_ns + piece)
    whole.move_to(sum(pieces))
    assert cut == whole
