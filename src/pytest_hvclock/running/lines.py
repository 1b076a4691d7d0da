"""Which lines of a program read a guest's clocks in one run, how often, what for, and which anomalies came just before.

A reading belongs to the application's line: the innermost outside the standard library, where there is one.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from types import CodeType, FrameType
from typing import Any, NamedTuple

from pytest_hvclock.model.guest import Guest
from pytest_hvclock.running.readings import Meeting, Memories, Memory
from pytest_hvclock.running.recorder import Site, is_the_programs, kit, place_of
from pytest_hvclock.timeline import Place

_getframe = sys._getframe
_STRUCK_BY = {
    "drift": "drift",
    "timesync": "timesync",
    "resume": "pause",
    "restore": "restore",
    "apply": "checkpoint",
    "boot": "boot",
    "migrated": "migration",
    "woke from hibernation": "hibernation",
    "hctosys": "hctosys",
}
"""What is called what, by the verb that ends it."""
_library = tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib"))
_installed = tuple(sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib"))


class Found(NamedTuple):
    """What one line has read of one clock."""

    place: Place
    clock: str
    through: Place | None
    """The line of the standard library that read for it, if it did not read itself."""
    times: int
    uses: frozenset[str]
    struck: frozenset[str]
    """The anomalies after which it was the first to read."""


class Lines:
    """Counts one run; memory grows with the number of lines, and not with that of readings."""

    def __init__(self, guest: Guest) -> None:
        """Begin; what has been done to the guest before strikes no line."""
        self._deeds = guest.follow().deeds
        self._seen = len(self._deeds)
        self._times: Counter[tuple[str, Site, Site]] = Counter()
        self._struck: defaultdict[tuple[str, Site, Site], set[str]] = defaultdict(set)
        self._uses: defaultdict[tuple[str, Site], set[str]] = defaultdict(set)

    def read(self, clock: str) -> None:
        """Count a reading, just before it."""
        frame: Any = _getframe(1)
        ours = kit()
        while id(frame.f_globals) in ours and frame.f_back is not None:
            frame = frame.f_back
        if not is_the_programs(frame.f_code):
            return
        application = _application(frame)
        key = (clock, (application.f_code, application.f_lasti), (frame.f_code, frame.f_lasti))
        self._times[key] += 1
        if len(self._deeds) > self._seen:
            done, self._seen = self._deeds[self._seen :], len(self._deeds)
            self._struck[key].update(_anomalies([what for _, what in done]))

    def use(self, what: str, memory: Memory) -> None:
        """Note what a reading was used for."""
        self._uses[memory.clock, memory.site].add(what)

    def met(self, meeting: Meeting) -> None:
        """Note what two readings were used for that have met."""
        self.use(meeting.use, meeting.one)
        self.use(meeting.use, meeting.other)

    def listen(self, memories: Memories) -> None:
        """Learn of the uses that somebody else's memories tell of."""
        memories.listen(self.met, self.use)

    def found(self) -> Iterator[Found]:
        """Yield what was counted."""
        for key, times in self._times.items():
            clock, application, library = key
            through = place_of(library) if library != application else None
            uses = frozenset(self._uses.get((clock, library), ()))
            yield Found(place_of(application), clock, through, times, uses, frozenset(self._struck.get(key, ())))


def _application(frame: FrameType) -> FrameType:
    """Return the innermost frame of the application, or the one given if only the harness has called it."""
    ours = kit()
    found: FrameType | None = frame
    while found is not None and (_is_library(found.f_code) or id(found.f_globals) in ours):
        found = found.f_back
    return found if found is not None and is_the_programs(found.f_code) and not _is_plugin(found) else frame


def _is_library(code: CodeType) -> bool:
    name = code.co_filename
    return name.startswith("<frozen") or (name.startswith(_library) and not name.startswith(_installed))


def _is_plugin(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("pytest_")


def _anomalies(deeds: Sequence[str]) -> set[str]:
    """Return what is to be called an anomaly among what was done to a guest: a scenario as a whole, else the verbs."""
    found: set[str] = set()
    within = False
    for what in deeds:
        if what.startswith("strike "):
            within = True
            found.add(what.removeprefix("strike ").partition("(")[0])
        elif what == "struck":
            within = False
        elif what.startswith("step(") and not within:
            found.add("step back" if what.startswith('step("-') else "step forward")
        elif not within:
            name = _STRUCK_BY.get(what.partition(" =")[0])
            found |= {name} if name is not None else set()
    return found
