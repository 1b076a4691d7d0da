"""``--hvclock-report``: what a run writes, with however many workers, and however it ends."""

from __future__ import annotations

import json
import re

import pytest

SUITE = """
import os, time
import pytest

@pytest.mark.hvclock("azure-pause-28s", "restore-after-a-month")
@pytest.mark.parametrize("number", range(3))
def test_lease(hvclock, number):
    until = time.time() + 30
    hvclock.strike()
    time.sleep(5)
    assert time.time() < until or number, "lost <b>it</b>"

@pytest.mark.hvclock
def test_plain(hvclock):
    assert time.time() > 0

def test_without_a_guest():
    pass
"""
START = ("-o", "hvclock_start=2026-01-01T00:00:00Z", "-p", "no:randomly")


def written(pytester, name="out"):
    """Return the files of a report and what is in them."""
    return {path.name: path.read_bytes() for path in (pytester.path / name).iterdir()}


def test_the_report_is_the_same_with_any_number_of_workers(pytester):
    """Page, record and drawings of what failed, to the byte; and the workers leave nothing else."""
    pytester.makepyfile(test_it=SUITE)
    results = [
        pytester.runpytest_subprocess(*START, f"--hvclock-report=out{number}", *options)
        for number, options in enumerate([[], ["-n", "1"], ["-n", "2"]])
    ]
    one, *others = [written(pytester, f"out{number}") for number in range(3)]
    assert others == [one, one]
    results[0].stdout.fnmatch_lines(["hvclock: wrote *out0*index.html"])
    tests = json.loads(one["record.json"])["tests"]
    names = [test["test"] for test in tests]
    assert names == sorted(names)
    assert len(names) == 7
    failed = [test["test"] for test in tests if test["outcome"] == "failed"]
    assert len(failed) == 2
    assert len([name for name in one if name.endswith(".svg")]) == 2
    assert len(one) == 4
    assert b"lost &lt;b&gt;it&lt;/b&gt;" in one["index.html"]


@pytest.mark.parametrize(
    "options",
    [
        ["-q"],
        ["-qq"],
        ["--no-summary"],
        ["-p", "no:terminal"],
        ["--tb=no"],
        ["--junitxml=junit.xml"],
        ["-n", "2", "-q"],
    ],
)
def test_the_report_is_written_however_pytest_reports(pytester, options):
    """Right or silent, never broken."""
    pytester.makepyfile(test_it=SUITE)
    result = pytester.runpytest_subprocess(*START, "--hvclock-report=out", *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert len(written(pytester)) == 4
    assert "Error" not in result.stderr.str()


def test_the_directory_can_be_an_ini_key_and_is_made(pytester):
    """With its parents; a run in which no test used a guest has a report as well."""
    pytester.makepyfile("def test_it(): pass")
    pytester.makeini("[pytest]\nhvclock_report = some/where\n")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    assert set(written(pytester, "some/where")) == {"index.html", "record.json"}


def test_a_directory_that_cannot_be_is_one_line(pytester):
    """And exit code 4."""
    pytester.makepyfile("def test_it(): pass")
    pytester.path.joinpath("file").write_text("", encoding="utf-8")
    result = pytester.runpytest_subprocess("--hvclock-report=file")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines == [f"ERROR: --hvclock-report: {pytester.path / 'file'}: File exists", ""]


def test_an_interrupted_run_writes_what_there_is(pytester):
    """Up to the test that was interrupted."""
    pytester.makepyfile(
        """
        import time
        def test_one(hvclock): time.time()
        def test_two(hvclock): raise KeyboardInterrupt
        def test_three(hvclock): time.time()
        """
    )
    result = pytester.runpytest_subprocess(*START, "--hvclock-report=out")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    (test,) = json.loads(written(pytester)["record.json"])["tests"]
    assert test["test"].endswith("::test_one")


def test_the_next_run_leaves_no_drawing_of_the_last(pytester):
    """What failed before and passes now is gone; somebody else's file of such a name is not."""
    pytester.makepyfile(test_it=SUITE)
    pytester.runpytest_subprocess(*START, "--hvclock-report=out")
    assert len(written(pytester)) == 4
    pytester.path.joinpath("out", "mine-0123abcd.svg").write_text("<svg/>", encoding="utf-8")
    pytester.runpytest_subprocess(*START, "--hvclock-report=out", "-k", "plain")
    assert set(written(pytester)) == {"index.html", "record.json", "mine-0123abcd.svg"}


def test_a_hook_adds_sections_to_the_terminal_and_to_the_report(pytester):
    """Also from a worker; in the terminal only where a test failed."""
    pytester.makepyfile(test_it=SUITE)
    pytester.makeconftest(
        """
        def pytest_hvclock_report_sections(timeline):
            return [("lease log", f"{timeline.scenario or 'nothing'} & {len(timeline.readings)} readings")]
        """
    )
    for options in ([], ["-n", "2"]):
        result = pytester.runpytest_subprocess(*START, "--hvclock-report=out", *options)
        shown = re.findall(r"- lease log -+\n(.*)\n", result.stdout.str())
        assert sorted(shown) == ["azure-pause-28s & 2 readings", "restore-after-a-month & 2 readings"]
        assert b"<h2>lease log</h2><pre>azure-pause-28s &amp; 2 readings</pre>" in written(pytester)["index.html"]
        assert len(json.loads(written(pytester)["record.json"])["sections"]) == 7
