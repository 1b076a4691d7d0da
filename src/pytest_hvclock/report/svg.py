"""A timeline as a standalone SVG: for a document, for paper, and for the page of a run."""

from __future__ import annotations

import html
from collections.abc import Iterator
from itertools import pairwise

from pytest_hvclock.report.moments import (
    Line,
    Moment,
    before_and_after,
    error_of,
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
from pytest_hvclock.timeline import Judgement, Reading, Timeline
from pytest_hvclock.units import NS_PER_S, iso

_WIDTH, _LEFT, _RIGHT = 960, 170, 20
_PLOT = 170
_ROW, _LINE = 22, 37
_CHARACTER = 7
"""About as wide is a character, in pixels: so that texts do not run into each other."""
_MOMENTS, _LINES = 12, 8
"""So many moments are told in full, and so many lines of the program shown."""

BEGINNING = '<svg xmlns="http://www.w3.org/2000/svg" class="hv"'
"""How each of these drawings begins."""
STYLE = """\
.hv{background:#fff;color:#1d2433;font:12px/1.4 system-ui,-apple-system,"Segoe UI",sans-serif}
.hv text{fill:#1d2433}.hv text.soft{fill:#5b6577}.hv path{vector-effect:non-scaling-stroke}
.hv .code{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:11px}
.hv .paper{fill:#fff}.hv .grid{stroke:#e3e7ee;fill:none}.hv .true{stroke:#8a94a6;stroke-dasharray:2 4;fill:none}
.hv .axis{stroke:#8a94a6;fill:none}.hv .broken{stroke-dasharray:6 4}
.hv .curve{fill:none;stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}
.hv .run,.hv .step{stroke:#2257c9}.hv .step{stroke-width:3}.hv .slew{stroke:#a8500a}
.hv .still{stroke:#8a94a6;stroke-dasharray:4 4}
.hv .pause{fill:#8a94a6;fill-opacity:.13}.hv .strike{fill:#c8281e;fill-opacity:.12}
.hv .mark{stroke:#8a94a6;stroke-dasharray:1 3}.hv .struck{stroke:#c8281e;stroke-dasharray:none}
.hv text.red{fill:#c8281e}.hv text.slewed{fill:#a8500a}
.hv .held{stroke:#0c7a43;stroke-width:3}.hv .late{stroke:#c8281e;stroke-width:3}
.hv .tick{stroke:#1d2433;stroke-width:2}.hv .wrong .tick{stroke:#c8281e}.hv .tick:hover,.hv :focus .tick{stroke-width:5}
@media (prefers-color-scheme:dark){
.hv{background:#12161f;color:#e6e9ef}.hv text{fill:#e6e9ef}.hv text.soft{fill:#9aa5b8}.hv .paper{fill:#12161f}
.hv .grid{stroke:#283041}.hv .true,.hv .axis,.hv .mark{stroke:#707c91}.hv .run,.hv .step{stroke:#7ba4ff}
.hv .slew{stroke:#f0a458}.hv .still{stroke:#8793a8}.hv .struck,.hv .late,.hv .wrong .tick{stroke:#ff7b70}
.hv text.red{fill:#ff7b70}.hv text.slewed{fill:#f0a458}.hv .held{stroke:#4cc38a}.hv .tick{stroke:#e6e9ef}}
@media print{.hv .paper{fill:none}}
"""
"""Every rule begins with ``.hv``, so that it may stand in a page as well."""


def svg(timeline: Timeline, *, style: bool = True) -> str:
    """Draw a timeline as SVG: the guest's error against true time, what was done to the guest, and who read its clocks.

    Args:
        timeline: what is to be drawn.
        style: with the rules of ``STYLE``; a page that has them already needs no copy in each drawing.
    """
    return _Drawing(timeline).text(style=style)


class _Drawing:
    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.time = TimeScale(timeline, _WIDTH - _LEFT - _RIGHT, 42, 16)
        self.error = ErrorScale(timeline, _PLOT, 3)
        self.moments = moments(timeline)
        self.top = 62

    def text(self, *, style: bool) -> str:
        """Return the whole drawing."""
        below, height = self._below()
        name = self.timeline.test or self.timeline.scenario or "a guest's clock"
        size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        parts = [
            f'{BEGINNING} role="img" {size} aria-label="{_escaped(name)}">',
            f"<title>{_escaped(name)}</title><desc>{_escaped(self._description())}</desc>",
            f"<style>{STYLE}</style>" if style else "",
            f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
            _text(12, 20, self._head()),
            _text(_WIDTH - _RIGHT, 20, "slewed", kind="slewed", anchor="end") if self._slewed() else "",
            *self._shades(),
            *self._levels(),
            *self._marks(),
            *self._curve(),
            *below,
            "</svg>\n",
        ]
        return "\n".join(part for part in parts if part)

    def _head(self) -> str:
        timeline = self.timeline
        start = iso(timeline.start_ns // NS_PER_S * NS_PER_S)
        took, end = length_text(timeline.end_ns - timeline.start_ns), error_words(timeline.error_at(timeline.end_ns))
        return f"{took} of true time from {start}; at the end the guest is {end}"

    def _slewed(self) -> bool:
        """Whether there is a piece of the curve whose colour has to be told."""
        return slewed(self.timeline, self.timeline.start_ns, self.timeline.end_ns)

    def _description(self) -> str:
        """Return in words what the drawing shows."""
        shown = "; ".join(f"{self._when(moment.at_ns)}: {moment.said}" for moment in self.moments[:_MOMENTS])
        return f"{self._head()}. {shown}" if shown else self._head()

    def _when(self, at_ns: int) -> str:
        return f"{length_text(at_ns - self.timeline.start_ns)} in"

    def x(self, at_ns: int) -> int:
        """Return where an instant is."""
        return _LEFT + self.time.x(at_ns)

    def y(self, error_ns: int) -> int:
        """Return where an error is."""
        return self.top + self.error.y(error_ns)

    # --------------------------------------------------------------------------------------------------- the plot

    def _shades(self) -> Iterator[str]:
        """Shade when the guest stood still or was off, and while the strike lasted."""
        ends = [bend.at_ns for bend in self.timeline.bends[1:]] + [self.timeline.end_ns]
        for bend, end_ns in zip(self.timeline.bends, ends, strict=False):
            if bend.monotonic_ppb == 0 and end_ns > bend.at_ns:
                what = "off" if bend.error_ns is None else "the guest stands still"
                yield self._shade("pause", bend.at_ns, end_ns, f"{what} for {length_text(end_ns - bend.at_ns)}")
        strikes = next((moment for moment in self.moments if moment.strikes), None)
        if strikes is not None and self.timeline.struck_at_ns is not None:
            yield self._shade("strike", strikes.at_ns, self.timeline.struck_at_ns, f"{strikes.strikes} strikes")

    def _shade(self, kind: str, from_ns: int, until_ns: int, title: str) -> str:
        left, right = self.x(from_ns), self.x(until_ns)
        return (
            f'<rect class="{kind}" x="{left}" y="{self.top - 4}" width="{max(right - left, 2)}" height="{_PLOT + 8}">'
            f"<title>{_escaped(title)}</title></rect>"
        )

    def _levels(self) -> Iterator[str]:
        """Draw a line across for each level, with its error in words."""
        for error_ns, _ in self.error.levels:
            y = self.y(error_ns)
            kind = "true" if error_ns == 0 else "grid"
            yield f'<path class="{kind}" d="M{_LEFT},{y}H{_WIDTH - _RIGHT}"/>'
            yield _text(_LEFT - 10, y + 4, error_words(error_ns), kind="soft", anchor="end")

    def _marks(self) -> Iterator[str]:
        """Draw a line down for each moment, with its number and as many words as have room."""
        free = [0, 0]
        for number, moment in enumerate(self.moments, 1):
            x = self.x(moment.at_ns)
            kind = "mark struck" if moment.strikes else "mark"
            title = f"<title>{_escaped(f'{self._when(moment.at_ns)}: {moment.said}')}</title>"
            yield f'<path class="{kind}" d="M{x},{self.top - 4}V{self.top + _PLOT + 4}">{title}</path>'
            for text in (f"{number} {moment.name}", str(number)):
                wide = len(text) * _CHARACTER
                left = min(x, _WIDTH - wide)
                row = next((row for row in (1, 0) if free[row] <= left), None)
                if row is not None and number <= _MOMENTS:
                    free[row] = left + wide + 6
                    yield _text(left, self.top - 26 + 16 * row, text, kind="red" if moment.strikes else "")
                    break

    def _curve(self) -> Iterator[str]:
        """Draw the guest's error: where it ran, was slewed, stood still, and stepped."""
        timeline = self.timeline
        instants = {bend.at_ns for bend in timeline.bends} | set(self.time.anchors)
        cuts = sorted(at_ns for at_ns in instants if self.time.anchors[0] <= at_ns <= self.time.anchors[-1])
        path, kind, errors = "", "", [0, 0]
        for start_ns, end_ns in pairwise(cuts):
            before, error_ns = before_and_after(timeline, start_ns)
            end_error_ns = before_and_after(timeline, end_ns)[0]
            bend = timeline.bend_at(start_ns)
            if before is not None and error_ns is not None and before != error_ns:
                yield f'<path class="curve step" d="M{self.x(start_ns)},{self.y(before)}V{self.y(error_ns)}"/>'
            if error_ns is None or end_error_ns is None or bend is None:
                continue
            new = "still" if bend.monotonic_ppb == 0 else "slew" if bend.correction_ppb else "run"
            start = f"M{self.x(start_ns)},{self.y(error_ns)}"
            if new != kind or before != error_ns:
                yield self._run(kind, path, *errors)
                path, kind, errors[0] = start, new, error_ns
            path += self._straight(start_ns, error_ns, end_ns, end_error_ns)
            errors[1] = end_error_ns
        yield self._run(kind, path, *errors)
        last_ns = cuts[-1]
        before, error_ns = before_and_after(timeline, last_ns)
        if before is not None and error_ns is not None and before != error_ns:
            yield f'<path class="curve step" d="M{self.x(last_ns)},{self.y(before)}V{self.y(error_ns)}"/>'

    @staticmethod
    def _run(kind: str, path: str, from_ns: int, to_ns: int) -> str:
        """Return the curve between two steps, with the errors at its ends; what was slewed says so on hover."""
        if kind != "slew":
            return f'<path class="curve {kind}" d="{path}"/>' if path else ""
        title = f"slewed from {error_words(from_ns)} to {error_words(to_ns)}"
        return f'<path class="curve slew" d="{path}"><title>{title}</title></path>'

    def _straight(self, start_ns: int, error_ns: int, end_ns: int, end_error_ns: int) -> str:
        """Return a straight piece of the curve, which has a corner at each level that it crosses."""
        low, high = sorted((error_ns, end_error_ns))
        crossed = [level for level, _ in self.error.levels if low < level < high]
        corners = crossed if error_ns < end_error_ns else crossed[::-1]
        points = [
            (start_ns + (level - error_ns) * (end_ns - start_ns) // (end_error_ns - error_ns), level)
            for level in corners
        ]
        return "".join(f"L{self.x(at_ns)},{self.y(error)}" for at_ns, error in [*points, (end_ns, end_error_ns)])

    # --------------------------------------------------------------------------------------------------- below it

    def _below(self) -> tuple[list[str], int]:
        """Return what is below the plot, and the height of it all."""
        y = self.top + _PLOT + 28
        parts = [*self._stretches(y)]
        y += 2 * _ROW
        allowed = limit(self.timeline)
        if allowed is not None:
            parts += self._limit(allowed, y)
            y += _ROW
        y += 6
        found = lines(self.timeline)
        for line in found[:_LINES]:
            parts += self._line(line, y)
            y += _LINE
        if len(found) > _LINES:
            parts.append(_text(_LEFT, y, f"and {len(found) - _LINES} other lines", kind="soft"))
            y += _ROW
        y += 8
        before: Moment | None = None
        for number, moment in enumerate(self.moments[:_MOMENTS], 1):
            at = f"{when(self.timeline, moment, before)} · {number}"
            parts.append(_text(_LEFT - 10, y, at, kind="soft", anchor="end"))
            parts.append(_text(_LEFT, y, told(self.timeline, moment), kind="red" if moment.strikes else ""))
            before = moment
            y += _ROW - 4
        if len(self.moments) > _MOMENTS:
            parts.append(_text(_LEFT, y, f"and {len(self.moments) - _MOMENTS} more moments", kind="soft"))
            y += _ROW
        return parts, y

    def _stretches(self, y: int) -> Iterator[str]:
        """Measure each stretch: by true time, and by the guest's monotonic clock."""
        yield _text(_LEFT - 10, y + 4, "true time", kind="soft", anchor="end")
        yield _text(_LEFT - 10, y + _ROW + 4, "monotonic", kind="soft", anchor="end")
        stretches = zip(pairwise(self.time.anchors), pairwise(self.time.edges), self.time.broken, strict=True)
        for (start_ns, edge_ns), (left, right), broken in stretches:
            end_ns = min(edge_ns, self.timeline.end_ns)  # a record of no time at all is drawn as if it had some
            lived = lived_ns(self.timeline, start_ns, end_ns)
            still = lived == 0 and end_ns > start_ns
            monotonic = "off" if lived is None else "stands still" if still else length_text(lived)
            for row, text in enumerate((length_text(end_ns - start_ns), monotonic)):
                at = y + row * _ROW
                kind = "axis broken" if broken else "axis"
                yield f'<path class="{kind}" d="M{_LEFT + left},{at}H{_LEFT + right}"/>'
                yield f'<path class="axis" d="M{_LEFT + left},{at - 4}v8M{_LEFT + right},{at - 4}v8"/>'
                if len(text) * _CHARACTER + 4 <= right - left:
                    middle, wide = _LEFT + (left + right) // 2, len(text) * _CHARACTER
                    yield f'<rect class="paper" x="{middle - wide // 2}" y="{at - 8}" width="{wide}" height="16"/>'
                    yield _text(middle, at + 4, text, anchor="middle")

    def _limit(self, judgement: Judgement, y: int) -> Iterator[str]:
        """Show how long a recovery was allowed to take."""
        if judgement.allowed_ns is None:
            return
        left, right = self.x(judgement.from_ns), self.x(judgement.from_ns + judgement.allowed_ns)
        yield _text(_LEFT - 10, y + 4, f"allowed {length_text(judgement.allowed_ns)}", kind="soft", anchor="end")
        said = f"{judgement.what}: {outcome_words(judgement)}"
        kind = "held" if judgement.held else "late"
        yield f'<path class="{kind}" d="M{left},{y}H{max(right, left + 2)}"><title>{_escaped(said)}</title></path>'
        for text in (said, outcome_words(judgement)):
            wide = 8 + len(text) * _CHARACTER
            if right + wide < _WIDTH:
                yield _text(right + 8, y + 4, text)
                break
            if left - wide > _LEFT:
                yield _text(left - 8, y + 4, text, anchor="end")
                break

    def _line(self, line: Line, y: int) -> Iterator[str]:
        """Show when one line of the program read a clock: a tick for each, red where the time was wrong."""
        yield _text(_LEFT - 10, y + 4, _ending(str(line.place), 24), kind="code", anchor="end")
        yield f'<path class="grid" d="M{_LEFT},{y}H{_WIDTH - _RIGHT}"/>'
        by_place: dict[int, list[Reading]] = {}
        for reading in self.timeline.readings:
            if reading.place == line.place:
                by_place.setdefault(self.x(reading.at_ns), []).append(reading)
        for x, readings in by_place.items():
            worst = max(readings, key=lambda reading: abs(error_of(reading)) if reading.clock == "wall" else -1)
            wrong = worst.clock == "wall" and abs(error_of(worst)) >= NS_PER_S
            more = sum(reading.times for reading in readings) - 1
            title = f"{line.place} {self._said(worst)}{f', and {more:,} more here' if more else ''}"
            group = '<g class="read wrong">' if wrong else '<g class="read">'
            yield f'{group}<path class="tick" d="M{x},{y - 6}v12"/><title>{_escaped(title)}</title></g>'
        yield _text(_LEFT, y + 19, _beginning(line.place.text, 72), kind="soft code")
        yield _text(_WIDTH - _RIGHT, y + 19, line.said, kind="soft", anchor="end")

    def _said(self, reading: Reading) -> str:
        when = self._when(reading.at_ns)
        if reading.clock == "wall":
            return f"read {iso(reading.value_ns)} on the wall clock, {error_words(error_of(reading))}, {when}"
        return f"read {length_text(reading.value_ns)} on the {reading.clock} clock, {when}"


def _text(x: int, y: int, text: str, *, kind: str = "", anchor: str = "") -> str:
    given = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{x}" y="{y}"{given}>{_escaped(text)}</text>'


def _beginning(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _ending(text: str, most: int) -> str:
    return text if len(text) <= most else "…" + text[1 - most :]


def _escaped(text: str) -> str:
    """Return text as XML may have it: without control characters, which XML has no way to write."""
    kept = "".join(
        character if character in "\t\n" or (character >= " " and not "\ud800" <= character <= "\udfff") else "\ufffd"
        for character in text
    )
    return html.escape(kept.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd"))
