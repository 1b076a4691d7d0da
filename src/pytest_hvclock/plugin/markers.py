"""The two markers: what they may say, and what a test's markers say together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import pytest

from pytest_hvclock.plugin.declared import HVCLOCK, RECOVERS
from pytest_hvclock.scenarios import HOST_SETTINGS

if TYPE_CHECKING:
    from pytest_hvclock.judge import JudgedBy
    from pytest_hvclock.units import Duration


@dataclass(frozen=True)
class Marked:
    """What the ``hvclock`` markers of one test say together."""

    scenarios: tuple[str, ...] = ()
    guest: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings for ``Host.guest``."""
    host: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings for ``Host``."""
    backend: str | None = None
    pace: str | None = None
    io_grace: Any = None
    allow_vacuous: bool = False
    """Whether the test may prove nothing."""


@dataclass(frozen=True, kw_only=True)
class MarkerSettings:
    """The names of the keyword arguments of the ``hvclock`` marker, each with what it says.

    What has no text here is a setting of the guest: see ``GuestSettings``.
    """

    os: Any = None
    zone: Any = None
    timesync: Any = None
    drift: Any = None
    rtc: Any = None
    sync_after_boot: Any = None
    sync_after_resume: Any = None
    sample_period: Any = None
    response_time: Any = None
    delivery_delay: Any = None
    protocol: Any = None
    coarse: Any = None
    boottime_over_saves: Any = None
    ptp_over_saves: Any = None
    rtc_over_power_off: Any = None
    start: Any = None
    """True time at the start (default: the present second, or ``hvclock_start``)."""
    host_zone: Any = None
    """The host's time zone, whose local time RTCs are loaded with."""
    host_error: Any = None
    """How far the host's own clock is ahead of true time."""
    backend: Any = None
    """What puts the wall clock under the test: see ``--hvclock-backend``."""
    pace: Any = None
    """``"stepped"`` or ``"live"``: see ``--hvclock-pace``."""
    io_grace: Any = None
    """How long, in real time, peers outside the guest get: see ``hvclock_io_grace``."""
    allow_vacuous: Any = None
    """Let the test pass although its scenario could not show (default: ``False``)."""


_KNOWN = tuple(setting.name for setting in fields(MarkerSettings))


@dataclass(frozen=True)
class Recovers:
    """What the ``hvclock_recovers`` marker of a test says."""

    probe: str | Callable[[], object]
    """The name of a fixture that returns a callable, or a callable, which may be async: a false value, an exception or
    a failure of pytest's (``pytest.fail``, ``pytest.raises``) says "not well", and so does a yes that the probe itself
    waits for until the time is over."""
    within: Duration | None
    """How much time the application may take; ``None`` asserts that it does *not* recover by itself."""
    hold: Duration | None = None
    """How long it must then stay well; with ``within=None``, how long it is watched (default: as long as ``within``;
    60 s)."""
    every: Duration | None = None
    """How long to wait between two probes (default: a thirtieth of ``within``, and not less than 1 ms)."""
    judged_by: JudgedBy = "true"
    """``"true"`` time, or the ``"guest"``'s running time (``running_ns``), which stands still while the guest does."""

    @property
    def name(self) -> str:
        """What to call the probe in a message."""
        return self.probe if isinstance(self.probe, str) else getattr(self.probe, "__name__", repr(self.probe))


def merged(item: pytest.Item, otherwise: dict[str, Any]) -> Marked:
    """Return what the ``hvclock`` markers of a test say: the closest one wins, per setting, and then ``otherwise``.

    Raises:
        TypeError: for a keyword that the marker does not have, and for a scenario that is not named by text.
    """
    found: dict[str, Any] = {}
    for marker in item.iter_markers(HVCLOCK):
        given = _settings(marker)
        for name, value in given.items():
            found.setdefault(name, value)
    scenarios = scenarios_of(item)
    for name in scenarios:
        if not isinstance(name, str):
            raise TypeError(
                f'the marker hvclock names its scenarios by text, such as "restore-after-a-month", and {name!r} is none'
            )
    return split({**otherwise, **found}, scenarios)


def split(settings: dict[str, Any], scenarios: tuple[str, ...] = ()) -> Marked:
    """Sort marker settings into those of the guest, of its host, and of the run."""
    from pytest_hvclock.units import flag

    guest = dict(settings)
    host = {name: guest.pop(key) for key, name in HOST_SETTINGS.items() if key in guest}
    run = {name: guest.pop(name, None) for name in ("backend", "pace", "io_grace")}
    return Marked(scenarios, guest, host, **run, allow_vacuous=flag(guest.pop("allow_vacuous", False), "allow_vacuous"))


def _settings(marker: pytest.Mark) -> dict[str, Any]:
    wrong = next((name for name in marker.kwargs if name not in _KNOWN), None)
    if wrong is not None:
        raise TypeError(f"the marker hvclock has no setting {wrong!r}: use {', '.join(_KNOWN)}")
    return dict(marker.kwargs)


def scenarios_of(node: pytest.Item | Any) -> tuple[str, ...]:
    """Return the scenarios that the closest marker with any names, unchecked."""
    for marker in node.iter_markers(HVCLOCK):
        if marker.args:
            return tuple(marker.args)
    return ()


def recovers(item: pytest.Item) -> Recovers | None:
    """Return what a test's ``hvclock_recovers`` marker says, or None without one.

    Raises:
        TypeError, ValueError: for arguments that the marker does not have, or that make no sense.
    """
    marker = item.get_closest_marker(RECOVERS)
    if marker is None:
        return None
    known = [setting.name for setting in fields(Recovers)]
    wrong_name = next((name for name in marker.kwargs if name not in known), None)
    if wrong_name is not None:
        raise TypeError(f"the marker hvclock_recovers has no setting {wrong_name!r}: use {', '.join(known)}")
    try:
        found = Recovers(*marker.args, **marker.kwargs)
    except TypeError as wrong:
        reason = str(wrong).replace("Recovers.__init__()", "the marker hvclock_recovers")
        raise TypeError(f'{reason}: write hvclock_recovers("probe", within="30 s")') from None
    if not (isinstance(found.probe, str) or callable(found.probe)):
        raise TypeError(
            f"the probe {found.probe!r} cannot be called: give hvclock_recovers the name of a fixture that returns a "
            "callable, or a callable"
        )
    from pytest_hvclock.units import positive_ns

    if found.judged_by not in ("true", "guest"):
        raise ValueError(f'unknown judged_by {found.judged_by!r}: use "true" or "guest"')
    for name, value in (("within", found.within), ("hold", found.hold), ("every", found.every)):
        if value is not None and positive_ns(value, name) == 0 and name == "every":
            raise ValueError(f"every={value!r}: time has to pass between two probes")
    return found
