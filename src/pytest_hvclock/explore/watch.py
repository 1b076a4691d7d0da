"""Watches one run of a program: strikes where it was told to, and lets no run go on for ever."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from _thread import get_ident
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import CodeType
from typing import Any

from pytest_hvclock.explore.kinds import needs_service
from pytest_hvclock.explore.schedules import Schedule, Spot, Strike, thread_name
from pytest_hvclock.model.guest import Guest
from pytest_hvclock.running import Running
from pytest_hvclock.running.reader import Reader
from pytest_hvclock.running.readings import Meeting, Memories
from pytest_hvclock.running.recorder import is_the_programs, kit, place_of
from pytest_hvclock.timeline import Place
from pytest_hvclock.units import NS_PER_S

_getframe = sys._getframe
_busy_seconds = time.process_time
_LOOK_EVERY = 256


class Ended(BaseException):
    """A run has used up what it was allowed, and is ended; not an ``Exception``, which a retry would swallow."""


@dataclass(frozen=True)
class Budget:
    """How much a run may use before it counts as one that never ends."""

    events: int = 100_000
    """Readings and waits."""
    guest_ns: int = 3_660 * 86_400 * NS_PER_S
    """Time on the guest's monotonic clock, in nanoseconds."""
    busy_s: float = 30.0
    """Time of the processor, in seconds, or infinite: real time would depend on what else it has to do."""


@dataclass(frozen=True)
class Event:
    """One reading or wait of a run."""

    spot: Spot
    place: Place
    clock: str = ""
    """The clock of a reading."""
    asked_ns: int | None = None
    """How long a wait was to be at most, in nanoseconds of guest time; None without a timeout."""


class _Line:
    """Those lines that read the same, of threads of the same name."""

    __slots__ = ("key", "many", "pending")

    def __init__(self, key: tuple[str, str, str]) -> None:
        """Begin before the first reading, or wait."""
        self.key = key
        self.many = 0
        self.pending: list[Strike] = []


_Site = tuple[CodeType, Place, _Line]
"""Where the program reads or waits; with its code, or another's might take its ``id``: to hash code costs much more."""


class Watch:
    """One run under watch: a ``Watcher`` of whatever runs the program, and afterwards the record of it."""

    def __init__(
        self,
        schedule: Schedule = Schedule(),  # noqa: B008  (it is frozen)
        budget: Budget = Budget(),
        *,
        remembers: bool = False,
    ) -> None:
        """Watch a run that ``schedule`` is to strike; ``remembers`` tells whether its readings remember."""
        self.schedule = schedule
        self.budget = budget
        self.meetings: dict[Place, Meeting] | None = {} if remembers else None
        """Where readings met across a step, if they remember."""
        self.events: list[tuple[tuple[str, str, str], int, Place, str, int | None]] = []
        """Line, occurrence, place, clock and nanoseconds asked for, of each reading and wait so far."""
        self.ended: str | None = None
        """Why the run was ended, if it was."""
        self.ended_at: Place | None = None
        self.struck = 0
        """How many strikes have happened."""
        self._lines: dict[tuple[str, str, str], _Line] = {}
        for strike in schedule.strikes:
            if strike.spot is not None:
                self._line(strike.spot.what, strike.spot.text, strike.spot.thread).pending.append(strike)
        self._sites: dict[tuple[int, int, str, int], _Site] = {}
        self._guest: Guest | None = None
        self._running: Running | None = None
        self._reader: Reader | None = None
        self._stop_alarm: Callable[[], None] = _no_alarm
        self._from_ns = 0
        self._until_s = 0.0

    @property
    def settings(self) -> dict[str, Any]:
        """What the guest of this run is to be: without the service, unless an anomaly shows by it alone."""
        return {"sync_after_resume": 0} if needs_service(self.schedule) else {"timesync": "off"}

    def begin(self, running: Running) -> None:
        """Begin with a guest that was just entered, and let happen what strikes at the start."""
        self._guest = running.guest
        self._from_ns = running.guest.monotonic_ns
        self._until_s = _busy_seconds() + self.budget.busy_s
        self._set_alarm()
        for strike in self.schedule.strikes:
            if strike.spot is None:
                self._strike(strike)
        self._running, self._reader = running, running._reader
        running.watch(self)
        if self.meetings is not None:
            running.remember(Memories(running.guest, self._met))

    def end(self) -> None:
        """The run is over: nothing is to be watched any more."""
        self._stop_alarm()
        if self._running is not None:
            self._running.watch(None)
            if self.meetings is not None:
                self._running.remember(None)
            self._running = self._guest = None

    def _set_alarm(self) -> None:
        """See that a run ends, too, that neither reads nor waits any more; where there is such an alarm."""
        limited = self.budget.busy_s < math.inf
        if limited and hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
            handler = signal.signal(signal.SIGVTALRM, self._alarmed)
            self._stop_alarm = partial(_stop_alarm, handler)
            signal.setitimer(signal.ITIMER_VIRTUAL, self.budget.busy_s + 1)

    def _alarmed(self, *_: object) -> None:
        self.ended = self.ended or _too_busy(self.budget)
        raise Ended(self.ended)

    def read(self, clock: str) -> None:
        """Note a reading, just before it."""
        self._event("reading", clock, None)

    def wait(self, asked_ns: int | None) -> None:
        """Note a wait, just before it."""
        self._event("wait", "", asked_ns)

    def record(self) -> list[Event]:
        """Return the readings and waits of the run, in order."""
        return [
            Event(Spot(key[0], key[1], occurrence, key[2]), place, clock, asked_ns)
            for key, occurrence, place, clock, asked_ns in self.events
        ]

    def _event(self, what: str, clock: str, asked_ns: int | None) -> None:
        frame: Any = _getframe(2)
        modules = kit()
        while id(frame.f_globals) in modules and frame.f_back is not None:
            frame = frame.f_back
        code = frame.f_code
        if not is_the_programs(code):
            return
        site = (id(code), frame.f_lasti, what, get_ident())
        known = self._sites.get(site)
        if known is None:
            known = self._sites[site] = self._site(code, *site[1:])
        _, place, line = known
        line.many += 1
        occurrence = line.many
        self.events.append((line.key, occurrence, place, clock, asked_ns))
        for strike in line.pending:
            if strike.spot is not None and strike.spot.occurrence == occurrence:
                self._strike(strike)
        self._limit(place)

    def _site(self, code: CodeType, instruction: int, what: str, ident: int) -> _Site:
        """Find out which line is read or waited at."""
        place = place_of((code, instruction))
        thread = getattr(threading._active.get(ident), "name", "?")  # type: ignore[attr-defined]
        return code, place, self._line(what, place.text or f"{place.file} in {place.function}", thread_name(thread))

    def _line(self, what: str, text: str, thread: str) -> _Line:
        key = (what, text, thread)
        return self._lines.setdefault(key, _Line(key))

    def _met(self, meeting: Meeting) -> None:
        if meeting.crossed and self.meetings is not None:
            self.meetings.setdefault(meeting.place, meeting)

    def _strike(self, strike: Strike) -> None:
        assert self._guest is not None  # noqa: S101  (begin has been called)
        self.struck += 1
        strike.anomaly.strike(self._guest)

    def _limit(self, place: Place) -> None:
        """End a run that has used up its budget, and again whenever it goes on regardless.

        Raises:
            Ended: then.
        """
        many = len(self.events)
        if self.ended is None and self._guest is not None:
            if many > self.budget.events:
                self.ended = f"it was ended after {many:,} readings and waits"
            elif self._reader is not None and self._reader.monotonic - self._from_ns > self.budget.guest_ns:
                days = self.budget.guest_ns // (86_400 * NS_PER_S)
                self.ended = f"it was ended after {days:,} days of the guest's time"
            elif many % _LOOK_EVERY == 0 and _busy_seconds() > self._until_s:
                self.ended = _too_busy(self.budget)
        if self.ended is not None:
            self.ended_at = self.ended_at or place
            raise Ended(self.ended)


def _no_alarm() -> None:
    """Do nothing."""


def _stop_alarm(handler: Any) -> None:
    """Let the alarm be whoever's it was."""
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, handler)


def _too_busy(budget: Budget) -> str:
    return f"it was ended after {budget.busy_s:g} s of the processor's time"
