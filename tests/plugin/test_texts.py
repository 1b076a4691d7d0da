"""What ``pytest --help``, ``--markers`` and ``--fixtures`` say: texts that people read, pinned as they are."""

from __future__ import annotations

HELP = """\
Hyper-V guest clock:
  --hvclock=SCENARIO    Run every selected test on a guest with this history. A
                        test without a scenario of its own is struck just before
                        its second reading of a clock.
  --hvclock-backend=NAME
                        What puts the guest's clocks under the code being
                        tested: time-machine, freezegun, or direct, which only
                        serves code that takes its clock as an argument
                        (default: time-machine).
  --hvclock-pace=PACE   How true time moves: stepped, by waiting and by
                        hvclock.advance() alone, or live, with the real clock as
                        well (default: stepped).
  --hvclock-report=DIR  Write what happened to each guest into this directory:
                        index.html, which needs no network, record.json, and an
                        SVG file for each test that failed.
  --hvclock-scenarios   Print every scenario with its numbers and its source,
                        and exit.
"""
KEYS = """\
  hvclock (string):     The scenario that every test runs under; see --hvclock.
  hvclock_backend (string):
                        What puts the guest's clocks under the tests; see
                        --hvclock-backend.
  hvclock_pace (string):
                        How true time moves; see --hvclock-pace.
  hvclock_report (string):
                        The directory of the report; see --hvclock-report.
  hvclock_cover (bool): List every line that read a clock; see --hvclock-cover.
  hvclock_start (string):
                        True time at the start of every test, as ISO 8601 text
                        with an offset (default: the present second).
  hvclock_strike_at (string):
                        Before which reading of a clock a test without a
                        scenario of its own is struck (default: 2, the second).
"""
MARKERS = (
    (
        "@pytest.mark.hvclock(*scenarios, os=, zone=, timesync=, drift=, start=, host_zone=, host_error=, backend=, "
        "pace=, allow_vacuous=, io_grace=, ...): run the test on a simulated Hyper-V guest, once for each scenario "
        "named (pytest --hvclock-scenarios lists them). What is left out is taken from the next marker outwards, and "
        "then from the scenario."
    ),
    (
        "@pytest.mark.hvclock_recovers(probe, *, within, hold=None, every=None, judged_by='true'): after the strike "
        "and the correction that it brings, the probe (a fixture that returns a callable, by name, or a callable; "
        "async too) must hold within this much true time, and go on holding as long again, or for `hold`. "
        "within=None: it must not recover by itself. judged_by='guest': by the guest's running time."
    ),
)


def test_the_help_of_options_and_keys(pytester, monkeypatch):
    """``--help`` has a group of its own, and every key says what it is for."""
    monkeypatch.setenv("COLUMNS", "80")
    text = pytester.runpytest_subprocess("--help").stdout.str()
    assert HELP in text
    assert KEYS in text


def test_the_help_of_the_markers(pytester):
    """``--markers`` shows how each is written, and what it does."""
    lines = pytester.runpytest_subprocess("--markers").outlines
    assert [line for line in lines if line.startswith("@pytest.mark.hvclock")] == list(MARKERS)


def test_the_help_of_the_fixture(pytester):
    """``--fixtures`` shows one sentence, that says what the test gets; there is only the one fixture."""
    result = pytester.runpytest_subprocess("--fixtures")
    result.stdout.fnmatch_lines(
        [
            "*fixtures defined from pytest_hvclock.plugin*",
            "hvclock -- *",
            "    The Hyper-V guest whose clocks this test reads.",
            "",
        ],
        consecutive=True,
    )
    names = [line.partition(" -- ")[0] for line in result.outlines if " -- " in line]  # behind it may be any path
    assert [name for name in names if "hvclock" in name] == ["hvclock"]


def test_the_header_shows_only_what_differs(pytester):
    """Nothing by default; otherwise options to paste, from the command line or the ini file."""
    pytester.makepyfile("def test_it(): pass")
    assert not [line for line in pytester.runpytest_subprocess().outlines if line.startswith("hvclock")]
    pytester.makeini(
        "[pytest]\nhvclock = drift-500ppm\nhvclock_backend = freezegun\nhvclock_pace = live\n"
        "hvclock_start = 2026-01-01T00:00:00Z\nhvclock_strike_at = 5\n"
    )
    (line,) = [line for line in pytester.runpytest_subprocess().outlines if line.startswith("hvclock")]
    assert line == (
        "hvclock: --hvclock=drift-500ppm --hvclock-backend=freezegun --hvclock-pace=live "
        "-o hvclock_start=2026-01-01T00:00:00Z -o hvclock_strike_at=5"
    )
    result = pytester.runpytest_subprocess("--hvclock=azure-pause-28s", "--hvclock-backend=time-machine")
    (line,) = [line for line in result.outlines if line.startswith("hvclock")]
    assert line == (
        "hvclock: --hvclock=azure-pause-28s --hvclock-pace=live -o hvclock_start=2026-01-01T00:00:00Z "
        "-o hvclock_strike_at=5"
    )
