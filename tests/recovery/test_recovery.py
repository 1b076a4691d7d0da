"""Recovery in code: which clock judges, what is asserted, on which event loop, and what is said."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import types

import pytest

from pytest_hvclock import Host, RecoveryError, StateError, recovers, recovers_async
from pytest_hvclock.recovery import recover
from pytest_hvclock.running import active

SECOND = 1_000_000_000


@pytest.fixture
def guest():
    return Host().guest()


def restored(guest, gap="1 h"):
    """Save the guest, and restore it so much later."""
    saved = guest.save()
    guest.host.advance(gap)
    guest.restore(saved)
    return guest


def well_from(guest, seconds, until=10**9):
    """Return a probe that holds from so many seconds of true time from now, and until so many."""
    begun = guest.host.true_ns
    return lambda: seconds <= (guest.host.true_ns - begun) / SECOND < until


# ------------------------------------------------------------------------------------------------- running time


def test_running_time_is_monotonic_summed_over_the_lives(guest):
    guest.advance("10 s")
    restored(guest)
    assert guest.running_ns == 10 * SECOND
    guest.advance("5 s")
    point = guest.checkpoint()
    guest.advance("7 s")
    guest.apply(point, view="outside")
    assert (guest.monotonic_ns, guest.running_ns) == (15 * SECOND, 22 * SECOND)
    guest.advance("1 s")
    guest.power_off()
    guest.host.advance("1 d")
    assert guest.running_ns == 23 * SECOND
    guest.boot()
    guest.advance("2 s")
    assert (guest.monotonic_ns, guest.running_ns) == (2 * SECOND, 25 * SECOND)


def test_what_is_planned_in_running_time_waits_for_a_guest_that_stands_still(guest):
    ran = []
    guest.at("60 s", lambda: ran.append((guest.running_ns, guest.host.true_ns)))
    guest.advance("20 s")
    restored(guest, "30 d")
    guest.advance("39 s")
    assert ran == []
    guest.advance("2 s")
    assert ran == [(60 * SECOND, guest.host.started_ns + (60 + 30 * 86_400) * SECOND)]


def test_what_is_planned_in_running_time_follows_the_drift(guest):
    ran = []
    guest.at("60 s", lambda: ran.append(guest.running_ns))
    guest.at("61 s", lambda: ran.append(guest.running_ns))
    guest.advance("10 s")
    guest.drift = "100 %"
    guest.advance("25 s")
    assert ran == [60 * SECOND]
    guest.drift = "-50 %"
    guest.advance("1999 ms")
    assert ran == [60 * SECOND]
    guest.advance("1 ms")
    assert ran == [60 * SECOND, 61 * SECOND]


def test_a_boot_carries_on_what_was_planned_in_running_time(guest):
    ran = []
    guest.at("10 s", lambda: ran.append(guest.running_ns))
    guest.advance("4 s")
    guest.power_off()
    guest.host.advance("1 h")
    guest.boot()
    guest.advance("6 s")
    assert ran == [10 * SECOND]


# ------------------------------------------------------------------------------------------------- which clock judges


def test_it_returns_how_the_application_recovered(guest):
    found = recovers(restored(guest), well_from(guest, 5), within="30 s")
    assert (found.took_ns, found.allowed_ns, found.judged_by) == (4 * SECOND, 30 * SECOND, "true")
    assert found.corrected


def test_a_time_allowed_of_nanoseconds_does_not_ask_at_each_of_them(guest):
    """``within=30``, meant as seconds, is 30 ns: the probe is asked once a millisecond, and not a billion times."""
    asked = []
    found = recovers(restored(guest), lambda: asked.append(1) or True, within=30)
    assert (found.took_ns, found.recovered) == (0, True)
    assert len(asked) == 1_002  # from the restore on, and twice after the correction a second later


def test_running_time_judges_an_application_that_stood_still_again():
    """Ten seconds of work, and a pause of an hour in the middle of them, with a SYNC just before the end."""

    def after_a_pause(judged_by):
        guest = Host().guest(sync_after_resume="5500 ms")
        guest.step("1 h")
        guest.host.at("4 s", guest.pause)
        guest.host.at("1 h", guest.resume)
        return recover(guest, lambda: guest.running_ns >= 10 * SECOND, within="30 s", hold="1 s", judged_by=judged_by)

    assert after_a_pause("true").took_ns is None
    assert after_a_pause("guest").took_ns == SECOND


def test_running_time_counts_from_the_strike_that_is_past(guest):
    """The scenario struck 10 s ago, and a pause since then takes nothing from the application's time."""

    class Step:
        def strike(self, guest):
            guest.step("1 h")

    guest.timesync = "off"
    guest.arm(Step())
    guest.strike()
    guest.advance("10 s")
    restored(guest)
    found = recover(guest, well_from(guest, 15), within="30 s", judged_by="guest", since_ns=guest.struck_at_ns)
    assert found.took_ns == 25 * SECOND
    assert recover(guest, lambda: False, within="30 s", since_ns=guest.struck_at_ns).took_ns is None


def test_a_guest_that_stands_still_for_ever_is_stuck_and_not_waited_for(guest):
    from pytest_hvclock import StuckError

    guest.pause()
    with pytest.raises(StuckError, match="code waits on a guest that is paused"):
        recovers(guest, lambda: False, within="30 s", judged_by="guest")


def test_wrong_arguments_are_refused(guest):
    with pytest.raises(ValueError, match="nothing has struck this guest"):
        recovers(guest, lambda: True, within="1 s")
    guest.step("1 h")
    with pytest.raises(ValueError, match=r'unknown judge \'wall\': use "true" for true time'):
        recovers(guest, lambda: True, within="1 s", judged_by="wall")
    with pytest.raises(TypeError, match="the probe 'healthy' cannot be called: give a callable that says whether"):
        recovers(guest, "healthy", within="1 s")
    with pytest.raises(TypeError, match="^None is no guest: give what host.guest.. has returned, or the fixture hvcl"):
        recovers(None, lambda: True, within="1 s")


def test_a_yes_that_comes_too_late_is_a_no(guest):
    """A probe that waits until the application is well: it was not asked again meanwhile, and held nothing in time."""
    guest.step("1 h")
    waits = lambda: guest.advance("100 s") or True  # noqa: E731
    found = recover(guest, waits, within="30 s")
    assert (found.recovered, found.took_ns, found.last_failure) == (False, None, "yes, but 70 s too late")
    guest.step("1 h")
    assert recover(guest, waits, within="100 s").took_ns == 100 * SECOND


def test_an_application_that_nobody_asked_in_time_is_believed(guest):
    """The test did something else meanwhile; nor is a probe late that is asked at the very end, and takes a moment."""
    guest.step("1 h")
    guest.advance("60 s")
    assert recovers(guest, lambda: True, within="30 s").took_ns == 60 * SECOND
    guest.step("1 h")
    begun = guest.host.true_ns
    asked_at_the_end = lambda: guest.host.true_ns - begun >= 30 * SECOND and (guest.advance("1 s") or True)  # noqa: E731
    assert recovers(guest, asked_at_the_end, within="30 s").took_ns == 31 * SECOND


def test_what_pytest_calls_a_failure_is_a_no(guest):
    """``pytest.fail`` and ``pytest.raises`` raise what is no ``Exception``; whatever else is none ends the test."""
    guest.step("1 h")
    begun = guest.host.true_ns

    def verify():
        if guest.host.true_ns >= begun + 5 * SECOND:
            raise ValueError("expired")

    def refuses():
        with pytest.raises(ValueError, match="expired"):
            verify()
        return True

    async def answers():
        return refuses()

    assert recovers(guest, refuses, within="30 s").took_ns == 5 * SECOND
    begun = guest.host.true_ns
    guest.step("1 h")
    assert recovers(guest, answers, within="30 s").last_failure.startswith("Failed: DID NOT RAISE")

    def interrupted():
        raise KeyboardInterrupt

    async def interrupted_async():
        raise pytest.skip.Exception("not here")

    guest.step("1 h")
    with pytest.raises(KeyboardInterrupt):
        recovers(guest, interrupted, within="30 s")
    with pytest.raises(pytest.skip.Exception, match="not here"):
        recovers(guest, interrupted_async, within="30 s")


@pytest.mark.parametrize("is_async", [True, False])
def test_a_probe_that_forgets_to_say_yes_is_told(guest, is_async):
    """As one does that only asserts."""

    def asserts():
        assert guest.error_ns

    async def asserts_async():
        asserts()

    guest.step("1 h")
    found = recover(guest, asserts_async if is_async else asserts, within="2 s")
    assert found.last_failure == "None, which says no: a probe says yes by a true value"


def test_an_exception_without_a_text_is_told_by_its_name(guest):
    def times_out():
        raise TimeoutError

    guest.step("1 h")
    assert recover(guest, times_out, within="2 s").last_failure == "TimeoutError"


# ------------------------------------------------------------------------------------------------- messages


def lines_of(guest, probe, **settings):
    with pytest.raises(RecoveryError) as failed:
        recovers(guest, probe, **settings)
    assert isinstance(failed.value, AssertionError)
    assert not failed.value.recovery.as_expected
    return str(failed.value).splitlines()


def test_what_is_said_when_it_does_not_recover(guest):
    def healthy():
        raise ConnectionError("refused")

    assert lines_of(restored(guest), healthy, within="30 s") == [
        "healthy did not recover (allowed: 30 s of true time after the correction at 2026-01-01T01:00:01Z)",
        "the guest is at true time",
        "its last answer: ConnectionError: refused",
        "why it matters: the clock is right again, and the application stays unwell until somebody steps in",
        (
            "what to do: measure lengths of time by time.monotonic(), and make anew what was stamped before the "
            "strike; if it only takes longer, allow more with within="
        ),
        "if it is meant: write within=None, which says that it does not recover by itself",
    ]


def test_what_is_said_when_it_does_not_stay_well(guest):
    probe = well_from(restored(guest), 5, 34)
    probe.__name__ = "healthy"
    assert lines_of(guest, probe, within="30 s", judged_by="guest") == [
        (
            "healthy did not stay well: it held 4 s after the correction, and no longer 33 s after it (allowed: 30 s "
            "of the guest's running time after the correction at 2026-01-01T01:00:01Z, then well for 30 s)"
        ),
        "the guest is at true time",
        "its last answer: False",
        "why it matters: an application that is well only for a moment fails its users again, unseen",
        "what to do: find what ran out meanwhile: a lease, a token or a schedule stamped with the wall clock",
        'if it is meant: say how long it has to stay well: hold="1 s"',
    ]


def test_what_is_said_when_it_recovers_and_should_not(guest):
    probe = well_from(restored(guest), 21)
    probe.__name__ = "healthy"
    assert lines_of(guest, probe, within=None) == [
        (
            "healthy recovered by itself 20 s after the correction at 2026-01-01T01:00:01Z: it was not to do so within "
            "60 s of true time"
        ),
        "the guest is at true time",
        "its last answer: False",
        "why it matters: the test says that somebody has to step in, and nobody has to",
        'what to do: say how soon it recovers: within="20 s"',
        "if it is meant: watch for less time than 20 s, with hold=",
    ]


def test_what_is_said_when_there_was_nothing_to_recover_from(guest):
    said = lines_of(restored(guest), lambda: True, within=None)
    assert said[0].startswith("<lambda> recovered by itself 0 s after the correction at 2026-01-01T01:00:01Z")
    assert said[-2:] == [
        'what to do: say how soon it recovers: within="1 s"',
        "if it is meant: let the probe ask for what somebody has to mend: it says yes at once",
    ]


def test_the_line_that_read_a_clock_is_named(guest):
    deadline = 0

    def healthy():
        return time.time() < deadline

    with guest.running():
        guest.step("1 h")
        said = lines_of(guest, healthy, within="30 s")
        judged = active().recorder.judgements
    assert said[1].startswith("the guest is 3,600 s ahead of true time; a clock was last read at ")
    assert said[1].endswith("healthy: return time.time() < deadline")
    assert "test_recovery.py:" in said[1]
    assert [(each.what, each.held, each.said.splitlines()) for each in judged] == [("healthy recovers", False, said)]


def test_not_to_recover_by_itself_is_watched_for_hold(guest):
    found = recovers(restored(guest), lambda: False, within=None, hold="10 s")
    assert found.took_ns is None
    assert guest.host.true_ns == guest.host.started_ns + 3_611 * SECOND
    restored(guest)
    asked = []
    assert recovers(guest, lambda: asked.append(guest.error_ns), within=None).allowed_ns is None
    assert set(asked) == {0}  # what it does before the correction is of no interest


# ------------------------------------------------------------------------------------------------- event loops


class Application:
    """Reconnects five seconds after a heartbeat has failed, on its own loop."""

    def __init__(self):
        self.connected = False
        self.beats = 0

    async def live(self):
        await asyncio.sleep(5)
        self.connected = True
        while True:
            await asyncio.sleep(1)
            self.beats += 1


@pytest.mark.parametrize("is_async", [True, False])
def test_time_passes_on_the_threads_own_loop(guest, is_async):
    """A loop at rest, as pytest-asyncio leaves one, goes on with its tasks, whatever the probe is."""
    application = Application()

    async def asked():
        await asyncio.sleep(0.25)
        return application.connected

    async def begin():
        begin.task = asyncio.ensure_future(application.live())

    with guest.running(), asyncio.Runner() as runner:
        runner.run(begin())
        guest.step("1 h")
        found = recovers(guest, asked if is_async else lambda: application.connected, within="30 s")
        assert 5 <= found.took_ns / SECOND <= 6.5
        assert 25 <= application.beats <= 31
        begin.task.cancel()


def test_the_awaitable_twin_goes_on_with_the_loop_that_runs(guest):
    application = Application()

    async def main():
        task = asyncio.ensure_future(application.live())
        guest.step("1 h")
        with pytest.raises(StateError, match=r"write await recovers_async\(\.\.\.\)"):
            recovers(guest, lambda: True, within="30 s")
        found = await recovers_async(guest, lambda: application.connected, within="30 s")
        with pytest.raises(RecoveryError, match="did not recover"):
            await recovers_async(guest, lambda: application.beats < 0, within="2 s")
        task.cancel()
        return found

    with guest.running():
        assert asyncio.run(main()).took_ns in {5 * SECOND, 6 * SECOND}


@pytest.mark.parametrize("runs", [True, False])
def test_an_async_probe_without_a_loop_is_asked_on_a_new_one(guest, runs):
    async def well():
        await asyncio.sleep(0)
        return guest.host.true_ns >= end_ns

    def judge():
        guest.step("1 h")
        return recovers(guest, well, within="30 s")

    end_ns = guest.host.true_ns + 4 * SECOND
    if runs:
        with guest.running():
            found = judge()
    else:
        found = judge()
    assert found.took_ns == 4 * SECOND


def test_the_awaitable_twin_says_where_it_cannot_be_awaited(guest):
    waiting = recovers_async(guest, lambda: True, within="1 s")
    with pytest.raises(StateError, match=r"Under trio, leave trio.run\(\) and judge outside it"):
        waiting.send(None)


@pytest.mark.parametrize("said", ["must be called from async context", "Task got bad yield: <trio>"])
def test_a_probe_for_trio_is_told_apart_from_an_unwell_application(guest, monkeypatch, said):
    async def probe():
        raise RuntimeError(said)

    guest.step("1 h")
    monkeypatch.delitem(sys.modules, "trio", raising=False)
    with pytest.raises(RecoveryError, match=f"its last answer: RuntimeError: {said}"):
        recovers(guest, probe, within="2 s")
    monkeypatch.setitem(sys.modules, "trio", types.SimpleNamespace(lowlevel=types.SimpleNamespace(in_trio_run=bool)))
    with pytest.raises(TypeError, match=r"such as lambda: trio.run\(probe\)$"):
        recovers(guest, probe, within="2 s")


def test_recovery_within_trio_is_refused(guest, monkeypatch):
    guest.step("1 h")
    inside = types.SimpleNamespace(lowlevel=types.SimpleNamespace(in_trio_run=lambda: True))
    monkeypatch.setitem(sys.modules, "trio", inside)
    with pytest.raises(StateError, match=r"judge after trio.run\(\) in trio"):
        recovers(guest, lambda: True, within="1 s")


def test_recovery_needs_no_pytest():
    code = """
import sys; sys.modules["pytest"] = sys.modules["_pytest"] = None
from pytest_hvclock import Host, recovers
guest = Host().guest()
guest.step("1 h")
print(recovers(guest, lambda: True, within="30 s").took_ns)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
