"""The virtual CMOS clock: loaded from the host's local time at power-on, and right ever after (``local_clock.rs``)."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from pytest_hvclock.units import NS_PER_S, NS_PER_US, utc_ns_of_local

if TYPE_CHECKING:
    from pytest_hvclock.model.host import Host

LOWEST_OFFSET_NS = -2 * 86_400 * 1_000_000_000
"""A written offset further back than two days is taken for two days at the next boot (OpenHCL ``local_clock.rs``)."""


class Rtc:
    """A guest's RTC: the host's local time plus whatever offset the guest has written, in whole seconds.

    There is no battery. What the guest writes is kept as a difference to the host's time in the virtual machine's
    state file, so it outlives a power-off; the RTC itself goes on while the guest is off, saved or paused.
    """

    def __init__(self, host: Host, convention: tzinfo, *, kept: bool = True) -> None:
        """Load the RTC; ``convention`` is the zone that the guest takes it to be in, ``kept`` if writing it lasts."""
        self._host = host
        self.convention = convention
        self._kept = kept
        self.offset_ns = 0

    def read(self) -> datetime:
        """Return what the RTC's registers show.

        The offset is added to the host's *local* time: a change of the host's daylight saving moves the RTC when it
        happens, and not the offset earlier. ``fold`` is the host's, who knows which of two like hours it is.
        """
        local = self._host.local_time()
        seconds = (self._host.clock_ns() % NS_PER_S + self.offset_ns) // NS_PER_S
        return (local + timedelta(seconds=seconds)).replace(fold=local.fold)

    def until_next_second_ns(self) -> int:
        """Return how long it is until the registers next change, in nanoseconds; 0 if they do this moment."""
        return -(self._host.clock_ns() + self.offset_ns) % NS_PER_S

    def as_guest_ns(self) -> int:
        """Return the instant that the guest takes the RTC's registers for, in nanoseconds of UTC."""
        return utc_ns_of_local(self.read(), self.convention)

    def write(self, value: datetime) -> None:
        """Set the registers: kept as the difference to the host's local time."""
        if not isinstance(value, datetime) or value.tzinfo is not None:
            raise TypeError(f"{value!r} cannot be written to the RTC: it holds a naive datetime, without a time zone")
        host_local = self._host.local_time()
        self.offset_ns = (value - host_local) // timedelta(microseconds=1) * NS_PER_US

    def power_on(self) -> None:
        """Load the RTC at power-on, with the written offset but never more than two days back."""
        self.offset_ns = max(self.offset_ns, LOWEST_OFFSET_NS) if self._kept else 0
