"""Every source of time that a Python program has, and every way to refer to one: what backends are measured by."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_hvclock.units import NS_PER_S, NS_PER_US

if TYPE_CHECKING:
    from pytest_hvclock.model.guest import Guest
    from pytest_hvclock.running.backend import Backend

CONTAINER = "container"
CLOCK = "guest.clock"
STYLES = {
    "attribute": "`time.time()`",
    "name": "`from time import time`",
    "default": "a default argument",
    "closure": "a variable of a closure",
    "class": "an attribute of a class",
    "instance": "an attribute of an object; where its class has `__slots__`, if `__weakref__` is one of them",
    "partial": "`functools.partial`",
    "factory": "`default_factory` of a dataclass",
    CONTAINER: "a value in a plain dictionary, list or tuple",
    CLOCK: "`guest.clock`, handed to the code",
}
"""How code refers to a source, from before the guest was entered."""


@dataclass(frozen=True)
class Source:
    """One function that reads a clock."""

    name: str
    function: str
    """What a program writes to refer to it, after ``import time, datetime``."""
    expected: Callable[[Guest], Any]
    """What it must read on a guest, exactly."""
    arguments: str = ""
    on_clock: str | None = None
    """The same on ``guest.clock``, if it has it."""
    by_engine: bool = False
    """Whether engines reach it; the other sources are served by the layer that all engines share."""
    indirect: bool = False
    """Whether a kept reference may find the guest by itself: before Python 3.15 ``today`` asked ``time.time``."""
    needs: str = "time"
    """What the ``time`` module must have."""

    @property
    def module(self) -> str:
        """The module that the function is in."""
        return self.function.partition(".")[0]

    @property
    def here(self) -> bool:
        """Whether this system has it."""
        return hasattr(time, self.needs)


def _utc(guest: Guest) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=guest.wall_ns // NS_PER_US)


def _local(guest: Guest) -> dt.datetime:
    return _utc(guest).astimezone()


def _naive(guest: Guest) -> dt.datetime:
    return _local(guest).replace(tzinfo=None)


_TAI_AHEAD_NS = (
    round(time.clock_gettime_ns(time.CLOCK_TAI) - time.clock_gettime_ns(time.CLOCK_REALTIME), -9)
    if hasattr(time, "CLOCK_TAI")
    else 0
)
"""By how many whole seconds TAI is ahead of UTC, as this machine's kernel has been told."""
_FORMAT = "%Y-%m-%d %H:%M:%S"
SOURCES: tuple[Source, ...] = (
    Source("time.time", "time.time", lambda guest: guest.wall_ns / NS_PER_S, "", "time", by_engine=True),
    Source("time.time_ns", "time.time_ns", lambda guest: guest.wall_ns, "", "time_ns", by_engine=True),
    Source("time.gmtime", "time.gmtime", lambda guest: time.gmtime(guest.wall_ns // NS_PER_S), by_engine=True),
    Source("time.localtime", "time.localtime", lambda guest: time.localtime(guest.wall_ns // NS_PER_S), by_engine=True),
    Source(
        "time.strftime", "time.strftime", lambda guest: _local(guest).strftime(_FORMAT), repr(_FORMAT), by_engine=True
    ),
    Source("datetime.now()", "datetime.datetime.now", _naive, by_engine=True),
    Source(
        "datetime.now(tz)", "datetime.datetime.now", _utc, "datetime.timezone.utc", "now", by_engine=True
    ),
    Source(
        "datetime.utcnow", "datetime.datetime.utcnow", lambda guest: _utc(guest).replace(tzinfo=None), "", "utcnow",
        by_engine=True,
    ),
    Source("datetime.today", "datetime.datetime.today", _naive, by_engine=True, indirect=True),
    Source("date.today", "datetime.date.today", lambda guest: _naive(guest).date(), by_engine=True, indirect=True),
    Source("now of a subclass of datetime", "Moment.now", _naive, by_engine=True),
    Source("time.ctime", "time.ctime", lambda guest: _local(guest).ctime()),
    Source("time.asctime", "time.asctime", lambda guest: _local(guest).ctime()),
    Source(
        "CLOCK_REALTIME", "time.clock_gettime", lambda guest: guest.wall_ns / NS_PER_S, "0", by_engine=True,
        needs="clock_gettime",
    ),
    Source(
        "CLOCK_REALTIME, ns", "time.clock_gettime_ns", lambda guest: guest.wall_ns, "0", by_engine=True,
        needs="clock_gettime_ns",
    ),
    Source(
        "CLOCK_REALTIME_COARSE", "time.clock_gettime_ns", lambda guest: guest.wall_ns, "5", needs="CLOCK_BOOTTIME"
    ),
    Source(
        "CLOCK_TAI",
        "time.clock_gettime_ns",
        lambda guest: guest.wall_ns + _TAI_AHEAD_NS,
        "time.CLOCK_TAI",
        needs="CLOCK_TAI",
    ),
    Source("time.monotonic", "time.monotonic", lambda guest: guest.monotonic_ns / NS_PER_S, "", "monotonic"),
    Source("time.monotonic_ns", "time.monotonic_ns", lambda guest: guest.monotonic_ns, "", "monotonic_ns"),
    Source("time.perf_counter", "time.perf_counter", lambda guest: guest.monotonic_ns / NS_PER_S, "", "perf_counter"),
    Source("time.perf_counter_ns", "time.perf_counter_ns", lambda guest: guest.monotonic_ns, "", "perf_counter_ns"),
    Source(
        "CLOCK_MONOTONIC", "time.clock_gettime_ns", lambda guest: guest.monotonic_ns, "time.CLOCK_MONOTONIC",
        needs="CLOCK_MONOTONIC",
    ),
    Source(
        "CLOCK_MONOTONIC_COARSE", "time.clock_gettime_ns", lambda guest: guest.monotonic_ns, "6",
        needs="CLOCK_BOOTTIME",
    ),
    Source(
        "CLOCK_MONOTONIC_RAW", "time.clock_gettime_ns", lambda guest: guest.monotonic_raw_ns,
        "time.CLOCK_MONOTONIC_RAW", needs="CLOCK_MONOTONIC_RAW",
    ),
    Source(
        "CLOCK_BOOTTIME", "time.clock_gettime_ns", lambda guest: guest.boottime_ns, "time.CLOCK_BOOTTIME",
        needs="CLOCK_BOOTTIME",
    ),
)  # fmt: skip
"""The sources of time that a program can be given; CPU time is real, and so is what only C code reads."""


def is_reached(backend: Backend | type[Backend], source: Source, style: str) -> bool:
    """Whether a backend declares that a source, referred to in this style, reads the guest."""
    if style == CLOCK:
        return source.on_clock is not None
    if not backend.patches:
        return False
    if source.by_engine:
        return style not in backend.misses.get(source.name, ())
    return style != CONTAINER
