"""The picture of a timeline in a terminal: it fits, it is true, and it looks as it did when somebody looked at it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from gallery import PICTURES, PINNED, SECONDS, pinned, timeline_of
from hypothesis import given
from hypothesis import strategies as st

from pytest_hvclock.clocks.trail import Bend
from pytest_hvclock.report.text import HEIGHT, picture
from pytest_hvclock.report.words import error_words, length_text, outcome_words
from pytest_hvclock.scenarios import SCENARIOS
from pytest_hvclock.timeline import Deed, Judgement, Place, Reading, Timeline

PPB = 1_000_000_000
PLACE = Place("app/lease.py", 41, "Lease.renew", "self.until = time.time() + 30")


def rows(text: str, label: str) -> str:
    """Return what the line with a label on the left shows."""
    return next(line[17:] for line in text.splitlines() if line[:16].strip() == label)


@pytest.mark.parametrize("name", sorted(pinned()))
def test_a_picture_is_the_one_that_was_looked_at(name: str) -> None:
    """To the character; ``python tests/report/gallery.py`` writes them anew."""
    assert pinned()[name] == (PICTURES / name).read_text(encoding="utf-8")


def test_no_pinned_picture_is_left_over() -> None:
    """Each file is one that is made."""
    assert {path.name for path in PICTURES.iterdir()} == set(pinned())
    assert set(PINNED) <= set(SCENARIOS)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_fits_into_a_terminal(name: str) -> None:
    """Twenty lines of eighty columns, without trailing blanks; and in ASCII if that is all there is."""
    timeline = timeline_of(name)
    for ascii_only in (False, True):
        text = picture(timeline, ascii=ascii_only)
        assert text.isascii() or not ascii_only
        assert len(text.splitlines()) <= HEIGHT
        assert all(len(line) <= 80 and line == line.rstrip() for line in text.splitlines())
    assert max(map(len, picture(timeline, width=120).splitlines())) <= 120
    assert picture(timeline, width=3) == picture(timeline, width=60)


def test_the_moments_of_a_restore_are_told_in_order_with_their_consequences() -> None:
    """Saved, restored a month behind, set right; each under its number in the drawing."""
    lines = picture(timeline_of("restore-after-a-month")).splitlines()
    told = [line for line in lines if re.match(r"\d ", line)]
    assert told == [
        "1 ▼ 15 s in       save (strike of restore-after-a-month)",
        "2   30 d later    restore; 30 d behind",
        "3   1 s later     SYNC sets the wall clock 30 d forward; now at true time",
    ]
    marks = lines[1]
    assert marks.index("1▼ save") < marks.index("2 ") < marks.index("3 SYNC") < marks.index("✗")


def test_the_two_measures_of_each_stretch_are_true_time_and_monotonic() -> None:
    """A month of true time is none for a guest that stands still, and the stretch is marked as broken."""
    text = picture(timeline_of("restore-after-a-month"))
    assert re.findall(r"[\w.]+ [smhd]+", rows(text, "true time")) == ["15 s", "30 d", "1 s", "29 s", "10 s"]
    assert "╱╱ 30 d ╱╱" in rows(text, "true time")  # noqa: RUF001  (a broken line)
    assert re.findall(r"[\w.]+ s\w*", rows(text, "monotonic")) == ["15 s", "stands still", "1 s", "29 s", "10 s"]
    fast = picture(timeline_of("wsl2-fast-7pct"))
    assert re.findall(r"[\d.]+ s", rows(fast, "true time")) == ["32 s", "19.4 s"]
    assert re.findall(r"[\d.]+ s", rows(fast, "monotonic")) == ["34.24 s", "20.76 s"]


def test_a_line_is_told_with_the_worst_time_that_it_read_since_the_strike() -> None:
    """What it read before is no news."""
    struck_ns = 20 * SECONDS
    timeline = Timeline(
        0,
        60 * SECONDS,
        (Bend(0, 90 * SECONDS, 0, 0, PPB), Bend(struck_ns, -5 * SECONDS, 0, struck_ns, PPB)),
        readings=(
            Reading(SECONDS, "wall", 91 * SECONDS, PLACE),
            Reading(30 * SECONDS, "wall", 25 * SECONDS, PLACE, times=3),
        ),
        struck_at_ns=struck_ns,
    )
    assert picture(timeline).splitlines()[-1] == (
        "a app/lease.py:41  4 times, up to 5 s behind  self.until = time.time() + 30"
    )
    assert "90 s ahead" in picture(timeline)


def test_a_moment_that_cannot_be_told_in_full_is_counted() -> None:
    """Of many the first two and the last are told, and what the others were."""
    deeds = [Deed(second * SECONDS, "drift = '+1 ppm'") for second in range(1, 9)]
    text = picture(Timeline(0, 10 * SECONDS, (Bend(0, 0, 0, 0, PPB),), deeds))
    assert "    3 more moments: drift" in text.splitlines()
    assert len([line for line in text.splitlines() if re.match(r"\d ", line)]) == 5


def test_a_slew_is_drawn_double_and_named_and_drift_is_neither() -> None:
    """An error that grows smaller by the clock's own drift was not slewed; a step in the middle of a slew is a step."""
    half_ns, ppb = 30 * SECONDS, 10_000_000
    error_ns = half_ns * ppb // PPB
    drifts = (Bend(0, -error_ns, ppb, 0, PPB + ppb),)
    slews = (Bend(0, -error_ns, ppb, 0, PPB + ppb, ppb), Bend(half_ns, 0, 0, half_ns, PPB))
    steps = (Bend(0, -error_ns, ppb, 0, PPB + ppb, ppb), Bend(half_ns, error_ns, -ppb, half_ns, PPB - ppb, -ppb))
    drifted, slewed, stepped = (
        picture(Timeline(0, 2 * half_ns, bends)).splitlines() for bends in (drifts, slews, steps)
    )
    assert not set("═║╔╗╚╝╦╩╠╣╬") & set("".join(drifted))
    assert slewed[1] == "       ═ a slew"
    assert slewed[2].endswith(" ·╔═══━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━")
    assert slewed[8].endswith(" 300 ms behind ═══╝")
    assert [line[48] for line in stepped[2:6]] == ["┏", "┃", "┃", "┛"]
    assert picture(Timeline(0, 2 * half_ns, slews), ascii=True).splitlines()[1] == "       = a slew"


def test_a_guest_that_is_off_has_no_curve_and_no_monotonic_time() -> None:
    """From power-off to boot."""
    bends = (Bend(0, 0, 0, 0, PPB), Bend(10 * SECONDS, None, 0, 0, 0), Bend(70 * SECONDS, 0, 0, 0, PPB))
    deeds = (Deed(10 * SECONDS, "power_off"), Deed(70 * SECONDS, "boot"))
    text = picture(Timeline(0, 80 * SECONDS, bends, deeds))
    assert re.search(r"10 s .*┼ +off +┼.* 10 s", rows(text, "monotonic"))
    assert re.search(r"━╸[ ·]+┊?╺━", rows(text, "at true time"))
    assert "1   10 s in       power off; now off" in text


def test_a_recovery_shows_how_long_it_could_take_and_took() -> None:
    """From where it was counted to where it had to be over."""
    judgement = Judgement(
        "well recovers",
        held=True,
        from_ns=10 * SECONDS,
        until_ns=45 * SECONDS,
        allowed_ns=30 * SECONDS,
        took_ns=12 * SECONDS,
        kind="recovery",
    )
    timeline = Timeline(0, 60 * SECONDS, (Bend(0, 0, 0, 0, PPB),), judgements=(judgement,))
    assert re.search(r"├─+ 30 s ─+┤ recovered in 12 s", rows(picture(timeline), "allowed"))
    lease = replace(timeline, judgements=(replace(judgement, what="lifetime", kind="claim"),))
    assert re.search(r"├─+ 30 s ─+┤ held", rows(picture(lease), "allowed"))


def test_what_came_of_it_is_said_as_it_is() -> None:
    """A claim does not recover, and one that was well for a while did."""
    claim = Judgement("lifetime of 60 s", held=True, allowed_ns=60 * SECONDS)
    assert outcome_words(claim) == "held"
    assert outcome_words(replace(claim, held=False, took_ns=61 * SECONDS)) == "did not hold"
    recovery = Judgement("well recovers", held=True, allowed_ns=60 * SECONDS, took_ns=SECONDS, kind="recovery")
    assert outcome_words(recovery) == "recovered in 1 s"
    assert outcome_words(replace(recovery, held=False)) == "well after 1 s, but not for long"
    assert outcome_words(replace(recovery, held=False, took_ns=None)) == "did not recover"
    assert outcome_words(replace(recovery, allowed_ns=None, took_ns=None)) == "held"


def test_nothing_at_all_is_drawn_too() -> None:
    """A test during which no time passed, of a guest that was off."""
    assert picture(Timeline(5, 5, ())).splitlines()[0] == "0 s from 1970-01-01T00:00:00Z; at the end the guest is off"


def test_what_a_program_says_is_kept_in_ascii_and_in_its_width() -> None:
    """A line of source may hold anything, and a path may be long: its end is what tells."""
    place = Place("a/very/long/path/to/some/module/of/the/program/läse.py", 7, "f", "t = uhr()  # Größe 時計 " * 4)
    timeline = Timeline(0, 9, (Bend(0, 0, 0, 0, PPB),), readings=(Reading(4, "wall", 4, place),))
    told = picture(timeline).splitlines()[-1]
    assert told.startswith("a …e/module/of/the/program/läse.py:7  once, at true time  t = uhr()")
    assert len(told) <= 80
    plain = picture(timeline, ascii=True)
    assert plain.isascii()
    assert "l\\xe4se.py:7" in plain


@given(
    bends=st.lists(
        st.tuples(
            st.integers(0, 10**18),
            st.none() | st.integers(-(10**17), 10**17),
            st.integers(-PPB, PPB),
            st.integers(0, 10**16),
            st.integers(0, 2 * PPB),
            st.integers(-PPB, PPB),
        ),
        max_size=12,
    ),
    deeds=st.lists(st.tuples(st.integers(0, 10**18), st.sampled_from(["save", "SYNC", "step", "strike x", "struck"]))),
    readings=st.lists(st.tuples(st.integers(0, 10**18), st.integers(1, 9)), max_size=30),
    length=st.integers(0, 10**18),
)
def test_any_timeline_can_be_drawn(bends, deeds, readings, length) -> None:  # type: ignore[no-untyped-def]
    """Whatever happened: the picture fits, and is the same again."""
    timeline = Timeline(
        0,
        length,
        tuple(sorted((Bend(*bend) for bend in bends), key=lambda bend: bend.at_ns)),
        tuple(sorted((Deed(at_ns, what) for at_ns, what in deeds), key=lambda deed: deed.at_ns)),
        tuple(Reading(at_ns, "wall", 5, Place("a.py", line, "f", "t()")) for at_ns, line in sorted(readings)),
    )
    text = picture(timeline)
    assert len(text.splitlines()) <= HEIGHT
    assert all(len(line) <= 80 for line in text.splitlines())
    assert picture(timeline) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 s"),
        (7, "7 ns"),
        (1_234, "1.234 us"),
        (2_500_000_000, "2.5 s"),
        (999_999_999, "1,000 ms"),
        (75_098_000_000, "75.1 s"),
        (90 * SECONDS, "90 s"),
        (-120 * SECONDS, "2 min"),
        (3_615 * SECONDS, "3,615 s"),
        (53_555 * SECONDS, "14.88 h"),
        (216_000 * SECONDS, "60 h"),
        (2_592_000 * SECONDS, "30 d"),
        (2_592_055 * SECONDS, "30 d"),
        (36_500 * 86_400 * SECONDS + 1, "36,500 d"),
    ],
)
def test_a_length_is_said_with_four_digits(nanoseconds: int, text: str) -> None:
    """In the largest unit that fits, and exactly where that takes no more."""
    assert length_text(nanoseconds) == text


def test_an_error_is_said_in_words() -> None:
    """Never by a sign."""
    assert [error_words(error) for error in (None, 0, 5, -7 * SECONDS)] == [
        "off", "at true time", "5 ns ahead", "7 s behind"
    ]  # fmt: skip
