"""A guest that takes its time from outside, as a domain controller or a machine with ``ntpd`` does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pytest_hvclock.clocks.segment import Segment
from pytest_hvclock.disciplines.base import Discipline
from pytest_hvclock.units import AS_PER_NS, NS_PER_MS, NS_PER_S, PPB


@dataclass
class Ntp(Discipline):
    """An NTP client of a correct outside source, with the host's time sync service unticked.

    Phase only: each poll measures the error against true time, and either steps the clock or slews it so that the
    error would be gone at the next poll. ``ntpd`` also learns the frequency; that is left out, so a steady drift
    leaves a steady offset of one poll's drift.
    """

    name: ClassVar[str] = "ntp"
    listens: ClassVar[bool] = False
    poll_ns: int = 64 * NS_PER_S
    """Time between two measurements (``minpoll 6``)."""
    step_threshold_ns: int = 128 * NS_PER_MS
    """A larger error is stepped (``ntpd``: 128 ms, which ``tinker step`` changes)."""
    max_slew_ppb: int = 500_000
    """The fastest slew (``ntpd`` and the kernel: 500 ppm)."""
    poll_at_ns: int | None = field(default=None, init=False)

    @property
    def due_ns(self) -> int | None:
        """The next poll."""
        return self.poll_at_ns

    def power_on(self, clocks: Segment, *, in_sync: bool) -> None:
        """Poll one interval after the start."""
        del in_sync
        self.poll_at_ns = clocks.true_ns + self.poll_ns

    def act(self, clocks: Segment) -> None:
        """Measure, then step or slew."""
        self.poll_at_ns = clocks.true_ns + self.poll_ns
        error_as = clocks.error_as
        if abs(error_as) > self.step_threshold_ns * AS_PER_NS:
            clocks.set_wall(clocks.true_ns * AS_PER_NS, self.name)
            clocks.slew(0)
        else:
            wanted_ppb = abs(error_as) * PPB // (self.poll_ns * AS_PER_NS)
            wanted_ppb = min(wanted_ppb, self.max_slew_ppb)
            clocks.slew(-wanted_ppb if error_as > 0 else wanted_ppb)
