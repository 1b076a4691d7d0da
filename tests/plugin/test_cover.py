"""``--hvclock-cover``: the same table whoever runs the tests, and a word where there is nothing to show."""

from __future__ import annotations

import json
from pathlib import Path

import fastjsonschema
import pytest

SCHEMA = Path(__file__).parents[2] / "docs/record.schema.json"
APP = """
import time
from datetime import datetime, UTC

class Session:
    def __init__(self):
        self.ends = time.time() + 60
        self.began = time.monotonic()

    def alive(self):
        return time.time() < self.ends

    def age(self):
        return time.monotonic() - self.began

def stamp():
    return datetime.now(UTC).isoformat()
"""
SUITE = """
import time
import pytest
import app

def test_fixture(hvclock):
    session = app.Session()
    time.sleep(5)
    assert session.alive()
    hvclock.step("-1 s")
    app.stamp()

@pytest.mark.hvclock("restore-after-a-month", "drift-500ppm")
def test_marked(hvclock):
    session = app.Session()
    if not hvclock.drift:
        hvclock.strike()
    assert session.alive()

@pytest.mark.parametrize("number", range(3))
def test_plain(number):
    session = app.Session()
    assert session.alive()
    assert session.age() >= 0
"""
START = ("-p", "no:randomly", "-p", "no:asyncio", "-o", "hvclock_start=2026-01-01T00:00:00Z")


@pytest.fixture
def suite(pytester):
    """An application and its tests."""
    pytester.makepyfile(app=APP, test_app=SUITE)
    return pytester


def table_of(result):
    """Return the table of a run, without the line around it."""
    lines = result.outlines
    begin = next(number for number, line in enumerate(lines) if "= clock reads =" in line)
    end = next(number for number, line in enumerate(lines) if line.startswith("TOTAL"))
    return lines[begin + 1 : end + 1]


def test_the_fixture_and_the_marker_are_covered_and_a_test_without_a_guest_is_not(suite):
    """Exactly this."""
    result = suite.runpytest_subprocess(*START, "--hvclock-cover")
    result.assert_outcomes(passed=6)
    assert table_of(result) == [
        "line       clock      reads  used for   struck by",
        "---------------------------------------------------------------------------",
        "app.py:6   wall           3  deadline   drift-500ppm",
        "app.py:7   monotonic      3  ?          drift-500ppm",
        "app.py:10  wall           3  deadline   drift-500ppm, restore-after-a-month",
        "app.py:16  wall           1  timestamp  step back",
        "---------------------------------------------------------------------------",
        "TOTAL                    10             4 of 4 (100 %)",
    ]


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--hvclock=restore-after-a-month",),
        ("--hvclock-explore", "--hvclock-seed=1", "--hvclock-places=1", "-k", "plain or fixture"),
    ],
)
def test_any_number_of_workers_give_the_same_table(suite, options):
    """And the same record."""
    tables, records = [], []
    for number, workers in enumerate(([], ["-n", "2"])):
        given = (*START, "--hvclock-cover", f"--hvclock-report=out{number}", *options, *workers)
        tables.append(table_of(suite.runpytest_subprocess(*given)))
        records.append(json.loads((suite.path / f"out{number}/record.json").read_text(encoding="utf-8")))
    assert tables[0] == tables[1]
    assert records[0]["cover"] == records[1]["cover"]
    assert len(records[0]["cover"]["lines"]) >= 4
    fastjsonschema.compile(json.loads(SCHEMA.read_text(encoding="utf-8")))(records[0])


def test_exploring_counts_a_clean_run_and_shows_what_has_struck(suite):
    """Each test once, although it ran dozens of times; the places that are not drawn are not struck."""
    result = suite.runpytest_subprocess(
        *START, "--hvclock-cover", "--hvclock-explore", "--hvclock-seed=1", "-k", "plain and 0", "--hvclock-report=out"
    )
    lines = json.loads((suite.path / "out/record.json").read_text(encoding="utf-8"))["cover"]["lines"]
    assert [(line["place"]["line"], line["clock"], line["times"], line["uses"]) for line in lines] == [
        (6, "wall", 1, ["deadline"]),
        (7, "monotonic", 1, ["duration"]),
        (10, "wall", 1, ["deadline"]),
        (13, "monotonic", 1, ["duration"]),
    ]
    for line in lines:
        if line["clock"] == "wall":
            assert {"step back", "step forward", "pause", "restore", "drift"} <= set(line["struck"])
    text = result.stdout.str()
    assert text.index("clock reads") < text.index("clock exploration")
    assert 'id="cover"' in (suite.path / "out/index.html").read_text(encoding="utf-8")


def test_the_ini_key_does_it_too_and_the_report_has_the_place(suite):
    """With the line, its code, and what read for it."""
    suite.makeini("[pytest]\nhvclock_cover = true\nhvclock_report = out\n")
    suite.runpytest_subprocess(*START, "-q")
    cover = json.loads((suite.path / "out/record.json").read_text(encoding="utf-8"))["cover"]
    assert cover["tests"] == 3
    assert cover["lines"][0] == {
        "place": {
            "file": "app.py",
            "line": 6,
            "function": "Session.__init__",
            "text": "self.ends = time.time() + 60",
        },
        "clock": "wall",
        "through": None,
        "times": 3,
        "uses": ["deadline"],
        "struck": ["drift-500ppm"],
    }


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_a_run_without_a_guest_says_what_to_do_in_one_line(pytester, workers):
    """Where nobody has used the kit."""
    pytester.makepyfile("import time\n\ndef test_it(): assert time.time()\n")
    result = pytester.runpytest_subprocess("--hvclock-cover", *workers)
    result.assert_outcomes(passed=1)
    (told,) = [line for line in result.outlines if "hvclock-cover" in line]
    assert told == (
        "hvclock: --hvclock-cover: no test ran on a guest, so no reading of a clock was seen: give a test the fixture "
        "or the marker hvclock, or run with --hvclock=SCENARIO or --hvclock-explore"
    )


def test_a_worker_that_crashes_is_told_of(suite):
    """What it has counted is gone with it, which is not the same as nothing."""
    suite.makepyfile(test_crash="import os\n\ndef test_it(hvclock): os._exit(1)\n")
    result = suite.runpytest_subprocess(*START, "--hvclock-cover", "-n", "1", "--max-worker-restart=1", "--dist=load")
    assert [line for line in result.outlines if "lost" in line] == [
        "hvclock: --hvclock-cover: a worker crashed, and what its tests have read is lost"
    ]


def test_tests_that_read_nothing_are_said_to(pytester):
    """On a guest, without a line."""
    pytester.makepyfile("def test_it(hvclock): pass")
    pytester.runpytest_subprocess("--hvclock-cover").stdout.fnmatch_lines(["no line has read a clock"])


def test_a_value_is_refused(pytester):
    """It is a flag, and so is the key."""
    result = pytester.runpytest_subprocess("--hvclock-cover=yes")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "ignored explicit argument 'yes'" in result.stderr.str()
    result = pytester.runpytest_subprocess("-o", "hvclock_cover=maybe")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines[0].startswith("ERROR: hvclock_cover: ")


def test_a_run_that_does_not_ask_loads_nothing_of_it(pytester):
    """As nobody pays for what he does not use."""
    pytester.makepyfile(
        "import sys\n\ndef test_it(hvclock): assert 'pytest_hvclock.plugin.covering' not in sys.modules"
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
