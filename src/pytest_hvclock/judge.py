"""Which clock judges, who read a clock last, and how a verdict is put into words: what recoveries and claims share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Literal, get_args

from pytest_hvclock.model.guest import Guest, State
from pytest_hvclock.running import active
from pytest_hvclock.running.recorder import Recorder
from pytest_hvclock.units import error_text

JudgedBy = Literal["true", "guest"]
"""``"true"`` time, for what is shared with the outside; the ``"guest"``'s running time, for what is private to it."""


class Judge:
    """The clock that judges what a program on a guest does."""

    def __init__(self, guest: Guest, judged_by: JudgedBy) -> None:
        """Judge by one of two clocks.

        Raises:
            ValueError: for any other.
        """
        known = get_args(JudgedBy)
        if judged_by not in known:
            raise ValueError(
                f'unknown judge {judged_by!r}: use "true" for true time (what is shared with the outside), or "guest" '
                "for the guest's running time (what is private to the program)"
            )
        self.guest = guest
        self.judged_by: JudgedBy = judged_by
        self.time = "true time" if judged_by == "true" else "the guest's running time"
        """What to call its time in a message."""

    @property
    def now_ns(self) -> int:
        """The time that judges, in nanoseconds."""
        return self.guest.host.true_ns if self.judged_by == "true" else self.guest.running_ns

    def at(self, after_ns: int, action: Callable[[], object]) -> None:
        """Plan an action for when so much of the time that judges has passed."""
        plan = self.guest.host.at if self.judged_by == "true" else self.guest.at
        plan(max(after_ns, 0), action)

    def when_it_can_know(self, action: Callable[[], object]) -> None:
        """Run an action now, or when the guest runs and no SYNC is on its way: before that no program could know."""
        guest = self.guest
        due_ns = guest.sync_due_ns
        if guest.state is not State.RUNNING:
            guest.at(0, lambda: self.when_it_can_know(action))
        elif due_ns is not None:
            guest.host.at(max(due_ns - guest.host.true_ns, 0) + 1, lambda: self.when_it_can_know(action))
        else:
            action()


def recorder_of(guest: Guest) -> Recorder | None:
    """Take down from now on who reads the guest's clocks, if it is the one that runs; returns who does."""
    running = active()
    return running.record() if running is not None and running.guest is guest else None


def evidence(guest: Guest, after_ns: int = 0) -> str:
    """Say where the guest's clock stands, and which line read it last, not before ``after_ns`` of true time."""
    state = guest.state.value
    said = "the guest is off" if state == "off" else f"the guest is {error_text(guest.error_ns)}"
    if state in ("paused", "saved"):
        said += f" and {state}"
    running = active()
    if running is None or running.guest is not guest or running.recorder is None:
        return said
    place = running.recorder.last_place(after_ns)
    if place is None:
        return f"{said}; no line of the program has read a clock meanwhile"
    return f"{said}; a clock was last read at {place} in {place.function}: {place.text}"


def refusal(failure: BaseException) -> str | None:
    """Return what a callable says that says no by raising; None for what ends the test or the run.

    ``pytest.fail`` and ``pytest.raises`` raise what is no ``Exception``, and say no all the same.
    """
    pytest: Any = sys.modules.get("pytest")
    if not isinstance(failure, Exception) and (pytest is None or not isinstance(failure, pytest.fail.Exception)):
        return None
    return f"{type(failure).__name__}: {failure}" if str(failure) else type(failure).__name__


def verdict(what: str, found: list[str], *, why: str, do: str, meant: str) -> str:
    """Return a message: what happened, the evidence, why it matters, what to do, how to say that it was meant."""
    return "\n".join([what, *found, f"why it matters: {why}", f"what to do: {do}", f"if it is meant: {meant}"])
