"""Locks made while a guest runs in stepped pace: waiting for one is a wait of the guest's.

They behave as the built-in ones do, before, on and after the guest. What they add is that a thread of the guest that
has to wait is known to wait, so that time can pass for the thread that holds the lock, and a timeout is guest time.
"""

from __future__ import annotations

import queue
import threading
from _thread import RLock, allocate_lock
from collections import deque
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any

from pytest_hvclock.running.waits import Coordinator, Waiter, coordinator_of_this_thread, nanoseconds
from pytest_hvclock.units import NS_PER_S


class GuestLock:
    """Stands in for ``threading.Lock``."""

    __slots__ = ("__weakref__", "_lock", "_waiters")

    _make: Callable[[], Any] = staticmethod(allocate_lock)

    def __init__(self) -> None:
        """Make an unlocked lock."""
        self._lock = self._make()
        self._waiters: deque[Waiter] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002  (as the built-in)
        """Lock it, waiting as long as needed or for ``timeout`` seconds of guest time."""
        if self._lock.acquire(blocking=False):
            if timeout != -1 and not blocking:
                self._lock.release()
                raise ValueError("can't specify a timeout for a non-blocking call")
            return True
        coordinator = coordinator_of_this_thread() if blocking else None
        if coordinator is None:
            return bool(self._lock.acquire(blocking, timeout))
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        return self._wait(coordinator, None if timeout == -1 else nanoseconds(timeout))

    def release(self) -> None:
        """Unlock it, and let the thread that has waited longest try."""
        self._lock.release()
        self._wake_next()

    def locked(self) -> bool:
        """Whether it is locked."""
        return bool(self._lock.locked())

    __enter__ = acquire

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Unlock it."""
        self.release()

    def __repr__(self) -> str:
        """Show whether it is locked, as the built-in does."""
        return f"{repr(self._lock).split()[0]} {type(self).__name__} at {id(self):#x}>"

    def _at_fork_reinit(self) -> None:
        """Begin anew in the child of a fork."""
        self.__init__()  # type: ignore[misc]

    def _wait(self, coordinator: Coordinator, duration_ns: int | None) -> bool:
        """Wait on the guest's clock until the lock is free."""
        deadline_ns = None if duration_ns is None else coordinator.now_ns() + duration_ns
        while True:
            waiter = Waiter(coordinator)
            try:
                self._waiters.append(waiter)
                if self._lock.acquire(blocking=False):
                    return True
                left_ns = None if deadline_ns is None else deadline_ns - coordinator.now_ns()
                notified = coordinator.wait(waiter, left_ns)
                if self._lock.acquire(blocking=False):
                    return True
            except BaseException:
                if waiter.notified:
                    self._wake_next()  # it was this thread's turn, and it does not take it
                raise
            finally:
                self._forget(waiter)
            if coordinator.closed:
                left_s = -1.0 if deadline_ns is None else max(deadline_ns - coordinator.now_ns(), 0) / NS_PER_S
                return bool(self._lock.acquire(timeout=left_s))
            if not notified and deadline_ns is not None and coordinator.now_ns() >= deadline_ns:
                return False

    def _wake_next(self) -> None:
        """Let the thread that has waited longest try."""
        while self._waiters:
            if self._waiters.popleft().try_wake():
                return

    def _forget(self, waiter: Waiter) -> None:
        """Take a waiter that waits no more out of the queue."""
        try:
            self._waiters.remove(waiter)
        except ValueError:
            return


class GuestRLock(GuestLock):
    """Stands in for ``threading.RLock``."""

    __slots__ = ()
    _make = RLock

    def _is_owned(self) -> bool:
        """Whether the calling thread has locked it; this and the rest is what the standard library asks for."""
        return bool(self._lock._is_owned())

    def _recursion_count(self) -> int:
        """Return how often the calling thread has locked it."""
        return int(self._lock._recursion_count())

    def _release_save(self) -> tuple[int, int]:
        """Unlock it altogether; returns what ``_acquire_restore`` needs."""
        state: tuple[int, int] = self._lock._release_save()
        self._wake_next()
        return state

    def _acquire_restore(self, state: tuple[int, int]) -> None:
        """Lock it as often as it was."""
        for _ in range(state[0]):
            self.acquire()


LOCKS: tuple[tuple[ModuleType, str, Any], ...] = (
    (threading, "Lock", GuestLock),
    (threading, "RLock", GuestRLock),
    (queue, "SimpleQueue", vars(queue)["_PySimpleQueue"]),
)
"""What is put in place of what, while a guest runs in stepped pace."""
