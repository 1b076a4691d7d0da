"""The trail of a guest's clocks, and the timeline as data."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hvclock import Host
from pytest_hvclock.clocks.trail import KEPT, Bend
from pytest_hvclock.timeline import SCHEMA, Deed, Judgement, Place, Reading, Timeline, Wait

S = 1_000_000_000
PLACE = Place("app/lease.py", 41, "Lease.renew", "self.until = time.time() + 30")


def timeline_of(guest, start_ns, **known):
    """Return a timeline with nothing but what the guest's clocks did."""
    return Timeline(start_ns, guest.host.true_ns, tuple(guest.follow().bends), **known)


VERBS = {
    "step": lambda guest: guest.step("-90 s"),
    "drift": lambda guest: setattr(guest, "drift", "-200 ppm"),
    "restore": lambda guest: (saved := guest.save(), guest.host.advance("2 h"), guest.restore(saved)),
    "pause": lambda guest: (guest.pause(), guest.host.advance("7 s"), guest.resume()),
    "migrate": lambda guest: guest.migrate(),
    "checkpoint": lambda guest: (point := guest.checkpoint(), guest.advance("50 s"), guest.apply(point, "outside")),
    "boot": lambda guest: (guest.power_off(), guest.host.advance("1 min"), guest.boot()),
    "hibernate": lambda guest: guest.hibernate(),
    "timesync": lambda guest: setattr(guest, "timesync", "off"),
    "wait": lambda guest: guest.advance("100 s"),
}


@given(
    verbs=st.lists(st.sampled_from(sorted(VERBS)), max_size=6),
    timesync=st.sampled_from(["linux", "chrony", "timesyncd", "linux-4.10", "linux-implicit"]),
    looks=st.lists(st.integers(0, 400), max_size=5),
)
def test_between_its_bends_a_guest_runs_straight(verbs, timesync, looks):
    """Whatever is done to a guest, its bends give its error and its monotonic clock at every moment, within 2 ns."""
    guest = Host().guest(timesync=timesync, drift="+78.387 ppm")
    trail, seen = guest.follow(), []

    def look():
        seen.append((guest.host.true_ns, guest.error_ns, guest.monotonic_ns))

    for seconds in looks:
        guest.host.at(f"{seconds}.5 s", lambda: guest.state.value == "off" or look())
    for verb in verbs:
        guest.advance("13 s")
        VERBS[verb](guest)
        look()
    guest.advance("1 min")
    look()
    timeline = timeline_of(guest, 0)
    for true_ns, error_ns, monotonic_ns in seen:
        bend = timeline.bend_at(true_ns)
        assert timeline.error_at(true_ns) == pytest.approx(error_ns, abs=2)
        assert bend.monotonic_at(true_ns) == pytest.approx(monotonic_ns, abs=2)
    assert [bend.at_ns for bend in trail.bends] == sorted(bend.at_ns for bend in trail.bends)


@pytest.mark.parametrize(("timesync", "drift_ppb"), [("timesyncd", 0), ("w32time-2016", 50_000)])
def test_a_bend_tells_how_fast_the_wall_clock_is_slewed(timesync, drift_ppb):
    """Beside its clocksource, and not how fast that drifts; nothing slews a guest that stands still."""
    guest = Host().guest(timesync=timesync, drift=f"{drift_ppb} ppb", os="windows" if "w32" in timesync else "linux")
    trail = guest.follow()
    guest.step("-300 ms")
    guest.advance("45 s")
    guest.pause()
    still = len(trail.bends) - 1
    guest.advance("1 min")
    running = list(trail.bends[:still])
    assert {bend.gains_ppb - bend.correction_ppb for bend in running} == {drift_ppb}
    assert any(bend.correction_ppb > 0 for bend in running)
    assert [bend.correction_ppb for bend in trail.bends[still:]] == [0]


def test_a_guest_whom_nobody_follows_keeps_no_trail():
    """Nothing is written down unless somebody asks."""
    guest = Host().guest()
    guest.step("1 h")
    assert guest.trail is None


def test_years_without_an_event_are_one_bend_and_years_of_rounds_a_few():
    """The trail is as long as what happened, not as long as the time in which it did."""
    quiet = Host().guest(drift="+500 ppm", timesync="off")
    quiet.follow()
    quiet.advance("3650 d")
    assert quiet.error_ns > S
    assert len(quiet.follow().bends) == 1
    busy = Host().guest(drift="+500 ppm", timesync="linux-4.10")
    busy.follow()
    busy.advance("3650 d")
    assert busy.error_ns < S
    assert len(busy.follow().bends) < 20


def test_a_trail_stays_bounded():
    """Of very many bends every second one goes, but never the first and the last."""
    guest = Host().guest(timesync="off")
    trail = guest.follow()
    first = trail.bends[0]
    for _ in range(2 * KEPT):
        guest.advance("1 s")
        guest.step("1 ms")
    assert len(trail.bends) <= KEPT
    assert trail.bends[0] == first
    assert trail.bends[-1].error_ns == guest.error_ns
    assert len(trail.deeds) == KEPT


def test_the_deeds_are_those_of_the_user():
    """A verb is written down by its name, with the true time at which it was done."""
    guest = Host(start="2026-01-01T00:00:00Z").guest()
    trail = guest.follow()
    start_ns = guest.host.true_ns
    guest.advance("1 s")
    guest.step("-1.5 h")
    saved = guest.save()
    guest.host.advance("1 h")
    guest.restore(saved)
    guest.drift = "+5 ppm"
    guest.timesync = "off"
    guest.migrate("5 s")
    assert trail.deeds == [
        (start_ns + S, 'step("-90 min")'),
        (start_ns + S, "save"),
        (start_ns + 3601 * S, "restore"),
        (start_ns + 3601 * S, "drift = '+5 ppm'"),
        (start_ns + 3601 * S, "timesync = 'off'"),
        (start_ns + 3601 * S, "migrate"),
        (start_ns + 3606 * S, "migrated"),
    ]


def test_a_guest_that_is_off_has_no_error():
    """From the power-off to the boot there is no clock."""
    guest = Host().guest()
    guest.follow()
    start_ns = guest.host.true_ns
    guest.advance("1 s")
    guest.power_off()
    guest.host.advance("1 min")
    guest.boot()
    timeline = timeline_of(guest, start_ns)
    assert timeline.error_at(start_ns - 1) is None
    assert timeline.error_at(start_ns + S - 1) == 0
    assert timeline.error_at(start_ns + 30 * S) is None
    assert timeline.error_at(start_ns + 61 * S) == 0


WHOLE = Timeline(
    0,
    9 * S,
    (Bend(0, 0, 0, 0, 1_000_000_000), Bend(5 * S, None, 0, 0, 0)),
    deeds=(Deed(1, "SYNC set the wall clock", "SYNC", -3, 2, 7),),
    readings=(Reading(1, "wall", 2, PLACE, "worker", 3),),
    waits=(Wait(1, None, PLACE), Wait(2, 5, PLACE)),
    counts={"wall": 3},
    judgements=(Judgement("healthy", held=False, said="no", allowed_ns=3, took_ns=None),),
    struck_at_ns=4,
    test="test_it.py::test_it",
    settings={"os": "linux"},
)


def test_a_timeline_goes_through_json_and_comes_back_equal():
    """Nothing is lost on the way, and the schema stands first."""
    text = json.dumps(WHOLE.as_json())
    assert text.startswith(f'{{"schema": {SCHEMA}, ')
    assert Timeline.from_json(json.loads(text)) == WHOLE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": SCHEMA + 1}, f"this is no timeline of schema {SCHEMA} or older: schema is {SCHEMA + 1}"),
        ({"schema": None}, f"this is no timeline of schema {SCHEMA} or older: schema is None"),
        ({"nonsense": 1}, "this is no timeline: Timeline.__init__() got an unexpected keyword argument 'nonsense'"),
        ({"bends": [[1]]}, "this is no timeline: Bend.__new__() missing 4 required positional arguments"),
    ],
)
def test_what_is_no_timeline_is_refused(change, message):
    """The message says what is wrong with it."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Timeline.from_json({**WHOLE.as_json(), **change})


def test_a_place_is_written_as_compilers_do():
    """So that terminals and editors make a link of it."""
    assert str(PLACE) == "app/lease.py:41"
