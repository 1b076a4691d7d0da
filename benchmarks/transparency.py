"""Whether anything notices that it runs on a guest: CPython's own tests, with and without one, test by test.

Run it with ``python benchmarks/transparency.py``; names of test modules as arguments limit it to them. Each module runs
in a process of its own, on a guest to which nothing happens, and again without a guest. A test whose outcome differs
runs twice more each way, alone, so that one that merely fails now and then is told from one that the guest makes fail.
"""

import argparse
import faulthandler
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

MODULES = [
    *("test_time", "test_datetime", "test_sched", "test_queue", "test_threading", "test_asyncio", "test_uuid"),
    *("test_logging", "test_concurrent_futures", "test_subprocess"),
]
PACES = ("live", "stepped")
AGAIN = 2
NEVER_ENDED = "never ended"


class Recorder(unittest.TestResult):
    """Writes down what comes of each test as soon as it is known: a run that hangs has said where."""

    def __init__(self, file):
        super().__init__()
        self._file = file
        self._seen = Counter()
        self._name = ""
        self._outcomes = []

    def startTest(self, test):  # noqa: N802  (unittest's word)
        super().startTest(test)
        self._name, self._outcomes = self._named(test), []
        self.note(self._name, NEVER_ENDED)

    def stopTest(self, test):  # noqa: N802
        super().stopTest(test)
        self.note(self._name, "; ".join(dict.fromkeys(self._outcomes)) or "passed")
        self._name = ""

    def addSkip(self, test, reason):  # noqa: N802
        self._add(test, f"skipped: {reason}")

    def addExpectedFailure(self, test, err):  # noqa: N802
        self._add(test, f"failed as expected: {_last_line(err)}")

    def addUnexpectedSuccess(self, test):  # noqa: N802
        self._add(test, "failed: passed unexpectedly")

    def addFailure(self, test, err):  # noqa: N802
        self._add(test, f"failed: {_last_line(err)}")

    def addError(self, test, err):  # noqa: N802
        self._add(test, f"failed: {_last_line(err)}")

    def addSubTest(self, test, subtest, err):  # noqa: N802
        if err is not None:
            self._add(test, f"failed: {subtest._subDescription()} {_last_line(err)}")  # noqa: SLF001

    def _add(self, test, outcome):
        if self._name:
            self._outcomes.append(outcome)
        else:  # of a class or a module
            self.note(test.id(), outcome)

    def _named(self, test):
        """Return the test's name, with a number if there are several of it."""
        self._seen[test.id()] += 1
        times = self._seen[test.id()]
        return test.id() if times == 1 else f"{test.id()} #{times}"

    def note(self, name, outcome):
        """Write down an outcome."""
        self._file.write(json.dumps([name, outcome]) + "\n")
        self._file.flush()


def _last_line(error):
    kind, value, _ = error
    return " ".join(f"{kind.__name__}: {value}".split())[:300]


# ---------------------------------------------------------------------------------------------- in a process of its own


def run(module, pace, backend, path, only):
    """Run a module's tests on a guest of this pace, or on none, and write to a file what comes of each."""
    from test import support

    from pytest_hvclock import Host

    support.use_resources = frozenset()  # as "python -m test" by itself
    support.verbose = False
    suite = unittest.defaultTestLoader.loadTestsFromName(f"test.{module}")
    if only:
        suite = unittest.TestSuite(test for test in _flat(suite) if test.id() in only)
    with Host().guest().running(backend=backend):
        pass  # the first time takes half a second, which the clock of the guest below would be behind by
    guest = Host(start=datetime.now(UTC)).guest(timesync="off")  # the present, because files have the real time
    with Path(path).open("w", encoding="utf-8") as file:
        recorder = Recorder(file)
        with guest.running(backend=backend, pace=pace) if pace != "none" else nullcontext():
            suite.run(recorder)
        recorder.note("what is left behind", "altered" if support.environment_altered else "nothing")


def _flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flat(test)
        else:
            yield test


# ---------------------------------------------------------------------------------------------------------- the report


def outcomes(module, pace, options, only=()):
    """Run a module in a process of its own; return what came of each test, by its name."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "outcomes"
        path.touch()
        settings = ["--child", module, pace, str(path), "--backend", options.backend]
        child = subprocess.Popen(  # noqa: S603  (ourselves)
            [sys.executable, __file__, *settings, *only],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if options.verbose else subprocess.DEVNULL,
            cwd=directory,
            start_new_session=True,
        )
        with suppress(subprocess.TimeoutExpired):
            child.wait(options.timeout)
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGABRT)  # so that it shows where it hangs
            child.wait()
        found = dict(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        if child.returncode != 0:
            found["the process"] = f"ended with {child.returncode}"
        return found


def compare(module, options):
    """Run a module both ways, print a line on it, and return what differs each time and what only now and then."""
    runs = [(outcomes(module, "none", options), outcomes(module, options.pace, options))]
    without, within = runs[0]
    names = [name for name in without | within if _kind(without.get(name)) != _kind(within.get(name))]
    only = sorted({name.partition(" #")[0] for name in names if name.startswith("test.")})
    runs += [
        (outcomes(module, "none", options, only), outcomes(module, options.pace, options, only))
        for _ in range(AGAIN if only else 0)
    ]
    steady, wavering = {}, {}
    if not any(name.startswith("test.") for name in without):  # the module is not there, or the process has failed
        steady["no test has run"] = tuple(", ".join(found.values()) or "nothing" for found in runs[0])
    for name in names:
        kinds = [{_kind(run[side].get(name)) for run in runs} for side in (0, 1)]
        found = wavering if kinds[0] & kinds[1] else steady
        found[name] = (without.get(name, "absent"), within.get(name, "absent"))
    print(f"{module:<26}{_counts(without):<44}{_counts(within):<44}{len(steady):>4}{len(wavering):>5}", flush=True)
    return steady, wavering


def _kind(outcome):
    """Return what counts of an outcome; numbers in its message may differ from run to run."""
    return (outcome or "absent").partition(":")[0]


def _counts(found):
    counts = Counter(_kind(outcome) for outcome in found.values())
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", default=MODULES, help="of the standard library's test package")
    parser.add_argument("--pace", choices=PACES, default=PACES[0])
    parser.add_argument("--backend", default="time-machine")
    parser.add_argument("--timeout", type=int, default=900, help="seconds that a module's tests may take")
    parser.add_argument("--verbose", action="store_true", help="show what the tests write on stderr")
    parser.add_argument("--child", nargs=3, metavar=("MODULE", "PACE", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        faulthandler.enable(all_threads=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job does not have
        module, pace, path = options.child
        run(module, pace, options.backend, path, frozenset(options.modules if options.modules is not MODULES else ()))
        return 0
    print(f"CPython {sys.version.split()[0]}, {options.backend}, {options.pace}")
    print(f"{'module':<26}{'without a guest':<44}{'on a guest':<44}{'differ':>6}{'waver':>6}", flush=True)
    differences = [compare(module, options) for module in options.modules]
    for title, side in (("differs each time", 0), ("differs now and then", 1)):
        print(f"\n{title}: {sum(len(found[side]) for found in differences)}")
        for found in differences:
            for name, (without, within) in found[side].items():
                print(f"  {name}\n    without: {without}\n    on a guest: {within}")
    return any(steady for steady, _ in differences)


if __name__ == "__main__":
    sys.exit(main())
