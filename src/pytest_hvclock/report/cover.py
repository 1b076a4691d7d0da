"""Which lines of a program have read a clock, and what has struck them: as data, as a table, and as part of a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from itertools import zip_longest
from textwrap import wrap
from typing import Any

from pytest_hvclock.timeline import Place

USES = ("timestamp", "duration", "deadline", "order")
"""What a reading can be used for, as far as that can be told."""
NARROWEST = 72


@dataclass
class Line:
    """What one line has read of one clock, in all tests together."""

    place: Place
    clock: str
    through: Place | None = None
    """The line of the standard library that read for it, if it did not read itself."""
    times: int = 0
    uses: set[str] = field(default_factory=set[str])
    struck: set[str] = field(default_factory=set[str])

    @property
    def key(self) -> tuple[Any, ...]:
        """What is the same for the same line, and sorts as a reader looks for it."""
        through = (self.through.file, self.through.line) if self.through is not None else ("", 0)
        return (self.place.file, self.place.line, self.clock, *through, self.place.function)


class Cover:
    """The lines of a run that have read a clock; it grows with their number, and not with that of tests."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.tests = 0
        """How many tests ran on a guest."""
        self._lines: dict[tuple[Any, ...], Line] = {}

    @property
    def lines(self) -> list[Line]:
        """The lines, sorted by file, number and clock."""
        return [self._lines[key] for key in sorted(self._lines)]

    def add(self, line: Line) -> None:
        """Take in what one line has read."""
        known = self._lines.setdefault(line.key, Line(line.place, line.clock, line.through))
        known.times += line.times
        known.uses |= line.uses
        known.struck |= line.struck

    def join(self, other: Cover) -> None:
        """Take in what another process has counted."""
        self.tests += other.tests
        for line in other.lines:
            self.add(line)

    def as_json(self) -> dict[str, Any]:
        """Return the lines as what ``json.dumps`` takes."""
        lines = [
            {**asdict(line), "uses": [use for use in USES if use in line.uses], "struck": sorted(line.struck)}
            for line in self.lines
        ]
        return {"tests": self.tests, "lines": lines}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Cover:
        """Return what ``as_json`` made this of.

        Raises:
            ValueError: for anything else.
        """
        cover = cls()
        try:
            cover.tests = int(value["tests"])
            for given in value["lines"]:
                place, through = Place(**given["place"]), given["through"]
                found: dict[str, Any] = {
                    **given,
                    "place": place,
                    "through": Place(**through) if through is not None else None,
                    "uses": set(given["uses"]),
                    "struck": set(given["struck"]),
                }
                cover.add(Line(**found))
        except (AttributeError, KeyError, TypeError) as wrong:
            raise ValueError(f"these are no lines that read a clock: {wrong}") from None
        return cover

    def table(self, width: int) -> list[str]:
        """Return the lines as a table that is no wider than ``width``, at least 72."""
        width = max(width, NARROWEST)
        rows = [("line", "clock", "reads", "used for", "struck by")]
        for line in self.lines:
            rows.append((str(line.place), line.clock, f"{line.times:,}", _uses(line), ", ".join(sorted(line.struck))))
            if line.through is not None:
                rows.append((f"  through {line.through}", "", "", "", ""))
        struck = sum(bool(line.struck) for line in self._lines.values())
        many = len(self._lines)
        reads = sum(line.times for line in self._lines.values())
        told = f"{struck:,} of {many:,} ({100 * struck // many} %)"
        total = ("TOTAL", "", f"{reads:,}", "", told)
        first, clock, times, uses, last = (max(map(len, column)) for column in zip(*rows, total, strict=True))
        uses = min(uses, 12)
        room = width - clock - times - uses - 8
        last = min(last, max(room - first, room // 2))
        first = min(first, room - last)
        lines: list[str] = []
        for row in (*rows, total):
            used, by = _wrapped(row[3], uses), _wrapped(row[4], last)
            for number, (d, e) in enumerate(zip_longest(used, by, fillvalue="") if used or by else [("", "")]):
                a, b, c = row[:3] if number == 0 else ("", "", "")
                lines.append(f"{_end(a, first):{first}}  {b:{clock}}  {c:>{times}}  {d:{uses}}  {e}".rstrip())
        rule = "-" * min(width, max(map(len, lines)))
        return [lines[0], rule, *lines[1:-1], rule, lines[-1]]

    def page(self) -> str:
        """Return the lines as a section of a page."""
        rows = "".join(
            f"<tr><td>{escape(str(line.place))}{_through(line)}</td><td><code>{escape(line.place.text)}</code></td>"
            f"<td>{line.clock}</td><td>{line.times:,}</td><td>{_uses(line)}</td>"
            f"<td>{escape(', '.join(sorted(line.struck)))}</td></tr>"
            for line in self.lines
        )
        names = ("line", "code", "clock", "reads", "used for", "struck by")
        head = "".join(f"<th>{name}</th>" for name in names)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else "<p>none</p>"
        return f'<section id="cover"><h2>Lines that read a clock</h2>{table}</section>\n'


def _uses(line: Line) -> str:
    return ", ".join(use for use in USES if use in line.uses) or "?"


def _wrapped(text: str, width: int) -> list[str]:
    """Return a list as lines that end behind a comma."""
    lines = wrap(text.replace(" ", "\0").replace(",\0", ", "), width)
    return [line.replace("\0", " ") for line in lines]


def _through(line: Line) -> str:
    return f"<br>through {escape(str(line.through))}" if line.through is not None else ""


def _end(text: str, width: int) -> str:
    return text if len(text) <= width else f"...{text[3 - width :]}"
