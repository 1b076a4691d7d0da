"""The verbs of freezegun and of time-machine, on a guest: a file that uses them is adopted by one line of import.

``from pytest_hvclock.migration import freeze_time`` stands where ``from freezegun import freeze_time`` stood, and
``from pytest_hvclock.migration import travel`` where ``from time_machine import travel`` did. Where no guest is
running, one is made that starts at the destination; where one is, its wall clock is set, and set back at the end. So a
file that has been adopted can be run with ``--hvclock=SCENARIO``, too; the guest of a decorated test then starts there.

freezegun's ``tick`` and ``move_to`` move every clock that it fakes: on a guest, time passes (*advance*), or, backwards,
somebody sets the wall clock (*step*). time-machine's ``shift`` and ``move_to`` leave the monotonic clock alone: *step*.
"""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from fractions import Fraction
from functools import wraps
from importlib import import_module
from types import TracebackType
from typing import Any, Generic, TypeVar, cast
from zoneinfo import ZoneInfo

from pytest_hvclock.model.guest import Guest
from pytest_hvclock.model.host import Host
from pytest_hvclock.running import Running, active, active_guest, process_zone
from pytest_hvclock.running.counters import real_time_ns
from pytest_hvclock.units import NS_PER_S, duration_ns, instant_ns, iso

Moment = datetime | date | timedelta | str | int | float | None
Destination = Moment | Callable[[], Moment] | Generator[Moment]
"""Where to: what freezegun and time-machine take. A naive ``datetime`` and a ``date`` are UTC, a ``timedelta`` is from
now, a number is seconds since 1970, ``None`` is now, and a function or a generator answers with one of those."""

STAY = "_hvclock_stay"
"""Under this name a decorated test or class keeps the settings of the guest that it wants, if it is put on one."""

T = TypeVar("T")


class Hand:
    """Moves the wall clock of a guest, and remembers how far."""

    def __init__(self, guest: Guest) -> None:
        """Take the guest in hand."""
        self.guest: Guest = guest
        """The guest that the code under test runs on, for everything that freezegun and time-machine cannot do."""
        self.moved_ns: int = 0
        """How far this hand has set the guest's wall clock, in nanoseconds: positive is forward."""

    def step(self, by_ns: int) -> None:
        """Set the wall clock by so many nanoseconds; no other clock moves."""
        if by_ns:
            self.guest.step(by_ns)
            self.moved_ns += by_ns

    def put_back(self) -> None:
        """Undo what was set; time that has passed has passed."""
        self.step(-self.moved_ns)


class Frozen(Hand):
    """What ``freeze_time`` gives: freezegun's ``FrozenDateTimeFactory`` on a guest."""

    @property
    def time_to_freeze(self) -> datetime:
        """The guest's wall clock: naive, UTC, and rounded down to the microsecond."""
        return datetime(1970, 1, 1) + timedelta(microseconds=self.guest.wall_ns // 1_000)  # noqa: DTZ001  (as theirs)

    def __call__(self) -> datetime:
        """Return ``time_to_freeze``."""
        return self.time_to_freeze

    def tick(self, delta: timedelta | float = 1) -> datetime:
        """Let time pass, or, if ``delta`` is negative, set the wall clock back; returns the new time.

        Args:
            delta: a ``timedelta``, or seconds.
        """
        self._go(_length_ns(delta))
        return self.time_to_freeze

    def move_to(self, target_datetime: Destination) -> None:
        """Let time pass until ``target_datetime``, or, if that is earlier, set the wall clock back to it."""
        self._go(_resolved(target_datetime, UTC)[0] - self.guest.wall_ns)

    def _go(self, by_ns: int) -> None:
        if by_ns < 0:
            self.step(by_ns)
        else:
            self.guest.advance(by_ns)


class Traveller(Hand):
    """What ``travel`` gives: time-machine's ``Traveller`` on a guest."""

    def shift(self, delta: timedelta | float) -> None:
        """Set the wall clock forward or, with a negative ``delta``, back; the monotonic clock is left alone.

        Args:
            delta: a ``timedelta``, or seconds.
        """
        self.step(_length_ns(delta))

    def move_to(self, destination: Destination, tick: bool | None = None) -> None:  # noqa: FBT001  (time-machine's)
        """Set the wall clock to ``destination``; the monotonic clock is left alone.

        Raises:
            ValueError: if ``tick`` is not what the guest does already: whether it ticks is settled when it begins.
        """
        live = _ticks()
        if tick is not None and tick != live:
            does, other = ("ticks", "stepped") if live else ("does not tick", "live")
            raise ValueError(
                f"this guest {does}, and cannot change that: begin with travel(..., tick={tick}), or give the test "
                f'@pytest.mark.hvclock(pace="{other}")'
            )
        self.step(_resolved(destination, None)[0] - self.guest.wall_ns)


H = TypeVar("H", bound=Hand)


class Travel(Generic[H]):
    """A stay at another time: a context manager, a decorator of functions and classes, or ``start`` and ``stop``."""

    def __init__(  # noqa: PLR0913  (what the two libraries take)
        self, hand: type[H], start_ns: int, *, zone: str | None, ticks: bool, as_arg: bool = False, as_kwarg: str = ""
    ) -> None:
        """Prepare a stay.

        Args:
            hand: what ``start`` returns.
            start_ns: where it begins, in nanoseconds of UTC since 1970.
            zone: the process's own time zone meanwhile; None leaves it alone.
            ticks: whether time goes on with the real monotonic clock, if a guest is made.
            as_arg: hand the hand to a decorated function as its first argument.
            as_kwarg: hand it as a keyword argument of this name, unless empty.
        """
        self._hand = hand
        self._start_ns = start_ns
        self._zone = zone
        self._pace = "live" if ticks else "stepped"
        self._as_arg, self._as_kwarg = as_arg, as_kwarg
        self._entered: list[ExitStack] = []

    def settings(self) -> dict[str, str]:
        """Return the settings of the marker ``hvclock`` that put a test there."""
        zone = {"zone": self._zone} if self._zone is not None else {}
        return {"start": iso(self._start_ns), "pace": self._pace, **zone}

    def start(self) -> H:
        """Begin the stay; returns what moves its clock."""
        with ExitStack() as entered:
            running = active_guest()
            if running is None:
                guest = Host(start=iso(self._start_ns)).guest(timesync="off")
                entered.enter_context(Running(guest, pace=self._pace, zone=self._zone))
                hand = self._hand(guest)
            else:
                hand = self._hand(running)
                entered.callback(hand.put_back)
                hand.step(self._start_ns - running.wall_ns)
                entered.enter_context(process_zone(self._zone))
            self._entered.append(entered.pop_all())
        return hand

    def stop(self) -> None:
        """End the stay that began last."""
        self._entered.pop().close()

    def __enter__(self) -> H:
        """Begin the stay."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.stop()

    async def __aenter__(self) -> H:
        """Begin the stay."""
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.stop()

    def __call__(self, wrapped: T) -> T:
        """Decorate a function, which may be async, or a class, each of whose tests is then a stay of its own."""
        if isinstance(wrapped, type):
            self._decorate(cast("type[Any]", wrapped))
        else:
            wrapped = cast("T", self._around(cast("Callable[..., Any]", wrapped), hands_over=True))
        setattr(wrapped, STAY, self.settings())
        return wrapped

    def _decorate(self, kind: type[Any]) -> None:
        if issubclass(kind, unittest.TestCase):
            for name in ("setUpClass", "tearDownClass"):
                setattr(kind, name, classmethod(self._around(getattr(kind, name).__func__)))
            setattr(kind, "run", self._around(kind.run))  # noqa: B010  (no type has a method that is assigned)
            return
        for name, value in inspect.getmembers_static(kind, inspect.isfunction):
            if not name.startswith("_"):
                setattr(kind, name, self._around(value, hands_over=True))

    def _around(self, function: Callable[..., Any], *, hands_over: bool = False) -> Callable[..., Any]:
        """Return ``function`` with a stay around it."""
        as_arg, as_kwarg = (self._as_arg, self._as_kwarg) if hands_over else (False, "")

        def given(hand: H, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return (hand, *args) if as_arg else args, {**kwargs, as_kwarg: hand} if as_kwarg else kwargs

        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with self as hand:
                    args, kwargs = given(hand, args, kwargs)
                    return await function(*args, **kwargs)

            return awaited
        if inspect.isgeneratorfunction(function):

            @wraps(function)
            def generated(*args: Any, **kwargs: Any) -> Iterator[Any]:
                with self as hand:
                    args, kwargs = given(hand, args, kwargs)
                    yield from function(*args, **kwargs)

            return generated

        @wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with self as hand:
                args, kwargs = given(hand, args, kwargs)
                return function(*args, **kwargs)

        return called


def freeze_time(  # noqa: PLR0913, PLR0917  (freezegun's)
    time_to_freeze: Destination = None,
    tz_offset: float | timedelta = 0,
    ignore: Sequence[str] | None = None,
    tick: bool = False,  # noqa: FBT001, FBT002
    as_arg: bool = False,  # noqa: FBT001, FBT002
    as_kwarg: str = "",
    auto_tick_seconds: float = 0,
    real_asyncio: bool = False,  # noqa: FBT001, FBT002, ARG001  (loops wait on the guest, and hang neither way)
) -> Travel[Frozen]:
    """Put code on a guest that starts at ``time_to_freeze``: freezegun's ``freeze_time``.

    Args:
        time_to_freeze: where it starts. Text without an offset is UTC.
        tz_offset: hours, or a ``timedelta``: how far the process's local time is ahead of UTC meanwhile.
        ignore: nothing: a guest is for the whole process.
        tick: let time go on with the real monotonic clock. Else it stands still but for waits, which return at once.
        as_arg: give a decorated function what moves the clock as its first argument.
        as_kwarg: give it as this keyword argument.
        auto_tick_seconds: 0: no reading moves a guest's clock.
        real_asyncio: of no effect: an event loop waits on the guest, and hangs neither way.

    Raises:
        ValueError: for what a guest does not do, or text that is no time.
    """
    if ignore:
        raise ValueError(
            f"freeze_time(ignore={list(ignore)!r}) has no meaning on a guest, which is for the whole process: leave it "
            "out, or stay with freezegun in this file"
        )
    if auto_tick_seconds:
        raise ValueError(
            f"freeze_time(auto_tick_seconds={auto_tick_seconds!r}) has no meaning on a guest, whose clocks no reading "
            "moves: let time pass with tick(), or stay with freezegun in this file"
        )
    start_ns, _ = _resolved(time_to_freeze, UTC)
    zone = zone_ahead(tz_offset)
    return Travel(Frozen, start_ns, zone=zone, ticks=tick, as_arg=as_arg, as_kwarg=as_kwarg)


def travel(destination: Destination, *, tick: bool = True) -> Travel[Traveller]:
    """Put code on a guest that starts at ``destination``: time-machine's ``travel``.

    Args:
        destination: where it starts. Text without an offset is local time; a ``datetime`` in a ``ZoneInfo``, or in UTC,
            also sets the process's own time zone meanwhile.
        tick: let time go on with the real monotonic clock. Else it stands still but for waits, which return at once.

    Raises:
        ValueError: for text that is no time.
        TypeError: for what is no destination.
    """
    start_ns, zone = _resolved(destination, None)
    return Travel(Traveller, start_ns, zone=zone, ticks=tick)


def zone_ahead(by: float | timedelta) -> str:
    """Return the name of the time zone that is so many hours ahead of UTC.

    Raises:
        ValueError: for a part of an hour, for which there is no such name.
    """
    hours = Fraction(duration_ns(by), 3_600 * NS_PER_S) if isinstance(by, timedelta) else Fraction(by)
    if hours.denominator != 1:
        raise ValueError(
            f"no time zone has the name of {float(hours)} h ahead of UTC: leave tz_offset out, and name a zone, as in "
            '@pytest.mark.hvclock(zone="Asia/Kolkata")'
        )
    return f"Etc/GMT{-int(hours):+d}" if hours else "UTC"  # whose sign is the other way round


def _ticks() -> bool:
    """Whether the guest that runs goes on with the real monotonic clock."""
    running = active()
    return running is not None and running.pace == "live"


def _length_ns(delta: timedelta | float) -> int:
    """Return how long a ``timedelta``, or a number of seconds, is; a float is taken for exactly what it is."""
    return duration_ns(delta) if isinstance(delta, timedelta) else round(Fraction(delta) * NS_PER_S)


def _resolved(destination: Destination, naive: tzinfo | None) -> tuple[int, str | None]:
    """Return a destination in nanoseconds of UTC since 1970, and the name of the time zone that it is in, if any.

    Text without an offset is in the zone ``naive``, or, without one, in the process's own.
    """
    if isinstance(destination, Generator):
        destination = next(cast("Iterator[Moment]", destination))
    elif callable(destination):
        destination = destination()
    if destination is None or isinstance(destination, timedelta):
        guest = active_guest()
        now_ns = guest.wall_ns if guest is not None else real_time_ns()
        return now_ns + (duration_ns(destination) if destination is not None else 0), None
    if isinstance(destination, int | float):
        return _length_ns(destination), None
    if isinstance(destination, str):
        moment = _parsed(destination)
        return instant_ns(moment if moment.tzinfo else moment.replace(tzinfo=naive).astimezone(naive)), None
    if not isinstance(destination, date):
        raise TypeError(
            f"{destination!r} is no destination: write a datetime, a date, ISO 8601 text, seconds since 1970, or a "
            "timedelta from now"
        )
    moment = destination if isinstance(destination, datetime) else datetime.combine(destination, time())
    zone = moment.tzinfo.key if isinstance(moment.tzinfo, ZoneInfo) else "UTC" if moment.tzinfo == UTC else None
    return instant_ns(moment if moment.tzinfo else moment.replace(tzinfo=UTC)), zone


def _parsed(text: str) -> datetime:
    """Return the time that a text says, by dateutil if it is not ISO 8601, as both libraries do."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        try:
            parse = import_module("dateutil.parser").parse
        except ImportError:
            raise ValueError(
                f'{text!r} is not ISO 8601: write text such as "2026-01-01T00:00:00Z", or install python-dateutil'
            ) from None
        moment: datetime = parse(text)
        return moment
