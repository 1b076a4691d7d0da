"""``--hvclock-explore`` and what belongs to it, from the command to the line that is printed."""

from __future__ import annotations

import shlex

import pytest

CACHE = """
import time

class Cache:
    def __init__(self):
        self.born = time.time()

    def fresh(self):
        return time.time() - self.born < 60

def test_cache():
    cache = Cache()
    time.sleep(50)
    assert cache.fresh()
"""
SMALLEST = 'Step("10 s") before reading 1 of "return time.time() - self.born < 60"'


def run(pytester, *options):
    return pytester.runpytest_subprocess("-p", "no:randomly", *options)


def test_it_prints_the_line_that_breaks_and_a_command_that_repeats_it(pytester):
    """The failure first, the command last; the command fails as an ordinary test does."""
    pytester.makepyfile(test_it=CACHE)
    result = run(pytester, "--hvclock-explore", "--hvclock-seed=1")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "hvclock: --hvclock-explore --hvclock-places=5 --hvclock-seed=1",
            "FAILED test_it.py::test_cache",
            f"  {SMALLEST}",
            "  struck before test_it.py:8: return time.time() - self.born < 60",
            "  AssertionError: *",
            "*= 1 failed in *",
        ]
    )
    command = result.outlines[-2]
    assert command.startswith("pytest test_it.py::test_cache -o hvclock_start=")
    again = run(pytester, *shlex.split(command)[1:])
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines([">       assert cache.fresh()"])


def test_a_replay_survives_edits_to_other_lines_and_says_if_it_did_not_strike(pytester):
    pytester.makepyfile(test_it="# one more line\n" + CACHE)
    run(pytester, f"--hvclock-replay={SMALLEST}").assert_outcomes(failed=1)
    result = run(pytester, '--hvclock-replay=Step("1 h") before reading 3 of "return gone"')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["1 of 1 anomalies have not struck: the test never came to Step*"])


def test_findings_fail_nothing_unless_they_are_to(pytester):
    pytester.makepyfile(
        """
        import time
        def test_waits():
            due = time.time() + 10
            time.sleep(max(due - time.time(), 0))
        """
    )
    result = run(pytester, "--hvclock-explore")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["finding test_findings*::test_waits", "*= 1 passed in *"])
    assert run(pytester, "--hvclock-explore", "--hvclock-strict").ret == 1


def test_every_kind_of_test_is_explored_with_fixtures_of_its_own(pytester):
    pytester.makepyfile(
        test_it='''
        import time, unittest
        import pytest

        made = []

        @pytest.fixture(scope="module", autouse=True)
        def once():
            made.append("module")
            yield
            assert made.count("module") == 1

        @pytest.fixture
        def cache():
            made.append("function")
            yield time.time()
            assert made.pop() == "function"

        @pytest.mark.parametrize("life", [60, 30])
        def test_function(cache, life):
            assert time.time() - cache < life

        class TestMethods:
            def test_method(self):
                assert not hasattr(self, "began")
                self.began = time.time()
                assert time.time() >= self.began

        class Case(unittest.TestCase):
            def setUp(self):
                self.began = time.time()
            def test_case(self):
                self.assertGreaterEqual(time.time(), self.began)

        def example():
            """
            >>> began = time.time()
            >>> time.time() >= began
            True
            """

        def test_without_a_clock():
            print("no clock")

        @pytest.mark.skip("not today")
        def test_skipped():
            time.time()

        def test_fails():
            assert time.time() < 0
        '''
    )
    result = run(pytester, "--hvclock-explore", "--doctest-modules", "--setup-show", "--hvclock-seed=3")
    broken = {line.partition("::")[2] for line in result.outlines if line.startswith("FAILED ")}
    assert broken == {
        "test_function[60]",
        "test_function[30]",
        "TestMethods::test_method",
        "Case::test_case",
        "test_it.example",
    }
    left_out = dict(
        line.removeprefix("left out test_it.py::").split(": ", 1)
        for line in result.outlines
        if line.startswith("left out")
    )
    assert left_out.pop("test_fails").startswith("already failing: AssertionError: ")
    assert left_out == {
        "test_without_a_clock": "it reads no clock and waits for none",
        "test_skipped": "skipped: not today",
    }
    assert not [line for line in result.outlines if line.strip().startswith("SETUP")]


def test_the_same_is_found_on_two_workers(pytester):
    pytester.makepyfile(test_it=CACHE)
    options = ("--hvclock-explore", "--hvclock-seed=7", "-o", "hvclock_start=2026-01-01T00:00:00Z")

    def told(*more):
        lines = run(pytester, *options, *more).outlines
        return lines[lines.index(next(line for line in lines if "clock exploration" in line)) : -1]

    alone = told()
    assert [line for line in told("-n2") if "runs" not in line] == [line for line in alone if "runs" not in line]


def test_a_strike_that_broke_is_kept_and_tried_first(pytester):
    pytester.makepyfile(test_it=CACHE)
    kept = pytester.path / ".hvclock-regressions"
    kept.write_text("# kept\n", encoding="utf-8")
    assert run(pytester, "--hvclock-explore", "--hvclock-seed=1").ret == 1
    assert f"test_it.py::test_cache\t{SMALLEST}" in kept.read_text(encoding="utf-8").splitlines()
    kept.write_text("nonsense\n", encoding="utf-8")
    result = run(pytester, "--hvclock-explore")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hvclock-explore", "--hvclock-places=0"], "ERROR: --hvclock-places: '0' is no number of places: *"),
        (["--hvclock-explore", "--hvclock-seed=x"], "ERROR: --hvclock-seed: 'x' is no seed: *"),
        (["--hvclock-replay=Step"], "ERROR: --hvclock-replay: 'Step' is not a schedule *"),
        (
            ["--hvclock-explore", "-o", "hvclock_may_cross=file.py"],
            "ERROR: hvclock_may_cross: 'file.py' does *",
        ),
        (["--hvclock-explore", "--hvclock=drift-500ppm"], "ERROR: --hvclock-explore and *leave --hvclock out*"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(pytester, options, message):
    pytester.makepyfile("def test_it(): pass")
    result = run(pytester, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
