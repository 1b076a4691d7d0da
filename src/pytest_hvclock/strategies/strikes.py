"""What goes wrong with a guest: single anomalies, several with their moments, and scenarios."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from hypothesis import strategies as st

from pytest_hvclock.anomalies import (
    Advance,
    Anomaly,
    ApplyCheckpoint,
    Boot,
    Drift,
    Flap,
    HostError,
    Load,
    Migrate,
    Pause,
    Restore,
    SetTimesync,
    Step,
    TakeCheckpoint,
    Train,
)
from pytest_hvclock.explore.kinds import ORDER, SIZES, rank
from pytest_hvclock.explore.schedules import Schedule, Strike
from pytest_hvclock.scenarios import SCENARIOS, Scenario, scenario_named
from pytest_hvclock.strategies.guests import RATES, disciplines, rates
from pytest_hvclock.units import NS_PER_S, Duration, duration_ns, duration_text, positive_ns

_SIZED: tuple[tuple[type[Anomaly], Callable[[str], Anomaly]], ...] = (
    (Step, lambda size: Step(f"-{size}")),
    (Step, Step),
    (Pause, lambda size: Pause(_at_most(size, "1 h"))),
    (Pause, lambda size: Pause(_at_most(size, "1 h"), sync=False)),
    (Restore, Restore),
    (Restore, lambda size: Restore(size, sync=False)),
    *((Drift, lambda _, rate=rate: Drift(rate)) for rate in RATES),
    (Flap, lambda size: Flap(_at_most(size, "1 h"))),
    (Flap, lambda size: Flap(f"-{_at_most(size, '1 h')}", times=1)),
    (Migrate, lambda size: Migrate(_at_most(size, "1 min"))),
    (Boot, lambda size: Boot(_at_most(size, "1 d"))),
    (HostError, lambda size: HostError(f"-{_at_most(size, '1 d')}")),
    (HostError, lambda size: HostError(_at_most(size, "1 d"))),
    *((Load, lambda _, load=load: Load(load)) for load in (1, 3, 7, 0)),
    (SetTimesync, lambda _: SetTimesync("linux")),
    (SetTimesync, lambda _: SetTimesync("off")),
    (TakeCheckpoint, lambda _: TakeCheckpoint()),
    (ApplyCheckpoint, lambda _: ApplyCheckpoint()),
    (Advance, Advance),
    (Train, lambda size: Train(Step(f"-{size}"), 2, "1 s")),
    (Train, lambda size: Train(Step(size), 5, "1 min")),
)
"""What is made of a size, the simpler first: one choice, so that whatever breaks can become a step of the same size."""


def durations(least: Duration = "1 s", most: Duration = "30 d") -> st.SearchStrategy[str]:
    """Draw durations as text: round ones are the simplest, then whole seconds, then any.

    Args:
        least: the shortest that may be drawn, above zero.
        most: the longest.

    Raises:
        ValueError: if there is nothing between the two.
    """
    least_ns, most_ns = positive_ns(least, "least"), positive_ns(most, "most")
    if not 0 < least_ns <= most_ns:
        raise ValueError(f"least={least!r} and most={most!r}: write two durations above zero, the shorter one first")
    listed = [size for size in SIZES if least_ns <= duration_ns(size) <= most_ns]
    shortest, longest = -(-least_ns // NS_PER_S), most_ns // NS_PER_S

    def round_one(exact_ns: int) -> str:
        return next((size for size in listed if duration_ns(size) >= exact_ns), listed[-1])

    def whole_seconds(exact_ns: int) -> str:
        return f"{min(-(-exact_ns // NS_PER_S), longest)} s"

    # Each way rounds the same nanoseconds up, so that what breaks is tried with a simpler way as soon as it is found.
    # The price is that round ones are drawn again and again.
    ways = [*([round_one] if listed else []), *([whole_seconds] if shortest <= longest else []), duration_text]
    return st.tuples(st.sampled_from(ways), st.integers(least_ns, most_ns)).map(lambda drawn: drawn[0](drawn[1]))


def anomalies(*kinds: type[Anomaly], sizes: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Anomaly]:
    """Draw single anomalies.

    Args:
        kinds: of which kinds, such as ``anomalies(Step, Restore)``; without any, of all that can strike a guest which
            runs, by themselves. The kinds are in the explorer's order: a step is simpler than a pause, and so on.
        sizes: what to draw durations from, such as ``durations()``; the explorer's round ones if left out.

    Raises:
        TypeError: for what is no kind of anomaly.
    """
    for kind in kinds:
        if kind not in ORDER:
            known = ", ".join(made.__name__ for made in ORDER)
            raise TypeError(f"{kind!r} is no kind of anomaly that can be drawn: use some of {known}")
    wanted = kinds or [kind for kind in ORDER if kind not in (Advance, TakeCheckpoint, ApplyCheckpoint)]
    ways = st.sampled_from([make for kind, make in _SIZED if kind in wanted])
    size = sizes if sizes is not None else st.sampled_from(SIZES)
    drawn = [st.tuples(ways, size).map(lambda drawn: drawn[0](drawn[1]))]
    if Drift in wanted:
        drawn.append(st.builds(Drift, rates()))
    if SetTimesync in wanted:  # a size is drawn for these too: Hypothesis takes few choices for simple
        drawn.append(st.tuples(disciplines(), size).map(lambda drawn: SetTimesync(drawn[0])))
    return st.one_of(drawn)


def schedules(
    anomaly: st.SearchStrategy[Anomaly] | None = None, *, within: Duration = "1 h", most: int = 3
) -> st.SearchStrategy[list[tuple[str, Anomaly]]]:
    """Draw lists of moments and anomalies, each for ``host.at(when, anomaly)``; none begins before the last is over.

    Args:
        anomaly: what to draw the anomalies from; ``anomalies()`` if left out.
        within: how long it may take at most to the first anomaly, and from the end of each to the next.
        most: how many there may be.
    """
    within_ns = positive_ns(within, "within")
    moments = st.sampled_from([size for size in SIZES if duration_ns(size) <= within_ns] or [duration_text(within_ns)])
    drawn = st.lists(st.tuples(anomaly if anomaly is not None else anomalies(), moments), min_size=1, max_size=most)
    return drawn.map(_planned)


def scenarios(*, most: int = 2) -> st.SearchStrategy[Scenario]:
    """Draw scenarios of the catalogue, also those that a plugin has added, and some that are joined by a plus.

    ``scenario.guest(**settings)`` makes a guest under one, and ``guest.strike()`` lets it happen. Those with the fewest
    and simplest anomalies are the simplest.

    Args:
        most: how many may be joined. Two that want a setting to be different never are, and one that goes on by
            itself comes last.
    """
    names = st.deferred(lambda: st.sampled_from(sorted(SCENARIOS, key=_simplicity)))
    several = st.lists(names, min_size=1, max_size=most, unique=True)
    return several.filter(_go_together).map(lambda parts: scenario_named("+".join(parts)))


def _at_most(size: str, most: str) -> str:
    return min(size, most, key=duration_ns)


def _planned(drawn: list[tuple[Anomaly, str]]) -> list[tuple[str, Anomaly]]:
    """Return anomalies with their moments, from how long after the end of the one before each begins."""
    gaps = [duration_ns(gap) for _, gap in drawn]
    ends = accumulate(_lasts_ns(anomaly) + gap for (anomaly, _), gap in zip(drawn, gaps, strict=True))
    begins = [0, *ends][:-1]
    return [(duration_text(begin + gap), anomaly) for begin, gap, (anomaly, _) in zip(begins, gaps, drawn, strict=True)]


def _lasts_ns(anomaly: Anomaly) -> int:
    """Return how much true time there is from the beginning of an anomaly to its end, in nanoseconds."""
    match anomaly:
        case Pause(during=passing) | Restore(after=passing) | Boot(off_for=passing) | Migrate(blackout=passing):
            return duration_ns(passing)
        case Advance(by=passing):
            return duration_ns(passing)
        case Flap(times=times, every=every):
            return (2 * times - 1) * duration_ns(every)
        case Train(anomaly=inner, times=times, every=every):
            return (times - 1) * duration_ns(every) + _lasts_ns(inner)
        case _:
            return 0


def _simplicity(name: str) -> tuple[object, ...]:
    """Return what simpler scenarios have less of."""
    scenario = SCENARIOS[name]
    strikes = tuple(Strike(anomaly) for anomaly in (*scenario.before, *scenario.anomalies))
    return (*rank(Schedule(strikes)), len(scenario.settings), name)


def _go_together(names: list[str]) -> bool:
    if any(isinstance(anomaly, Train | Flap) for name in names[:-1] for anomaly in SCENARIOS[name].anomalies):
        return False
    try:
        scenario_named("+".join(names))
    except ValueError:
        return False
    return True
