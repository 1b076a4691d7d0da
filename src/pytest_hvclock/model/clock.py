"""A guest's clocks as an object, for code that takes its clock as an argument."""

from __future__ import annotations

import math
from _thread import RLock  # the real one, also while a guest that replaces it runs
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Protocol

from pytest_hvclock.units import NS_PER_S, NS_PER_US

if TYPE_CHECKING:
    from pytest_hvclock.model.guest import Guest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Readings(Protocol):
    """Whatever shows the present readings of a guest that runs, in nanoseconds."""

    @property
    def wall(self) -> int:
        """The wall clock."""
        raise NotImplementedError

    @property
    def monotonic(self) -> int:
        """CLOCK_MONOTONIC."""
        raise NotImplementedError


class Clock:
    """What a guest's programs read, and how they sleep; get it from ``guest.clock``.

    It is there whether or not the guest is running under this process, and needs nothing patched: hand it to code that
    takes a clock, or one of its methods to code that takes a ``timer``. The names are those of ``time``, and ``now``,
    ``utcnow`` and ``today`` are those of ``datetime`` and ``date``; local time is that of the guest's own zone.
    """

    def __init__(self, guest: Guest) -> None:
        """Show ``guest``."""
        self._guest = guest
        self._lock = RLock()
        self._readings: Readings | None = None
        self._sleep: Callable[[float], None] | None = None

    def __repr__(self) -> str:
        """Name the guest."""
        return f"<Clock of {self._guest!r}>"

    def time(self) -> float:
        """Read the wall clock, in seconds since 1970."""
        return self.time_ns() / NS_PER_S

    def time_ns(self) -> int:
        """Read the wall clock, in nanoseconds since 1970."""
        readings = self._readings
        if readings is not None:
            return readings.wall
        with self._lock:
            return self._guest.wall_ns

    def monotonic(self) -> float:
        """Read CLOCK_MONOTONIC, in seconds."""
        return self.monotonic_ns() / NS_PER_S

    def monotonic_ns(self) -> int:
        """Read CLOCK_MONOTONIC, in nanoseconds."""
        readings = self._readings
        if readings is not None:
            return readings.monotonic
        with self._lock:
            return self._guest.monotonic_ns

    def perf_counter(self) -> float:
        """Read CLOCK_MONOTONIC (QPC), which is what CPython's performance counter is, in seconds."""
        return self.monotonic()

    def perf_counter_ns(self) -> int:
        """Read CLOCK_MONOTONIC (QPC), in nanoseconds."""
        return self.monotonic_ns()

    def now(self, tz: tzinfo | None = None) -> datetime:
        """Read the wall clock as an aware datetime, or as a naive one in the guest's own zone."""
        utc = _EPOCH + timedelta(microseconds=self.time_ns() // NS_PER_US)
        if tz is not None:
            return utc.astimezone(tz)
        return utc.astimezone(self._guest.zone).replace(tzinfo=None)

    def utcnow(self) -> datetime:
        """Read the wall clock as a naive datetime of UTC."""
        return self.now(UTC).replace(tzinfo=None)

    def today(self) -> date:
        """Read the date in the guest's own zone."""
        return self.now().date()

    def sleep(self, seconds: float) -> None:
        """Sleep on the guest's monotonic clock: at once in real time, or for real if the guest runs in live pace.

        Threads that sleep at the same instant sleep side by side, and true time goes to the last of their deadlines.
        """
        if self._sleep is not None:
            self._sleep(seconds)
            return
        if not 0 <= seconds < math.inf:
            raise ValueError(f"sleep length must be non-negative and finite, not {seconds}")
        deadline_ns = self.monotonic_ns() + math.ceil(seconds * NS_PER_S)
        with self._lock:
            while self._guest.state.value == "off" or self._guest.monotonic_ns < deadline_ns:
                self._guest._pass_until(deadline_ns)

    def _follow(self, readings: Readings | None, sleep: Callable[[float], None] | None = None) -> None:
        """Read and sleep through what shows the running guest; None for the guest itself again."""
        self._readings, self._sleep = readings, sleep
