"""Claims about lengths of time: those that are waited for, and those that are measured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Literal, Unpack

from pytest_hvclock.claims.base import Claim, ClaimSettings, Tolerance, at_once, margin_ns, to_call
from pytest_hvclock.units import NS_PER_MS, NS_PER_S, NS_PER_US, Duration, duration_ns, positive_ns, seconds_text

_UNITS = {"s": NS_PER_S, "ms": NS_PER_MS, "us": NS_PER_US, "ns": 1}


def wait(asked: Duration, *, tolerance: Tolerance = "25 %", **settings: Unpack[ClaimSettings]) -> Claim[None]:
    """Claim that the block waits as long as it was asked to: a lock's timeout, a retry's deadline.

    A block that ends with an exception, as a timeout does, is judged as well; the exception then goes on. A wait that
    takes too long is interrupted at once, if it is in the block's own thread.

    Args:
        asked: what the timeout says; judged by default by the guest's running time.
        tolerance: how much longer or shorter the wait may be; waits that poll are coarse.
        settings: those of every claim.

    Raises:
        ClaimError: for a wait that took too long or too short.
        ValueError: for a length of time that makes no sense.
    """
    return _Wait(asked, tolerance, **settings)


def duration(
    measured: Callable[[], float | timedelta],
    *,
    tolerance: Tolerance = "10 %",
    unit: Literal["s", "ms", "us", "ns"] = "s",
    **settings: Unpack[ClaimSettings],
) -> Claim[None]:
    """Claim that the application measures the block's duration: not negative, and about right.

    Args:
        measured: returns what the application has measured, once the block is over.
        tolerance: how far that may be from what really passed, by default in the guest's running time.
        unit: the unit of a plain number.
        settings: those of every claim.

    Raises:
        ClaimError: for a duration that is negative or wrong, and for a block in which no time passes.
        ValueError: for an unknown unit.
    """
    return _Duration(measured, tolerance, unit, **settings)


class _Wait(Claim[None]):
    _judges_failures = True

    def __init__(self, asked: Duration, tolerance: Tolerance, **settings: Unpack[ClaimSettings]) -> None:
        self._asked_ns = positive_ns(asked, "wait")
        super().__init__(f"wait of {seconds_text(self._asked_ns)}", "guest", **settings)
        self._margin_ns = margin_ns(tolerance, self._asked_ns)
        self._allowed_ns = self._asked_ns + self._margin_ns

    def _begin(self) -> None:
        self._interrupt_after(self._asked_ns + self._margin_ns + 1)

    def _interrupt_after(self, after_ns: int) -> None:
        def interrupt() -> None:
            self._interrupt_after(after_ns)
            self._too_long("was still going on after")

        self._look(after_ns, interrupt)

    def _too_long(self, what: str) -> None:
        self._took_ns = self._passed_ns
        self._fail(
            f"{what} {self._of(self._took_ns)} ({self._asked()})",
            why="whoever waits is blocked long after it wanted to give up",
            do="count the deadline on time.monotonic(): the wall clock may be set while it waits",
            meant="allow more with tolerance=, or claim the wait that it really is",
        )

    def _asked(self) -> str:
        return f"asked for {seconds_text(self._asked_ns)}, tolerance {seconds_text(self._margin_ns)}"

    def _end(self) -> None:
        self._took_ns = self._passed_ns
        if self._took_ns < self._asked_ns - self._margin_ns:
            self._fail(
                f"was over after {self._of(self._took_ns)} ({self._asked()})",
                why="it gives up although there was time left, or did not wait at all",
                do="count the deadline on time.monotonic(): the wall clock may be set while it waits",
                meant="claim only the wait that is in vain; one that gets what it wants may end early",
            )
        elif self._took_ns > self._asked_ns + self._margin_ns:
            self._too_long("took")


class _Duration(Claim[None]):
    def __init__(
        self,
        measured: Callable[[], float | timedelta],
        tolerance: Tolerance,
        unit: str,
        **settings: Unpack[ClaimSettings],
    ) -> None:
        if unit not in _UNITS:
            raise ValueError(f"unknown unit {unit!r}: use one of {', '.join(_UNITS)}")
        super().__init__("duration", "guest", **settings)
        self._measured = to_call(measured, "what says how long it took")
        self._tolerance = tolerance
        self._unit_ns = _UNITS[unit]
        margin_ns(tolerance, 0)

    def _begin(self) -> None:
        pass

    def _end(self) -> None:
        passed_ns = self._passed_ns
        if not passed_ns:
            self._prove_nothing("no time passed in the block", "let time pass in it: time.sleep(10)")
            return
        answer = at_once(self._measured, self.what)
        try:
            measured_ns = duration_ns(answer) if isinstance(answer, timedelta) else round(answer * self._unit_ns)
        except (TypeError, ValueError, OverflowError):
            self._fail(
                f"measured {answer!r}, which is no length of time ({self._of(passed_ns)} passed)",
                why="whatever adds, averages or compares it fails, or is wrong from then on",
                do="return the length as a number, or as a timedelta",
                meant="measure something else than the block's duration, and assert that by itself",
            )
            return
        self._took_ns = measured_ns
        margin = margin_ns(self._tolerance, passed_ns)
        passed = f"{self._of(passed_ns)} passed, tolerance {seconds_text(margin)}"
        if measured_ns < 0:
            self._fail(
                f"measured {seconds_text(measured_ns)} below zero ({passed})",
                why="negative durations break sums, rates, histograms and progress bars",
                do="measure with time.perf_counter() or time.monotonic(): the wall clock was set back meanwhile",
                meant="measure something else than the block's duration, and assert that by itself",
            )
        elif abs(measured_ns - passed_ns) > margin:
            self._fail(
                f"measured {seconds_text(measured_ns)} ({passed})",
                why="metrics, timeouts and bills made of it are wrong",
                do="measure with time.perf_counter() or time.monotonic(): the wall clock was set meanwhile",
                meant="allow more with tolerance=, or judge by the other clock with judged_by=",
            )
