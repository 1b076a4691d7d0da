"""What goes wrong with a guest's clocks: one frozen value per kind of anomaly, which prints as what creates it.

An anomaly is data. It can be compared, sorted, sent to another process and pasted back; ``strike`` lets it happen.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from pytest_hvclock.disciplines import Timesync
from pytest_hvclock.errors import StateError
from pytest_hvclock.units import Duration, Rate, duration_ns, positive_ns

if TYPE_CHECKING:
    from pytest_hvclock.model.guest import Guest


@dataclass(frozen=True, repr=False)
class Anomaly:
    """Something that happens to a guest at one moment; true time may pass while it does."""

    def strike(self, guest: Guest) -> None:
        """Let it happen to ``guest`` now."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Write the expression that makes an equal anomaly, without what is by default."""
        given = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(given)})"


@dataclass(frozen=True, repr=False)
class Advance(Anomaly):
    """Nothing goes wrong: time passes for everybody, between two anomalies that do."""

    by: Duration

    def strike(self, guest: Guest) -> None:
        """Let time pass."""
        guest.host.advance(self.by)


@dataclass(frozen=True, repr=False)
class Step(Anomaly):
    """Somebody sets the guest's wall clock: forward, or back if negative."""

    by: Duration

    def strike(self, guest: Guest) -> None:
        """Set the wall clock."""
        guest.step(self.by)


@dataclass(frozen=True, repr=False)
class Drift(Anomaly):
    """The guest's clocksource begins to run at another rate."""

    rate: Rate

    def strike(self, guest: Guest) -> None:
        """Change the rate."""
        guest.drift = self.rate


@dataclass(frozen=True, repr=False)
class Load(Anomaly):
    """The host gets more to do, or less; a guest whose drift depends on the load notices."""

    load: float | Fraction

    def strike(self, guest: Guest) -> None:
        """Change the load."""
        guest.host.load = self.load


@dataclass(frozen=True, repr=False)
class SetTimesync(Anomaly):
    """Somebody changes what corrects the guest's clock."""

    timesync: Timesync

    def strike(self, guest: Guest) -> None:
        """Change it."""
        guest.timesync = self.timesync


@dataclass(frozen=True, repr=False)
class Pause(Anomaly):
    """The host suspends the guest for a while, as it does for an update that preserves memory, or by falling asleep."""

    during: Duration
    sync: bool = True
    """Whether SYNC follows; a host that wakes from modern standby sends none (microsoft/WSL#10006)."""

    def strike(self, guest: Guest) -> None:
        """Pause, let time pass, resume."""
        guest.pause()
        guest.host.advance(self.during)
        guest.resume(sync=self.sync)


@dataclass(frozen=True, repr=False)
class Restore(Anomaly):
    """The guest is saved, and restored some time later: it goes on with the time it was saved at."""

    after: Duration
    sync: bool = True
    """Whether SYNC follows; see ``Pause``."""

    def strike(self, guest: Guest) -> None:
        """Save, let time pass, restore."""
        saved = guest.save()
        guest.host.advance(self.after)
        guest.restore(saved, sync=self.sync)


@dataclass(frozen=True, repr=False)
class HostError(Anomaly):
    """The host's own clock becomes wrong, and its time synchronization service hands the error on."""

    error: Duration

    def strike(self, guest: Guest) -> None:
        """Change the host's error."""
        guest.host.error = self.error


@dataclass(frozen=True, repr=False)
class Train(Anomaly):
    """The same anomaly again and again: the first now, the others when true time gets there."""

    anomaly: Anomaly
    times: int
    every: Duration

    def strike(self, guest: Guest) -> None:
        """Let it happen, and plan the rest."""
        if _often(self.times) > 1:
            guest.host.at(self.every, partial(replace(self, times=self.times - 1).strike, guest))
        self.anomaly.strike(guest)


@dataclass(frozen=True, repr=False)
class Flap(Anomaly):
    """Two sources that disagree set the guest's wall clock in turn: there, back, and so on, until it is back."""

    by: Duration
    times: int = 3
    """How often it is set there, and back again."""
    every: Duration = "1 s"

    def strike(self, guest: Guest) -> None:
        """Set it there, and plan the way back and the next time."""
        by_ns = duration_ns(self.by)
        every_ns = positive_ns(self.every, "every")
        more = _often(self.times) - 1
        guest.host.at(every_ns, partial(guest.step, -by_ns))
        if more:
            guest.host.at(2 * every_ns, partial(replace(self, times=more).strike, guest))
        guest.step(by_ns)


@dataclass(frozen=True, repr=False)
class TakeCheckpoint(Anomaly):
    """Somebody takes a standard checkpoint, with memory."""

    def strike(self, guest: Guest) -> None:
        """Take it; ``ApplyCheckpoint`` finds the latest."""
        guest.checkpoint()


@dataclass(frozen=True, repr=False)
class ApplyCheckpoint(Anomaly):
    """The guest's latest checkpoint is applied, and the code under test looks on from outside."""

    def strike(self, guest: Guest) -> None:
        """Apply it: every clock of the guest goes back to when it was taken.

        Raises:
            StateError: if none was taken.
        """
        if not guest.checkpoints:
            raise StateError("there is no checkpoint to apply: let TakeCheckpoint() strike first")
        guest.apply(guest.checkpoints[-1], view="outside")


@dataclass(frozen=True, repr=False)
class Boot(Anomaly):
    """The guest is powered off and on again: its clock is what the RTC says, until the first SYNC."""

    off_for: Duration = 0

    def strike(self, guest: Guest) -> None:
        """Power off, let time pass, boot."""
        guest.power_off()
        guest.host.advance(self.off_for)
        guest.boot()


@dataclass(frozen=True, repr=False)
class Migrate(Anomaly):
    """The guest is moved to another host."""

    blackout: Duration = "5 s"

    def strike(self, guest: Guest) -> None:
        """Migrate; true time passes meanwhile."""
        guest.migrate(self.blackout)


def _often(times: int) -> int:
    """Return how often something is to happen.

    Raises:
        ValueError: for what is no number of times.
    """
    if not isinstance(times, int) or times < 1:
        raise ValueError(f"times={times!r} is no number of times: write 1, 2, 3, ...")
    return times
