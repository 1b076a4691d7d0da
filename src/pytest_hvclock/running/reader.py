"""What a guest's clocks show right now, kept where reading it costs least."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pytest_hvclock.model.guest import Guest, State
from pytest_hvclock.units import AS_PER_NS


class Reader(Protocol):
    """The present readings of one guest, in nanoseconds."""

    @property
    def true(self) -> int:
        """True time, which no program reads."""
        raise NotImplementedError

    @property
    def wall(self) -> int:
        """The wall clock."""
        raise NotImplementedError

    @property
    def monotonic(self) -> int:
        """CLOCK_MONOTONIC."""
        raise NotImplementedError

    @property
    def raw(self) -> int:
        """CLOCK_MONOTONIC_RAW."""
        raise NotImplementedError

    @property
    def boottime(self) -> int:
        """CLOCK_BOOTTIME."""
        raise NotImplementedError

    @property
    def wall_ns(self) -> Callable[[], int]:
        """What reads the wall clock: what an engine calls in place of the real one."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Look at the guest again: something may have moved a clock."""


class SteppedReader:
    """The readings of a guest in stepped pace.

    There clocks move only by verbs and waits, and whatever moves them refreshes this object. So a reading is one
    attribute, complete or not there at all, from any number of threads.
    """

    __slots__ = ("_guest", "boottime", "monotonic", "raw", "true", "wall")

    def __init__(self, guest: Guest) -> None:
        """Take the guest's readings, in nanoseconds."""
        self._guest = guest
        self.true = self.wall = self.monotonic = self.raw = self.boottime = 0
        self.refresh()

    def refresh(self) -> None:
        """Take the readings again; a guest that is off keeps those it had last."""
        guest = self._guest
        with guest.host._one_instant:
            true = guest.host._true_ns
            if guest._state is State.OFF:
                self.true = true
                return
            clocks = guest._read()
            wall, monotonic, raw = clocks.wall_ns, clocks.monotonic_ns, clocks.raw_as // AS_PER_NS
            boottime = (clocks.monotonic_as + clocks.asleep_as) // AS_PER_NS
            # Nothing is called between these five, so CPython lets no other thread see some of them without the others.
            self.true = true
            self.wall = wall
            self.monotonic = monotonic
            self.raw = raw
            self.boottime = boottime

    def wall_ns(self) -> int:
        """Read the wall clock."""
        return self.wall


class TappedReader:
    """Reads through another reader, and tells somebody of every reading just before it is taken."""

    __slots__ = ("_reader", "_tap", "_wall_ns")

    def __init__(self, reader: Reader, tap: Callable[[str], None]) -> None:
        """Tell ``tap`` the name of the clock that is about to be read."""
        self._reader = reader
        self._tap = tap
        self._wall_ns = reader.wall_ns

    @property
    def true(self) -> int:
        """True time."""
        return self._reader.true

    @property
    def wall(self) -> int:
        """Announce and read the wall clock."""
        self._tap("wall")
        return self._reader.wall

    @property
    def monotonic(self) -> int:
        """Announce and read CLOCK_MONOTONIC."""
        self._tap("monotonic")
        return self._reader.monotonic

    @property
    def raw(self) -> int:
        """Announce and read CLOCK_MONOTONIC_RAW."""
        self._tap("raw")
        return self._reader.raw

    @property
    def boottime(self) -> int:
        """Announce and read CLOCK_BOOTTIME."""
        self._tap("boottime")
        return self._reader.boottime

    def wall_ns(self) -> int:
        """Announce and read the wall clock."""
        self._tap("wall")
        return self._wall_ns()

    def refresh(self) -> None:
        """Refresh what lies below."""
        self._reader.refresh()
