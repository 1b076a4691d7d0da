"""The benchmarks run, say when a goal is missed, and keep what they found with the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmarks(monkeypatch):
    """Return the script that runs them all."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import run

    yield run
    for name in ("run", "costs", "exploring", "fast_forward", "recording"):
        sys.modules.pop(name)


def test_a_quick_run_prints_a_table_and_keeps_it_with_its_machine(tmp_path):
    """Rows of three scripts in one run; nothing is said of whether a quick run meets its goals."""
    file = tmp_path / "results.json"
    command = [
        sys.executable,
        ROOT / "benchmarks/run.py",
        "--quick",
        "--json",
        file,
        "monotonic",
        "ten_years",
        "history",
        "recorded",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["machine"]["python"] == sys.version.partition(" ")[0]
    assert {"system", "processors", "load average", "pytest", "freezegun", "time-machine"} < set(found["machine"])
    named = [figure["what"] for figure in found["figures"]]
    assert named[:2] == ["time.monotonic(), stepped", "time.monotonic(), live"]
    assert named[2:] == [
        "ten years, off",
        "ten years, linux",
        "advance after 1,000 events",
        "each of 20 tests, recorded",
    ]
    assert [line.partition("  ")[0] for line in done.stdout.splitlines()[2:]] == named
    for figure in found["figures"]:
        assert figure["low"] <= figure["ratio"] * 1.000001
        assert figure["ratio"] <= figure["high"] * 1.000001


def test_every_row_of_the_promise_can_be_run(benchmarks):
    """The peers are measured by costs.py, the years by fast_forward.py, and the explorer by exploring.py."""
    assert set(benchmarks.rows(benchmarks.QUICK)) >= {
        "wall", "monotonic", "enter_and_leave", "unused", "importing", "ten_years", "history", "explorer", "recorded",
    }  # fmt: skip


def test_a_missed_goal_is_shown_and_fails_a_whole_run(benchmarks, monkeypatch, tmp_path, capsys):
    """In the table that is printed, in the one of the page, and by the exit code."""
    missed = benchmarks.costs.figure("something", [(30, 20), (20, 20), (10, 20)], "somebody", at_most=0.5)
    monkeypatch.setattr(benchmarks, "rows", lambda _: {"something": lambda: [missed]})
    for name, value in (("RESULTS", tmp_path / "results.json"), ("PAGE", tmp_path / "page.md")):
        monkeypatch.setattr(benchmarks, name, value)
    monkeypatch.setattr(sys, "argv", ["run.py"])
    assert benchmarks.main() == 1
    assert capsys.readouterr().out.endswith("kit / peer <= 0.5  NOT MET\n")
    benchmarks.PAGE.write_text("above\n<!-- from here -->\nold\n<!-- to here -->\nbelow\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["run.py", "--page"])
    assert benchmarks.main() == 0
    text = benchmarks.PAGE.read_text(encoding="utf-8")
    assert text.startswith("above\n<!-- from here -->\nMeasured with python ")
    assert text.endswith(
        "| something | 20.0 ns | somebody | 20.0 ns | 1 | 0.5 to 1.5 | kit / peer <= 0.5 | **not met** |\n"
        "<!-- to here -->\nbelow\n"
    )


def test_a_stride_that_reads_otherwise_is_no_figure(benchmarks, monkeypatch):
    """However fast it is."""
    monkeypatch.setattr(benchmarks.fast_forward, "ten_years", lambda *_: (1e-6, 1.0, False, 0))
    with pytest.raises(AssertionError, match="off: one stride reads otherwise than message by message"):
        list(benchmarks.ten_years(benchmarks.QUICK))
