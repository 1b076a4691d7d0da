"""Live pace: true time follows the real monotonic clock, and the anomalies happen on top.

No reading ever comes from the real *wall* clock, so nothing that happens to the clock of the developer's machine
reaches the guest. Between two events every clock runs straight, so most readings are one addition, or a multiplication
where the clock drifts; at the next event of the guest, or the next planned action, the model is moved up to the
present. Waits are real, and end when the guest's own clock says so: they look at it every few milliseconds, because a
verb may move it at any moment.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from _thread import LockType, allocate_lock, get_ident
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_hvclock.errors import StuckError
from pytest_hvclock.model.guest import Guest, State
from pytest_hvclock.running.loops import GuestSelector
from pytest_hvclock.running.waits import nanoseconds
from pytest_hvclock.units import AS_PER_NS, NS_PER_S

_now_ns = time.perf_counter_ns
_sleep = time.sleep
_real_wait = threading.Condition.wait
_real_start = threading.Thread.start
_real_join = threading.Thread.join
_LONGEST_LINE_NS = NS_PER_S
"""How long a line is used before the model is looked at again, at most."""
_LONGEST_REST_NS = 10_000_000
"""How long a wait rests before it looks at the guest again, at most."""
_ACTION_NS = 250_000_000
"""How long true time stands still for a planned action, in real nanoseconds, unless it waits for something earlier."""


@dataclass(slots=True)
class Course:
    """How one clock runs along a line: a straight line through real time, in exact integers."""

    rate: int
    """Attoseconds that it gains in a real nanosecond."""
    origin_as: int
    """What it would have shown at the real instant 0."""
    ahead_ns: int | None
    """By how much it is ahead of the real clock, rounded down; None if that changes, as it does with a drift."""
    grain_ns: int = 1
    """It is read in whole multiples of this."""

    @classmethod
    def through(cls, real_ns: int, shown_as: int, rate: int, grain_ns: int = 1) -> Course:
        """Return the course of a clock that shows ``shown_as`` at the real instant ``real_ns``."""
        origin_as = shown_as - real_ns * rate
        same = rate == AS_PER_NS and grain_ns == 1
        return cls(rate, origin_as, origin_as // AS_PER_NS if same else None, grain_ns)

    def at(self, real_ns: int) -> int:
        """Return what it shows at a real instant."""
        return (self.origin_as + real_ns * self.rate) // (AS_PER_NS * self.grain_ns) * self.grain_ns


@dataclass(slots=True)
class Line:
    """How the clocks run from one real instant until another, which is made 0 when the line does not hold any longer.

    Whoever takes the line before the real clock cannot be too early for it, and sees from ``until_ns`` whether it
    still holds at that instant.
    """

    from_ns: int
    until_ns: int
    true: Course
    wall: Course
    monotonic: Course
    raw: Course
    boottime: Course


class LiveReader:
    """Reads a guest whose host's true time goes on by itself, from ``start`` to ``stop``.

    As a context manager it is what the host follows: true time is moved up to the present, and stays there, for every
    thread, until the block is left. A *thread of the guest* is the one that made the reader, and every thread started
    by one of these: they wait on the guest's clock, all others in real time.
    """

    __slots__ = (
        "_acting_until_ns", "_actor", "_anchor_ns", "_closed", "_depth", "_failure", "_guest", "_line", "_lock",
        "_owner", "_stopped", "_threads", "_ticking", "_waiting",
    )  # fmt: skip

    def __init__(self, guest: Guest) -> None:
        """Make a reader; true time stands still until ``start``."""
        self._guest = guest
        self._lock = guest.host._lock
        """That of the host, so that nobody reads or changes the guest meanwhile, whether the host follows or not."""
        self._depth = 0
        self._stopped = True
        self._closed = False
        self._owner = get_ident()
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet([threading.current_thread()])
        self._failure: BaseException | None = None
        self._actor: int | None = None
        """The thread that runs a planned action now, and has not waited for anything since."""
        self._acting_until_ns = 0
        self._waiting: set[int] = set()
        """The threads that do nothing but wait for the guest's clock."""
        self._ticking: LockType | None = None
        self._anchor_ns = _now_ns()
        """The real instant at which true time was, or will have been, what the host has it at."""
        with self._lock:
            self._take_down()

    # ------------------------------------------------------------------------------------------- true time

    def start(self) -> None:
        """Let the host's true time follow the real clock from here on."""
        self._anchor_ns, self._stopped = _now_ns(), False
        self._guest.host._follow(self)
        self.refresh()

    def stop(self) -> None:
        """Let the host's true time stand still again.

        Raises:
            BaseException: whatever a planned action has raised that has not come out anywhere, unless an exception is
                on its way already.
        """
        failure = None
        try:
            with self:
                self._stopped = True
        except BaseException as raised:  # noqa: BLE001  (it comes out below, when everything has stopped)
            failure = raised
        self._stopped = True
        self._guest.host._follow(None)
        self.refresh()
        if self._ticking is not None:
            self._ticking.release()
            self._ticking = None
        failure, self._failure = failure or self._failure, None
        if failure is not None and sys.exception() is None:
            raise failure

    def close(self) -> None:
        """The guest is gone: whoever still waits on its clock goes on for real."""
        self._closed = True

    def __enter__(self) -> None:
        """Move true time up to the present, running what was planned for meanwhile, and hold it there."""
        while True:
            self._lock.acquire()
            self._depth += 1
            if self._depth > 1:
                return
            action = self._move()
            if action is None:
                return
            self.__exit__()
            try:
                self._guest.host._run(action)
            except BaseException as failure:
                if get_ident() == self._owner:
                    raise
                self._failure = self._failure or failure

    def __exit__(self, *_: object) -> None:
        """Let true time go on."""
        try:
            if self._depth == 1:
                self._take_down()
                self._see_to_plans()
        finally:
            self._depth -= 1
            self._lock.release()

    def refresh(self) -> None:
        """Look at the guest again: something may have moved a clock."""
        with self:
            pass

    def hold(self) -> None:
        """Let true time stand still for an action of this thread, unless it waits for something, or takes too long."""
        self._actor, self._acting_until_ns = get_ident(), _now_ns() + _ACTION_NS

    def let_go(self) -> None:
        """Let true time go on, if it is this thread that has held it."""
        if self._actor == get_ident():
            self._actor, self._acting_until_ns = None, 0

    def _move(self) -> Any:
        """Move true time up to the present, or to the next planned action, which is returned; the lock is held."""
        self._line.until_ns = 0  # from here on nobody reads on along the old line
        now_ns = _now_ns()
        if self._stopped or now_ns < self._acting_until_ns:
            return None
        host = self._guest.host
        before_ns = host._true_ns
        action = host._reach_next(before_ns + now_ns - self._anchor_ns)
        self._anchor_ns += host._true_ns - before_ns
        return action

    def _take_down(self) -> None:
        """Take down how the clocks run from here on, and until when that holds; the lock is held."""
        guest, anchor_ns, true_ns = self._guest, self._anchor_ns, self._guest.host._true_ns
        off = guest.state is State.OFF
        clocks = guest._timekeeping.clocks if off else guest._read()
        next_ns = guest._next_event_ns()
        lasts_ns = _LONGEST_LINE_NS
        if next_ns is not None:
            lasts_ns = min(lasts_ns, next_ns - true_ns)
        if self._stopped or self._actor is not None or self._failure is not None:
            lasts_ns = 0
        wall_rate, monotonic_rate, raw_rate = (
            (0, 0, 0) if off else (clocks.wall_rate, clocks.monotonic_rate, clocks.raw_rate)
        )
        grain_ns = clocks.granularity_ns
        self._line = Line(
            anchor_ns,
            anchor_ns + lasts_ns,
            Course.through(anchor_ns, true_ns * AS_PER_NS, AS_PER_NS),
            Course.through(anchor_ns, clocks.wall_as, wall_rate, grain_ns),
            Course.through(anchor_ns, clocks.monotonic_as, monotonic_rate, grain_ns),
            Course.through(anchor_ns, clocks.raw_as, raw_rate),
            Course.through(anchor_ns, clocks.monotonic_as + clocks.asleep_as, monotonic_rate),
        )

    def _see_to_plans(self) -> None:
        """See that planned actions happen in time even if nobody reads a clock, in a thread of its own."""
        if self._ticking is not None or self._stopped or self._guest.host._next_planned_ns() is None:
            return
        self._ticking = allocate_lock()
        self._ticking.acquire()
        thread = threading.Thread(target=self._tick, args=(self._ticking,), daemon=True, name="hvclock-live")
        self._threads.add(thread)  # the actions that it runs wait on the guest
        _real_start(thread)

    def _tick(self, ticking: LockType) -> None:
        me = get_ident()
        self._waiting.add(me)
        while not ticking.acquire(timeout=_LONGEST_REST_NS / NS_PER_S):
            if self._guest.host._next_planned_ns() is not None:
                self._waiting.discard(me)
                self.refresh()
                self._waiting.add(me)
        self._waiting.discard(me)

    # ------------------------------------------------------------------------------------------- readings

    def _at(self) -> tuple[Line, int]:
        """Return the line that holds now, and which real instant this is."""
        if self._failure is not None:
            self._raise_failure()
        line = self._line
        now_ns = _now_ns()
        if now_ns < line.until_ns:
            return line, now_ns
        self.refresh()
        line = self._line
        return line, line.from_ns

    def _raise_failure(self) -> None:
        """Let what a planned action has raised in another thread come out of the owner's."""
        if get_ident() == self._owner:
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure

    @property
    def true(self) -> int:
        """True time."""
        line, now_ns = self._at()
        return line.true.at(now_ns)

    @property
    def wall(self) -> int:
        """The wall clock."""
        return self.wall_ns()

    @property
    def monotonic(self) -> int:
        """CLOCK_MONOTONIC."""
        line = self._line  # as in wall_ns
        now_ns = _now_ns()
        if now_ns >= line.until_ns:
            line, now_ns = self._at()
        course = line.monotonic
        if course.ahead_ns is not None:
            return now_ns + course.ahead_ns
        return course.at(now_ns)

    @property
    def raw(self) -> int:
        """CLOCK_MONOTONIC_RAW."""
        line, now_ns = self._at()
        return line.raw.at(now_ns)

    @property
    def boottime(self) -> int:
        """CLOCK_BOOTTIME."""
        line, now_ns = self._at()
        return line.boottime.at(now_ns)

    def wall_ns(self) -> int:
        """Read the wall clock: what an engine calls in place of the real one."""
        line = self._line  # as _at and Course.at do, without the calls: nothing is read as often
        now_ns = _now_ns()
        if now_ns >= line.until_ns:
            line, now_ns = self._at()
        course = line.wall
        if course.ahead_ns is not None:
            return now_ns + course.ahead_ns
        if course.grain_ns == 1:
            return (course.origin_as + now_ns * course.rate) // AS_PER_NS
        return course.at(now_ns)

    # ------------------------------------------------------------------------------------------- waiting

    def owns(self, thread: int) -> bool:
        """Whether the calling thread, whose identifier this is, is one of the guest's."""
        del thread
        return threading.current_thread() in self._threads

    def adopt(self, thread: threading.Thread) -> None:
        """Count a thread among the guest's."""
        self._threads.add(thread)

    def sleep(self, seconds: float) -> None:
        """Really sleep until the guest's CLOCK_MONOTONIC has gone on by so much; planned actions happen meanwhile."""
        duration_ns = nanoseconds(seconds)
        if duration_ns < 0:
            raise ValueError("sleep length must be non-negative")
        if duration_ns == 0:
            _sleep(0)
        self.wait(_sleep, duration_ns)

    def wait(self, look: Callable[[float], Any], duration_ns: int | None, *, outside: bool = False) -> bool:
        """Wait until ``look`` has come true, or for so long on the guest's clock; returns whether it has.

        Args:
            look: waits for so many real seconds at most, and says whether that has ended the wait.
            duration_ns: for how long, in nanoseconds of CLOCK_MONOTONIC; None for ever.
            outside: whether somebody outside the guest may end the wait.

        Raises:
            StuckError: if the guest does not run, and nobody is left who could start it.
        """
        self.let_go()
        deadline_ns = None if duration_ns is None else self.monotonic + duration_ns
        me = get_ident()
        if deadline_ns is not None and not outside:
            self._waiting.add(me)
        try:
            while True:
                self._raise_failure()
                left_ns = _LONGEST_REST_NS if deadline_ns is None else deadline_ns - self.monotonic
                if self._closed:
                    return bool(look(-1 if deadline_ns is None else max(left_ns, 0) / NS_PER_S))
                if left_ns <= 0:
                    return bool(look(0))
                if look(min(left_ns, _LONGEST_REST_NS) / NS_PER_S):
                    return True
                if me in self._waiting:
                    self._refuse_endless()
        finally:
            self._waiting.discard(me)

    def _refuse_endless(self) -> None:
        """Refuse to wait on a guest that nobody will start."""
        guest = self._guest
        if (
            guest.state is not State.RUNNING
            and not self._stopped
            and guest.host._next_planned_ns() is None
            and all(thread.ident in self._waiting for thread in threading.enumerate() if thread in self._threads)
        ):
            raise StuckError(
                f"code waits on a guest that is {guest.state.value}, and neither a planned action nor another thread "
                "of the guest is left that could start it"
            )

    def install(self) -> None:
        """Let the threads of the guest wait on its clock."""
        _current[:] = [self]
        threading.Condition.wait = _wait  # type: ignore[method-assign, assignment]
        threading.Thread.start = _start  # type: ignore[method-assign, assignment]
        threading.Thread.join = _join  # type: ignore[method-assign, assignment]

    def remove(self) -> None:
        """Let everybody wait for real again."""
        threading.Condition.wait = _real_wait  # type: ignore[method-assign]
        threading.Thread.start = _real_start  # type: ignore[method-assign]
        threading.Thread.join = _real_join  # type: ignore[method-assign]
        _current.clear()

    def forked(self) -> None:
        """Go on in the child of a fork, where only the calling thread has survived."""
        self._guest.host._after_fork()
        self._lock, self._depth = self._guest.host._lock, 0
        self._owner, self._actor, self._acting_until_ns = get_ident(), None, 0
        self._waiting.clear()
        self._ticking = None
        self._see_to_plans()


class LiveSelector(GuestSelector):
    """A loop's selector, whose timeouts are on the guest's clock."""

    def __init__(self, reader: LiveReader, real: Any, loop: Any) -> None:
        """Stand before ``real``."""
        super().__init__(real, loop)
        self._reader = reader

    def select(self, timeout: float | None = None) -> list[Any]:
        """Return what is ready, or nothing after ``timeout``."""
        if not self._reader.owns(get_ident()) or (timeout is not None and timeout <= 0):
            return list(self.real.select(timeout))
        found: list[Any] = []

        def look(seconds: float) -> bool:
            began_ns = _now_ns()
            found[:] = self.real.select(None if seconds < 0 else seconds)
            early = _now_ns() - began_ns < int(seconds * NS_PER_S) // 2  # a signal has come, or it never waits
            return bool(found) or early

        duration_ns = None if timeout is None else nanoseconds(timeout)
        self._reader.wait(look, duration_ns, outside=bool(self._outside()))
        return found


_current: list[LiveReader] = []
"""The reader of the guest that runs in live pace, if there is one."""


def _reader_of_this_thread() -> LiveReader | None:
    """Return the reader, if the calling thread is one of its guest's."""
    reader = _current[0] if _current else None
    return reader if reader is not None and reader.owns(get_ident()) else None


def _wait(condition: threading.Condition, timeout: float | None = None) -> bool:
    """Wait until notified or until a timeout of guest time; stands in for ``Condition.wait``."""
    reader = _reader_of_this_thread()
    inner: Any = condition
    if reader is None or not inner._is_owned() or (timeout is not None and timeout <= 0):
        return _real_wait(condition, timeout)
    waiter = allocate_lock()
    waiter.acquire()
    inner._waiters.append(waiter)
    saved_state = inner._release_save()
    notified = False
    try:
        notified = reader.wait(
            lambda seconds: waiter.acquire(timeout=seconds), None if timeout is None else nanoseconds(timeout)
        )
        return notified
    finally:
        inner._acquire_restore(saved_state)
        if not notified and waiter in inner._waiters:
            inner._waiters.remove(waiter)


def _start(thread: threading.Thread) -> None:
    """Start a thread; one started by a thread of the guest is a thread of the guest."""
    reader = _reader_of_this_thread()
    if reader is not None:
        reader.adopt(thread)
    _real_start(thread)


def _join(thread: threading.Thread, timeout: float | None = None) -> None:
    """Wait for a thread to end, with a timeout of guest time; stands in for ``Thread.join``."""
    reader = _reader_of_this_thread()
    if reader is None or thread is threading.current_thread() or not thread.is_alive():
        _real_join(thread, timeout)
        return

    def look(seconds: float) -> bool:
        _real_join(thread, None if seconds < 0 else seconds)
        return not thread.is_alive()

    reader.wait(look, None if timeout is None else max(nanoseconds(timeout), 0))


def _after_fork() -> None:
    if _current:
        _current[0].forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
