"""Drifts that change: the same for the same seed, within their bounds, and the load curve as good as it says."""

import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import pytest

from pytest_hvclock import Host
from pytest_hvclock.drifts import LOAD_CURVE_PPM, Periodic, RandomWalk, load_curve

MS = 1_000_000
S = 1_000_000_000
READINGS = json.loads(Path(__file__).with_name("load_readings.json").read_text(encoding="utf-8"))
"""Of each measured minute one reading in about 3 s: busy neighbours -> (host time, guest time) in microseconds."""
STATED_MS = {0: 1.4, 1: 2.4, 3: 133, 7: 522}
"""What ``load_curve`` says is the largest distance of a reading, in milliseconds."""


def rates(guest, every, count):
    """The drift of a guest at a steady interval."""
    found = []
    for _ in range(count):
        found.append(guest.drift_ppb)
        guest.advance(every)
    return found


def test_a_walk_depends_on_its_seed_alone():
    walks = [rates(Host().guest(drift=RandomWalk(seed=seed)), "1 min", 200) for seed in (1, 1, 2)]
    assert walks[0] == walks[1] != walks[2]
    assert rates(Host().guest(drift=RandomWalk(seed=1)), "1 min", 6) == walks[0][:6]


def test_a_seed_means_the_same_walk_for_ever():
    """The numbers stand here, so that a replay line of today still holds after the next release."""
    assert rates(Host().guest(drift=RandomWalk(seed=42, step="2 ppm")), "1 min", 5) == [0, -349, 173, 894, -1002]


def test_a_walk_stays_within_its_limit_and_its_step():
    drift = RandomWalk(around="+50 ppm", step="3 ppm", limit="10 ppm", seed=5)
    walk = rates(Host().guest(drift=drift), "1 min", 2_000)
    assert all(abs(later - earlier) <= 3_000 for earlier, later in itertools.pairwise(walk))
    assert min(walk) == 40_000
    assert max(walk) == 60_000


def test_a_swing_repeats_and_is_even_about_its_mean():
    drift = Periodic(around="-5 ppm", amplitude="1 ppm", period="24 h", every="1 min", seed=100)
    guest = Host().guest(drift=drift, timesync="off")
    day = rates(guest, "1 min", 1_440)
    assert rates(guest, "1 min", 1_440) == day
    assert max(day) == -4_000
    assert min(day) == -6_000
    assert sum(day) == 1_440 * -5_000
    assert Periodic(seed=100 + 1_440).ppb == Periodic(seed=100).ppb


def test_a_swing_is_close_to_a_sine():
    """The half-waves are parabolas: within 6 % of the amplitude."""
    swing = Periodic(amplitude="1000 ppm", period="1000 s", every="1 s")
    guest = Host().guest(drift=swing)
    for place, ppb in enumerate(rates(guest, "1 s", 1_000)):
        assert abs(ppb - 1_000_000 * math.sin(2 * math.pi * place / 1_000)) < 60_000


@pytest.mark.parametrize("drift", [RandomWalk(seed=3), Periodic(amplitude="20 ppm", seed=3)])
def test_a_wander_moves_the_wall_and_raw_and_not_the_reference_counter(drift):
    guest = Host().guest(drift=drift, timesync="off")
    guest.advance("6 h")
    assert guest.error_ns == guest.monotonic_raw_ns - 21_600 * S != 0
    assert guest.reference_ticks == 21_600 * 10_000_000


def test_a_wander_is_a_setting_like_any_other_drift():
    """Each guest goes its own way from the beginning, and a constant drift ends it."""
    drift = RandomWalk(seed=9)
    host = Host()
    first = host.guest(drift=drift)
    host.advance("1 h")
    second = host.guest(drift=drift)
    assert second.drift_ppb == 0 != first.drift_ppb
    assert first.drift == drift == RandomWalk(seed=9)
    first.drift = "+1 ppm"
    host.advance("1 h")
    assert first.drift_ppb == 1_000
    first.drift = drift
    assert first.drift_ppb == 0
    host.advance("2 min")
    assert first.drift_ppb != 0


def test_a_wander_stands_still_with_its_guest_and_goes_on_in_the_next_life():
    guest = Host().guest(drift=RandomWalk(seed=9), timesync="off")
    guest.advance("1 h")
    guest.pause()
    before = guest.drift_ppb
    guest.host.advance("10 h")
    assert guest.drift_ppb == before
    guest.resume()
    guest.advance("30 s")
    assert guest.drift_ppb in (before, rates(Host().guest(drift=RandomWalk(seed=9)), "1 min", 63)[61])
    guest.power_off()
    guest.host.advance("10 h")
    guest.boot()
    at_boot = guest.drift_ppb
    guest.advance("59 s")
    assert guest.drift_ppb == at_boot
    guest.advance("1 s")
    assert guest.drift_ppb != at_boot


def test_an_applied_checkpoint_does_not_take_the_hardware_back():
    guest = Host().guest(drift=RandomWalk(seed=9))
    point = guest.checkpoint()
    guest.advance("5 h")
    before = guest.drift_ppb
    guest.apply(point, view="outside")
    assert guest.drift_ppb == before != 0
    guest.advance("2 h")
    assert guest.drift_ppb != before


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: RandomWalk(every="0 s"), "above zero"),
        (lambda: Periodic(period="90 s", every="1 min"), "multiple of every"),
        (lambda: Periodic(period="1 min", every="1 min"), "at least twice"),
        (lambda: Periodic(amplitude="1 furlong"), "unknown unit"),
    ],
)
def test_wrong_settings_say_what_to_write(wrong, says):
    with pytest.raises(ValueError, match=says):
        wrong()


@pytest.mark.parametrize("neighbours", [0, 1, 3, 7])
def test_the_load_curve_is_as_good_as_it_says(neighbours):
    """A guest with this drift lives each measured minute within the stated distance of every reading."""
    host = Host(load=neighbours)
    guest = host.guest(timesync="off", drift=load_curve)
    start_ns, worst_ns = host.true_ns, 0
    for host_us, guest_us in READINGS[str(neighbours)]:
        host.advance(start_ns + host_us * 1_000 - host.true_ns)
        worst_ns = max(worst_ns, abs(guest.monotonic_ns - guest_us * 1_000))
    assert STATED_MS[neighbours] * MS / 4 < worst_ns <= STATED_MS[neighbours] * MS
    assert abs(guest.monotonic_ns - guest_us * 1_000) <= MS


def test_the_load_curve_is_exact_between_and_flat_beyond_what_was_measured():
    assert [load_curve(Fraction(at)) for at in LOAD_CURVE_PPM] == [
        Fraction(ppm, 1_000_000) for ppm in LOAD_CURVE_PPM.values()
    ]
    assert load_curve(Fraction(2)) == Fraction(-24_045, 10_000_000)
    assert load_curve(Fraction(5)) == Fraction(-32_164_500, 10**9)
    assert load_curve(Fraction(100)) == load_curve(Fraction(7))
    assert load_curve(Fraction(-1)) == load_curve(Fraction(0))


def test_the_drift_follows_the_load_of_the_host():
    host = Host()
    guest = host.guest(timesync="off", drift=load_curve)
    assert guest.drift_ppb == 2_000
    host.load = 7
    host.advance("10 s")
    assert guest.drift_ppb == -58_867_000
    assert guest.error_ns == -588_670_000
