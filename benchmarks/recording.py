"""What it costs a suite that its guests are recorded: time, and memory, which must not grow with the number of tests.

Run it with ``python benchmarks/recording.py``. Half of the tests of one run are not recorded, in the order no, yes,
yes, no, so that both halves meet the same noise; what counts is the processor time of all of either half. The peer in
memory is a run of the same tests on no guest and without the kit: what pytest keeps of its own tests.
"""

import os
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

FEW, MANY = 1_000, 10_000
PARTS = 25
WANTED_RATIO, WANTED_MB = 1.05, 1
SUITE = """
import time
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(hvclock, number):
    started = time.time()
    time.sleep(0)
    hvclock.advance("10 s")
    assert time.time() >= started and time.monotonic() > 0
"""
HALF_RECORDED = """
import time
from pathlib import Path
from types import SimpleNamespace
import pytest
from pytest_hvclock.running import Running

timers = [time.process_time_ns]  # in a container, where the kit does not replace it
record, costs = Running.record, ([], [])

def nothing(running):
    return SimpleNamespace(total=0, last_wait=None, judgements=[], trail=SimpleNamespace(looks=0))

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    recorded = (len(costs[0]) + len(costs[1])) % 4 in (1, 2)
    Running.record = record if recorded else nothing
    started = timers[0]()
    result = yield
    costs[recorded].append(timers[0]() - started)
    return result

def pytest_unconfigure():
    lines = (f"{recorded} {not_recorded}" for not_recorded, recorded in zip(*costs))
    Path("costs.txt").write_text("\\n".join(lines), encoding="utf-8")
"""
NO_GUEST = """
import pytest
from types import SimpleNamespace

@pytest.fixture
def hvclock():
    return SimpleNamespace(advance=lambda by: None)
"""


def pairs(tests):
    """Return what tests cost that are recorded and that are not, in nanoseconds, each the mean of a part of a run."""
    with tempfile.TemporaryDirectory() as directory:
        memory_mb(directory, tests, HALF_RECORDED)
        lines = Path(directory, "costs.txt").read_text(encoding="utf-8").splitlines()
    costs = [tuple(map(int, line.split())) for line in lines]
    size = max(len(costs) // PARTS // 2 * 2, 2)
    parts = [costs[start : start + size] for start in range(0, len(costs) - size + 1, size)]
    return [tuple(sum(half) / size for half in zip(*part, strict=True)) for part in parts]


def memory_mb(directory, tests, conftest, *arguments):
    """Run so many tests with no plugin but the kit; return how much memory the process had at most, in megabytes."""
    Path(directory, "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    Path(directory, "test_suite.py").write_text(SUITE.replace("{tests}", str(tests)), encoding="utf-8")
    Path(directory, "conftest.py").write_text(conftest, encoding="utf-8")
    others = {entry.name for entry in entry_points(group="pytest11")} - {"hvclock"}
    blocked = [argument for name in sorted(others) for argument in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *blocked, *arguments]
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)  # noqa: S603  (ourselves)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{' '.join(command)} ended with {process.returncode}"
    return usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)


def main():
    recorded_ns, not_recorded_ns = map(sum, zip(*pairs(MANY), strict=True))
    ratio = recorded_ns / not_recorded_ns
    print(
        f"{MANY:,} tests: recorded takes {ratio:.3f} times as long as not recorded, wanted <= {WANTED_RATIO}",
        flush=True,
    )
    beside_mb = []
    with tempfile.TemporaryDirectory() as directory:
        for tests in (FEW, MANY):
            kit_mb = memory_mb(directory, tests, "")
            peer_mb = memory_mb(directory, tests, NO_GUEST, "-p", "no:hvclock")
            beside_mb.append(kit_mb - peer_mb)
            print(f"{tests:,} tests: {kit_mb:.1f} MB on guests, {peer_mb:.1f} MB without the kit", flush=True)
    grows_mb = beside_mb[1] - beside_mb[0]
    print(f"the kit's own grows by {grows_mb:.1f} MB, wanted <= {WANTED_MB}")
    return not (ratio <= WANTED_RATIO and grows_mb <= WANTED_MB)


if __name__ == "__main__":
    sys.exit(main())
