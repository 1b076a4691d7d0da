"""What Linux's ``hv_utils`` driver does with the host's messages (``drivers/hv/hv_util.c``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pytest_hvclock.clocks.message import Flag, Message
from pytest_hvclock.clocks.segment import Segment
from pytest_hvclock.disciplines.base import ALWAYS_QUIET, Discipline, Quiet, behind_host_as, set_to_host
from pytest_hvclock.units import AS_PER_NS, NS_PER_S


@dataclass
class Linux(Discipline):
    """Linux since 4.11: SYNC sets the clock, either way and by any amount; SAMPLE only feeds the PTP device."""

    name: ClassVar[str] = "linux"

    def receive(self, clocks: Segment, message: Message) -> None:
        """Set the clock on SYNC."""
        if message.flag is Flag.SYNC:
            set_to_host(clocks, message)

    def quiet(self) -> Quiet | None:
        """No SAMPLE ever touches the wall clock."""
        return ALWAYS_QUIET


@dataclass
class LinuxImplicit(Linux):
    """Linux with ``hv_utils.timesync_implicit=1``, as WSL2 boots it: a guest 5 s behind treats any message as SYNC.

    Only a guest that is *behind* is set so (Linux commit adf47524b56a: hosts that resume from modern standby send no
    SYNC).
    """

    name: ClassVar[str] = "linux-implicit"
    threshold_ns: int = 5 * NS_PER_S
    """How far behind counts, inclusive (``hv_implicit_sync``: host time >= guest time + 5 s)."""

    def receive(self, clocks: Segment, message: Message) -> None:
        """Set the clock on SYNC, and whenever it is behind by the threshold or more."""
        if message.flag is Flag.SYNC or behind_host_as(clocks, message) >= self.threshold_ns * AS_PER_NS:
            set_to_host(clocks, message)

    def quiet(self) -> Quiet | None:
        """Nothing happens while the guest is less than the threshold behind, or ahead by any amount."""
        return (1 - self.threshold_ns * AS_PER_NS, None)
