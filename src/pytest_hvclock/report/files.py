"""The record of a run as a file, and the files that are drawn from it."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pytest_hvclock.report.cover import Cover
from pytest_hvclock.report.html import pieces
from pytest_hvclock.report.svg import BEGINNING, svg
from pytest_hvclock.timeline import Timeline

SCHEMA = 1
"""The version of the record; a reader refuses what is newer."""
RECORD, PAGE = "record.json", "index.html"
Sections = Sequence[tuple[str, str]]
"""Titles and texts that somebody adds to what is shown of a test."""


@dataclass(frozen=True)
class Run:
    """The timelines of a run, sorted by test."""

    version: str
    """Of pytest-hvclock."""
    tests: Iterable[Timeline]
    sections: Mapping[str, Sections] = field(default_factory=dict[str, Sections])
    """What was added to a test, by its node ID."""
    cover: Cover | None = None
    """The lines that read a clock, if they were counted."""

    def pieces(self) -> Iterator[str]:
        """Yield the record as JSON, a line for each test, so that it can be compared line by line."""
        head = json.dumps({"schema": SCHEMA, "version": self.version})[:-1]
        sections = json.dumps({test: list(added) for test, added in sorted(self.sections.items()) if added})
        cover = json.dumps(self.cover.as_json() if self.cover is not None else None)
        yield f'{head}, "cover": {cover}, "sections": {sections}, "tests": ['
        separator = "\n"
        for timeline in self.tests:
            yield separator + json.dumps(timeline.as_json())
            separator = ",\n"
        yield "\n]}\n"


def merged(version: str, tests: Iterable[Timeline], sections: Mapping[str, Sections] | None = None) -> Run:
    """Return a run of timelines in the order of their tests, whoever ran them and in whatever order."""
    return Run(version, sorted(tests, key=lambda timeline: (timeline.test, timeline.start_ns)), sections or {})


def read_record(path: Path) -> Run:
    """Read a record.

    Raises:
        ValueError: for what is no record, or one of a newer schema.
        OSError: if the file cannot be read.
    """
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):  # bytes that are no text are one too
        raise ValueError("this is no JSON") from None
    record = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    schema = record.get("schema")
    if not isinstance(schema, int) or "tests" not in record:
        raise ValueError("this is no record of a run: it has no schema and tests")
    if schema > SCHEMA:
        raise ValueError(f"this is a record of schema {schema}, and this version reads {SCHEMA} or older")
    try:
        tests = [Timeline.from_json(test) for test in record["tests"]]
        added: dict[str, Any] = record.get("sections", {})
        sections = {test: [(str(title), str(text)) for title, text in given] for test, given in added.items()}
        cover = Cover.from_json(record["cover"]) if record.get("cover") is not None else None
    except (AttributeError, TypeError, ValueError) as wrong:
        raise ValueError(f"this is no record of a run: {wrong}") from None
    return Run(str(record.get("version", "")), tests, sections, cover)


def write_record(run: Run, directory: Path) -> Path:
    """Write the record of a run into a directory, which is made if need be; returns the file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / RECORD
    _write(path, run.pieces())
    return path


def write_page(run: Run, directory: Path) -> Path:
    """Write the page of a run into a directory, which is made if need be; returns the file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / PAGE
    _write(path, pieces(run.tests, run.sections, run.cover))
    return path


def write_drawings(timelines: Iterable[Timeline], directory: Path) -> list[Path]:
    """Write an SVG file for each timeline into a directory, which is made if need be; returns the files."""
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for timeline in timelines:
        path = directory / drawing_name(timeline)
        _write(path, [svg(timeline)])
        written.append(path)
    return written


def forget_drawings(directory: Path) -> None:
    """Delete the drawings that an earlier run has left in a directory, and nothing else."""
    for path in directory.glob(f"*-{'[0-9a-f]' * 8}.svg"):
        with path.open("rb") as file:
            ours = file.read(len(BEGINNING)) == BEGINNING.encode()
        if ours:
            path.unlink()


def drawing_name(timeline: Timeline) -> str:
    """Return the file name of a timeline's drawing: its test's name as every file system takes it, and a checksum."""
    name = timeline.test or timeline.scenario or "timeline"
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name.rpartition("/")[2]).strip("-.")[:80]
    return f"{readable or 'timeline'}-{zlib.crc32(name.encode('utf-8', 'surrogatepass')):08x}.svg"


def _write(path: Path, texts: Iterable[str]) -> None:
    """Write texts into a file, with the same ends of lines on every system."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(texts)
