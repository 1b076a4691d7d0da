"""The page of a run: complete, safe to open, the same again, and small enough for ten thousand tests."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from gallery import timeline_of

from pytest_hvclock.__main__ import main
from pytest_hvclock.report import html
from pytest_hvclock.report.files import merged, write_record
from pytest_hvclock.report.html import page
from pytest_hvclock.report.svg import svg
from pytest_hvclock.timeline import Judgement, Place, Reading

FAILED = timeline_of("restore-after-a-month")
PASSED = replace(timeline_of("drift-500ppm"), outcome="passed", failure="", command="")


class Tags(HTMLParser):
    """Keeps the tags of a page, and what is in each, and sees that every one is closed."""

    def __init__(self, text: str) -> None:
        """Read a page."""
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """See that it is the one that is open."""
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that has nothing inside."""
        self.seen.append((tag, dict(attrs)))


def test_the_page_has_an_index_of_tests_with_what_was_judged_and_how_to_repeat_it() -> None:
    """In the order given, with what others have added."""
    text = page([FAILED, PASSED], {FAILED.test: [("lease log", "renewed 11 times")]})
    tags = Tags(text)
    assert tags.open == []
    tests = [attributes for tag, attributes in tags.seen if tag == "details"]
    assert [(test["data-outcome"], test["data-scenario"]) for test in tests] == [
        ("failed", "restore-after-a-month"),
        ("passed", "drift-500ppm"),
    ]
    assert "<h2>lease log</h2><pre>renewed 11 times</pre>" in text
    assert "allowed 30 s, did not recover" in text
    claims = (Judgement("wait", held=False), Judgement("lifetime", held=True, allowed_ns=60 * 10**9))
    shown = re.findall(r'<span class="soft">(.*?)</span>', page([replace(PASSED, judgements=claims[1:])]))
    assert shown == ["held"]
    shown = re.findall(r'<span class="soft">(.*?)</span>', page([replace(PASSED, judgements=claims)]))
    assert shown == ["did not hold"]
    assert text.count('class="copy"') == 1
    assert "-o hvclock_start=2026-01-01T00:00:00Z" in text


def test_what_failed_is_drawn_and_what_passed_is_packed() -> None:
    """A reader without JavaScript sees the failures; the other drawings take little room and are the same."""
    text = page([FAILED, PASSED])
    assert svg(FAILED, style=False) in text
    assert svg(PASSED, style=False) not in text
    (packed,) = json.loads(re.findall(r'id="drawings">(.*?)</script>', text)[0])
    assert zlib.decompress(base64.b64decode(packed)).decode() == svg(PASSED, style=False)


def test_of_very_many_failures_the_first_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are unpacked when somebody opens them."""
    monkeypatch.setattr(html, "_DRAWN", 2 * len(svg(FAILED, style=False)))
    text = page([FAILED] * 5)
    assert text.count("<svg") == 2
    assert len(re.findall(r"data-packed=\"\d+\"", text)) == 3


def test_the_page_asks_for_nothing() -> None:
    """No address of anything but the namespace of SVG, and a policy under which nothing could be loaded."""
    text = page([FAILED, PASSED])
    assert set(re.findall(r"\w+://[^\s\"'<)]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in text
    assert not re.search(r"<(?:img|iframe|object|embed)|<script[^>]+src|@import|url\(", text)


def test_whatever_a_test_is_called_is_text() -> None:
    """In every place that the page has for it."""
    evil = "</script><script>alert(1)</script>\"'&\x00\ud800<!--"
    timeline = replace(
        FAILED, test=evil, scenario=evil, failure=evil, command=evil, outcome=evil,
        judgements=[replace(one, what=evil, said=evil) for one in FAILED.judgements],
    )  # fmt: skip
    for outcome in (evil, "failed"):
        text = page([replace(timeline, outcome=outcome)], {evil: [(evil, evil)]})
        text.encode()
        tags = Tags(text)
        assert tags.open == []
        assert [tag for tag, _ in tags.seen].count("script") == 2
        assert "<script>alert" not in text


def test_the_same_timelines_give_the_same_bytes() -> None:
    """Again and again."""
    assert page([FAILED, PASSED]) == page([FAILED, PASSED])


def test_a_page_without_tests_says_so() -> None:
    """A run in which no test used the kit."""
    assert "no test ran on a guest" in page([])


def test_ten_thousand_tests_are_a_few_kilobytes_each() -> None:
    """So that the page opens: each test costs less than 6 KB, drawing included."""
    one, many = len(page([PASSED])), len(page([PASSED] * 11))
    assert (many - one) / 10 < 6_000


def test_a_test_that_reads_a_clock_again_and_again_has_a_page_that_opens() -> None:
    """Twice ten thousand readings take no more room than ten thousand: there are only so many places for a tick."""
    places = [Place("app/poll.py", line, "poll", "time.time()") for line in range(1, 6)]
    sizes = []
    for many in (10_000, 20_000):
        readings = tuple(Reading(number, "wall", number, places[number % 5]) for number in range(many))
        test = replace(PASSED, start_ns=0, end_ns=many, readings=readings, outcome="failed")
        sizes.append(len(page([test])))
    assert sizes[1] <= sizes[0] * 1.1
    assert sizes[1] < 1_500_000


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    """Of a record, without running anything."""
    record = write_record(merged("0.1.0", [FAILED, PASSED]), tmp_path)
    assert main(["report", str(record), "--html", str(tmp_path / "page")]) == 0
    written = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert written == page(merged("0.1.0", [FAILED, PASSED]).tests)
