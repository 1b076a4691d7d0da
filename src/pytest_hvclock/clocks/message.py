"""What the host's time sync service sends (``hv_util.c``, ``hyperv.h``; OpenVMM ``hyperv_ic_protocol/timesync.rs``)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Flag(Enum):
    """The kind of a time sync message, by the names and bits of ``ICTIMESYNCFLAG_*``."""

    SYNC = 1
    """Set the clock now: the first message of every newly opened channel."""
    SAMPLE = 2
    """For your information: every later message."""


class Message(NamedTuple):
    """One time sync message, as it arrives."""

    flag: Flag
    host_ns: int
    """The host's clock when it took the sample, in nanoseconds of UTC."""
    reference_ns: int
    """The guest's reference counter at that moment; the messages of version 4 carry it."""
    version: int = 4
    """Protocol version 1, 3 or 4: only version 4 lets the guest make up for a late delivery."""

    def host_now_ns(self, reference_ns: int) -> int:
        """Return what the guest takes for the host's time now, when its own reference counter is at ``reference_ns``.

        Version 4 adds what the counter has counted since the sample; versions 1 and 3 cannot (``hv_util.c``).
        """
        return self.host_ns + (reference_ns - self.reference_ns if self.version >= 4 else 0)
