"""How a guest's clocks get under a program, and away again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from types import ModuleType, TracebackType
from typing import Self

from pytest_hvclock.errors import ConflictError
from pytest_hvclock.model.guest import Guest
from pytest_hvclock.running import conflicts
from pytest_hvclock.running.backend import Backend
from pytest_hvclock.running.counters import Counters, stays_real
from pytest_hvclock.running.latecomers import Latecomers
from pytest_hvclock.running.loops import Loops
from pytest_hvclock.running.reader import Reader, TappedReader
from pytest_hvclock.running.waits import Coordinator

BACKENDS = {"time-machine": ("pytest_hvclock.running.time_machine", "TimeMachine")}
"""Where the backends live; one is imported only when a guest that asks for it is to run."""

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
    module, class_name = BACKENDS[name]
    backend: Backend = getattr(import_module(module), class_name)()
    return backend


def running(guest: Guest, backend: str = "time-machine", zone: str | None = None) -> Running:
    """Put the code inside a ``with`` block on ``guest``; see ``Guest.running``."""
    return Running(guest, backend, zone)


def active_guest() -> Guest | None:
    """Return the guest that this process runs on now, if any."""
    return _running[0].guest if _running else None


def _is_looked_at(module: str) -> bool:
    return module == "asyncio.selector_events" or stays_real(module)


def _nothing() -> None:
    """Undo nothing."""


class Running(AbstractContextManager[None]):
    """One guest under one program, from entering to leaving.

    ``suspend`` and ``resume`` give the real clocks back for a while, without ending anything: the harness gets them
    between the phases of a test.
    """

    def __init__(self, guest: Guest, backend: str = "time-machine", zone: str | None = None) -> None:
        """Prepare; nothing happens before the block is entered.

        Args:
            guest: whose clocks are to be read.
            backend: the engine for the wall clock.
            zone: what to set the process's own time zone to (``TZ`` and ``tzset``); None leaves it alone.
        """
        self.guest = guest
        self._engine = backend_named(backend)
        self._zone = zone
        self._zone_before: str | None = None
        self._reader: Reader | None = None
        self._coordinator: Coordinator | None = None
        self._installed = False
        self._unguard: Callable[[], None] = _nothing
        self._loops: Loops | None = None
        self._latecomers = Latecomers(_is_looked_at, self._arrived)

    def __enter__(self) -> None:
        """Enter the guest."""
        if _running:
            raise ConflictError("a guest is running in this process already: leave it before another one runs")
        conflicts.refuse_active()
        self._reader = Reader(self.guest)
        self._coordinator = Coordinator(self.guest)
        _running.append(self)
        try:
            self.resume()
        except BaseException:
            _running.clear()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the guest: every clock is real again, whatever has happened."""
        try:
            self.suspend()
        finally:
            if self._coordinator is not None:
                self._coordinator.close()
            _running.clear()

    def __call__(self) -> Self:
        """Return itself, for those who keep it to enter it later."""
        return self

    @property
    def installed(self) -> bool:
        """Whether the program reads the guest's clocks at this moment."""
        return self._installed

    def resume(self) -> None:
        """Put the guest's clocks in place (again)."""
        reader, coordinator = self._reader, self._coordinator
        if self._installed or reader is None or coordinator is None:
            return
        reader.refresh()
        self._engine.install(reader.wall_ns)
        self._installed = True
        try:
            self.guest._watch(reader.refresh)
            _counters.coordinator, _counters.set_wall = coordinator, self._set_wall
            _counters.install(reader, self._engine.real_time_functions())
            coordinator.install()
            self._loops = Loops(coordinator, lambda: self.guest.monotonic_ns)
            if "asyncio.selector_events" in sys.modules:
                self._loops.install()
            self._latecomers.install()
            self._enter_zone()
            self._unguard = conflicts.guard()
        except BaseException:
            self.suspend()
            raise

    def suspend(self) -> None:
        """Give the real clocks back."""
        if not self._installed:
            return
        self._installed = False
        try:
            self._latecomers.remove()
            if self._loops is not None:
                self._loops.remove()
            self._unguard()
            self._leave_zone()
        finally:
            try:
                if self._coordinator is not None:
                    self._coordinator.remove()
                _counters.remove()
                self.guest._watch(None)
            finally:
                self._engine.remove()

    def tap(self, tap: Callable[[str], None] | None) -> None:
        """Call ``tap`` with the name of the clock just before each reading; None ends that."""
        self._reader = TappedReader(self.guest, tap) if tap is not None else Reader(self.guest)
        if self._installed:
            self.guest._watch(self._reader.refresh)
            self._engine.redirect(self._reader.wall_ns)
            _counters.reader = self._reader

    def _arrived(self, module: ModuleType) -> None:
        """Do to a module that was imported just now what was done to the others when the guest was entered."""
        if module.__name__ == "asyncio.selector_events" and self._loops is not None:
            self._loops.install()
        elif stays_real(module.__name__):
            _counters.keep_real(module)

    def _set_wall(self, wall_ns: int) -> None:
        self.guest.step(wall_ns - self.guest.wall_ns)

    def _enter_zone(self) -> None:
        if self._zone is not None and hasattr(time, "tzset"):
            self._zone_before = os.environ.get("TZ")
            os.environ["TZ"] = self._zone
            time.tzset()

    def _leave_zone(self) -> None:
        if self._zone is not None and hasattr(time, "tzset"):
            if self._zone_before is None:
                os.environ.pop("TZ", None)
            else:
                os.environ["TZ"] = self._zone_before
            time.tzset()
