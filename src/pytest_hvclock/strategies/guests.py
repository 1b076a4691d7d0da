"""What kind of guest it is: its drift, its zone, and what corrects its clock."""

from __future__ import annotations

from typing import cast

from hypothesis import strategies as st

from pytest_hvclock.anomalies import Drift
from pytest_hvclock.disciplines import DISCIPLINES, OFF
from pytest_hvclock.drifts import Periodic, RandomWalk, Wander
from pytest_hvclock.explore.kinds import SIMPLEST
from pytest_hvclock.model.guest import GuestSettings

RATES = tuple(str(anomaly.rate) for anomaly in SIMPLEST if isinstance(anomaly, Drift))
"""The round ones, the simpler first."""
_MOST_PPB = 200_000_000
_ZONES = (
    "UTC", "America/Los_Angeles", "Asia/Tokyo", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns",
    "Australia/Lord_Howe", "Pacific/Kiritimati",
)  # fmt: skip
"""West, east, with and without summer time, with half an hour, with half an hour of summer time, and the extreme."""


def rates() -> st.SearchStrategy[str]:
    """Draw rate errors of a clocksource as text, from -20 % to 20 %; the explorer's own are the simplest."""
    return st.sampled_from(RATES) | st.integers(-_MOST_PPB, _MOST_PPB).map(lambda ppb: f"{ppb} ppb")


def drifts() -> st.SearchStrategy[str | Wander]:
    """Draw drifts: constant rates, and those that wander around one."""
    seeds = st.integers(0, 2**32 - 1)
    return st.one_of(
        rates(), st.builds(Periodic, around=rates(), seed=seeds), st.builds(RandomWalk, around=rates(), seed=seeds)
    )


def zones() -> st.SearchStrategy[str]:
    """Draw the IANA names of time zones, of a guest or of its host; UTC is the simplest."""
    return st.sampled_from(_ZONES)


def disciplines() -> st.SearchStrategy[str]:
    """Draw what corrects a guest's clock, by name, also of those that a plugin has added; ``linux`` is the simplest."""
    return st.deferred(lambda: st.sampled_from(sorted((OFF, *DISCIPLINES), key=lambda name: (name != "linux", name))))


def conditions() -> st.SearchStrategy[GuestSettings]:
    """Draw settings of a guest as a dictionary, for ``Host().guest(**settings)``; the simplest is an empty one."""
    settings = st.fixed_dictionaries({}, optional={"drift": drifts(), "timesync": disciplines(), "zone": zones()})
    return cast("st.SearchStrategy[GuestSettings]", settings)
