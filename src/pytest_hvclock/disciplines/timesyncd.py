"""A Linux guest with ``systemd-timesyncd``, which Ubuntu enables, in WSL too (up to 24.04)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from pytest_hvclock.clocks.segment import Segment
from pytest_hvclock.disciplines.phase import PhaseCorrection
from pytest_hvclock.units import AS_PER_NS, NS_PER_MS, NS_PER_S


@dataclass
class Timesyncd(PhaseCorrection):
    """systemd-timesyncd with a correct outside server: a step above 0.4 s, else the kernel's phase-locked loop slews.

    ``timesyncd-manager.c`` has the threshold and the poll of 32 s to 2,048 s. What it hands to the kernel at the 32 s
    poll is corrected by an eighth of the rest each second (``adjtimex``, time constant 1). The shortest poll is kept,
    as in the fights with a host that are on record, and the frequency is not learned. It brings ``linux`` along,
    unless another driver or ``off`` is named with it.
    """

    name: ClassVar[str] = "timesyncd"
    listens: ClassVar[bool] = False
    beside_driver: ClassVar[bool] = True
    poll_ns: int = 32 * NS_PER_S
    """Time between two measurements (``PollIntervalMinSec=32`` of ``timesyncd.conf``)."""
    step_threshold_ns: int = 400 * NS_PER_MS
    """A larger offset is stepped (``NTP_MAX_ADJUST``)."""
    poll_at_ns: int | None = field(default=None, init=False)

    @property
    def time_constant_ns(self) -> int:
        """An eighth of the offset goes in each second."""
        return 8 * NS_PER_S

    @property
    def update_interval_ns(self) -> int:
        """The kernel works out its rate anew each second."""
        return NS_PER_S

    @property
    def due_ns(self) -> int | None:
        """The next poll, or the kernel's next second while it slews."""
        return min((at for at in (self.poll_at_ns, self.update_at_ns) if at is not None), default=None)

    def power_on(self, clocks: Segment, *, in_sync: bool) -> None:
        """Poll one interval after the start."""
        del in_sync
        self.poll_at_ns = clocks.true_ns + self.poll_ns

    def act(self, clocks: Segment) -> None:
        """Measure and step or slew, or let the kernel work out its rate for the next second."""
        if self.poll_at_ns is None or clocks.true_ns < self.poll_at_ns:
            super().act(clocks)
            return
        self.poll_at_ns = clocks.true_ns + self.poll_ns
        if abs(clocks.error_as) > self.step_threshold_ns * AS_PER_NS:
            clocks.set_wall(clocks.true_ns * AS_PER_NS, self.name)
        self.correct(clocks, -clocks.error_as)
