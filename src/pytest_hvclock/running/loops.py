"""asyncio in stepped pace: an idle event loop of the guest lets the guest's time pass.

The loop's own clock is continuous. A loop that was there before the guest goes on from where it was, so that no timer
fires at once or sleeps for decades; when the guest is left it goes on from where the guest has brought it. Only loops
that run in a thread of the guest are touched, and ``selectors`` itself never is.
"""

from __future__ import annotations

import weakref
from _thread import get_ident
from collections.abc import Callable, Iterable, Mapping
from selectors import BaseSelector
from typing import TYPE_CHECKING, Any, cast

from pytest_hvclock.running.waits import Coordinator, Waiter, nanoseconds, real_monotonic_ns
from pytest_hvclock.units import NS_PER_S

if TYPE_CHECKING:
    from asyncio import BaseEventLoop
    from selectors import SelectorKey

Method = Callable[..., Any]
MakeSelector = Callable[[Any, Any], "GuestSelector"]

_OFFSET = "_hvclock_offset_ns"
"""Where a loop keeps how far its clock is ahead of the monotonic clock that it is counted on."""


_carried: weakref.WeakSet[Any] = weakref.WeakSet()
"""Loops that have been in a guest, and count in real time since."""


class Loops:
    """The event loops of one guest, from ``install`` to ``remove``."""

    def __init__(self, owns: Callable[[int], bool], wait_by: MakeSelector, guest_ns: Callable[[], int]) -> None:
        """Let the loops of some threads wait by other selectors, and count on another clock.

        Args:
            owns: whether a thread, by its identifier, is one of the guest's.
            wait_by: makes what a loop waits by, from its selector and the loop.
            guest_ns: reads the guest's CLOCK_MONOTONIC, in nanoseconds.
        """
        self._owns = owns
        self._wait_by = wait_by
        self._guest_ns = guest_ns
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()
        self._ahead_ns = 0
        self._undo: list[Callable[[], None]] = []

    def install(self) -> None:
        """Let the loops of the guest's threads count and wait on the guest."""
        from asyncio import base_events, selector_events

        base: Any = base_events.BaseEventLoop
        self._ahead_ns = real_monotonic_ns() - self._guest_ns()
        for loop in list(_carried):
            self._offset_ns(loop)
        self._replace(base, "__init__", self._making)
        self._replace(base, "time", self._timing)
        self._replace(base, "_run_once", self._running_once)
        self._replace(selector_events.BaseSelectorEventLoop, "_write_to_self", _waking)

    def _making(self, real: Method) -> Method:
        """Note the loops that are made on the guest: their clock is the guest's."""

        def init(loop: BaseEventLoop, *args: Any, **kwargs: Any) -> None:
            if self._mine():
                setattr(loop, _OFFSET, 0)
                self._known.add(loop)
            real(loop, *args, **kwargs)

        return init

    def _timing(self, real: Method) -> Method:
        """Count a loop's time on the guest."""

        def time(loop: BaseEventLoop) -> float:
            if not self._mine():
                return float(real(loop))
            return (self._guest_ns() + self._offset_ns(loop)) / NS_PER_S

        return time

    def _running_once(self, real: Method) -> Method:
        """Let a loop that runs on the guest be idle there."""

        def run_once(loop: Any) -> None:
            if self._mine() and _waits(loop):
                self._offset_ns(loop)
                loop._selector = self._wait_by(loop._selector, loop)
            real(loop)

        return run_once

    def remove(self) -> None:
        """Let every loop go on for real, from the time that it has reached."""
        while self._undo:
            self._undo.pop()()
        if not len(self._known):
            return
        for loop in list(self._known):
            if isinstance(loop._selector, GuestSelector):
                loop._selector = loop._selector.real
            if not loop.is_closed():
                _count_for_real(loop, self._guest_ns() + getattr(loop, _OFFSET))
        self._known.clear()

    def _replace(self, kind: Any, name: str, make: Callable[[Method], Method]) -> None:
        """Put what ``make`` makes of a method in its place."""
        before = cast("Method", vars(kind)[name])
        setattr(kind, name, make(before))
        self._undo.append(lambda: setattr(kind, name, before))

    def _mine(self) -> bool:
        return self._owns(get_ident())

    def _offset_ns(self, loop: Any) -> int:
        """Return how far a loop's clock is ahead of the guest's; one that was there before goes on where it was."""
        if loop not in self._known:
            attributes = cast("dict[str, Any]", vars(loop))
            before_ns = attributes.pop(_OFFSET, 0)
            attributes.pop("time", None)
            _carried.discard(loop)
            setattr(loop, _OFFSET, before_ns + self._ahead_ns)
            self._known.add(loop)
        offset_ns: int = getattr(loop, _OFFSET)
        return offset_ns


def _waits(loop: Any) -> bool:
    """Whether a loop waits by something real: a test may have given it a stand-in, which only answers."""
    selector = loop._selector
    return isinstance(selector, BaseSelector) or selector is getattr(loop, "_proactor", None)


def _waking(real: Method) -> Method:
    """Let an idle loop run as soon as another thread has given it something to do."""

    def write_to_self(loop: Any) -> None:
        real(loop)
        if isinstance(loop._selector, IdleSelector):
            loop._selector.wake()

    return write_to_self


class Idle:
    """What an event loop does where it has nothing to do: it lets the guest's time pass until there is something."""

    def __init__(self, coordinator: Coordinator, tasks: Callable[[], Iterable[tuple[str, Any]]]) -> None:
        """Wait on ``coordinator``; ``tasks`` returns the loop's tasks, each by its name, with its coroutine."""
        self._coordinator = coordinator
        self._tasks = tasks
        self._waiter: Waiter | None = None
        self._fresh: object = None

    def wake(self) -> None:
        """Let the loop run: another thread has given it something to do."""
        waiter = self._waiter
        if waiter is not None and not waiter.woken:
            waiter.try_wake()

    def wait(
        self,
        poll: Callable[[float], Any],
        timeout: float | None,
        outside: Mapping[int, str],
        nudge: Callable[[], None],
        *,
        child: bool = False,
    ) -> Any:
        """Return the events that ``poll`` finds; if there are none, let guest time pass until there are some.

        Args:
            poll: waits so many real seconds for events, and returns them.
            timeout: for how many seconds of the guest's, or None for as long as it takes.
            outside: what somebody outside the loop may make ready, by its file descriptor, in words. It is given real
                time, once, and again after each event.
            nudge: ends ``poll`` from another thread.
            child: whether a child process may be what is waited for.
        """
        coordinator = self._coordinator
        waiter = self._waiter = Waiter(coordinator)
        waiter.tasks = self._tasks
        try:
            events = poll(0)
            if events or (timeout is not None and timeout <= 0):
                self._fresh = None if events else self._fresh
                return events
            if outside and self._fresh != tuple(outside):
                grace_s = coordinator.grace_s(child=child)
                events = poll(grace_s if timeout is None else min(grace_s, timeout))
                if events:
                    return events
                self._fresh = tuple(outside)

            def look(seconds: float) -> bool:
                nonlocal events
                events = poll(seconds)
                return bool(events) or waiter.woken

            if outside:
                waiter.look, waiter.nudge = look, nudge
            woken = coordinator.wait(waiter, None if timeout is None else max(nanoseconds(timeout), 1))
            if not woken and not events:
                for what in outside.values():
                    coordinator.overtake(what)
            return events or poll(0)
        finally:
            self._waiter = None


class GuestSelector:
    """What a loop waits by on the guest, in place of its own selector."""

    def __init__(self, real: Any, loop: Any) -> None:
        """Stand before ``real``."""
        self.real = real
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        """Be the real selector in everything else."""
        return getattr(self.real, name)

    def _outside(self) -> dict[int, Any]:
        """Return what is called when somebody outside the loop makes a file descriptor ready, or sends a signal."""
        own = getattr(self._loop, "_ssock", None)
        own_fd = own.fileno() if own is not None else -1
        keys: Mapping[Any, Any] | None = self.real.get_map() if hasattr(self.real, "get_map") else None
        handles: dict[int, Any] = {
            key.fd: key.data[0] or key.data[1] for key in (keys or {}).values() if key.fd != own_fd
        }
        for number, handle in getattr(self._loop, "_signal_handlers", {}).items():
            handles[-number] = handle
        return {fd: getattr(handle, "_callback", None) for fd, handle in handles.items()}


class IdleSelector(GuestSelector):
    """A loop's selector, which lets the guest's time pass where it would wait."""

    def __init__(self, coordinator: Coordinator, real: Any, loop: Any) -> None:
        """Stand before ``real``."""
        super().__init__(real, loop)
        self._coordinator = coordinator
        self._idle = Idle(coordinator, self._tasks)
        self.wake = self._idle.wake

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Return what is ready; if nothing is, let the guest's time pass until something is, or for ``timeout``."""
        if get_ident() not in self._coordinator.threads:
            return list(self.real.select(timeout))
        callbacks = self._outside() if timeout is None or timeout > 0 else {}
        return list(
            self._idle.wait(
                self.real.select,
                timeout,
                {fd: self._describe(callback) for fd, callback in callbacks.items()},
                self._loop._write_to_self,
                child=any(map(_is_child, callbacks.values())),
            )
        )

    def _tasks(self) -> list[tuple[str, Any]]:
        """Return the loop's tasks, each by its name, with its coroutine."""
        from asyncio import all_tasks

        return [(task.get_name(), task.get_coro()) for task in all_tasks(self._loop)]

    def _describe(self, callback: Any) -> str:
        """Say what an event loop waits for, by the object that is called when it comes."""
        owner = getattr(callback, "__self__", callback)
        what = "a listening socket" if owner is self._loop else repr(owner)
        return f"an event loop of {self._coordinator.name(get_ident())}, for {what}"


def _is_child(callback: Any) -> bool:
    """Whether this is called when a child process has ended."""
    return "ChildWatcher" in getattr(callback, "__qualname__", "")


def _count_for_real(loop: Any, loop_ns: int) -> None:
    """Let a loop's clock go on in real time from ``loop_ns``."""
    offset_ns = loop_ns - real_monotonic_ns()
    setattr(loop, _OFFSET, offset_ns)
    _carried.add(loop)
    loop.time = lambda: (real_monotonic_ns() + offset_ns) / NS_PER_S
