"""What older and other hypervisors' guest tools do, to compare with: not Hyper-V, but often what a guest came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pytest_hvclock.clocks.segment import Segment
from pytest_hvclock.disciplines.base import Discipline
from pytest_hvclock.units import AS_PER_NS, NS_PER_S, PPB


@dataclass
class VirtualServer2005(Discipline):
    """The additions of Virtual Server 2005: look every 15 s, and set the clock if it is more than 10 s off (KB887727).

    They know the host's time, which here is true time.
    """

    name: ClassVar[str] = "virtual-server-2005"
    listens: ClassVar[bool] = False
    check_ns: int = 15 * NS_PER_S
    """Time between two looks."""
    threshold_ns: int = 10 * NS_PER_S
    """An error above this is set right, either way."""
    check_at_ns: int | None = field(default=None, init=False)

    @property
    def due_ns(self) -> int | None:
        """The next look."""
        return self.check_at_ns

    def power_on(self, clocks: Segment, *, in_sync: bool) -> None:
        """Look one interval after the start."""
        del in_sync
        self.check_at_ns = clocks.true_ns + self.check_ns

    def act(self, clocks: Segment) -> None:
        """Look, and set the clock if it is too far off."""
        self.check_at_ns = clocks.true_ns + self.check_ns
        if abs(clocks.error_as) > self.threshold_ns * AS_PER_NS:
            clocks.set_wall(clocks.true_ns * AS_PER_NS, self.name)


@dataclass
class VmwareTools(Discipline):
    """VMware's tools: every minute, step forward if more than 1 s behind, else slew half of the error away.

    The open source of them has a phase-locked loop for errors below 30 ms, which is left out.
    """

    name: ClassVar[str] = "vmware-tools"
    listens: ClassVar[bool] = False
    period_ns: int = 60 * NS_PER_S
    """Time between two looks."""
    threshold_ns: int = NS_PER_S
    """A guest further behind than this is set forward; one that is ahead never is set."""
    check_at_ns: int | None = field(default=None, init=False)

    @property
    def due_ns(self) -> int | None:
        """The next look."""
        return self.check_at_ns

    def power_on(self, clocks: Segment, *, in_sync: bool) -> None:
        """Look one interval after the start."""
        del in_sync
        self.check_at_ns = clocks.true_ns + self.period_ns

    def act(self, clocks: Segment) -> None:
        """Look, then step forward, or slew half of the error away until the next look."""
        self.check_at_ns = clocks.true_ns + self.period_ns
        error_as = clocks.error_as
        if -error_as > self.threshold_ns * AS_PER_NS:
            clocks.set_wall(clocks.true_ns * AS_PER_NS, self.name)
            error_as = 0
        half_ppb = abs(error_as) * PPB // (2 * self.period_ns * AS_PER_NS)
        clocks.slew(-half_ppb if error_as > 0 else half_ppb)
