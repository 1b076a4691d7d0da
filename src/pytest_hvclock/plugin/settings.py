"""The options and ini keys, read once and checked before any test runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_hvclock.errors import HvclockError
from pytest_hvclock.plugin.declared import KEYS, SETTINGS
from pytest_hvclock.units import instant_ns, positive_ns

STEPPED = "stepped"
TIME_MACHINE = "time-machine"


@dataclass(frozen=True)
class Settings:
    """What this run was asked for."""

    scenario: str | None = None
    backend: str = TIME_MACHINE
    pace: str = STEPPED
    start: str | None = None
    strike_at: int = 2
    replay: str | None = None
    report: Path | None = None
    io_grace: str = "20 ms"

    def but(self, **changes: Any) -> Settings:
        """Return the same with some of them changed."""
        return replace(self, **changes)

    def header(self) -> str:
        """Write what differs from the defaults as options to paste, or nothing."""
        return shlex.join(self.options())

    def options(self) -> list[str]:
        """Return what differs from the defaults as the words of a command."""
        given: list[str] = []
        if self.scenario is not None:
            given.append(f"--hvclock={self.scenario}")
        if self.backend != TIME_MACHINE:
            given.append(f"--hvclock-backend={self.backend}")
        if self.pace != STEPPED:
            given.append(f"--hvclock-pace={self.pace}")
        if self.start is not None:
            given += ["-o", f"hvclock_start={self.start}"]
        if self.strike_at != Settings.strike_at:
            given += ["-o", f"hvclock_strike_at={self.strike_at}"]
        if self.replay is not None:
            given.append(f"--hvclock-replay={self.replay}")
        if self.io_grace != Settings.io_grace:
            given += ["-o", f"hvclock_io_grace={self.io_grace}"]
        return given


def settings_of(config: pytest.Config) -> Settings:
    """Return what a run was asked for; the defaults, where nothing was given."""
    return config.stash.get(SETTINGS, Settings())


def read_settings(config: pytest.Config) -> Settings:
    """Read and check everything at once.

    Raises:
        pytest.UsageError: one line that says which option or key is wrong, and what to write.
    """
    for key in KEYS:
        _checked(key, config.getini, key)
    scenario = _given(config, "hvclock")
    backend = _given(config, "hvclock_backend")
    start = config.getini("hvclock_start") or None
    strike_at = config.getini("hvclock_strike_at") or None
    if scenario is not None:
        from pytest_hvclock.scenarios import scenario_named

        _checked(_whence(config, "hvclock"), scenario_named, scenario)
    if backend is not None:
        from pytest_hvclock.running import try_backend

        _checked(_whence(config, "hvclock_backend"), try_backend, backend)
    pace = _given(config, "hvclock_pace")
    if pace not in (None, STEPPED, "live"):
        raise pytest.UsageError(f"{_whence(config, 'hvclock_pace')}: unknown pace {pace!r}: use stepped or live")
    if start is not None:
        _checked("hvclock_start", instant_ns, start)
    if strike_at is not None and not (_is_whole(strike_at) and int(strike_at) > 0):
        raise pytest.UsageError(f"hvclock_strike_at: {strike_at!r} is not the number of a reading: write 1, 2, 3, ...")
    report = _given(config, "hvclock_report")
    if report == "":
        raise pytest.UsageError("--hvclock-report: '' is no directory: write where the report is to be")
    io_grace = config.getini("hvclock_io_grace") or None
    if io_grace is not None:
        _checked("hvclock_io_grace", lambda value: positive_ns(value, "hvclock_io_grace"), io_grace)
    given_places(config)  # wrong is wrong, also where nothing is explored
    given_seed(config)
    return Settings(
        scenario=scenario,
        backend=backend or TIME_MACHINE,
        pace=pace or STEPPED,
        start=start,
        strike_at=int(strike_at or Settings.strike_at),
        report=config.invocation_params.dir / report if report is not None else None,
        io_grace=io_grace or Settings.io_grace,
    )


def given_places(config: pytest.Config) -> str | None:
    """Return before how many readings each kind is to strike, a whole number or ``all``, or None.

    Raises:
        pytest.UsageError: for anything else.
    """
    places = _given(config, "hvclock_places")
    if places not in (None, "all") and not (_is_whole(places) and int(places) > 0):
        raise pytest.UsageError(
            f"{_whence(config, 'hvclock_places')}: {places!r} is no number of places: write 1, 2, 3, ... or all"
        )
    return places


def given_seed(config: pytest.Config) -> str | None:
    """Return what the places are to be drawn by, a whole number, or None.

    Raises:
        pytest.UsageError: for anything else.
    """
    seed = _given(config, "hvclock_seed")
    if seed is not None and not _is_whole(seed):
        raise pytest.UsageError(f"{_whence(config, 'hvclock_seed')}: {seed!r} is no seed: write a whole number")
    return seed


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _given(config: pytest.Config, name: str) -> str | None:
    """Return what was given on the command line, or else in the ini file, or None."""
    value = config.getoption(name)
    return str(value) if value is not None else str(config.getini(name) or "") or None


def _whence(config: pytest.Config, name: str) -> str:
    """Return what the user wrote to give this: the option, or else the ini key."""
    return name if config.getoption(name) is None else f"--{name.replace('_', '-')}"


def _checked(name: str, check: Callable[[str], object], value: str) -> None:
    """Let ``check`` look at a value, and say which option was wrong if it objects."""
    try:
        check(value)
    except Exception as wrong:
        if isinstance(wrong, TypeError | ValueError | HvclockError | pytest.UsageError):  # getini's is without the key
            raise pytest.UsageError(f"{name}: {wrong}") from None
        raise
