"""Live pace: true time follows the real monotonic clock, and the anomalies happen on top.

Nothing here asserts how long something took in real time but from below; an upper bound only tells waits from hangs.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import queue
import random
import selectors
import shutil
import socket
import subprocess
import sys
import threading
import time
from _thread import interrupt_main

import pytest

from pytest_hvclock import Host, StateError, StuckError
from pytest_hvclock.model.guest import State
from pytest_hvclock.running import active
from pytest_hvclock.running import live as live_pace

NS = 10**9
SOON_S = 60
"""A wait that ends within so many real seconds has not waited for its hour."""
real = [time.monotonic_ns, time.sleep, threading.Timer]
"""A plain container keeps the real functions."""


@pytest.fixture
def live(guest):
    """A guest that runs in live pace."""
    with guest.running(pace="live"):
        yield guest


def later(seconds, action):
    """Do something after so much real time, in a thread of the guest's that does not wait on its clock."""

    def run():
        real[1](seconds)
        action()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def ahead_ns(guest):
    """How far the guest's monotonic clock is ahead of the real one, seldom too little for want of processor time."""
    return max(guest.monotonic_ns - real[0]() for _ in range(9))


def boom():
    raise LookupError("planned")


# --------------------------------------------------------------------------------------------------- readings


@pytest.mark.parametrize("drift", ["0 ppm", "10 %", "-10 %"])
def test_every_clock_follows_the_real_monotonic_one_at_the_guests_rate(drift):
    """The wall and all counters gain what real time and the drift say, between two brackets."""
    guest = Host().guest(timesync="off", drift=drift)
    rate = 1 + int(drift.split()[0]) / 100 if "%" in drift else 1
    with guest.running(pace="live"):
        outer = real[0]()
        before = [time.time_ns(), time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)]
        inner = real[0]()
        real[1](0.2)
        inner = real[0]() - inner
        after = [time.time_ns(), time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)]
        outer = real[0]() - outer
    for first, last in zip(before, after, strict=True):
        assert inner * rate - 1000 <= last - first <= outer * rate + 1000


def test_the_guests_own_readings_agree_with_the_programs(live):
    """``guest.wall_ns`` and its like lie between two readings of the program."""
    for program, own in ((time.time_ns, "wall_ns"), (time.monotonic_ns, "monotonic_ns")):
        readings = [program(), getattr(live, own), program(), getattr(live, own)]
        assert readings == sorted(readings)


def test_a_coarse_guest_is_read_in_ticks(guest):
    """As in stepped pace: whole multiples of 15.625 ms."""
    coarse = guest.host.guest(timesync="off", coarse=True)
    with coarse.running(pace="live"):
        for _ in range(3):
            assert time.time_ns() % 15_625_000 == time.monotonic_ns() % 15_625_000 == 0
            time.sleep(0.005)


SETTINGS = [
    {"drift": "0 ppm"},
    {"drift": "+200 ppm"},
    {"drift": "-333333333 ppb", "timesync": "linux"},
    {"drift": "0 ppb", "coarse": True},
    {"drift": "20 %", "os": "windows", "timesync": "windows"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings["drift"])
def test_every_reading_is_what_the_model_says_at_that_instant(monkeypatch, settings):
    """To the nanosecond, along the line that was taken down and after the verbs that end it."""
    real_ns = [10**15]
    monkeypatch.setattr(live_pace, "_now_ns", lambda: real_ns[0])
    chance = random.Random(4)
    guest = Host().guest(**{"timesync": "off", **settings})
    verbs = [
        *(lambda: guest.step("-1 h"), lambda: guest.step(1), guest.pause, guest.resume, guest.checkpoint),
        *(lambda: guest.advance("7 s"), lambda: guest.restore(guest.save()), guest.hibernate, guest.boot),
        *(lambda: setattr(guest, "drift", f"{chance.randrange(-(10**6), 10**6)} ppb"), lambda: None),
    ]
    with guest.running(backend="direct", pace="live"):
        reader, true_ns = active()._reader, guest.host.true_ns
        for _ in range(2000):
            if chance.random() < 0.1:
                with contextlib.suppress(StateError):
                    chance.choice(verbs)()
                true_ns = guest.host.true_ns
            event_ns = (guest._next_event_ns() or true_ns) - true_ns + chance.randrange(2)
            gone_ns = chance.choice([0, 1, 5000, chance.randrange(10**8), chance.randrange(3 * NS), event_ns])
            real_ns[0], true_ns = real_ns[0] + gone_ns, true_ns + gone_ns
            shown = reader.wall_ns(), reader.monotonic, reader.raw, reader.boottime, reader.true
            if guest.state is State.OFF:
                guest.boot()
                continue
            said = guest.wall_ns, guest.monotonic_ns, guest.monotonic_raw_ns, guest.boottime_ns, true_ns
            assert shown == said
            assert shown[0] == reader.wall


STEPPED_WALL = """
    import datetime, time
    real = dict(vars(time))
    calls = []
    def stepped(name, unit):  # an hour later at each reading, which a guest would show at once
        def read(*arguments):
            calls.append(name)
            return real[name]() + len(calls) * 3600 * unit
        return read
    time.time, time.time_ns = stepped("time", 1), stepped("time_ns", 10**9)
    from pytest_hvclock import Host
    guest = Host(start="2026-01-01T00:00:00Z").guest(timesync="linux")
    with guest.running(backend={backend!r}, pace="live"):
        calls.clear()
        for _ in range(30):
            assert 0 <= guest.clock.time() - 1767225600 < 60, guest.clock.time()
            assert 0 <= guest.wall_ns - 1767225600 * 10**9 < 60 * 10**9
            {own}
            time.sleep(0.01)
        print(calls, guest.error_ns)
"""


@pytest.mark.parametrize("backend", ["direct", "freezegun"])
def test_no_reading_comes_from_the_real_wall_clock(python, backend):
    """A real wall clock that jumps at every reading changes nothing, because nobody reads it."""
    own = "assert 0 <= time.time() - 1767225600 < 60" if backend == "freezegun" else "pass"
    assert python(STEPPED_WALL.format(backend=backend, own=own), preamble="") == ["[] 0"]


STEPPED_SYSTEM = """
    #define _GNU_SOURCE
    #include <time.h>
    #include <sys/syscall.h>
    #include <sys/time.h>
    #include <unistd.h>
    static long readings;
    int clock_gettime(clockid_t clock, struct timespec *now) {
        int failed = syscall(SYS_clock_gettime, clock, now);
        if (clock == CLOCK_REALTIME) now->tv_sec += 3600 * ++readings;
        return failed;
    }
    time_t time(time_t *where) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        if (where) *where = now.tv_sec;
        return now.tv_sec;
    }
    int gettimeofday(struct timeval *restrict when, void *restrict zone) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        when->tv_sec = now.tv_sec;
        when->tv_usec = now.tv_nsec / 1000;
        return 0;
    }
"""
"""What every program gets its wall clock from, an hour later at each reading: a step of the machine's own clock."""


COMPILER = shutil.which("cc")


@pytest.mark.skipif(sys.platform != "linux" or COMPILER is None, reason="needs Linux and a C compiler")
def test_a_step_of_the_machines_own_wall_clock_changes_nothing(python, tmp_path):
    """With time-machine, which replaces functions in C: nothing that a guest shows comes from that clock either."""
    (tmp_path / "stepped.c").write_text(STEPPED_SYSTEM, encoding="utf-8")
    library = tmp_path / "stepped.so"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", library, tmp_path / "stepped.c"], check=True)
    script = """
        import datetime
        print(time.time() - time.time() < -3000)
        with guest.running(pace="live"):
            for _ in range(30):
                wall = (
                    time.time(), time.time_ns() / 10**9, time.clock_gettime(time.CLOCK_REALTIME), guest.wall_ns / 10**9,
                    datetime.datetime.now(datetime.UTC).timestamp(), time.mktime(time.localtime()),
                )
                assert all(-1 <= each - 1767225600 < 60 for each in wall), wall
                time.sleep(0.01)
            print(guest.error_ns)
        print(time.time() - time.time() < -3000)
    """
    assert python(script, environment={"LD_PRELOAD": str(library), "TZ": "UTC"}) == ["True", "0", "True"]


# --------------------------------------------------------------------------------------------------- verbs


def test_what_each_verb_does_to_the_readings(live):
    """As in stepped pace, with time going on in between."""
    host = live.host
    before = time.time_ns(), time.monotonic_ns()
    live.step("-1 h")
    assert time.time_ns() < before[0] - 3590 * NS
    assert before[1] < time.monotonic_ns() < before[1] + SOON_S * NS
    live.step("1 h")
    assert live.error_ns == 0

    live.pause()
    stopped = time.time_ns(), time.monotonic_ns(), live.monotonic_ns
    real[1](0.05)
    assert (time.time_ns(), time.monotonic_ns(), live.monotonic_ns) == stopped
    live.resume()
    assert live.error_ns <= -50_000_000
    assert time.monotonic_ns() >= stopped[1]

    saved = live.save()
    stopped = time.monotonic_ns()
    host.advance("30 d")
    assert time.monotonic_ns() == stopped
    live.restore(saved)
    assert -31 * 86_400 * NS < live.error_ns < -30 * 86_400 * NS
    assert stopped <= time.monotonic_ns() < stopped + SOON_S * NS

    live.power_off()
    last = time.time_ns(), time.monotonic_ns()
    assert last[1] >= stopped
    real[1](0.02)
    assert (time.time_ns(), time.monotonic_ns()) == last
    with pytest.raises(StateError):
        _ = live.wall_ns
    live.boot()
    assert 0 <= time.monotonic_ns() < SOON_S * NS

    ahead = time.monotonic_ns() - real[0]()
    live.drift = "50 %"
    real[1](0.05)
    assert time.monotonic_ns() - real[0]() >= ahead + 25_000_000


def test_the_service_corrects_a_live_guest():
    """SYNC comes a moment after a resume, in real time."""
    guest = Host().guest(timesync="linux", sync_after_resume="100 ms")
    with guest.running(pace="live"):
        guest.pause()
        guest.host.advance("1 h")
        guest.resume()
        assert guest.error_ns <= -3600 * NS
        behind = time.time_ns()
        time.sleep(0.15)
        assert time.time_ns() - behind >= 3600 * NS
        assert guest.error_ns == 0
        assert guest.clock_sets[-1].by == "SYNC"


def test_clock_settime_is_a_step(live):
    """Of the guest, to within the time that it took."""
    before = live.host.true_ns
    time.clock_settime(time.CLOCK_REALTIME, 0)
    assert 0 <= time.time_ns() <= live.host.true_ns - before + NS


# --------------------------------------------------------------------------------------------------- planned


def test_planned_actions_happen_at_their_moments(live):
    """Exactly, on every clock; in their order, and though nobody reads a clock meanwhile."""
    host, seen = live.host, []
    began = host.true_ns

    def action():
        seen.append((host.true_ns, live.monotonic_ns, time.monotonic_ns(), live.error_ns))
        live.step("1 h")
        seen.append((host.true_ns, live.monotonic_ns, time.monotonic_ns(), live.error_ns))

    host.at("50 ms", action)
    host.at("50 ms", lambda: seen.append("second"))
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(0.3)
        with pytest.raises(TimeoutError):
            left.recv(1)
    (true_ns, *first), second, last = seen
    assert began + 50_000_000 <= true_ns < began + 300_000_000
    assert first == [first[0], first[0], 0]
    assert second == (true_ns, first[0], first[0], 3600 * NS)
    assert last == "second"


def test_an_action_that_waits_takes_its_time(live):
    """A sleep in a planned action is real; time goes on for all meanwhile, and none is lost."""
    host, seen = live.host, []

    def action():
        seen.append(live.monotonic_ns)
        time.sleep(0.1)
        seen.append(live.monotonic_ns)

    host.at("20 ms", action)
    ahead = ahead_ns(live)
    time.sleep(0.3)
    assert seen[1] - seen[0] >= 100_000_000
    assert abs(ahead_ns(live) - ahead) < 50_000_000


def test_an_action_that_waits_lets_time_go_on_at_once(monkeypatch, live):
    """It does not first use up the real time that an action is given without that anybody sees time pass."""
    monkeypatch.setattr(live_pace, "_ACTION_NS", 2 * SOON_S * NS)
    waited, done = [], threading.Event()

    def action():
        began_ns = real[0]()
        time.sleep(0.02)
        waited.append(real[0]() - began_ns)
        done.set()

    live.host.at("20 ms", action)
    assert done.wait(SOON_S)
    assert 0.01 * NS < waited[0] < SOON_S * NS


def test_no_thread_reads_past_an_action_that_is_at_work(live):
    """Else its clock would go back when the action stops it."""
    over, readings = threading.Event(), ([], [])  # one of the two runs the action, and the other reads on

    def reader(mine):
        while not over.is_set():
            mine.append(time.monotonic_ns())

    def action():
        real[1](0.1)
        live.pause()

    threads = [threading.Thread(target=reader, args=(mine,)) for mine in readings]
    for thread in threads:
        thread.start()
    live.host.at("20 ms", action)
    while live.state.value == "running":
        real[1](0.02)
    over.set()
    for thread, mine in zip(threads, readings, strict=True):
        thread.join()
        assert mine == sorted(mine)
        assert mine[-1] <= live.monotonic_ns


def test_an_action_that_needs_another_thread_gets_it(live):
    """Time stands still for an action only for a moment, so that a server on the guest can answer it."""
    ask, answer = queue.Queue(), queue.Queue()

    def server():
        ask.get()
        time.sleep(0.05)
        answer.put(time.monotonic())

    def action():
        left, right = socket.socketpair()
        ask.put(1)
        with left, right:
            left.settimeout(0.5)  # in the kernel, which the kit does not see
            try:
                left.recv(1)
            except TimeoutError:
                done.append(answer.get_nowait())

    done = []
    thread = threading.Thread(target=server)
    thread.start()
    live.host.at("10 ms", action)
    thread.join()
    time.sleep(1)
    assert len(done) == 1


def end_with_a_loop(_):
    while True:
        time.monotonic()


WAITS = {
    "sleep": lambda _: time.sleep(3600),
    "endless event": lambda _: threading.Event().wait(),
    "event": lambda _: threading.Event().wait(3600),
    "queue": lambda _: queue.Queue().get(timeout=3600),
    "future": lambda _: concurrent.futures.Future().result(timeout=3600),
    "join": lambda thread: thread.join(3600),
    "endless join": lambda thread: thread.join(),
    "clock": lambda _: Clocks.guest.clock.sleep(3600),
    "asyncio": lambda _: asyncio.run(asyncio.sleep(3600)),
    "spin": end_with_a_loop,
    "advance": lambda _: Clocks.guest.advance("1 h"),
}


class Clocks:
    """Where the waits above find their guest."""

    guest = None


@pytest.fixture
def waiting(live):
    """A thread of the guest's that waits until the test is over."""
    Clocks.guest = live
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield thread
    over.set()


@pytest.mark.parametrize("wait", WAITS)
def test_what_a_planned_action_raises_comes_out_of_the_wait_that_it_interrupts(live, waiting, wait):
    """Of the thread that entered the guest, whatever it waits for; and once."""
    live.host.at("30 ms", boom)
    with pytest.raises(LookupError, match="^'?planned'?$"):
        WAITS[wait](waiting)
    time.sleep(0.02)


def test_what_a_planned_action_raises_while_nobody_looks_comes_out_at_the_end(guest):
    """It is not lost, and hides no failure of the block's own."""

    def block(failure=None):
        with guest.running(pace="live"):
            guest.host.at("10 ms", boom)
            real[1](0.2)
            if failure is not None:
                raise failure

    with pytest.raises(LookupError, match="planned"):
        block()
    with pytest.raises(OSError, match="own"):
        block(OSError("own"))
    with guest.running(pace="live"):
        time.sleep(0.001)


def test_what_an_action_raises_in_another_thread_comes_out_of_the_next_reading(monkeypatch, guest):
    """No line is read along before it has come out, however short a time it was."""
    real_ns = [10**15]
    monkeypatch.setattr(live_pace, "_now_ns", lambda: real_ns[0])
    with guest.running(backend="direct", pace="live"):
        reader = active()._reader
        guest.host.at("1 ms", boom)
        real_ns[0] += 10**6
        other = threading.Thread(target=reader.refresh)
        other.start()
        other.join()
        for read in (reader.wall_ns, lambda: reader.monotonic):
            with pytest.raises(LookupError, match="planned"):
                read()
            assert reader.true == guest.host.true_ns
            reader._failure = LookupError("planned")
            reader.refresh()
        reader._failure = None


def test_an_exception_does_not_come_out_of_another_threads_reading(live):
    """A server that reads the clock is not the one to be told."""
    failures = []

    def reader():
        try:
            while not over.is_set():
                time.monotonic()
        except LookupError as failure:
            failures.append(failure)

    over = threading.Event()
    thread = threading.Thread(target=reader)
    thread.start()
    live.host.at("30 ms", boom)
    with pytest.raises(LookupError):
        threading.Event().wait(SOON_S)
    over.set()
    thread.join()
    assert failures == []


# --------------------------------------------------------------------------------------------------- waiting


def timing_out(failure, wait, seconds):
    with pytest.raises(failure):
        wait(timeout=seconds)


TIMED = {
    "sleep": lambda _, s: time.sleep(s),
    "event": lambda _, s: threading.Event().wait(s),
    "semaphore": lambda _, s: threading.Semaphore(0).acquire(timeout=s),
    "queue": lambda _, s: timing_out(queue.Empty, queue.Queue().get, s),
    "future": lambda _, s: timing_out(TimeoutError, concurrent.futures.Future().result, s),
    "join": lambda thread, s: thread.join(s),
    "asyncio": lambda _, s: asyncio.run(asyncio.sleep(s)),
    "clock": lambda _, s: Clocks.guest.clock.sleep(s),
}


@pytest.mark.parametrize("wait", TIMED)
def test_a_wait_ends_when_the_guests_clock_says_so(live, waiting, wait):
    """A pause in the middle makes it longer in true time, and not on the guest's clock."""
    live.host.at("100 ms", live.pause)
    live.host.at("500 ms", live.resume)
    began, real_ns, true_ns = time.monotonic_ns(), real[0](), live.host.true_ns
    TIMED[wait](waiting, 0.3)
    assert time.monotonic_ns() - began >= 300_000_000
    assert real[0]() - real_ns >= 400_000_000  # also if this thread was a while late to begin
    assert live.host.true_ns - true_ns >= 400_000_000


@pytest.mark.parametrize("wait", TIMED)
def test_a_wait_ends_early_when_time_is_advanced(live, waiting, wait):
    """An hour goes by for everybody at once."""
    later(0.05, lambda: live.advance("1 h"))
    real_ns = real[0]()
    TIMED[wait](waiting, 3600)
    assert real[0]() - real_ns < SOON_S * NS
    assert time.monotonic_ns() >= 3600 * NS


def test_a_wait_is_ended_by_what_it_waits_for(live):
    """Not by its timeout, and the result says which it was."""
    event, items, condition = threading.Event(), queue.Queue(), threading.Condition()
    future = concurrent.futures.Future()

    def notify():
        with condition:
            condition.notify()

    for action in (event.set, lambda: items.put("item"), lambda: future.set_result("result"), notify):
        later(0.05, action)
    with condition:
        assert condition.wait(3600)
    assert event.wait(3600)
    assert items.get(timeout=3600) == "item"
    assert future.result(timeout=3600) == "result"
    assert live.monotonic_ns < SOON_S * NS
    assert not threading.Event().wait(0)
    with pytest.raises(RuntimeError, match="un-acquired"):
        threading.Condition().wait(1)
    with pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)


@pytest.mark.parametrize("state", ["pause", "save", "power_off"])
@pytest.mark.parametrize("wait", ["sleep", "event", "asyncio", "clock"])
def test_a_wait_that_would_never_end_is_reported(live, state, wait):
    """The guest does not run, and nobody is left who could start it."""
    Clocks.guest = live
    getattr(live, state)()
    with pytest.raises(StuckError, match="^code waits on a guest that is (paused|saved|off), and neither"):
        TIMED[wait](None, 0.1)


def test_a_paused_guest_is_waited_for_while_somebody_can_start_it(live):
    """A planned action, or another thread."""
    for plan in (lambda: live.host.at("100 ms", live.resume), lambda: later(0.1, live.resume)):
        live.pause()
        true_ns = live.host.true_ns
        plan()
        time.sleep(0.01)
        assert live.host.true_ns - true_ns >= 100_000_000


def test_threads_from_before_the_guest_wait_in_real_time(guest):
    """They are not the guest's: what it does with its clock does not keep them, nor let them go."""
    begin, ended = threading.Event(), threading.Event()

    def stranger():
        begin.wait()
        time.sleep(0.05)
        threading.Event().wait(0.05)
        ended.set()

    thread = threading.Thread(target=stranger)
    thread.start()
    with guest.running(pace="live"):
        guest.pause()
        begin.set()
        real[1](0.001)
        while thread.is_alive():
            real[1](0.01)
        assert ended.is_set()
        assert guest.monotonic_ns < NS


def test_the_timer_of_a_stranger_is_not_set_off_by_an_advance(guest):
    """As pytest-timeout's, which counts real time."""
    timer = real[2](3600, interrupt_main)
    timer.start()
    with guest.running(pace="live"):
        guest.advance("1 d")
        time.sleep(0.05)
    assert timer.is_alive()
    timer.cancel()
    timer.join(SOON_S)


def test_a_thread_that_waits_when_the_guest_is_left_goes_on_for_real(guest):
    """For what is left of its wait, and then it ends."""
    ended = []

    def sleeper(wait):
        wait()
        ended.append(real[0]())

    waits = (lambda: time.sleep(0.3), lambda: threading.Event().wait(0.3))
    with guest.running(pace="live"):
        threads = [threading.Thread(target=sleeper, args=(wait,)) for wait in waits]
        for thread in threads:
            thread.start()
        real_ns = real[0]()
    for thread in threads:
        thread.join(SOON_S)
    assert len(ended) == 2
    assert min(ended) - real_ns >= 250_000_000


def test_entering_again_and_again_leaves_no_threads(guest):
    """Each suspension ends the thread that looks after planned actions."""
    from pytest_hvclock.running import Running

    before = threading.active_count()
    running = Running(guest, pace="live")
    with running:
        for _ in range(30):
            running.suspend()
            running.resume()
        assert threading.active_count() <= before + 30
        real[1](0.1)
    for _ in range(100):
        if threading.active_count() <= before:
            break
        real[1](0.05)
    assert threading.active_count() <= before


def test_time_stands_still_between_suspension_and_resumption(guest):
    """And goes on from there, without a jump."""
    from pytest_hvclock.running import Running

    running = Running(guest, pace="live")
    with running:
        running.suspend()
        stopped = guest.host.true_ns, guest.monotonic_ns
        real[1](0.1)
        assert (guest.host.true_ns, guest.monotonic_ns) == stopped
        began = real[0]()
        running.resume()
        assert 0 <= time.monotonic_ns() - stopped[1] <= real[0]() - began
    assert time.monotonic_ns() >= began


# --------------------------------------------------------------------------------------------------- many threads


def test_time_stands_still_for_a_thread_that_waits_on_while_the_guest_is_suspended(guest):
    """It goes on looking at the guest, which moves no time, and wakes after the guest has gone on."""
    running = guest.running(pace="live")
    with running:
        thread = threading.Thread(target=time.sleep, args=(0.3,))
        thread.start()
        time.sleep(0.05)
        running.suspend()
        before_ns = guest.host.true_ns
        time.sleep(0.6)
        assert guest.host.true_ns == before_ns
        running.resume()
        thread.join(SOON_S)
        assert not thread.is_alive()
        assert 0.25 * NS <= guest.host.true_ns - before_ns + 0.05 * NS < SOON_S * NS


def test_a_thread_that_reads_on_when_the_guest_is_left_does_not_disturb_it(python):
    """By the guest's own verbs time is moved on meanwhile, and each second of it once."""
    assert python("""
        from pytest_hvclock.running.live import LiveReader
        sys.setswitchinterval(1e-6)
        for _ in range(30):
            guest = Host().guest(timesync="off")
            reader, over = LiveReader(guest), []
            def look():
                while not over:
                    reader.wall
            threads = [threading.Thread(target=look) for _ in range(2)]
            reader.start()
            reader.stop()
            for thread in threads:
                thread.start()
            for _ in range(300):
                guest.advance("1 s")
                guest.wall_ns
            over.append(True)
            for thread in threads:
                thread.join()
            assert guest.error_ns == 0
        print("right")
    """) == ["right"]


def test_no_thread_sees_its_monotonic_clock_go_back(live):
    """Whatever the host does meanwhile, on every clock that may not; and no reading is torn."""
    over, broken = threading.Event(), []
    clocks = (time.monotonic_ns, lambda: live.monotonic_ns, lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME))

    def reader():
        last = [0] * len(clocks)
        while not over.is_set():
            for index, clock in enumerate(clocks):
                now = clock()
                if now < last[index]:
                    broken.append((index, last[index] - now))
                last[index] = now
            if live.error_ns > 0:
                broken.append(("error", live.error_ns))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=reader) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        until = real[0]() + NS
        while real[0]() < until:
            live.host.at("1 ms", lambda: setattr(live, "drift", "-100 ppm"))
            live.pause()
            live.resume()
            live.step("-1 ns")
            saved = live.save()
            live.advance("1 ms")
            live.restore(saved)
            live.drift = "-500 ppm"
    finally:
        over.set()
        sys.setswitchinterval(interval)
        for thread in threads:
            thread.join()
    assert broken == []


@pytest.mark.usefixtures("live")
def test_several_sleepers_and_a_pool():
    """Side by side, in real time."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        began = time.monotonic()
        assert list(pool.map(lambda _: time.sleep(0.05), range(8), timeout=SOON_S)) == [None] * 8
        assert time.monotonic() - began >= 0.1
    with pytest.raises(TimeoutError):
        next(concurrent.futures.as_completed([concurrent.futures.Future()], timeout=0.02))


# --------------------------------------------------------------------------------------------------- asyncio


def test_an_asyncio_server_and_its_timeouts(live):
    """Streams answer, timeouts strike, and the loop's clock is the guest's."""

    async def answer(reader, writer):
        try:
            if await reader.readline() == b"slow\n":
                await asyncio.sleep(3600)
            writer.write(b"hello\n")
        finally:
            writer.close()

    async def ask(port, word):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(word)
        try:
            return await asyncio.wait_for(reader.readline(), 0.1)
        finally:
            writer.close()

    async def main():
        loop = asyncio.get_running_loop()
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            before = loop.time()
            assert await asyncio.wait_for(loop.run_in_executor(None, lambda: "done"), SOON_S) == "done"
            with pytest.raises(TimeoutError):
                await ask(port, b"slow\n")
            assert loop.time() - before >= 0.1
            live.advance("1 h")
            assert 3600 <= loop.time() - before < 3600 + SOON_S
            server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), SOON_S)  # no transport stays open
            await asyncio.sleep(0.02)

    asyncio.run(main())


def test_a_selector_that_answers_before_it_has_to_is_believed(guest):
    """As where a signal has come in between, or where a test has put one in place that never waits."""

    class Hasty(selectors.SelectSelector):
        def select(self, timeout=None):
            del timeout
            return super().select(0)

    loop = asyncio.SelectorEventLoop(Hasty())
    try:
        with guest.running(pace="live"):
            loop.run_until_complete(asyncio.sleep(0.02))
            assert not isinstance(loop._selector, Hasty)
            assert loop._selector.select(None) == []
            assert loop._selector.select(3600) == []
    finally:
        loop.close()


def test_a_loop_from_before_goes_on_through_the_guest(guest):
    """Its clock makes no jump, and its timers strike on time."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        beats = []

        async def heart():
            while True:
                beats.append(loop.time())
                await asyncio.sleep(0.02)

        async def begin():
            return asyncio.create_task(heart())

        task = runner.run(begin())
        with guest.running(pace="live"):
            runner.run(asyncio.sleep(0.2))
            many = len(beats)
        runner.run(asyncio.sleep(0.2))
        task.cancel()
    assert many >= 2
    assert len(beats) > many
    assert beats == sorted(beats)
    assert beats[-1] - beats[0] < SOON_S


# --------------------------------------------------------------------------------------------------- the world


def test_child_processes_and_their_timeouts(live):
    """Are real, whatever the guest's clock does."""
    live.pause()
    slow = [sys.executable, "-c", "import time; time.sleep(0.1); print('done')"]
    assert subprocess.run(slow, timeout=SOON_S, capture_output=True, check=True).stdout == b"done\n"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2, check=False)


def test_a_threaded_http_server(live):
    """With a handler that sleeps, and a client with a timeout."""
    import http.server
    import urllib.request

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(0.05)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(str(time.time()).encode())

        def log_message(self, *_):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        live.step("1 d")
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/", timeout=SOON_S) as answer:
            assert abs(float(answer.read()) - time.time()) < SOON_S
        server.shutdown()
        thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_goes_on_with_a_copy(python):
    """Time, planned actions and waits go on in it, and the parent notices nothing."""
    script = """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork with threads
        with guest.running(pace="live"):
            reader = threading.Thread(target=lambda: [time.monotonic() for _ in range(200_000)], daemon=True)
            reader.start()
            host.at("50 ms", lambda: guest.step("1 h"))
            child = os.fork()
            if child == 0:
                try:
                    time.sleep(0.2)
                    ok = guest.error_ns == 3600 * 10**9 and not threading.Event().wait(0.01)
                    guest.step("1 d")
                    time.sleep(0.01)
                finally:
                    os._exit(0 if ok else 1)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            time.sleep(0.1)
            print(guest.error_ns)
            child = os.fork()
            if child == 0:
                os._exit(len(sys._current_frames()))  # nothing is planned, so it needs no thread
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert python(script) == ["0", "3600000000000", "1"]


# --------------------------------------------------------------------------------------------------- under pytest


def test_live_pace_under_pytest(pytester):
    """The harness and fixtures of a wider scope are real, and no guest time passes between the phases."""
    pytester.makepyfile(
        """
        import threading, time, pytest
        @pytest.fixture(scope="session")
        def slow():
            before = time.monotonic()
            time.sleep(0.3)
            assert "Counters" not in repr(time.monotonic)
        @pytest.fixture
        def begun(hvclock):
            yield hvclock.monotonic_ns
            assert 0.1 <= time.monotonic() < 60 and threading.Event().wait(0.01) is False
        @pytest.mark.hvclock(pace="live", timesync="off")
        def test_it(hvclock, begun, slow):
            assert begun < 10 ** 9
            hvclock.advance("100 ms")
            hvclock.pause()
            stopped = time.monotonic_ns()
            hvclock.resume()
            time.sleep(0.05)
            assert time.monotonic_ns() - stopped >= 50_000_000
        def test_planned(hvclock):
            hvclock.host.at("10 ms", lambda: pytest.fail("planned and failed"))
            for _ in range(10**6): time.sleep(0.001)
        def test_unnoticed(hvclock, request):
            hvclock.host.at("10 ms", lambda: pytest.fail("unnoticed and failed"))
            import subprocess, sys
            subprocess.run([sys.executable, "-c", "import time; time.sleep(0.3)"], check=True)
        @pytest.mark.hvclock("restore-after-a-month", sync_after_resume="100 ms")
        @pytest.mark.hvclock_recovers(lambda: time.time() > BEGAN + 86_400, within="10 s")
        def test_recovers(hvclock):
            global BEGAN
            BEGAN = time.time()
        def test_plain(): assert "Counters" not in repr(time.monotonic)
        """
    )
    result = pytester.runpytest_subprocess("--hvclock-pace=live", "-p", "no:randomly")
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(["*Failed: planned and failed", "*Failed: unnoticed and failed"])
