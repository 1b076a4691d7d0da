"""One virtual machine: its clocks, its RTC, and everything that a host can do to it."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import Enum
from fractions import Fraction
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, TypedDict, TypeVar

from pytest_hvclock.clocks.message import Flag
from pytest_hvclock.clocks.segment import STALE_SAMPLE_NS, Segment
from pytest_hvclock.clocks.sets import ClockSets
from pytest_hvclock.clocks.trail import Trail
from pytest_hvclock.disciplines import Timesync, disciplines, os_of
from pytest_hvclock.disciplines.base import Discipline
from pytest_hvclock.drifts import Wander
from pytest_hvclock.errors import StateError, StuckError
from pytest_hvclock.model.agenda import Agenda
from pytest_hvclock.model.clock import Clock
from pytest_hvclock.model.rtc import Rtc
from pytest_hvclock.model.service import Service
from pytest_hvclock.model.timekeeping import Timekeeping
from pytest_hvclock.units import (
    AS_PER_NS,
    NS_PER_US,
    Duration,
    Rate,
    Zone,
    duration_ns,
    duration_text,
    error_text,
    flag,
    positive_ns,
    rate_ppb,
    time_zone,
)

if TYPE_CHECKING:
    from pytest_hvclock.model.host import Host, Strikes

P = ParamSpec("P")
T = TypeVar("T")

Os = Literal["linux", "windows"]
Drift = Rate | Callable[[Fraction], Rate] | Wander
"""A rate, a function of ``host.load`` that returns one, or one that wanders (``pytest_hvclock.drifts``)."""

COARSE_NS = 15_625_000
"""The tick of Windows' clock: 64 a second, 156,250 units of 100 ns (``SetSystemTimeAdjustment``)."""


class GuestSettings(TypedDict, total=False):
    """The keyword arguments of ``Host.guest``, which are also the settings of the ``hvclock`` marker."""

    os: Os
    """``"linux"`` or ``"windows"``: what the guest takes its RTC for, and whether a slew moves MONOTONIC too (default:
    as ``timesync`` says, else ``"linux"``)."""
    zone: Zone
    """The guest's time zone. In a marker it is also the test process's own (``TZ``, where there is ``tzset``), which is
    left alone unless a marker gives one."""
    timesync: Timesync
    """What corrects the clock, by name, or a discipline with settings of its own (default: that of the ``os``)."""
    drift: Drift
    """Rate error of the clocksource, a function of ``host.load`` that returns one, or one that wanders
    (``pytest_hvclock.drifts``)."""
    rtc: Literal["utc", "local"]
    """``"utc"`` or ``"local"``: what the guest takes its RTC for (default: ``"local"`` on Windows, else ``"utc"``)."""
    sync_after_boot: Duration
    """From power-on to the first SYNC (one log has 2.46 s)."""
    sync_after_resume: Duration
    """From whatever opens a new channel (a resume, a restore, a migration, a hibernation, a standard checkpoint that is
    applied, a new ``timesync``) to SYNC. A choice: Microsoft's own test allows half a minute."""
    sample_period: Duration
    """From the guest's answer to the next SAMPLE (OpenVMM ``SAMPLE_PERIOD``)."""
    response_time: Duration
    """From a message to the guest's answer (gaps of about 5.01 s in microsoft/WSL#10006)."""
    delivery_delay: Duration
    """How late each message arrives; the guest makes up for it if its driver speaks version 4."""
    protocol: Literal[1, 3, 4]
    """The newest version of time sync messages that the host offers: 1, 3 or 4; an old driver may know an older one
    only."""
    coarse: bool
    """Read the wall clock and MONOTONIC in steps of 15.625 ms, as Python before 3.13 did on Windows."""
    boottime_over_saves: bool
    """Let CLOCK_BOOTTIME go on while the guest is saved or paused. That it does not is inferred, and measured for
    MONOTONIC only."""
    ptp_over_saves: bool
    """Let ``/dev/ptp_hyperv`` answer after a save or a pause, with the old host time, until the next message; else it
    answers ESTALE. That it answers is inferred."""
    rtc_over_power_off: bool
    """Keep what the guest has written to its RTC while it is off. OpenHCL does (``local_clock.rs``); that classic
    Hyper-V does is inferred."""


class State(Enum):
    """The states of a virtual machine that Hyper-V Manager shows, and that decide which verbs are allowed."""

    RUNNING = "running"
    PAUSED = "paused"
    SAVED = "saved"
    OFF = "off"


@dataclass(frozen=True, eq=False)
class SavedState:
    """A saved state (``Save-VM``): the guest's memory and counters as they were; restored once, by ``restore``."""

    at_ns: int
    """True time of the save, in nanoseconds."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint: *standard* holds the memory and with it every clock, *production* holds only the disk."""

    at_ns: int
    """True time at which it was taken, in nanoseconds."""
    kind: Literal["standard", "production"]
    timekeeping: Timekeeping | None = field(repr=False)
    rtc_offset_ns: int


def _at_one_instant(method: Callable[Concatenate[Guest, P], T]) -> Callable[Concatenate[Guest, P], T]:
    """Let a method happen at one instant, whatever other threads do, also where true time moves by itself."""

    @wraps(method)
    def whole(guest: Guest, /, *args: P.args, **settings: P.kwargs) -> T:
        with guest.host._one_instant:
            return method(guest, *args, **settings)

    return whole


class Guest:
    """A virtual machine; make one with ``Host.guest``.

    The ``hvclock`` fixture *is* the guest that the test runs on, and ``guest.host`` is the way out to true time.
    Readings are pure: reading twice gives the same answer, and no reading moves a clock.
    """

    host: Host
    """The host that it is on."""
    os: Os
    """The operating system, as ``Host.guest`` names it."""
    zone: tzinfo
    """The guest's own time zone."""
    disturbed_at_ns: int | None
    """True time of the last verb that disturbed the guest's clocks, in nanoseconds."""
    struck_at_ns: int | None
    """True time of ``strike``, in nanoseconds: the moment at which the anomaly had happened."""
    clock: Clock
    """The guest's clocks and its ``sleep`` as an object with the names of ``time`` and ``datetime``, for code that
    takes its clock as an argument."""
    trail: Trail | None
    """What the guest's clocks do from when ``follow`` was called, or None."""

    def __init__(  # noqa: PLR0913  (the contract's keywords, each a fact about a virtual machine)
        self,
        host: Host,
        *,
        os: Os | None = None,
        zone: Zone = "UTC",
        timesync: Timesync | None = None,
        drift: Drift = 0,
        rtc: Literal["utc", "local"] | None = None,
        sync_after_boot: Duration = "2.5 s",
        sync_after_resume: Duration = "1 s",
        sample_period: Duration = "5 s",
        response_time: Duration = "10 ms",
        delivery_delay: Duration = 0,
        protocol: Literal[1, 3, 4] = 4,
        coarse: bool = False,
        boottime_over_saves: bool = False,
        ptp_over_saves: bool = True,
        rtc_over_power_off: bool = True,
    ) -> None:
        """Create the guest powered on, its channel open, SYNC done, and at true host time; see ``Host.guest``."""
        if os is None:
            os = os_of(timesync) if timesync is not None else "linux"
        if os not in ("linux", "windows"):
            raise ValueError(f'unknown os {os!r}: use "linux" or "windows"')
        if rtc not in (None, "utc", "local"):
            raise ValueError(f'unknown rtc {rtc!r}: use "utc" or "local", what the guest takes its RTC for')
        if isinstance(protocol, bool) or protocol not in (1, 3, 4):
            raise ValueError(f"unknown protocol {protocol!r}: time sync messages are of version 1, 3 or 4")
        self.host = host
        self.os = os
        self.zone = time_zone(zone)
        self._timesync: Timesync = timesync if timesync is not None else os
        self._drift: Drift = drift
        self._sync_after_boot_ns = positive_ns(sync_after_boot, "sync_after_boot")
        self._sync_after_resume_ns = positive_ns(sync_after_resume, "sync_after_resume")
        self._sample_period_ns = positive_ns(sample_period, "sample_period")
        if self._sample_period_ns == 0:
            raise ValueError("sample_period cannot be 0: samples would never end")
        self._response_ns = positive_ns(response_time, "response_time")
        self._delay_ns = positive_ns(delivery_delay, "delivery_delay")
        self._protocol = protocol
        self._granularity_ns = COARSE_NS if flag(coarse, "coarse") else 1
        self._boottime_over_saves = flag(boottime_over_saves, "boottime_over_saves")
        self._ptp_over_saves = flag(ptp_over_saves, "ptp_over_saves")
        self._wander = drift.fresh() if isinstance(drift, Wander) else None
        takes_local = (rtc or ("local" if os == "windows" else "utc")) == "local"
        kept = flag(rtc_over_power_off, "rtc_over_power_off")
        self._rtc = Rtc(host, self.zone if takes_local else time_zone("UTC"), kept=kept)
        self._sets, self._refusals = ClockSets(), ClockSets()
        self._generations = 0
        self._saved: SavedState | None = None
        self._checkpoints: list[Checkpoint] = []
        self._armed: Strikes | None = None
        self.disturbed_at_ns = self.struck_at_ns = None
        self.clock = Clock(self)
        self.trail = None
        self._watcher: Callable[[], None] | None = None
        self._lived_as = self._struck_after_ns = 0
        self._agenda = Agenda(self)
        self._identity = len(host.guests)
        self._state = State.RUNNING
        self._timekeeping = self._power_on(host.clock_ns() * AS_PER_NS, in_sync=True)
        if self._timekeeping.service is not None:
            self._timekeeping.service.open_in_sync(self._timekeeping.clocks)

    def __repr__(self) -> str:
        """Show the state, the error and what corrects it."""
        where = "off" if self._state is State.OFF else f"{self._state.value}, {error_text(self.error_ns)}"
        return f"<{self.os} Guest {where}, timesync {self.timesync}>"

    # ------------------------------------------------------------------------------------------------- readings

    @property
    def state(self) -> State:
        """What the virtual machine is doing: running, paused, saved or off."""
        return self._state

    @property
    @_at_one_instant
    def wall_ns(self) -> int:
        """The guest's wall clock (CLOCK_REALTIME, Windows system time): nanoseconds of UTC since 1970."""
        return self._look().wall_ns

    @property
    @_at_one_instant
    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC (QPC on Windows), in nanoseconds: never back within one life, never stepped."""
        return self._look().monotonic_ns

    @property
    @_at_one_instant
    def monotonic_raw_ns(self) -> int:
        """CLOCK_MONOTONIC_RAW, in nanoseconds: has the clocksource's drift, and no correction ever."""
        return self._look().raw_as // AS_PER_NS

    @property
    @_at_one_instant
    def boottime_ns(self) -> int:
        """CLOCK_BOOTTIME, in nanoseconds: MONOTONIC plus the guest's own hibernations.

        What the host did, a save or a pause, is in it with ``boottime_over_saves`` only.
        """
        clocks = self._look()
        return (clocks.monotonic_as + clocks.asleep_as) // AS_PER_NS

    @property
    @_at_one_instant
    def running_ns(self) -> int:
        """How long the guest has run since it was made, in nanoseconds: MONOTONIC, summed over its lives.

        It goes on where it was over a boot and over an applied checkpoint, and stands still while the guest is paused,
        saved or off; it can be read in every state. What is private to a program is judged by it.
        """
        self._settle()
        return (self._lived_as + self._timekeeping.clocks.monotonic_as) // AS_PER_NS

    @property
    @_at_one_instant
    def reference_ticks(self) -> int:
        """The partition reference counter: 100 ns ticks since creation, without drift (TLFS, MSR 0x40000020)."""
        return self._look().reference_ticks

    @property
    @_at_one_instant
    def error_ns(self) -> int:
        """Guest wall clock minus true time, in nanoseconds: positive is ahead; of the clock, however coarsely read."""
        return self._look().wall_as // AS_PER_NS - self.host._true_ns  # a guest that is paused stays behind

    @property
    def error(self) -> timedelta:
        """Guest wall clock minus true time, positive is ahead; rounded down to microseconds."""
        return timedelta(microseconds=self.error_ns // NS_PER_US)

    @property
    @_at_one_instant
    def rtc(self) -> datetime:
        """The virtual RTC: naive, whole seconds, rounded down; readable in every state of the guest."""
        return self._rtc.read()

    @property
    def generation_id(self) -> uuid.UUID:
        """The VM-Generation-ID: changes when a checkpoint is applied, and at a migration that says so."""
        return uuid.uuid5(uuid.NAMESPACE_OID, f"guest {self._identity}, generation {self._generations}")

    @property
    @_at_one_instant
    def ptp_ns(self) -> int:
        """What ``/dev/ptp_hyperv`` answers, in nanoseconds: the last host time heard plus the reference time since.

        Raises:
            OSError: ESTALE if nothing has been heard for 600 s of reference time (``hv_util.c``).
        """
        clocks = self._look()
        sample = clocks.sample
        if sample is None or clocks.reference_ns - sample.reference_ns > STALE_SAMPLE_NS:
            raise OSError(errno.ESTALE, "no time sync message for 600 s of reference time", "/dev/ptp_hyperv")
        return sample.host_ns + clocks.reference_ns - sample.reference_ns

    @property
    def clock_sets(self) -> ClockSets:
        """Every set of the wall clock so far, oldest first; a repeated one is a single entry."""
        self._settle()
        return self._sets

    @property
    def refused_sets(self) -> ClockSets:
        """Every set that was too large to be made, oldest first: W32Time only logs it (MaxPosPhaseCorrection)."""
        self._settle()
        return self._refusals

    @property
    @_at_one_instant
    def sync_due_ns(self) -> int | None:
        """True time at which a SYNC of the time sync service is on its way to arrive, in nanoseconds, or None."""
        self._settle()
        service = self._timekeeping.service
        pending = self._state is State.RUNNING and service is not None and service.flag is Flag.SYNC
        return service.next_at_ns if service is not None and pending else None

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The checkpoints that were taken of this guest, oldest first (``Get-VMSnapshot``)."""
        return tuple(self._checkpoints)

    # ------------------------------------------------------------------------------------------------- settings

    @property
    def drift(self) -> Drift:
        """The rate error of the guest's clocksource as it was given; see ``drift_ppb`` for the rate now."""
        return self._drift

    @drift.setter
    @_at_one_instant
    def drift(self, value: Drift) -> None:
        self._settle()
        before, self._drift = (self._drift, self._wander), value
        self._wander = value.fresh() if isinstance(value, Wander) else None
        try:
            self._apply_drift()
        except (TypeError, ValueError):
            self._drift, self._wander = before
            raise
        if self._state is not State.OFF:
            self._timekeeping.wander_by(self._wander)
        self._disturbed(f"drift = {value!r}")

    @property
    def drift_ppb(self) -> int:
        """The rate error of the guest's clocksource now, in parts per billion: positive is fast."""
        if self._wander is not None:
            self._settle()
        return self._rate_ppb()

    @property
    def timesync(self) -> Timesync:
        """What corrects the guest's clock. Setting it opens a new channel, if the service is part of it."""
        return self._timesync

    @timesync.setter
    @_at_one_instant
    def timesync(self, value: Timesync) -> None:
        found = disciplines(value, self.os)
        self._settle()
        self._timesync = value
        if self._state is State.OFF:
            return
        clocks = self._timekeeping.clocks
        clocks.slew(0)
        self._timekeeping = self._keep_time(clocks, found, in_sync=True)
        self._open_channel(self._sync_after_resume_ns)
        self._disturbed(f"timesync = {value!r}")

    # ------------------------------------------------------------------------------------------------- verbs

    def advance(self, by: Duration) -> None:
        """Let time pass for everybody: the same as ``host.advance``."""
        self.host.advance(by)

    @_at_one_instant
    def at(self, after: Duration, action: Callable[[], object]) -> None:
        """Plan an action for when the guest has run for so long from now: ``host.at``, counted in running time.

        It runs while the guest does; an exception that it raises comes out of the advance, sleep or wait that it
        interrupted.
        """
        self._agenda.add((self.running_ns + positive_ns(after, "at")) * AS_PER_NS, action)

    @_at_one_instant
    def step(self, by: Duration) -> None:
        """Set the wall clock forward, or back if negative, as somebody in the guest would; nothing else moves."""
        self._require("step", State.RUNNING)
        clocks = self._read()
        by_ns = duration_ns(by)
        clocks.set_wall(clocks.wall_as + by_ns * AS_PER_NS, "step")
        self._disturbed(f'step("{duration_text(by_ns)}")')

    @_at_one_instant
    def pause(self) -> None:
        """Suspend every virtual processor (``Suspend-VM``): all the guest's counters stop."""
        self._require("pause", State.RUNNING)
        self._freeze(State.PAUSED, "pause")

    @_at_one_instant
    def resume(self, *, sync: bool = True) -> None:
        """Go on after a pause (``Resume-VM``).

        Args:
            sync: whether the host opens a new channel, which brings SYNC. A host that wakes from modern standby
                does not (microsoft/WSL#10006): samples go on as if nothing had happened.
        """
        self._require("resume", State.PAUSED)
        self._thaw("resume", sync=sync)

    @_at_one_instant
    def save(self) -> SavedState:
        """Save the guest (``Save-VM``): memory and counters go to disk; the RTC goes on."""
        self._require("save", State.RUNNING, State.PAUSED)
        if self._state is State.RUNNING:
            self._freeze(State.SAVED, "save")
        self._state = State.SAVED
        self._saved = SavedState(self.host.true_ns)
        return self._saved

    @_at_one_instant
    def restore(self, saved: SavedState, *, sync: bool = True) -> None:
        """Start the guest from its saved state (``Start-VM``): it goes on with the time it was saved at.

        Args:
            saved: what ``save`` returned; only this guest's latest saved state, and only once.
            sync: whether the host opens a new channel, which brings SYNC; see ``resume``.
        """
        self._require("restore", State.SAVED)
        if saved is not self._saved:
            raise StateError("cannot restore this saved state: it is not this guest's latest one")
        self._saved = None
        self._thaw("restore", sync=sync)

    @_at_one_instant
    def checkpoint(self, kind: Literal["standard", "production"] = "standard") -> Checkpoint:
        """Take a checkpoint: *standard* with memory, *production* (the default of Hyper-V) without."""
        if kind not in ("standard", "production"):
            raise ValueError(f'unknown kind of checkpoint {kind!r}: use "standard" or "production"')
        self._require("checkpoint", State.RUNNING, State.PAUSED)
        self._settle()
        memory = self._timekeeping.copy() if kind == "standard" else None
        self._checkpoints.append(Checkpoint(self.host.true_ns, kind, memory, self._rtc.offset_ns))
        return self._checkpoints[-1]

    @_at_one_instant
    def apply(self, point: Checkpoint, view: Literal["inside", "outside"] | None = None) -> None:
        """Apply a checkpoint (``Restore-VMSnapshot``): the guest runs, and its generation ID is a new one.

        A standard checkpoint takes every clock of the guest back to when it was taken. A production checkpoint has
        no memory, so applying one is a cold boot.

        Args:
            point: what ``checkpoint`` of this guest returned; it can be applied any number of times.
            view: where the code under test is. ``"outside"``: its memory is kept, and it sees the guest's time go
                back. ``"inside"`` would rewind its memory as well, which this process cannot do to itself.
        """
        if view not in ("inside", "outside") and (view is not None or point.kind == "standard"):
            raise ValueError(
                'say where the code under test is: apply(point, view="outside") if it keeps its memory and sees the '
                'guest\'s time go back, view="inside" if it is rewound with the guest'
            )
        if view == "inside":
            raise NotImplementedError(
                'view="inside" needs the memory of this process to be rewound together with the guest. What code '
                "inside sees is a forward step later on, and save() with restore() shows exactly that"
            )
        if not any(point is taken for taken in self._checkpoints):
            raise StateError("cannot apply this checkpoint: it was not taken of this guest")
        self._settle()
        self._generations += 1
        self._saved = None
        self._rtc.offset_ns = point.rtc_offset_ns
        if point.timekeeping is None:
            self._state = State.OFF
            self.boot()
            return
        self._go_on_with(self._keep_time_of(point.timekeeping))
        self._timekeeping.clocks.trail = self.trail
        self._thaw("apply", sync=True)
        self._timekeeping.wander_by(self._wander)

    def migrate(self, blackout: Duration = "5 s", *, new_generation: bool = False) -> None:
        """Move the guest to another host: it stands still for ``blackout``, which passes for everybody.

        The reference counter goes on at 10 MHz whatever the new host's TSC runs at.

        Args:
            blackout: how long the guest stands still.
            new_generation: whether the generation ID changes. It stays at a live migration (from memory), and changes
                when a virtual machine is exported and imported.
        """
        self._require("migrate", State.RUNNING)
        blackout_ns = positive_ns(blackout, "blackout")
        self._freeze(State.PAUSED, "migrate")
        self.host.advance(blackout_ns)
        if self._state is State.PAUSED:
            self._generations += new_generation
            self._thaw("migrated", sync=True)

    @_at_one_instant
    def power_off(self) -> None:
        """Turn the guest off (``Stop-VM -TurnOff``); a saved state is discarded."""
        self._require("power_off", State.RUNNING, State.PAUSED, State.SAVED)
        self._settle()
        self._saved = None
        self._state = State.OFF
        if self.trail is not None:
            self.trail.off(self.host.true_ns)
        self._disturbed("power_off")

    @_at_one_instant
    def boot(self) -> None:
        """Power the guest on (``Start-VM``): a new life, with a wall clock taken from the RTC until the first SYNC."""
        self._require("boot", State.OFF)
        self._rtc.power_on()
        self._state = State.RUNNING
        self._go_on_with(self._power_on(self._rtc.as_guest_ns() * AS_PER_NS, in_sync=False))
        self._open_channel(self._sync_after_boot_ns)
        self._disturbed("boot")

    @_at_one_instant
    def write_rtc(self, value: datetime) -> None:
        """Write the RTC, as ``hwclock --systohc`` does: the difference to the host's local time is kept.

        Args:
            value: naive, what the RTC shows from now on.
        """
        self._require("write_rtc", State.RUNNING)
        self._rtc.write(value)

    def hctosys(self) -> None:
        """Set the wall clock from the RTC (``hwclock --hctosys``), at the RTC's next whole second.

        Waiting for that second lets up to one second of true time pass, for everybody.
        """
        self._require("hctosys", State.RUNNING)
        self.host.advance(self._rtc.until_next_second_ns())
        self._require("hctosys", State.RUNNING)
        self._settle()
        clocks = self._timekeeping.clocks
        clocks.set_wall(self._rtc.as_guest_ns() * AS_PER_NS, "hwclock")
        self._disturbed("hctosys")

    def hibernate(self, during: Duration = "1 h", *, reads_rtc: bool = True) -> None:
        """Let the guest hibernate by itself (S4) and come back after ``during``, which passes for everybody.

        The reference counter begins anew, because the virtual machine does.

        Args:
            during: how long it is away.
            reads_rtc: whether the guest asks its RTC on resume how long that was, as Linux does (from memory): then
                the wall clock and BOOTTIME include the gap. MONOTONIC never does.
        """
        self._require("hibernate", State.RUNNING)
        during_ns = positive_ns(during, "during")
        self._freeze(State.PAUSED, "hibernate")
        self.host.advance(during_ns)
        if self._state is State.PAUSED:
            self._return_from_disk(reads_rtc=reads_rtc)

    @_at_one_instant
    def _return_from_disk(self, *, reads_rtc: bool) -> None:
        """Go on after a hibernation."""
        clocks = self._timekeeping.clocks
        if reads_rtc:
            clocks.wall_as += (self.host.true_ns - clocks.true_ns) * AS_PER_NS  # more if an action let time pass too
        clocks.reference_ns, clocks.sample = 0, None
        self._thaw("woke from hibernation", sync=True, slept=reads_rtc)

    def arm(self, anomaly: Strikes) -> None:
        """Have ``anomaly`` ready for ``strike``; a scenario does this."""
        self._armed = anomaly

    def strike(self) -> None:
        """Let the scenario's anomaly happen now; it strikes once. Standing conditions, such as a drift, just go on.

        What has not struck by the end of a test's body strikes there.
        """
        if self._armed is None:
            raise StateError("nothing is left to strike: no scenario was chosen, or it has struck already")
        anomaly, self._armed = self._armed, None
        if self.trail is not None:
            self.trail.did(self.host.true_ns, f"strike {getattr(anomaly, 'name', anomaly)}")
        anomaly.strike(self)
        self.struck_at_ns, self._struck_after_ns = self.host.true_ns, self.running_ns
        self._disturbed("struck")

    @property
    def armed(self) -> Strikes | None:
        """The anomaly that ``strike`` would let happen, or None."""
        return self._armed

    def running(
        self,
        backend: str = "time-machine",
        pace: Literal["stepped", "live"] = "stepped",
        io_grace: Duration = "20 ms",
    ) -> AbstractContextManager[None]:
        """Put the code inside the ``with`` block on this guest: it reads the guest's clocks, and waits on them.

        No pytest is needed.

        Args:
            backend: the engine that does it.
            pace: how true time moves: ``"stepped"``, by ``advance`` and by waiting, and only so; or ``"live"``, with
                the real monotonic clock as well.
            io_grace: how long, in real time, code in stepped pace may wait for a peer outside the guest (a socket, a
                pipe) before the guest's time passes all the same. Child processes are given five seconds at least.

        Raises:
            ConflictError: if a guest is running already, or another time-faking library is active.
            BackendError: if the engine is missing or not supported.
        """
        from pytest_hvclock.running import running  # the one step up: the contract has this verb on the guest

        return running(self, backend=backend, pace=pace, io_grace=io_grace)

    # ------------------------------------------------------------------------------------------------- inner works

    def _require(self, verb: str, *states: State) -> None:
        if self._state not in states:
            allowed = " or ".join(state.value for state in states)
            raise StateError(f"cannot {verb} a guest that is {self._state.value}: it has to be {allowed}")

    @_at_one_instant
    def _settle(self) -> None:
        """Let everything happen to the guest that is due by now."""
        self._settle_held()

    def _settle_held(self) -> None:
        """Do the same where true time is held already: for every reading, so that it is held but once."""
        now_ns = self.host._true_ns
        if self._state is State.RUNNING and self._timekeeping.clocks.true_ns < now_ns:
            self._timekeeping.run(now_ns)

    def _read(self) -> Segment:
        """Return the clocks as they are now; true time is held."""
        if self._state is State.OFF:
            raise StateError("a guest that is off has no clock but its RTC: boot() it first, or read rtc")
        self._settle_held()
        return self._timekeeping.clocks

    def _look(self) -> Segment:
        """Return the clocks as they are now to somebody who looks at the guest itself; true time is held."""
        if self.trail is not None:
            self.trail.looks += 1
        return self._read()

    def _disturbed(self, verb: str) -> None:
        """Note that a verb has changed the clocks, and tell whoever shows them."""
        self.disturbed_at_ns = self.host.true_ns
        if self.trail is not None:
            self.trail.did(self.host.true_ns, verb)
            if self._state is not State.OFF:
                self.trail.bent(self._timekeeping.clocks)
        self._changed()
        self._agenda.replan()

    def follow(self) -> Trail:
        """Begin to write down where the clocks bend and what is done to the guest; returns where that is written."""
        if self.trail is None:
            self.trail = Trail()
            self._follow_clocks()
        return self.trail

    def _follow_clocks(self) -> None:
        """Have the present clocks tell the trail where they bend."""
        clocks = self._timekeeping.clocks
        clocks.trail = self.trail
        if self.trail is not None and self._state is not State.OFF:
            self._settle()
            self.trail.bent(clocks)

    def _watch(self, watcher: Callable[[], None] | None) -> None:
        """Have ``watcher`` called after everything that may have moved a clock, or nobody."""
        self._watcher = watcher

    def _changed(self) -> None:
        if self._watcher is not None:
            self._watcher()

    def _power_on(self, wall_as: int, *, in_sync: bool) -> Timekeeping:
        """Return the clocks of a new life that starts now."""
        clocks = Segment(
            self.host.true_ns,
            wall_as,
            drift_ppb=self._rate_ppb(),
            slews_monotonic=self.os != "windows",
            granularity_ns=self._granularity_ns,
            sets=self._sets,
            refusals=self._refusals,
            trail=self.trail,
        )
        return self._keep_time(clocks, disciplines(self._timesync, self.os), in_sync=in_sync)

    def _keep_time(self, clocks: Segment, found: list[Discipline], *, in_sync: bool) -> Timekeeping:
        """Return the clocks together with what corrects them from now on."""
        for discipline in found:
            discipline.power_on(clocks, in_sync=in_sync)
        listener = next((discipline for discipline in found if discipline.listens), None)
        service = self._service(listener) if listener is not None else None
        timekeeping = Timekeeping(clocks, found, service)
        timekeeping.wander_by(self._wander)
        return timekeeping

    def _service(self, driver: Discipline) -> Service:
        """Return the host's end of a channel to this guest's driver."""
        return Service(
            driver,
            self.host.error_ns,
            period_ns=self._sample_period_ns,
            response_ns=self._response_ns,
            delay_ns=self._delay_ns,
            version=min(self._protocol, driver.newest_protocol),
        )

    def _keep_time_of(self, memory: Timekeeping) -> Timekeeping:
        """Return a checkpoint's clocks as they go on today: the drift and the service are the present ones."""
        timekeeping = memory.copy()
        timekeeping.clocks.trail = None  # until it goes on, at the present
        timekeeping.clocks.drift(self._rate_ppb())
        present = disciplines(self._timesync, self.os)
        if [str(discipline) for discipline in present] != [str(discipline) for discipline in timekeeping.disciplines]:
            timekeeping.clocks.slew(0)
            timekeeping = self._keep_time(timekeeping.clocks, present, in_sync=True)
        timekeeping.wander_by(None)  # hardware is not taken back: ``apply`` lets it go on
        return timekeeping

    def _go_on_with(self, timekeeping: Timekeeping) -> None:
        """Go on with other clocks; running time goes on where it was."""
        self._lived_as += self._timekeeping.clocks.monotonic_as - timekeeping.clocks.monotonic_as
        self._timekeeping = timekeeping

    @_at_one_instant
    def _freeze(self, state: State, verb: str) -> None:
        self._settle()
        self._timekeeping.clocks.counting = False
        self._state = state
        self._disturbed(verb)

    @_at_one_instant
    def _thaw(self, verb: str, *, sync: bool, slept: bool | None = None) -> None:
        """Go on; ``slept`` if the guest knows that it was away, so that BOOTTIME has it."""
        clocks = self._timekeeping.clocks
        if self._boottime_over_saves if slept is None else slept:
            clocks.asleep_as += (self.host.true_ns - clocks.true_ns) * AS_PER_NS
        if not self._ptp_over_saves:
            clocks.sample = None
        self._state = State.RUNNING
        self._timekeeping.wake(self.host.true_ns)
        self._hear_host()
        if sync:
            self._open_channel(self._sync_after_resume_ns)
        self._disturbed(verb)

    def _open_channel(self, after_ns: int) -> None:
        if self._timekeeping.service is not None:
            self._timekeeping.service.open(self._timekeeping.clocks.true_ns, after_ns)

    def _hear_host(self) -> None:
        """Let the service carry the host's present error."""
        if self._timekeeping.service is not None:
            self._timekeeping.service.host_error_ns = self.host.error_ns

    def _rate_ppb(self) -> int:
        """Return the rate error of the clocksource as the guest was left when it was last settled."""
        drift = self._drift
        if self._wander is not None or isinstance(drift, Wander):
            return self._wander.ppb if self._wander is not None else 0
        return rate_ppb(drift(self.host.load) if callable(drift) else drift)

    def _apply_drift(self) -> None:
        self._timekeeping.clocks.drift(self._rate_ppb())
        self._agenda.replan()

    def _next_event_ns(self) -> int | None:
        """Return when something next happens to this guest's clocks by itself, or None."""
        planned_ns = self.host._next_planned_ns()
        due_ns = self._timekeeping.next_due_ns() if self._state is State.RUNNING else None
        return min((at_ns for at_ns in (planned_ns, due_ns) if at_ns is not None), default=None)

    def _pass_until(self, deadline_ns: int) -> None:
        """Let true time pass, up to the next planned action at most, until MONOTONIC reaches ``deadline_ns``.

        Planned actions that are due then have been run when this returns. Time has passed to the first nanosecond at
        which the deadline was reached, or to the action; the caller looks which.

        Raises:
            StuckError: if the guest does not run, and nothing is planned that could change it.
        """
        planned_ns = self.host._next_planned_ns()
        if self._state is not State.RUNNING:
            if planned_ns is None:
                raise StuckError(
                    f"code waits on a guest that is {self._state.value}, and nothing is planned that could start it"
                )
            self.host._advance_to(planned_ns)
            return
        try:
            with self.host._one_instant:
                self._settle_held()
                reached_ns = self._timekeeping.run(planned_ns, deadline_ns * AS_PER_NS)
                action = self.host._reach_next(reached_ns)
        except BaseException:
            self._changed()  # a signal may have struck before everybody was told
            raise
        if action is not None:
            self.host._run(action)
            self.host._advance_to(reached_ns)
