"""Where a guest's clocks bent, and what was done to the guest: enough to draw its life afterwards, exactly.

Between two bends every clock runs straight, so a guest that ran undisturbed for ten years has one. A round of a daemon
that comes back again and again is drawn straight as well: the log of sets says how often it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_hvclock.units import AS_PER_NS, PPB

if TYPE_CHECKING:
    from pytest_hvclock.clocks.segment import Segment

KEPT = 4_096
"""So many bends are kept; where there are more, every second one is let go, whichever way the clocks went."""


class Bend(NamedTuple):
    """A moment at which a clock of the guest stepped, or began to run at another rate; what holds from there on."""

    at_ns: int
    """True time, in nanoseconds."""
    error_ns: int | None
    """Guest wall clock minus true time, in nanoseconds: positive is ahead; None from when the guest is off."""
    gains_ppb: int
    """How fast the error grows, in parts per billion of true time."""
    monotonic_ns: int
    """CLOCK_MONOTONIC, in nanoseconds."""
    monotonic_ppb: int
    """The rate of CLOCK_MONOTONIC, in parts per billion of true time: 0 while the guest stands still."""
    correction_ppb: int = 0
    """How much faster than its clocksource the wall clock is made to run, in parts per billion: 0 without a slew."""

    def error_at(self, true_ns: int) -> int | None:
        """Return the guest's error at a later moment, if nothing has bent its clocks meanwhile."""
        return None if self.error_ns is None else self.error_ns + (true_ns - self.at_ns) * self.gains_ppb // PPB

    def monotonic_at(self, true_ns: int) -> int:
        """Return what CLOCK_MONOTONIC shows at a later moment, if nothing has bent it meanwhile."""
        return self.monotonic_ns + (true_ns - self.at_ns) * self.monotonic_ppb // PPB


class Trail:
    """What happened to one guest since somebody began to write it down, oldest first."""

    __slots__ = ("bends", "deeds", "looks")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.bends: list[Bend] = []
        self.deeds: list[tuple[int, str]] = []
        """What was done to the guest, each with its true time in nanoseconds."""
        self.looks: int = 0
        """How often somebody has looked at a reading of the guest itself, which no program in it can."""

    def bent(self, clocks: Segment) -> None:
        """Note how the clocks run from here on, unless they just go on as they did."""
        error_ns, monotonic_ns = clocks.error_as // AS_PER_NS, clocks.monotonic_as // AS_PER_NS
        slewed_ppb = clocks.correction_ppb if clocks.counting else 0
        self._add(
            Bend(clocks.true_ns, error_ns, clocks.wall_rate - PPB, monotonic_ns, clocks.monotonic_rate, slewed_ppb)
        )

    def repeats(self, clocks: Segment, monotonic_ppb: int) -> None:
        """Note that from here on the same happens again and again, after which the error is always the present one."""
        error_ns, monotonic_ns = clocks.error_as // AS_PER_NS, clocks.monotonic_as // AS_PER_NS
        self._add(Bend(clocks.true_ns, error_ns, 0, monotonic_ns, monotonic_ppb, clocks.correction_ppb))

    def off(self, true_ns: int) -> None:
        """Note that the guest has no clocks from here on."""
        self._add(Bend(true_ns, None, 0, 0, 0))

    def did(self, true_ns: int, what: str) -> None:
        """Note what was done to the guest; of very much, the beginning."""
        if len(self.deeds) < KEPT:
            self.deeds.append((true_ns, what))

    def _add(self, new: Bend) -> None:
        last = self.bends[-1] if self.bends else None
        if (
            last is not None
            and (last.gains_ppb, last.monotonic_ppb, last.correction_ppb)
            == (new.gains_ppb, new.monotonic_ppb, new.correction_ppb)
            and last.error_at(new.at_ns) == new.error_ns
            and last.monotonic_at(new.at_ns) == new.monotonic_ns
        ):
            return
        if len(self.bends) >= 2 and last is not None and last.at_ns == new.at_ns == self.bends[-2].at_ns:
            self.bends.pop()  # of several bends at one instant the first and the last can be seen
        self.bends.append(new)
        if len(self.bends) > KEPT:
            del self.bends[1:-1:2]
