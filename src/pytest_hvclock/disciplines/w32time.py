"""A Windows guest whose W32Time is healthy and takes the host's samples, by Microsoft's registry names and defaults.

Names, units, defaults and formulas are those of *Windows Time service tools and settings* (learn.microsoft.com), the
30 s are Azure's (*Time sync for Windows VMs*). FrequencyCorrectRate has no published formula, so only the phase is
corrected: a steady drift leaves a steady offset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pytest_hvclock.clocks.message import Flag, Message
from pytest_hvclock.clocks.segment import Segment
from pytest_hvclock.disciplines.base import Quiet, behind_host_as, set_to_host
from pytest_hvclock.disciplines.phase import PhaseCorrection
from pytest_hvclock.units import AS_PER_NS, NS_PER_MS, NS_PER_S, NS_PER_TICK, PPB

UNLIMITED = 0xFFFF_FFFF
"""MaxPosPhaseCorrection and MaxNegPhaseCorrection of a clock that may be corrected by any amount."""
_AS_PER_S = NS_PER_S * AS_PER_NS


@dataclass
class W32Time(PhaseCorrection):
    r"""A Windows guest with W32Time; as it stands, a domain member of Windows Server 2016 or later, or Windows 10 1809.

    W32Time is healthy and fed by the service, which sets the clock forward after a resume and either way after a boot
    (*sync mode*), and hands it each SAMPLE (*sample mode*): it steps or slews the clock, either way. A slew moves the
    system time alone, not QPC. The settings are those of the registry, below
    ``HKLM\SYSTEM\CurrentControlSet\Services\W32Time``, as *Windows Time service tools and settings* has them.
    """

    name: ClassVar[str] = "w32time"
    os: ClassVar[str] = "windows"
    max_allowed_phase_offset: int = 300
    """``MaxAllowedPhaseOffset``, in seconds: a larger offset is stepped. Member 300, stand-alone 1."""
    phase_correct_rate: int = 1
    """``PhaseCorrectRate``: the larger, the slower a slew. Member 1, stand-alone 7."""
    update_interval: int = 100
    """``UpdateInterval``, in 10 ms: from one phase correction to the next. Domain controller 100 and Windows Server
    2016 in effect (an update a second); the registry of a member has 30,000, that of a stand-alone machine 360,000."""
    min_poll_interval: int = 6
    """``MinPollInterval``, in log2 seconds: taken for the poll in force, as it is with a healthy source. 6 (64 s) for a
    domain controller and for the VM IC provider of a healthy guest; member and stand-alone 10."""
    max_pos_phase_correction: int = UNLIMITED
    """``MaxPosPhaseCorrection``, in seconds: a guest further behind is not corrected, an event is logged instead.
    Member 0xFFFFFFFF, which is unlimited, domain controller 172,800 (48 h), stand-alone 54,000 (15 h)."""
    max_neg_phase_correction: int = UNLIMITED
    """``MaxNegPhaseCorrection``, in seconds: the same for a guest that is ahead."""
    large_phase_offset: int = 50_000_000
    """``LargePhaseOffset``, in 100 ns: a sample at least this far off is a spike. All 5 s."""
    spike_watch_period: int = 900
    """``SpikeWatchPeriod``, in seconds: how long spikes must go on before they are believed. All 900."""
    hold_period: int = 5
    """``HoldPeriod``: good samples in a row before any is screened as a spike. All 5; that it counts samples is what
    the group policy's own text says, the registry reference calls it a period of time."""
    frequency_correct_rate: int = 4
    """``FrequencyCorrectRate``: carried for the reader, has no effect here."""
    system_clock_rate: int = 156_250
    """``SystemClockRate``, in 100 ns: 15.625 ms from tick to tick, as ``w32tm /query /status`` shows it (ClockRate)."""
    before_2016: bool = False
    """Whether PhaseCorrection is worked out as in Windows Server 2012 R2 and older."""
    sample_interval_s: int = 30
    """How often the newest SAMPLE is used, in seconds: "about every 30 seconds" (Azure, *Time sync for Windows
    VMs*)."""
    first_set_done: bool = field(default=False, init=False)
    used_at_ns: int | None = field(default=None, init=False)
    spike_at_ns: int | None = field(default=None, init=False)
    good_samples: int = field(default=0, init=False)
    refusing: int = field(default=0, init=False)
    """1 while the guest is too far behind to be corrected, -1 while it is too far ahead."""

    @property
    def time_constant_ns(self) -> int:
        """The offset divided by PhaseCorrection, in the length of a clock tick: how long a slew would take.

        Since 2016 PhaseCorrection is the smaller of the offset / (16 * PhaseCorrectRate * poll in seconds) and the
        offset / (UpdateInterval / 100); before, the offset / (PhaseCorrectRate * UpdateInterval).
        """
        interval = max(self.update_interval, 1)
        hundredths = 100 * 16 * self.phase_correct_rate << self.min_poll_interval
        divisor = 100 * self.phase_correct_rate * interval if self.before_2016 else max(hundredths, interval)
        return divisor * self.system_clock_rate * NS_PER_TICK // 100

    @property
    def update_interval_ns(self) -> int:
        """UpdateInterval; 0 has the same effect as 1."""
        return max(self.update_interval, 1) * 10 * NS_PER_MS

    def power_on(self, clocks: Segment, *, in_sync: bool) -> None:
        """Wait for the first set, unless the guest counts as set already."""
        del clocks
        self.first_set_done = in_sync

    def receive(self, clocks: Segment, message: Message) -> None:
        """On SYNC set the clock forward, or either way after a boot; of the SAMPLEs use one about every 30 s."""
        offset_as = behind_host_as(clocks, message)
        if message.flag is Flag.SYNC:
            if offset_as > 0 or not self.first_set_done:
                set_to_host(clocks, message)
                self.correct(clocks, 0)
            self.first_set_done = True
            return
        deaf_ns = self.deaf_until_ns()
        if deaf_ns is not None and clocks.true_ns < deaf_ns:
            return
        self.used_at_ns = clocks.true_ns
        if not self._is_spike(clocks.true_ns, abs(offset_as)):
            self._discipline(clocks, offset_as)

    def _is_spike(self, now_ns: int, size_as: int) -> bool:
        """Whether a sample is to be ignored: far off after a row of good ones, and not for long enough yet."""
        if size_as < self.large_phase_offset * NS_PER_TICK * AS_PER_NS:
            self.good_samples, self.spike_at_ns = min(self.good_samples + 1, self.hold_period), None
            return False
        if self.good_samples >= self.hold_period:
            self.spike_at_ns = now_ns if self.spike_at_ns is None else self.spike_at_ns
            if now_ns - self.spike_at_ns < self.spike_watch_period * NS_PER_S:
                return True
        self.good_samples, self.spike_at_ns = 0, None
        return False

    def _discipline(self, clocks: Segment, offset_as: int) -> None:
        """Step, slew, or refuse: what W32Time does with an offset that it believes; positive is a guest behind."""
        size_as = abs(offset_as)
        limit = self.max_pos_phase_correction if offset_as > 0 else self.max_neg_phase_correction
        host_as = clocks.wall_as + offset_as
        if limit != UNLIMITED and size_as > limit * _AS_PER_S:
            self.correct(clocks, 0)
            if self.refusing != (direction := 1 if offset_as > 0 else -1):
                self.refusing = direction
                clocks.refusals.add(clocks.true_ns, clocks.wall_as, host_as, self.name)
            return
        self.refusing = 0
        steps = size_as > self.max_allowed_phase_offset * _AS_PER_S or 2 * size_as > self.time_constant_ns * PPB
        if steps:  # PhaseCorrection is more than half of SystemClockRate, or the slew is not allowed at all
            clocks.set_wall(host_as, self.name)
        self.correct(clocks, 0 if steps else offset_as)

    def deaf_until_ns(self) -> int | None:
        """No SAMPLE is looked at until 30 s after the one that was used last."""
        if self.used_at_ns is None or self.refusing:
            return None
        return self.used_at_ns + self.sample_interval_s * NS_PER_S

    def quiet(self) -> Quiet | None:
        """While the guest is too far off to be corrected, and W32Time has said so, nothing happens."""
        if self.refusing > 0:
            return (None, -self.max_pos_phase_correction * _AS_PER_S - 1)
        return (self.max_neg_phase_correction * _AS_PER_S + 1, None) if self.refusing else None


PROFILES: Mapping[str, Mapping[str, int | bool]] = {
    "w32time-2016": {},
    "w32time-2012r2": {"before_2016": True, "update_interval": 30_000, "min_poll_interval": 10},
    "w32time-standalone": {
        "max_allowed_phase_offset": 1,
        "phase_correct_rate": 7,
        "update_interval": 360_000,
        "min_poll_interval": 10,
        "max_pos_phase_correction": 54_000,
        "max_neg_phase_correction": 54_000,
    },
    "w32time-dc": {"max_pos_phase_correction": 172_800, "max_neg_phase_correction": 172_800},
    "w32time-high-accuracy": {"frequency_correct_rate": 2},
}
"""The registry of each kind of machine, where it is not that of ``w32time-2016``.

``w32time-high-accuracy`` is *Configuring systems for high accuracy*: minimum and maximum poll 6, UpdateInterval 100,
FrequencyCorrectRate 2; its phase is corrected as that of ``w32time-2016`` is.
"""
