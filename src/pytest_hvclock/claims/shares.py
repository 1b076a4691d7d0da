"""Claims about what is limited: calls, locks, connections."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, TypeVar, Unpack

from pytest_hvclock.claims.base import CallClaim, Claim, ClaimSettings, Tolerance, margin_ns, whole
from pytest_hvclock.units import Duration, positive_ns, seconds_text

P = ParamSpec("P")
R = TypeVar("R")


def rate(
    hit: Callable[P, R],
    *,
    limit: int,
    per: Duration,
    kind: Literal["moving", "fixed", "bucket"] = "moving",
    tolerance: Tolerance = "2 %",
    **settings: Unpack[ClaimSettings],
) -> Claim[Callable[P, R]]:
    """Claim that a limit is kept, and that nobody is refused while there is room: the block calls ``as hit``.

    Args:
        hit: asks for a grant: a true answer is one; a false one or an exception is a refusal.
        limit: so many grants.
        per: in so much time, by default true time; say ``judged_by="guest"`` for a limit private to the process.
        kind: ``"moving"``: never more in any window; ``"fixed"``: in windows one after the other, so that two of them
            may meet; ``"bucket"``: a burst of the limit, which fills up again evenly.
        tolerance: how far a window's end may be off.
        settings: those of every claim.

    Raises:
        ClaimError: for a grant too many, and for a refusal without a reason.
        ValueError: for a limit that makes no sense.
    """
    return _Rate(hit, limit, per, kind, tolerance, **settings)


def exclusion(*, lease: Duration, tolerance: Tolerance = "2 %", **settings: Unpack[ClaimSettings]) -> Exclusion:
    """Claim that a lock has one owner while the lease runs, and that a dead owner's lease ends.

    The block tells what became of each try: ``with exclusion(lease="30 s") as lock``, then ``lock.acquired(owner)``,
    ``lock.renewed(owner)``, ``lock.released(owner)`` and ``lock.refused(owner)``.

    Args:
        lease: how long a lock is held unless it is renewed, by default in true time.
        tolerance: how far its end may be off.
        settings: those of every claim.

    Raises:
        ClaimError: for a second owner, and for a refusal when nobody holds the lock.
        ValueError: for a length of time that makes no sense.
    """
    return Exclusion(lease, tolerance, **settings)


def economy(
    make: Callable[P, R], *, at_most: int, per: Duration | None = None, **settings: Unpack[ClaimSettings]
) -> Claim[Callable[P, R]]:
    """Claim that there is no storm of creations, connections or refreshes: the block hands out ``as make``.

    Args:
        make: what is to be called rarely.
        at_most: so often.
        per: in so much time, by default in the guest's running time; None: in the whole block.
        settings: those of every claim.

    Raises:
        ClaimError: for a call too many, at once in the block's own thread: a storm may have no end.
        ValueError: for a limit that makes no sense.
    """
    return _Economy(make, at_most, per, **settings)


class _Rate(CallClaim[P, R]):
    def __init__(
        self,
        hit: Callable[P, R],
        limit: int,
        per: Duration,
        kind: str,
        tolerance: Tolerance,
        **settings: Unpack[ClaimSettings],
    ) -> None:
        self._per_ns = positive_ns(per, "per")
        if whole(limit, "limit") < 1 or not self._per_ns:
            raise ValueError(f"a limit of {limit} per {per!r} grants nothing: limit and per have to be positive")
        if kind not in ("moving", "fixed", "bucket"):
            raise ValueError(f'unknown kind {kind!r}: use "moving", "fixed" or "bucket"')
        super().__init__(hit, f"rate of {limit} per {seconds_text(self._per_ns)} for", "true", **settings)
        self._limit, self._kind = limit, kind
        self._margin_ns = margin_ns(tolerance, self._per_ns)
        self._grants: list[int] = []

    def _answered(self, token: Any, answer: Any) -> None:  # noqa: ARG002  (a call's own)
        if self._open and answer:
            self._granted()
        elif self._open:
            self._refused()

    def _raised(self, token: Any, failure: Exception) -> None:  # noqa: ARG002  (a call's own)
        if self._open:
            self._refused(f" ({type(failure).__name__}: {failure})")

    def _granted(self) -> None:
        now_ns = self.judge.now_ns
        self._grants.append(now_ns)
        if self._kind == "bucket":
            number, since_ns = self._overflow(now_ns)
            allowed = self._limit + 1 + (now_ns - since_ns) * self._limit // self._per_ns
        else:
            since_ns = now_ns - self._per_ns + self._margin_ns
            number = sum(at_ns > since_ns for at_ns in self._grants)
            allowed = self._limit * (2 if self._kind == "fixed" else 1)
        if number > allowed:
            self._fail(
                f"{number} grants within {self._of(now_ns - since_ns)} (allowed: {allowed}, tolerance "
                f"{seconds_text(self._margin_ns)})",
                why="the limit protects somebody, and was not kept: bans, bills, an overloaded peer",
                do="stamp grants with time.monotonic(), or ask a server whose clock is right",
                meant='another kind of limit is meant: kind="fixed" or "bucket"; or judged_by="guest"',
            )

    def _overflow(self, now_ns: int) -> tuple[int, int]:
        """Return how many grants are too many for a bucket, one left for rounding, and since when; 0 if none."""
        fills_ns = max(self._per_ns - self._margin_ns, 1)
        for index, at_ns in enumerate(self._grants):
            number = len(self._grants) - index
            if (number - self._limit - 1) * fills_ns > (now_ns - at_ns) * self._limit:
                return number, at_ns
        return 0, now_ns

    def _refused(self, said: str = "") -> None:
        now_ns = self.judge.now_ns
        if self._kind == "bucket":
            full = any(
                (len(self._grants) - index + 2 - self._limit) * self._per_ns > (now_ns - at_ns) * self._limit
                for index, at_ns in enumerate(self._grants)
            )
            window_ns = now_ns - self._from_ns
            number = len(self._grants)
        else:
            window_ns = self._per_ns + self._margin_ns
            number = sum(at_ns > now_ns - window_ns for at_ns in self._grants)
            full = number >= self._limit
        if not full:
            self._fail(
                f"refused{said} {self._of(now_ns - self._from_ns)} after the beginning, with {number} grants in the "
                f"last {seconds_text(window_ns)} (limit {self._limit}, tolerance {seconds_text(self._margin_ns)})",
                why="a client is locked out although there is room, for as long as the clock was set back",
                do="stamp grants with time.monotonic(), or ask a server whose clock is right",
                meant='the limit is private to the process: judged_by="guest"; or of another kind: kind="bucket"',
            )


class Exclusion(Claim["Exclusion"]):
    """What became of each try to get a lock; see ``exclusion``."""

    def __init__(self, lease: Duration, tolerance: Tolerance, **settings: Unpack[ClaimSettings]) -> None:
        """Claim that there is one owner at a time."""
        self._lease_ns = positive_ns(lease, "lease")
        super().__init__(f"exclusion with a lease of {seconds_text(self._lease_ns)}", "true", **settings)
        self._margin_ns = margin_ns(tolerance, self._lease_ns)
        self._allowed_ns = self._lease_ns
        self._owner: object = None
        self._since_ns: int | None = None
        self._tries = 0

    def _begin(self) -> Exclusion:
        return self

    def acquired(self, owner: object) -> None:
        """Tell that ``owner`` has got the lock; ClaimError if another's lease still runs."""
        self._tries += 1
        age_ns = self._age_ns()
        if age_ns is not None and owner != self._owner and age_ns < self._lease_ns - self._margin_ns:
            self._took_ns = age_ns
            self._fail(
                f"{owner!r} got the lock while {self._owner!r} had held it for {self._of(age_ns)} "
                f"(lease {seconds_text(self._lease_ns)}, tolerance {seconds_text(self._margin_ns)})",
                why="two owners work on the same thing at once, and both think that they are alone",
                do="let the server that keeps the lock judge its lease, or count it on time.monotonic()",
                meant="tell released(owner) when an owner gives the lock up",
            )
        self._owner, self._since_ns = owner, self.judge.now_ns

    def renewed(self, owner: object) -> None:
        """Tell that ``owner`` has renewed its lease."""
        if owner == self._owner:
            self._since_ns = self.judge.now_ns

    def released(self, owner: object) -> None:
        """Tell that ``owner`` has given the lock up."""
        if owner == self._owner:
            self._owner = self._since_ns = None

    def refused(self, owner: object) -> None:
        """Tell that ``owner`` has not got the lock; ClaimError if nobody's lease runs."""
        self._tries += 1
        age_ns = self._age_ns()
        if age_ns is None or age_ns > self._lease_ns + self._margin_ns:
            held = "nobody holds it" if age_ns is None else f"{self._owner!r} got it {self._of(age_ns)} ago"
            self._took_ns = age_ns
            self._fail(
                f"{owner!r} was refused, and {held} (lease {seconds_text(self._lease_ns)}, tolerance "
                f"{seconds_text(self._margin_ns)})",
                why="a dead owner's lock stays, and the work stands still until somebody takes it away by hand",
                do="let the server that keeps the lock judge its lease, or count it on time.monotonic()",
                meant="tell renewed(owner) when an owner's lease is renewed",
            )

    def _age_ns(self) -> int | None:
        return None if self._since_ns is None else self.judge.now_ns - self._since_ns

    def _end(self) -> None:
        if self._tries < 2:
            self._prove_nothing(
                f"there {'was 1 try' if self._tries else 'were no tries'} to get the lock, so nobody contended",
                "tell acquired(owner) and refused(owner) of two owners",
            )


class _Economy(CallClaim[P, R]):
    def __init__(
        self, make: Callable[P, R], at_most: int, per: Duration | None, **settings: Unpack[ClaimSettings]
    ) -> None:
        if whole(at_most, "at_most") < 0:
            raise ValueError(f"at_most={at_most}: nothing can be called less often than never")
        self._per_ns = positive_ns(per, "per") if per is not None else None
        super().__init__(make, "economy of", "guest", **settings)
        self._at_most = at_most
        self._times: deque[int] = deque()

    def _called(self) -> None:
        if not self._open:
            return
        super()._called()
        now_ns = self.judge.now_ns
        self._times.append(now_ns)
        while self._per_ns is not None and self._times[0] <= now_ns - self._per_ns:
            self._times.popleft()
        if len(self._times) > self._at_most:
            per = f" per {seconds_text(self._per_ns)}" if self._per_ns is not None else ""
            self._fail(
                f"called {len(self._times)} times within {self._of(now_ns - self._times[0])} "
                f"(allowed: {self._at_most}{per})",
                why="a storm of new connections or refreshes falls on whoever is asked, just when all are unwell",
                do="measure ages by time.monotonic(), keep what still works, and back off between tries",
                meant=f"at_most={len(self._times)}",
            )
