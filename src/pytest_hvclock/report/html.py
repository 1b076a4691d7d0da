"""The timelines of a run as one page, which opens from disk and asks nothing of any network."""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files

from pytest_hvclock.report.cover import Cover
from pytest_hvclock.report.svg import STYLE, svg
from pytest_hvclock.report.words import length_text, outcome_words
from pytest_hvclock.timeline import Judgement, Timeline

_DRAWN = 2_000_000
"""So many characters of drawings of failed tests are in the page itself, for who has no JavaScript; what goes beyond is
packed, as the others are, and drawn when it is opened."""
_SAFETY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
_ICON = "data:,"


def page(timelines: Iterable[Timeline], sections: Mapping[str, Sequence[tuple[str, str]]] | None = None) -> str:
    """Return a page with an index of tests, a drawing of each, and the commands that repeat those that failed.

    Args:
        timelines: the tests, in the order in which they are shown.
        sections: titles and texts that are shown below a drawing, by node ID.
    """
    return "".join(pieces(timelines, sections or {}))


def pieces(
    timelines: Iterable[Timeline], sections: Mapping[str, Sequence[tuple[str, str]]], cover: Cover | None = None
) -> Iterator[str]:
    """Yield the page piece by piece: of many timelines, only one is held at a time."""
    source = files("pytest_hvclock.report")
    outcomes: Counter[str] = Counter()
    scenarios: set[str] = set()
    packed: list[str] = []
    yield (
        '<!doctype html>\n<html lang="en" class="plain">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_SAFETY}">\n'
        f'<link rel="icon" href="{_ICON}">\n<title>Guest clocks</title>\n'
        f"<style>\n{source.joinpath('page.css').read_text(encoding='utf-8')}{STYLE}</style>\n</head>\n<body>\n"
        "<h1>Guest clocks</h1>\n"
    )
    tests: list[str] = []
    drawn = 0
    for timeline in timelines:
        outcomes[timeline.outcome] += 1
        scenarios.add(timeline.scenario)
        drawing = svg(timeline, style=False)
        inside = timeline.outcome == "failed" and drawn + len(drawing) <= _DRAWN
        if inside:
            drawn += len(drawing)
        else:
            packed.append(_packed(drawing))
        tests.append(_test(timeline, sections.get(timeline.test, ()), drawing if inside else None, len(packed) - 1))
    counts = ", ".join(f"{count} {outcome or 'unknown'}" for outcome, count in sorted(outcomes.items()))
    yield f'<p class="soft">{_text(counts or "no test ran on a guest")}</p>\n'
    yield (
        '<form role="search"><input name="search" type="search" placeholder="Search tests" aria-label="Search tests">'
        f"{_select('outcome', outcomes)}{_select('scenario', scenarios)}<output></output></form>\n<main>\n"
    )
    yield from tests
    if cover is not None:
        yield cover.page()
    yield f'</main>\n<script type="application/json" id="drawings">{json.dumps(packed)}</script>\n'
    yield f"<script>\n{source.joinpath('page.js').read_text(encoding='utf-8')}</script>\n</body>\n</html>\n"


def _select(name: str, values: Iterable[str]) -> str:
    options = "".join(f"<option>{_text(value)}</option>" for value in sorted(values) if value)
    return f'<select name="{name}" aria-label="{name}"><option value="">every {name}</option>{options}</select>'


def _test(timeline: Timeline, sections: Sequence[tuple[str, str]], drawing: str | None, number: int) -> str:
    """Return what the page has of one test."""
    outcome = timeline.outcome if timeline.outcome in {"passed", "failed", "skipped"} else "unknown"
    holder = (
        f'<div class="drawing">{drawing}</div>'
        if drawing is not None
        else f'<div class="drawing" data-packed="{number}"><noscript>Drawn with JavaScript.</noscript></div>'
    )
    worst = next((one for one in timeline.judgements if not one.held), None)
    shown = [worst] if worst is not None else timeline.judgements[-1:]
    took = "".join(f'<span class="soft">{_text(_short(one))}</span>' for one in shown)
    buttons = "".join(
        f'<button type="button" data-act="{act}" aria-label="{label}">{shown}</button>'
        for act, label, shown in (("+", "zoom in", "+"), ("-", "zoom out", "−"), ("0", "show all", "all"))  # noqa: RUF001
    )
    return (
        f'<details class="test {outcome}" data-outcome="{_text(timeline.outcome)}" '
        f'data-scenario="{_text(timeline.scenario)}"><summary><b>{_text(timeline.outcome)}</b>'
        f'<span class="name">{_text(timeline.test or timeline.scenario)}</span>{took}</summary><div class="body">'
        f"{f'<pre>{_text(timeline.failure)}</pre>' if timeline.failure else ''}"
        f'<figure tabindex="0" aria-label="timeline: + and - zoom, arrows move, 0 shows all">{holder}'
        f'<figcaption><span class="buttons">{buttons}</span> <output></output></figcaption></figure>'
        f"{_judgements(timeline.judgements)}"
        f"{''.join(f'<h2>{_text(title)}</h2><pre>{_text(text)}</pre>' for title, text in sections)}"
        f"{_command(timeline.command)}</div></details>\n"
    )


def _short(judgement: Judgement) -> str:
    allowed = "" if judgement.allowed_ns is None else f"allowed {length_text(judgement.allowed_ns)}, "
    return f"{allowed if judgement.kind == 'recovery' else ''}{outcome_words(judgement)}"


def _judgements(judgements: Sequence[Judgement]) -> str:
    if not judgements:
        return ""
    rows = "".join(
        f'<tr><td>{_text(one.what)}</td><td>{_text(_short(one))}</td><td class="said">{_text(one.said)}</td></tr>'
        for one in judgements
    )
    head = "<tr><th>what</th><th>came of it</th><th>said</th></tr>"
    return f"<h2>Judged</h2><table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _command(command: str) -> str:
    if not command:
        return ""
    return (
        f'<h2>Run it again</h2><div class="command"><pre>{_text(command)}</pre>'
        '<button type="button" class="copy">Copy</button></div>'
    )


def _packed(drawing: str) -> str:
    """Return a drawing as little text."""
    return base64.b64encode(zlib.compress(drawing.encode("utf-8"), 9)).decode("ascii")


def _text(text: str) -> str:
    """Return text as a page may have it."""
    return escape(text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8"))
