"""A timeline as text for a terminal: twenty lines, in which the eye finds the moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pytest_hvclock.report.moments import (
    Line,
    Moment,
    before_and_after,
    limit,
    lines,
    lived_ns,
    moments,
    slewed,
    told,
    when,
)
from pytest_hvclock.report.scales import ErrorScale, TimeScale
from pytest_hvclock.report.words import error_words, length_text, outcome_words
from pytest_hvclock.timeline import Timeline
from pytest_hvclock.units import NS_PER_S, iso

HEIGHT = 20
"""So many lines at most."""
_LABEL = 16
"""So many columns are for labels."""
_LEAST_WIDTH = 60
_SIZES = ((5, 4, 3), (5, 3, 3), (5, 3, 2), (4, 3, 2), (3, 2, 2))
"""How many moments and lines of the program are told in full, and how many readings of one column are shown."""
_WHEN, _PLACE = 13, 34
"""So many columns are for when something happened, and for a file and a line."""
_LEAST_PLOT, _MOST_PLOT = 5, 7

_LEFT, _RIGHT, _UP, _DOWN = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class _Pen:
    """The characters that a picture is drawn with."""

    runs: str
    """The curve, by where it goes: ``_LEFT`` and so on are the bits of the index."""
    stands: str
    """The same while the guest stands still."""
    slews: str
    """The same while somebody slews its wall clock."""
    true: str
    at: str
    dash: str
    cut: str
    ends: str
    mark: str
    strike: str
    failed: str
    more: str


_UNICODE = _Pen(
    " ╸╺━╹┛┗┻╻┓┏┳┃┫┣╋",
    " ╴╶─╵┘└┴╷┐┌┬│┤├┼",
    " ═══║╝╚╩║╗╔╦║╣╠╬",
    *("·", "┊", "─", "╱╱", "├┼┤", "│", "▼", "✗", "…"),  # noqa: RUF001  (a broken line)
)
_ASCII = _Pen(
    " ---|+++|+++|+++",
    " ...:...:...:...",
    " ===|+++|+++|+++",
    *(" ", ":", "-", "//", "|||", "|", "v", "x", "..."),
)


def picture(timeline: Timeline, *, width: int = 80, ascii: bool = False) -> str:
    """Draw a timeline in at most 20 lines.

    From top to bottom: what struck and what corrected it; the guest's error, thin while it stood still and double while
    it was slewed; the true time that passed, and what CLOCK_MONOTONIC made of it; when the program read a clock. Then
    each of these moments and lines in full.

    Args:
        timeline: what is to be drawn.
        width: so many columns at most, and at least 60.
        ascii: draw without box drawing characters, for a terminal that has none.
    """
    width = max(width, _LEAST_WIDTH)
    pen = _ASCII if ascii else _UNICODE
    drawn = _Picture(timeline, width, pen).lines()
    text = [_plain(line) if ascii else line for line in drawn]
    return "\n".join(_cut(line, width, pen.more) for line in text)


class _Picture:
    def __init__(self, timeline: Timeline, width: int, pen: _Pen) -> None:
        self.timeline = timeline
        self.pen = pen
        self.moments = moments(timeline)
        self.program_lines = lines(timeline)
        self.time = TimeScale(timeline, width - _LABEL, 3, (width - _LABEL) // 4)
        self.width = width - _LABEL
        self.judged = limit(timeline)

    def lines(self) -> list[str]:
        """Return the whole picture."""
        height, below = 0, list[str]()
        for size in _SIZES:
            self.told, self.program, self.rows = self._chosen(*size)
            below = [*self._judged(), *self._readings(), *self._moments(), *self._program()]
            height = min(HEIGHT - len(below) - 4, _MOST_PLOT)
            if height >= _LEAST_PLOT:
                break
        return [self._head(), self._marks(), *self._plot(height), *self._stretches(), *below]

    def _chosen(
        self, moments_told: int, lines_told: int, rows: int
    ) -> tuple[list[Moment], list[tuple[str, Line]], int]:
        """Return what is told in full: the first and last moments, the lines that read the most wrong time, latest."""
        found = self.moments
        shown = list(found) if len(found) <= moments_told else [*found[:2], *found[2 - moments_told :]]
        struck_at_ns = self.timeline.struck_at_ns or self.timeline.start_ns

        def merit(line: Line) -> tuple[bool, int, int]:
            return line.instants_ns[-1] >= struck_at_ns, abs(line.worst_ns or 0), line.instants_ns[-1]

        best = sorted(self.program_lines, key=merit, reverse=True)[:lines_told]
        return shown, list(zip("abcd", [line for line in self.program_lines if line in best], strict=False)), rows

    def _head(self) -> str:
        timeline = self.timeline
        took = length_text(timeline.end_ns - timeline.start_ns)
        start = iso(timeline.start_ns // NS_PER_S * NS_PER_S)
        return f"{took} from {start}; at the end the guest is {error_words(timeline.error_at(timeline.end_ns))}"

    # ------------------------------------------------------------------------------------------------ what happened

    def _marks(self) -> str:
        """Return the line of moments above the curve: a number for each that is told, and a word if there is room."""
        numbers = {moment.at_ns: str(number) for number, moment in enumerate(self.told, 1)}
        row = _Row(self.width)
        placed = [(self.time.x(moment.at_ns), moment) for moment in self.moments]
        for x, moment in placed:
            if moment.at_ns not in numbers:
                row.put(x, self.pen.mark)
        for x, moment in placed:
            if moment.at_ns in numbers:
                row.put(x, numbers[moment.at_ns] + (self.pen.strike if moment.strikes else ""))
        if self.timeline.outcome == "failed":
            row.put_if_free(self.width - 1, self.pen.failed)
        for x, moment in placed:
            if moment.at_ns in numbers:
                row.put_if_free(x + 1 + bool(moment.strikes), f" {moment.name}", f" {moment.names[-1]}")
        legend = f"{self.pen.slews[_LEFT | _RIGHT]} a slew" if self._slewed() else ""
        return f"{legend:>{_LABEL - 1}} {row.text}"

    def _moments(self) -> list[str]:
        """Tell each moment: when it was, and what happened."""
        found: list[str] = []
        before: Moment | None = None
        left_out = [moment.name for moment in self.moments if moment not in self.told]
        for number, moment in enumerate(self.told, 1):
            if left_out and number == 3:
                found.append(f"    {len(left_out)} more moments: {', '.join(dict.fromkeys(left_out))}")
            mark = self.pen.strike if moment.strikes else " "
            found.append(
                f"{number} {mark} {when(self.timeline, moment, before):<{_WHEN}} {told(self.timeline, moment)}"
            )
            before = moment
        return found

    # --------------------------------------------------------------------------------------------------- the curve

    def _plot(self, height: int) -> list[str]:
        """Draw the guest's error against true time."""
        if not self._bent():
            height = 1
        scale = ErrorScale(self.timeline, height, max((height - 1) // 2, 1) if self._both() else height - 1)
        cells = [[0] * self.width for _ in range(height)]
        pens = [self.pen.runs] * self.width
        previous: int | None = None
        for x in range(self.width):
            low_ns, high_ns = self.time.at_ns(max(x - 1, 0)), self.time.at_ns(x)
            passed, value = self._passed(low_ns, high_ns)
            now = None if value is None else scale.y(value)
            rows = [scale.y(error) for error in passed]
            bend = self.timeline.bend_at(low_ns if x and previous is not None else high_ns)
            if bend is not None and bend.monotonic_ppb == 0:
                pens[x] = self.pen.stands
            elif slewed(self.timeline, low_ns, high_ns) and not self._stepped(low_ns, high_ns):
                pens[x] = self.pen.slews
            _draw(cells, x, previous, now, rows)
            previous = now
        marked = {self.time.x(moment.at_ns) for moment in self.told}
        labels = {row: error_words(error) for error, row in scale.levels}
        drawn: list[str] = []
        for row in range(height):
            text = "".join(
                pens[x][cells[row][x]]
                if cells[row][x]
                else self.pen.at if x in marked
                else self.pen.true if row == scale.zero and x % 2 == 0
                else " "
                for x in range(self.width)
            )  # fmt: skip
            drawn.append(f"{labels.get(row, ''):>{_LABEL - 1}} {text}")
        return drawn

    def _bent(self) -> bool:
        """Whether the guest was ever wrong, or is drawn as if it was."""
        return any(bend.error_ns or bend.gains_ppb for bend in self.timeline.bends)

    def _slewed(self) -> bool:
        """Whether somebody slewed the wall clock."""
        return slewed(self.timeline, self.timeline.start_ns, self.timeline.end_ns)

    def _stepped(self, low_ns: int, high_ns: int) -> bool:
        """Whether the wall clock stepped after one instant and until another."""
        inside = [bend.at_ns for bend in self.timeline.bends if low_ns < bend.at_ns <= high_ns]
        return any(before != after for before, after in (before_and_after(self.timeline, at_ns) for at_ns in inside))

    def _both(self) -> bool:
        errors = [bend.error_ns for bend in self.timeline.bends if bend.error_ns is not None]
        return min(errors, default=0) < 0 < max(errors, default=0)

    def _passed(self, low_ns: int, high_ns: int) -> tuple[list[int], int | None]:
        """Return the errors at the bends after one instant and until another, and the error from the other on."""
        found: list[int] = []
        for bend in self.timeline.bends:
            if low_ns < bend.at_ns <= high_ns:
                found += [error for error in before_and_after(self.timeline, bend.at_ns) if error is not None]
        return found, self.timeline.error_at(high_ns)

    # -------------------------------------------------------------------------------------------------- below it

    def _stretches(self) -> list[str]:
        """Return two lines that measure each stretch: by true time, and by the guest's monotonic clock."""
        true, monotonic = _Row(self.width), _Row(self.width)
        ends = self.pen.ends
        for row in (true, monotonic):
            for index, x in enumerate(self.time.edges):
                row.put(x, ends[0] if index == 0 else ends[2] if index == len(self.time.edges) - 1 else ends[1])
        stretches = zip(pairwise(self.time.anchors), pairwise(self.time.edges), self.time.broken, strict=True)
        for (start_ns, edge_ns), (left, right), broken in stretches:
            end_ns = min(edge_ns, self.timeline.end_ns)  # a record of no time at all is drawn as if it had some
            room = right - left - 1
            true.put(left + 1, self._measure(length_text(end_ns - start_ns), room, broken=broken))
            lived = lived_ns(self.timeline, start_ns, end_ns)
            if lived is None:
                monotonic.put(left + 1, self._fitted(("off",), room, " "))
            elif lived == 0 and end_ns > start_ns:
                monotonic.put(left + 1, self._fitted(("stands still", "stands", "0 s", "0"), room, " "))
            else:
                monotonic.put(left + 1, self._measure(length_text(lived), room, broken=broken))
        return [f"{'true time':>{_LABEL - 1}} {true.text}", f"{'monotonic':>{_LABEL - 1}} {monotonic.text}"]

    def _measure(self, text: str, room: int, *, broken: bool) -> str:
        cut = self.pen.cut if broken else ""
        return self._fitted((f"{cut} {text} {cut}" if cut else f" {text} ", text, cut), room, self.pen.dash)

    @staticmethod
    def _fitted(texts: Iterable[str], room: int, fill: str) -> str:
        """Return the first of some texts that has room, in the middle."""
        text = next((text for text in texts if len(text) <= room), "")
        return text.center(room, "\0").replace("\0", fill)

    def _judged(self) -> list[str]:
        """Return a line with the time that a recovery was allowed."""
        if self.judged is None or self.judged.allowed_ns is None:
            return []
        row = _Row(self.width)
        left = self.time.x(self.judged.from_ns)
        right = max(self.time.x(self.judged.from_ns + self.judged.allowed_ns), left + 1)
        text = self._fitted((f" {length_text(self.judged.allowed_ns)} ",), right - left - 1, self.pen.dash)
        row.put(left, f"{self.pen.ends[0]}{text}{self.pen.ends[2]}")
        said = f" {outcome_words(self.judged)}"
        if not row.put_if_free(right + 1, said):
            row.put_if_free(left - len(said) - 1, said)
        return [f"{'allowed':>{_LABEL - 1}} {row.text}"]

    def _readings(self) -> list[str]:
        """Return the lines that show when each line of the program read a clock."""
        rows = [_Row(self.width) for _ in range(self.rows)]
        for letter, line in self.program:
            for x in dict.fromkeys(self.time.x(at_ns) for at_ns in line.instants_ns):
                if not any(row.put_if_free(x, letter) for row in rows):
                    rows[-1].put(x, "+")
        used = [row for row in rows if row.text.strip()]
        return [f"{'read by line' if index == 0 else '':>{_LABEL - 1}} {row.text}" for index, row in enumerate(used)]

    def _program(self) -> list[str]:
        """Tell each line of the program: where it is, how wrong a clock it read, and what it says."""
        places = [_ending(str(line.place), _PLACE, self.pen.more) for _, line in self.program]
        wide = max(map(len, places), default=0)
        much = max((len(line.said) for _, line in self.program), default=0)
        return [
            f"{letter} {place:<{wide}}  {line.said:<{much}}  {line.place.text}"
            for (letter, line), place in zip(self.program, places, strict=True)
        ]


class _Row:
    """A line of text that is filled in here and there."""

    def __init__(self, width: int) -> None:
        self._cells = [" "] * width

    @property
    def text(self) -> str:
        return "".join(self._cells)

    def put(self, x: int, text: str) -> None:
        """Write a text, over whatever is there, as far as it fits."""
        for offset, character in enumerate(text[: max(len(self._cells) - x, 0)]):
            self._cells[x + offset] = character

    def put_if_free(self, x: int, *texts: str) -> bool:
        """Write the first of some texts for which there is room, with a blank after what is a word; or nothing."""
        for text in texts:
            end = x + len(text)
            after = end if len(text) == 1 else end + 1
            if x >= 0 and end <= len(self._cells) and not "".join(self._cells[x:after]).strip():
                self.put(x, text)
                return True
        return False


def _draw(cells: list[list[int]], x: int, previous: int | None, now: int | None, passed: Sequence[int]) -> None:
    """Draw one column of the curve: from the row before to the row now, by all rows that it passed."""
    touched = [row for row in (previous, now, *passed) if row is not None]
    if not touched:
        return
    top, bottom = min(touched), max(touched)
    for row in range(top, bottom + 1):
        cells[row][x] |= (_UP if row > top else 0) | (_DOWN if row < bottom else 0)
    if previous is not None:
        cells[previous][x] |= _LEFT
    if now is not None:
        cells[now][x] |= _RIGHT


def _cut(line: str, width: int, more: str) -> str:
    line = line.rstrip()
    return line if len(line) <= width else line[: width - len(more)].rstrip() + more


def _ending(text: str, width: int, more: str) -> str:
    """Return the end of a text that is too long."""
    return text if len(text) <= width else more + text[len(more) - width :]


def _plain(line: str) -> str:
    """Return a line without characters beyond ASCII, which a program's own text may have."""
    return line.encode("ascii", "backslashreplace").decode()
