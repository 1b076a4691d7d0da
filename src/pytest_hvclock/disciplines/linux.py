"""What Linux's ``hv_utils`` driver does with the host's messages (``drivers/hv/hv_util.c``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from pytest_hvclock.clocks.message import Flag, Message
from pytest_hvclock.clocks.segment import STALE_SAMPLE_NS, Segment
from pytest_hvclock.disciplines.base import ALWAYS_QUIET, Discipline, Quiet, set_to_host
from pytest_hvclock.units import AS_PER_NS, NS_PER_S


@dataclass
class Linux(Discipline):
    """Linux since 4.11: SYNC sets the clock, either way and by any amount; SAMPLE only feeds the PTP device.

    Since August 2020 a message that was on its way for more than 600 s of reference time sets nothing, as the PTP
    device would not answer from it (``HOST_TIMESYNC_DELAY_THRESH``).
    """

    name: ClassVar[str] = "linux"

    def receive(self, clocks: Segment, message: Message) -> None:
        """Set the clock on SYNC."""
        if message.flag is Flag.SYNC:
            self._set_host_time(clocks, message)

    def _set_host_time(self, clocks: Segment, message: Message) -> None:
        """Set the clock, unless the message is too old (``hv_set_host_time``)."""
        if message.version < 4 or clocks.reference_ns - message.reference_ns <= STALE_SAMPLE_NS:
            set_to_host(clocks, message)

    def drain(self, clocks: Segment, messages: Sequence[Message]) -> None:
        """Take several messages out of the ring at once: the newest one's time counts, and the clock is set once.

        Every message overwrites the stored pair of host and reference time, and any SYNC schedules the one worker,
        which uses what is stored when it runs (``timesync_onchannelcallback``). The host of this model waits for each
        answer, so that it never has two messages on their way; this is for tests of the driver.
        """
        flag = Flag.SYNC if any(message.flag is Flag.SYNC for message in messages) else messages[-1].flag
        self.receive(clocks, messages[-1]._replace(flag=flag))

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
    """How far behind counts, inclusive (``hv_implicit_sync``: host time >= guest time + 5 s). It is the host time in
    the message that is compared: how long the message was on its way is not added here."""

    def receive(self, clocks: Segment, message: Message) -> None:
        """Set the clock on SYNC, and whenever it is behind by the threshold or more."""
        behind_as = message.host_ns * AS_PER_NS - clocks.wall_as
        if message.flag is Flag.SYNC or behind_as >= self.threshold_ns * AS_PER_NS:
            self._set_host_time(clocks, message)

    def quiet(self) -> Quiet | None:
        """Nothing happens while the guest is less than the threshold behind, or ahead by any amount."""
        return (1 - self.threshold_ns * AS_PER_NS, None)


@dataclass
class LinuxLegacy(Linux):
    """Linux before about 4.10: SYNC sets the clock, and so do the first 50 SAMPLEs after a boot (``hv_util.c``).

    The driver loads after the bus, so that it usually misses the first SYNC; the samples make up for it, either way
    and by any amount (``adj_guesttime``). They are counted once per boot, and SYNC does not count. This driver knows
    no reference time, so a late message leaves the guest behind.
    """

    name: ClassVar[str] = "linux-legacy"
    newest_protocol: ClassVar[int] = 3
    samples: int = 50
    """How many SAMPLEs set the clock: about 250 s of them (the 50 of ``adj_guesttime``)."""
    sample_count: int = field(default=0, init=False)

    def receive(self, clocks: Segment, message: Message) -> None:
        """Set the clock on SYNC, and on SAMPLE while there are any left."""
        if message.flag is Flag.SYNC:
            set_to_host(clocks, message)
        elif self.sample_count < self.samples:
            self.sample_count += 1
            set_to_host(clocks, message)

    def quiet(self) -> Quiet | None:
        """Once the samples are used up, none of them touches the wall clock."""
        return ALWAYS_QUIET if self.sample_count >= self.samples else None


@dataclass
class Linux410(Linux):
    """Linux 4.10 or so, with TimeSync version 4: every message sets the clock, either way, every 5 s and for ever.

    Nothing else in the guest converges beside it; systemd logs a time change every 5 s (the text of Linux commit
    3716a49a81ba, which ended it; the version number is from memory).
    """

    name: ClassVar[str] = "linux-4.10"

    def receive(self, clocks: Segment, message: Message) -> None:
        """Set the clock."""
        set_to_host(clocks, message)

    def quiet(self) -> Quiet | None:
        """Every message is acted upon."""
        return None
