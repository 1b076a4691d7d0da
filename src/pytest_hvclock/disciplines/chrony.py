"""A Linux guest with ``chronyd`` on the host's PTP device, as Azure recommends (*Time sync for Linux VMs in Azure*)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pytest_hvclock.clocks.segment import STALE_SAMPLE_NS, Segment
from pytest_hvclock.disciplines.base import Discipline
from pytest_hvclock.units import AS_PER_NS, NS_PER_S


@dataclass
class Chrony(Discipline):
    """chrony with ``refclock PHC /dev/ptp_hyperv poll 3 dpoll -2 offset 0``, ``makestep 1.0 -1``, as Azure recommends.

    Each update takes the offset to what the PTP device answers, and steps the clock or slews it so that the offset
    would be gone at the next update. While the device answers ESTALE there is no update. chronyd also learns the
    frequency; that is left out, so a steady drift leaves a steady offset of one poll's drift. It brings
    ``linux`` along, unless another driver or ``off`` is named with it.
    """

    name: ClassVar[str] = "chrony"
    listens: ClassVar[bool] = False
    beside_driver: ClassVar[bool] = True
    makestep_threshold_ns: int = NS_PER_S
    """``makestep`` of ``chrony.conf``, first number (1.0 s): a larger offset is stepped."""
    makestep_limit: int = -1
    """``makestep``, second number: only in so many updates from the start; negative is always (chrony's own is 3)."""
    poll: int = 3
    """``poll`` of the ``refclock``, in log2 seconds: an update every 2 to the power of this."""
    max_slew_rate_ppb: int = 83_333_333
    """``maxslewrate``: the fastest slew, 83,333.333 ppm by default (from memory, as the limit of the kernel's tick)."""
    poll_at_ns: int | None = field(default=None, init=False)
    updates: int = field(default=0, init=False)
    """Updates since the start, as far as ``makestep_limit`` counts them."""

    @property
    def poll_ns(self) -> int:
        """Time between two updates."""
        return NS_PER_S << self.poll if self.poll >= 0 else NS_PER_S >> -self.poll

    @property
    def due_ns(self) -> int | None:
        """The next update."""
        return self.poll_at_ns

    def power_on(self, clocks: Segment, *, in_sync: bool) -> None:
        """Update one interval after the start."""
        del in_sync
        self.poll_at_ns = clocks.true_ns + self.poll_ns

    def act(self, clocks: Segment) -> None:
        """Compare with the PTP device, then step or slew."""
        self.poll_at_ns = clocks.true_ns + self.poll_ns
        heard = clocks.heard()
        if heard is None or heard[1] > STALE_SAMPLE_NS:
            clocks.slew(0)
            return
        host_as = (clocks.true_ns - heard[0]) * AS_PER_NS
        ahead_as = clocks.wall_as - host_as
        may_step = self.makestep_limit < 0 or self.updates < self.makestep_limit
        self.updates = min(self.updates + 1, max(self.makestep_limit, 0))
        if may_step and abs(ahead_as) > self.makestep_threshold_ns * AS_PER_NS:
            clocks.set_wall(host_as, self.name)
            clocks.slew(0)
        else:
            wanted_ppb = min(abs(ahead_as) // self.poll_ns, self.max_slew_rate_ppb)
            clocks.slew(-wanted_ppb if ahead_as > 0 else wanted_ppb)
