"""Durations, rates and instants: what users write, and the integers that everything inside is made of.

One sign convention holds everywhere: *error = guest - true*, so a positive error is a guest that is **ahead**.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from functools import lru_cache

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
NS_PER_TICK = 100
"""One tick of the partition reference counter, in nanoseconds (TLFS, *Partition Reference Counter*)."""
PPB = 1_000_000_000
"""Parts per billion in one: the unit of every rate."""
AS_PER_NS = 1_000_000_000
"""Attoseconds in a nanosecond. 1 ns at a rate error of 1 ppb is exactly 1 as, so no remainder is ever lost."""

Duration = str | timedelta | int
"""Text such as ``"90 s"`` or ``"-1.5 h"``, a ``timedelta``, or integer nanoseconds."""
Rate = str | Fraction | int
"""Text such as ``"+200 ppm"`` or ``"5 %"``, a ``Fraction`` (1/1000 is a clock that gains a thousandth), or 0."""
Instant = str | datetime
"""ISO 8601 text with an offset or ``Z``, or an aware ``datetime``."""
Zone = str | tzinfo
"""An IANA name such as ``"Asia/Tokyo"``, or a ``tzinfo``."""

_DURATION_UNITS = {
    "ns": 1,
    "us": NS_PER_US,
    "µs": NS_PER_US,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3_600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
    "w": 604_800 * NS_PER_S,
}
_RATE_UNITS = {"%": 100, "ppm": 1_000_000, "ppb": PPB}
_REMEMBERED = 256
"""Of so many texts it is remembered what they say: a suite writes few, and each guest that is made reads them."""
_QUANTITY = re.compile(r"\s*([+-]?[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?|[+-]?\.[0-9]+)\s*([^\s\d._]+)\s*")
_ISO = re.compile(r"(.+[T ]\d\d:?\d\d:?\d\d)(?:[.,](\d+))?(Z|z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _quantity(text: str, units: dict[str, int], what: str, example: str) -> tuple[Fraction, int]:
    """Split ``text`` into an exact number and the value of its unit."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a {what}: write a number and a unit, such as {example}")
    number, unit = match.groups()
    if unit not in units:
        raise ValueError(f"unknown unit {unit!r} in the {what} {text!r}: use one of {', '.join(units)}")
    return Fraction(number), units[unit]


@lru_cache(_REMEMBERED)
def _written_ns(text: str) -> int:
    """Return a duration that was written as text."""
    number, unit = _quantity(text, _DURATION_UNITS, "duration", '"90 s" or "-1.5 h"')
    nanoseconds = number * unit
    if nanoseconds.denominator != 1:
        raise ValueError(f"{text!r} is finer than a nanosecond: write a whole number of ns")
    return nanoseconds.numerator


@lru_cache(_REMEMBERED)
def _written_ratio(text: str) -> Fraction:
    """Return a rate error that was written as text."""
    number, unit = _quantity(text, _RATE_UNITS, "rate", '"+200 ppm" or "5 %"')
    return number / unit


def duration_ns(value: Duration) -> int:
    """Return a duration as integer nanoseconds; it may be negative.

    Raises:
        TypeError: for a float, which cannot hold nanoseconds, and for anything that is no duration.
        ValueError: for text without a known unit, or finer than a nanosecond.
    """
    if isinstance(value, bool):
        raise TypeError(f'{value!r} is not a duration: write text such as "90 s", a timedelta, or integer nanoseconds')
    if isinstance(value, int):
        return value
    if isinstance(value, timedelta):
        return value // _MICROSECOND * NS_PER_US
    if isinstance(value, str):
        return _written_ns(value)
    if isinstance(value, float):
        raise TypeError(
            f'the float {value!r} would lose nanoseconds: write "{value!r} s", a timedelta, or integer nanoseconds'
        )
    raise TypeError(f'{value!r} is not a duration: write text such as "90 s", a timedelta, or integer nanoseconds')


def positive_ns(value: Duration, what: str) -> int:
    """Return a duration that must not be negative, as nanoseconds; ``what`` names it in the error."""
    nanoseconds = duration_ns(value)
    if nanoseconds < 0:
        raise ValueError(f"{what} cannot be negative, and {value!r} is: true time only goes forward")
    return nanoseconds


def rate_ppb(value: Rate) -> int:
    """Return a rate error as integer parts per billion, rounded to the nearest (half to even).

    Raises:
        TypeError: for a float, and for an integer other than 0, whose unit nobody could tell.
        ValueError: for text without a known unit, and for a clock that would run backwards.
    """
    if isinstance(value, str):
        ratio = _written_ratio(value)
    elif value == 0 and isinstance(value, int) and not isinstance(value, bool):
        return 0
    elif isinstance(value, Fraction):
        ratio = value
    elif isinstance(value, float):
        raise TypeError(f'the float {value!r} is not an exact rate: write text such as "+200 ppm", or a Fraction')
    else:
        raise TypeError(f'{value!r} is not a rate: write text such as "+200 ppm" or "5 %", or a Fraction')
    if ratio < -1:
        raise ValueError(f"a clock at {value!r} would run backwards: a rate is at least -100 %")
    return round(ratio * PPB)


def flag(value: object, what: str) -> bool:
    """Return a setting that is either on or off; ``what`` names it in the error, for ``"no"`` would be on."""
    if not isinstance(value, bool):
        raise TypeError(f"{what} is either True or False, and not {value!r}")
    return value


def instant_ns(value: Instant) -> int:
    """Return an instant as integer nanoseconds of UTC since 1970; ISO text keeps its nanoseconds.

    Raises:
        TypeError: for what is neither text nor a ``datetime``.
        ValueError: for a naive ``datetime`` or text without an offset, for text that is not ISO 8601, and for text
            finer than a nanosecond.
    """
    if isinstance(value, str):
        moment, decimals = _moment(value)
    elif isinstance(value, datetime):
        moment, decimals = value, ""
    else:
        raise TypeError(
            f'{value!r} is not an instant: write ISO 8601 text such as "2026-01-01T00:00:00Z", or an aware datetime'
        )
    if moment.utcoffset() is None:
        raise ValueError(
            f"{value!r} has no time zone, so it names no instant: end the text with Z or an offset, "
            "or give the datetime a tzinfo"
        )
    if len(decimals) > 9:
        raise ValueError(f"{value!r} is finer than a nanosecond: write at most nine decimals")
    return (moment - _EPOCH) // _MICROSECOND * NS_PER_US + int(decimals.ljust(9, "0"))


@lru_cache(_REMEMBERED)
def _moment(text: str) -> tuple[datetime, str]:
    """Return what ISO text says, and the decimals of its second, which a ``datetime`` has no room for."""
    match = _ISO.fullmatch(text.strip())
    try:
        if match is None:
            return datetime.fromisoformat(text.strip()), ""
        whole, digits, offset = match.groups()
        return datetime.fromisoformat(whole + (offset or "").upper()), (digits or "").rstrip("0")
    except ValueError:
        raise ValueError(f'{text!r} is not an instant: write ISO 8601 text such as "2026-01-01T00:00:00Z"') from None


def time_zone(value: Zone) -> tzinfo:
    """Return the time zone of an IANA name.

    Raises:
        ValueError: for a name that this machine's time zone database does not have.
    """
    if isinstance(value, tzinfo):
        return value
    if not isinstance(value, str):
        raise TypeError(f'{value!r} is not a time zone: write an IANA name such as "Asia/Tokyo"')
    if value == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # not loaded by pytest, and most guests live in UTC

    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f'unknown time zone {value!r}: write an IANA name such as "Asia/Tokyo" '
            "(on a machine without a time zone database, install tzdata)"
        ) from None


def local_datetime(utc_ns: int, zone: tzinfo) -> datetime:
    """Return the naive local time of whole seconds, rounded down, that a clock in ``zone`` shows at ``utc_ns``."""
    moment = _EPOCH + timedelta(seconds=utc_ns // NS_PER_S)
    return moment.astimezone(zone).replace(tzinfo=None)


def utc_ns_of_local(local: datetime, zone: tzinfo) -> int:
    """Return the instant at which a clock in ``zone`` shows the naive ``local``: of two, the one that ``fold`` says."""
    return (local.replace(tzinfo=zone).astimezone(UTC) - _EPOCH) // _MICROSECOND * NS_PER_US


def iso(utc_ns: int) -> str:
    """Write an instant as ISO 8601 text in UTC with as many decimals as it needs."""
    seconds, fraction = divmod(utc_ns, NS_PER_S)
    text = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    return f"{text}.{fraction:09d}".rstrip("0") + "Z" if fraction else f"{text}Z"


def duration_text(nanoseconds: int) -> str:
    """Write a duration in the largest unit that keeps it exact, such as ``"90 s"`` or ``"-90 min"``."""
    if nanoseconds == 0:
        return "0 s"
    for unit in ("d", "h", "min", "s", "ms", "us"):
        size = _DURATION_UNITS[unit]
        if nanoseconds % size == 0 and (abs(nanoseconds) >= 2 * size or unit in {"s", "ms", "us"}):
            return f"{nanoseconds // size} {unit}"
    return f"{nanoseconds} ns"


def seconds_text(nanoseconds: int) -> str:
    """Write a length of time as seconds for people, rounded to the millisecond, such as ``"3,600 s"``."""
    milliseconds = (abs(nanoseconds) + NS_PER_MS // 2) // NS_PER_MS
    if nanoseconds and not milliseconds:
        return f"{abs(nanoseconds):,} ns"
    whole, rest = divmod(milliseconds, 1_000)
    return f"{whole:,}" + (f".{rest:03d}".rstrip("0") if rest else "") + " s"


def error_text(error_ns: int) -> str:
    """Say an error in words: ``"3,600 s behind true time"``, never a bare sign."""
    if error_ns == 0:
        return "at true time"
    return f"{seconds_text(error_ns)} {'ahead of' if error_ns > 0 else 'behind'} true time"


def rate_text(ppb: int) -> str:
    """Write a rate error in ppm, exactly, such as ``"+78.387 ppm"``."""
    sign = "-" if ppb < 0 else "+"
    whole, rest = divmod(abs(ppb), 1_000)
    return f"{sign}{whole}" + (f".{rest:03d}".rstrip("0") if rest else "") + " ppm"
