"""How a guest's clocks get under a program, and away again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib import import_module
from types import ModuleType, TracebackType
from typing import Protocol

from pytest_hvclock.errors import ConflictError
from pytest_hvclock.model.guest import Guest
from pytest_hvclock.running import conflicts, uvloop
from pytest_hvclock.running.backend import Backend
from pytest_hvclock.running.counters import Counters, stays_real
from pytest_hvclock.running.latecomers import Latecomers
from pytest_hvclock.running.lines import Lines
from pytest_hvclock.running.live import LiveReader, LiveSelector
from pytest_hvclock.running.locks import LOCKS
from pytest_hvclock.running.loops import IdleSelector, Loops, MakeSelector
from pytest_hvclock.running.reader import Reader, SteppedReader, TappedReader
from pytest_hvclock.running.readings import Memories, RememberingReader, remembering_datetimes
from pytest_hvclock.running.recorder import Recorder, RecordingReader
from pytest_hvclock.running.trio_runs import RUN, TrioRuns
from pytest_hvclock.running.undo import Undo
from pytest_hvclock.running.waits import IO_GRACE_NS, Coordinator
from pytest_hvclock.running.watchdog import watchdog
from pytest_hvclock.units import Duration, positive_ns


def _imported(module: str, name: str) -> Backend:
    backend: Backend = getattr(import_module(f"{__name__}.{module}"), name)()
    return backend


BACKENDS: dict[str, Callable[[], Backend]] = {
    "time-machine": partial(_imported, "time_machine", "TimeMachine"),
    "freezegun": partial(_imported, "freezegun", "Freezegun"),
    "direct": partial(_imported, "direct", "Direct"),
}
"""What makes each backend; its module is imported only when a guest that asks for it is to run."""

PACES = ("stepped", "live")
"""How true time can move: by advance and by waiting, and only so; or with the real monotonic clock as well."""

_counters = Counters()
_running: list[Running] = []


def backend_named(name: str) -> Backend:
    """Import and make a backend.

    Raises:
        ValueError: for a name that is not in the list.
        BackendError: if its library is missing.
    """
    if name not in BACKENDS:
        raise ValueError(f"unknown backend {name!r}: use one of {', '.join(BACKENDS)}")
    return BACKENDS[name]()


def try_backend(name: str) -> None:
    """Find out whether a backend works here, by putting a guest of its own in place for a moment.

    Where somebody fakes time just then, there is nothing to be found out.

    Raises:
        ValueError: for a name that is not in the list.
        BackendError: if its library is missing, or is a version that does not do.
    """
    from pytest_hvclock.model.host import Host

    backend = backend_named(name)
    if not _running and not conflicts.active():
        backend.install(SteppedReader(Host().guest()))
        backend.remove()


def running(
    guest: Guest, backend: str = "time-machine", pace: str = "stepped", io_grace: Duration = IO_GRACE_NS
) -> Running:
    """Put the code inside a ``with`` block on ``guest``; see ``Guest.running``."""
    return Running(guest, backend, pace, io_grace=io_grace)


def active() -> Running | None:
    """Return what runs in this process now, if anything does."""
    return _running[0] if _running else None


def active_guest() -> Guest | None:
    """Return the guest that this process runs on now, if any."""
    return _running[0].guest if _running else None


@contextmanager
def process_zone(name: str | None) -> Generator[None]:
    """Set the process's own time zone (``TZ``) meanwhile, where there is such a thing; None leaves it alone."""
    if name is None or not hasattr(time, "tzset"):
        yield
        return
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("TZ", None)
        else:
            os.environ["TZ"] = before
        time.tzset()


def _is_looked_at(module: str) -> bool:
    return module in ("asyncio.selector_events", RUN, "uvloop") or stays_real(module)


def _tell_all(listeners: Sequence[Callable[[int | None], None]], asked_ns: int | None) -> None:
    for listener in listeners:
        listener(asked_ns)


def _nothing() -> None:
    """Do nothing."""


class Watcher(Protocol):
    """Whoever is to know of a program's readings and waits while they happen, and may act just before one."""

    def read(self, clock: str) -> None:
        """The program is about to read this clock."""

    def wait(self, asked_ns: int | None) -> None:
        """A thread of the program is about to wait, for so many nanoseconds of guest time or without a timeout."""


class Running(AbstractContextManager[None]):
    """One guest under one program, from entering to leaving.

    ``suspend`` and ``resume`` give the real clocks back for a while, without ending anything: the harness gets them
    between the phases of a test.
    """

    def __init__(
        self,
        guest: Guest,
        backend: str = "time-machine",
        pace: str = "stepped",
        zone: str | None = None,
        io_grace: Duration = IO_GRACE_NS,
    ) -> None:
        """Prepare; nothing happens before the block is entered.

        Args:
            guest: whose clocks are to be read.
            backend: the engine for the wall clock.
            pace: how true time moves, ``"stepped"`` or ``"live"``.
            zone: what to set the process's own time zone to (``TZ`` and ``tzset``); None leaves it alone.
            io_grace: how long, in real time, peers outside the guest are given in stepped pace.

        Raises:
            ValueError: for a backend or a pace that there is not, or a negative grace.
        """
        if pace not in PACES:
            raise ValueError(f"unknown pace {pace!r}: use {' or '.join(PACES)}")
        self.guest = guest
        self.backend, self.pace = backend, pace
        self._engine = backend_named(backend)
        self._live = pace == "live"
        self._zone = zone
        self._io_grace_ns = positive_ns(io_grace, "io_grace")
        self.overtaken: dict[str, None] = {}
        """The waits for the world outside that the guest's time has passed over, each once, in words."""
        self._reader: SteppedReader | LiveReader | None = None
        self._coordinator: Coordinator | None = None
        self._loops: Loops | None = None
        self._trio: TrioRuns | None = None
        self._undo = Undo()
        self._installed = self._tapped = False
        self._tap: Callable[[str], None] | None = None
        self._recording: RecordingReader | None = None
        self._watcher: Watcher | None = None
        self._memories: Memories | None = None
        self._lines: Lines | None = None
        self._forget_datetimes: Callable[[], None] = _nothing
        self.recorder: Recorder | None = None
        """What takes down the readings and the waits, once ``record`` was called."""

    def __enter__(self) -> None:
        """Enter the guest."""
        if _running:
            raise ConflictError("a guest is running in this process already: leave it before another one runs")
        if self._engine.patches:
            conflicts.refuse_active()
        self._reader = LiveReader(self.guest) if self._live else SteppedReader(self.guest)
        self._coordinator = None if self._live else Coordinator(self.guest, self._io_grace_ns, self.overtaken)
        self._tell()
        _running.append(self)
        try:
            self.resume()
        except BaseException:
            _running.clear()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the guest, unless somebody has: every clock is real again, whatever has happened."""
        if active() is not self:
            return
        try:
            self.suspend()
        finally:
            if self._coordinator is not None:
                self._coordinator.close()
            if isinstance(self._reader, LiveReader):
                self._reader.close()
            self._reader = self._coordinator = self._recording = None
            _running.clear()
            _counters.release()

    @property
    def installed(self) -> bool:
        """Whether the program reads the guest's clocks at this moment."""
        return self._installed

    def resume(self) -> None:
        """Put the guest's clocks in place (again)."""
        reader = self._reader
        if self._installed or reader is None:
            return
        undo = Undo()
        try:
            self._put_in_place(reader, undo)
            self._undo, self._installed = undo, True
        except BaseException:
            self._installed = False
            undo.close()  # of what had been put in place before it failed
            raise

    def _put_in_place(self, reader: SteppedReader | LiveReader, undo: Undo) -> None:
        reader.refresh()
        shown = self._shown(reader)
        self._engine.install(shown)
        undo.callback(self._engine.remove)
        undo.callback(self._let_datetimes_forget)
        self._let_datetimes_remember()
        self.guest._watch(reader.refresh)
        undo.callback(self.guest._watch, None)
        if self._engine.patches:
            self._install_waits(reader, undo)
            undo.callback(_counters.remove)
            _counters.install(shown, self._engine.real_time_functions(), self._set_wall)
            if self._zone is not None:
                zone = process_zone(self._zone)
                zone.__enter__()
                undo.callback(zone.__exit__, None, None, None)
            undo.callback(conflicts.guard(*conflicts.STARTS))
        undo.callback(self.guest.clock._follow, None)
        self.guest.clock._follow(shown, self._sleep)
        if isinstance(reader, LiveReader):
            undo.callback(reader.stop)
            reader.start()
        else:
            watchdog.watch(self)
            undo.callback(watchdog.watch, None)

    def suspend(self) -> None:
        """Give the real clocks back."""
        if self._installed:
            self._installed = False
            undo, self._undo = self._undo, Undo()
            undo.close()

    def suspect(self, tap: Callable[[str], None] | None) -> None:
        """As ``tap``, but only where nobody has asked for the readings already."""
        if not self._tapped:
            self.tap(tap)
            self._tapped = False

    def tap(self, tap: Callable[[str], None] | None) -> None:
        """Call ``tap`` with the name of the clock just before each reading; None ends that."""
        self._tapped = tap is not None
        self._tap = tap
        self._redirect()

    def record(self) -> Recorder:
        """Take down every reading and every wait from now on; returns who does."""
        if self.recorder is None:
            self.recorder = Recorder(self.guest)
            self._tell()
            self._redirect()
        return self.recorder

    def watch(self, watcher: Watcher | None) -> None:
        """Let ``watcher`` know of each reading and of each wait just before it, whoever taps; None ends that."""
        self._watcher = watcher
        self._tell()
        self._redirect()

    def count(self, lines: Lines) -> None:
        """Count in ``lines`` which lines of the program read from now on, and what for if their readings remember."""
        self._lines = lines
        self._redirect()

    def remember(self, memories: Memories | None) -> None:
        """Give the program readings that remember, and tell ``memories`` when two meet; None ends that."""
        if memories is not None and self._lines is not None:
            self._lines.listen(memories)
        if self._memories is not None:
            self._memories.forget()
            self._let_datetimes_forget()
        self._memories = memories
        self._redirect()
        if self._installed:
            self._let_datetimes_remember()

    def _let_datetimes_remember(self) -> None:
        if self._memories is not None and self._engine.patches:
            self._forget_datetimes = remembering_datetimes(self._memories)

    def _let_datetimes_forget(self) -> None:
        forget, self._forget_datetimes = self._forget_datetimes, _nothing
        forget()

    def _tell(self) -> None:
        """Let whoever wants to know of waits hear of them."""
        if self._coordinator is not None:
            wanted = [self._watcher.wait] if self._watcher is not None else []
            wanted += [self.recorder.waited] if self.recorder is not None else []
            self._coordinator.tell = wanted[0] if len(wanted) == 1 else partial(_tell_all, wanted)

    def _redirect(self) -> None:
        """Let the program read through whoever wants to know of it."""
        if self._reader is not None and self._installed:
            shown = self._shown(self._reader)
            self._engine.redirect(shown)
            self.guest.clock._follow(shown, self._sleep)
            if self._engine.patches:
                _counters.reader = shown

    def _shown(self, reader: Reader) -> Reader:
        if self.recorder is not None:
            if self._recording is None:  # made once for all phases: it is most of what recording costs a short test
                self._recording = RecordingReader(reader, self.recorder)
            reader = self._recording
        if self._lines is not None:  # after whatever strikes before a reading
            reader = TappedReader(reader, self._lines.read)
        if self._watcher is not None:
            reader = TappedReader(reader, self._watcher.read)
        if self._tap is not None:
            reader = TappedReader(reader, self._tap)
        return RememberingReader(reader, self._memories) if self._memories is not None else reader

    @property
    def _sleep(self) -> Callable[[float], None] | None:
        """What ``guest.clock.sleep`` does; None lets it pass the guest's time by itself."""
        if self._engine.patches:
            return _counters.sleep
        return self._reader.sleep if isinstance(self._reader, LiveReader) else None

    def _install_waits(self, reader: SteppedReader | LiveReader, undo: Undo) -> None:
        """Let sleeps, waits and event loops follow the guest."""
        waits = self._coordinator or reader
        assert not isinstance(waits, SteppedReader)  # noqa: S101  (in stepped pace there is a coordinator)
        waits.install()
        undo.callback(waits.remove)
        wait_by: MakeSelector
        if isinstance(waits, LiveReader):
            wait_by = partial(LiveSelector, waits)
        else:
            wait_by = partial(IdleSelector, waits)
            for module, name, replacement in LOCKS:
                undo.callback(setattr, module, name, getattr(module, name))
                setattr(module, name, replacement)
        _counters.waits = waits
        self._loops = Loops(waits.owns, wait_by, lambda: reader.monotonic)
        undo.callback(self._loops.remove)
        if "asyncio.selector_events" in sys.modules:
            self._loops.install()
        if isinstance(waits, Coordinator):
            undo.callback(uvloop.refuse())
            self._trio = TrioRuns(waits)
            undo.callback(self._trio.remove)
            if RUN in sys.modules:
                self._trio.install()
        latecomers = Latecomers(_is_looked_at, self._arrived)
        latecomers.install()
        undo.callback(latecomers.remove)

    def _arrived(self, module: ModuleType) -> None:
        """Do to a module that was imported just now what was done to the others when the guest was entered."""
        if module.__name__ == "asyncio.selector_events" and self._loops is not None:
            self._loops.install()
        elif module.__name__ == RUN and self._trio is not None:
            self._trio.install()
        elif module.__name__ == "uvloop" and self._coordinator is not None:
            self._undo.callback(uvloop.refuse())
        elif stays_real(module.__name__):
            _counters.keep_real(module)
            if module.__name__ in conflicts.STARTS:
                self._undo.callback(conflicts.guard(module.__name__))

    def _set_wall(self, wall_ns: int) -> None:
        self.guest.step(wall_ns - self.guest.wall_ns)
