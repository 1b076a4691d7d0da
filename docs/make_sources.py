"""Writes docs/sources.md from what the backends declare; tests/running/test_conformance.py measures and compares it.

The columns of other tools are measured here, by asking them as the backends are asked. Run it after a change of a
source, a backend or a reader: ``python docs/make_sources.py``.
"""

import datetime as dt
import os
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import freezegun
import time_machine

from pytest_hvclock import Host
from pytest_hvclock.conformance import library_of
from pytest_hvclock.running import backend_named
from pytest_hvclock.running.backend import Backend
from pytest_hvclock.running.sources import CLOCK, SOURCES, STYLES, Source, is_reached
from pytest_hvclock.running.unreached import READERS

PAGE = Path(__file__).parent / "sources.md"
HEAD = """\
# Sources of time

<!-- Written by docs/make_sources.py from what the backends declare and the peers do: run it anew. -->

What reads the guest's clocks, by backend. *Yes* means exactly, to the last digit that the function has, in each of the
[styles of reference](#styles-of-reference), taken before the guest was entered or on it. `guest.clock` (in a test,
`hvclock.clock`) has what the last column says, under every backend.

The columns in italics are the two libraries *alone*, `time_machine.travel` and `freezegun.freeze_time`, asked by the
same code: set to an instant, and moved on by half a day. *Nearly* is off by less than a millisecond, or does not know
whether it is summer. *As the wall clock* is a counter that moves with the wall clock, back as well. *Only as* names the
styles that are reached.
"""
BEHAVIOUR_HEAD = """\

## How they behave

The kit by either backend, and the libraries alone:

"""
STYLES_HEAD = """\

## Styles of reference

Where code keeps a function that reads a clock, or the class `datetime`, which is reached everywhere:

"""
READERS_HEAD = """\

## What no backend reaches

CPU time, waits in the kernel, the times of files and child processes are real. So, under freezegun, is a function that
compiled code keeps, such as `datetime.now` as a pydantic field's `default_factory`. And so are readers in C and Rust
with a clock call of their own. A test that fails on a guest names those that its program refers to, or has imported
meanwhile; and the end of the run names them once:

| module | reads the real clock for |
| --- | --- |
"""
TAIL = """\

A third party's backend is measured by the same tests, which `pytest_hvclock.conformance` has.
"""
START = dt.datetime(2031, 3, 4, 5, 6, 7, 123_456, tzinfo=dt.UTC)
MOVED = dt.timedelta(hours=12, minutes=30)
HOUR = dt.timedelta(hours=1)
KINDS = [dt.datetime]
"""The real one: nobody reaches into a list."""
NS_PER_S = 10**9


# --------------------------------------------------------------------------------------------------------- who is asked


class Clocks(NamedTuple):
    """How to move the clocks of whoever is asked, while its block runs."""

    advance: Callable[[dt.timedelta | float], object]
    """Lets time pass, by seconds or a timedelta."""
    step: Callable[[dt.timedelta], object]
    """Sets the wall clock."""


@contextmanager
def kit(backend: str) -> Iterator[Clocks]:
    """Run on a guest, by a backend of the kit."""
    guest = Host(start=START).guest(timesync="off")
    with guest.running(backend=backend):
        yield Clocks(lambda by: guest.advance(by if isinstance(by, dt.timedelta) else round(by * NS_PER_S)), guest.step)


@contextmanager
def time_machine_alone() -> Iterator[Clocks]:
    """Travel with time-machine."""
    with time_machine.travel(START, tick=False) as traveller:
        yield Clocks(traveller.shift, traveller.shift)


@contextmanager
def freezegun_alone() -> Iterator[Clocks]:
    """Freeze time with freezegun."""
    with freezegun.freeze_time(START) as frozen:
        yield Clocks(frozen.tick, frozen.tick)


PEERS = {"time-machine": time_machine_alone, "freezegun": freezegun_alone}
EVERYBODY: dict[str, Callable[[], AbstractContextManager[Clocks]]] = {
    "kit, time-machine": partial(kit, "time-machine"),
    "kit, freezegun": partial(kit, "freezegun"),
    **{f"*{name} alone*": peer for name, peer in PEERS.items()},
}


@contextmanager
def in_utc() -> Iterator[None]:
    """Let local time be UTC: freezegun takes it for that by itself."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


# ---------------------------------------------------------------------------------------------- which sources, by whom


def peer_cells(peer: Callable[[], AbstractContextManager[Clocks]]) -> list[str]:
    """Return what a peer does to each source, in the order of the sources."""
    sources = [source for source in SOURCES if source.here]
    libraries = {source.name: _imported(source) for source in sources}
    wanted = {source.name: _expected(source, START + MOVED) for source in sources}
    with peer() as clocks:
        before = {name: _read(library) for name, library in libraries.items()}
        clocks.advance(MOVED)
        after = {name: _read(library) for name, library in libraries.items()}
    for library in libraries.values():
        del sys.modules[library.__name__]
    return [
        _counter_cell(source, before[source.name], after[source.name])
        if _is_counter(source)
        else _wall_cell(after[source.name], wanted[source.name])
        for source in sources
    ]


def _imported(source: Source) -> ModuleType:
    """Import a library that refers to a source in every style."""
    library = ModuleType(f"asking_for_{SOURCES.index(source)}")
    sys.modules[library.__name__] = library
    exec(library_of(source), vars(library))  # noqa: S102  (the conformance suite's own)
    return library


def _read(library: ModuleType) -> dict[str, list[Any]]:
    """Read a source in every style, containers of every kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of utcnow
        readings = {style: read() for style, read in library.STYLES.items()}
    return {style: reading if isinstance(reading, list) else [reading] for style, reading in readings.items()}


def _expected(source: Source, moment: dt.datetime, counted_ns: int = 0) -> Any:
    """Return what a source shows at a moment, with counters that have counted so much."""
    wall_ns = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1) * 1000
    readings: Any = SimpleNamespace(
        wall_ns=wall_ns, monotonic_ns=counted_ns, monotonic_raw_ns=counted_ns, boottime_ns=counted_ns
    )
    return source.expected(readings)


def _is_counter(source: Source) -> bool:
    return bool(_expected(source, START) != _expected(source, START, NS_PER_S))


def _wall_cell(readings: dict[str, list[Any]], expected: Any) -> str:
    """Say in which styles a source of the wall clock was reached, and whether exactly."""
    near = {style: all(map(partial(_is_near, expected), found)) for style, found in readings.items()}
    exact = all(one == expected for style, found in readings.items() if near[style] for one in found)
    return _cell_of([style for style in near if not near[style]], "yes" if exact else "nearly")


def _is_near(expected: Any, reading: Any) -> bool:
    if reading == expected:
        return True
    if isinstance(expected, time.struct_time):
        return bool(reading[:6] == expected[:6])
    if isinstance(expected, str):
        return False
    millisecond = {int: 1_000_000, float: 1e-3}.get(type(expected), dt.timedelta(milliseconds=1))
    return bool(abs(reading - expected) < millisecond)


def _counter_cell(source: Source, before: dict[str, list[Any]], after: dict[str, list[Any]]) -> str:
    """Say in which styles a counter has moved with the wall clock."""
    unit = NS_PER_S if isinstance(_expected(source, START), int) else 1
    gained = {
        style: [(last - first) / unit for first, last in zip(before[style], after[style], strict=True)]
        for style in before
    }
    missed = [
        style for style, found in gained.items() if not all(abs(one - MOVED.total_seconds()) < 1 for one in found)
    ]
    return _cell_of(missed, "as the wall clock")


def _cell_of(missed: list[str], reached: str) -> str:
    """Say that a source is reached, and in which styles it is not, in the fewest words."""
    styles = [style for style in STYLES if style != CLOCK]
    if len(missed) == len(styles):
        return "no"
    if len(missed) > len(styles) // 2:
        return f"{reached}, only as {' and '.join(style for style in styles if style not in missed)}"
    return f"{reached}, but for a {' or a '.join(missed)}" if missed else reached


# ------------------------------------------------------------------------------------------------------ how they behave


def is_real_type(_: Clocks) -> bool:
    """`datetime.now()` is a real `datetime`."""
    return type(dt.datetime.now()) is KINDS[0]  # noqa: DTZ005  (as programs do)


def leaves_counter_alone(clocks: Clocks) -> bool:
    """A wall clock that is set back leaves `time.monotonic()` alone."""
    before = time.monotonic()
    clocks.step(-HOUR)
    return abs(time.monotonic() - before) < 60


def moves_together(clocks: Clocks) -> bool:
    """Time that passes is seen by `time.time()` and `time.monotonic()` alike."""
    before = time.time(), time.monotonic()
    clocks.advance(MOVED)
    gained = time.time() - before[0], time.monotonic() - before[1]
    return all(abs(each - MOVED.total_seconds()) < 1 for each in gained)


def sleeps(_: Clocks) -> bool:
    """After `time.sleep(0.05)` it is 0.05 s later."""
    before = time.time()
    time.sleep(0.05)
    return abs(time.time() - before - 0.05) < 1e-6


def counts_nanoseconds(clocks: Clocks) -> bool:
    """`time.time_ns()` moves by a single nanosecond."""
    before_ns = time.time_ns()
    clocks.advance(1e-9)
    return time.time_ns() == before_ns + 1


def reaches_threads(_: Clocks) -> bool:
    """A thread reads it, however few its calls."""
    found: list[float] = []

    def read(deeper: int) -> None:
        if deeper:
            read(deeper - 1)
        else:
            found.append(time.time())

    threads = [threading.Thread(target=read, args=(depth,)) for depth in (0, 1, 3, 20)]
    for thread in threads:
        thread.start()
        thread.join()
    return found == [time.time()] * len(threads)


def keeps_uuid_memory(clocks: Clocks) -> bool:
    """`uuid.uuid1()` repeats nothing when the wall clock is set back and runs again."""
    remembered = {name: value for name, value in vars(uuid).items() if name.startswith("_last")}
    try:
        before = uuid.uuid1().time
        clocks.step(-HOUR)
        return uuid.uuid1().time > before
    finally:
        vars(uuid).update(remembered)


BEHAVIOUR = [
    *(is_real_type, counts_nanoseconds, moves_together, leaves_counter_alone, sleeps, reaches_threads),
    keeps_uuid_memory,
]


def behaviour() -> list[str]:
    """Return the table of how the kit and its peers behave."""
    lines = [f"| | {' | '.join(EVERYBODY)} |", "| --- " * (len(EVERYBODY) + 1) + "|"]
    for probe in BEHAVIOUR:
        cells = []
        for enter in EVERYBODY.values():
            with enter() as clocks:
                cells.append("yes" if probe(clocks) else "no")
        lines.append(f"| {str(probe.__doc__).rstrip('.')} | {' | '.join(cells)} |")
    return lines


# ------------------------------------------------------------------------------------------------------------- the page


def page() -> str:
    """Return the whole page."""
    backends = [backend_named(name) for name in ("time-machine", "freezegun", "direct")]
    patching = [backend for backend in backends if backend.patches]
    with in_utc():
        peers = [peer_cells(peer) for peer in PEERS.values()]
        compared = behaviour()
    columns = [*(backend.name for backend in patching), *(f"*{name} alone*" for name in PEERS)]
    lines = [f"| source | {' | '.join(columns)} | `guest.clock`, alone under `direct` |"]
    lines.append("| --- " * (len(columns) + 2) + "|")
    for source, *alone in zip(SOURCES, *peers, strict=True):
        cells = [*(_cell(each, source) for each in patching), *alone, _clock(source)]
        lines.append(f"| {_name(source)} | {' | '.join(cells)} |")
    styles = [f"* {style}: {text}" for style, text in STYLES.items() if style != CLOCK]
    readers = [f"| `{module}` | {text} |" for module, text in READERS.items()]
    parts = [HEAD, *lines, BEHAVIOUR_HEAD.rstrip("\n") + "\n", *compared, STYLES_HEAD.rstrip("\n") + "\n", *styles]
    return "\n".join([*parts, READERS_HEAD + "\n".join(readers), TAIL])


def _name(source: Source) -> str:
    return f"`{source.name}`" if " " not in source.name.removesuffix(", ns") else source.name


def _cell(backend: Backend, source: Source) -> str:
    """Say in which styles a backend reaches a source."""
    return _cell_of([style for style in STYLES if style != CLOCK and not is_reached(backend, source, style)], "yes")


def _clock(source: Source) -> str:
    return f"`{source.on_clock}({'tz' if source.arguments else ''})`" if source.on_clock else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
