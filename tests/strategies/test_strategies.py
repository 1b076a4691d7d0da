"""What is drawn applies to a guest, prints as what makes it again, and shrinks as the explorer's strikes do."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time

import hypothesis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_hvclock import Host, StateError
from pytest_hvclock import anomalies as kinds
from pytest_hvclock import drifts as wanders
from pytest_hvclock import scenarios as catalogue
from pytest_hvclock.anomalies import (
    Advance,
    Anomaly,
    ApplyCheckpoint,
    Drift,
    Flap,
    Pause,
    Restore,
    Step,
    TakeCheckpoint,
    Train,
)
from pytest_hvclock.explore.kinds import ORDER, rank
from pytest_hvclock.explore.schedules import Schedule, Strike
from pytest_hvclock.strategies import (
    anomalies,
    conditions,
    disciplines,
    drifts,
    durations,
    rates,
    scenarios,
    schedules,
    zones,
)
from pytest_hvclock.units import duration_ns, rate_ppb

NAMES = {**vars(kinds), **vars(wanders), **vars(catalogue), "timedelta": dt.timedelta}
START = "2026-01-01T00:00:00Z"
quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def find(strategy, condition, most=2_000):
    """Return the smallest that Hypothesis finds, the same each time: of some starts it ends at one that is not."""
    steady = settings(quick, derandomize=True, database=None, max_examples=most)
    return hypothesis.find(strategy, condition, settings=steady)


def pasted(value):
    """Return what the text that a value prints as makes, with the kit's names at hand."""
    return eval(repr(value), dict(NAMES))  # noqa: S307  (what the test is about)


# ------------------------------------------------------------------------------------------------------------- laws


def test_every_kind_of_anomaly_can_be_drawn_and_has_a_place_in_the_order():
    """A kind that is added has to be given both."""
    every = {
        kind for kind in vars(kinds).values()
        if isinstance(kind, type) and issubclass(kind, Anomaly) and kind is not Anomaly
    }  # fmt: skip
    assert set(ORDER) == every
    for kind in ORDER:
        assert type(find(anomalies(kind), lambda _: True)) is kind


@quick
@given(anomalies() | anomalies(sizes=durations("1 ns")), conditions(), st.sampled_from(["linux", "windows"]))
def test_every_anomaly_strikes_a_guest_that_runs_and_prints_as_what_makes_it(anomaly, conditions, os):
    """Whatever it is, and whatever comes after; the guest runs again afterwards."""
    assert pasted(anomaly) == anomaly
    conditions.setdefault("timesync", os)
    guest = Host(START).guest(**conditions)
    anomaly.strike(guest)
    guest.host.advance("10 min")
    assert guest.state.value == "running"
    assert guest.wall_ns > 0


@quick
@given(schedules(), disciplines())
def test_no_anomaly_of_a_schedule_meets_another_that_is_under_way(schedule, timesync):
    """So that none is refused because the guest is paused, saved or off."""
    assert pasted(schedule) == schedule
    host = Host(START)
    guest = host.guest(timesync=timesync)
    struck = []
    for when, anomaly in schedule:
        host.at(when, lambda anomaly=anomaly: (struck.append(anomaly), anomaly.strike(guest)))
    host.advance("400 d")
    assert struck == [anomaly for _, anomaly in schedule]
    assert host.planned == 0
    assert guest.state.value == "running"


@quick
@given(scenarios(most=3))
def test_every_scenario_strikes_its_own_guest_and_prints_as_what_makes_it(scenario):
    """Composed ones too, however many anomalies they have."""
    assert pasted(scenario) == scenario
    guest = scenario.guest()
    guest.strike()
    guest.advance("10 min")
    assert guest.armed is None
    assert guest.state.value == "running"


@quick
@given(conditions(), drifts(), zones(), disciplines(), rates())
def test_whatever_a_guest_can_be_is_accepted(conditions, drift, zone, timesync, rate):
    """And prints as what makes it."""
    for value in (conditions, drift, zone, timesync, rate):
        assert repr(pasted(value)) == repr(value)
    host = Host(START, zone=zone)
    host.guest(**conditions)
    guest = host.guest(drift=drift, zone=zone, timesync=timesync)
    guest.drift = rate
    guest.advance("1 h")
    assert -200_000_000 <= rate_ppb(rate) <= 200_000_000


@quick
@given(st.data())
def test_durations_stay_between_their_bounds(data):
    """Also where no round one lies between them."""
    least, most = sorted(data.draw(st.lists(st.integers(1, 10**15), min_size=2, max_size=2)))
    assert least <= duration_ns(data.draw(durations(least, most))) <= most


def test_a_scenario_of_ones_own_prints_as_what_makes_it():
    """Where no name would do."""
    mine = catalogue.Scenario("mine", "It is.", "None.", "me", settings={"drift": "1 %"}, anomalies=(Step("-1 h"),))
    assert pasted(mine) == mine
    renamed = catalogue.Scenario("drift-500ppm", "It is not.", "None.", "me")
    assert pasted(renamed) == renamed


def test_a_checkpoint_that_nobody_has_taken_is_refused_by_name():
    """An anomaly's refusal says what is missing."""
    guest = Host(START).guest()
    with pytest.raises(StateError, match=r"there is no checkpoint to apply: let TakeCheckpoint\(\) strike first"):
        find(anomalies(ApplyCheckpoint), lambda _: True).strike(guest)
    TakeCheckpoint().strike(guest)
    ApplyCheckpoint().strike(guest)


def test_a_scenario_s_guest_takes_further_settings():
    """Of itself and of its host, under the marker's names; what comes before has happened."""
    scenario = catalogue.scenario_named("boot-linux-on-a-tokyo-host")
    guest = scenario.guest()
    guest.strike()
    assert guest.error_ns == 9 * 3_600 * 10**9
    other = scenario.guest(host_zone="UTC", start="2026-06-01T00:00:00Z", drift="1 %")
    other.strike()
    assert (other.error_ns, other.drift_ppb) == (0, 10_000_000)
    assert other.host.started_ns == 1_780_272_000 * 10**9


# -------------------------------------------------------------------------------------------------------- shrinking


def wall_moves(anomaly):
    """Return how far an anomaly has moved a guest's wall clock against its monotonic one after a minute."""
    guest = Host(START).guest(timesync="linux")
    before = guest.wall_ns - guest.monotonic_ns
    anomaly.strike(guest)
    guest.host.advance("1 min")
    return guest.wall_ns - guest.monotonic_ns - before


SMALLEST = [
    (bool, Step("-1 s")),
    (lambda anomaly: wall_moves(anomaly) > 0, Step("1 s")),
    (lambda anomaly: abs(wall_moves(anomaly)) > 5 * 10**9, Step("-10 s")),
    (lambda anomaly: wall_moves(anomaly) > 2 * 3_600 * 10**9, Step("1 d")),
    (lambda anomaly: isinstance(anomaly, Pause | Restore), Pause("1 s")),
    (lambda anomaly: isinstance(anomaly, Restore) and not anomaly.sync, Restore("1 s", sync=False)),
    (lambda anomaly: isinstance(anomaly, Drift) and rate_ppb(anomaly.rate) < 0, Drift("-500 ppm")),
    (lambda anomaly: isinstance(anomaly, Train | Flap), Flap("1 s")),
    (lambda anomaly: isinstance(anomaly, Train), Train(Step("-1 s"), 2, "1 s")),
]


@pytest.mark.parametrize(("breaks", "smallest"), SMALLEST, ids=[repr(smallest) for _, smallest in SMALLEST])
def test_an_anomaly_shrinks_to_the_simplest_kind_and_the_roundest_size(breaks, smallest):
    """Exactly, and not to one that is as good."""
    assert find(anomalies(), breaks) == smallest


def test_sizes_can_be_drawn_from_all_durations():
    """A threshold that lies between two round sizes is found; a round one is simpler all the same."""
    between = anomalies(Step, sizes=durations())
    found = find(between, lambda step: 10 * 10**9 < abs(duration_ns(step.by)) < 60 * 10**9)
    assert -60 * 10**9 < duration_ns(found.by) < -10 * 10**9
    assert find(between, lambda step: abs(duration_ns(step.by)) > 10 * 10**9) == Step("-1 min")


def test_a_size_that_no_round_one_has_is_found_all_the_same():
    """Whole seconds before others, the smaller first."""
    assert find(durations(), lambda size: 2 <= duration_ns(size) / 10**9 < 5) == "2 s"
    assert find(durations("1 ms"), lambda size: duration_ns(size) < 10**9) == "1 ms"


@pytest.mark.parametrize("name", ["Step", "Pause", "Restore", "Flap", "Migrate", "Boot", "HostError"])
def test_what_is_found_first_is_what_the_explorer_finds_simplest(name):
    """One order for both: nothing that is drawn of a kind ranks below the simplest that Hypothesis finds."""
    kind = getattr(kinds, name)
    simplest = rank(Schedule((Strike(find(anomalies(kind), lambda _: True)),)))

    @quick
    @given(anomalies(kind))
    def other(anomaly):
        assert rank(Schedule((Strike(anomaly),)))[:-1] >= simplest[:-1]

    other()


def lease_is_lost(schedule):
    """Whether a lease of an hour by the wall clock, looked at every minute for fifty minutes, is lost too early."""
    host = Host(START)
    guest = host.guest(timesync="off")
    for when, anomaly in schedule:
        host.at(when, anomaly)
    with guest.running():
        until = time.time() + 3_600
        for _ in range(50):
            time.sleep(60)
            if time.time() >= until:
                return True
    return False


def test_a_schedule_shrinks_to_one_anomaly_as_early_as_can_be():
    """Fewer anomalies first, then the kind, the size, and the moment."""
    assert find(schedules(), lambda _: True) == [("1 s", Step("-1 s"))]
    assert find(schedules(), lambda schedule: len(schedule) == 2) == [("1 s", Step("-1 s")), ("2 s", Step("-1 s"))]
    assert find(schedules(), lease_is_lost, most=200) == [("1 s", Step("1 h"))]
    late = find(schedules(anomalies(Restore)), lambda schedule: duration_ns(schedule[0][0]) > 11 * 10**9)
    assert late == [("60 s", Restore("1 s"))]


def test_the_next_anomaly_waits_for_the_last_one_to_end():
    """A restore a month late takes a month."""
    found = find(
        schedules(anomalies(Restore, Step), most=2),
        lambda schedule: [type(anomaly) for _, anomaly in schedule] == [Restore, Step],
    )
    assert found == [("1 s", Restore("1 s")), ("3 s", Step("-1 s"))]


def test_scenarios_shrink_to_the_one_with_the_fewest_anomalies():
    """Standing conditions first; composed ones to one of their parts."""
    assert (
        find(scenarios(), lambda scenario: scenario.anomalies).name
        == find(scenarios(most=1), lambda scenario: scenario.anomalies).name
    )
    assert not find(scenarios(), lambda _: True).anomalies
    two = find(scenarios(), lambda scenario: "+" in scenario.name)
    assert len(two.name.split("+")) == 2


# ------------------------------------------------------------------------------------------------------- wrong use


def test_what_makes_no_sense_is_refused():
    """With what to write instead."""
    with pytest.raises(TypeError, match=r"<class 'int'> is no kind of anomaly that can be drawn: use some of Step, "):
        anomalies(int)
    with pytest.raises(ValueError, match=r"least='2 s' and most='1 s': write two durations above zero"):
        durations("2 s", "1 s")
    with pytest.raises(ValueError, match="write two durations above zero"):
        durations(0, 0)
    assert find(anomalies(Advance), lambda _: True) == Advance("1 s")


def test_without_hypothesis_the_module_says_what_to_install():
    """In one line."""
    code = "import sys; sys.modules['hypothesis'] = None; import pytest_hvclock.strategies"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        'ImportError: pytest_hvclock.strategies needs the package hypothesis: pip install "pytest-hvclock[hypothesis]"'
    )
