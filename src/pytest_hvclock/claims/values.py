"""Claims about what calls give: identifiers, answers at all, and what was written."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any, ParamSpec, TypeVar, Unpack, cast

from pytest_hvclock.claims.base import CallClaim, Claim, ClaimSettings, at_once, name_of, to_call
from pytest_hvclock.units import seconds_text

P = ParamSpec("P")
R = TypeVar("R")


def order(
    make: Callable[P, R], *, key: Callable[[R], Any] | None = None, **settings: Unpack[ClaimSettings]
) -> Claim[Callable[P, R]]:
    """Claim that identifiers are present, unique and increasing: the block calls ``as make``.

    One is compared with those whose calls were over when its own began, so that threads may race.

    Args:
        make: makes an identifier; None is none.
        key: what to compare, if not the identifier itself.
        settings: those of every claim; moments are told by default in true time.

    Raises:
        ClaimError: for one that is missing, was there before, or sorts before an earlier one.
    """
    return _Order(make, key, **settings)


def availability(
    call: Callable[P, R], *, allowed: tuple[type[Exception], ...] = (), **settings: Unpack[ClaimSettings]
) -> Claim[Callable[P, R]]:
    """Claim that a call does not raise: the block calls ``as call``. The exception goes on.

    Args:
        call: what must work.
        allowed: exceptions that are no outage.
        settings: those of every claim; moments are told by default in true time.

    Raises:
        ClaimError: at the end of the block, from the exception.
    """
    return _Availability(call, allowed, **settings)


def durability(
    write: Callable[[R], object],
    *,
    read: Callable[[], Container[R] | Iterable[R]],
    **settings: Unpack[ClaimSettings],
) -> Claim[Callable[[R], object]]:
    """Claim that all that was written can be read: the block calls ``as write``.

    Args:
        write: writes one record; one that raises has not written it.
        read: returns everything that can be read, once the block is over: a text, or a collection of records.
        settings: those of every claim; moments are told by default in true time.

    Raises:
        ClaimError: at the end of the block, for records that are gone.
    """
    return _Durability(write, read, **settings)


class _Order(CallClaim[P, R]):
    def __init__(self, make: Callable[P, R], key: Callable[[R], Any] | None, **settings: Unpack[ClaimSettings]) -> None:
        super().__init__(make, "order of", "true", **settings)
        self._key = key
        self._highest: Any = None
        self._seen: set[Any] = set()

    def _called(self) -> Any:
        super()._called()
        return self._highest

    def _answered(self, token: Any, answer: Any) -> None:
        if not self._open:
            return
        value = self._key(answer) if self._key is not None and answer is not None else answer
        number = f"identifier {self._calls}, {self._of(self._passed_ns)} after the beginning,"
        if value is None:
            self._broken(f"{number} is missing: None", "an order, a log line or a row is lost")
            return
        if value in self._seen:
            self._broken(f"{number} was there before: {answer!r}", "two things have one identity, and one is lost")
        elif token is not None and value <= token:
            self._broken(
                f"{number} sorts before an earlier one: {answer!r} comes after {token!r}",
                "'newest first', replication and every index by identifier go wrong",
            )
        self._seen.add(value)
        if self._highest is None or value > self._highest:
            self._highest = value

    def _broken(self, what: str, why: str) -> None:
        self._fail(
            what,
            why=why,
            do="remember the last time stamp, and go on from it while the wall clock is behind it",
            meant="compare something else with key=, or claim availability only",
        )


class _Availability(CallClaim[P, R]):
    def __init__(
        self, call: Callable[P, R], allowed: tuple[type[Exception], ...], **settings: Unpack[ClaimSettings]
    ) -> None:
        super().__init__(call, "availability of", "true", **settings)
        self._tolerated = allowed

    def _raised(self, token: Any, failure: Exception) -> None:  # noqa: ARG002  (a call's own)
        if self._open and not isinstance(failure, self._tolerated):
            self._fail(
                f"call {self._calls} raised {type(failure).__name__}: {failure}, {self._of(self._passed_ns)} after the "
                "beginning",
                why="whoever calls it fails, and mostly nobody expects that of a clock",
                do="let it wait, or go on from the last time stamp, instead of refusing a clock that was set back",
                meant=f"allowed=({type(failure).__name__},)",
                at_once=False,
            )


class _Durability(CallClaim[[R], object]):
    def __init__(
        self,
        write: Callable[[R], object],
        read: Callable[[], Container[R] | Iterable[R]],
        **settings: Unpack[ClaimSettings],
    ) -> None:
        super().__init__(write, "durability of", "true", **settings)
        self._read = to_call(read, "read=")
        self._written: list[tuple[R, int]] = []

    def _begin(self) -> Callable[[R], object]:
        watch = super()._begin()

        def write(record: R) -> object:
            answer = watch(record)
            self._written.append((record, self._passed_ns))
            return answer

        return write

    def _end(self) -> None:
        super()._end()
        found: Any = at_once(self._read, f"the read of {name_of(self._call)}")
        content = cast("Container[object]", found) if isinstance(found, Container) else list(found)
        gone = [(record, at_ns) for record, at_ns in self._written if record not in content]
        if gone:
            record, at_ns = gone[0]
            self._fail(
                f"{len(gone)} of {len(self._written)} records are gone; the first is {record!r}, written "
                f"{seconds_text(at_ns)} after the beginning",
                why="what was promised to be kept is lost for good, mostly when it is needed",
                do="never name, overwrite or delete a file by the wall clock alone: look whether it is there first",
                meant="read= has to return what was archived and rotated as well",
            )
