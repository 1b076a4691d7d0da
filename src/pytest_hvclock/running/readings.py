"""Readings that remember: of which clock they are, on which side of a step they were taken, and by which line.

While ``Running.remember`` holds, what a program reads are instances of ``FloatReading``, ``IntReading`` and
``DatetimeReading``: subclasses of ``float``, ``int`` and ``datetime`` that compute, compare, hash, print, pickle and
copy as those do. Arithmetic with plain numbers and ``timedelta`` keeps the memory, so ``time.time() + 60`` is a reading
too. A reading that is subtracted from another of the same clock, or compared with one, is a ``Meeting``, and
``Memories`` tells of it: ``Meeting.crossed`` says whether there was a step between the two, ``Meeting.use`` what they
were used for. What a reading is used for that meets no other, ``Memories.listen`` tells: a ``timestamp`` if it is
written as text or pickled, a ``deadline`` if it is compared with another time that has no memory, a ``duration`` if
one is subtracted.

The memory is lost by ``int(...)``, ``float(...)`` and ``str(...)``, by a file, a database or a pickle, in a ``date`` or
a ``struct_time``, in a subclass of ``datetime``, and in what C code computes. What these readings cannot hide is their
type: ``type(time.time()) is float`` is false. So nobody judges a run in which readings remember by its outcome.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple, Self, cast

from pytest_hvclock.model.guest import Guest
from pytest_hvclock.running.reader import Reader
from pytest_hvclock.running.recorder import Site, is_the_programs, kit, place_of
from pytest_hvclock.running.references import put_in_class
from pytest_hvclock.timeline import Place

_getframe = sys._getframe
_datetime = dt.datetime


class Memory(NamedTuple):
    """What a reading remembers."""

    clock: str
    """``wall``, ``monotonic``, ``raw`` or ``boottime``."""
    side: tuple[int, int]
    """Which life of the guest it was read in, and for the wall clock, after how many sets of it."""
    site: Site
    of: Memories
    shifted: bool = False
    """Whether arithmetic has made another time of it, such as a deadline."""

    @property
    def place(self) -> Place:
        """The line that read."""
        return place_of(self.site)


class Meeting(NamedTuple):
    """One reading compared with another of the same clock, or subtracted from it."""

    how: str
    """``-``, ``<``, ``<=``, ``>``, ``>=``, ``==`` or ``!=``."""
    one: Memory
    other: Memory
    site: Site

    @property
    def place(self) -> Place:
        """The line at which they met."""
        return place_of(self.site)

    @property
    def crossed(self) -> bool:
        """Whether they were read on two sides of a step."""
        return self.one.side != self.other.side

    @property
    def use(self) -> str:
        """What they were used for: a ``deadline`` if one was shifted, a ``duration``, or their ``order``."""
        if self.one.shifted or self.other.shifted:
            return "deadline"
        return "duration" if self.how == "-" else "order"


class Memories:
    """What the readings of one guest remember, and who is told when two of them meet."""

    def __init__(self, guest: Guest, tell: Callable[[Meeting], None]) -> None:
        """Call ``tell`` with each meeting at a line of the program, until ``forget`` is called."""
        self._guest = guest
        self._tell = [tell]
        self._tell_use: Callable[[str, Memory], None] | None = None

    def listen(self, tell: Callable[[Meeting], None], tell_use: Callable[[str, Memory], None]) -> None:
        """Tell of meetings here too, and of what a reading is used for that meets no other."""
        self._tell = list(dict.fromkeys([*self._tell, tell]))
        self._tell_use = tell_use

    def forget(self) -> None:
        """Tell nobody of anything from now on: readings that a program has kept are numbers like any others."""
        self._tell, self._tell_use = [], None

    def remember(self, clock: str) -> Memory:
        """Return what a reading that is taken now remembers."""
        guest = self._guest
        sets = sum(entry.times for entry in guest.clock_sets) if clock == "wall" else 0
        return Memory(clock, (guest._lived_as, sets), _site(), self)

    def reading(self, clock: str, value_ns: int) -> int:
        """Return a reading that is taken now, in nanoseconds."""
        found: int = _kept(int(value_ns), self.remember(clock))
        return found

    def meet(self, how: str, one: Memory, other: Memory) -> None:
        """Tell of a meeting, if both are of the same clock of this guest."""
        if self._tell and other.of is self and one.clock == other.clock:
            site = _site()
            if is_the_programs(site[0]):
                for tell in self._tell:
                    tell(Meeting(how, one, other, site))

    def use(self, what: str, one: Memory) -> None:
        """Tell what a reading is used for by a line of the program, if somebody listens."""
        if self._tell_use is not None and is_the_programs(_site()[0]):
            self._tell_use(what, one)


def memory_of(value: object) -> Memory | None:
    """Return what a value remembers, or None if it is no reading or has lost its memory."""
    return value.memory if isinstance(value, FloatReading | IntReading | DatetimeReading) else None


def _site() -> Site:
    """Return the innermost place outside the kit; of a comparison that an assertion makes, who asserts."""
    frame: Any = _getframe(2)
    ours = kit()
    while frame.f_back is not None and (
        id(frame.f_globals) in ours or str(frame.f_globals.get("__name__", "")).startswith("unittest.")
    ):
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


# ------------------------------------------------------------------------------------------------------ the numbers


def _plain(value: Any) -> Any:
    """Return a reading as what it would have been, and anything else as it is."""
    if isinstance(value, FloatReading):
        return float(value)
    if isinstance(value, IntReading):
        return int(value)
    return value._plain() if isinstance(value, DatetimeReading) else value


def _kept(value: Any, memory: Memory | None) -> Any:
    """Return a plain number or datetime as a reading with a memory, and anything else as it is."""
    kind = _KINDS.get(type(cast("object", value)))
    if kind is None or memory is None:
        return value
    reading = kind(value) if kind is not DatetimeReading else _as_reading(value)
    reading.memory = memory
    return reading


def _shifted(value: Any, memory: Memory | None) -> Any:
    return _kept(value, memory._replace(shifted=True) if memory is not None else None)


def _computed(operate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return arithmetic that only changes the unit or the fineness of a reading."""
    return lambda self, other: _kept(operate(_plain(self), _plain(other)), self.memory)


def _add(self: Any, other: Any) -> Any:
    return _shifted(_plain(self) + _plain(other), self.memory)


def _subtract(self: Any, other: Any) -> Any:
    """Subtract: of two readings a meeting, of a span another time, and of another time that is none a span."""
    found = _plain(self) - _plain(other)
    memory = memory_of(other)
    if memory is not None and self.memory is not None:
        self.memory.of.meet("-", self.memory, memory)
        return found
    if _is_a_time(found, self):
        return _shifted(found, self.memory)
    _used("duration", self)
    return found


def _is_a_time(value: Any, reading: Any) -> bool:
    """Whether a value can be a time like a reading, rather than a length of time or a small number."""
    return isinstance(value, _datetime) or (isinstance(value, int | float) and 2 * value > _plain(reading))


def _compared(how: str, operate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def compare(self: Any, other: Any) -> Any:
        memory = memory_of(other)
        if memory is not None and self.memory is not None:
            self.memory.of.meet(how, self.memory, memory)
        elif memory is None and _is_a_time(other, self):
            _used("deadline", self)
        return operate(_plain(self), _plain(other))

    return compare


def _used(what: str, reading: Any) -> None:
    if reading.memory is not None:
        reading.memory.of.use(what, reading.memory)


def _written(write: Callable[..., str]) -> Callable[..., str]:
    """Return what writes a reading as its base does, and tells of it."""

    def written(self: Any, *given: Any, **named: Any) -> str:
        _used("timestamp", self)
        return write(self, *given, **named)

    return written


class _Remembers:
    """What all kinds of readings have."""

    memory: Memory | None = None

    __add__ = __radd__ = _add
    __sub__ = _subtract
    __lt__ = _compared("<", operator.lt)
    __le__ = _compared("<=", operator.le)
    __gt__ = _compared(">", operator.gt)
    __ge__ = _compared(">=", operator.ge)
    __eq__ = _compared("==", operator.eq)
    __ne__ = _compared("!=", operator.ne)
    __hash__ = object.__hash__  # each kind has that of its base

    def __copy__(self) -> Self:
        """Be copied as numbers are: not at all."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Be copied as numbers are: not at all."""
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Be pickled as a plain value."""
        _used("timestamp", self)
        found: Any = _plain(self)
        return found.__reduce_ex__(protocol) if isinstance(found, _datetime) else (type(found), (found,))


class _Number(_Remembers):
    """What readings have that are numbers."""

    __mul__ = __rmul__ = _computed(operator.mul)
    __truediv__ = _computed(lambda one, other: one / other)
    __floordiv__ = _computed(lambda one, other: one // other)
    __mod__ = _computed(operator.mod)

    def __divmod__(self, other: Any) -> Any:
        """Divide; the quotient is still a time."""
        quotient, rest = divmod(_plain(self), _plain(other))
        return _kept(quotient, self.memory), rest

    def __round__(self, digits: Any = None) -> Any:
        """Round."""
        return _kept(round(_plain(self), digits), self.memory)

    def __floor__(self) -> Any:
        """Round down."""
        return _kept(math.floor(_plain(self)), self.memory)

    def __ceil__(self) -> Any:
        """Round up."""
        return _kept(math.ceil(_plain(self)), self.memory)


class FloatReading(_Number, float):
    """A reading in seconds, or in whatever it was multiplied to."""

    __str__ = _written(float.__repr__)
    __format__ = _written(float.__format__)
    __hash__ = float.__hash__


class IntReading(_Number, int):
    """A reading in nanoseconds, or in whatever it was divided to."""

    __str__ = _written(int.__repr__)
    __format__ = _written(int.__format__)
    __and__ = _computed(lambda one, other: one & other)
    __or__ = _computed(lambda one, other: one | other)
    __lshift__ = _computed(lambda one, other: one << other)
    __rshift__ = _computed(lambda one, other: one >> other)
    __hash__ = int.__hash__


class DatetimeReading(_Remembers, _datetime):
    """A reading as a date and time."""

    __str__ = _written(_datetime.__str__)
    __format__ = _written(_datetime.__format__)
    isoformat = _written(_datetime.isoformat)
    strftime = _written(_datetime.strftime)
    __hash__ = _datetime.__hash__

    def timestamp(self) -> Any:
        """Return seconds since 1970."""
        return _kept(_datetime.timestamp(self), self.memory)

    def replace(self, *values: Any, **named: Any) -> Any:
        """Return another time."""
        return _kept(self._plain().replace(*values, **named), self.memory)

    def astimezone(self, tz: dt.tzinfo | None = None) -> Any:
        """Return the same time in a zone."""
        return _kept(self._plain().astimezone(tz), self.memory)

    def __rsub__(self, other: Any) -> Any:
        """Subtract from another time, which is no reading."""
        return other - self._plain()

    def __repr__(self) -> str:
        """Write it as the base does."""
        return repr(self._plain())

    def _plain(self) -> dt.datetime:
        return _datetime(
            self.year, self.month, self.day, self.hour, self.minute, self.second, self.microsecond, self.tzinfo,
            fold=self.fold,
        )  # fmt: skip


def _as_reading(value: Any) -> DatetimeReading:
    return DatetimeReading(
        value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, value.tzinfo,
        fold=value.fold,
    )  # fmt: skip


_KINDS: dict[type, Any] = {float: FloatReading, int: IntReading, _datetime: DatetimeReading}


# ---------------------------------------------------------------------------------------------- how a program gets them


class RememberingReader:
    """Reads through another reader, and gives out readings that remember."""

    __slots__ = ("_memories", "_reader")

    def __init__(self, reader: Reader, memories: Memories) -> None:
        """Read ``reader``."""
        self._reader = reader
        self._memories = memories

    @property
    def true(self) -> int:
        """True time, which no program reads."""
        return self._reader.true

    @property
    def wall(self) -> int:
        """Read the wall clock."""
        return self._memories.reading("wall", self._reader.wall)

    @property
    def monotonic(self) -> int:
        """Read CLOCK_MONOTONIC."""
        return self._memories.reading("monotonic", self._reader.monotonic)

    @property
    def raw(self) -> int:
        """Read CLOCK_MONOTONIC_RAW."""
        return self._memories.reading("raw", self._reader.raw)

    @property
    def boottime(self) -> int:
        """Read CLOCK_BOOTTIME."""
        return self._memories.reading("boottime", self._reader.boottime)

    def wall_ns(self) -> int:
        """Read the wall clock."""
        return self.wall

    def refresh(self) -> None:
        """Refresh what lies below."""
        self._reader.refresh()


def remembering_datetimes(memories: Memories) -> Callable[[], None]:
    """Let what ``datetime`` reads remember too, on top of whatever engine is in place; returns what ends that."""
    with ExitStack() as undo:
        for kind, name in _METHODS:
            before: Any = vars(kind)[name]
            undo.callback(put_in_class, kind, name, before)
            put_in_class(kind, name, classmethod(_remembering(before, memories, converts="timestamp" in name)))
        return undo.pop_all().close


_METHODS = (
    (_datetime, "now"),
    (_datetime, "utcnow"),
    (_datetime, "fromtimestamp"),
    (_datetime, "utcfromtimestamp"),
    (dt.date, "today"),
)


def _remembering(before: Any, memories: Memories, *, converts: bool) -> Callable[..., Any]:
    """Return what reads a date and time as ``before`` does, or converts a reading to one."""

    def read(kind: type, *given: Any, **named: Any) -> Any:
        found = before.__get__(None, _datetime if kind is DatetimeReading else kind)(*given, **named)
        if type(found) is not _datetime:
            return found
        return _kept(found, memory_of(given[0]) if converts and given else memories.remember("wall"))

    return read
