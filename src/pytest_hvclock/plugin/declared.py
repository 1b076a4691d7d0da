"""What pytest is told of the kit at the start: options, ini keys and markers, and whether any of them is in use.

pytest loads plugins in a way of its own, whose cost grows with every name and every constant in a module. Every run
pays it for this one, whether it uses the kit or not, so what they mean is said in ``settings`` and ``markers``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from pytest_hvclock.plugin.settings import Settings

HVCLOCK = "hvclock"
RECOVERS = "hvclock_recovers"
MARKERS = (HVCLOCK, RECOVERS)
MARKER_LINES = (
    (
        "hvclock(*scenarios, os=, zone=, timesync=, drift=, start=, host_zone=, host_error=, backend=, pace=, "
        "allow_vacuous=, io_grace=, ...): run the test on a simulated Hyper-V guest, once for each scenario named "
        "(`pytest --hvclock-scenarios` lists them). The closest marker (function, class, module) wins, for each "
        "setting by itself; what none of them sets comes from the scenario, then from options and ini keys, and then "
        "from the defaults."
    ),
    (
        "hvclock_recovers(probe, *, within, hold=None, every=None, judged_by='true'): after the strike and the last "
        "correction that it brings, the probe (a fixture that returns a callable, by name, or a callable; async too) "
        "must hold within this much true time, and go on holding as long again, or for `hold`. `within=None`: it must "
        "not recover by itself. `judged_by='guest'`: by the guest's running time. It is judged when the test's body is "
        "over; a scenario that has not struck by then strikes first."
    ),
)

OPTIONS = {
    "--hvclock=SCENARIO": "Run every selected test on a guest with this history. A test without a scenario of its own "
    "is struck just before its second reading of a clock, and not at all if it reads none twice.",
    "--hvclock-backend=NAME": "What puts the wall clock under the tests: `time-machine`; `freezegun`, with the extra "
    "of that name, which needs no C code; or `direct`, which patches no clock, for code that is handed `hvclock.clock` "
    "(default: time-machine).",
    "--hvclock-pace=PACE": "How true time moves: `stepped`, by `hvclock.advance()` and by waiting, which returns at "
    "once; or `live`, with the real clock as well, and waits are real (default: stepped).",
    "--hvclock-report=DIR": "Write what happened to each guest into this directory: `index.html`, which needs no "
    "network, `record.json`, and an SVG file for each test that failed.",
    "--hvclock-scenarios": "Print every scenario with its numbers and its source, and exit.",
    "--hvclock-cover": "List every line that read a clock on a guest: which clock, how often, what for, and which "
    "anomalies have struck it.",
    "--hvclock-explore": "Run every selected test again and again, each time with one anomaly exactly before one of "
    "the readings of a clock that it makes; show the smallest that breaks it, and the command that repeats it.",
    "--hvclock-places=N|all": "Before how many readings each kind of anomaly strikes, or `all` (default: 5, drawn by "
    "the seed).",
    "--hvclock-seed=N": "What the places are drawn by (default: a new one, shown in the header).",
    "--hvclock-replay=SCHEDULE": "Let the selected tests be struck by this schedule, as the explorer has printed it; "
    "together with `--hvclock-explore`, explore with this schedule alone.",
    "--hvclock-strict": "Let the run fail for the explorer's findings as well, not for its failures alone.",
}
"""Each as it is given, and its help."""

KEYS = {
    "hvclock": "The scenario that every test runs under; see `--hvclock`.",
    "hvclock_backend": "What puts the wall clock under the tests; see `--hvclock-backend`.",
    "hvclock_pace": "How true time moves; see `--hvclock-pace`.",
    "hvclock_report": "The directory of the report; see `--hvclock-report`.",
    "hvclock_cover": "List every line that read a clock; see `--hvclock-cover`.",
    "hvclock_start": "True time at the start of every test, as ISO 8601 text with an offset (default: the present "
    "second).",
    "hvclock_strike_at": "Before which reading of a clock a test without a scenario of its own is struck (default: 2, "
    "the second).",
    "hvclock_io_grace": "How long, in real time, code in stepped pace may wait for a peer outside the guest (a socket, "
    "a pipe) before the guest's time passes all the same (default: 20 ms; child processes are given 5 s at least). "
    "What was not waited for any longer is named below a failure.",
    "hvclock_explore": "Explore every test; see `--hvclock-explore`.",
    "hvclock_explore_boots": "Let the guest boot too before a reading: for code whose memory outlives it, on a disk or "
    "elsewhere.",
    "hvclock_places": "Before how many readings each kind strikes; see `--hvclock-places`.",
    "hvclock_seed": "What the places are drawn by; see `--hvclock-seed`.",
    "hvclock_strict": "Fail for findings as well; see `--hvclock-strict`.",
    "hvclock_may_cross": "Where readings from two sides of a step may be compared, a line each: `FILE: REASON` or "
    "`FILE::FUNCTION: REASON`.",
    "hvclock_regressions": "The file of strikes that broke a test once, which are tried first, and to which new ones "
    "are added (default: `.hvclock-regressions`, if it is there).",
}
"""Each ini key, and its help."""

TYPES: dict[str, Literal["bool", "linelist"]] = {
    "hvclock_cover": "bool",
    "hvclock_explore": "bool",
    "hvclock_explore_boots": "bool",
    "hvclock_strict": "bool",
    "hvclock_may_cross": "linelist",
}
"""What those keys are that are no text."""

SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
"""In the stash of a run to which an option or a key was given, and of no other."""


def add_options(parser: pytest.Parser) -> None:
    """Declare the options and the ini keys."""
    group = parser.getgroup("hvclock", "Hyper-V guest clock")
    for option, text in OPTIONS.items():
        name, _, metavar = option.partition("=")
        if metavar:
            group.addoption(name, metavar=metavar, help=text)
        else:
            group.addoption(name, action="store_true", help=text)
    for key, text in KEYS.items():
        parser.addini(key, text, TYPES.get(key, "string"))


def is_given(config: pytest.Config) -> bool:
    """Whether any option or key has been given."""
    if any(config.getoption(option.partition("=")[0]) not in (None, False) for option in OPTIONS):
        return True
    try:
        return any(config.getini(key) for key in KEYS)
    except (TypeError, ValueError, pytest.UsageError):  # something that cannot be read
        return True


def is_marked(node: pytest.Item | Any) -> bool:
    """Whether one of the kit's markers is on a node or on one above it.

    It is asked of every test there is, and so makes do without pytest's iterators.
    """
    while node is not None:
        for marker in node.own_markers:
            if marker.name in MARKERS:
                return True
        node = node.parent
    return False
