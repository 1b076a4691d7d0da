"""The host: it owns true time, the zone that virtual RTCs are loaded with, and its guests."""

from __future__ import annotations

import heapq
import math
from _thread import RLock  # the real one, also while a guest that replaces it runs
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, tzinfo
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pytest_hvclock.units import (
    Duration,
    Instant,
    Zone,
    duration_ns,
    instant_ns,
    iso,
    local_datetime,
    positive_ns,
    time_zone,
)

if TYPE_CHECKING:
    from typing import Unpack

    from pytest_hvclock.model.guest import Guest, GuestSettings


@runtime_checkable
class Strikes(Protocol):
    """Anything that can strike a guest: the anomalies, and whatever has this one method."""

    def strike(self, guest: Guest) -> None:
        """Let it happen to ``guest`` now."""


Action = Callable[[], object] | Strikes
"""What ``Host.at`` runs: a callable without arguments, or an anomaly."""


class Follower(Protocol):
    """What moves a host's true time on by itself, as live pace does.

    As a context manager it moves true time up to the present, and then nobody moves it until the block is left: what
    happens inside happens at one instant, and no other thread sees half of it.
    """

    def __enter__(self) -> object:
        """Move true time up to the present, and hold it there."""

    def __exit__(self, *_: object) -> None:
        """Let true time go on."""

    def hold(self) -> None:
        """Hold true time beyond the block, for the planned action that this thread is about to run."""

    def let_go(self) -> None:
        """Let true time go on after the action."""


class Host:
    """The management operating system of one Hyper-V host, and true time itself.

    Args:
        start: true time at the beginning, ISO text or an aware ``datetime``; the kit's pytest plugin starts at the
            present, the model knows no present.
        zone: the host's time zone. A virtual RTC is loaded with the host's *local* time.
        error: how far the host's own clock is ahead of true time; its guests are told the host's time.
        load: how busy the host is, any number; the drift of a guest may be a function of it.
    """

    started_ns: int
    """True time at which the host was made, in nanoseconds."""
    zone: tzinfo
    """The host's time zone."""

    def __init__(
        self,
        start: Instant = "2026-01-01T00:00:00Z",
        zone: Zone = "UTC",
        error: Duration = 0,
        load: float | Fraction = 0,
    ) -> None:
        """Start a host without guests."""
        self.started_ns = instant_ns(start)
        self._true_ns = self.started_ns
        self.zone = time_zone(zone)
        self._error_ns = duration_ns(error)
        self._load = _load(load)
        self._guests: list[Guest] = []
        self._agenda: list[tuple[int, int, Action]] = []
        self._entered = 0
        self._lock = RLock()
        self._follower: Follower | None = None
        self._one_instant: AbstractContextManager[object] = self._lock
        """Lets no time pass inside a block by itself, and no other thread let it pass, or read or change a guest."""

    def __repr__(self) -> str:
        """Show true time and the zone."""
        return f"<Host at {iso(self._true_ns)} in {self.zone}, {len(self._guests)} guest(s)>"

    @property
    def true_ns(self) -> int:
        """True time: integer nanoseconds of UTC since 1970."""
        if self._follower is None:
            return self._true_ns
        with self._follower:
            return self._true_ns

    @property
    def planned(self) -> int:
        """How many actions are planned, by ``at`` and by anomalies."""
        return len(self._agenda)

    @property
    def guests(self) -> tuple[Guest, ...]:
        """The host's virtual machines, in the order in which they were created."""
        return tuple(self._guests)

    @property
    def error_ns(self) -> int:
        """The host's own clock minus true time, in nanoseconds: positive is ahead."""
        return self._error_ns

    @property
    def error(self) -> Duration:
        """How far the host's own clock is ahead of true time. Set a duration; reads as integer nanoseconds."""
        return self._error_ns

    @error.setter
    def error(self, value: Duration) -> None:
        error_ns = duration_ns(value)
        with self._one_instant:
            for guest in self._guests:
                guest._settle()
            self._error_ns = error_ns
            for guest in self._guests:
                guest._hear_host()

    @property
    def load(self) -> Fraction:
        """How busy the host is, as an exact number; a guest's drift may be a function of it."""
        return self._load

    @load.setter
    def load(self, value: float | Fraction) -> None:
        load = _load(value)
        with self._one_instant:
            for guest in self._guests:
                guest._settle()
            before, self._load = self._load, load
            try:
                for guest in self._guests:
                    _ = guest.drift_ppb  # asked of every guest before any is changed
            except BaseException:
                self._load = before
                raise
            for guest in self._guests:
                guest._apply_drift()

    def guest(self, **settings: Unpack[GuestSettings]) -> Guest:
        """Create a virtual machine that is powered on and in sync.

        Args:
            os: ``"linux"`` or ``"windows"``. Decides what the guest takes the RTC for, and whether a slew moves
                MONOTONIC as well (Linux) or the wall clock alone (Windows, against QPC).
            zone: the guest's own time zone; a Windows guest takes the RTC for local time in it.
            timesync: what corrects the guest's clock, by name (``"linux"``, ``"windows"``, ``"off"``, ...), joined
                by a plus, or a discipline with settings of its own.
            drift: rate error of the guest's clocksource, such as ``"+200 ppm"``, or a function of ``host.load`` that
                returns one. Rounded to parts per billion.
            settings: the others are those of ``GuestSettings``, each with where its number comes from.

        Raises:
            TypeError, ValueError: for a setting that is not what it should be, naming what to write.
        """
        from pytest_hvclock.model.guest import Guest

        guest = Guest(self, **settings)
        self._guests.append(guest)
        return guest

    def clock_ns(self) -> int:
        """Return what the host's own clock shows: true time plus its error, in nanoseconds."""
        return self.true_ns + self._error_ns

    def local_time(self) -> datetime:
        """Return the naive local time of whole seconds that the host's clock shows in its zone."""
        return local_datetime(self.clock_ns(), self.zone)

    def advance(self, by: Duration) -> None:
        """Let time pass for the host and all its guests, running what ``at`` has planned on the way.

        Raises:
            ValueError: if ``by`` is negative.
        """
        self._advance_to(self.true_ns + positive_ns(by, "advance"))

    def at(self, when: Duration | Instant, action: Action) -> None:
        """Plan an action for the moment when true time gets there, also in the middle of a sleep or a wait.

        Args:
            when: from now, such as ``"90 s"``, or an instant, such as ``"2026-01-01T00:01:30Z"``.
            action: a callable without arguments, or an anomaly, which strikes the host's only guest. An exception
                that it raises comes out of the advance, sleep or wait that it interrupted; in asyncio, of what runs the
                loop.

        Raises:
            ValueError: if the moment has passed.
            TypeError: if the action is neither callable nor an anomaly.
        """
        if not (isinstance(action, Strikes) or callable(action)):
            raise TypeError(f"{action!r} cannot be run: give a callable without arguments, or an anomaly")
        with self._one_instant:
            at_ns = self._moment(when)
            if at_ns < self.true_ns:
                raise ValueError(f"{when!r} has passed: true time is {iso(self.true_ns)}, and only goes forward")
            self._entered += 1
            heapq.heappush(self._agenda, (at_ns, self._entered, action))
            for guest in self._guests:
                guest._changed()

    def _moment(self, when: Duration | Instant) -> int:
        """Return the instant that ``at`` is asked for, in true nanoseconds."""
        if isinstance(when, datetime) or (isinstance(when, str) and "-" in when[1:] and ":" in when):
            return instant_ns(when)
        return self.true_ns + duration_ns(when)

    def _follow(self, follower: Follower | None) -> None:
        """Have true time moved on by ``follower`` whenever it is asked for (live pace), or by nobody."""
        self._follower = follower
        self._one_instant = follower if follower is not None else self._lock

    def _after_fork(self) -> None:
        """Go on in the child of a fork: whoever held the lock may not be there."""
        self._lock = RLock()
        self._follow(self._follower)

    def _next_planned_ns(self) -> int | None:
        """Return when the next planned action is due."""
        return self._agenda[0][0] if self._agenda else None

    def _advance_to(self, true_ns: int) -> None:
        """Let true time reach ``true_ns``, running the planned actions that are due by then, each at its moment."""
        while (action := self._reach_next(true_ns)) is not None:
            self._run(action)

    def _reach_next(self, true_ns: int) -> Action | None:
        """Move true time on to ``true_ns``, or to the next planned action if that comes first; return that action."""
        with self._one_instant:
            if not self._agenda or self._agenda[0][0] > true_ns:
                self._reach(true_ns)
                return None
            at_ns, _, action = heapq.heappop(self._agenda)
            self._reach(at_ns)
            if self._follower is not None:
                self._follower.hold()
            return action

    def _reach(self, true_ns: int) -> None:
        """Move true time on; an action may itself have let more of it pass."""
        if true_ns > self._true_ns:
            self._true_ns = true_ns
            for guest in self._guests:
                guest._changed()

    def _run(self, action: Action) -> None:
        """Run one planned action."""
        try:
            if not isinstance(action, Strikes):
                action()
            elif len(self._guests) == 1:
                action.strike(self._guests[0])
            else:
                raise ValueError(
                    f"{action!r} was planned on a host with {len(self._guests)} guests, so whom it strikes is not "
                    "clear: plan a callable instead, such as lambda: anomaly.strike(guest)"
                )
        finally:
            if self._follower is not None:
                self._follower.let_go()


def _load(value: float | Fraction) -> Fraction:
    """Return a load as the exact number that the user wrote."""
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise TypeError(f"{value!r} is not a load: write a number, such as 0.75")
    if not math.isfinite(value):
        raise ValueError(f"{value!r} is not a load: write a finite number, such as 0.75")
    return Fraction(str(value) if isinstance(value, float) else value)
