"""A single thread that waits: the guest's time passes, and real time does not."""

import queue
import sched
import sys
import threading
import time
from fractions import Fraction

import pytest

from pytest_hvclock import Host, StateError, StuckError
from pytest_hvclock.anomalies import Pause, Restore
from pytest_hvclock.running import waits

NS = 1_000_000_000


@pytest.mark.parametrize(
    ("seconds", "passes_ns"),
    [
        (60, 60 * NS),
        (True, NS),
        (1.5, 1_500_000_000),
        (1e-9, 1),
        (1e-12, 1),
        (0.1, 100_000_000),
        (0, 0),
        (0.0, 0),
        (-0.0, 0),
        (3650 * 86_400, 3650 * 86_400 * NS),
        (9_223_372_035, 9_223_372_035 * NS),
    ],
)
def test_a_sleep_takes_guest_time(guest, seconds, passes_ns):
    """So many seconds pass on the guest, rounded up to the nanosecond as CPython does, and hardly any for real."""
    before_ns, real = guest.monotonic_ns, [time.monotonic][0]
    began = real()
    with guest.running():
        assert time.sleep(seconds) is None
    assert guest.monotonic_ns - before_ns == passes_ns
    assert real() - began < 30


@pytest.mark.parametrize("seconds", [Fraction(1, 2), Fraction(3, 2), Fraction(-1, 2)])
def test_a_fraction_of_a_second_is_taken_as_this_python_takes_it(guest, seconds):
    """Refused before 3.15, and a length like any other since."""
    before_ns = guest.monotonic_ns
    with guest.running():
        if sys.version_info < (3, 15):
            with pytest.raises(TypeError):
                time.sleep(seconds)
        elif seconds < 0:
            with pytest.raises(ValueError, match="^sleep length must be non-negative$"):
                time.sleep(seconds)
        else:
            time.sleep(seconds)
            before_ns += int(seconds * NS)
    assert guest.monotonic_ns == before_ns


@pytest.mark.parametrize("seconds", [-1, -0.5, float("nan"), float("inf"), 1e300, 10**30, "1", None, 1j])
def test_a_wrong_sleep_is_refused_as_always(guest, seconds):
    """What ``time.sleep`` refuses is refused on the guest with the same exception, and no time passes."""
    with pytest.raises((ValueError, OverflowError, TypeError)) as real:
        time.sleep(seconds)
    before_ns = guest.monotonic_ns
    with guest.running(), pytest.raises(type(real.value)) as refused:
        time.sleep(seconds)
    assert guest.monotonic_ns == before_ns
    if not isinstance(refused.value, OverflowError):  # whose words depend on the version
        assert str(refused.value) == str(real.value)


@pytest.mark.parametrize("drift", ["+300 ppm", "-300 ppm", "+0.001 ppm", "-99 %", "+400 %"])
@pytest.mark.parametrize("seconds", [1, 0.000_000_003, 86_400])
def test_a_sleep_ends_at_the_first_nanosecond_at_which_monotonic_has_reached_its_deadline(drift, seconds):
    """Not a nanosecond of true time earlier or later, whatever the drift."""
    guest = Host(start="2026-01-01T00:00:00Z").guest(timesync="off", drift=drift)
    deadline_ns = guest.monotonic_ns + round(seconds * NS)
    began_ns = guest.host.true_ns
    with guest.running():
        time.sleep(seconds)
    took_ns = guest.host.true_ns - began_ns
    assert guest.monotonic_ns >= deadline_ns
    twin = Host(start="2026-01-01T00:00:00Z").guest(timesync="off", drift=drift)
    twin.advance(took_ns - 1)
    assert twin.monotonic_ns < deadline_ns


def test_p05_a_sleep_across_a_save_and_a_restore_lasts_as_long_in_running_time(guest):
    """P5: sixty seconds of sleep are sixty seconds of the guest's running time, however long it lay saved."""
    host, saved = guest.host, []
    host.at("20 s", lambda: saved.append(guest.save()))
    host.at("30 d", lambda: guest.restore(saved[0]))
    true_ns, monotonic_ns = host.true_ns, guest.monotonic_ns
    with guest.running():
        time.sleep(60)
    assert guest.monotonic_ns - monotonic_ns == 60 * NS
    assert host.true_ns - true_ns == (30 * 86_400 + 40) * NS


@pytest.mark.parametrize(("anomaly", "lost_s"), [(Restore("30 d"), 30 * 86_400), (Pause("28 s"), 28)])
def test_an_anomaly_strikes_in_the_middle_of_a_sleep(guest, anomaly, lost_s):
    """What the guest did not live through is added to the sleep in true time."""
    host = guest.host
    host.at("1 s", anomaly)
    true_ns, monotonic_ns = host.true_ns, guest.monotonic_ns
    with guest.running():
        time.sleep(60)
    assert (guest.monotonic_ns - monotonic_ns, host.true_ns - true_ns) == (60 * NS, (60 + lost_s) * NS)


def test_a_step_does_not_change_a_sleep(guest):
    """Sleeps are counted on the monotonic clock, which nobody sets."""
    guest.host.at("10 s", lambda: guest.step("1 d"))
    with guest.running():
        wall = time.time()
        time.sleep(60)
        assert time.time() - wall == 86_400 + 60


def test_an_exception_of_a_planned_action_comes_out_of_the_sleep(guest):
    """This is how a test ends a loop that would not: at that very moment, and with the guest still usable."""
    guest.host.at("3 s", lambda: (_ for _ in ()).throw(LookupError("enough")))
    with guest.running():
        before_ns = time.monotonic_ns()
        with pytest.raises(LookupError, match=r"^enough$"):
            time.sleep(10)
        assert time.monotonic_ns() - before_ns == 3 * NS
        time.sleep(10)
        assert time.monotonic_ns() - before_ns == 13 * NS


def test_a_keyboard_interrupt_comes_out_of_the_sleep(guest):
    """An exception that is no Exception comes out as well, and the real clocks are back."""
    real = time.sleep

    def interrupt():
        raise KeyboardInterrupt

    guest.host.at("3 s", interrupt)
    with pytest.raises(KeyboardInterrupt), guest.running():
        time.sleep(10)
    assert time.sleep is real


def test_a_planned_action_may_sleep_itself(guest):
    """An action that waits lets time pass as everybody does, and later ones happen on the way."""
    happened = []

    def slow():
        happened.append(time.monotonic())
        time.sleep(5)
        happened.append(time.monotonic())

    guest.host.at("1 s", slow)
    guest.host.at("3 s", lambda: happened.append("between"))
    with guest.running():
        start = time.monotonic()
        time.sleep(2)
        assert happened == [start + 1, "between", start + 6]
        assert time.monotonic() == start + 6


def test_a_planned_action_may_set_an_event_that_is_waited_for(guest):
    """An ``Event.wait`` ends when it is set, not at its timeout."""
    event = threading.Event()
    guest.host.at("4 s", event.set)
    with guest.running():
        start = time.monotonic()
        assert event.wait(10) is True
        assert time.monotonic() - start == 4


def test_waits_with_a_timeout_take_guest_time(guest):
    """``Event``, ``Condition``, ``Queue``, ``Semaphore`` and ``Barrier`` count on the guest, however old."""
    early = threading.Event(), threading.Condition(), queue.Queue(maxsize=1), threading.Semaphore(0)
    with guest.running():
        late = threading.Event(), threading.Condition(), queue.PriorityQueue(maxsize=1), threading.BoundedSemaphore(1)
        late[3].acquire()
        for event, condition, items, semaphore in (early, late):
            start = time.monotonic_ns()
            assert event.wait(10) is False
            with condition:
                assert condition.wait(timeout=20.5) is False
                assert condition.wait_for(lambda: False, timeout=30) is False
            with pytest.raises(queue.Empty):
                items.get(timeout=40)
            items.put(1)
            with pytest.raises(queue.Full):
                items.put(2, timeout=50)
            assert semaphore.acquire(timeout=60) is False
            assert time.monotonic_ns() - start == 210_500_000_000
        start = time.monotonic()
        with pytest.raises(threading.BrokenBarrierError):
            threading.Barrier(2).wait(timeout=7)
        assert time.monotonic() - start == 7


def test_a_queue_is_filled_in_the_middle_of_a_wait(guest):
    """A planned action may put what the waiting code gets."""
    items = queue.Queue()
    guest.host.at("2 s", lambda: items.put("late"))
    with guest.running():
        start = time.monotonic()
        assert items.get(timeout=30) == "late"
        assert time.monotonic() - start == 2


def test_a_wait_for_a_condition_may_need_several_notifications(guest):
    """``wait_for`` goes on with what is left of its timeout."""
    condition, seen = threading.Condition(), []

    def tell():
        with condition:
            seen.append(1)
            condition.notify_all()

    for second in (2, 4, 6, 8):
        guest.host.at(f"{second} s", tell)
    with guest.running():
        start = time.monotonic()
        with condition:
            assert condition.wait_for(lambda: len(seen) == 3, timeout=7) is True
        assert time.monotonic() - start == 6


@pytest.mark.parametrize("timeout", [0, -1, -0.5, float("nan")])
def test_a_wait_for_no_time_returns_at_once(guest, timeout):
    """As CPython has it: a timeout that is not above zero, NaN among them, is no wait."""
    with guest.running():
        before_ns = time.monotonic_ns()
        assert threading.Event().wait(timeout) is False
        assert time.monotonic_ns() == before_ns


def test_repeated_waits_for_no_time_move_by_a_tick(guest):
    """The second zero wait at one instant moves 100 ns, the first does not: no loop spins on its own deadline."""
    event = threading.Event()
    with guest.running():
        start = time.monotonic_ns()
        passed = []
        for _ in range(4):
            event.wait(0)
            passed.append(time.monotonic_ns() - start)
        assert passed == [0, 100, 100, 200]
        time.sleep(0)
        assert time.monotonic_ns() - start in (200, 300)


def test_a_loop_that_waits_for_its_own_deadline_ends(guest):
    """``while monotonic() <= end: sleep(end - monotonic())`` is what libraries do, and it must not spin for ever."""
    with guest.running():
        end = time.monotonic() + 10
        rounds = 0
        while time.monotonic() <= end:
            time.sleep(max(end - time.monotonic(), 0))
            rounds += 1
            assert rounds < 10


def test_a_scheduler_runs_on_the_guest(guest):
    """``sched`` keeps the clock and the sleep as default arguments."""
    with guest.running():
        start, seen = time.monotonic(), []
        scheduler = sched.scheduler()
        for delay in (30, 10, 20):
            scheduler.enter(delay, 1, lambda: seen.append(time.monotonic() - start))
        scheduler.run()
        assert seen == [10, 20, 30]


def test_a_wait_that_nobody_can_end_is_reported_with_its_line(guest, monkeypatch):
    """Instead of hanging, a wait without a deadline says where it stands, and the guest goes on."""
    monkeypatch.setattr(waits, "_STRANGERS_S", 0.1)  # another plugin's thread may be about
    with guest.running():
        with pytest.raises(StuckError) as stuck:
            threading.Event().wait()  # the line that is reported
        time.sleep(1)
    lines = str(stuck.value).splitlines()
    assert lines[0] == "every thread of the guest waits, and none has a deadline:"
    assert len(lines) == 2
    assert lines[1].startswith("  the test's own thread at ")
    assert lines[1].endswith("threading.Event().wait()  # the line that is reported")
    assert f"{__file__}:" in lines[1]


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        ("pause", "code waits on a guest that is paused, and nothing is planned that could start it"),
        ("save", "code waits on a guest that is saved, and nothing is planned that could start it"),
    ],
)
def test_a_sleep_on_a_guest_that_does_not_run_is_reported(guest, verb, message):
    """A guest that stands still, with nothing planned that could start it, would sleep for ever."""
    with guest.running():
        getattr(guest, verb)()
        with pytest.raises(StuckError) as stuck:
            time.sleep(1)
    assert str(stuck.value) == message


def test_a_sleep_on_a_guest_that_is_off_is_reported(guest):
    """A guest that is off has no clock to sleep on, nor does one that is powered off in the middle of a sleep."""
    with guest.running():
        guest.power_off()
        with pytest.raises(StateError, match=r"^a guest that is off has no clock but its RTC: boot\(\) it first"):
            time.sleep(1)
        guest.boot()
        time.sleep(1)
        guest.host.at("1 s", guest.power_off)
        with pytest.raises(StuckError) as stuck:
            time.sleep(2)
    assert str(stuck.value) == "code waits on a guest that is off, and nothing is planned that could start it"


def test_a_sleep_on_a_guest_that_is_started_by_a_plan_ends(guest):
    """With a plan that resumes it, the guest's sleep just takes that much longer."""
    with guest.running():
        guest.pause()
        guest.host.at("1 h", guest.resume)
        true_ns = guest.host.true_ns
        time.sleep(1)
        assert guest.host.true_ns - true_ns == 3_601 * NS


def test_a_sleep_on_a_clock_that_stands_still_is_reported():
    """At -100 % the monotonic clock never reaches any deadline."""
    guest = Host(start="2026-01-01T00:00:00Z").guest(timesync="off", drift="-100 %")
    with guest.running(), pytest.raises(StuckError) as stuck:
        time.sleep(1)
    assert str(stuck.value) == "the guest's monotonic clock stands still, so this wait would never end"


def test_a_reboot_in_the_middle_of_a_sleep_is_survived(guest):
    """A guest that was powered off and on has a new monotonic clock; the sleeper waits for its old deadline on it."""
    guest.advance("100 s")

    def reboot():
        guest.power_off()
        guest.boot()

    guest.host.at("1 s", reboot)
    true_ns = guest.host.true_ns
    with guest.running():
        time.sleep(2)
        assert time.monotonic() == 102
    assert guest.host.true_ns - true_ns == 103 * NS


def test_a_condition_that_is_not_held_is_refused_as_always(guest):
    """The usual mistake has the usual exception."""
    with guest.running(), pytest.raises(RuntimeError, match=r"^cannot wait on un-acquired lock$"):
        threading.Condition().wait(1)
