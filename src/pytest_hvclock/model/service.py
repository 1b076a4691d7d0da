"""The host's half of the time synchronization service, for one guest (OpenVMM ``hyperv_ic/timesync.rs``).

SYNC is the first message of every newly opened channel; SAMPLE follows 5 s after the guest has answered the message
before it. Nothing of the service's state survives a restore: the channel is opened anew, which by itself brings SYNC.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_hvclock.clocks.actor import Actor
from pytest_hvclock.clocks.message import Flag, Message
from pytest_hvclock.clocks.segment import STALE_SAMPLE_NS, HostSample, Segment
from pytest_hvclock.disciplines.base import ALWAYS_QUIET, Discipline
from pytest_hvclock.units import AS_PER_NS, NS_PER_MS, NS_PER_S, PPB


@dataclass
class Service(Actor):
    """What the host sends on the channel of one guest, and when."""

    driver: Discipline = field(compare=False)
    """The guest's end of the channel."""
    host_error_ns: int = 0
    """How wrong the host's own clock is; its messages carry it."""
    period_ns: int = 5 * NS_PER_S
    """From the guest's answer to the next SAMPLE (OpenVMM ``SAMPLE_PERIOD``: 5 s)."""
    response_ns: int = 10 * NS_PER_MS
    """From a message to the guest's answer (gaps of about 5.01 s in microsoft/WSL#10006)."""
    delay_ns: int = 0
    """From the moment the host takes its time to the moment the message arrives."""
    version: int = 4
    """Protocol version, 1, 3 or 4; Linux prefers 4 (``hv_util.c``)."""
    next_at_ns: int | None = field(default=None, init=False)
    flag: Flag = field(default=Flag.SAMPLE, init=False)

    @property
    def interval_ns(self) -> int:
        """From the arrival of one message to that of the next."""
        return self.response_ns + self.period_ns + self.delay_ns

    @property
    def wrong_by_ns(self) -> int:
        """How far behind true time a guest is that believes a message: the host's error, and an unseen delay."""
        return (self.delay_ns if self.version < 4 else 0) - self.host_error_ns

    @property
    def unheeded(self) -> bool:
        """Whether nothing that is sent on this open channel can change a clock, whatever it says.

        The messages then do no more than keep the guest's newest host sample fresh, so that it never gets old enough
        to be refused.
        """
        return (
            self.flag is Flag.SAMPLE
            and self.next_at_ns is not None
            and self.driver.quiet() == ALWAYS_QUIET
            and self.interval_ns < STALE_SAMPLE_NS
        )

    @property
    def due_ns(self) -> int | None:
        """When the next message arrives that the guest may heed, or None while there is none."""
        if self.unheeded:
            return None
        first_ns, deaf_ns = self.next_at_ns, self.driver.deaf_until_ns()
        if first_ns is None or deaf_ns is None or deaf_ns <= first_ns or self.flag is Flag.SYNC:
            return first_ns
        return first_ns - (first_ns - deaf_ns) // self.interval_ns * self.interval_ns

    def catch_up(self, clocks: Segment, now_ns: int) -> None:
        """Deliver the messages up to ``now_ns`` that the guest takes no notice of; ``due_ns`` has left them out."""
        first_ns = self.next_at_ns
        if first_ns is None or first_ns > now_ns or self.due_ns == first_ns:
            return
        due_ns = self.due_ns
        last_ns = now_ns if due_ns is None else min(now_ns, due_ns - 1)
        self._sent(clocks, first_ns + (last_ns - first_ns) // self.interval_ns * self.interval_ns)

    def open(self, now_ns: int, after_ns: int) -> None:
        """Open a channel, whatever there was before: SYNC arrives ``after_ns`` later."""
        self.next_at_ns, self.flag = now_ns + after_ns, Flag.SYNC

    def open_in_sync(self, clocks: Segment) -> None:
        """Take the channel as opened, and SYNC as answered, this moment."""
        self.next_at_ns, self.flag = clocks.true_ns, Flag.SAMPLE
        self._sent(clocks, clocks.true_ns)

    def act(self, clocks: Segment) -> None:
        """Deliver the message that is due, and wait for the guest's answer before the next."""
        sample = self._sampled(clocks, clocks.true_ns)
        message = Message(self.flag, sample.host_ns, sample.reference_ns, self.version)
        self._sent(clocks, clocks.true_ns)
        self.driver.receive(clocks, message)

    def leap(self, clocks: Segment, last_ns: int) -> bool:
        """Send all samples up to ``last_ns`` of which the guest takes no notice, in one stride."""
        quiet = self.driver.quiet()
        if self.flag is not Flag.SAMPLE or quiet is None or self.next_at_ns is None or self.next_at_ns > last_ns:
            return False
        first_ns, interval_ns = self.next_at_ns, self.interval_ns
        count = (last_ns - first_ns) // interval_ns + 1
        host_as = (first_ns - self.wrong_by_ns) * AS_PER_NS
        error_as = clocks.wall_as + (first_ns - clocks.true_ns) * clocks.wall_rate - host_as
        gain_as = (clocks.wall_rate - PPB) * interval_ns
        lowest, highest = quiet
        if (lowest is not None and error_as < lowest) or (highest is not None and error_as > highest):
            return False
        if gain_as < 0 and lowest is not None:
            count = min(count, (error_as - lowest) // -gain_as + 1)
        elif gain_as > 0 and highest is not None:
            count = min(count, (highest - error_as) // gain_as + 1)
        self._sent(clocks, first_ns + (count - 1) * interval_ns)
        return True

    def _sampled(self, clocks: Segment, arrival_ns: int) -> HostSample:
        """Return the host's time and the guest's reference counter when the message arriving then was made."""
        reference_ns = clocks.reference_ns + (arrival_ns - clocks.true_ns)
        return HostSample(arrival_ns - self.delay_ns + self.host_error_ns, reference_ns - self.delay_ns)

    def _sent(self, clocks: Segment, arrival_ns: int) -> None:
        """Note what the guest has heard with the message arriving then, and when the next one comes."""
        sample = self._sampled(clocks, arrival_ns)
        late_ns = self.delay_ns if self.version < 4 else 0  # without a reference time, counting starts on arrival
        clocks.sample = HostSample(sample.host_ns, sample.reference_ns + late_ns)
        self.next_at_ns = arrival_ns + self.interval_ns
        self.flag = Flag.SAMPLE
