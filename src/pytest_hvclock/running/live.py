"""Live pace: true time follows the real monotonic clock, and the anomalies happen on top.

No reading ever comes from the real *wall* clock, so nothing that happens to the clock of the developer's machine
reaches the guest. Between two events every clock runs straight, so most readings are one multiplication; at the next
event of the guest, or the next planned action, the model is moved up to the present. Waits are real, and end when the
guest's own clock says so.
"""

from __future__ import annotations

import threading
import time
from _thread import get_ident
from typing import NamedTuple

from pytest_hvclock.model.guest import Guest, State
from pytest_hvclock.running.waits import nanoseconds
from pytest_hvclock.units import AS_PER_NS, NS_PER_S

_now_ns = time.perf_counter_ns
_sleep = time.sleep
_Thread = threading.Thread
_LONGEST_LINE_NS = NS_PER_S
"""How long a line is used before the model is looked at again, at most."""
_LONGEST_REST_NS = 10_000_000
"""How long a sleep rests before it looks at the guest again, at most."""


class Line(NamedTuple):
    """How the clocks run from one real instant until another."""

    from_ns: int
    until_ns: int
    wall_as: int
    wall_rate: int
    monotonic_as: int
    monotonic_rate: int
    raw_as: int
    raw_rate: int
    asleep_as: int
    true_ns: int


class LiveReader:
    """Reads a guest whose host's true time goes on by itself, from ``start`` to ``stop``."""

    __slots__ = ("_anchor_ns", "_busy", "_failure", "_guest", "_line", "_lock", "_owner", "_stopped")

    def __init__(self, guest: Guest) -> None:
        """Make a reader; true time stands still until ``start``."""
        self._guest = guest
        self._lock = threading.RLock()
        self._busy = False
        self._stopped = True
        self._owner = get_ident()
        self._failure: BaseException | None = None
        self._anchor_ns = _now_ns()
        self._line = Line(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        self.refresh()

    def start(self) -> None:
        """Let the host's true time follow the real clock from here on."""
        self._anchor_ns, self._stopped = _now_ns(), False
        self._guest.host._follow(self.catch_up)
        self.refresh()
        _Thread(target=self._tick, daemon=True, name="hvclock-live").start()

    def stop(self) -> None:
        """Let the host's true time stand still again."""
        self.catch_up()
        self._stopped = True
        self._guest.host._follow(None)

    def catch_up(self) -> None:
        """Move the host's true time up to the present, running the actions that were planned for meanwhile."""
        with self._lock:
            if self._busy or self._stopped:
                return
            now_ns = _now_ns()
            gone_ns, self._anchor_ns = now_ns - self._anchor_ns, now_ns
            self._busy = True
            try:
                host = self._guest.host
                host._advance_to(host._true_ns + gone_ns)
            finally:
                self._busy = False
                self.refresh()

    def refresh(self) -> None:
        """Take down how the clocks run from here on, and until when that holds."""
        with self._lock:
            guest, line = self._guest, self._line
            busy, self._busy = self._busy, True
            try:
                if guest.state is State.OFF:
                    self._line = line._replace(until_ns=0, wall_rate=0, monotonic_rate=0, raw_rate=0)
                    return
                clocks = guest._read()
                next_ns = guest._next_event_ns()
            finally:
                self._busy = busy
            lasts_ns = _LONGEST_LINE_NS
            if next_ns is not None:
                lasts_ns = min(lasts_ns, next_ns - guest.host._true_ns)
            self._line = Line(
                self._anchor_ns,
                self._anchor_ns + lasts_ns,
                clocks.wall_as, clocks.wall_rate,
                clocks.monotonic_as, clocks.monotonic_rate,
                clocks.raw_as, clocks.raw_rate,
                clocks.asleep_as,
                guest.host._true_ns,
            )  # fmt: skip

    def owns(self, thread: int) -> bool:
        """Whether this thread is on the guest: in live pace every thread of the process is."""
        del thread
        return True

    def sleep(self, seconds: float) -> None:
        """Really sleep until the guest's CLOCK_MONOTONIC has gone on by so much; planned actions happen meanwhile."""
        duration_ns = nanoseconds(seconds)
        if duration_ns < 0:
            raise ValueError("sleep length must be non-negative")
        if duration_ns == 0:
            _sleep(0)
        deadline_ns = self.monotonic + duration_ns
        while (left_ns := deadline_ns - self.monotonic) > 0:
            _sleep(min(left_ns, _LONGEST_REST_NS) / NS_PER_S)

    def _tick(self) -> None:
        """See that planned actions happen in time even if nobody reads a clock; runs in a thread of its own."""
        while not self._stopped:
            _sleep(_LONGEST_REST_NS / NS_PER_S)
            if self._guest.host._next_planned_ns() is not None and self._failure is None:
                try:
                    self.catch_up()
                except BaseException as failure:  # noqa: BLE001  (it comes out of the owner's next reading or sleep)
                    self._failure = failure

    def _at(self) -> tuple[Line, int]:
        """Return the line that holds now, and how far along it this moment is."""
        if self._failure is not None and get_ident() == self._owner:
            failure, self._failure = self._failure, None
            raise failure
        line = self._line
        now_ns = _now_ns()
        if now_ns >= line.until_ns and not self._stopped:
            self.catch_up()
            line = self._line
            now_ns = max(_now_ns(), line.from_ns)
        return line, (now_ns - line.from_ns if not self._stopped else 0)

    @property
    def true(self) -> int:
        """True time."""
        line, gone_ns = self._at()
        return line.true_ns + gone_ns

    @property
    def wall(self) -> int:
        """The wall clock."""
        line, gone_ns = self._at()
        return (line.wall_as + gone_ns * line.wall_rate) // AS_PER_NS

    @property
    def monotonic(self) -> int:
        """CLOCK_MONOTONIC."""
        line, gone_ns = self._at()
        return (line.monotonic_as + gone_ns * line.monotonic_rate) // AS_PER_NS

    @property
    def raw(self) -> int:
        """CLOCK_MONOTONIC_RAW."""
        line, gone_ns = self._at()
        return (line.raw_as + gone_ns * line.raw_rate) // AS_PER_NS

    @property
    def boottime(self) -> int:
        """CLOCK_BOOTTIME."""
        line, gone_ns = self._at()
        return (line.monotonic_as + line.asleep_as + gone_ns * line.monotonic_rate) // AS_PER_NS

    def wall_ns(self) -> int:
        """Read the wall clock: what an engine calls in place of the real one."""
        return self.wall
