"""The options and ini keys, read once and checked before any test runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

STEPPED = "stepped"
TIME_MACHINE = "time-machine"


class Settings(SimpleNamespace):
    """What this run was asked for; the defaults are those of the class.

    No dataclass and no named tuple: making one of these costs as much as all else that importing this takes.
    """

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
        return Settings(**{**vars(self), **changes})

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


SETTINGS = pytest.StashKey[Settings]()


def add_options(parser: pytest.Parser) -> None:
    """Declare the options and the ini keys."""
    group = parser.getgroup("hvclock", "Hyper-V guest clock")
    group.addoption(
        "--hvclock",
        dest="hvclock_scenario",
        metavar="SCENARIO",
        help="Run every selected test on a guest with this history. A test without a scenario of its own is struck "
        "just before its second reading of a clock, and not at all if it reads none twice.",
    )
    group.addoption(
        "--hvclock-backend",
        dest="hvclock_backend",
        metavar="NAME",
        help="What puts the wall clock under the tests: `time-machine`; `freezegun`, with the extra of that name, "
        "which needs no C code; or `direct`, which patches no clock, for code that is handed `hvclock.clock` "
        f"(default: {TIME_MACHINE}).",
    )
    group.addoption(
        "--hvclock-pace",
        dest="hvclock_pace",
        metavar="PACE",
        help="How true time moves: `stepped`, by `hvclock.advance()` and by waiting, which returns at once; or `live`, "
        f"with the real clock as well, and waits are real (default: {STEPPED}).",
    )
    group.addoption(
        "--hvclock-report",
        dest="hvclock_report",
        metavar="DIR",
        help="Write what happened to each guest into this directory: `index.html`, which needs no network, "
        "`record.json`, and an SVG file for each test that failed.",
    )
    group.addoption(
        "--hvclock-scenarios",
        dest="hvclock_scenarios",
        action="store_true",
        default=False,
        help="Print every scenario with its numbers and its source, and exit.",
    )
    group.addoption(
        "--hvclock-cover",
        dest="hvclock_cover",
        action="store_true",
        default=False,
        help="List every line that read a clock on a guest: which clock, how often, what for, and which anomalies have "
        "struck it.",
    )
    parser.addini("hvclock", "The scenario that every test runs under; see `--hvclock`.", type="string")
    parser.addini(
        "hvclock_backend", "What puts the wall clock under the tests; see `--hvclock-backend`.", type="string"
    )
    parser.addini("hvclock_pace", "How true time moves; see `--hvclock-pace`.", type="string")
    parser.addini("hvclock_report", "The directory of the report; see `--hvclock-report`.", type="string")
    parser.addini(
        "hvclock_cover", "List every line that read a clock; see `--hvclock-cover`.", type="bool", default=False
    )
    parser.addini(
        "hvclock_start",
        "True time at the start of every test, as ISO 8601 text with an offset (default: the present second).",
        type="string",
    )
    parser.addini(
        "hvclock_strike_at",
        "Before which reading of a clock a test without a scenario of its own is struck (default: 2, the second).",
        type="string",
    )
    parser.addini(
        "hvclock_io_grace",
        "How long, in real time, code in stepped pace may wait for a peer outside the guest (a socket, a pipe) before "
        f"the guest's time passes all the same (default: {Settings.io_grace}; child processes are given 5 s at least). "
        "What was not waited for any longer is named below a failure.",
        type="string",
    )
    _add_exploring(parser, group)


def _add_exploring(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    """Declare what has to do with exploring."""
    group.addoption(
        "--hvclock-explore",
        dest="hvclock_explore",
        action="store_true",
        default=False,
        help="Run every selected test again and again, each time with one anomaly exactly before one of the readings "
        "of a clock that it makes; show the smallest that breaks it, and the command that repeats it.",
    )
    group.addoption(
        "--hvclock-places",
        dest="hvclock_places",
        metavar="N|all",
        help="Before how many readings each kind of anomaly strikes, or `all` (default: 5, drawn by the seed).",
    )
    group.addoption(
        "--hvclock-seed",
        dest="hvclock_seed",
        metavar="N",
        help="What the places are drawn by (default: a new one, shown in the header).",
    )
    group.addoption(
        "--hvclock-replay",
        dest="hvclock_replay",
        metavar="SCHEDULE",
        help="Let the selected tests be struck by this schedule, as the explorer has printed it; together with "
        "`--hvclock-explore`, explore with this schedule alone.",
    )
    group.addoption(
        "--hvclock-strict",
        dest="hvclock_strict",
        action="store_true",
        default=False,
        help="Let the run fail for the explorer's findings as well, not for its failures alone.",
    )
    parser.addini("hvclock_explore", "Explore every test; see `--hvclock-explore`.", type="bool", default=False)
    parser.addini(
        "hvclock_explore_boots",
        "Let the guest boot too before a reading: for code whose memory outlives it, on a disk or elsewhere.",
        type="bool",
        default=False,
    )
    parser.addini(
        "hvclock_places", "Before how many readings each kind strikes; see `--hvclock-places`.", type="string"
    )
    parser.addini("hvclock_seed", "What the places are drawn by; see `--hvclock-seed`.", type="string")
    parser.addini("hvclock_strict", "Fail for findings as well; see `--hvclock-strict`.", type="bool", default=False)
    parser.addini(
        "hvclock_may_cross",
        "Where readings from two sides of a step may be compared, a line each: `FILE: REASON` or "
        "`FILE::FUNCTION: REASON`.",
        type="linelist",
    )
    parser.addini(
        "hvclock_regressions",
        "The file of strikes that broke a test once, which are tried first, and to which new ones are added "
        "(default: `.hvclock-regressions`, if it is there).",
        type="string",
    )


def read_settings(config: pytest.Config) -> Settings:
    """Read and check everything at once.

    Raises:
        pytest.UsageError: one line that says which option or key is wrong, and what to write.
    """
    scenario = _given(config, "hvclock_scenario", "hvclock")
    backend = _given(config, "hvclock_backend", "hvclock_backend")
    start = config.getini("hvclock_start") or None
    strike_at = config.getini("hvclock_strike_at") or None
    if scenario is not None:
        from pytest_hvclock.scenarios import scenario_named

        _checked(_whence(config, "hvclock_scenario", "hvclock"), scenario_named, scenario)
    if backend is not None:
        from pytest_hvclock.running import try_backend

        _checked(_whence(config, "hvclock_backend", "hvclock_backend"), try_backend, backend)
    pace = _given(config, "hvclock_pace", "hvclock_pace")
    if pace not in (None, STEPPED, "live"):
        raise pytest.UsageError(
            f"{_whence(config, 'hvclock_pace', 'hvclock_pace')}: unknown pace {pace!r}: use stepped or live"
        )
    if start is not None:
        from pytest_hvclock.units import instant_ns

        _checked("hvclock_start", instant_ns, start)
    if strike_at is not None and not (_is_whole(strike_at) and int(strike_at) > 0):
        raise pytest.UsageError(f"hvclock_strike_at: {strike_at!r} is not the number of a reading: write 1, 2, 3, ...")
    report = _given(config, "hvclock_report", "hvclock_report")
    if report == "":
        raise pytest.UsageError("--hvclock-report: '' is no directory: write where the report is to be")
    io_grace = config.getini("hvclock_io_grace") or None
    if io_grace is not None:
        from pytest_hvclock.units import positive_ns

        _checked("hvclock_io_grace", lambda value: positive_ns(value, "hvclock_io_grace"), io_grace)
    given_places(config)  # wrong is wrong, also where nothing is explored
    given_seed(config)
    for key in ("hvclock_cover", "hvclock_explore", "hvclock_explore_boots", "hvclock_strict"):
        _checked(key, config.getini, key)
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
    places = _given(config, "hvclock_places", "hvclock_places")
    if places not in (None, "all") and not (_is_whole(places) and int(places) > 0):
        raise pytest.UsageError(
            f"{_whence(config, 'hvclock_places', 'hvclock_places')}: {places!r} is no number of places: "
            "write 1, 2, 3, ... or all"
        )
    return places


def given_seed(config: pytest.Config) -> str | None:
    """Return what the places are to be drawn by, a whole number, or None.

    Raises:
        pytest.UsageError: for anything else.
    """
    seed = _given(config, "hvclock_seed", "hvclock_seed")
    if seed is not None and not _is_whole(seed):
        raise pytest.UsageError(
            f"{_whence(config, 'hvclock_seed', 'hvclock_seed')}: {seed!r} is no seed: write a whole number"
        )
    return seed


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _given(config: pytest.Config, option: str, key: str) -> str | None:
    """Return what was given on the command line, or else in the ini file, or None."""
    value = config.getoption(option)
    return str(value) if value is not None else str(config.getini(key) or "") or None


def _whence(config: pytest.Config, option: str, key: str) -> str:
    """Return what the user wrote to give this: the option, or else the ini key."""
    return key if config.getoption(option) is None else f"--{key.replace('_', '-')}"


def _checked(name: str, check: Callable[[str], object], value: str) -> None:
    """Let ``check`` look at a value, and say which option was wrong if it objects."""
    try:
        check(value)
    except Exception as wrong:
        from pytest_hvclock.errors import HvclockError

        if isinstance(wrong, TypeError | ValueError | HvclockError | pytest.UsageError):  # getini's is without the key
            raise pytest.UsageError(f"{name}: {wrong}") from None
        raise
