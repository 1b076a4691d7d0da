"""What a guest does with the host's messages, or with a daemon of its own, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

from pytest_hvclock.disciplines.base import Discipline
from pytest_hvclock.disciplines.chrony import Chrony
from pytest_hvclock.disciplines.freebsd import FreeBsd
from pytest_hvclock.disciplines.linux import Linux, Linux410, LinuxImplicit, LinuxLegacy
from pytest_hvclock.disciplines.ntp import Ntp
from pytest_hvclock.disciplines.timesyncd import Timesyncd
from pytest_hvclock.disciplines.w32time import PROFILES, W32Time
from pytest_hvclock.disciplines.windows import Windows

__all__ = [
    "DISCIPLINES",
    "Chrony",
    "Discipline",
    "FreeBsd",
    "Linux",
    "Linux410",
    "LinuxImplicit",
    "LinuxLegacy",
    "Ntp",
    "Timesync",
    "Timesyncd",
    "W32Time",
    "Windows",
    "disciplines",
    "os_of",
]

Timesync = str | Discipline | Sequence[str | Discipline]
"""How a guest keeps time: a name, names joined by a plus, a discipline with settings of its own, or several."""

OFF = "off"
"""Nothing: the service is unticked."""
PARTIAL = "partial"
"""Windows with its VM IC provider disabled: samples are ignored, boot and restore are still corrected. On Linux,
``linux``."""


def _w32time(**settings: Any) -> list[Discipline]:
    return [W32Time(**settings)]


DISCIPLINES: dict[str, Callable[[], Sequence[Discipline]]] = {
    "linux": lambda: [Linux()],
    "linux-implicit": lambda: [LinuxImplicit()],
    "linux-legacy": lambda: [LinuxLegacy()],
    "linux-4.10": lambda: [Linux410()],
    "freebsd": lambda: [FreeBsd()],
    "windows": lambda: [Windows()],
    **{name: partial(_w32time, **settings) for name, settings in PROFILES.items()},
    "chrony": lambda: [Chrony()],
    "timesyncd": lambda: [Timesyncd()],
    "ntp": lambda: [Ntp()],
}
"""What each name stands for. ``off`` is no discipline at all; ``partial`` depends on the operating system."""


def disciplines(timesync: Timesync, os: str) -> list[Discipline]:
    """Return the disciplines that ``timesync`` names on a guest running ``os``, each in its power-on state.

    ``chrony`` and ``timesyncd`` bring the Linux driver along, unless another driver or ``off`` is named with them.

    Raises:
        ValueError: for a name that nobody has registered, and for two that both answer the host's messages.
        TypeError: for what is neither a name nor a discipline.
    """
    parts: list[str | Discipline]
    if isinstance(timesync, str):
        parts = [part.strip() for part in timesync.split("+")]
    elif isinstance(timesync, Discipline):
        parts = [timesync]
    elif isinstance(timesync, Sequence):
        parts = list(timesync)
    else:
        raise TypeError(f'{timesync!r} is no timesync: write a name such as "linux", or a discipline')
    found: list[Discipline] = []
    for part in parts:
        for discipline in _named(part, os) if isinstance(part, str) else [part.fresh()]:
            if not any(type(discipline) is type(other) for other in found):
                found.append(discipline)
    listening = [discipline.name for discipline in found if discipline.listens]
    if not listening and OFF not in parts and any(discipline.beside_driver for discipline in found):
        found.insert(0, Linux())
    if listening and OFF in parts:
        raise ValueError(
            f"timesync={timesync!r}: off unticks the service that {listening[0]} listens to; leave one of them out"
        )
    if len(listening) > 1:
        raise ValueError(
            f"timesync={timesync!r}: {' and '.join(listening)} would both answer the host; keep one of them"
        )
    return found


def os_of(timesync: Timesync) -> Literal["linux", "windows"]:
    """Return the operating system that ``timesync`` belongs to; what belongs to neither is taken for Linux."""
    return "windows" if any(discipline.os == "windows" for discipline in disciplines(timesync, "linux")) else "linux"


def _named(name: str, os: str) -> Sequence[Discipline]:
    """Return what one name stands for."""
    if name == OFF:
        return []
    if name == PARTIAL:
        return [Windows(threshold_ns=None)] if os == "windows" else [Linux()]
    if name not in DISCIPLINES:
        known = ", ".join([OFF, PARTIAL, *DISCIPLINES])
        raise ValueError(f"unknown timesync {name!r}: use one of {known}, or join several with +")
    return DISCIPLINES[name]()
