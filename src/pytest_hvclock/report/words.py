"""How long and how wrong, for people: short, rounded, and with the direction in words."""

from __future__ import annotations

from pytest_hvclock.timeline import Judgement
from pytest_hvclock.units import NS_PER_MS, NS_PER_S, NS_PER_US

_H = 3_600 * NS_PER_S
_D = 24 * _H
_WHOLE = (("d", _D), ("h", _H), ("min", 60 * NS_PER_S), ("s", NS_PER_S))
_ROUNDED = (
    (2 * _D, "d", _D),
    (10_000 * NS_PER_S, "h", _H),
    (NS_PER_S, "s", NS_PER_S),
    (NS_PER_MS, "ms", NS_PER_MS),
    (NS_PER_US, "us", NS_PER_US),
    (0, "ns", 1),
)
"""From so many nanoseconds on, this unit."""


def length_text(nanoseconds: int) -> str:
    """Write a length of time with at most four digits that count, such as ``"30 d"``, ``"90 s"`` or ``"1.48 s"``."""
    length = abs(nanoseconds)
    if length == 0:
        return "0 s"
    for unit, size in _WHOLE:
        if length % size == 0 and length // size < 10_000:
            return f"{length // size:,} {unit}"
    unit, size = next((unit, size) for least, unit, size in _ROUNDED if length >= least)
    whole = length // size
    decimals = max(4 - len(str(whole)), 0)
    scaled = (length * 10**decimals + size // 2) // size
    text = f"{scaled // 10**decimals:,}"
    rest = f"{scaled % 10**decimals:0{decimals}d}".rstrip("0") if decimals else ""
    return f"{text}.{rest} {unit}" if rest else f"{text} {unit}"


def error_words(error_ns: int | None) -> str:
    """Say an error in two or three words: ``"30 d behind"``, ``"at true time"``; ``"off"`` where there is no clock."""
    if error_ns is None:
        return "off"
    if error_ns == 0:
        return "at true time"
    return f"{length_text(error_ns)} {'ahead' if error_ns > 0 else 'behind'}"


def outcome_words(judgement: Judgement) -> str:
    """Say what came of a recovery or a claim, in a few words."""
    if judgement.kind != "recovery" or judgement.allowed_ns is None:
        return "held" if judgement.held else "did not hold"
    if judgement.took_ns is None:
        return "did not recover"
    took = length_text(judgement.took_ns)
    return f"recovered in {took}" if judgement.held else f"well after {took}, but not for long"
