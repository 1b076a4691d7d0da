"""The kinds of anomalies that the explorer tries, and which are simpler than which."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
from pytest_hvclock.explore.schedules import Schedule, Spot, Strike
from pytest_hvclock.units import NS_PER_S, duration_ns


@dataclass(frozen=True)
class Kind:
    """One thing that the explorer lets happen before one reading or wait."""

    name: str
    at: Callable[[Spot], Schedule]
    """Makes the schedule that lets it happen there."""
    moves_the_wall_alone: bool = True
    """Whether only a reading of the wall clock shows it."""


def _single(name: str, anomaly: Anomaly, *, wall: bool = True) -> Kind:
    return Kind(name, lambda spot: Schedule((Strike(anomaly, spot),)), wall)


def _booted(name: str, wrong: str, right: str) -> Kind:
    """The guest booted with its host's local time for UTC, and the service sets it right at the place."""
    return Kind(name, lambda spot: Schedule((Strike(Step(wrong)), Strike(Step(right), spot))))


KINDS = (
    _single("a small step back", Step("-2 s")),
    _single("a large step back", Step("-1 h")),
    _single("a small step forward", Step("2 s")),
    _single("a large step forward", Step("1 h")),
    _single("a freeze", Pause("1 min")),
    _single("a restore a month late", Restore("30 d")),
    _booted("a boot in the west", "-7 h", "7 h"),
    _booted("a boot in the east", "9 h", "-9 h"),
    _single("a clock that is 500 ppm fast", Drift("500 ppm"), wall=False),
    _single("a clock that is 500 ppm slow", Drift("-500 ppm"), wall=False),
    _single("a clock that is 7 % fast", Drift("7 %"), wall=False),
    _single("a clock that is 7 % slow", Drift("-7 %"), wall=False),
    _single("two sources that disagree", Flap("2 s")),
)
"""What is tried, in this order; microsoft/WSL#11790 has a guest whose clocks all run 7 % fast."""

BOOT = _single("a boot", Boot(), wall=False)
"""For code whose memory outlives its guest, on a disk or elsewhere; any other would not be there any more."""
STEPS = tuple(kind for kind in KINDS if kind.name in ("a large step back", "a large step forward"))
"""Those that readings are asked to remember the sides of."""

SIZES = ("1 s", "2 s", "10 s", "1 min", "1 h", "1 d", "30 d")
"""The round ones, the smaller first."""
SIMPLEST: tuple[Anomaly, ...] = (
    *(Step(f"-{size}") for size in SIZES),
    *(Step(size) for size in SIZES),
    *(Pause(size) for size in SIZES[:4]),
    *(Restore(size) for size in SIZES[4:]),
    Drift("500 ppm"),
    Drift("-500 ppm"),
    Drift("7 %"),
    Drift("-7 %"),
    Flap("1 s"),
    Flap("2 s"),
)
"""The simpler first: back, forward, a pause, a restore, a drift, two sources; of each the smaller."""
ORDER = (
    Step, Pause, Restore, Drift, Flap, Migrate, Boot, HostError, Load, SetTimesync, TakeCheckpoint, ApplyCheckpoint,
    Advance, Train,
)  # fmt: skip
"""The kinds of anomalies, the simpler first."""


def simpler(anomaly: Anomaly) -> Iterator[Anomaly]:
    """Yield what is simpler than an anomaly and no larger, the simplest first."""
    limit = _rank(anomaly)
    size_ns = _size_ns(anomaly)
    for other in SIMPLEST:
        if _rank(other) < limit and _size_ns(other) <= size_ns:
            yield other


def needs_service(schedule: Schedule) -> bool:
    """Whether an anomaly shows only by what the time synchronization service does afterwards."""
    return any(isinstance(strike.anomaly, Pause | Restore) for strike in schedule.strikes)


def rank(schedule: Schedule) -> tuple[object, ...]:
    """Return what smaller schedules have less of: strikes, then kinds, then sizes."""
    return (len(schedule.strikes), *(_rank(strike.anomaly) for strike in schedule.strikes), str(schedule))


def _rank(anomaly: Anomaly) -> tuple[int, int, int, int]:
    """Return an anomaly's place in the order of simplicity: its kind, its direction, and its size."""
    kind = ORDER.index(type(anomaly)) if type(anomaly) in ORDER else len(ORDER)
    forward = int(isinstance(anomaly, Step) and duration_ns(anomaly.by) > 0)
    listed = SIMPLEST.index(anomaly) if anomaly in SIMPLEST else len(SIMPLEST)
    return kind, forward, _size_ns(anomaly), listed if isinstance(anomaly, Drift) else 0


def _size_ns(anomaly: Anomaly) -> int:
    """Return how far an anomaly moves the wall clock at once; for a rate, an hour."""
    if isinstance(anomaly, Step | Flap):
        return abs(duration_ns(anomaly.by))
    if isinstance(anomaly, Pause):
        return duration_ns(anomaly.during)
    if isinstance(anomaly, Restore):
        return duration_ns(anomaly.after)
    return 3_600 * NS_PER_S
