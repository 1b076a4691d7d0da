"""Claims about what is valid for a while: entries, leases, sessions, tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Unpack

from pytest_hvclock.claims.base import Claim, ClaimSettings, Tolerance, at_once, margin_ns, to_call
from pytest_hvclock.judge import JudgedBy, refusal
from pytest_hvclock.model.guest import State
from pytest_hvclock.units import Duration, positive_ns, seconds_text


def lifetime(
    honoured: Callable[[], object], *, of: Duration, tolerance: Tolerance = "2 %", **settings: Unpack[ClaimSettings]
) -> Claim[None]:
    """Claim that something is honoured until just before its end, and no longer just after it.

    It may be an entry, a session or an open breaker. Its life begins with the block, in which the guest has to get past
    its end. It is looked at while time passes: in between, on both sides of its end, and at the end of the block; but
    not while the guest stands still or a SYNC is on its way, when no program could know.

    Args:
        honoured: says whether it is: a false value or an exception says no.
        of: how long it lives, judged by default by the guest's running time.
        tolerance: how far its end may be off.
        settings: those of every claim.

    Raises:
        ClaimError: at the end of the block at the latest.
        ValueError: for a length of time that makes no sense.
    """
    return _Life("lifetime", honoured, of, tolerance, _ENTRY, "guest", **settings)


def credential(
    accepts: Callable[[], object],
    *,
    valid_for: Duration,
    tolerance: Tolerance = "2 %",
    **settings: Unpack[ClaimSettings],
) -> Claim[None]:
    """Claim that a credential is accepted as long as it is valid, and refused when it is not.

    As ``lifetime``, for what others have issued or will check: judged by default by true time.

    Args:
        accepts: says whether it is accepted: a false value or an exception says no.
        valid_for: how long it is valid, from the beginning of the block.
        tolerance: how far its end may be off.
        settings: those of every claim.

    Raises:
        ClaimError: at the end of the block at the latest.
        ValueError: for a length of time that makes no sense.
    """
    return _Life("credential", accepts, valid_for, tolerance, _CREDENTIAL, "true", **settings)


class _Words(NamedTuple):
    honoured: str
    outlived: str
    early: str
    do: str


_ENTRY = _Words(
    "honoured",
    "stale data is served, or a session goes on that is over",
    "what is still good is thrown away, and everybody fetches it anew at once",
    "measure its age by time.monotonic(), or with a timer= that does: a step of the wall clock is not age",
)
_CREDENTIAL = _Words(
    "accepted",
    "whoever has an old credential gets in",
    "users with a valid credential are locked out",
    "compare with a clock that was corrected, allow leeway, and judge a credential again when the clock is set",
)


class _Life(Claim[None]):
    def __init__(  # noqa: PLR0913, PLR0917  (one caller each)
        self,
        what: str,
        honours: Callable[[], object],
        of: Duration,
        tolerance: Tolerance,
        words: _Words,
        default: JudgedBy,
        **settings: Unpack[ClaimSettings],
    ) -> None:
        self._life_ns = positive_ns(of, "the life")
        super().__init__(f"{what} of {seconds_text(self._life_ns)}", default, **settings)
        self._honours = to_call(honours, "what says whether it is honoured")
        self._words = words
        self._margin_ns = margin_ns(tolerance, self._life_ns)
        self._allowed_ns = self._life_ns
        self._before = self._after = 0

    def _begin(self) -> None:
        early_ns, late_ns = self._life_ns - self._margin_ns, self._life_ns + self._margin_ns
        ages_ns = {self._life_ns * part // 8 for part in range(1, 8)} | {self._life_ns >> part for part in range(4, 9)}
        for age_ns in sorted(age_ns for age_ns in ages_ns if age_ns < early_ns):
            self._look(age_ns, self._look_when_it_can_know)
        self._look(early_ns, self._look_when_it_can_know)
        self._look(late_ns, lambda: self._look_again(late_ns))

    def _look_again(self, after_ns: int) -> None:
        """Look after its end, and again when twice the time has passed: what is over must not come back."""
        self._look(after_ns, lambda: self._look_again(2 * after_ns))
        self._look_when_it_can_know()

    def _look_when_it_can_know(self) -> None:
        self.judge.when_it_can_know(self._see)

    def _see(self) -> None:
        """See whether it is honoured, and judge that."""
        age_ns = self._passed_ns
        if not (age_ns and self._open):
            return
        said = ""
        try:
            honoured = bool(at_once(self._honours, self.what))
        except TypeError:
            raise
        except BaseException as failure:
            refused = refusal(failure)
            if refused is None:
                raise
            honoured, said = False, f" ({refused})"
        allowed = f"it lives {self._of(self._life_ns)}, tolerance {seconds_text(self._margin_ns)}"
        words = self._words
        if age_ns >= self._life_ns + self._margin_ns:
            self._after += 1
            if honoured:
                self._took_ns = age_ns
                self._fail(
                    f"still {words.honoured} at the age of {seconds_text(age_ns)} ({allowed})",
                    why=words.outlived,
                    do=words.do,
                    meant=self._meant(),
                )
        elif age_ns <= self._life_ns - self._margin_ns:
            self._before += 1
            if not honoured:
                self._took_ns = age_ns
                self._fail(
                    f"no longer {words.honoured} at the age of {seconds_text(age_ns)}{said} ({allowed})",
                    why=words.early,
                    do=words.do,
                    meant=self._meant(),
                )

    def _meant(self) -> str:
        other = "true" if self.judge.judged_by == "guest" else "guest"
        return f'judge it by the other clock, judged_by="{other}", or allow more with tolerance='

    def _end(self) -> None:
        guest = self.judge.guest
        if guest.state is State.RUNNING and guest.sync_due_ns is None:
            self._see()
        if not (self._before and self._after):
            side = "after its end" if self._before else "before its end"
            self._prove_nothing(
                f"it was never looked at {side}; the block ran for {self._of(self._passed_ns)}",
                f"let the guest run until {seconds_text(self._life_ns + self._margin_ns)} have passed in the block, "
                "and any SYNC has arrived",
            )
