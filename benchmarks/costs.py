"""What the kit costs, beside its peers in the same process: readings, entering a guest, and not using the kit at all.

Run it with ``python benchmarks/costs.py``; names of rows as arguments limit it to them, and ``--json FILE`` writes the
figures down as well. Each row is a ratio: both sides are measured in turns, many times, and the median of the ratios
counts, with the half of them that lies around it in brackets, so that it holds on any machine; nothing here is a timed
test. Needs ``pip install --group benchmarks``.

What is wanted is a bound on how many times the kit is as *slow* as its peer (kit / peer), or as *fast* (peer / kit). A
reading on a live guest may cost 1.2 times one of time-machine's ticking travel, because it follows a clock that can be
stepped, paused and slewed by any thread at any moment; on a guest that drifts it has to multiply and divide as well.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import entry_points, version
from itertools import repeat
from pathlib import Path
from statistics import median, quantiles
from types import ModuleType
from typing import NamedTuple

import freezegun
import time_machine

from pytest_hvclock import Host

TIMERS = [time.perf_counter_ns]  # in a container, where neither the kit nor a peer replaces it
CALLS, BATCHES, ROUNDS = 500, 30, 31
MODULES = 2_000
TESTS, RUNS = 1_000, 75
IMPORTS, IMPORT_NS = 25, 5_000_000
NOT_LOADED = ["time_machine", "freezegun", "asyncio", "hypothesis"]


class Figure(NamedTuple):
    """One line of the table."""

    what: str
    cost_ns: float
    peer: str
    peer_cost_ns: float
    ratio: float
    low: float
    high: float
    wanted: str
    met: bool


def figure(what, pairs, peer, *, at_most=None, at_least=None):
    """Return the line for pairs of costs in nanoseconds, the kit's and the peer's, that were measured in turns."""
    ratios = [ours / theirs if at_least is None else theirs / ours for ours, theirs in pairs]
    low, ratio, high = quantiles(ratios, n=4)
    wanted = f"kit / peer <= {at_most}" if at_least is None else f"peer / kit >= {at_least}"
    met = ratio <= at_most if at_least is None else ratio >= at_least
    ours, theirs = (median(costs) for costs in zip(*pairs, strict=True))
    return Figure(what, ours, peer, theirs, ratio, low, high, wanted, met)


# ------------------------------------------------------------------------------------------------------------- readings


def cost_ns(function, times, batches):
    """Return what one call costs when nothing disturbs it, in nanoseconds: the least of several batches."""
    timer = TIMERS[0]
    found = []
    for _ in range(batches):
        started = timer()
        for _ in repeat(None, times):
            function()
        found.append((timer() - started) / times)
    return min(found)


def call_ns(name):
    """Return what one call of a function of ``time`` costs."""
    return cost_ns(getattr(time, name), CALLS, BATCHES)


def in_turns(first, second, rounds=ROUNDS):
    """Measure both again and again, each time one after the other; return the pairs."""
    return [(first(), second()) for _ in range(rounds)]


def on_guest(name, pace, drift="0 ppm"):
    """Return a measurement of a function of ``time`` on a guest."""

    def measure():
        with Host().guest(drift=drift).running(pace=pace):
            return call_ns(name)

    return measure


def wall():
    """``time.time()`` beside time-machine's ticking travel: as fast if stepped, at most 1.2 times as slow if live."""
    peer = "time-machine, ticking"
    yield figure("time.time(), stepped", in_turns(on_guest("time", "stepped"), time_machine_ns), peer, at_least=1.0)
    for drift in ("0 ppm", "+200 ppm"):
        pairs = in_turns(on_guest("time", "live", drift), time_machine_ns)
        yield figure(f"time.time(), live, {drift}", pairs, peer, at_most=1.2)


def time_machine_ns():
    """What ``time.time()`` costs in time-machine's ticking travel."""
    with time_machine.travel(0):
        return call_ns("time")


def monotonic():
    """``time.monotonic()``: ten times as fast as freezegun's."""

    def peer_ns():
        with freezegun.freeze_time("2026-01-01", tick=True):
            return call_ns("monotonic")

    for pace in ("stepped", "live"):
        pairs = in_turns(on_guest("monotonic", pace), peer_ns)
        yield figure(f"time.monotonic(), {pace}", pairs, "freezegun, ticking", at_least=10)


# ------------------------------------------------------------------------------------------------------------- entering

SOURCE = """
import os, sys, time
from datetime import datetime
class Thing{number}:
    created = None
    def method(self, argument=None): return argument
""" + "\n".join(f"def function_{number}(argument, other={number}): return argument" for number in range(25))


def enter_and_leave():
    """Entering and leaving a guest in a large process, after the first time: a hundred times as fast as freezegun."""
    filled = [f"filling_{number}" for number in range(max(MODULES - len(sys.modules), 0))]
    for number, name in enumerate(filled):
        module = sys.modules[name] = ModuleType(name)
        exec(SOURCE.replace("{number}", str(number)), vars(module))  # noqa: S102  (a library of our own)
    machine = Host().guest()

    def ours():
        with machine.running():
            pass

    def theirs():
        with freezegun.freeze_time("2026-01-01"):
            pass

    pairs = in_turns(lambda: cost_ns(ours, 10, 10), lambda: cost_ns(theirs, 1, 4), 15)
    yield figure(f"enter and leave, {len(sys.modules):,} modules", pairs, "freezegun", at_least=100)
    for name in filled:
        del sys.modules[name]


# ------------------------------------------------------------------------------------------------------- not being used


def environment(directory):
    """Let bytecode be kept in a directory, as it is kept somewhere wherever tests run more than once."""
    kept = {"PYTHONPYCACHEPREFIX": str(Path(directory, "bytecode")), "PYTHONDONTWRITEBYTECODE": ""}
    return {**os.environ, **kept}


def pytest_cpu_ns(directory, *arguments):
    """Run pytest with no plugin but the kit; return the processor time that it takes, in nanoseconds."""
    others = {entry.name for entry in entry_points(group="pytest11")} - {"hvclock"}
    blocked = [argument for name in sorted(others) for argument in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *blocked, *arguments]
    process = subprocess.Popen(  # noqa: S603  (ourselves)
        command, cwd=directory, stdout=subprocess.DEVNULL, env=environment(directory)
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{' '.join(command)} ended with {process.returncode}"
    return (usage.ru_utime + usage.ru_stime) * 1e9


def unused():
    """A test that does not use the kit, in a suite of 1,000: not slower by more than a hundredth."""
    with tempfile.TemporaryDirectory() as directory:
        tests = "\n".join(f"def test_{number}(): pass" for number in range(TESTS))
        Path(directory, "test_suite.py").write_text(tests, encoding="utf-8")
        Path(directory, "pytest.ini").write_text("[pytest]\n", encoding="utf-8")

        def ours():
            return pytest_cpu_ns(directory)

        def theirs():
            return pytest_cpu_ns(directory, "-p", "no:hvclock")

        ours(), theirs()  # the first time of each
        pairs = in_turns(ours, theirs, RUNS)
    yield figure(f"{TESTS:,} tests without the kit", pairs, "no plugin", at_most=1.01)


PROBE = """
import time
import pytest, _pytest.config
started = time.process_time_ns()
import pytest_hvclock.plugin
print(time.process_time_ns() - started)
"""
LOADED = f"def test(): import sys; assert [name for name in {NOT_LOADED} if name in sys.modules] == []\n"


def importing():
    """Importing the plugin after pytest: 5 ms of processor time, and none of ``NOT_LOADED`` with it."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-c", PROBE]

        def ours():
            return int(subprocess.check_output(command, env=environment(directory)))  # noqa: S603  (ourselves)

        ours()  # the first time
        pairs = in_turns(ours, lambda: IMPORT_NS, IMPORTS)
        Path(directory, "test_loaded.py").write_text(LOADED, encoding="utf-8")
        pytest_cpu_ns(directory)  # fails if one of those is loaded
    yield figure("importing the plugin", pairs, "the goal", at_most=1)


# ------------------------------------------------------------------------------------------------------------ the table

ROWS = {row.__name__: row for row in (wall, monotonic, enter_and_leave, unused, importing)}


def short(ratio):
    """Write a ratio with as many digits as say something."""
    return f"{ratio:,.0f}" if ratio >= 1_000 else f"{ratio:.4g}"


def written(cost_ns):
    """Write a cost in a unit that fits."""
    digits = len(str(round(cost_ns)))
    unit, name = (1, "ns") if digits < 5 else (1e3, "us") if digits < 7 else (1e6, "ms") if digits < 12 else (1e9, "s")
    return f"{cost_ns / unit:,.1f} {name}"


def machine():
    """Return what the figures were measured on, and with."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "load average": round(os.getloadavg()[0], 1),
        **{name: version(name) for name in ("pytest", "pytest-hvclock", "time-machine", "freezegun")},
    }


def measured(rows, file=None):
    """Measure rows, print the table while it grows, and write it into a file as JSON, if there is one."""
    here = machine()
    print(", ".join(f"{name} {value}" for name, value in here.items()))
    print(f"{'what':<34}{'kit':>12}  {'peer':<22}{'':>12}{'ratio':>13}  {'half of them':<28}wanted")
    figures = []
    for row in rows:
        for line in row():
            figures.append(line)
            kit, peer = map(written, (line.cost_ns, line.peer_cost_ns))
            low, ratio, high = map(short, (line.low, line.ratio, line.high))
            ratios = f"{ratio:>13}  {f'[{low}, {high}]':<28}"
            met = "" if line.met else "  NOT MET"
            print(f"{line.what:<34}{kit:>12}  {line.peer:<22}{peer:>12}{ratios}{line.wanted}{met}", flush=True)
    if file:
        text = json.dumps({"machine": here, "figures": [line._asdict() for line in figures]}, indent=2)
        file.write_text(text + "\n", encoding="utf-8")
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], default=[], help=f"of {', '.join(ROWS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    options = parser.parse_args()
    return not all(figure.met for figure in measured([ROWS[name] for name in options.rows or ROWS], options.json))


if __name__ == "__main__":
    sys.exit(main())
