"""A state machine whose rules are the host's verbs, so that a stateful test gets a guest's host as one more actor."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from pytest_hvclock.anomalies import ApplyCheckpoint, Boot, Pause, Restore, TakeCheckpoint
from pytest_hvclock.explore.kinds import SIZES
from pytest_hvclock.model.guest import Guest, State
from pytest_hvclock.model.host import Host
from pytest_hvclock.strategies.guests import RATES, disciplines

_SYNC = st.sampled_from([True, False])


def _runs(machine: GuestMachine) -> bool:
    return machine.guest.state is State.RUNNING


class GuestMachine(RuleBasedStateMachine):
    """A state machine on a guest, to whom the host does things in between: the base of one, or mixed into another.

    From the beginning to ``teardown`` all code is on the guest that ``new_guest`` makes; Hypothesis itself stays on
    real time. Each verb leaves the guest running, so that the rules of a program can come next. One that a program need
    not survive is taken away by its name: ``guest_apply = None`` in the body of the class.
    """

    guest: Guest
    """The guest that the program runs on."""
    host: Host
    """Its host."""

    def __init__(self) -> None:
        """Make the guest, and enter it."""
        self.guest = self.new_guest()
        self.host = self.guest.host
        with ExitStack() as entered:
            entered.enter_context(self.guest.running())
            super().__init__()
            self._leaving = entered.pop_all()

    def __init_subclass__(cls, **settings: Any) -> None:
        """Leave the guest whatever fails, and whatever a subclass forgets."""
        super().__init_subclass__(**settings)
        if "__init__" in vars(cls):
            cls.__init__ = _leaving_on_failure(cls.__init__)  # type: ignore[method-assign]
        if "teardown" in vars(cls):
            cls.teardown = _leaving(cls.teardown)  # type: ignore[assignment, method-assign]

    def new_guest(self) -> Guest:
        """Return the guest to run on; override it for another one than ``Host().guest()``."""
        return Host().guest()

    def teardown(self) -> None:
        """Leave the guest: every clock is real again."""
        super().teardown()
        self.leave()

    def leave(self) -> None:
        """Put the real clocks back, if they are not."""
        self._leaving.close()

    # ---------------------------------------------------------------------------------------------------- the verbs

    @rule(by=st.sampled_from(SIZES))
    def host_advance(self, by: str) -> None:
        """Let time pass for everybody."""
        self.host.advance(by)

    @precondition(lambda self: callable(self.guest.drift))
    @rule(load=st.sampled_from([0, 1, 3, 7]))
    def host_load(self, load: int) -> None:
        """Give the host more to do, or less, where the guest's drift depends on it."""
        self.host.load = load

    @precondition(_runs)
    @rule(
        by=st.sampled_from([*SIZES, *(f"-{size}" for size in SIZES)])
    )  # as far as a pause or a restore, if it will do
    def guest_step(self, by: str) -> None:
        """Set the guest's wall clock."""
        self.guest.step(by)

    @rule(rate=st.sampled_from(RATES))
    def guest_drift(self, rate: str) -> None:
        """Let the guest's clocksource run at another rate."""
        self.guest.drift = rate

    @rule(timesync=disciplines())
    def guest_timesync(self, timesync: str) -> None:
        """Change what corrects the guest's clock."""
        self.guest.timesync = timesync

    @precondition(_runs)
    @rule(during=st.sampled_from(SIZES[:5]), sync=_SYNC)
    def guest_pause(self, during: str, *, sync: bool) -> None:
        """Pause the guest for a while, and resume it."""
        Pause(during, sync).strike(self.guest)

    @precondition(_runs)
    @rule(after=st.sampled_from(SIZES), sync=_SYNC)
    def guest_restore(self, after: str, *, sync: bool) -> None:
        """Save the guest, and restore it some time later."""
        Restore(after, sync).strike(self.guest)

    @precondition(_runs)
    @rule()
    def guest_checkpoint(self) -> None:
        """Take a standard checkpoint."""
        TakeCheckpoint().strike(self.guest)

    @precondition(lambda self: self.guest.checkpoints)
    @rule()
    def guest_apply(self) -> None:
        """Apply the latest checkpoint; the program looks on from outside."""
        ApplyCheckpoint().strike(self.guest)

    @precondition(_runs)
    @rule(blackout=st.sampled_from(SIZES[:4]))
    def guest_migrate(self, blackout: str) -> None:
        """Move the guest to another host."""
        self.guest.migrate(blackout)

    @precondition(_runs)
    @rule(off_for=st.sampled_from(SIZES))
    def guest_boot(self, off_for: str) -> None:
        """Power the guest off, and on again some time later."""
        Boot(off_for).strike(self.guest)


def _leaving_on_failure(make: Callable[..., None]) -> Callable[..., None]:
    @wraps(make)
    def init(self: GuestMachine, *given: Any, **named: Any) -> None:
        try:
            make(self, *given, **named)
        except BaseException:
            if hasattr(self, "_leaving"):
                self.leave()
            raise

    return init


def _leaving(tear_down: Callable[[GuestMachine], None]) -> Callable[[GuestMachine], None]:
    @wraps(tear_down)
    def teardown(self: GuestMachine) -> None:
        try:
            tear_down(self)
        finally:
            self.leave()

    return teardown
