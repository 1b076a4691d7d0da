"""How many injected runs of a small test the explorer makes in a second, and what a second worker of xdist is worth.

Run it with ``python benchmarks/exploring.py``. It explores one test that reads a clock twenty times and waits ten, at
every place, in pytest processes of their own, and takes the time that pytest takes to start and to collect away by
exploring the same test at one place only. Wanted: 500 runs a second on one core, and with two workers 1.8 times as
many. The first is of the processor's time, so that it holds on a busy machine; the second needs two idle cores, and two
that are twice as fast as one: how fast they are is measured beside it, by two processes at once that share nothing.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import NamedTuple

TEST = """
import time

import pytest


class Cache:
    def __init__(self):
        self.kept = {}

    def set(self, key, value, ttl):
        self.kept[key] = value, time.time() + ttl

    def get(self, key):
        value, expires = self.kept.get(key, (None, 0))
        return value if time.time() < expires else None


@pytest.mark.parametrize("times", [%s])
def test_cache(times):
    cache = Cache()
    for number in range(times):
        cache.set(number, "value", ttl=60)
        time.sleep(1)
        cache.get(number)
"""
PLUGINS = ("pytest_hvclock.plugin", "xdist.plugin")


def explore(folder, *options):
    """Return how many runs there were, and the seconds of the processor and of the wall that they took."""
    load = [word for plugin in PLUGINS for word in ("-p", plugin)]
    command = [sys.executable, "-m", "pytest", "-q", *load, "--hvclock-explore", "--hvclock-seed=1", *options]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  (our own pytest)
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"explored in ([\d,]+) runs", done.stdout)
    if found is None:
        raise SystemExit(done.stdout + done.stderr)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return int(found[1].replace(",", "")), busy, took


class Shared(NamedTuple):
    """The seconds that the same tests take."""

    alone: float
    """By one worker."""
    both: float
    """By two workers."""
    apart: float
    """By half of each of two processes that run at once, with one worker each."""


def measured(rounds, shared):
    """Return, of each round, the runs a second on one core, and the seconds that ``shared`` tests take."""
    rates, workers = [], []
    with tempfile.TemporaryDirectory() as name:
        one, many = Path(name, "one"), Path(name, "many")
        for folder, tests in ((one, 1), (many, shared)):
            folder.mkdir()
            (folder / "test_it.py").write_text(TEST % ", ".join(["10"] * tests), encoding="utf-8")
        for _ in range(rounds):
            few, start, _ = explore(one, "--hvclock-places=1")
            runs, busy, _ = explore(one, "--hvclock-places=all")
            rates.append((runs - few) / (busy - start))
            _, _, alone = explore(many, "--hvclock-places=all", "-n1")
            _, _, both = explore(many, "--hvclock-places=all", "-n2")
            began = time.perf_counter()
            with ThreadPoolExecutor(2) as threads:
                list(threads.map(lambda _: explore(many, "--hvclock-places=all", "-n1"), range(2)))
            workers.append(Shared(alone, both, (time.perf_counter() - began) / 2))
    return rates, workers


def main():
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tests", type=int, default=48, help="how many tests two workers share")
    asked = parser.parse_args()
    rates, workers = measured(asked.rounds, asked.tests)
    factors = [seconds.alone / seconds.both for seconds in workers]
    possible = [seconds.alone / seconds.apart for seconds in workers]
    print("| what | measured | wanted |\n| --- | --- | --- |")
    low, high = min(rates), max(rates)
    print(f"| injected runs a second on one core | {median(rates):,.0f} ({low:,.0f} to {high:,.0f}) | 500 |")
    for what, found, wanted in (
        (f"two workers against one, {asked.tests} tests", factors, "1.8"),
        ("two processes that share nothing against one", possible, "2, by this machine"),
    ):
        low, high = min(found), max(found)
        print(f"| {what} | {median(found):.2f} ({low:.2f} to {high:.2f}) | {wanted} |")


if __name__ == "__main__":
    main()
