"""The clocks that no engine reaches: monotonic, performance counter, ``clock_gettime``, ``ctime``, and ``sleep``.

The functions of the ``time`` module are replaced, in the module and wherever a program keeps its own reference. Who
must stay real keeps the real ones: pytest and its plugins, and those modules of the standard library that wait for
the world outside. Each replacement is a bound method, so that as a class attribute it behaves as the built-in did, and
each does the real thing while no guest runs, so that a reference taken inside a guest is right after it too.
"""

from __future__ import annotations

import sys
import time
from _thread import get_ident
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_hvclock.running.references import Function, PutBack, References
from pytest_hvclock.units import NS_PER_S

if TYPE_CHECKING:
    from pytest_hvclock.running.live import LiveReader
    from pytest_hvclock.running.reader import Reader
    from pytest_hvclock.running.waits import Coordinator

REAL = frozenset(
    {
        # pytest, and what measures or limits tests
        "_pytest", "pytest", "pluggy", "pytest_hvclock", "xdist", "execnet", "pytest_timeout", "pytest_rerunfailures",
        "pytest_cov", "pytest_randomly", "pytest_benchmark", "coverage", "hypothesis", "_hypothesis_pytestplugin",
        "timeit", "time_machine", "freezegun", "unittest",
        # what waits for the world outside
        "subprocess", "multiprocessing", "socketserver", "selectors",
    }
)  # fmt: skip
"""Modules, with all that is below them, that keep the real clocks while a guest runs."""
SHARED = frozenset({"threading", "queue"})
"""Modules whose waits belong to whichever thread is in them: a guest's thread waits on the guest's clock."""

real_time_ns = time.time_ns
"""The real wall clock, for as long as no guest runs: the start of a test's true time."""

_WALL = {name: getattr(time, name) for name in ("time", "time_ns", "gmtime", "localtime", "strftime")}
"""The functions that an engine reaches; one that does not patch them in place puts others into their names."""
_UNTOUCHED = frozenset({"time_machine", "freezegun", "pytest_hvclock"})
"""Modules that stay real and need nothing for it."""
_NO_CLOCK = -1


class Counters:
    """Everything in the ``time`` module that a guest replaces, but for what the engine does."""

    def __init__(self) -> None:
        """Remember the real functions; nothing is replaced yet."""
        self.reader: Reader | None = None
        self.waits: Coordinator | LiveReader | None = None
        self._set_wall: Callable[[int], None] | None = None
        self._undo: list[PutBack] = []
        names = ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "ctime", "asctime")
        optional = ("clock_gettime", "clock_gettime_ns", "clock_settime", "clock_settime_ns")
        self._real: dict[str, Function] = {name: getattr(time, name) for name in names}
        self._real.update({name: getattr(time, name) for name in optional if hasattr(time, name)})
        self._named_fakes: dict[str, Function] = {name: getattr(self, name) for name in self._real}
        self._originals = {id(fake): self._real[name] for name, fake in self._named_fakes.items()}
        self._fakes = {id(real): self._named_fakes[name] for name, real in self._real.items()}
        self._shared: dict[int, Function] = {id(time.monotonic): self._monotonic_of_thread, id(time.sleep): self.sleep}
        self._references = References(self._real.values())
        self._leftovers = References(self._named_fakes.values())
        self._leftovers.settle()
        self._sleep = time.sleep
        self._clocks = _clock_ids()
        self._modules = 0
        self._newest: object = None
        self._harness: list[Place] = []
        self._namespace = ModuleType("time")
        self._namespace.__dict__.update(vars(time), __name__=__name__)  # so that it counts as one that stays real

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        """Go to other processes as the ``time`` module: a function of ours arrives there as the real one."""
        return import_module, ("time",)

    def __deepcopy__(self, memo: dict[int, Any]) -> Counters:
        """Stay the only one: a deep copy of a function is the function, as it is of a built-in."""
        return self

    # --------------------------------------------------------------------------------- what a program reads

    def monotonic(self) -> float:
        """Read the guest's CLOCK_MONOTONIC, in seconds."""
        reader = self.reader
        return reader.monotonic / NS_PER_S if reader is not None else self._real["monotonic"]()

    def monotonic_ns(self) -> int:
        """Read the guest's CLOCK_MONOTONIC, in nanoseconds."""
        reader = self.reader
        return reader.monotonic if reader is not None else self._real["monotonic_ns"]()

    def perf_counter(self) -> float:
        """Read the guest's CLOCK_MONOTONIC (QPC), which is what CPython's performance counter is, in seconds."""
        reader = self.reader
        return reader.monotonic / NS_PER_S if reader is not None else self._real["perf_counter"]()

    def perf_counter_ns(self) -> int:
        """Read the guest's CLOCK_MONOTONIC (QPC), in nanoseconds."""
        reader = self.reader
        return reader.monotonic if reader is not None else self._real["perf_counter_ns"]()

    def clock_gettime(self, clk_id: int, /) -> float:
        """Read one of the guest's clocks by its number, in seconds."""
        value_ns = self._clock_ns(clk_id)
        return value_ns / NS_PER_S if value_ns != _NO_CLOCK else self._real["clock_gettime"](clk_id)

    def clock_gettime_ns(self, clk_id: int, /) -> int:
        """Read one of the guest's clocks by its number, in nanoseconds."""
        value_ns = self._clock_ns(clk_id)
        return value_ns if value_ns != _NO_CLOCK else self._real["clock_gettime_ns"](clk_id)

    def clock_settime(self, clk_id: int, seconds: float, /) -> None:
        """Set the guest's wall clock, never the machine's."""
        self._settime("clock_settime", clk_id, seconds, round(seconds * NS_PER_S))

    def clock_settime_ns(self, clk_id: int, nanoseconds: int, /) -> None:
        """Set the guest's wall clock, never the machine's."""
        self._settime("clock_settime_ns", clk_id, nanoseconds, nanoseconds)

    def ctime(self, seconds: float | None = None, /) -> str:
        """Write the guest's wall clock, or the time given."""
        if seconds is None and self.reader is not None:
            return time.asctime(time.localtime())
        return str(self._real["ctime"](seconds))

    def asctime(self, *when: Any) -> str:
        """Write the guest's wall clock, or the time given."""
        if not when and self.reader is not None:
            when = (time.localtime(),)
        return str(self._real["asctime"](*when))

    def sleep(self, seconds: float, /) -> None:
        """Sleep on the guest's clock, if the caller is one of the guest's threads."""
        waits = self.waits
        if waits is not None and waits.owns(get_ident()):
            waits.sleep(seconds)
        else:
            self._sleep(seconds)

    def _monotonic_of_thread(self) -> float:
        """Read the guest's clock in a thread of the guest, and the real one in any other."""
        waits = self.waits
        if waits is None or waits.owns(get_ident()):
            return self.monotonic()
        return float(self._real["monotonic"]())

    def _clock_ns(self, clk_id: int) -> int:
        """Return what the guest's clock of this number shows, or a mark that it has none."""
        reader = self.reader
        clock = self._clocks.get(clk_id) if reader is not None else None
        if clock is None:
            return _NO_CLOCK
        name, offset_ns = clock
        value: int = getattr(reader, name)
        return value + offset_ns

    def _settime(self, name: str, clk_id: int, value: float, wall_ns: int) -> None:
        if self._set_wall is None:
            self._real[name](clk_id, value)
        elif clk_id == time.CLOCK_REALTIME:
            self._set_wall(wall_ns)
        else:
            raise OSError(22, "Invalid argument")

    # --------------------------------------------------------------------------------- putting it in place

    def install(self, reader: Reader, real_wall: dict[str, Function], set_wall: Callable[[int], None]) -> None:
        """Let the program read ``reader``, and set the guest's wall clock by ``set_wall``.

        ``real_wall`` are the functions that read the real wall clock, for those who stay real.
        """
        self.reader, self._set_wall = reader, set_wall
        self._undo = self._references.replace(self._replacement)
        self._keep_real(real_wall)

    def remove(self) -> None:
        """Put everything back."""
        undo, self._undo = self._undo, []
        for put_back in reversed(undo):
            put_back()
        self._release_latecomers()
        self.reader = self.waits = self._set_wall = None

    def release(self) -> None:
        """Give whoever has taken or been given back one of our functions on the guest the real one.

        Ours would do as well, but a program may compare; monkeypatch gives back what it found in the middle of a test.
        """
        self._leftovers.replace(lambda _, fake: self._originals[id(fake)])
        self._leftovers.settle()

    def _replacement(self, module: str, function: Function) -> Function | None:
        """Return what stands for a real function in a module, or None if the module keeps it."""
        if stays_real(module):
            return None
        if module in SHARED:
            return self._shared.get(id(function))
        return self._fakes.get(id(function))

    def keep_real(self, module: ModuleType) -> None:
        """Give a module that stays real, and was imported just now, the real clocks."""
        for attribute, value in list(vars(module).items()):
            if id(value) in self._originals:
                setattr(module, attribute, self._originals[id(value)])
        self._make_real(_places_of_time(module))

    def _keep_real(self, real_wall: dict[str, Function]) -> None:
        """Give those who stay real a ``time`` module of their own, and the real wall clock by name."""
        newest = next(reversed(sys.modules.values()), None)
        if len(sys.modules) != self._modules or newest is not self._newest:
            self._modules, self._newest = len(sys.modules), newest
            self._harness = [
                place
                for name, module in list(sys.modules.items())
                if stays_real(name) and isinstance(module, ModuleType)
                for place in _places_of_time(module)
            ]
        self._namespace.__dict__.update(real_wall)
        self._make_real(self._harness)

    def _make_real(self, places: list[Place]) -> None:
        """Put the real clocks in some places, until the guest is left."""
        for module, attribute, name in places:
            before = _WALL[name] if name else time
            held = module.get(attribute)
            if held is before or held is getattr(time, name, time):
                module[attribute] = getattr(self._namespace, name) if name else self._namespace
                self._undo.append(partial(module.__setitem__, attribute, before))

    def _release_latecomers(self) -> None:
        """Give modules that were imported on the guest the real functions in place of ours."""
        late = len(sys.modules) - self._modules
        for module in list(islice(reversed(sys.modules.values()), max(late, 0))):
            for attribute, value in list(getattr(module, "__dict__", {}).items()):
                if id(value) in self._originals:
                    setattr(module, attribute, self._originals[id(value)])


Place = tuple[dict[str, Any], str, str]
"""A module's namespace, a name in it, and what it names: a function of ``time``, or ``""`` for the module itself."""


def stays_real(module: str) -> bool:
    """Whether a module keeps the real clocks while a guest runs."""
    return module.partition(".")[0] in REAL


def _places_of_time(module: ModuleType) -> list[Place]:
    """Return where a module keeps the ``time`` module, or a wall clock function of it."""
    if module is time or module.__name__.partition(".")[0] in _UNTOUCHED:
        return []
    wall = {id(function): name for name, real in _WALL.items() for function in (real, getattr(time, name))}
    wall[id(time)] = ""
    namespace = vars(module)
    return [
        (namespace, attribute, wall[id(value)]) for attribute, value in list(namespace.items()) if id(value) in wall
    ]


def _clock_ids() -> dict[int, tuple[str, int]]:
    """Return which reading stands for which number of ``clock_gettime``, and what to add to it."""
    if not hasattr(time, "clock_gettime_ns"):
        return {}
    known: dict[int, tuple[str, int]] = {}
    for name, reading in (
        ("CLOCK_REALTIME", "wall"),
        ("CLOCK_MONOTONIC", "monotonic"),
        ("CLOCK_MONOTONIC_RAW", "raw"),
        ("CLOCK_BOOTTIME", "boottime"),
        ("CLOCK_UPTIME_RAW", "raw"),
    ):
        if hasattr(time, name):
            known[getattr(time, name)] = (reading, 0)
    if sys.platform == "linux":
        known[5], known[6] = ("wall", 0), ("monotonic", 0)  # CLOCK_REALTIME_COARSE and CLOCK_MONOTONIC_COARSE
        if hasattr(time, "CLOCK_TAI"):
            ahead_ns = time.clock_gettime_ns(time.CLOCK_TAI) - time.clock_gettime_ns(time.CLOCK_REALTIME)
            known[time.CLOCK_TAI] = ("wall", round(ahead_ns, -9))  # whole seconds, as this kernel has been told
    return known
