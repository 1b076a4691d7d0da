"""What is seen of threads that count as running, from outside: whether they wait for something that the kit is not in.

Most such waits stand still: the thread is at the same instruction at one look after another, has had no processor time
in between, and its system call says what it waits for. A thread that *polls* moves all the time, by many short waits
with a timeout. It is told from one that computes by being found nowhere else than at the instructions at which it has
been seen in such a wait.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import time
import traceback
from _thread import get_ident, start_new_thread
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

_FUTEX = {"x86_64": 202, "aarch64": 98}
_OUTSIDE = {
    "x86_64": {0, 7, 19, 23, 35, 42, 43, 45, 47, 61, 128, 230, 232, 247, 270, 271, 281, 288, 299, 441},
    "aarch64": {22, 63, 65, 72, 73, 95, 101, 115, 137, 202, 203, 207, 212, 242, 243, 260, 441},
}
"""The system calls that wait for the world outside: read, poll, select, epoll, accept, receive, wait, sleep."""
_CHILD = {"x86_64": {61, 247}, "aarch64": {95, 260}}
"""Those of them that wait for a child process."""
_TIMEOUT = {
    "x86_64": {7: 2, 23: 4, 35: 0, 128: 2, 202: 3, 230: 2, 232: 3, 270: 4, 271: 2, 281: 3, 441: 3},
    "aarch64": {22: 3, 72: 4, 73: 2, 98: 3, 101: 0, 115: 2, 137: 2, 441: 3},
}
"""The system calls that take a timeout, and which argument it is: milliseconds, or where the length is written."""
_NO_TIMEOUT = (0, 0xFFFF_FFFF)
_LOCK_BYTES = 64
"""No lock of the C library is larger: what lies this close together belongs to one."""

_POLLING_NS = 1_000_000_000
_POLLING_LOOKS = 20
"""For how long, and at how many looks, a thread must be found nowhere but where it polls, to be known to poll."""

own_threads: set[int] = set()
"""The identifiers of the threads that the kit itself has started, and that wake nobody."""
_real_sleep = time.sleep
_real_monotonic_ns = time.monotonic_ns

Place = tuple[CodeType, int]
"""An instruction of compiled code."""


class Call(NamedTuple):
    """The system call that a thread is in."""

    kind: str
    """Whether it waits for a ``"lock"``, a ``"child"`` or else for the world ``"outside"``."""
    timeout: bool = False
    lock: int = 0
    """The lock that it waits for, if it is one."""


class Standstill(NamedTuple):
    """What was seen of the threads that count as running, all of which wait for something unseen."""

    places: dict[int, tuple[int, int, str]]
    """Where each stands: its frame, how far it is, and what the system says of the time it has run."""
    outside: tuple[int, ...] = ()
    """Those that wait for the world outside."""
    child: bool = False
    """Whether one of these waits for a child process, and is given longer."""
    polling: bool = False
    """Whether one of these polls, so that it must be given the time to, each time."""


_POLLS = (0, 0, "polls")
"""Where a thread stands that is known to poll."""


class _Habits:
    """What is known of one thread's polling."""

    def __init__(self, now_ns: int) -> None:
        self.places: set[Place] = set()
        self.since_ns = now_ns
        self.looks = 0
        self.polls = False

    def note(self, place: Place, call: Call | None, now_ns: int) -> bool:
        """Take note of where the thread is; returns whether it polls."""
        if call is not None and call.timeout and (call.lock == 0 or not _is_the_interpreters(call.lock)):
            self.places.add(place)
        if place not in self.places:
            self.since_ns, self.looks = now_ns, 0
            return False
        self.looks += 1
        self.polls = self.polls or (self.looks >= _POLLING_LOOKS and now_ns - self.since_ns >= _POLLING_NS)
        return self.polls


class Lookout:
    """Looks at the threads of one guest."""

    def __init__(self) -> None:
        """Know nothing of anybody's habits yet."""
        self._habits: dict[int, _Habits] = {}

    def forget(self, ident: int) -> None:
        """A thread has ended: its identifier may be another's soon."""
        self._habits.pop(ident, None)

    def look(self, threads: Mapping[int, threading.Thread], *, closely: bool) -> Standstill | None:
        """Return where each of these threads stands, or None if one of them is seen to do something.

        ``closely`` finds out who polls as well, from then on at every look.
        """
        closely = closely or bool(self._habits)
        frames = frames_of_others()
        places: dict[int, tuple[int, int, str]] = {}
        outside: list[int] = []
        child = polling = False
        still = True
        for ident, thread in threads.items():
            frame, native = frames.get(ident), thread.native_id
            if frame is None or native is None:
                return None
            call = _call_of(native)
            polls = closely and self._note(ident, (frame.f_code, frame.f_lasti), call)
            polling = polling or polls
            if polls or (call is not None and call.kind != "lock"):
                outside.append(ident)
                kind = call.kind if call is not None else ""
                child = child or kind == "child" or _among(frame, "subprocess", "multiprocessing")
            still = still and (polls or call is not None)
            places[ident] = _POLLS if polls else (id(frame), frame.f_lasti, _text_of(native, "schedstat"))
        return Standstill(places, tuple(outside), child, polling) if still else None

    def _note(self, ident: int, place: Place, call: Call | None) -> bool:
        now_ns = _real_monotonic_ns()
        return self._habits.setdefault(ident, _Habits(now_ns)).note(place, call, now_ns)


def frames_of_others() -> dict[int, FrameType]:
    """Return where every other thread is, by its identifier.

    With its own frame among them the caller would hold itself, and with it the locals of all threads, until the next
    collection of garbage; and then in an order in which a buffer may be closed before what still looks into it.
    """
    frames = sys._current_frames()
    del frames[get_ident()]
    return frames


def where(ident: int) -> str:
    """Return the line at which a thread waits: the innermost of the code under test, if there is one."""
    frame = sys._getframe(1) if ident == get_ident() else frames_of_others().get(ident)
    return _innermost(traceback.extract_stack(frame) if frame is not None else [])


def where_tasks_are(tasks: Iterable[tuple[str, Any]]) -> list[str]:
    """Return a line for each place at which tasks wait, with the name of one of them.

    ``tasks`` has each by its name, with its coroutine.
    """
    names: dict[str, list[str]] = {}
    for name, coroutine in sorted(tasks, key=lambda task: (len(task[0]), task[0])):
        frames = ((frame, frame.f_lineno) for frame in _frames_of(coroutine))
        names.setdefault(_innermost(traceback.StackSummary.extract(frames)), []).append(name)
    return [
        f"{first}{f' and {len(others)} more' if others else ''} at {place}" for place, (first, *others) in names.items()
    ]


def _frames_of(coroutine: Any) -> Iterator[FrameType]:
    """Return the frames of a coroutine and of what it waits for, as far down as these are coroutines or generators."""
    kinds = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))
    while coroutine is not None:
        frame, awaited = next((names for names in kinds if hasattr(coroutine, names[0])), ("", ""))
        if getattr(coroutine, frame, None) is None:
            return
        yield getattr(coroutine, frame)
        coroutine = getattr(coroutine, awaited)


def _innermost(stack: list[traceback.FrameSummary]) -> str:
    """Return the innermost line of the code under test, or of all if none of it is there."""
    outer = [entry for entry in stack if not entry.filename.startswith((_KIT, threading.__file__))]
    own = [entry for entry in outer if not entry.filename.startswith(_LIBRARIES)]
    for entry in reversed(own or outer):
        return f"{entry.filename}:{entry.lineno}: {entry.line}"
    return "an unknown place"


_KIT = str(Path(__file__).parents[1])
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def _text_of(native_id: int, name: str) -> str:
    """Return what the system says of a thread, or nothing where it says nothing."""
    try:
        file = os.open(f"/proc/self/task/{native_id}/{name}", os.O_RDONLY)  # a file object would warn of a signal here
    except OSError:
        return ""
    try:
        return os.read(file, 1024).decode("ascii")
    except OSError:
        return ""
    finally:
        os.close(file)


def _call_of(native_id: int) -> Call | None:
    """Return the system call in which a thread waits, or None if it does not.

    A wait for a lock with a timeout is nothing that the kit has made, and counts as outside. The interpreter's own lock
    is waited for in that way too, but never for longer than the switch interval. Where system calls cannot be told,
    every thread may wait for a lock.
    """
    if not CALLS_ARE_SEEN:
        return Call("lock")
    number, *texts = _text_of(native_id, "syscall").split() or ["running"]
    machine = os.uname().machine
    if not number.isdigit() or int(number) not in {_FUTEX[machine], *_OUTSIDE[machine]}:
        return None
    if int(number) in _CHILD[machine]:
        return Call("child")
    at = _TIMEOUT[machine].get(int(number))
    timeout = at is not None and int(texts[at], 16) & 0xFFFF_FFFF not in _NO_TIMEOUT
    if int(number) == _FUTEX[machine]:
        return Call("outside" if timeout else "lock", timeout, int(texts[0], 16))
    return Call("outside", timeout)


def _is_the_interpreters(lock: int) -> bool:
    """Whether this is the lock for which a thread waits that has lost the interpreter, as far as can be told.

    Every thread that runs Python waits for it with a timeout, again and again, and polls nothing.
    """
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    if not _interpreters_locks:
        _interpreters_locks.extend(_find_the_interpreters_lock())
    return not _interpreters_locks or abs(lock - _interpreters_locks[0]) < _LOCK_BYTES


def _find_the_interpreters_lock() -> list[int]:
    """Return where that lock is, by looking at threads that only compute; none if they were never seen to wait."""
    found: list[int] = []
    natives: list[int] = []

    def compute() -> None:
        own_threads.add(get_ident())
        natives.append(threading.get_native_id())
        for _ in range(_ROUNDS * 100_000):
            if found:
                break
        own_threads.discard(get_ident())

    for _ in range(_COMPUTING):
        start_new_thread(compute, ())
    for _ in range(_ROUNDS):
        _real_sleep(0.001)
        for native in natives:
            call = _call_of(native)
            if call is not None and call.lock != 0:
                found.append(call.lock)
                return found
    return found


_interpreters_locks: list[int] = []
_ROUNDS, _COMPUTING = 10, 5


def _among(frame: FrameType | None, *packages: str) -> bool:
    """Whether a thread is somewhere in one of these packages."""
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] in packages:
            return True
        frame = frame.f_back
    return False


CALLS_ARE_SEEN = (
    hasattr(os, "uname")
    and os.uname().machine in _FUTEX
    and all(_text_of(threading.get_native_id(), name) for name in ("syscall", "schedstat"))
)
"""Whether the system says in which system call a thread is, and how long it has run."""
