"""trio in stepped pace: a run of trio's that is idle lets the guest's time pass.

trio's own clock counts ``perf_counter``, which is the guest's already. What is left is the wait of an idle run, in
``get_events`` of its I/O manager, which takes real time; here it becomes a wait of the guest's. The worker threads that
trio keeps from run to run are put aside, because those from before the guest are not threads of the guest.
"""

from __future__ import annotations

import math
import sys
from _thread import get_ident
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

from pytest_hvclock.running.locks import GuestLock
from pytest_hvclock.running.loops import Idle
from pytest_hvclock.running.undo import Undo
from pytest_hvclock.running.waits import Coordinator

RUN = "trio._core._run"
"""The module that is looked for: once it is there, so is everything that is touched here."""


class TrioRuns:
    """The runs of trio on one guest, from ``install`` to ``remove``."""

    def __init__(self, coordinator: Coordinator) -> None:
        """Wait on ``coordinator``."""
        self._coordinator = coordinator
        self._idle: dict[Any, Idle] = {}
        self._undo = Undo()

    def install(self) -> None:
        """Let idle runs in the guest's threads wait on the guest."""
        run, threads = sys.modules[RUN], sys.modules["trio._core._thread_cache"]
        wakeup: Any = sys.modules["trio._core._wakeup_socketpair"]
        manager: Any = getattr(run, "TheIOManager", None)
        if not hasattr(manager, "_registered") and "_registered" not in getattr(manager, "__annotations__", {}):
            return  # on Windows trio waits for real
        self._replace(manager, "get_events", self._get_events(run, manager.get_events))
        real_wake = wakeup.WakeupSocketpair.wakeup_thread_and_signal_safe

        def wake(pair: Any) -> None:
            real_wake(pair)
            for idle in list(self._idle.values()):
                idle.wake()

        self._replace(wakeup.WakeupSocketpair, "wakeup_thread_and_signal_safe", wake)
        self._replace(threads, "Lock", GuestLock)
        self._replace(threads, "IDLE_TIMEOUT", -1)  # no reason to let the guest's time pass
        before: dict[Any, None] = threads.THREAD_CACHE._idle_workers
        workers: dict[Any, None] = {}
        self._replace(threads.THREAD_CACHE, "_idle_workers", workers)
        self._undo.callback(lambda: before.update(workers))

    def remove(self) -> None:
        """Let every run wait for real."""
        self._undo.close()
        self._idle.clear()

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        self._undo.callback(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, new)

    def _get_events(self, run: ModuleType, real: Callable[[Any, float], Any]) -> Callable[[Any, float], Any]:
        def get_events(manager: Any, timeout: float) -> Any:
            coordinator = self._coordinator
            if not coordinator.owns(get_ident()) or timeout <= 0:
                return real(manager, timeout)
            runner = getattr(run.GLOBAL_RUN_CONTEXT, "runner", None)
            endless = runner is not None and runner.deadlines.next_deadline() == math.inf
            tasks = _waiting_tasks(manager, runner)
            idle = self._idle.setdefault(manager, Idle(coordinator, lambda: _tasks_from(runner and runner.main_task)))
            try:
                return idle.wait(
                    lambda seconds: real(manager, seconds),
                    None if endless else timeout,
                    {fd: f"{task.name} of trio, for file descriptor {fd}" for fd, task in tasks.items()},
                    manager.force_wakeup,
                    child=any(map(_awaits_child, tasks.values())),
                )
            except Exception as failure:
                if runner is None or not _interrupt(runner.main_task, failure):
                    raise
                return real(manager, 0)

        return get_events


def _waiting_tasks(manager: Any, runner: Any) -> dict[int, Any]:
    """Return the tasks that wait for somebody outside the run, by the file descriptor."""
    own_fd = runner.entry_queue.wakeup.wakeup_sock.fileno() if runner is not None else -1
    tasks: dict[int, Any] = {}
    for key, waiting in list(manager._registered.items()):
        fd = cast("tuple[int, int]", key)[0] if isinstance(key, tuple) else key  # as kqueue has it
        task = waiting if hasattr(waiting, "coro") else _either(waiting)
        if fd != own_fd and task is not None:
            tasks[fd] = task
    return tasks


def _tasks_from(task: Any) -> list[tuple[str, Any]]:
    """Return a task, if there is one, and all that were started below it: each by its name, with its coroutine."""
    if task is None:
        return []
    below = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return [(task.name, task.coro), *(named for child in below for named in _tasks_from(child))]


def _either(waiters: Any) -> Any:
    """Return one of the tasks that wait for a file descriptor, as epoll has them."""
    return getattr(waiters, "read_task", None) or getattr(waiters, "write_task", None)


def _awaits_child(task: Any) -> bool:
    """Whether a task is somewhere in trio's handling of child processes."""
    awaited = task.coro
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None)
        if frame is not None and frame.f_globals.get("__name__") == "trio._subprocess":
            return True
        awaited = getattr(awaited, "cr_await", None)
    return False


def _interrupt(task: Any, failure: Exception) -> bool:
    """Let an exception come out of what a run's main task waits for; returns whether it waits for anything."""

    def fail() -> None:
        raise failure

    if task is None or task._abort_func is None:
        return False
    task._attempt_abort(fail)
    return True
