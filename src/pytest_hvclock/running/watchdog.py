"""Code that spins on a clock which cannot move: found, and ended with the line that does it.

In stepped pace a loop that reads a clock until some time has come, and never waits, would go on for ever; one that
waits for no time at all, which moves 100 ns, for hours. A thread of the harness looks now and then whether true time
has moved to speak of. Only when it has not for a while are readings counted, and the thread that reads the same line
again and again is stopped there; a test that merely takes its time pays for none of this.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import start_new_thread
from collections import Counter
from types import FrameType
from typing import TYPE_CHECKING

from pytest_hvclock.errors import StuckError
from pytest_hvclock.running.looks import own_threads

if TYPE_CHECKING:
    from pytest_hvclock.running import Running

_LOOK_S = 1.0
_SUSPECT_AFTER_LOOKS = 4
_CRAWL_NS = 100_000_000
"""Less true time than this from look to look is none: it is a tenth of the real time, which waits do not take."""
_READS, _READS_IN_ALL = 100_000, 500_000
"""How many readings at one line, while true time stands, are a spin: in one look's time, and however slowly."""

_sleep = time.sleep


class Watchdog:
    """Looks at whichever guest is running; one for the whole process, from the first guest on."""

    def __init__(self) -> None:
        """Look at nothing yet."""
        self._process: int | None = None
        self._watched: Running | None = None
        self._reads: Counter[tuple[str, int]] = Counter()
        self._reads_before: Counter[tuple[str, int]] = Counter()

    def watch(self, running: Running | None) -> None:
        """Look at this guest from now on, or at none."""
        self._watched = running
        if running is not None and self._process != os.getpid():  # threads do not survive a fork
            self._process = os.getpid()
            # no threading.Thread: its start would wait on the guest
            own_threads.add(start_new_thread(self._look, ()))

    def _look(self) -> None:
        """See whether true time moves, for as long as the process lives."""
        seen: tuple[int, int] | None = None
        looks = 0
        while True:
            _sleep(_LOOK_S)
            running = self._watched
            if running is None:
                seen, looks = None, 0
                continue
            now = (id(running), running.guest.host._true_ns)
            stands = seen is not None and now[0] == seen[0] and 0 <= now[1] - seen[1] < _CRAWL_NS
            seen = now
            if not stands:
                if looks > _SUSPECT_AFTER_LOOKS:
                    running.suspect(None)
                looks = 0
                continue
            looks += 1
            if looks >= _SUSPECT_AFTER_LOOKS:
                again = looks > _SUSPECT_AFTER_LOOKS
                self._reads_before = self._reads_before + self._reads if again else Counter()
                self._reads = Counter()
                running.suspect(self._count)

    def _count(self, _clock: str) -> None:
        """Count a reading, and end a spin; runs in the thread that reads."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_globals.get("__name__", "").startswith("pytest_hvclock."):
            frame = frame.f_back
        if frame is None:
            return
        place = (frame.f_code.co_filename, frame.f_lineno)
        self._reads[place] += 1
        reads = self._reads[place]
        if reads >= _READS or reads + self._reads_before[place] >= _READS_IN_ALL:
            reads += self._reads_before[place]
            self._reads, self._reads_before = Counter(), Counter()
            raise StuckError(
                f"{place[0]}:{place[1]} has read a clock {reads:,} times while true time stood still, or nearly: in "
                "stepped pace only sleeping, waiting and hvclock.advance() let it pass. Sleep in the loop, or let the "
                'test run with pace="live"'
            )


watchdog = Watchdog()
