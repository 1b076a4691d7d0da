"""The catalogue: every preset that is documented somewhere is in it, with the numbers of the document."""

from __future__ import annotations

import itertools
import math

import pytest

from pytest_hvclock import Host
from pytest_hvclock.anomalies import Boot, Flap
from pytest_hvclock.plugin.markers import split
from pytest_hvclock.scenarios import SCENARIOS, Scenario, scenario_named

MS = 1_000_000
S = 1_000_000_000
DAY = 86_400 * S
START = "2026-01-01T00:00:00Z"


def guest_of(name, **settings):
    """Create the guest of a scenario, with what happened before the test."""
    scenario = scenario_named(name)
    conditions = split({"start": START, **scenario.settings, **settings})
    guest = Host(**conditions.host).guest(**conditions.guest)
    for anomaly in scenario.before:
        anomaly.strike(guest)
    return guest


def struck(name, **settings):
    """Return the guest of a scenario that has just struck."""
    guest = guest_of(name, **settings)
    scenario_named(name).strike(guest)
    return guest


def single_sets(guest):
    """Return how far each set moved the clock, and when, in nanoseconds since the start."""
    start_ns = guest.host.started_ns
    return sorted(
        (entry.at_ns + count * entry.every_ns - start_ns, entry.by_ns)
        for entry in guest.clock_sets
        for count in range(entry.times)
    )


def lost_ns(guest):
    """Return how much true time the guest has not lived."""
    return guest.host.true_ns - guest.host.started_ns - guest.reference_ticks * 100


# ---------------------------------------------------------------------------------------------------------- drift


@pytest.mark.parametrize(
    ("name", "error_ns"),
    [
        ("drift-500ppm", 43_200 * MS),
        ("drift-500ppm-slow", -43_200 * MS),
        ("drift-median-oscillator", 6_739_200_000),
    ],
)
def test_a_free_running_clock_is_wrong_by_so_much_a_day(name, error_ns):
    """500 ppm are 43.2 s a day, 78 ppm 6.74 s."""
    guest = guest_of(name)
    guest.advance("1 d")
    assert guest.error_ns == error_ns


def test_a_tick_counting_guest_gains_a_minute_in_less_than_five_and_is_reset():
    """A quarter too fast, so that a look every 15 s finds more than 10 s at the third; then it is at true time."""
    guest = guest_of("tick-counting-fast-25pct")
    monotonic_ns = guest.monotonic_ns
    guest.advance("48 s")
    assert guest.monotonic_ns - monotonic_ns == 60 * S
    assert single_sets(guest) == [(45 * S, -11_250 * MS)]


def test_virtual_server_2005_looks_every_15_s_and_sets_what_is_more_than_10_s_off():
    guest = struck("virtual-server-2005-ten-seconds")
    assert guest.error_ns == -10_100 * MS
    guest.advance("15 s")
    assert guest.error_ns == 0
    assert [moved for at, moved in single_sets(guest)] == [-9_900 * MS, -200 * MS, 10_100 * MS]


def test_a_frozen_clocksource_stands_still_in_every_clock_made_from_it():
    guest = guest_of("frozen-clock")
    guest.advance("1 d")
    assert guest.monotonic_ns == guest.monotonic_raw_ns == guest.boottime_ns == 0
    assert guest.error_ns == -DAY


# --------------------------------------------------------------------------------- restore, pause, boot, migration


@pytest.mark.parametrize(
    ("name", "gap_ns", "corrected"),
    [
        ("restore-after-a-month", 30 * DAY, True),
        ("restore-after-a-month-uncorrected", 30 * DAY, False),
        ("windows-restore-after-a-month", 30 * DAY, True),
        ("docker-friday-to-monday", 60 * 3_600 * S, False),
        ("azure-pause-28s", 28 * S, True),
        ("azure-pause-9s", 9 * S, True),
        ("azure-pause-30s", 30 * S, True),
        ("azure-live-migration", 5 * S, True),
        ("wsl2-sleep-without-sync", 445 * S, False),
        ("wsl2-sleep-overnight", 53_555 * S, False),
    ],
)
def test_a_guest_that_was_away_is_behind_by_it_until_it_is_set_or_for_ever(name, gap_ns, corrected):
    """The gap of the document, one forward step if anything follows it, and the same generation ID."""
    guest = guest_of(name)
    generation = guest.generation_id
    scenario_named(name).strike(guest)
    assert guest.error_ns == -gap_ns
    assert lost_ns(guest) == gap_ns
    guest.advance("30 d")
    assert guest.error_ns == (0 if corrected else -gap_ns)
    assert [moved for _, moved in single_sets(guest)] == ([gap_ns] if corrected else [])
    assert guest.generation_id == generation


@pytest.mark.parametrize(
    ("name", "error_s"),
    [
        ("boot-linux-on-a-tokyo-host", 32_400),
        ("boot-linux-on-a-helsinki-host", 7_200),
        ("boot-linux-on-a-los-angeles-host", -28_800),
        ("boot-windows-in-another-zone", -21_600),
        ("boot-linux-legacy", 32_400),
    ],
)
def test_a_guest_boots_wrong_by_the_zones_until_its_first_set(name, error_s):
    """2.5 s after power-on SYNC sets it, backward as well as forward."""
    guest = struck(name, drift=0)
    assert guest.error_ns == error_s * S
    guest.advance("2.499 s")
    assert guest.error_ns == error_s * S
    guest.advance("1 ms")
    assert guest.error_ns == 0


def test_a_checkpoint_an_hour_old_is_applied_and_seen_from_outside():
    guest = guest_of("checkpoint-seen-from-outside")
    wall_ns, generation = guest.wall_ns, guest.generation_id
    scenario_named("checkpoint-seen-from-outside").strike(guest)
    assert guest.wall_ns == wall_ns - 3_600 * S
    assert guest.generation_id != generation


def test_the_service_passes_its_own_acceptance_test():
    """40,000 s in the past, and within 10 s of true time after at most 30 s."""
    guest = struck("openvmm-acceptance")
    assert guest.error_ns == -40_000 * S
    guest.advance("30 s")
    assert abs(guest.error_ns) < 10 * S


def test_azure_s_chrony_sets_a_pause_right_and_holds_a_drift_within_a_poll_of_it():
    """``makestep 1.0 -1`` and ``poll 3``."""
    guest = struck("azure-chrony")
    guest.advance("9 s")
    assert abs(guest.error_ns) < 2 * 78_000 * 8
    assert guest.clock_sets[-1].by in {"SYNC", "chrony"}
    (chrony,) = [part for part in guest._timekeeping.disciplines if part.name == "chrony"]
    assert (chrony.poll, chrony.makestep_threshold_ns, chrony.makestep_limit) == (3, S, -1)


# ----------------------------------------------------------------------------------------------------------- WSL2


def test_implicit_sync_leaves_1_48_s_and_sets_632_37_s():
    guest = guest_of("wsl2-sleep-with-implicit-sync")
    for anomaly, error_ns in zip(
        scenario_named("wsl2-sleep-with-implicit-sync").anomalies,
        (-1_480 * MS, -1_480 * MS, -632_370 * MS),
        strict=True,
    ):
        anomaly.strike(guest)
        assert guest.error_ns == error_ns
    guest.advance("5.01 s")
    assert guest.error_ns == 0
    assert [moved for _, moved in single_sets(guest)] == [632_370 * MS]


def test_the_measured_series_of_sleeps_is_set_forward_by_the_measured_steps():
    guest = struck("wsl2-sleep-series")
    steps = [moved for _, moved in single_sets(guest)]
    assert steps == [661 * MS, 94_312 * MS, 1_699_598 * MS, 6_371_122 * MS, 42_088_129 * MS]


def test_a_train_of_pauses_is_3_to_4_s_every_32_to_35_s():
    guest = struck("wsl2-pause-train")
    guest.advance("10 min")
    assert lost_ns(guest) == -guest.error_ns == 35 * S
    (train,) = scenario_named("wsl2-pause-train").anomalies
    assert (train.anomaly.during, train.every) == ("3.5 s", "33.5 s")


def test_a_flapping_clock_is_set_there_and_back_in_turn_however_often():
    """It is planned one time after the other: of a billion times, none but the next is."""
    host = Host()
    guest = host.guest(timesync="off")
    Flap("2 s", times=10**9, every="1 s").strike(guest)
    seen = []
    for _ in range(4):
        seen.append(guest.error_ns)
        host.advance("1 s")
    assert seen == [2 * S, 0, 2 * S, 0]
    with pytest.raises(ValueError, match="times=0 is no number of times"):
        Flap("2 s", times=0).strike(idle := Host().guest(timesync="off"))
    assert (idle.host.planned, idle.error_ns) == (0, 0)
    Flap("2 s", times=2).strike(other := Host().guest(timesync="off"))
    other.advance("10 s")
    assert [(each.to_ns - each.from_ns) // S for each in other.clock_sets] == [2, -2, 2, -2]


def test_the_measured_train_of_pauses_takes_75_098_s_of_monotonic_for_77_040_s():
    """25,850 ppm, in sets of 356 ms to 409 ms, in bursts 30 s apart."""
    guest = guest_of("wsl2-pause-train-measured")
    scenario_named("wsl2-pause-train-measured").strike(guest)
    guest.advance(77_040 * MS - (guest.host.true_ns - guest.host.started_ns))
    assert guest.monotonic_ns == 75_098 * MS
    assert guest.error_ns == 0
    assert round((77_040 / 75_098 - 1) * 1_000_000, -1) == 25_860
    sets = single_sets(guest)
    assert all(356 * MS <= moved <= 409 * MS for _, moved in sets)
    gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(sets)]
    assert [gap > 10 * S for gap in gaps] == [False, True, False, True]
    assert sets[2][0] - sets[0][0] == sets[4][0] - sets[2][0] == 30 * S


def test_a_guest_seven_percent_fast_is_set_back_by_timesyncd():
    guest = guest_of("wsl2-fast-7pct")
    guest.advance("64 s")
    assert guest.monotonic_ns == 68_480 * MS
    assert [moved for _, moved in single_sets(guest)] == [-2_240 * MS, -2_240 * MS]


def test_chrony_fights_74_443_ppm_and_3_98_s():
    guest = struck("wsl2-chrony-74443ppm")
    assert guest.error_ns == 3_980 * MS
    assert guest.drift_ppb == 74_443_000
    guest.advance("8 s")
    assert guest.error_ns == 0


def test_timesyncd_fights_with_the_two_steps_of_the_log():
    """-0.465 s and -0.582 s, 32 s apart."""
    guest = struck("wsl2-timesyncd-fight")
    guest.advance("32 s")
    assert single_sets(guest) == [(32 * S, -465 * MS), (64 * S, -582 * MS)]


def test_a_residual_tick_is_26_700_ppm_for_30_s_and_then_next_to_nothing():
    guest = struck("wsl2-residual-tick")
    assert guest.error_ns == 801 * MS
    assert guest.drift_ppb == -400


# ------------------------------------------------------------------------------------------- disciplines by name


def test_linux_4_10_is_set_every_five_seconds_both_ways():
    guest = guest_of("linux-4-10-sets-every-sample")
    guest.advance("1 h")
    sets = single_sets(guest)
    assert {later[0] - earlier[0] for earlier, later in itertools.pairwise(sets)} == {5_010 * MS}
    assert min(moved for _, moved in sets) < -900_000
    assert max(moved for _, moved in sets) > 900_000


def test_linux_legacy_is_set_by_fifty_samples_after_its_boot():
    guest = struck("boot-linux-legacy")
    guest.advance("1 h")
    assert sum(entry.times for entry in guest.clock_sets if entry.by == "SAMPLE") == 50


def test_freebsd_is_set_at_a_hundred_milliseconds_and_a_bit():
    guest = guest_of("freebsd-sets-at-100ms")
    guest.advance("1 h")
    assert all(-104 * MS < moved <= -101 * MS for _, moved in single_sets(guest))
    assert len(single_sets(guest)) >= 16


@pytest.mark.parametrize("name", ["dc-ping-pong", "linux-4-10-ping-pong"])
def test_two_sources_two_seconds_apart_take_the_clock_to_and_fro(name):
    """By two seconds, each way, at the 64 s of the slower one; monotonic does not notice."""
    guest = guest_of(name)
    guest.advance("640 s")
    moves = [moved for _, moved in single_sets(guest) if moved]
    assert set(moves) == {2 * S, -2 * S}
    assert all(one == -other for one, other in itertools.pairwise(moves))
    assert moves.count(-2 * S) == 10
    assert guest.monotonic_ns == 640 * S


@pytest.mark.parametrize(
    ("name", "steps", "refused"),
    [
        ("w32time-2016-one-second-behind", False, False),
        ("w32time-2012r2-three-minutes-behind", False, False),
        ("w32time-standalone-one-second-off", True, False),
        ("w32time-dc-two-days-off", False, True),
    ],
)
def test_w32time_does_what_its_registry_says(name, steps, refused):
    """Slewed, stepped, or refused; at true time after half a day unless refused."""
    guest = struck(name)
    error_ns = guest.error_ns
    guest.advance("12 h")
    assert [entry.by for entry in guest.clock_sets] == ["step"] + ["w32time"] * steps
    assert len(guest.refused_sets) == refused
    if refused:
        assert guest.error_ns == error_ns == 172_801 * S
    else:
        assert abs(guest.error_ns) < MS


def test_the_high_accuracy_profile_holds_a_median_oscillator_within_milliseconds():
    guest = guest_of("w32time-high-accuracy")
    guest.advance("1 d")
    assert abs(guest.error_ns) < 3 * MS
    assert guest.clock_sets == []


def test_accurate_time_2016_is_as_accurate_as_was_measured():
    """10 us on average and 50 us RMS, over two days."""
    guest = guest_of("w32time-accurate-time-2016")
    guest.advance("10 min")
    errors_us = []
    for _ in range(2 * 2_880):
        guest.advance("30.5 s")
        errors_us.append(guest.error_ns / 1_000)
    assert abs(sum(errors_us) / len(errors_us)) <= 10
    assert 40 <= math.sqrt(sum(error**2 for error in errors_us) / len(errors_us)) <= 60


def test_vmware_s_tools_set_forward_once_a_minute_and_only_more_than_a_second():
    guest = struck("vmware-tools-one-minute")
    assert guest.error_ns == -30 * DAY
    guest.advance("60 s")
    assert abs(guest.error_ns) < 10 * MS
    guest.step("-0.9 s")
    sets = len(guest.clock_sets)
    guest.advance("180 s")
    assert len(guest.clock_sets) == sets
    assert -0.26 * S < guest.error_ns < -0.1 * S  # half of it goes in each minute
    guest.step("5 s")
    sets = len(guest.clock_sets)
    guest.advance("180 s")
    assert len(guest.clock_sets) == sets  # ahead is only ever slewed


# ---------------------------------------------------------------------------------------------------- the catalogue


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_every_scenario_says_what_it_is_and_happens(scenario):
    """A kebab-case name, one sentence each for what and for whom, a source; and it strikes a guest of its own."""
    assert scenario.name == scenario.name.lower()
    assert set(scenario.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    for text in (scenario.summary, scenario.effect):
        assert text.endswith(".")
        assert "\n" not in text
    assert scenario.source
    assert scenario.settings or scenario.anomalies
    struck(scenario.name).advance("1 h")


def test_scenarios_compose_in_the_order_in_which_they_are_named():
    """The conditions of both hold, and first the one strikes, then the other."""
    guest = struck("drift-500ppm+azure-pause-28s+boot-linux-on-a-tokyo-host")
    assert guest.drift_ppb == 500_000
    assert guest.host.true_ns - guest.host.started_ns == 28 * S
    assert guest.error_ns == 32_400 * S
    both = scenario_named("azure-pause-9s + restore-after-a-month")
    assert both.name == "azure-pause-9s+restore-after-a-month"
    assert [type(anomaly).__name__ for anomaly in both.anomalies] == ["Pause", "Restore"]


def test_scenarios_that_want_a_condition_to_be_different_do_not_compose():
    with pytest.raises(ValueError, match="drift-500ppm and azure-chrony do not go together: both have a drift"):
        scenario_named("drift-500ppm+azure-chrony")


def test_a_scenario_of_somebody_else_composes_with_those_of_the_catalogue(monkeypatch):
    theirs = Scenario("our-reboot", "We reboot.", "Nothing works.", "our runbook", anomalies=(Boot("1 min"),))
    monkeypatch.setitem(SCENARIOS, theirs.name, theirs)
    guest = struck("drift-500ppm+our-reboot")
    assert guest.drift_ppb == 500_000
    assert guest.host.true_ns - guest.host.started_ns == 60 * S
