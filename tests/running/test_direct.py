"""The direct backend, and the object that every guest has: ``guest.clock``."""

from __future__ import annotations

import datetime as dt
import sys
import threading
import time

import pytest
import time_machine

from pytest_hvclock import Host, StateError, StuckError
from pytest_hvclock.anomalies import Step
from pytest_hvclock.running import Running

NS = 1_000_000_000
START = "2026-07-01T12:00:00.123456789Z"


@pytest.fixture
def guest():
    """A guest that nothing corrects, in Tokyo."""
    return Host(start=START).guest(timesync="off", zone="Asia/Tokyo", drift="+500 ppm")


def test_every_member(guest):
    """They have the names, the units and the types of ``time`` and ``datetime``, and read exactly."""
    guest.step("1 h")
    guest.advance("100 s")
    clock = guest.clock
    utc = dt.datetime(2026, 7, 1, 13, 1, 40, 173456)
    assert clock.time_ns() == guest.wall_ns == 1_782_910_900_173_456_789
    assert clock.time() == guest.wall_ns / NS
    assert clock.monotonic_ns() == clock.perf_counter_ns() == guest.monotonic_ns == 100_050_000_000
    assert clock.monotonic() == clock.perf_counter() == 100.05
    assert clock.now(dt.UTC) == utc.replace(tzinfo=dt.UTC)
    assert clock.utcnow() == utc
    assert clock.now() == utc + dt.timedelta(hours=9)
    assert (clock.utcnow().tzinfo, clock.now().tzinfo) == (None, None)
    assert clock.today() == dt.date(2026, 7, 1)
    guest.advance("3 h")
    assert clock.today() == dt.date(2026, 7, 2)
    assert repr(clock) == f"<Clock of {guest!r}>"
    assert guest.clock is clock


def test_local_time_knows_the_hour_that_comes_twice():
    """A naive reading says by ``fold`` which of the two it is."""
    guest = Host(start="2026-10-25T00:30:00Z").guest(zone="Europe/Berlin", timesync="off")
    first = guest.clock.now()
    guest.advance("1 h")
    second = guest.clock.now()
    assert (first, first.fold, second.fold) == (second, 0, 1)


@pytest.mark.parametrize("entered", [True, False])
def test_a_sleep_passes_guest_time(guest, entered):
    """It ends at the first nanosecond at which monotonic has got there, whether or not the guest is running here."""
    running = Running(guest, "direct")
    if entered:
        running.__enter__()
    began_ns, true_ns = guest.monotonic_ns, guest.host.true_ns
    guest.clock.sleep(1000)
    assert guest.monotonic_ns - began_ns == 1000 * NS
    assert guest.host.true_ns - true_ns == 999_500_249_876  # the guest's clock is 500 ppm fast
    guest.clock.sleep(0)
    guest.clock.sleep(0.1)
    assert guest.monotonic_ns - began_ns == 1000 * NS + NS // 10
    if entered:
        running.__exit__(None, None, None)


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), float("inf")])
def test_what_is_no_length_of_a_sleep_is_refused(guest, seconds):
    """As ``time.sleep`` does, and nothing passes."""
    with pytest.raises(ValueError, match="sleep length must be non-negative"):
        guest.clock.sleep(seconds)
    assert guest.monotonic_ns == 0


def test_what_is_planned_happens_in_a_sleep(guest):
    """An anomaly strikes code that sleeps, and an exception comes out of its sleep."""
    guest.host.at("10 s", Step("-1 h"))
    guest.host.at("20 s", lambda: guest.clock.sleep(5))

    def stop():
        raise KeyboardInterrupt

    guest.host.at("60 s", stop)
    with guest.running(backend="direct"):
        guest.clock.sleep(30)
        assert guest.clock.time_ns() == guest.wall_ns < 1_782_907_200 * NS
        with pytest.raises(KeyboardInterrupt):
            guest.clock.sleep(3600)
    assert guest.host.true_ns - guest.host.started_ns == 60 * NS


def test_a_guest_that_does_not_run(guest):
    """A sleep on it is reported, unless something is planned that starts it; off, it has no clock but the RTC."""
    guest.pause()
    with pytest.raises(StuckError, match="paused, and nothing is planned"):
        guest.clock.sleep(1)
    guest.host.at("5 s", guest.resume)
    guest.clock.sleep(1)
    guest.power_off()
    with pytest.raises(StateError, match="has no clock but its RTC"):
        guest.clock.time()
    with guest.running(backend="direct"):
        guest.host.at("5 s", guest.boot)
        guest.clock.sleep(1)
        assert guest.monotonic_ns == guest.clock.monotonic_ns() >= NS


def test_threads_sleep_side_by_side(guest):
    """True time goes to the last deadline, and no reading goes back."""
    clock, readings = guest.clock, []
    barrier = threading.Barrier(8)

    def work(number):
        barrier.wait()
        for _ in range(50):
            before = clock.monotonic_ns()
            clock.sleep(number / 8)
            after = clock.monotonic_ns()
            readings.append(after - before >= number * NS // 8)

    with guest.running(backend="direct"):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert readings == [True] * 400
    assert 50 * NS <= guest.monotonic_ns <= 50 * NS * 8


def test_the_process_is_left_as_it_is(guest):
    """Other libraries that fake time may do so meanwhile, and the time zone is not touched."""
    zone, real = time.tzname, [time.sleep, threading.Lock, time.monotonic]
    with Running(guest, "direct", zone="America/New_York"):
        assert (time.tzname, [time.sleep, threading.Lock, time.monotonic]) == (zone, real)
        with time_machine.travel(0, tick=False):
            assert (time.time(), guest.clock.time_ns()) == (0, guest.wall_ns)
    with time_machine.travel(0, tick=False), guest.running(backend="direct"):
        guest.clock.sleep(60)
        assert (time.time(), guest.clock.monotonic_ns()) == (0, 60 * NS)


def test_under_another_backend_threads_wait_together(guest):
    """There the object's sleep is the guest's own, of which the coordinator knows."""
    order = []

    def sleeper(seconds):
        guest.clock.sleep(seconds)
        order.append((seconds, guest.clock.monotonic()))

    with guest.running():
        threads = [threading.Thread(target=sleeper, args=(seconds,)) for seconds in (30, 10, 20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert order == [(10, 10.0), (20, 20.0), (30, 30.0)]


def test_live_pace(guest):
    """The clock goes on by itself, a sleep is real, and afterwards time stands still."""
    real = [time.perf_counter_ns]
    with guest.running(backend="direct", pace="live"):
        began_ns, before_ns = real[0](), guest.clock.monotonic_ns()
        guest.clock.sleep(0.1)
        gone_ns = guest.clock.monotonic_ns() - before_ns
        assert NS // 10 <= gone_ns <= 2 * (real[0]() - began_ns)
    assert guest.clock.time_ns() == guest.clock.time_ns()


def test_a_test_of_pytests_own(pytester):
    """By option; a scenario strikes before the second reading of the object."""
    pytester.makepyfile("""
        import time
        def test_it(hvclock):
            clock = hvclock.clock
            first = clock.time()
            assert hvclock.struck_at_ns is None
            clock.time()
            assert hvclock.struck_at_ns is not None
            assert abs(time.time() - first) < 60
            clock.sleep(3600)
            assert clock.monotonic() >= 3600 and abs(time.time() - first) < 60
    """)
    result = pytester.runpytest_subprocess("--hvclock=azure-pause-28s", "--hvclock-backend=direct")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["hvclock: --hvclock=azure-pause-28s --hvclock-backend=direct"])


def test_no_engine_is_imported(python):
    """Neither library is there for it, and none is needed."""
    assert python("""
        for name in ("time_machine", "freezegun"): sys.modules[name] = None
        with guest.running(backend="direct"):
            guest.clock.sleep(60)
            print(guest.clock.monotonic(), abs(time.time() - real_time[0]()) < 5)
    """) == ["60.0 True"]
    assert "pytest_hvclock" in sys.modules
