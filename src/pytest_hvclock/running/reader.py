"""What a guest's clocks show right now, kept where reading it costs least."""

from __future__ import annotations

from collections.abc import Callable

from pytest_hvclock.model.guest import Guest, State
from pytest_hvclock.units import AS_PER_NS


class Reader:
    """The present readings of one guest.

    In stepped pace clocks move only by verbs and waits, and whatever moves them refreshes this object. So a reading
    is one attribute, complete or not there at all, from any number of threads.
    """

    __slots__ = ("_guest", "boottime", "monotonic", "raw", "wall")

    def __init__(self, guest: Guest) -> None:
        """Take the guest's readings, in nanoseconds."""
        self._guest = guest
        self.wall = self.monotonic = self.raw = self.boottime = 0
        self.refresh()

    def refresh(self) -> None:
        """Take the readings again; a guest that is off keeps those it had last."""
        guest = self._guest
        if guest.state is State.OFF:
            return
        clocks = guest._read()
        self.wall = clocks.wall_as // AS_PER_NS
        self.monotonic = clocks.monotonic_as // AS_PER_NS
        self.raw = clocks.raw_as // AS_PER_NS
        self.boottime = (clocks.monotonic_as + clocks.asleep_as) // AS_PER_NS

    def wall_ns(self) -> int:
        """Read the wall clock: what an engine calls in place of the real one."""
        return self.wall


class TappedReader(Reader):
    """A reader that tells somebody of every reading, just before it is taken."""

    __slots__ = ("_tap",)

    def __init__(self, guest: Guest, tap: Callable[[str], None]) -> None:
        """Tell ``tap`` the name of the clock that is about to be read."""
        self._tap = tap
        super().__init__(guest)

    def __getattribute__(self, name: str) -> object:
        """Announce the readings, and only those."""
        if name in _CLOCKS:
            object.__getattribute__(self, "_tap")(name)
        return object.__getattribute__(self, name)


_CLOCKS = frozenset(("boottime", "monotonic", "raw", "wall"))
