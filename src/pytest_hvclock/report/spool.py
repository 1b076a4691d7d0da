"""Timelines on disk while a run goes on: it may have ten thousand, and memory is for the tests."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pytest_hvclock.timeline import Timeline


class Spool:
    """Keeps timelines in a file without a name, which is gone when the process is; iterates over them by test."""

    def __init__(self, directory: Path) -> None:
        """Begin in a directory that exists."""
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  (closed with the run)
        self._index: list[tuple[str, int, int]] = []

    def add(self, test: str, text: str) -> None:
        """Keep a timeline, as the JSON of ``as_json``."""
        raw = text.encode()
        self._index.append((test, self._file.seek(0, 2), len(raw)))
        self._file.write(raw)

    def __iter__(self) -> Iterator[Timeline]:
        """Read them back, one at a time; of one test that ran again, in the order in which it did."""
        for _, offset, length in sorted(self._index):
            self._file.seek(offset)
            yield Timeline.from_json(json.loads(self._file.read(length)))

    def close(self) -> None:
        """Let go of them all."""
        self._file.close()
