"""The record of a run: written, read back, and drawn by a command that runs nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
from gallery import timeline_of

from pytest_hvclock.__main__ import main
from pytest_hvclock.report.files import RECORD, drawing_name, merged, read_record, write_record
from pytest_hvclock.report.svg import svg
from pytest_hvclock.report.text import picture
from pytest_hvclock.timeline import Timeline

NAMES = ("wsl2-sleep-series", "drift-500ppm", "restore-after-a-month")
SECTIONS = {"tests/test_lease.py::test_renew[drift-500ppm]": [("lease log", "renewed 11 times")]}


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A file with the record of three tests."""
    return write_record(merged("0.1.0", map(timeline_of, NAMES), SECTIONS), tmp_path / "report")


def test_a_record_comes_back_equal_and_sorted(record: Path) -> None:
    """Whoever ran the tests: the file is the same, in the order of their names."""
    run = read_record(record)
    assert record.name == RECORD
    assert [timeline.scenario for timeline in run.tests] == sorted(NAMES)
    assert run == merged("0.1.0", map(timeline_of, reversed(NAMES)), SECTIONS)
    assert "".join(run.pieces()) == record.read_text(encoding="utf-8")
    assert json.loads(record.read_text(encoding="utf-8"))["schema"] == 1


def test_a_record_is_drawn_without_pytest(record: Path) -> None:
    """In another process, which could not import it."""
    code = (
        "import sys, runpy; sys.modules['pytest'] = sys.modules['_pytest'] = None;"
        "runpy.run_module('pytest_hvclock', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code, "report", str(record)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for name in NAMES:
        assert picture(timeline_of(name)) in done.stdout
    assert "lease log: renewed 11 times" in done.stdout
    assert timeline_of("drift-500ppm").command in done.stdout


def test_a_terminal_without_box_characters_gets_ascii(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By its encoding, or if asked."""
    assert main(["report", str(record), "--ascii"]) == 0
    assert capsys.readouterr().out.isascii()
    done = subprocess.run(
        [sys.executable, "-m", "pytest_hvclock", "report", str(record)],
        capture_output=True,
        env={"PYTHONIOENCODING": "latin-1"},
        check=True,
    )
    assert done.stdout.isascii()
    assert picture(timeline_of("drift-500ppm"), ascii=True).splitlines() == done.stdout.decode().splitlines()[1:19]


def test_drawings_are_files_with_names_that_every_system_takes(record: Path, tmp_path: Path) -> None:
    """One for each test, readable, and different for tests that look alike."""
    assert main(["report", str(record), "--svg", str(tmp_path / "svg")]) == 0
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "svg").iterdir()}
    assert written == {drawing_name(timeline_of(name)): svg(timeline_of(name)) for name in NAMES}
    values = ("a/b", "a:b", "", "..", "é" * 300)
    names = [drawing_name(Timeline(0, 0, (), test=f"t.py::test[{value}]")) for value in values]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and len(name) < 120 and not set(name) & set('/\\:*?"<>|') for name in names)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hello", "this is no JSON"),
        ("\xff", "this is no JSON"),
        ("[]", "this is no record of a run: it has no schema and tests"),
        ('{"schema": 1}', "this is no record of a run: it has no schema and tests"),
        ('{"schema": 2, "tests": []}', "this is a record of schema 2, and this version reads 1 or older"),
        ('{"schema": 1, "tests": 3}', "this is no record of a run: 'int' object is not iterable"),
        ("[" * 100_000, "this is no JSON"),
        (
            '{"schema": 1, "tests": [{}]}',
            "this is no record of a run: this is no timeline of schema 1 or older: schema is None",
        ),
    ],
)
def test_what_is_no_record_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, why: str
) -> None:
    """With the file and the reason."""
    path = tmp_path / "it.json"
    path.write_bytes(text.encode("latin-1"))
    assert main(["report", str(path)]) == 2
    assert capsys.readouterr().err == f"pytest_hvclock report: {path}: {why}\n"


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And no traceback shown."""
    assert main(["report", str(tmp_path / "none.json")]) == 2
    assert capsys.readouterr().err == f"pytest_hvclock report: {tmp_path / 'none.json'}: No such file or directory\n"


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("start_ns",), "now", "start_ns of a timeline is int, and not 'now'"),
        (("end_ns",), 1.5, "end_ns of a timeline is int, and not 1.5"),
        (("test",), 5, "test of a timeline is str, and not 5"),
        (("judgements", 0, "allowed_ns"), "30 s", "allowed_ns of a judgement is int | None, and not '30 s'"),
        (("deeds", 0, "what"), None, "what of a deed is str, and not None"),
        (("bends", 0, 1), "ahead", "a bend is of whole numbers, and not [*]"),
        (("readings", 0, "at_ns"), [], "at_ns of a reading is int, and not []"),
    ],
)
def test_a_record_that_somebody_has_edited_is_refused_in_one_line(
    record: Path, capsys: pytest.CaptureFixture[str], path: tuple[str | int, ...], value: object, why: str
) -> None:
    """With what is wrong in it, before anything is drawn."""
    written = json.loads(record.read_text(encoding="utf-8"))
    *inner, name = path
    reduce(getitem, inner, written["tests"][-1])[name] = value
    record.write_text(json.dumps(written), encoding="utf-8")
    assert main(["report", str(record)]) == 2
    said = capsys.readouterr()
    head = f"pytest_hvclock report: {record}: this is no record of a run: this is no timeline: "
    assert (said.out, re.sub(r"\[.+\]", "[*]", said.err.removeprefix(head))) == ("", f"{why}\n")


def test_whoever_reads_may_stop_before_the_end(record: Path) -> None:
    """As ``head`` does, and nothing is said about it."""
    to_read, to_write = os.pipe()
    os.close(to_read)
    command = [sys.executable, "-m", "pytest_hvclock", "report", str(record)]
    done = subprocess.run(command, stdout=to_write, stderr=subprocess.PIPE, check=False)
    os.close(to_write)
    assert (done.returncode, done.stderr) == (1, b"")
