"""The clocks of one guest as a straight piece of time; the only arithmetic on clocks in the kit.

Between two events every clock of a guest runs at a constant rate, so a guest is one *segment*: an instant of true
time, what each clock shows there, and how fast each runs from there on. Something happens only where a segment ends:
a step, a change of rate, a pause. Values are integers of attoseconds, because 1 ns at 1 ppb is exactly 1 as: moving
along a segment in one stride or in a thousand ends on the same integer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from pytest_hvclock.clocks.sets import ClockSets
from pytest_hvclock.clocks.trail import Trail
from pytest_hvclock.units import AS_PER_NS, NS_PER_S, NS_PER_TICK, PPB

STALE_SAMPLE_NS = 600 * NS_PER_S
"""A host sample older than this, in reference time, is refused (``hv_util.c``, ``HOST_TIMESYNC_DELAY_THRESH``)."""


class HostSample(NamedTuple):
    """The newest host time that the guest has been told: what ``/dev/ptp_hyperv`` goes on from (``hv_util.c``)."""

    host_ns: int
    reference_ns: int


@dataclass(slots=True)
class Segment:
    """What each clock of a guest shows at ``true_ns``, and the rates at which they run from there on.

    Rates *add*, in parts per billion: the wall runs at 1 + drift + correction. ``MONOTONIC_RAW`` has the drift of the
    clocksource and never the correction; ``MONOTONIC`` has the correction on Linux (``adjtimex``), and not on Windows,
    where only the system time is adjusted and QPC is left alone.
    """

    true_ns: int
    wall_as: int
    monotonic_as: int = 0
    raw_as: int = 0
    reference_ns: int = 0
    asleep_as: int = 0
    """What BOOTTIME has and MONOTONIC has not: time spent in a hibernation of the guest's own."""
    drift_ppb: int = 0
    correction_ppb: int = 0
    slews_monotonic: bool = True
    counting: bool = True
    """Whether any virtual processor runs: the reference counter, and every clock made from it, stops when none does."""
    granularity_ns: int = 1
    """The wall clock and MONOTONIC are *read* in whole multiples of this: 15.625 ms through Windows' tick counts."""
    sample: HostSample | None = None
    sets: ClockSets = field(default_factory=ClockSets)
    refusals: ClockSets = field(default_factory=ClockSets)
    """The sets that W32Time has declined as too large, and only logged."""
    trail: Trail | None = None
    """Where the clocks tell of each step and each change of rate, if somebody wants to know."""

    @property
    def wall_ns(self) -> int:
        """What a reader of the wall clock gets, in nanoseconds."""
        return self.wall_as // AS_PER_NS // self.granularity_ns * self.granularity_ns

    @property
    def monotonic_ns(self) -> int:
        """What a reader of MONOTONIC gets, in nanoseconds."""
        return self.monotonic_as // AS_PER_NS // self.granularity_ns * self.granularity_ns

    @property
    def wall_rate(self) -> int:
        """Attoseconds that the wall clock gains in one nanosecond of true time."""
        return PPB + self.drift_ppb + self.correction_ppb if self.counting else 0

    @property
    def monotonic_rate(self) -> int:
        """Attoseconds that MONOTONIC gains in one nanosecond of true time."""
        if not self.counting:
            return 0
        return PPB + self.drift_ppb + (self.correction_ppb if self.slews_monotonic else 0)

    @property
    def raw_rate(self) -> int:
        """Attoseconds that MONOTONIC_RAW gains in one nanosecond of true time."""
        return PPB + self.drift_ppb if self.counting else 0

    @property
    def error_as(self) -> int:
        """Guest wall clock minus true time, in attoseconds: positive is ahead."""
        return self.wall_as - self.true_ns * AS_PER_NS

    @property
    def reference_ticks(self) -> int:
        """The partition reference counter in its own unit of 100 ns (TLFS)."""
        return self.reference_ns // NS_PER_TICK

    def move_to(self, true_ns: int) -> None:
        """Let true time reach ``true_ns``: every clock runs on at its rate, exactly."""
        elapsed = true_ns - self.true_ns
        if elapsed == 0:
            return
        if not self.counting:
            self.true_ns = true_ns
            return
        wall_as, monotonic_as = self.wall_rate * elapsed, self.monotonic_rate * elapsed
        raw_as = self.raw_rate * elapsed
        # Nothing is called between these five, so no signal can strike among them and leave a clock behind.
        self.true_ns = true_ns
        self.wall_as += wall_as
        self.monotonic_as += monotonic_as
        self.raw_as += raw_as
        self.reference_ns += elapsed

    def repeat(self, times: int, period_ns: int, since: Segment, *, heard: bool) -> None:
        """Translate the segment by ``times`` periods, each of which does what happened since ``since``.

        The caller has found that the guest's whole state, error included, came back after ``period_ns``; ``heard`` if
        that goes for the newest host sample as well.
        """
        if self.trail is not None:
            self.trail.repeats(self, (self.monotonic_as - since.monotonic_as) // period_ns)
        self.true_ns += times * period_ns
        self.wall_as += times * period_ns * AS_PER_NS
        self.monotonic_as += times * (self.monotonic_as - since.monotonic_as)
        self.raw_as += times * (self.raw_as - since.raw_as)
        self.reference_ns += times * (gained := self.reference_ns - since.reference_ns)
        if heard and self.sample is not None:
            self.sample = HostSample(self.sample.host_ns + times * period_ns, self.sample.reference_ns + times * gained)
        self._bent()

    def when_monotonic(self, deadline_as: int) -> int | None:
        """Return the first true nanosecond at which MONOTONIC has reached a deadline, if it runs at all."""
        missing = deadline_as - self.monotonic_as
        if missing <= 0:
            return self.true_ns
        rate = self.monotonic_rate
        return self.true_ns - (-missing // rate) if rate > 0 else None

    def set_wall(self, wall_as: int, by: str) -> None:
        """Set the wall clock, as ``settimeofday`` does: it steps, nothing else does, and the set is logged."""
        self.sets.add(self.true_ns, self.wall_as, wall_as, by)
        self.wall_as = wall_as
        self._bent()

    def slew(self, correction_ppb: int) -> None:
        """Let the wall clock run this much faster than its clocksource, to be corrected without a step.

        Bounded so that a slewing clock never goes back.
        """
        self.correction_ppb = max(correction_ppb, -PPB - self.drift_ppb)
        self._bent()

    def drift(self, drift_ppb: int) -> None:
        """Let the clocksource run at another rate; a correction in hand stays, unless the wall clock would go back."""
        self.drift_ppb = drift_ppb
        self.slew(self.correction_ppb)

    def _bent(self) -> None:
        if self.trail is not None:
            self.trail.bent(self)

    def heard(self) -> tuple[int, int] | None:
        """Return how far the newest host sample, gone on from, is behind true time, and how old it is.

        Both in nanoseconds, the age in reference time; None before the first sample. The first number is what
        ``/dev/ptp_hyperv`` gets wrong.
        """
        if self.sample is None:
            return None
        age_ns = self.reference_ns - self.sample.reference_ns
        return self.true_ns - self.sample.host_ns - age_ns, age_ns
