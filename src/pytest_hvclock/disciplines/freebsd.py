"""What FreeBSD does with the host's messages (``sys/dev/hyperv/utilities/hv_timesync.c``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pytest_hvclock.clocks.message import Flag, Message
from pytest_hvclock.clocks.segment import Segment
from pytest_hvclock.disciplines.base import ALWAYS_QUIET, Discipline, Quiet, behind_host_as, set_to_host
from pytest_hvclock.units import AS_PER_NS, NS_PER_MS

_AS_PER_MS = NS_PER_MS * AS_PER_NS


@dataclass
class FreeBsd(Discipline):
    """FreeBSD: SYNC sets the clock, and so does a SAMPLE that differs by more than 100 ms, either way.

    The settings are the two sysctls of the driver (``hv_timesync.c``). A late delivery is not made up for: this driver
    does not look at the reference time of a message. (Newer ones do, and call the second sysctl
    ``hw.hvtimesync.sample_thresh``.)
    """

    name: ClassVar[str] = "freebsd"
    newest_protocol: ClassVar[int] = 3
    ignore_sync: bool = False
    """Leave SYNC alone (sysctl ``ignore_sync_req``, newer: ``hw.hvtimesync.ignore_sync``)."""
    sample_drift: int = 100
    """A SAMPLE that differs by more than this, in whole milliseconds, sets the clock; 0 is never (sysctl
    ``sample_drift``)."""

    def receive(self, clocks: Segment, message: Message) -> None:
        """Set the clock on SYNC, and on SAMPLE if it differs by too many whole milliseconds."""
        if message.flag is Flag.SYNC:
            if not self.ignore_sync:
                set_to_host(clocks, message)
        elif 0 < self.sample_drift < abs(behind_host_as(clocks, message)) // _AS_PER_MS:
            set_to_host(clocks, message)

    def quiet(self) -> Quiet | None:
        """Nothing happens below ``sample_drift`` plus the millisecond that is cut off."""
        if self.sample_drift == 0:
            return ALWAYS_QUIET
        highest_as = (self.sample_drift + 1) * _AS_PER_MS - 1
        return (-highest_as, highest_as)
