"""The moment at which a test's scenario strikes, and whether the test could notice."""

from __future__ import annotations

from pytest_hvclock.judge import verdict
from pytest_hvclock.model.guest import Guest, State
from pytest_hvclock.running.recorder import Recorder
from pytest_hvclock.scenarios import Scenario
from pytest_hvclock.units import iso


class Moment:
    """A scenario that is armed: it strikes, and remembers what that has changed and what had been read by then."""

    def __init__(self, scenario: Scenario, recorder: Recorder) -> None:
        """Wait for the strike."""
        self.scenario = scenario
        self._recorder = recorder
        self._reads = self._looks = self._struck_at_ns = 0
        self._wait: object = None
        self.struck = self.changed = False

    @property
    def name(self) -> str:
        """The scenario's."""
        return self.scenario.name

    def strike(self, guest: Guest) -> None:
        """Let the scenario happen to ``guest``."""
        before = _condition(guest)
        self.scenario.strike(guest)
        recorder = self._recorder
        self.struck, self.changed = True, _condition(guest) != before
        self._struck_at_ns = guest.host.true_ns
        self._reads, self._wait, self._looks = recorder.total, recorder.last_wait, recorder.trail.looks

    @property
    def read(self) -> bool:
        """Whether the program has read a clock since the strike."""
        return self._recorder.reads_after(self._reads)

    @property
    def seen(self) -> bool:
        """Whether the program has read a clock or waited on one since the strike, or the test looked at the guest."""
        recorder = self._recorder
        return recorder.trail.looks != self._looks or recorder.last_wait is not self._wait or self.read

    def vacuous(self, *, seen: bool, at_the_end: bool, probe: str = "") -> str:
        """Say why the test would have passed whatever the application does, or nothing if it would not.

        Args:
            seen: whether anything could notice the strike.
            at_the_end: whether it struck when the body was over, because nobody had let it strike before.
            probe: what was asked whether the application recovers, and said nothing but yes; empty if nothing was.
        """
        if not self.struck or not self.scenario.anomalies or (seen and self.changed):
            return ""
        struck = f"{self.name} struck at {iso(self._struck_at_ns)} true time"
        if not self.changed:
            what = f"{struck}, and has changed nothing: no clock, no rate, nothing that is planned"
            todo = (
                "choose another scenario, or give the guest what this one needs, such as a drift that depends on the "
                "load"
            )
        elif probe:
            what = f"{struck}, and {probe} has only said yes since, and has neither read a clock nor waited"
            todo = "let it ask the application for what a wrong clock can break: a login, a lease, a job that is due"
        elif at_the_end:
            what = f"{struck}, when the test's body was over, and nothing has read a clock or waited since"
            todo = (
                "call hvclock.strike() before the code that has to stand it, or let hvclock_recovers ask the "
                "application afterwards"
            )
        else:
            what = f"{struck}, and the code under test has neither read a clock nor waited since"
            todo = "let it work after the strike, or let hvclock_recovers ask it afterwards"
        return verdict(
            f"this test is vacuous: {what}",
            [],
            why="it would pass whatever the application does",
            do=todo,
            meant="@pytest.mark.hvclock(..., allow_vacuous=True)",
        )


def _condition(guest: Guest) -> tuple[object, ...]:
    """Return everything about a guest and its host that an anomaly may change, but for the time that passes."""
    host = guest.host
    around = (guest.state, str(guest.timesync), guest.generation_id, host.error_ns, host.load, host.planned)
    if guest.state is State.OFF:
        return around
    return (*around, guest.error_ns, host.true_ns - guest.monotonic_ns, guest.drift_ppb, guest.sync_due_ns)
