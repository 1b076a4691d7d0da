"""What the Hyper-V time synchronization service of a Windows guest does by itself, without W32Time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pytest_hvclock.clocks.message import Flag, Message
from pytest_hvclock.clocks.segment import Segment
from pytest_hvclock.disciplines.base import ALWAYS_QUIET, Discipline, Quiet, behind_host_as, set_to_host
from pytest_hvclock.units import AS_PER_NS, NS_PER_S


@dataclass
class Windows(Discipline):
    """A Windows guest whose W32Time is stopped: *sync mode* only, and forward only.

    The clock is set after a resume, and when it is more than 5 s behind the host (Azure, *Time sync for Windows VMs*).
    The first set after a boot goes either way: it repairs what the RTC got wrong.
    """

    name: ClassVar[str] = "windows"
    os: ClassVar[str] = "windows"
    threshold_ns: int | None = 5 * NS_PER_S
    r"""A running guest further behind than this is set forward ("more than 5 seconds behind"); None never does
    (``VMICTimeProvider\Enabled`` = 0)."""
    first_set_done: bool = field(default=False, init=False)

    def power_on(self, clocks: Segment, *, in_sync: bool) -> None:
        """Wait for the first set, unless the guest counts as set already."""
        del clocks
        self.first_set_done = in_sync

    def receive(self, clocks: Segment, message: Message) -> None:
        """Set the clock after boot and resume, and when a running guest is too far behind."""
        behind_as = behind_host_as(clocks, message)
        if message.flag is Flag.SYNC:
            if behind_as > 0 or not self.first_set_done:
                set_to_host(clocks, message)
            self.first_set_done = True
        elif self.threshold_ns is not None and behind_as > self.threshold_ns * AS_PER_NS:
            set_to_host(clocks, message)

    def quiet(self) -> Quiet | None:
        """Nothing happens up to and including the threshold behind, or ahead by any amount."""
        return ALWAYS_QUIET if self.threshold_ns is None else (-self.threshold_ns * AS_PER_NS, None)
