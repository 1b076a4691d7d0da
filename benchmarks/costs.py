"""What the kit costs, beside its peers in the same process: readings, entering a guest, and not using the kit at all.

Run it with ``python benchmarks/costs.py``; names of rows as arguments limit it to them, and ``--json FILE`` writes the
figures down as well. Each row is a ratio: both sides are measured in turns, many times, and the median of the ratios
counts, so that it holds on any machine; nothing here is a timed test. Needs ``pip install --group benchmarks``.
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
from statistics import median
from types import ModuleType
from typing import NamedTuple

import freezegun
import time_machine

from pytest_hvclock import Host

TIMERS = [time.perf_counter_ns]  # in a container, where neither the kit nor a peer replaces it
CALLS, ROUNDS = 20_000, 31
MODULES = 2_000
TESTS, RUNS = 1_000, 25
IMPORTS = 25
NOT_LOADED = ["time_machine", "freezegun", "asyncio", "hypothesis"]


class Figure(NamedTuple):
    """One line of the table."""

    what: str
    cost: float
    peer: str
    peer_cost: float
    unit: str
    ratio: float
    wanted: str
    met: bool


# ------------------------------------------------------------------------------------------------------------- readings


def call_ns(name):
    """Return what one call of a function of ``time`` costs, in nanoseconds."""
    function, timer = getattr(time, name), TIMERS[0]
    started = timer()
    for _ in repeat(None, CALLS):
        function()
    return (timer() - started) / CALLS


def in_turns(first, second, rounds=ROUNDS):
    """Measure both again and again; return the median of each, and of how many times the second costs the first."""
    pairs = [(first(), second()) for _ in range(rounds)]
    ours, theirs = zip(*pairs, strict=True)
    return median(ours), median(theirs), median(peer / our for our, peer in pairs)


def on_guest(name, pace, drift="0 ppm"):
    """Return a measurement of a function of ``time`` on a guest."""

    def measure():
        with Host().guest(drift=drift).running(pace=pace):
            return call_ns(name)

    return measure


def wall():
    """``time.time()`` beside time-machine's ticking travel: as fast if stepped, at most 1.2 times as slow if live."""
    cost, peer, ratio = in_turns(on_guest("time", "stepped"), time_machine_ns)
    yield Figure(
        *("time.time(), stepped", cost, "time-machine, ticking", peer, "ns", ratio),
        *("peer / kit >= 1.0", ratio >= 1.0),
    )
    for drift in ("0 ppm", "+200 ppm"):
        cost, peer, ratio = in_turns(on_guest("time", "live", drift), time_machine_ns)
        yield Figure(
            *(f"time.time(), live, {drift}", cost, "time-machine, ticking", peer, "ns", 1 / ratio),
            *("kit / peer <= 1.2", 1 / ratio <= 1.2),
        )


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
        cost, peer, ratio = in_turns(on_guest("monotonic", pace), peer_ns)
        yield Figure(
            *(f"time.monotonic(), {pace}", cost, "freezegun, ticking", peer, "ns", ratio),
            *("peer / kit >= 10", ratio >= 10),
        )


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
    timer = TIMERS[0]

    def cost_us(enter, times):
        started = timer()
        for _ in repeat(None, times):
            with enter():
                pass
        return (timer() - started) / times / 1e3

    def ours_us():
        return cost_us(machine.running, 50)

    def peer_us():
        return cost_us(lambda: freezegun.freeze_time("2026-01-01"), 3)

    ours_us(), peer_us()  # the first time of each
    cost, peer, ratio = in_turns(ours_us, peer_us, 15)
    yield Figure(
        *(f"enter and leave, {len(sys.modules):,} modules", cost, "freezegun", peer, "us", ratio),
        *("peer / kit >= 100", ratio >= 100),
    )
    for name in filled:
        del sys.modules[name]


# ------------------------------------------------------------------------------------------------------- not being used


def pytest_cpu_s(directory, *arguments):
    """Run pytest with no plugin but the kit; return the processor time that it takes, in seconds."""
    others = {entry.name for entry in entry_points(group="pytest11")} - {"hvclock"}
    blocked = [argument for name in sorted(others) for argument in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *blocked, *arguments]
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)  # noqa: S603  (ourselves)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{' '.join(command)} ended with {process.returncode}"
    return usage.ru_utime + usage.ru_stime


def unused():
    """A test that does not use the kit, in a suite of 1,000: not slower by more than a hundredth."""
    with tempfile.TemporaryDirectory() as directory:
        tests = "\n".join(f"def test_{number}(): pass" for number in range(TESTS))
        Path(directory, "test_suite.py").write_text(tests, encoding="utf-8")
        Path(directory, "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        with_s, without_s, ratio = in_turns(
            lambda: pytest_cpu_s(directory), lambda: pytest_cpu_s(directory, "-p", "no:hvclock"), RUNS
        )
    yield Figure(
        *(f"{TESTS:,} tests without the kit", with_s * 1e3, "no plugin", without_s * 1e3, "ms", 1 / ratio),
        *("kit / peer <= 1.01", 1 / ratio <= 1.01),
    )


PROBE = """
import sys, time
import pytest, _pytest.config
before = set(sys.modules)
started = time.process_time()
import pytest_hvclock.plugin
print((time.process_time() - started) * 1e3, len(set(sys.modules) - before))
"""
LOADED = f"def test(): import sys; assert [name for name in {NOT_LOADED} if name in sys.modules] == []\n"


def importing():
    """Importing the plugin after pytest: 5 ms of processor time, and nothing heavy with it."""
    found = [
        subprocess.run([sys.executable, "-c", PROBE], check=True, capture_output=True, text=True).stdout.split()  # noqa: S603
        for _ in range(IMPORTS)
    ]
    cost = median(float(milliseconds) for milliseconds, _ in found)
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "test_loaded.py").write_text(LOADED, encoding="utf-8")
        pytest_cpu_s(directory)
    yield Figure(
        *("importing the plugin", cost, "the goal", 5.0, "ms", cost / 5),
        *(f"<= 5 ms, no {'/'.join(NOT_LOADED)}", cost <= 5),
    )


# ------------------------------------------------------------------------------------------------------------ the table

ROWS = {row.__name__: row for row in (wall, monotonic, enter_and_leave, unused, importing)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], default=[], help=f"of {', '.join(ROWS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    options = parser.parse_args()
    machine = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        **{name: version(name) for name in ("pytest", "pytest-hvclock", "time-machine", "freezegun")},
    }
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"{'what':<34}{'kit':>12}  {'beside':<22}{'peer':>12}{'ratio':>9}  wanted")
    figures = []
    for name in options.rows or ROWS:
        for figure in ROWS[name]():
            figures.append(figure)
            kit, peer = (f"{cost:,.1f} {figure.unit}" for cost in (figure.cost, figure.peer_cost))
            met = "" if figure.met else "  NOT MET"
            line = f"{figure.what:<34}{kit:>12}  {figure.peer:<22}{peer:>12}{figure.ratio:>9.3f}"
            print(f"{line}  {figure.wanted}{met}", flush=True)
    if options.json:
        text = json.dumps({"machine": machine, "figures": [figure._asdict() for figure in figures]}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")
    return not all(figure.met for figure in figures)


if __name__ == "__main__":
    sys.exit(main())
