"""Locks made while a guest runs in stepped pace: waiting for one is a wait of the guest's.

They behave as the built-in ones do, before, on and after the guest. What they add is that a thread of the guest that
has to wait is known to wait, so that time can pass for the thread that holds the lock, and a timeout is guest time.
"""

from __future__ import annotations

import queue
import threading
from _thread import LockType, allocate_lock
from collections import deque
from types import ModuleType, TracebackType
from typing import Any

from pytest_hvclock.running.waits import Coordinator, Waiter, coordinator_of_this_thread, nanoseconds
from pytest_hvclock.units import NS_PER_S

_PyRLock: Any = threading._PyRLock  # type: ignore[attr-defined]


class GuestLock:
    """Stands in for ``threading.Lock``."""

    __slots__ = ("__weakref__", "_lock", "_waiters")

    def __init__(self) -> None:
        """Make an unlocked lock."""
        self._lock: LockType = allocate_lock()
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
            return self._lock.acquire(blocking, timeout)
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        return self._wait(coordinator, None if timeout == -1 else nanoseconds(timeout))

    def release(self) -> None:
        """Unlock it, and let the thread that has waited longest try."""
        self._lock.release()
        while self._waiters:
            waiter = self._waiters.popleft()
            if waiter.try_wake():
                return

    def locked(self) -> bool:
        """Whether it is locked."""
        return self._lock.locked()

    __enter__ = acquire

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Unlock it."""
        self.release()

    def __repr__(self) -> str:
        """Show whether it is locked, as the built-in does."""
        return f"<{'locked' if self.locked() else 'unlocked'} {type(self).__name__} at {id(self):#x}>"

    def _at_fork_reinit(self) -> None:
        """Begin anew in the child of a fork."""
        self.__init__()  # type: ignore[misc]

    def _wait(self, coordinator: Coordinator, duration_ns: int | None) -> bool:
        """Wait on the guest's clock until the lock is free."""
        deadline_ns = None if duration_ns is None else coordinator.now_ns() + duration_ns
        while True:
            waiter = Waiter(coordinator)
            self._waiters.append(waiter)
            if self._lock.acquire(blocking=False):
                self._forget(waiter)
                return True
            left_ns = None if deadline_ns is None else deadline_ns - coordinator.now_ns()
            try:
                notified = coordinator.wait(waiter, left_ns)
            finally:
                self._forget(waiter)
            if self._lock.acquire(blocking=False):
                return True
            if coordinator.closed:
                left_s = -1.0 if deadline_ns is None else max(deadline_ns - coordinator.now_ns(), 0) / NS_PER_S
                return self._lock.acquire(timeout=left_s)
            if not notified and deadline_ns is not None and coordinator.now_ns() >= deadline_ns:
                return False

    def _forget(self, waiter: Waiter) -> None:
        """Take a waiter that waits no more out of the queue."""
        try:
            self._waiters.remove(waiter)
        except ValueError:
            return


class GuestRLock(_PyRLock):  # type: ignore[misc]  # CPython's own in Python, on a lock of ours
    """Stands in for ``threading.RLock``."""

    def __init__(self) -> None:
        """Make an unlocked lock."""
        super().__init__()
        self._block = GuestLock()


LOCKS: tuple[tuple[ModuleType, str, Any], ...] = (
    (threading, "Lock", GuestLock),
    (threading, "RLock", GuestRLock),
    (queue, "SimpleQueue", queue._PySimpleQueue),  # type: ignore[attr-defined]
)
"""What is put in place of what, while a guest runs in stepped pace."""
