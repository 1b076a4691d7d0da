"""Takes down who reads a guest's clocks and who waits on them: cheap while it happens, worked out afterwards."""

from __future__ import annotations

import linecache
import os
import re
import sys
import sysconfig
import threading
from _thread import allocate_lock, get_ident
from collections import Counter, deque
from collections.abc import Callable, Iterable
from operator import attrgetter
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any, TypeVar

from pytest_hvclock.clocks.sets import ClockSet
from pytest_hvclock.model.guest import Guest
from pytest_hvclock.running.counters import stays_real
from pytest_hvclock.running.reader import Reader
from pytest_hvclock.timeline import Deed, Judgement, Place, Reading, Timeline, Wait

KEPT = 10_000
"""So many readings are kept, the last ones; all are counted."""

_getframe = sys._getframe
_threads: dict[int, Any] = threading._active  # type: ignore[attr-defined]
_NOBODY = SimpleNamespace(_name="?")
E = TypeVar("E", bound=tuple[Any, ...])
Site = tuple[CodeType, int]
"""A place in compiled code: cheap to take, and worked out to a line only if somebody wants to know."""


class Recorder:
    """The record of one guest, from when it is made."""

    def __init__(self, guest: Guest, kept: int = KEPT) -> None:
        """Begin; of readings and of waits, keep the last ``kept`` each."""
        self._guest = guest
        self.trail = guest.follow()
        self._start_ns = guest.host.true_ns
        self._sets = len(guest._sets)  # which are those up to now: ``follow`` has settled the guest
        self._kept = kept
        self._gone: dict[str, int] = {}
        self._trimming = allocate_lock()
        self.readings: list[tuple[CodeType, int, str, int, int, str]] = []
        """Code, instruction, clock, value and true time in nanoseconds, thread: all, or of very many the last."""
        self.waits: deque[tuple[CodeType, int, int | None, int, str]] = deque(maxlen=kept)
        """Code, instruction, nanoseconds asked for, true time in nanoseconds, thread."""
        self.judgements: list[Judgement] = []

    def waited(self, asked_ns: int | None) -> None:
        """Take down that the calling thread begins to wait, for so many nanoseconds of guest time at most."""
        frame: Any = _getframe(1)
        ours = kit()
        while id(frame.f_globals) in ours:
            frame = frame.f_back
        thread = _threads.get(get_ident(), _NOBODY)._name
        self.waits.append((frame.f_code, frame.f_lasti, asked_ns, self._guest.host._true_ns, thread))

    def taking_down(self, reader: Reader, clock: str, depth: int) -> Callable[[], int]:
        """Return what reads one of a reader's clocks and takes it down; the program is ``depth`` frames above.

        One function in one piece, without an attribute more than it needs: this is what a recorded reading costs.
        """
        readings, append, ours, thread_of = self.readings, self.readings.append, kit(), _threads.get
        most = 2 * self._kept
        read = attrgetter(clock, "true")

        def take_down() -> int:
            value_ns, true_ns = read(reader)
            frame: Any = _getframe(depth)
            while id(frame.f_globals) in ours and frame.f_back is not None:
                frame = frame.f_back
            append((frame.f_code, frame.f_lasti, clock, value_ns, true_ns, thread_of(get_ident(), _NOBODY)._name))
            if len(readings) > most:
                self._trim()
            return value_ns  # type: ignore[no-any-return]

        return take_down

    def _trim(self) -> None:
        """Let go of the oldest readings, but for their number."""
        with self._trimming:
            many = len(self.readings) - self._kept
            if many > 0:
                self._gone = dict(Counter(self._gone) + Counter(entry[2] for entry in self.readings[:many]))
                del self.readings[:many]

    def last_place(self, after_ns: int = 0) -> Place | None:
        """Return the line of the program that read a clock last, not before ``after_ns`` of true time, or None."""
        for code, instruction, _, _, at_ns, _ in reversed(self.readings):
            if at_ns < after_ns:
                return None
            if is_the_programs(code):
                return place_of((code, instruction))
        return None

    def reads_after(self, mark: int) -> bool:
        """Whether the program has read a clock since so many readings, as ``total`` gave them."""
        new = self.total - mark
        return any(is_the_programs(entry[0]) for entry in list(self.readings)[-new:]) if new else False

    @property
    def counts(self) -> dict[str, int]:
        """How often each clock was read, the harness included."""
        return dict(sorted((Counter(self._gone) + Counter(entry[2] for entry in list(self.readings))).items()))

    @property
    def last_wait(self) -> object:
        """The last wait taken down, to be compared by identity, or None."""
        return self.waits[-1] if self.waits else None

    @property
    def total(self) -> int:
        """How many readings there have been, the harness's included."""
        return sum(self._gone.values()) + len(self.readings)

    def timeline(self, **known: Any) -> Timeline:
        """Return the record so far; ``known`` is what else a ``Timeline`` holds, such as its test and outcome."""
        guest = self._guest
        readings, waits = list(self.readings), list(self.waits)
        names = _renumbered({thread for *_, thread in readings} | {thread for *_, thread in waits})
        sets = guest.clock_sets[self._sets :]
        deeds = [Deed(at_ns, what) for at_ns, what in self.trail.deeds] + [_deed(entry) for entry in sets]
        return Timeline(
            start_ns=self._start_ns,
            end_ns=guest.host.true_ns,
            bends=tuple(bend for bend in self.trail.bends),
            deeds=tuple(sorted(deeds, key=lambda deed: deed.at_ns)),
            readings=tuple(_readings(readings, names)),
            waits=tuple(
                Wait(at_ns, asked_ns, place_of((code, instruction)), names[thread])
                for code, instruction, asked_ns, at_ns, thread in _in_order(waits, names)
            ),
            counts=self.counts,
            judgements=tuple(self.judgements),
            struck_at_ns=guest.struck_at_ns,
            **known,
        )


def _readings(entries: list[tuple[CodeType, int, str, int, int, str]], names: dict[str, str]) -> list[Reading]:
    """Return the program's readings; the same one again at the same instant is one with a count."""
    found: list[tuple[Any, list[int]]] = []
    for key in _in_order(entries, names):
        if not is_the_programs(key[0]):
            continue
        if found and found[-1][0] == key:
            found[-1][1][0] += 1
        else:
            found.append((key, [1]))
    return [
        Reading(at_ns, clock, value_ns, place_of((code, instruction)), names[thread], times)
        for (code, instruction, clock, value_ns, at_ns, thread), (times,) in found
    ]


def _in_order(entries: list[E], names: dict[str, str]) -> list[E]:
    """Sort what was taken down by true time, and then by thread: at one instant, which comes first is chance."""
    ranks = {name: rank for rank, name in enumerate(names)}
    return sorted(entries, key=lambda entry: (entry[-2], ranks[entry[-1]]))


def _renumbered(threads: Iterable[str]) -> dict[str, str]:
    """Return the names of threads, and what to call them in a record, by their numbers.

    Python counts its threads through the whole process; in a record they are counted from 1, whatever ran before.
    """
    found: dict[str, str] = {}
    counts: dict[str, dict[str, int]] = {}
    for name in sorted(threads, key=lambda name: [(len(part), part) for part in _NUMBERS.split(name)]):
        numbered = _COUNTED.match(name)
        if numbered is not None:
            numbers = counts.setdefault(numbered[1], {})
            number = numbers.setdefault(numbered[2], len(numbers) + 1)
            found[name] = f"{numbered[1]}{number}{name[numbered.end() :]}"
        else:
            found[name] = name
    return found


_NUMBERS = re.compile(r"(\d+)")
_COUNTED = re.compile(r"((?:Thread|Dummy|ThreadPoolExecutor)-)(\d+)")
"""How Python names threads that nobody has named."""


class RecordingReader:
    """Reads through another reader, and takes down each reading."""

    __slots__ = ("_monotonic", "_others", "_reader", "_recorder", "_wall")

    def __init__(self, reader: Reader, recorder: Recorder) -> None:
        """Read ``reader``, and have ``recorder`` keep it."""
        self._reader, self._recorder = reader, recorder
        self._wall = recorder.taking_down(reader, "wall", 1)
        self._monotonic = recorder.taking_down(reader, "monotonic", 2)
        self._others: dict[str, Callable[[], int]] = {}

    @property
    def true(self) -> int:
        """True time."""
        return self._reader.true

    @property
    def wall_ns(self) -> Callable[[], int]:
        """What reads and takes down the wall clock: one call, for an engine to make."""
        return self._wall

    @property
    def wall(self) -> int:
        """Read and take down the wall clock."""
        return self._wall()

    @property
    def monotonic(self) -> int:
        """Read and take down CLOCK_MONOTONIC."""
        return self._monotonic()

    @property
    def raw(self) -> int:
        """Read and take down CLOCK_MONOTONIC_RAW."""
        return self._other("raw")

    @property
    def boottime(self) -> int:
        """Read and take down CLOCK_BOOTTIME."""
        return self._other("boottime")

    def refresh(self) -> None:
        """Refresh what lies below."""
        self._reader.refresh()

    def _other(self, clock: str) -> int:
        """Read and take down a clock that hardly any program reads."""
        if clock not in self._others:
            self._others[clock] = self._recorder.taking_down(self._reader, clock, 3)
        return self._others[clock]()


def place_of(site: Site) -> Place:
    """Return the line of a place in compiled code."""
    found = _places.get((id(site[0]), site[1]))
    if found is not None and found[0] is site[0]:
        return found[1]
    code, instruction = site
    lines = {start: line for start, _, line in code.co_lines() if start <= instruction}
    line = lines[max(lines)] if lines else code.co_firstlineno
    text = linecache.getline(code.co_filename, line or 0).strip()
    place = Place(_short(code.co_filename), line or 0, code.co_qualname, text)
    if len(_places) >= KEPT:
        _places.clear()
    _places[(id(code), instruction)] = (code, place)
    return place


_places: dict[tuple[int, int], tuple[CodeType, Place]] = {}
_kits: list[tuple[int, frozenset[int]]] = []
_roots = tuple(
    root + os.sep for root in (sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "platstdlib"))
)  # fmt: skip


def kit() -> frozenset[int]:
    """Return the namespaces of the kit's own modules, by their ``id``: a frame in one of them is not the program's."""
    if not _kits or _kits[0][0] != len(sys.modules):
        names = (vars(module) for name, module in list(sys.modules.items()) if name.partition(".")[0] == _NAME)
        _kits[:] = [(len(sys.modules), frozenset(map(id, names)))]
    return _kits[0][1]


_NAME = __name__.partition(".")[0]


def is_the_programs(code: CodeType) -> bool:
    """Whether code belongs to the program, and not to the harness or to what stamps the records of ``logging``."""
    known = _programs.get(code.co_filename)
    if known is None:
        name = _short(code.co_filename).replace(os.sep, "/")
        top = name.partition("/")[0].removesuffix(".py")
        known = _programs[code.co_filename] = not (
            code.co_filename.startswith(_kit)
            or (code.co_filename.startswith(_roots) and (stays_real(top) or name == "logging/__init__.py"))
        )
    return known


_programs: dict[str, bool] = {}
_kit = str(Path(__file__).parents[1]) + os.sep
"""Where the kit is: also where it is not installed, as it is for its own tests."""
_here = str(Path.cwd()) + os.sep
"""Where the program was started: a test that changes its directory changes no names."""
_standard = tuple(root + os.sep for root in (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")))
_installed = tuple(root + os.sep for root in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))


def is_standard(code: CodeType) -> bool:
    """Whether code belongs to the standard library."""
    name = code.co_filename
    return name.startswith("<frozen ") or (name.startswith(_standard) and not name.startswith(_installed))


def _short(filename: str) -> str:
    """Return a file's name below where its library is installed, or below the first working directory."""
    for root in (*_roots, _here):
        if filename.startswith(root):
            return filename.removeprefix(root)
    return filename


def _deed(entry: ClockSet) -> Deed:
    """Return a set of the wall clock as what the timeline tells."""
    return Deed(entry.at_ns, f"{entry.by} set the wall clock", entry.by, entry.by_ns, entry.times, entry.every_ns)
