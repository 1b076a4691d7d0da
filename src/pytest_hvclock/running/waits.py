"""Waiting in stepped pace: when every thread of the guest waits, time goes to the earliest deadline at once.

A *thread of the guest* is the one that entered it, and every thread started by one of these. The coordinator counts
those that can run. Whoever brings the count to zero lets time pass, up to the earliest deadline, and wakes the one
thread that it belongs to; the next goes on only when that one waits again. So waits end in the order of their
deadlines, always the same, and take no real time.

A thread that waits for something the kit does not see counts as running; the waiting ones look at it now and then.
When it has not moved for several looks, and its system call says that it waits for a lock, time passes all the same.
One that waits for the world outside (a socket, a child process) is given the I/O grace first, in real time.

Signals may interrupt the test's own thread anywhere. So nothing here is counted that could be derived, and each
change of state is either one statement or undone by a ``finally``.
"""

from __future__ import annotations

import math
import operator
import os
import sys
import threading
import time
from _thread import LockType, RLock, allocate_lock, get_ident
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pytest_hvclock.errors import StuckError
from pytest_hvclock.model.guest import State
from pytest_hvclock.running.looks import (
    CALLS_ARE_SEEN,
    Lookout,
    Standstill,
    frames_of_others,
    own_threads,
    where,
    where_tasks_are,
)
from pytest_hvclock.units import NS_PER_S, NS_PER_TICK

if TYPE_CHECKING:
    from pytest_hvclock.model.guest import Guest

_LOOKS, _BLIND_LOOKS = 4, 40
"""How often in a row a thread must be found unmoved before it is taken for waiting: where its system call can be told,
and where it cannot, so that it may just as well be short of processor time."""
_FIRST_LOOK_S, _LAST_LOOK_S = 0.001, 0.02
IO_GRACE_NS = 20_000_000
"""How long, in real time, a peer outside the guest is given before the guest's time passes over a wait for it."""
_STRANGERS_S = 5.0
"""How long, in real seconds, child processes and threads outside the guest have to wake one of the guest's before time
passes over them, or before all count as stuck."""

_real_wait = threading.Condition.wait
_real_start = threading.Thread.start
_real_join = threading.Thread.join
_real_bootstrap: Callable[[threading.Thread], None] = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]
_real_monotonic = time.monotonic
real_monotonic_ns = time.monotonic_ns
_real_sleep = time.sleep


class Waiter:
    """One waiting thread, also standing in for the lock that ``Condition.notify`` releases."""

    __slots__ = (
        "coordinator",
        "deadline_ns",
        "failures",
        "lock",
        "look",
        "notified",
        "nudge",
        "order",
        "tasks",
        "thread",
        "woken",
    )

    def __init__(self, coordinator: Coordinator) -> None:
        """Make a waiter for the calling thread, which does not wait yet."""
        self.coordinator = coordinator
        self.lock: LockType = allocate_lock()
        self.lock.acquire()
        self.thread = get_ident()
        self.deadline_ns: int | None = None
        self.order = 0
        self.woken = self.notified = False
        self.failures: list[BaseException] = []
        """What is to come out of the wait, until it does: an exception must not hold itself."""
        self.look: Callable[[float], bool] | None = None
        """Waits so many real seconds for the world outside; returns whether that has ended the wait."""
        self.nudge: Callable[[], None] | None = None
        """Ends ``look`` early, when the wait is over."""
        self.tasks: Callable[[], Iterable[tuple[str, Any]]] | None = None
        """Returns the tasks of an event loop that waits, each by its name, with its coroutine."""

    def rest(self, seconds: float) -> bool:
        """Wait so many real seconds to be woken; returns whether that has happened."""
        return self.lock.acquire(timeout=seconds)

    def release(self) -> None:
        """Wake the thread: what ``Condition.notify`` calls."""
        self.coordinator.wake(self)

    def try_wake(self) -> bool:
        """Wake the thread, unless something else has done so; returns whether it was this."""
        try:
            self.coordinator.wake(self)
        except RuntimeError:
            return False
        return True


class Coordinator:
    """Knows the threads of one running guest, and lets its time pass when none of them can run."""

    def __init__(self, guest: Guest, io_grace_ns: int, overtaken: dict[str, None]) -> None:
        """Begin with the calling thread as the only one of the guest's.

        ``overtaken`` takes the waits for the world outside that time has passed over, each once, in words.
        """
        self._guest = guest
        self.io_grace_s = io_grace_ns / NS_PER_S
        self._overtaken = overtaken
        self._mutex = RLock()
        self.owner = get_ident()
        self.threads: dict[int, threading.Thread] = {self.owner: threading.current_thread()}
        self._waiting: dict[Waiter, None] = {}
        self._joining: list[tuple[threading.Thread, Waiter]] = []
        self._born: set[threading.Thread] = set()
        self._entered = 0
        self._driver: int | None = None
        self._looker: int | None = None
        self._lookout = Lookout()
        self._seen: Standstill | None = None
        self._past: dict[int, int] = {}
        self.closed = False
        self.suspended = False
        self.tell: Callable[[int | None], None] = _nobody
        """Hears of every wait of a thread of the guest: for so many nanoseconds, or without a timeout."""

    # ------------------------------------------------------------------------------------------- waiting

    def owns(self, thread: int) -> bool:
        """Whether this is the identifier of one of the guest's threads."""
        return thread in self.threads

    def now_ns(self) -> int:
        """Read the guest's CLOCK_MONOTONIC, which every deadline is on."""
        return self._guest_monotonic_ns()

    def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds of the guest's monotonic clock."""
        duration_ns = nanoseconds(seconds)
        if duration_ns < 0:
            raise ValueError("sleep length must be non-negative")
        if duration_ns == 0:
            _real_sleep(0)
        self.wait(Waiter(self), duration_ns)

    def wait(self, waiter: Waiter, duration_ns: int | None) -> bool:
        """Wait until ``waiter`` is woken, for so long, or until its ``look`` says so; returns whether it was woken."""
        self._unlock()
        self.tell(duration_ns)
        if duration_ns is not None:
            now_ns = self._guest.monotonic_ns
            if duration_ns <= 0:
                if self._past.get(waiter.thread) != now_ns:
                    self._past[waiter.thread] = now_ns
                    return waiter.notified
                duration_ns = NS_PER_TICK  # again, at the same instant: or a loop would wait for its deadline for ever
            waiter.deadline_ns = now_ns + duration_ns
            if self._alone(waiter, waiter.deadline_ns):
                return waiter.notified
        if self._driver == waiter.thread:
            self._driver = None  # a planned action waits: time passes for it as for everybody
        try:
            with self._mutex:
                if waiter.notified:
                    return True
                self._entered += 1
                waiter.order = self._entered
                self._waiting[waiter] = None
            self._drive()
            self._block(waiter)
        finally:
            self._withdraw(waiter)
        if waiter.failures:
            raise waiter.failures.pop()
        return waiter.notified

    def _unlock(self) -> None:
        """Release what this thread has locked, although nothing is locked where it may wait.

        From Python 3.14 on a signal may raise an exception when a ``with`` has locked and its block has not begun.
        """
        locks: tuple[Any, ...] = (self._mutex, self._guest.host._lock)
        for lock in locks:
            while lock._is_owned():
                lock.release()

    def wake(self, waiter: Waiter) -> None:
        """Let a waiting thread run again; it counts as running from this moment."""
        with self._mutex:
            if waiter.woken:
                raise RuntimeError("release unlocked lock")
            waiter.notified = True
            self._release(waiter)

    def _asleep(self) -> list[Waiter]:
        """Return those who wait, oldest first."""
        return [waiter for waiter in tuple(self._waiting) if not waiter.woken]

    def _can_run(self) -> int:
        """Return how many threads of the guest do not wait; the mutex is held."""
        waiting = {waiter.thread for waiter in self._asleep()}
        return len(self.threads) + len(self._born) - len(waiting)

    def _alone(self, waiter: Waiter, deadline_ns: int) -> bool:
        """Let time pass for the only thread of the guest.

        Returns whether the wait is over; if not, the guest has got more threads meanwhile.
        """
        while self._driver is None and len(self.threads) == 1 and not self._born and not self._waiting:
            self._guest._pass_until(deadline_ns)
            if waiter.notified or self._guest_monotonic_ns() >= deadline_ns:
                return True
        return False

    def _guest_monotonic_ns(self) -> int:
        """Read the guest's clock; one that is off has none, and nothing is ever reached on it."""
        return -1 if self._guest._state is State.OFF else self._guest.monotonic_ns

    def _release(self, waiter: Waiter) -> None:
        """Let a waiter go, for whatever reason; the mutex is held."""
        if waiter.woken:
            return
        waiter.woken = True
        waiter.lock.release()
        if waiter.nudge is not None:
            waiter.nudge()

    def _withdraw(self, waiter: Waiter) -> None:
        """Make sure, whatever has happened, that this thread counts as running."""
        with self._mutex:
            self._waiting.pop(waiter, None)

    # ------------------------------------------------------------------------------------------- time

    def _drive(self, *, force: bool = False) -> None:
        """Let time pass as long as no thread of the guest can run.

        ``force`` says that those counted as running have been found waiting for something unseen.
        """
        try:
            while self._take_the_wheel(force=force):
                earliest = self._earliest()
                self._pass_time(earliest)
                self._arrive(earliest)
                self._leave_the_wheel()
                if force:
                    return
        except BaseException as failure:
            self._leave_the_wheel()
            if not self._hand_over(failure):
                raise
        finally:
            self._leave_the_wheel()

    def _take_the_wheel(self, *, force: bool) -> bool:
        """Become the one thread that lets time pass, if time is to pass."""
        with self._mutex:
            if self._driver is not None or self.closed or self.suspended or (self._can_run() and not force):
                return False
            if not self._asleep():
                return False
            if self._earliest() is None and self._guest.host._next_planned_ns() is None:
                outside = any(waiter.look is not None for waiter in self._asleep())
                if outside or force or self._strangers() > 0:
                    return False
            self._driver = get_ident()
            return True

    def _leave_the_wheel(self) -> None:
        """Let others let time pass, if it is this thread that did."""
        if self._driver == get_ident():
            self._driver = None

    def _earliest(self) -> Waiter | None:
        """Return the waiter whose deadline comes first."""
        timed = [waiter for waiter in self._asleep() if waiter.deadline_ns is not None]
        return min(timed, key=lambda waiter: (waiter.deadline_ns, waiter.order), default=None)

    def _pass_time(self, earliest: Waiter | None) -> None:
        """Let true time pass to a deadline, or to the next planned action if that comes first.

        Raises:
            StuckError: if there is neither.
        """
        planned_ns = self._guest.host._next_planned_ns()
        if earliest is not None and earliest.deadline_ns is not None:
            self._guest._pass_until(earliest.deadline_ns)
        elif planned_ns is not None:
            self._guest.host._advance_to(planned_ns)
        else:
            raise StuckError(self._describe())

    def _arrive(self, earliest: Waiter | None) -> None:
        """Wake a waiter whose deadline has been reached."""
        with self._mutex:
            deadline_ns = earliest.deadline_ns if earliest is not None else None
            if earliest is not None and deadline_ns is not None and self._guest_monotonic_ns() >= deadline_ns:
                self._release(earliest)

    def _hand_over(self, failure: BaseException) -> bool:
        """Let an exception come out of the wait that it interrupted: the owner's if it waits, else the caller's.

        Returns whether one of them does.
        """
        with self._mutex:
            mine = [waiter for waiter in self._asleep() if waiter.thread == self.owner] or [
                waiter for waiter in self._asleep() if waiter.thread == get_ident()
            ]
            if mine:
                mine[-1].failures.append(failure)
                self._release(mine[-1])
        return bool(mine)

    def _block(self, waiter: Waiter) -> None:
        """Really wait until somebody wakes this thread, looking now and then at those who should."""
        pause_s, since_s = _FIRST_LOOK_S, _real_monotonic()
        before: Standstill | None = None
        looks, same_since_s = 0, since_s
        if self._seen is None and (waiter.look or waiter.rest)(pause_s):
            return
        while not waiter.woken:
            if self.closed:
                self._wait_for_real(waiter)
                return
            if not self.suspended and self._looker is None:
                self._looker = waiter.thread
                try:
                    now = self._look(closely=pause_s == _LAST_LOOK_S)
                    if now is None or now != before:
                        looks, same_since_s = 0, _real_monotonic()
                    before, looks = now, looks + 1
                    if now is not None and (now == self._seen or self._long_enough(now, looks, same_since_s)):
                        self._pass_over(now)
                    if _real_monotonic() - since_s > _STRANGERS_S:
                        self._give_up(now)
                finally:
                    self._looker = None
            if waiter.woken or (waiter.look or waiter.rest)(pause_s):
                return
            pause_s = min(pause_s * 2, _LAST_LOOK_S)

    def _long_enough(self, now: Standstill, looks: int, same_since_s: float) -> bool:
        """Whether threads that have not moved for so many looks are to be taken for waiting."""
        if looks <= (_LOOKS if CALLS_ARE_SEEN else _BLIND_LOOKS):
            return False
        grace_s = max(self.grace_s(child=now.child), 2 * sys.getswitchinterval()) if now.outside else 0
        return _real_monotonic() - same_since_s >= grace_s

    def grace_s(self, *, child: bool) -> float:
        """Return how many real seconds a wait for the world outside is given, for a child process or for others."""
        return max(self.io_grace_s, _STRANGERS_S) if child else self.io_grace_s

    def _pass_over(self, now: Standstill) -> None:
        """Let time pass although there are threads that may be woken from outside, and name these."""
        if self._earliest() is None and self._guest.host._next_planned_ns() is None:
            return
        if any(ident not in self.threads for ident in now.places):
            return  # one has ended since, and may have done something before
        self._seen = now if CALLS_ARE_SEEN and not now.polling else None
        for ident in now.outside:
            self.overtake(f"{self.name(ident)} at {where(ident)}")
        self._looker = None  # a planned action may wait in its turn
        self._drive(force=True)

    def overtake(self, what: str) -> None:
        """Note, once, a wait for the world outside that the guest's time passes over."""
        self._overtaken.setdefault(what)

    def _give_up(self, now: Standstill | None) -> None:
        """Report that nobody can wake anybody, unless a deadline or a plan is left, or somebody runs."""
        with self._mutex:
            hopeful = (self._can_run() and (now is None or now.outside)) or any(
                waiter.deadline_ns is not None or waiter.look is not None for waiter in self._asleep()
            )
        if not hopeful and self._guest.host._next_planned_ns() is None:
            self._hand_over(StuckError(self._describe()))

    def _look(self, *, closely: bool) -> Standstill | None:
        """Return where each thread that counts as running stands, or None if one of them is seen to do something.

        ``closely`` finds out who polls as well; it is worth it when the wait has taken a while.
        """
        with self._mutex:
            waiting = {waiter.thread for waiter in self._asleep()}
            if not self._can_run() or self._born:  # nobody to look at, or somebody who is only about to begin
                return None
            running = {ident: thread for ident, thread in self.threads.items() if ident not in waiting}
        return self._lookout.look(running, closely=closely)

    def _strangers(self) -> int:
        """Count the live threads that are neither the guest's nor the kit's."""
        return sum(ident not in self.threads and ident not in own_threads for ident in frames_of_others())

    def _describe(self) -> str:
        """Say that all wait, and where each does."""
        lines = ["every thread of the guest waits, and none has a deadline:"]
        tasks = {waiter.thread: waiter.tasks for waiter in self._asleep() if waiter.tasks is not None}
        for ident in list(self.threads):
            lines.append(f"  {self.name(ident)} at {where(ident)}")
            lines += [f"    {line}" for line in where_tasks_are(tasks[ident]() if ident in tasks else ())]
        return "\n".join(lines)

    def name(self, ident: int) -> str:
        """Return what to call a thread of the guest in a message."""
        if ident == self.owner:
            return "the test's own thread"
        thread = self.threads.get(ident)
        return thread.name if thread is not None else "a thread that has just ended"

    def _wait_for_real(self, waiter: Waiter) -> None:
        """Go on waiting after the guest is gone: what is left of the wait takes real time."""
        if waiter.deadline_ns is None:
            waiter.lock.acquire()
            return
        left_ns = waiter.deadline_ns - self._guest_monotonic_ns()
        waiter.lock.acquire(timeout=max(left_ns / NS_PER_S, 0))

    # ------------------------------------------------------------------------------------------- threads

    def start(self, thread: threading.Thread) -> None:
        """Start a thread of the guest; it counts as running before it does."""
        try:
            self._born.add(thread)
            _real_start(thread)
        except BaseException:
            self._born.discard(thread)
            raise

    def live(self, thread: threading.Thread) -> None:
        """Run a thread of the guest to its end, in that thread."""
        with self._mutex:
            self._born.discard(thread)
            self.threads[get_ident()] = thread
        try:
            _real_bootstrap(thread)
        finally:
            ended = Waiter(self)  # it cannot run any more, but whatever it still does, it does on the guest
            with self._mutex:
                self._waiting[ended] = None
                self._release_joiners(thread)
            try:
                self._drive()
            finally:
                with self._mutex:
                    self.threads.pop(get_ident(), None)
                    self._past.pop(get_ident(), None)
                    self._lookout.forget(get_ident())
                    self._waiting.pop(ended, None)
                    self._release_joiners(thread)

    def _release_joiners(self, thread: threading.Thread) -> None:
        """Let those go who wait for a thread that has ended; the mutex is held."""
        for joined, waiter in self._joining:
            if joined is thread:
                waiter.notified = True
                self._release(waiter)

    def join(self, thread: threading.Thread, timeout: float | None) -> bool:
        """Wait for a thread of the guest to end; returns whether it has."""
        waiter = Waiter(self)
        with self._mutex:
            if not self.knows(thread):
                return True
            self._joining.append((thread, waiter))
        try:
            return self.wait(waiter, None if timeout is None else max(nanoseconds(timeout), 0))
        finally:
            with self._mutex:
                self._joining.remove((thread, waiter))

    def knows(self, thread: threading.Thread) -> bool:
        """Whether this is a thread of the guest that has not ended."""
        return thread in self._born or (thread in self.threads.values() and thread is not self.threads.get(self.owner))

    # ------------------------------------------------------------------------------------------- in place

    def install(self) -> None:
        """Let the threads of the guest wait here."""
        _current[:] = [self]
        threading.Condition.wait = _wait  # type: ignore[method-assign, assignment]
        threading.Thread.start = _start  # type: ignore[method-assign, assignment]
        threading.Thread.join = _join  # type: ignore[method-assign, assignment]
        threading.Thread._bootstrap_inner = _bootstrap_inner  # type: ignore[attr-defined]
        self.suspended = False

    def remove(self) -> None:
        """Let everybody wait for real again; threads that wait here stay where they are until the guest goes on."""
        self.suspended = True
        threading.Condition.wait = _real_wait  # type: ignore[method-assign]
        threading.Thread.start = _real_start  # type: ignore[method-assign]
        threading.Thread.join = _real_join  # type: ignore[method-assign]
        threading.Thread._bootstrap_inner = _real_bootstrap  # type: ignore[attr-defined]
        _current.clear()

    def close(self) -> None:
        """The guest is gone: whoever still waits here goes on for real."""
        self._unlock()
        self.closed = True

    def forked(self) -> None:
        """Go on in the child of a fork, where only the calling thread has survived."""
        self._mutex, self._driver, self._looker = RLock(), None, None
        self._guest.host._after_fork()
        self.owner = get_ident()
        own_threads.clear()
        self._lookout = Lookout()
        self.threads = {self.owner: threading.current_thread()}
        self._waiting, self._joining, self._born, self._past = {}, [], set(), {}


_current: list[Coordinator] = []
"""The coordinator of the running guest, if there is one."""


def _nobody(_: int | None) -> None:
    return


def coordinator_of_this_thread() -> Coordinator | None:
    """Return the coordinator, if the calling thread is one of its guest's."""
    coordinator = _current[0] if _current else None
    return coordinator if coordinator is not None and get_ident() in coordinator.threads else None


def _wait(condition: threading.Condition, timeout: float | None = None) -> bool:
    """Wait until notified or until a timeout of guest time; stands in for ``Condition.wait``."""
    coordinator = coordinator_of_this_thread()
    if coordinator is None:
        return _real_wait(condition, timeout)
    inner: Any = condition
    if not inner._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    duration_ns = None if timeout is None else nanoseconds(timeout) if timeout > 0 else 0
    waiter = Waiter(coordinator)
    inner._waiters.append(waiter)
    saved_state = inner._release_save()
    notified = False
    try:
        notified = coordinator.wait(waiter, duration_ns)
        return notified
    finally:
        inner._acquire_restore(saved_state)
        if not notified and waiter in inner._waiters:
            inner._waiters.remove(waiter)


def _start(thread: threading.Thread) -> None:
    """Start a thread; one started by a thread of the guest is a thread of the guest."""
    coordinator = coordinator_of_this_thread()
    if coordinator is None or getattr(thread, "_started", None) is None or thread._started.is_set():  # type: ignore[attr-defined]
        _real_start(thread)
    else:
        coordinator.start(thread)


def _bootstrap_inner(thread: threading.Thread) -> None:
    """Run a thread, on its guest if it has one."""
    coordinator = _current[0] if _current else None
    if coordinator is not None and thread in coordinator._born:
        coordinator.live(thread)
    else:
        _real_bootstrap(thread)


def _join(thread: threading.Thread, timeout: float | None = None) -> None:
    """Wait for a thread to end; stands in for ``Thread.join``."""
    coordinator = coordinator_of_this_thread()
    if coordinator is None or thread is threading.current_thread() or not coordinator.knows(thread):
        _real_join(thread, timeout)
    elif coordinator.join(thread, timeout):
        _real_join(thread)


def nanoseconds(seconds: float) -> int:
    """Convert a timeout as CPython does: to nanoseconds, away from zero (``_PyTime_ROUND_TIMEOUT``)."""
    kind = type(seconds)
    if sys.version_info >= (3, 15) and hasattr(kind, "__float__") and not hasattr(kind, "__index__"):
        seconds = float(seconds)  # any real number will do there, such as a Fraction
    try:
        exact = seconds if isinstance(seconds, float) else operator.index(seconds)
    except TypeError:
        _real_sleep(seconds)  # refuses it too, in the words of this version of Python
        raise
    if math.isnan(exact):
        raise ValueError("Invalid value NaN (not a number)")
    scaled = exact * NS_PER_S
    if not -(2**63) <= scaled < 2**63:
        raise OverflowError("timestamp too large to convert to C PyTime_t")
    return math.ceil(scaled) if scaled > 0 else math.floor(scaled)


def _after_fork() -> None:
    if _current:
        _current[0].forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
