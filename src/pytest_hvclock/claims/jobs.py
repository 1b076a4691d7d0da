"""Claims about what a scheduler runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, Unpack

from pytest_hvclock.claims.base import CallClaim, Claim, ClaimSettings, Tolerance, margin_ns
from pytest_hvclock.units import Duration, positive_ns, seconds_text

P = ParamSpec("P")
R = TypeVar("R")


def pace(
    job: Callable[P, R], *, every: Duration, tolerance: Tolerance = "50 %", **settings: Unpack[ClaimSettings]
) -> Claim[Callable[P, R]]:
    """Claim that periodic work neither starves nor bunches: the block hands ``as job`` to the scheduler.

    The beginning of the block counts as a run, and its end ends the last gap.

    Args:
        job: what is run, plain or async.
        every: how far two runs are apart, by default in the guest's running time.
        tolerance: how much longer or shorter a gap may be.
        settings: those of every claim.

    Raises:
        ClaimError: if it was not run for too long, or twice too soon.
        ValueError: for a length of time that makes no sense.
    """
    return _Pace(job, every, tolerance, **settings)


def once(job: Callable[P, R], **settings: Unpack[ClaimSettings]) -> Claim[Callable[P, R]]:
    """Claim that a one-shot job runs exactly once: the block hands ``as job`` to the scheduler, and waits for it.

    Args:
        job: what is run, plain or async.
        settings: those of every claim; the time of the runs is told by default in true time.

    Raises:
        ClaimError: if it did not run, or ran again.
    """
    return _Once(job, "once", "true", **settings)


class _Pace(CallClaim[P, R]):
    def __init__(
        self, job: Callable[P, R], every: Duration, tolerance: Tolerance, **settings: Unpack[ClaimSettings]
    ) -> None:
        self._every_ns = positive_ns(every, "every")
        super().__init__(job, f"pace of {seconds_text(self._every_ns)} for", "guest", **settings)
        self._margin_ns = margin_ns(tolerance, self._every_ns)
        self._allowed_ns = self._every_ns + self._margin_ns
        self._last_ns = 0

    def _begin(self) -> Callable[P, R]:
        self._expect()
        return super()._begin()

    def _expect(self) -> None:
        """Look whether the next run has come, when it is overdue."""
        calls = self._calls

        def look() -> None:
            if self._calls == calls:
                self._starved()

        self._look(self._every_ns + self._margin_ns + 1, look)

    def _starved(self) -> None:
        gap_ns = self._took_ns = self._passed_ns - self._last_ns
        self._fail(
            f"not run for {self._of(gap_ns)}, since {seconds_text(self._last_ns)} after the beginning "
            f"({self._every()})",
            why="work that is due is not done, and nobody is told",
            do="schedule the next run on time.monotonic(), and look again when the wall clock was set",
            meant='judge by the other clock with judged_by=, or allow more with tolerance="100 %"',
        )

    def _every(self) -> str:
        return f"every {seconds_text(self._every_ns)}, tolerance {seconds_text(self._margin_ns)}"

    def _called(self) -> None:
        if not self._open:
            return
        gap_ns = self._passed_ns - self._last_ns
        first = self._calls == 0
        super()._called()
        self._last_ns = self._passed_ns
        self._expect()
        if gap_ns < self._every_ns - self._margin_ns and not first:
            self._took_ns = gap_ns
            self._fail(
                f"run twice within {self._of(gap_ns)}, {seconds_text(self._last_ns)} after the beginning "
                f"({self._every()})",
                why="work is done twice, or a backlog is run all at once",
                do="schedule the next run on time.monotonic(), and coalesce runs that were missed",
                meant="judge by the other clock with judged_by=, or allow more with tolerance=",
                at_once=False,
            )

    def _end(self) -> None:
        if self._failure is None and self._passed_ns - self._last_ns > self._every_ns + self._margin_ns:
            self._starved()
        super()._end()


class _Once(CallClaim[P, R]):
    def _called(self) -> None:
        if not self._open:
            return
        super()._called()
        self._took_ns = self._passed_ns
        if self._calls > 1:
            self._fail(
                f"run a second time, {self._of(self._passed_ns)} after the beginning",
                why="what must be done once is done again: mails, payments, migrations",
                do="take a job off the list when it is begun, and key it by its identity instead of by its time",
                meant="claim a pace for what is to run again",
                at_once=False,
            )

    def _end(self) -> None:
        if self._calls == 0 and not self._may_prove_nothing:
            self._fail(
                f"not run in {self._of(self._passed_ns)}",
                why="a job that is due was dropped, and nobody is told",
                do="let the scheduler run what it finds overdue (a grace time), and let time pass until it is due",
                meant="may_prove_nothing=True",
            )
