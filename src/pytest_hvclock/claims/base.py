"""What all claims share: a guest, a judge, a block that is watched, and a message."""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable
from contextlib import AbstractContextManager
from fractions import Fraction
from functools import wraps
from inspect import isawaitable, iscoroutinefunction
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, cast

from pytest_hvclock.errors import ClaimError, HvclockError
from pytest_hvclock.judge import Judge, JudgedBy, evidence, recorder_of, verdict
from pytest_hvclock.model.guest import Guest
from pytest_hvclock.running import active_guest
from pytest_hvclock.timeline import Judgement
from pytest_hvclock.units import PPB, Duration, Rate, flag, positive_ns, rate_ppb, seconds_text

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., object])

Tolerance = Rate | Duration
"""A share of what is claimed, such as ``"2 %"``, or a length of time, such as ``"500 ms"``."""


class ClaimSettings(TypedDict, total=False):
    """The keyword arguments of every claim."""

    guest: Guest | None
    """Whose clocks the application reads (default: the guest that runs)."""
    judged_by: JudgedBy | None
    """``"true"`` time, for what is shared with the outside, or the ``"guest"``'s running time, for what is private to
    the process (default: ``"true"`` for ``credential``, ``once``, ``rate``, ``order``, ``exclusion``, ``availability``
    and ``durability``, else ``"guest"``)."""
    may_prove_nothing: bool
    """Let the claim hold where nothing happened that could break it."""


class Claim(AbstractContextManager[T], Generic[T]):
    """Something that must hold while a block runs; made by the functions of ``pytest_hvclock.claims``."""

    _judges_failures = False
    """Whether a block that ends with an exception is judged as well."""

    def __init__(
        self,
        what: str,
        default: JudgedBy,
        *,
        guest: Guest | None = None,
        judged_by: JudgedBy | None = None,
        may_prove_nothing: bool = False,
    ) -> None:
        """Claim ``what``; nothing is watched before the block is entered.

        Raises:
            TypeError: for settings that no claim can use.
        """
        if not isinstance(guest, Guest | None):
            raise TypeError(f"{guest!r} is no guest: give guest= what host.guest() has returned")
        self.what = what
        self._guest = guest
        self._judged_by: JudgedBy = judged_by if judged_by is not None else default
        self._may_prove_nothing = flag(may_prove_nothing, "may_prove_nothing")
        self._open = False
        self._failure: ClaimError | None = None
        self._allowed_ns: int | None = None
        self._took_ns: int | None = None

    def __enter__(self) -> T:
        """Begin to watch."""
        guest = self._guest if self._guest is not None else active_guest()
        if guest is None:
            raise HvclockError(
                f"{self.what}: no guest runs here, so there is no clock to judge by: name one with guest=, or enter "
                "guest.running() first"
            )
        self.judge: Judge = Judge(guest, self._judged_by)
        recorder_of(guest)
        self._thread = get_ident()
        self._from_ns, self._from_true_ns = self.judge.now_ns, guest.host.true_ns
        self._open = True
        return self._begin()

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Judge the block, leave the judgement in the guest's record, and raise what does not hold."""
        __tracebackhide__ = True
        judged = failure is None or (self._judges_failures and isinstance(failure, Exception) and self._failure is None)
        if judged:
            try:
                self._end()
            except ClaimError as broken:
                self._failure = broken
        self._open = False
        guest = self.judge.guest
        recorder = recorder_of(guest)
        if recorder is not None and (judged or self._failure is not None):
            recorder.judgements.append(
                Judgement(
                    self.what,
                    self._failure is None,
                    str(self._failure) if self._failure is not None else "",
                    self._from_true_ns,
                    guest.host.true_ns,
                    self._allowed_ns,
                    self._took_ns,
                    self.judge.judged_by,
                )
            )
        if self._failure is not None and self._failure is not failure and isinstance(failure, Exception | None):
            raise self._failure.with_traceback(None) from failure  # it points at the block

    def _begin(self) -> T:
        """Plan what is to be looked at, and return what the block works with."""
        raise NotImplementedError

    def _end(self) -> None:
        """Judge the whole block."""

    @property
    def _passed_ns(self) -> int:
        """How long the block has run, in nanoseconds of the time that judges."""
        return self.judge.now_ns - self._from_ns

    def _look(self, after_ns: int, look: Callable[[], object]) -> None:
        """Plan a look for when so much of the time that judges has passed, if the block still runs then."""
        self.judge.at(after_ns, lambda: self._open and look())

    def _fail(self, what: str, *, why: str, do: str, meant: str, at_once: bool = True) -> None:
        """Note that the claim does not hold; say so at once in the block's own thread, else at its end."""
        __tracebackhide__ = True
        found = [evidence(self.judge.guest, self._from_true_ns)]
        broken = ClaimError(verdict(f"{self.what}: {what}", found, why=why, do=do, meant=meant))
        if self._failure is None:
            self._failure = broken
        if at_once and get_ident() == self._thread:
            raise self._failure

    def _prove_nothing(self, missing: str, do: str) -> None:
        """Fail because nothing happened that could have broken the claim, unless that is meant."""
        if not self._may_prove_nothing:
            self._fail(
                f"proved nothing: {missing}",
                why="a claim that could not fail says nothing about the application",
                do=do,
                meant="may_prove_nothing=True",
            )

    def _of(self, length_ns: int) -> str:
        """Say a length in the time that judges."""
        return f"{seconds_text(length_ns)} of {self.judge.time}"


class CallClaim(Claim[Callable[P, R]], Generic[P, R]):
    """A claim about every call of one function: the block calls it, or hands it to the application."""

    def __init__(self, call: Callable[P, R], what: str, default: JudgedBy, **settings: Any) -> None:
        """Claim ``what`` of ``call``.

        Raises:
            TypeError: if it cannot be called.
        """
        self._call = to_call(call, f"what the claim ({what}) is about")
        super().__init__(f"{what} {name_of(call)}", default, **settings)
        self._calls = 0

    def _begin(self) -> Callable[P, R]:
        call = self._call
        if iscoroutinefunction(call):

            @wraps(call)
            async def watch_async(*args: P.args, **settings: P.kwargs) -> Any:
                token = self._called()
                try:
                    answer = await call(*args, **settings)
                except Exception as failure:
                    self._raised(token, failure)
                    raise
                self._answered(token, answer)
                return answer

            return cast("Callable[P, R]", watch_async)

        @wraps(call)
        def watch(*args: P.args, **settings: P.kwargs) -> R:
            token = self._called()
            try:
                answer = call(*args, **settings)
            except Exception as failure:
                self._raised(token, failure)
                raise
            self._answered(token, answer)
            return answer

        return watch

    def _called(self) -> Any:
        """Note that a call begins; what this returns comes back when it ends."""
        self._calls += 1
        return None

    def _answered(self, token: Any, answer: Any) -> None:
        """Judge what a call returned."""

    def _raised(self, token: Any, failure: Exception) -> None:
        """Judge a call that raised."""

    def _end(self) -> None:
        if self._calls == 0:
            self._prove_nothing(
                f"{name_of(self._call)} was never called through the claim",
                "call what the claim returns, or hand it to the application: with ... as call",
            )


def name_of(call: Callable[..., object]) -> str:
    """Return what to call a function in a message."""
    return getattr(call, "__qualname__", "").rpartition("<locals>.")[2] or repr(call)


def to_call(call: C, what: str) -> C:
    """Return a callable; ``what`` names it in the error."""
    if not callable(call):
        raise TypeError(f"{call!r} cannot be called: {what} has to be a callable")
    return call


def whole(number: int, what: str) -> int:
    """Return a whole number; ``what`` names it in the error."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{what} is a whole number, and not {number!r}")
    return number


def margin_ns(tolerance: Tolerance, of_ns: int) -> int:
    """Return a tolerance of a length of time, in nanoseconds.

    Raises:
        TypeError, ValueError: for what is neither a share nor a length of time, or is negative.
    """
    if not isinstance(tolerance, Fraction) and not (isinstance(tolerance, str) and tolerance.endswith(_SHARES)):
        return positive_ns(tolerance, "tolerance")
    share_ppb = rate_ppb(tolerance)
    if share_ppb < 0:
        raise ValueError(f"tolerance cannot be negative, and {tolerance!r} is")
    return of_ns * share_ppb // PPB


_SHARES = ("%", "ppm", "ppb")


def at_once(call: Callable[[], R], what: str) -> R:
    """Return a callable's answer, which must not have to be awaited: a look happens between two instants.

    Raises:
        TypeError: if it does.
    """
    answer = call()
    if isawaitable(answer):
        getattr(answer, "close", lambda: None)()
        raise TypeError(f"{what} is async, and is asked while time stands still: give a callable that answers at once")
    return answer
