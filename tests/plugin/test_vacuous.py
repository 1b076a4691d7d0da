"""A test that would pass whatever the application does fails, and says how to mean it."""

import pytest

HEAD = "this test is vacuous: "
WHY = "why it matters: it would pass whatever the application does"
MEANT = "if it is meant: @pytest.mark.hvclock(..., allow_vacuous=True)"
STRUCK = "struck at 2026-01-31T00:00:00Z true time"
START = 'start="2026-01-01T00:00:00Z"'
COMMAND = "pytest test_it.py::test_it -o hvclock_start=2026-01-01T00:00:00Z"


def run(pytester, body, scenario="restore-after-a-month", marks="", *options):
    """Run one test on a guest with a scenario."""
    pytester.makepyfile(
        test_it=f"import threading, time\nimport pytest\n{marks}\n"
        f'@pytest.mark.hvclock("{scenario}", {START})\n'
        f"def test_it(hvclock):\n    {body}\n"
    )
    return pytester.runpytest_subprocess("-p", "no:randomly", "-r", "N", *options)


def test_a_strike_after_which_nothing_reads_a_clock(pytester):
    """The code under test could not notice."""
    result = run(pytester, "time.time(); hvclock.strike()")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"{HEAD}restore-after-a-month {STRUCK}, and the code under test has neither read a clock nor waited since",
            WHY,
            "what to do: let it work after the strike, or let hvclock_recovers ask it afterwards",
            MEANT,
            COMMAND,
        ],
        consecutive=True,
    )


def test_a_strike_that_is_left_to_the_end_of_the_body(pytester):
    """It comes after everything that it could have struck."""
    result = run(pytester, "time.time()")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"{HEAD}restore-after-a-month {STRUCK}, when the test's body was over, and nothing has read a clock or *",
            WHY,
            "what to do: call hvclock.strike() before the code that has to stand it, or let hvclock_recovers ask the *",
            MEANT,
            COMMAND,
        ],
        consecutive=True,
    )


def test_a_scenario_that_changes_nothing_where_it_strikes(pytester):
    """A busier host is nothing to a guest whose drift does not depend on the load."""
    result = run(
        pytester, "hvclock.drift = 0; hvclock.host.load = 7; hvclock.strike(); time.time()", "drift-under-load"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"{HEAD}drift-under-load struck at 2026-01-01T00:00:00Z true time, and has changed nothing: no clock, no *",
            WHY,
            "what to do: choose another scenario, or give the guest what this one needs, such as a drift *",
            MEANT,
            COMMAND,
        ],
        consecutive=True,
    )


@pytest.mark.parametrize("scenario", ["drift-under-load", "azure-pause-28s", "boot-linux-on-a-tokyo-host"])
@pytest.mark.parametrize(
    "body",
    [
        "hvclock.strike(); time.time()",
        "hvclock.strike(); time.sleep(1)",
        "hvclock.strike(); hvclock.clock.monotonic()",
        "hvclock.strike(); assert hvclock.error_ns < 10**15  # whoever looks at the guest itself tests the guest",
        "hvclock.strike(); thread = threading.Thread(target=time.monotonic); thread.start(); thread.join()",
    ],
)
def test_one_reading_or_wait_is_enough(pytester, scenario, body):
    """Of whatever clock, in whatever thread, in every kind of scenario."""
    run(pytester, body, scenario).assert_outcomes(passed=1)


def test_what_the_harness_and_log_records_read_does_not_count(pytester):
    """They would read a clock in any test."""
    body = "hvclock.strike(); import logging; logging.getLogger().warning('struck')"
    run(pytester, body).assert_outcomes(failed=1)


def test_standing_conditions_and_settings_alone_never_strike(pytester):
    """So nothing can be vacuous about them."""
    run(pytester, "pass", "drift-500ppm").assert_outcomes(passed=1)


def test_a_failure_of_the_tests_own_comes_first(pytester):
    """What the test itself says is what matters."""
    result = run(pytester, "hvclock.strike(); assert False")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line(f"*{HEAD}*")


def test_it_can_be_meant(pytester):
    """By the marker, for a test, a class or a module."""
    run(pytester, "hvclock.strike()", marks="pytestmark = pytest.mark.hvclock(allow_vacuous=True)").assert_outcomes(
        passed=1
    )


@pytest.mark.parametrize(("probe", "outcome"), [("lambda: True", "failed"), ("Slow()", "passed")])
def test_a_probe_that_cannot_say_no(pytester, probe, outcome):
    """It has not read a clock either; one that has said no has proved that it can."""
    marks = (
        "class Slow:\n    asked = 0\n    def __call__(self):\n        self.asked += 1\n        return self.asked > 2\n"
        f'@pytest.mark.hvclock_recovers({probe}, within="30 s")'
    )
    result = run(pytester, "pass", marks=marks)
    result.assert_outcomes(**{outcome: 1})
    if outcome == "failed":
        result.stdout.fnmatch_lines(
            [
                f"{HEAD}restore-after-a-month {STRUCK}, and <lambda> has only said yes since, and has neither *",
                WHY,
                "what to do: let it ask the application for what a wrong clock can break: a login, a lease, *",
                MEANT,
                COMMAND,
            ],
            consecutive=True,
        )


def test_a_probe_that_never_ran(pytester):
    """A claim about what the application calls; the judge of a recovery always asks."""
    pytester.makepyfile(
        test_it="""
        import pytest
        from pytest_hvclock import claims

        def renew(): pass

        @pytest.mark.hvclock(start="2026-01-01T00:00:00Z")
        def test_it(hvclock):
            with claims.pace(renew, every="60 s"):
                hvclock.advance("60 s")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-r", "N")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *ClaimError: pace of 60 s for renew: proved nothing: renew was never called through the claim",
            "E * the guest is at true time; no line of the program has read a clock meanwhile",
            "E * why it matters: a claim that could not fail says nothing about the application",
            "E * what to do: call what the claim returns, or hand it to the application: with ... as call",
            "E * if it is meant: may_prove_nothing=True",
        ],
        consecutive=True,
    )
    result.stdout.fnmatch_lines([COMMAND])


def test_a_test_that_the_option_does_not_strike_is_said_to_be_so(pytester):
    """One that reads no clock twice is not struck, and has not held either."""
    pytester.makepyfile("import time\ndef test_once(): time.time()\ndef test_twice(): time.time(), time.time()")
    result = pytester.runpytest_subprocess("-p", "no:randomly", "--hvclock=azure-pause-28s")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["azure-pause-28s: 1 held, 1 not struck"])
