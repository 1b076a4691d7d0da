"""The drawing of a timeline: valid, the same again, and with everything that happened in it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from gallery import SECONDS, timeline_of

from pytest_hvclock.clocks.trail import Bend
from pytest_hvclock.report.svg import svg
from pytest_hvclock.scenarios import SCENARIOS
from pytest_hvclock.timeline import Judgement, Place, Reading, Timeline

NAMESPACE = "{http://www.w3.org/2000/svg}"


def elements(timeline: Timeline, kind: str = "") -> list[ET.Element]:
    """Return what a drawing is made of, or what it has of a class."""
    tree = ET.fromstring(svg(timeline))  # noqa: S314  (ours)
    return [element for element in tree.iter() if not kind or kind in element.get("class", "").split()]


def titles(timeline: Timeline, kind: str) -> list[str]:
    """Return the titles of what has a class."""
    return [element.findtext(f"{NAMESPACE}title", "") for element in elements(timeline, kind)]


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_is_valid_xml_and_within_its_frame(name: str) -> None:
    """Nothing is drawn outside: every text is below the top and above the bottom."""
    tree = ET.fromstring(svg(timeline_of(name)))  # noqa: S314  (ours)
    _, _, width, height = map(int, tree.get("viewBox", "").split())
    for element in tree.iter(f"{NAMESPACE}text"):
        assert 0 <= int(element.get("x", -1)) <= width
        assert 0 <= int(element.get("y", -1)) <= height
    for path in tree.iter(f"{NAMESPACE}path"):
        xs = [int(x) for x in re.findall(r"[MLH](-?\d+)", path.get("d", ""))]
        assert all(0 <= x <= width for x in xs)


def test_a_drawing_is_accessible() -> None:
    """It is an image with a name, a title and a description in words."""
    tree = elements(timeline_of("restore-after-a-month"))[0]
    assert (tree.get("role"), tree.get("aria-label")) == (
        "img",
        "tests/test_lease.py::test_renew[restore-after-a-month]",
    )
    assert tree.findtext(f"{NAMESPACE}title") == tree.get("aria-label")
    assert "SYNC sets the wall clock 30 d forward" in tree.findtext(f"{NAMESPACE}desc", "")
    assert "prefers-color-scheme:dark" in tree.findtext(f"{NAMESPACE}style", "")


def test_what_happened_is_marked() -> None:
    """The strike and the pause are shaded, a step is no slew, and each reading is a tick that names its line."""
    restore = timeline_of("restore-after-a-month")
    assert titles(restore, "strike") == ["restore-after-a-month strikes"]
    assert titles(restore, "pause") == ["the guest stands still for 30 d"]
    assert (len(elements(restore, "step")), len(elements(restore, "slew"))) == (1, 0)
    said = "app/lease.py:15 read 2026-01-01T00:00:15Z on the wall clock, 30 d behind, 30 d in"
    assert said in titles(restore, "wrong")
    slewed = timeline_of("w32time-2016-one-second-behind")
    assert (len(elements(slewed, "step")), len(elements(slewed, "slew"))) == (1, 1)
    assert [element.text for element in elements(slewed, "slewed")] == ["slewed"]
    assert elements(restore, "slewed") == []
    assert titles(slewed, "slew") == ["slewed from 1 s behind to 276.3 ms behind"]
    assert titles(slewed, "late") == ["held: did not recover"]


def test_a_set_at_the_very_end_is_drawn() -> None:
    """The last thing that happened is often why a test failed."""
    timeline = Timeline(0, 9, (Bend(0, 5 * SECONDS, 0, 0, 10**9), Bend(9, 0, 0, 9, 10**9)))
    assert len(elements(timeline, "step")) == 1


def test_whatever_a_test_is_called_is_text() -> None:
    """Names, sources and messages hold anything, control characters and half a surrogate pair included."""
    evil = "<script>alert('x')</script>&\x00\x1b[31m\ud800\uffff\"]]>"
    place = Place(f"{evil}.py", 1, "f", evil)
    timeline = replace(
        timeline_of("restore-after-a-month"), test=evil, readings=(Reading(0, "wall", 0, place),), scenario=evil
    )
    drawn = svg(timeline)
    drawn.encode()
    assert ET.fromstring(drawn).get("aria-label", "").startswith("<script>alert('x')</script>&")  # noqa: S314
    assert "<script" not in drawn


def test_the_same_timeline_gives_the_same_bytes_in_every_process() -> None:
    """Whatever the order of sets is there."""
    code = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]); from gallery import timeline_of;"
        "from pytest_hvclock.report.svg import svg;"
        "print(hashlib.sha256(svg(timeline_of('wsl2-sleep-series')).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parent)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


@pytest.mark.parametrize("end", [20, 45, 90, 200])
def test_what_came_of_a_recovery_stands_where_there_is_room(end: int) -> None:
    """It never runs into what stands on the left, nor out of the drawing."""
    judgement = Judgement(
        "the connection to the broker recovers",
        held=False,
        from_ns=10 * SECONDS,
        allowed_ns=10 * SECONDS,
        took_ns=4 * SECONDS,
        kind="recovery",
    )
    sync = (Bend(0, -SECONDS, 0, 0, 10**9), Bend(10 * SECONDS, 0, 0, 10, 10**9))
    drawn = svg(Timeline(0, end * SECONDS, sync, judgements=(judgement,)))
    found = re.findall(r'<text x="(\d+)"[^>]*?(?:text-anchor="(\w+)")?>([^<]*not for long)</text>', drawn)
    assert found or end == 20
    for x, anchor, text in found:
        left, right = (int(x) - 7 * len(text), int(x)) if anchor == "end" else (int(x), int(x) + 7 * len(text))
        assert 170 <= left <= right <= 960
