"""A schedule is one line: it reads back equal, goes through a shell, and survives edits to unrelated lines."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_hvclock.anomalies import Advance, Drift, Flap, Pause, Restore, Step, Train
from pytest_hvclock.explore.schedules import Schedule, Spot, Strike, parsed, thread_name

ANOMALIES = st.sampled_from(
    [
        Step("-1 h"),
        Step(-5),
        Drift("500 ppm"),
        Restore("30 d", sync=False),
        Pause("1 min"),
        Flap("2 s", times=2),
        Train(Pause("3.5 s", sync=False), times=10, every="33.5 s"),
        Advance("1 s"),
    ]
)
SPOTS = st.builds(
    Spot,
    what=st.sampled_from(["reading", "wait"]),
    text=st.text(min_size=1),
    occurrence=st.integers(1, 10**6),
    thread=st.text(min_size=1),
)
SCHEDULES = st.builds(
    Schedule,
    st.lists(st.builds(Strike, ANOMALIES, SPOTS | st.none()), min_size=1, max_size=3).map(tuple),
)


@given(schedule=SCHEDULES)
def test_a_schedule_reads_back_equal_also_after_a_shell(schedule):
    text = str(schedule)
    assert parsed(text) == schedule
    assert "\n" not in text
    assert shlex.split(shlex.quote(text)) == [text]


def test_a_schedule_reads_like_a_sentence():
    place = Spot("reading", 'if time.time() > self.due["a"]:', 2, thread_name("Thread-17 (worker)"))
    schedule = Schedule((Strike(Step("-7 h")), Strike(Step("7 h"), place)))
    assert str(schedule) == (
        'Step("-7 h") at the start and '
        r'Step("7 h") before reading 2 of "if time.time() > self.due[\"a\"]:" in "Thread-# (worker)"'
    )
    assert parsed("Step(by='-7 h') at the start").strikes == (Strike(Step("-7 h")),)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("Step", "it does not begin with an anomaly"),
        ('Step("-1 h")', 'after Step("-1 h") comes no place'),
        ('Step("-1 h") before reading 0 of "a"', 'after Step("-1 h") comes no place'),
        ('Stop("-1 h") at the start', "there is no anomaly Stop; there are Advance, "),
        ('Step("-1 hour") at the start', "unknown unit 'hour'"),
        ("Step(open) at the start", "open is no text and no number"),
        ('Step("-1 h") at the start or', "'or' is left over"),
        ('Step("-1 h") at the start and ', "'and' is left over"),
        ('Step("-1 h", 2, 3) at the start', "takes"),
        ('Drift("fast") at the start', "'fast' is not a rate"),
        ('Pause("-1 s") at the start', "true time only goes forward"),
        ('Restore("-1 s") at the start', "true time only goes forward"),
        ('SetTimesync("gps") at the start', "unknown timesync 'gps'"),
        ('Flap("2 s", times=0) at the start', "times=0 is no number of times"),
        ('Flap("2 s", times="x") at the start', "times='x' is no number of times"),
        ('Train(Step("1 s"), times=-1, every="1 s") at the start', "times=-1 is no number of times"),
        ('Train(Step("1 s"), times=2, every="-1 s") at the start', "'-1 s' has passed"),
        (r'Step("1 s") before reading 1 of "\q"', r'"\q" is not as it was printed'),
    ],
)
def test_what_is_no_schedule_is_refused_with_an_example(text, why):
    with pytest.raises(
        ValueError, match=rf"is not a schedule \(.*{re.escape(why)}.*\): write it as it was printed, such as 'Step"
    ):
        parsed(text)
