"""``--hvclock-report``: what a run writes, with however many workers, and however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import fastjsonschema
import pytest

SCHEMA = Path(__file__).parents[2] / "docs/record.schema.json"
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


def test_the_record_is_as_its_schema_says(pytester):
    """Every kind of entry that there is: recoveries, claims, waits in threads, sets, a guest that is off, sections."""
    pytester.makepyfile(
        test_it="""
        import threading, time
        import pytest
        from pytest_hvclock import claims

        @pytest.mark.hvclock("boot-linux-on-a-tokyo-host", "linux-4-10-sets-every-sample")
        @pytest.mark.hvclock_recovers(lambda: time.time() > 0, within="30 s", judged_by="guest")
        def test_recovers(hvclock):
            thread = threading.Thread(target=time.sleep, args=(60,))
            thread.start()
            thread.join()
            time.clock_gettime(time.CLOCK_BOOTTIME), time.clock_gettime(time.CLOCK_MONOTONIC_RAW)

        def test_claims(hvclock):
            hvclock.power_off()
            hvclock.host.advance("1 h")
            hvclock.boot()
            with claims.wait("10 s"):
                time.sleep(1)

        def test_skips(hvclock):
            pytest.skip("never mind")
        """
    )
    pytester.makeconftest("def pytest_hvclock_report_sections(timeline): return [('title', 'text')]")
    result = pytester.runpytest_subprocess(*START, "--hvclock-report=out")
    result.assert_outcomes(passed=2, failed=1, skipped=1)
    record = json.loads(written(pytester)["record.json"])
    fastjsonschema.compile(json.loads(SCHEMA.read_text(encoding="utf-8")))(record)
    for kind in ("bends", "deeds", "readings", "waits", "judgements"):
        assert any(test[kind] for test in record["tests"]), kind
    assert {test["outcome"] for test in record["tests"]} == {"passed", "failed", "skipped"}
    assert len(record["sections"]) == 4


@pytest.mark.parametrize(
    "options",
    [
        ["-q"],
        ["-qq"],
        ["--no-summary"],
        ["-p", "no:terminal"],
        ["--tb=no"],
        ["--junitxml=junit.xml"],
        ["-p", "no:cacheprovider"],
        ["-n", "2", "-q"],
        ["-n", "2", "-q", "--no-summary", "--tb=no", "--junitxml=junit.xml", "-p", "no:cacheprovider"],
        ["-p", "no:terminal", "--junitxml=junit.xml", "-p", "no:cacheprovider"],
    ],
)
def test_the_report_is_written_however_pytest_reports(pytester, options):
    """Right or silent, never broken."""
    pytester.makepyfile(test_it=SUITE)
    result = pytester.runpytest_subprocess(*START, "--hvclock-report=out", *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert len(written(pytester)) == 4
    assert "Error" not in result.stderr.str()
    if "--junitxml=junit.xml" in options:
        suite = ET.parse(pytester.path / "junit.xml").getroot()[0]  # noqa: S314  (our own file)
        assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("8", "2", "0")


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


def names_of(pytester):
    """Return the names of the recorded tests."""
    return [test["test"].rpartition("::")[2] for test in json.loads(written(pytester)["record.json"])["tests"]]


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_ctrl_c_writes_what_there_is(pytester, workers):
    """Pressed at a terminal, it reaches the workers as well."""
    # a shell's background job, and so whatever it starts, ignores the signal
    pytester.makeconftest("import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)")
    pytester.makepyfile(
        test_it="""
        import os, pathlib, time
        def test_one(hvclock): time.time()
        def test_two(hvclock):
            time.time()
            pathlib.Path("waits").touch()
            os.read(os.pipe()[0], 1)
        """
    )
    command = [*pytester._getpytestargs(), *START, "-p", "no:cacheprovider", "--hvclock-report=out", *workers]
    with subprocess.Popen(command, cwd=pytester.path, start_new_session=True, stdout=subprocess.PIPE, text=True) as run:
        ends = time.monotonic() + 60
        while not (pytester.path / "waits").exists() and time.monotonic() < ends:
            time.sleep(0.05)
        time.sleep(1)  # the report of the first test arrives
        os.killpg(run.pid, signal.SIGINT)
        try:
            said, _ = run.communicate(timeout=60)
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert names_of(pytester) == ["test_one"]
    assert "KeyboardInterrupt" in said
    assert "hvclock: wrote " in said
    assert set(written(pytester)) == {"index.html", "record.json"}


def test_a_run_that_stops_at_the_first_failure_writes_what_there_is(pytester):
    """The failure included."""
    pytester.makepyfile(
        test_it="""
        import time
        def test_one(hvclock): time.time()
        def test_two(hvclock): assert time.time() < 0
        def test_three(hvclock): time.time()
        """
    )
    pytester.runpytest_subprocess(*START, "-x", "--hvclock-report=out").assert_outcomes(passed=1, failed=1)
    assert names_of(pytester) == ["test_one", "test_two"]
    assert len(written(pytester)) == 3


def test_a_worker_that_crashes_takes_nothing_with_it(pytester):
    """But the record of the test in which it did, which xdist reports as failed."""
    pytester.makepyfile(
        test_it="""
        import os, time
        def test_one(hvclock): time.time()
        def test_two(hvclock): os._exit(3)
        def test_three(hvclock): assert time.time() < 0
        def test_four(hvclock): time.time()
        """
    )
    result = pytester.runpytest_subprocess(*START, "-n", "2", "--hvclock-report=out", "--junitxml=junit.xml")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["hvclock: wrote *index.html"])
    assert names_of(pytester) == ["test_four", "test_one", "test_three"]
    assert len(written(pytester)) == 3


def test_the_next_run_leaves_no_drawing_of_the_last(pytester):
    """What failed before and passes now is gone; somebody else's file of such a name is not."""
    pytester.makepyfile(test_it=SUITE)
    pytester.runpytest_subprocess(*START, "--hvclock-report=out")
    assert len(written(pytester)) == 4
    pytester.path.joinpath("out", "mine-0123abcd.svg").write_text("<svg/>", encoding="utf-8")
    pytester.runpytest_subprocess(*START, "--hvclock-report=out", "-k", "plain")
    assert set(written(pytester)) == {"index.html", "record.json", "mine-0123abcd.svg"}


def test_a_report_that_cannot_be_written_at_the_end_is_said_and_fails_no_test(pytester):
    """Somebody has put a file in the directory's place meanwhile."""
    pytester.makepyfile(
        """
        import os, pytest

        @pytest.mark.hvclock
        def test_it():
            os.rename("out", "gone")
            open("out", "w").close()
        """
    )
    result = pytester.runpytest_subprocess(*START, "--hvclock-report=out")
    result.assert_outcomes(passed=1)
    said = f"hvclock: no report: {pytester.path / 'out'}*: *"
    result.stdout.fnmatch_lines([said])
    result.stderr.fnmatch_lines([said])


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
        shown = re.findall(r"- lease log -+\n(.*)\n-+ Guest clock", result.stdout.str())
        assert sorted(shown) == ["azure-pause-28s & 2 readings", "restore-after-a-month & 2 readings"]
        assert b"<h2>lease log</h2><pre>azure-pause-28s &amp; 2 readings</pre>" in written(pytester)["index.html"]
        assert len(json.loads(written(pytester)["record.json"])["sections"]) == 7


def test_a_section_that_is_none_breaks_no_run(pytester):
    """What the hook returned is said where the section would be."""
    pytester.makepyfile("def test_it(hvclock): assert False\ndef test_other(): pass\n")
    pytester.makeconftest("def pytest_hvclock_report_sections(timeline): return 5")
    result = pytester.runpytest_subprocess(*START)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        ["pytest_hvclock_report_sections returned 5: return a sequence of titles and texts", "*- Guest clock -*"]
    )


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest has subtests from 9.0 on")
@pytest.mark.parametrize("options", [(), ("-n", "2"), ("-p", "no:terminal")])
def test_a_test_with_subtests_is_one_test(pytester, options):
    """It fails if one of them does, with what that said."""
    pytester.makepyfile(
        test_it="""
        import time
        import pytest

        @pytest.mark.hvclock("azure-pause-28s")
        @pytest.mark.parametrize("wrong", [1, 7])
        def test_it(hvclock, subtests, wrong):
            hvclock.strike()
            for number in range(3):
                with subtests.test(number=number):
                    time.sleep(1)
                    if number == wrong:
                        raise LookupError("lost it")  # not assert: pytest 9.0 explains none without its terminal
        """
    )
    result = pytester.runpytest_subprocess(*START, "--hvclock-report=out", *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    if "no:terminal" not in options:
        result.stdout.fnmatch_lines(
            [
                "azure-pause-28s: 1 broke, 1 held",
                "  broke test_it.py::test_it[[]1]: LookupError: lost it",
                "hvclock: wrote *",
            ],
            consecutive=True,
        )
    tests = json.loads(written(pytester)["record.json"])["tests"]
    assert [(test["outcome"], test["failure"], len(test["waits"])) for test in tests] == [
        ("failed", "LookupError: lost it", 3), ("passed", "", 3),
    ]  # fmt: skip
    assert len(written(pytester)) == 3


def test_without_a_summary_nothing_is_told_at_the_end(pytester):
    """Nor is anything missing: the same tests pass and fail."""
    pytester.makepyfile(test_it=SUITE)
    result = pytester.runpytest_subprocess(*START, "--no-summary")
    result.assert_outcomes(passed=6, failed=2)
    result.stdout.no_fnmatch_line("*guest clocks*")
    result.stdout.no_fnmatch_line("*restore-after-a-month*")
    assert result.stderr.str() == ""
