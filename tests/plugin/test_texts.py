"""What ``pytest --fixtures`` and the header say: texts that people read, pinned as they are.

Those of ``--help`` and ``--markers`` are in docs/reference.md, and tests/docs holds that they are the same.
"""

from __future__ import annotations


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
