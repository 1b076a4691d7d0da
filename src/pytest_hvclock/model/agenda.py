"""What is planned for when a guest has run for so long: true time does not tell, because a guest can stand still."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pytest_hvclock.units import AS_PER_NS

if TYPE_CHECKING:
    from pytest_hvclock.model.guest import Guest


class Agenda:
    """The actions of one guest, by its running time.

    The host knows true time only, so the earliest action is planned there for when the clocks will have got to it as
    they run now, and planned anew whenever they do not.
    """

    def __init__(self, guest: Guest) -> None:
        """Begin with nothing."""
        self._guest = guest
        self._actions: list[tuple[int, int, Callable[[], object]]] = []
        self._entered = 0
        self._planned_ns: int | None = None

    def add(self, at_as: int, action: Callable[[], object]) -> None:
        """Plan an action for a running time, in attoseconds."""
        self._entered += 1
        heapq.heappush(self._actions, (at_as, self._entered, action))
        self.replan()

    def replan(self) -> None:
        """Have the host come back when the earliest action is due, as far as can be told now."""
        guest = self._guest
        if not self._actions or guest.state.value != "running":
            return
        with guest.host._one_instant:
            guest._settle()
            at_ns = guest._timekeeping.clocks.when_monotonic(self._actions[0][0] - guest._lived_as)
            if at_ns is not None and (self._planned_ns is None or at_ns < self._planned_ns):
                self._planned_ns = at_ns
                guest.host.at(max(at_ns - guest.host.true_ns, 0), partial(self._keep, at_ns))

    def _keep(self, planned_ns: int) -> None:
        """Run what is due, unless the guest has stood still or run slower: then it comes later."""
        if self._planned_ns == planned_ns:
            self._planned_ns = None
        while self._actions and self._actions[0][0] // AS_PER_NS <= self._guest.running_ns:
            heapq.heappop(self._actions)[2]()
            if self._guest.state.value != "running":
                return
        self.replan()
