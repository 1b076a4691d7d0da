"""``python -m pytest_hvclock report FILE``: draw what a run has recorded, without running anything."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_hvclock.report.files import read_record, write_drawings, write_page
from pytest_hvclock.report.text import picture


def main(arguments: Sequence[str] | None = None) -> int:
    """Read a record and draw each of its timelines; returns the exit code."""
    try:
        code = _report(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough, as head has; and nothing is to be said at the exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _report(arguments: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="python -m pytest_hvclock", description="Draw what a run has recorded.")
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser("report", help="draw the timelines of a record.json")
    report.add_argument("file", type=Path, help="what --hvclock-report wrote: DIR/record.json")
    report.add_argument("--html", type=Path, metavar="DIR", help="write the page of the run into DIR instead")
    report.add_argument("--svg", type=Path, metavar="DIR", help="write a drawing of each test into DIR instead")
    report.add_argument("--ascii", action="store_true", help="draw without box drawing characters")
    given = parser.parse_args(arguments)
    try:
        run = read_record(given.file)
        if given.html is not None:
            write_page(run, given.html)
        if given.svg is not None:
            write_drawings(run.tests, given.svg)
    except OSError as wrong:
        return _refused(f"{wrong.filename}: {wrong.strerror}")
    except ValueError as wrong:
        return _refused(f"{given.file}: {wrong}")
    if given.html is not None or given.svg is not None:
        return 0
    plain = given.ascii or not _draws(sys.stdout.encoding)
    for timeline in run.tests:
        name = f"{timeline.test} {timeline.outcome}".strip()
        parts = [name, picture(timeline, ascii=plain)]
        parts += [f"{title}: {text}" for title, text in run.sections.get(timeline.test, ())]
        text = "\n".join([*parts, timeline.command, ""])
        print(text.encode("ascii", "backslashreplace").decode() if plain else text)  # noqa: T201  (what was asked for)
    if run.cover is not None and run.cover.lines:
        print("\n".join(run.cover.table(shutil.get_terminal_size().columns)))  # noqa: T201  (what was asked for)
    return 0


def _draws(encoding: str | None) -> bool:
    """Whether a terminal of this encoding has the characters that a picture is drawn with."""
    try:
        "━┃▼✗…".encode(encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def _refused(why: str) -> int:
    print(f"pytest_hvclock report: {why}", file=sys.stderr)  # noqa: T201  (what was asked for)
    return 2


if __name__ == "__main__":
    sys.exit(main())
