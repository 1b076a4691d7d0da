"""What a timeline tells: what was done to the guest and when, and which lines of the program read its clocks."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pytest_hvclock.report.words import error_words, length_text
from pytest_hvclock.timeline import Deed, Judgement, Place, Reading, Timeline

_STRIKE = "strike "
_STRUCK = "struck"
"""The end of a strike, which is a moment of its own only where nothing else happened."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything that was done to the guest at one instant."""

    at_ns: int
    """True time, in nanoseconds."""
    names: tuple[str, ...]
    """A word for each: the verb, or who set the clock."""
    said: str
    """The same in full."""
    strikes: str = ""
    """The scenario that began to strike here, if one did."""
    moved_ns: int = 0
    """The largest set of the wall clock here, in nanoseconds, without its direction."""

    @property
    def name(self) -> str:
        """All in a few words."""
        return ", ".join(dict.fromkeys(self.names))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the program that read the guest's clocks."""

    place: Place
    instants_ns: tuple[int, ...]
    """True times at which it did, in nanoseconds, each once."""
    times: int
    clocks: tuple[str, ...]
    worst_ns: int | None
    """The largest error of the wall clock that it read, in nanoseconds; None if it never read the wall clock."""

    @property
    def said(self) -> str:
        """How often it read, and how wrong the wall clock was at worst: since the strike, if there was one."""
        many = "once" if self.times == 1 else f"{self.times:,} times"
        if self.worst_ns is None:
            return f"{many} {' and '.join(self.clocks)}"
        return f"{many}, {'up to ' if self.worst_ns and self.times > 1 else ''}{error_words(self.worst_ns)}"


def moments(timeline: Timeline) -> list[Moment]:
    """Return what was done to the guest, oldest first."""
    by_time: dict[int, list[Deed]] = {}
    for deed in timeline.deeds:
        by_time.setdefault(deed.at_ns, []).append(deed)
    found = [_moment(at_ns, deeds) for at_ns, deeds in sorted(by_time.items())]
    return [moment for moment in found if moment.names]


def _moment(at_ns: int, deeds: Sequence[Deed]) -> Moment:
    """Put together what happened at one instant; a step is told once, and not as a verb and a set."""
    sets = [deed for deed in deeds if deed.by]
    steps = [deed for deed in sets if deed.by == "step"]
    told: list[tuple[str, str]] = []
    for deed in deeds:
        if deed.what.startswith("step(") and steps:
            told.append(("step", _said(steps.pop(0))))
        elif deed.by and deed.by != "step":
            told.append((deed.by, _said(deed)))
        elif not deed.by and deed.what != _STRUCK and not deed.what.startswith(_STRIKE):
            told.append((deed.what.partition(" ")[0].partition("(")[0].replace("_", " "), deed.what.replace("_", " ")))
    told += [("step", _said(deed)) for deed in steps]
    struck = [deed.what.removeprefix(_STRIKE) for deed in deeds if deed.what.startswith(_STRIKE)]
    if struck and not told:
        told = [("strike", "strike")]
    names, said = tuple(name for name, _ in told), ", ".join(said for _, said in told)
    moved_ns = max((abs(deed.moved_ns) for deed in sets), default=0)
    return Moment(at_ns, names, said, ", ".join(struck), moved_ns)


def _said(deed: Deed) -> str:
    """Tell a set of the wall clock."""
    if deed.moved_ns == 0:
        what = f"{deed.by} sets the wall clock to what it was"
    else:
        what = (
            f"{deed.by} sets the wall clock {length_text(deed.moved_ns)} {'forward' if deed.moved_ns > 0 else 'back'}"
        )
    return what if deed.times == 1 else f"{what}, {deed.times:,} times every {length_text(deed.every_ns)}"


def lines(timeline: Timeline) -> list[Line]:
    """Return the lines that read a clock, the one that read it first at the beginning."""
    by_place: dict[Place, list[Reading]] = {}
    for reading in timeline.readings:
        by_place.setdefault(reading.place, []).append(reading)
    return [_line(place, readings, timeline.struck_at_ns) for place, readings in by_place.items()]


def _line(place: Place, readings: Sequence[Reading], struck_at_ns: int | None) -> Line:
    walls = [reading for reading in readings if reading.clock == "wall"]
    since = [reading for reading in walls if struck_at_ns is None or reading.at_ns >= struck_at_ns]
    errors = [error_of(reading) for reading in since or walls]
    return Line(
        place,
        tuple(dict.fromkeys(reading.at_ns for reading in readings)),
        sum(reading.times for reading in readings),
        tuple(sorted({reading.clock for reading in readings})),
        max(errors, key=abs) if errors else None,
    )


def told(timeline: Timeline, moment: Moment) -> str:
    """Tell a moment with its consequence for the guest's error, and with the scenario that strikes."""
    before, after = before_and_after(timeline, moment.at_ns)
    consequence = "" if before == after == 0 else f"; {'now ' if before != after else ''}{error_words(after)}"
    return moment.said + consequence + (f" (strike of {moment.strikes})" if moment.strikes else "")


def when(timeline: Timeline, moment: Moment, before: Moment | None) -> str:
    """Tell how long after the moment before one was, or after the start."""
    if before is None:
        return f"{length_text(moment.at_ns - timeline.start_ns)} in"
    return f"{length_text(moment.at_ns - before.at_ns)} later"


def limit(timeline: Timeline) -> Judgement | None:
    """Return the judgement whose time limit is shown: the first that did not hold, or else the last."""
    limited = [
        one
        for one in timeline.judgements
        if one.allowed_ns is not None and one.judged_by == "true" and one.from_ns >= timeline.start_ns
    ]
    return next((one for one in limited if not one.held), limited[-1] if limited else None)


def error_of(reading: Reading) -> int:
    """Return how wrong a reading of the wall clock was, in nanoseconds: positive is ahead."""
    return reading.value_ns - reading.at_ns


def before_and_after(timeline: Timeline, true_ns: int) -> tuple[int | None, int | None]:
    """Return the guest's error just before an instant, in nanoseconds, and from it on.

    Nothing is known from before the first bend, which says how the guest was when the record began.
    """
    index = bisect.bisect_left(timeline.bends, true_ns, key=lambda bend: bend.at_ns)
    known = timeline.bends[max(index - 1, 0) : 1 + index]
    before = known[0].error_at(max(true_ns, known[0].at_ns)) if known else None
    return before, timeline.error_at(true_ns)


def slewed(timeline: Timeline, from_ns: int, until_ns: int) -> bool:
    """Return whether somebody slewed the wall clock between two instants."""
    before = timeline.bend_at(from_ns)
    inside = (bend for bend in timeline.bends if from_ns < bend.at_ns < until_ns)
    return any(bend is not None and bend.correction_ppb != 0 for bend in (before, *inside))


def lived_ns(timeline: Timeline, from_ns: int, until_ns: int) -> int | None:
    """Return how far CLOCK_MONOTONIC went between two instants, in nanoseconds; None if the guest was off."""
    inside = [bend.at_ns for bend in timeline.bends if from_ns < bend.at_ns < until_ns]
    edges = [from_ns, *dict.fromkeys(inside), until_ns]
    lived = [
        bend.monotonic_at(end_ns) - bend.monotonic_at(start_ns)
        for start_ns, end_ns in pairwise(edges)
        if (bend := timeline.bend_at(start_ns)) is not None and bend.error_ns is not None
    ]
    return sum(lived) if lived else None
