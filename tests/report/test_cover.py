"""The lines that read a clock: joined, written, read back, and shown."""

from __future__ import annotations

import itertools
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pytest_hvclock.__main__ import main
from pytest_hvclock.report.cover import Cover, Line
from pytest_hvclock.report.files import Run, read_record, write_page, write_record
from pytest_hvclock.timeline import Place

LINES = [
    Line(Place("shop/session.py", 12, "Session.alive", "return time.time() < self.ends"), "wall", None, 120,
         {"deadline"}, {"step back", "restore"}),
    Line(Place("shop/session.py", 5, "Session.login", "self.ends = time.time() + 60"), "wall", None, 7, {"deadline"}),
    Line(Place("shop/session.py", 12, "Session.alive", "return time.time() < self.ends"), "wall", None, 3,
         {"timestamp"}, {"drift"}),
    Line(Place("shop/ids.py", 3, "new", "return uuid.uuid1()  # <b>"), "wall", Place("uuid.py", 679, "f", ""), 1_234),
    Line(Place("shop/session.py", 12, "Session.alive", "return time.time() < self.ends"), "monotonic", None, 1),
]  # fmt: skip


def cover_of(lines, tests=2):
    """Return a cover of some lines."""
    cover = Cover()
    cover.tests = tests
    for line in lines:
        cover.add(line)
    return cover


def test_the_table_is_sorted_joined_and_has_a_total():
    """By file, number and clock; what was used and what struck, together; and as the reference has it."""
    table = cover_of(LINES).table(80)
    reference = Path(__file__).parents[2] / "docs/reference.md"
    assert "\n".join(["```text", *table, "```"]) in reference.read_text(encoding="utf-8")
    assert table == [
        "line                   clock      reads  used for      struck by",
        "--------------------------------------------------------------------------------",
        "shop/ids.py:3          wall       1,234  ?",
        "  through uuid.py:679",
        "shop/session.py:5      wall           7  deadline",
        "shop/session.py:12     monotonic      1  ?",
        "shop/session.py:12     wall         123  timestamp,    drift, restore, step back",
        "                                         deadline",
        "--------------------------------------------------------------------------------",
        "TOTAL                             1,365                1 of 4 (25 %)",
    ]


@pytest.mark.parametrize("width", [1, 72, 80, 100, 300])
def test_the_table_is_as_wide_as_the_terminal_at_most(width):
    """Down to 72 characters; long names lose their beginning, and no anomaly is lost."""
    long = Line(Place("a/" * 60 + "b.py", 10_000, "f", ""), "monotonic", None, 10**9, {"order", "deadline"},
                {f"scenario-{number}" for number in range(20)})  # fmt: skip
    table = cover_of([*LINES, long]).table(width)
    assert max(map(len, table)) <= max(width, 72)
    assert any(line.split("  ")[0].endswith("b.py:10000") for line in table)
    assert all(f"scenario-{number}" in " ".join(table) for number in range(20))


def test_whoever_counted_what_in_whatever_order_it_is_the_same():
    """As several workers hand it over."""
    whole = cover_of(LINES, tests=5).as_json()
    for order in itertools.permutations(LINES):
        one, other = cover_of(order[:2]), cover_of(order[2:], tests=3)
        one.join(Cover.from_json(json.loads(json.dumps(other.as_json()))))
        assert one.as_json() == whole


def test_it_grows_with_the_lines_and_not_with_the_tests():
    """A thousand tests of the same lines are as much as one."""
    assert len(cover_of(LINES * 1_000, tests=1_000).lines) == 4
    assert cover_of(LINES * 1_000).lines[0].times == 1_234_000


def test_the_record_and_the_page_have_it(tmp_path):
    """The record comes back equal, the page escapes what a program's lines may have."""
    run = Run("0.1.0", [], {}, cover_of(LINES))
    back = read_record(write_record(run, tmp_path))
    assert back.cover is not None
    assert back.cover.as_json() == run.cover.as_json()
    page = write_page(back, tmp_path).read_text(encoding="utf-8")
    assert "return uuid.uuid1()  # &lt;b&gt;" in page
    assert '<section id="cover"><h2>Lines that read a clock</h2>' in page
    assert page.count("<tr>") == 1 + 4
    parser = HTMLParser()
    parser.feed(page)
    parser.close()


def test_a_record_is_told_with_its_table(tmp_path, capsys):
    """By the command that runs nothing."""
    assert main(["report", str(write_record(Run("0.1.0", [], {}, cover_of(LINES)), tmp_path))]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("TOTAL ")


def test_lists_are_broken_behind_a_comma():
    """And not within what an anomaly is called."""
    wide = Line(Place("a" * 40, 1, "f", ""), "wall", None, 1, set(), {"step back", "step forward", "drift"})
    assert [row.rpartition("  ")[2] for row in cover_of([wide]).table(72)[2:4]] == ["drift, step back,", "step forward"]


def test_a_record_of_a_run_that_did_not_count_has_none(tmp_path):
    """And an older one, which does not know of it, is read all the same."""
    path = write_record(Run("0.1.0", []), tmp_path)
    assert read_record(path).cover is None
    path.write_text('{"schema": 1, "tests": []}', encoding="utf-8")
    assert read_record(path).cover is None
    assert "cover" not in write_page(read_record(path), tmp_path).read_text(encoding="utf-8").partition("<main>")[2]


@pytest.mark.parametrize("wrong", ["{}", '{"tests": 1, "lines": [{}]}', '{"tests": 1, "lines": 3}', "[]"])
def test_what_is_no_cover_is_refused_in_one_line(tmp_path, wrong):
    """As what is no record."""
    path = tmp_path / "record.json"
    path.write_text(f'{{"schema": 1, "tests": [], "cover": {wrong}}}', encoding="utf-8")
    with pytest.raises(ValueError, match="this is no record of a run: these are no lines that read a clock"):
        read_record(path)
