"""The smallest strike that still breaks: fewer anomalies, then a simpler kind, then a rounder size, then earlier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from pytest_hvclock.explore.kinds import simpler
from pytest_hvclock.explore.schedules import Schedule, Spot, Strike

_FIRST = 10
"""At how many places something simpler is tried that does not break where it was found."""


def shrink(
    schedule: Schedule,
    breaks: Callable[[Schedule], bool],
    spots: Callable[[Schedule], Sequence[Spot]],
    most: int,
) -> Schedule:
    """Return the smallest schedule found that still breaks; it takes at most so many runs.

    Args:
        schedule: one that breaks.
        breaks: runs the program under a schedule, and says whether it breaks in the same way.
        spots: the places at which a schedule's anomalies could strike, in the order of the run.
        most: how many runs there may be.
    """
    tried: set[Schedule] = {schedule}
    smallest = schedule
    while True:
        pool = spots(smallest)
        for candidate in chain(_smaller(smallest, pool), _elsewhere(smallest, pool)):
            if candidate in tried:
                continue
            if len(tried) > most:
                return smallest
            tried.add(candidate)
            if breaks(candidate):
                smallest = candidate
                break
        else:
            return smallest


def _smaller(schedule: Schedule, spots: Sequence[Spot]) -> Iterator[Schedule]:
    """Yield what is smaller than a schedule, the smallest first."""
    strikes = schedule.strikes
    if len(strikes) > 1:
        for number in range(len(strikes)):
            yield Schedule(strikes[:number] + strikes[number + 1 :])
    for number, strike in enumerate(strikes):
        for anomaly in simpler(strike.anomaly):
            yield Schedule((*strikes[:number], replace(strike, anomaly=anomaly), *strikes[number + 1 :]))
    for number, strike in enumerate(strikes):
        if strike.spot is None:
            continue
        for spot in spots:
            if spot == strike.spot:
                break
            yield Schedule((*strikes[:number], replace(strike, spot=spot), *strikes[number + 1 :]))


def _elsewhere(schedule: Schedule, spots: Sequence[Spot]) -> Iterator[Schedule]:
    """Yield what is simpler than a single strike at any of the first places: what is simplest may show at another."""
    if len(schedule.strikes) == 1 and schedule.strikes[0].spot is not None:
        for anomaly in simpler(schedule.strikes[0].anomaly):
            for spot in spots[:_FIRST]:
                yield Schedule((Strike(anomaly, spot),))
