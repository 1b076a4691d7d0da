"""How a guest's clocks go on from one instant to a later one: whatever is due happens, earliest first.

This is the part of a guest that a saved state or a checkpoint copies, and the place where years cost no more than
minutes: acts that change nothing are skipped by one division, and a state that comes back is repeated, not lived
through again.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from pytest_hvclock.clocks.actor import Actor
from pytest_hvclock.clocks.segment import STALE_SAMPLE_NS, Segment
from pytest_hvclock.disciplines.base import Discipline
from pytest_hvclock.errors import StuckError
from pytest_hvclock.model.service import Service


@dataclass
class Timekeeping:
    """A guest's clocks, the channel to the host if there is one, and what the guest does about time."""

    clocks: Segment
    disciplines: list[Discipline]
    service: Service | None = None
    wander: Actor | None = None
    """What changes the drift, if it changes by itself."""

    def __post_init__(self) -> None:
        """Give the channel its other end."""
        self._link()

    def wander_by(self, wander: Actor | None) -> None:
        """Let the drift be changed by this from now on, or by nobody."""
        self.wander = wander
        if wander is not None and (wander.due_ns is None or wander.due_ns <= self.clocks.true_ns):
            wander.power_on(self.clocks, in_sync=True)
        self._link()

    def _link(self) -> None:
        if self.service is not None:
            self.service.driver = next(discipline for discipline in self.disciplines if discipline.listens)
        self._actors: list[Actor] = [self.service] if self.service is not None else []
        self._actors += self.disciplines
        if self.wander is not None:
            self._actors.append(self.wander)

    def copy(self) -> Timekeeping:
        """Return a copy to go back to: everything but the log of sets, which records and is not rewound."""
        return Timekeeping(
            copy.copy(self.clocks),
            [discipline.copy() for discipline in self.disciplines],
            self.service.copy() if self.service is not None else None,
            self.wander.copy() if self.wander is not None else None,
        )

    def wake(self, now_ns: int) -> None:
        """Go on at ``now_ns`` after true time has passed that the guest has not lived."""
        gone_ns = now_ns - self.clocks.true_ns
        self.clocks.true_ns = now_ns
        self.clocks.counting = True
        self.shift_actors(gone_ns)

    def next_due_ns(self) -> int | None:
        """Return when somebody next acts."""
        return self._earliest(-1)[1]

    def shift_actors(self, by_ns: int) -> None:
        """Let everybody act ``by_ns`` later than planned."""
        for actor in self._actors:
            actor.shift(by_ns)

    def run(self, until_ns: int | None, deadline_as: int | None = None) -> int:
        """Let everything happen that is due by ``until_ns``, or until MONOTONIC reaches ``deadline_as``.

        Returns the true time at which it stopped, in nanoseconds.

        Raises:
            StuckError: if there is no end of true time, and MONOTONIC stands still.
        """
        clocks = self.clocks
        cycle: Cycle | None = None
        while True:
            stop_ns = until_ns
            if deadline_as is not None:
                reached_ns = clocks.when_monotonic(deadline_as)
                if reached_ns is not None and (stop_ns is None or reached_ns < stop_ns):
                    stop_ns = reached_ns
            if stop_ns is None:
                raise StuckError("the guest's monotonic clock stands still, so this wait would never end")
            index, due_ns = self._earliest(-1)
            if due_ns is None or due_ns > stop_ns:
                self._catch_up(stop_ns)
                clocks.move_to(stop_ns)
                return stop_ns
            self._catch_up(due_ns)
            actor = self._actors[index]
            if not actor.leap(clocks, self._alone_until(index, stop_ns)):
                clocks.move_to(due_ns)
                actor.act(clocks)
                cycle = cycle if cycle is not None else Cycle(self)
                cycle.skip(stop_ns, deadline_as)

    def _catch_up(self, now_ns: int) -> None:
        """Let the host have sent whatever the guest has taken no notice of."""
        if self.service is not None:
            self.service.catch_up(self.clocks, now_ns)

    def _earliest(self, but: int) -> tuple[int, int | None]:
        """Return which actor other than ``but`` acts next, and when: at one instant, the first in order."""
        first, first_ns = -1, None
        for index, actor in enumerate(self._actors):
            due_ns = actor.due_ns
            if index != but and due_ns is not None and (first_ns is None or due_ns < first_ns):
                first, first_ns = index, due_ns
        return first, first_ns

    def _alone_until(self, index: int, stop_ns: int) -> int:
        """Return the last instant up to which only this actor acts."""
        rival, rival_ns = self._earliest(index)
        if rival_ns is None:
            return stop_ns
        return min(stop_ns, rival_ns if index < rival else rival_ns - 1)

    def heeding(self) -> list[Actor]:
        """Return those whose acts can change a clock or what a daemon is told, and whose phases therefore matter."""
        heard = self.clocks.heard()
        if self.service is not None and self.service.unheeded and heard and heard[0] == self.service.wrong_by_ns:
            return self._actors[1:]
        return self._actors

    def key(self) -> tuple[Any, ...]:
        """Return everything that decides how the guest goes on, relative to now."""
        clocks, heeding = self.clocks, self.heeding()
        heard = clocks.heard() if len(heeding) == len(self._actors) else None
        if self.service is None and heard is not None and heard[1] > STALE_SAMPLE_NS:
            heard = None  # it is refused, and nobody will freshen it: how old it is makes no difference any more
        keys = [actor.key(clocks.true_ns) for actor in heeding]
        return (clocks.error_as, clocks.drift_ppb, clocks.correction_ppb, heard, *keys)


class Cycle:
    """Finds a state that recurs (Brent's algorithm), and repeats what lies between without living through it."""

    def __init__(self, timekeeping: Timekeeping) -> None:
        """Watch one stretch of time of one guest."""
        self._timekeeping = timekeeping
        self._length = 0
        self._limit: int = 1
        self._key: tuple[Any, ...] | None = None
        self._clocks: Segment | None = None
        self._sets = self._refusals = (0, 0)

    def skip(self, stop_ns: int, deadline_as: int | None) -> None:
        """After an act: if this state was there before, go as many rounds ahead as fit before the end."""
        timekeeping, clocks, since = self._timekeeping, self._timekeeping.clocks, self._clocks
        if since is not None and clocks.error_as == since.error_as and timekeeping.key() == self._key:
            self._repeat(since, stop_ns, deadline_as)
            return
        self._length += 1
        if self._length == self._limit:
            self._length, self._limit = 0, self._limit * 2
            self._key, self._clocks = timekeeping.key(), copy.copy(clocks)
            self._sets, self._refusals = clocks.sets.mark(), clocks.refusals.mark()

    def _repeat(self, since: Segment, stop_ns: int, deadline_as: int | None) -> None:
        """Repeat what happened since the state was there before, as often as it fits."""
        timekeeping, clocks = self._timekeeping, self._timekeeping.clocks
        period_ns = clocks.true_ns - since.true_ns
        rounds = (stop_ns - clocks.true_ns) // period_ns
        gained_as = clocks.monotonic_as - since.monotonic_as
        if deadline_as is not None and gained_as > 0:
            rounds = min(rounds, (deadline_as - clocks.monotonic_as) // gained_as)
        if rounds <= 0:
            return
        heeding = timekeeping.heeding()
        clocks.sets.repeat(self._sets, rounds, period_ns)
        clocks.refusals.repeat(self._refusals, rounds, period_ns)
        clocks.repeat(rounds, period_ns, since, heard=timekeeping.service in heeding)
        for actor in heeding:
            actor.shift(rounds * period_ns)
