"""Where things are in a picture: time from left to right, with room where something happens; errors from top to bottom.

Whole numbers only, so that a picture is the same on every machine.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from itertools import pairwise
from math import isqrt

from pytest_hvclock.report.moments import before_and_after, moments
from pytest_hvclock.timeline import Timeline

_COMPRESSED = 16
"""A stretch that passes so many times faster than the usual one is marked as broken."""


class TimeScale:
    """A map from true time to a place from left to right: straight between two *anchors*, each of which gets room."""

    def __init__(self, timeline: Timeline, width: int, least: int, most: int) -> None:
        """Spread a timeline over ``width`` places.

        Args:
            timeline: what is to be shown.
            width: how many places there are, from 0 to ``width - 1``.
            least: how many places two anchors are apart at least.
            most: how many anchors there may be.
        """
        first, last = timeline.start_ns, max(timeline.end_ns, timeline.start_ns + 1)
        busy = sorted({reading.at_ns for reading in timeline.readings} | {wait.at_ns for wait in timeline.waits})
        self.anchors = _anchors(timeline, first, last, min(most, (width - 1) // least + 1))
        gaps = [end - start for start, end in pairwise(self.anchors)]
        usual = sorted(gaps)[len(gaps) // 2]
        weights = [
            _weight(gap, usual, bisect.bisect_left(busy, end) - bisect.bisect_right(busy, start))
            for gap, (start, end) in zip(gaps, pairwise(self.anchors), strict=True)
        ]
        self.edges = [0]
        for room in _shared(width - 1, weights, least):
            self.edges.append(self.edges[-1] + room)
        pace = sorted(gap // (end - start) for gap, (start, end) in zip(gaps, pairwise(self.edges), strict=True))
        slow = pace[(len(pace) - 1) // 2]
        self.broken = [
            gap // (end - start) > _COMPRESSED * max(slow, 1)
            for gap, (start, end) in zip(gaps, pairwise(self.edges), strict=True)
        ]
        """For each stretch between two anchors, whether far more time passes in it than elsewhere."""

    def x(self, at_ns: int) -> int:
        """Return the place of an instant; one outside of the picture is at its edge."""
        index = min(max(bisect.bisect_right(self.anchors, at_ns) - 1, 0), len(self.anchors) - 2)
        start, end = self.anchors[index], self.anchors[index + 1]
        left, right = self.edges[index], self.edges[index + 1]
        return left + (min(max(at_ns, start), end) - start) * (right - left) // (end - start)

    def at_ns(self, x: int) -> int:
        """Return the first instant of a place."""
        index = min(bisect.bisect_right(self.edges, x) - 1, len(self.anchors) - 2)
        start, end = self.anchors[index], self.anchors[index + 1]
        left, right = self.edges[index], self.edges[index + 1]
        return start - (left - x) * (end - start) // (right - left)


def _anchors(timeline: Timeline, first: int, last: int, most: int) -> list[int]:
    """Return the instants that get room: the edges, the strike, and what moved the clock most."""
    found = [moment for moment in moments(timeline) if first <= moment.at_ns <= last]
    found.sort(key=lambda moment: (not moment.strikes, moment.at_ns != timeline.struck_at_ns, -moment.moved_ns))
    kept = {first, last}
    for at_ns in [moment.at_ns for moment in found] + _deadlines(timeline):
        if first <= at_ns <= last and len(kept) < most:
            kept.add(at_ns)
    return sorted(kept)


def _deadlines(timeline: Timeline) -> list[int]:
    """Return from when and until when recoveries were allowed to take."""
    return [
        at_ns
        for judgement in timeline.judgements
        if judgement.allowed_ns is not None and judgement.judged_by == "true"
        for at_ns in (judgement.from_ns, judgement.from_ns + judgement.allowed_ns)
    ]


def _weight(gap: int, usual: int, busy: int) -> int:
    """Return how much room a stretch wants: by the logarithm of its length, and by what happens in it."""
    twice_log = (gap * gap * 2**64 // (usual * usual)).bit_length() - 65
    return 8 + min(max(twice_log, -5), 8) + 3 * isqrt(busy)


def _shared(room: int, weights: Sequence[int], least: int) -> list[int]:
    """Share room out by weight, at least so much to each, to the last place."""
    free, total = room - least * len(weights), sum(weights)
    ends = [free * sum(weights[: index + 1]) // total for index in range(len(weights))]
    return [least + end - start for start, end in pairwise([0, *ends])]


class ErrorScale:
    """A map from the guest's error to a place from top to bottom: piecewise straight between *levels* that occur.

    Errors of a second and of a month go into one picture, because each size that is of another order has a level.
    """

    _ORDER = 8
    """A level is at least so many times smaller than the next."""
    _SMALLEST = 100_000
    """What is so many times smaller than the largest error is drawn at true time."""

    def __init__(self, timeline: Timeline, height: int, most: int) -> None:
        """Spread the errors of a timeline over ``height`` places, with at most ``most`` levels on a side."""
        errors = list(_errors(timeline))
        largest = max(map(abs, errors), default=0)
        ahead = self._levels([error for error in errors if error > 0], largest, most)
        behind = self._levels([-error for error in errors if error < 0], largest, most)
        both = len(ahead) + len(behind)
        self.zero = (height - 1) * len(ahead) // both if both else (height - 1) // 2
        self.levels = sorted(
            [(level, self.zero - self.zero * (index + 1) // len(ahead)) for index, level in enumerate(ahead)]
            + [(0, self.zero)]
            + [
                (-level, self.zero + (height - 1 - self.zero) * (index + 1) // len(behind))
                for index, level in enumerate(behind)
            ]
        )
        """Errors in nanoseconds and their places, the guest furthest behind first."""

    @classmethod
    def _levels(cls, sizes: Sequence[int], largest: int, most: int) -> list[int]:
        found: list[int] = []
        for size in sorted(sizes, reverse=True):
            if size * cls._SMALLEST >= largest and len(found) < most and (not found or size * cls._ORDER < found[-1]):
                found.append(size)
        return found[::-1]

    def y(self, error_ns: int) -> int:
        """Return the place of an error."""
        if len(self.levels) == 1:
            return self.zero
        index = min(max(bisect.bisect_right(self.levels, (error_ns, 1 << 62)) - 1, 0), len(self.levels) - 2)
        (low, bottom), (high, top) = self.levels[index], self.levels[index + 1]
        held = min(max(error_ns, low), high)
        return bottom - ((held - low) * (bottom - top) * 2 + (high - low)) // (2 * (high - low))


def _errors(timeline: Timeline) -> Sequence[int]:
    """Return the guest's errors wherever its clocks bent, before and after, and at the edges."""
    instants = {timeline.start_ns, timeline.end_ns, *(bend.at_ns for bend in timeline.bends)}
    found = {
        error
        for at_ns in instants
        if timeline.start_ns <= at_ns <= timeline.end_ns
        for error in before_and_after(timeline, at_ns)
        if error is not None
    }
    return sorted(found)
