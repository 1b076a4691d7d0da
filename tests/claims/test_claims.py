"""The twelve claims: each holds, fails both ways, proves nothing, and says so; by either clock, and without pytest."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
import sys
import threading
import time
from datetime import timedelta
from fractions import Fraction

import pytest

from pytest_hvclock import ClaimError, Host
from pytest_hvclock.claims import (
    availability,
    credential,
    durability,
    duration,
    economy,
    exclusion,
    lifetime,
    once,
    order,
    pace,
    rate,
    wait,
)
from pytest_hvclock.claims.base import margin_ns
from pytest_hvclock.running import active

SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def guest():
    """Run the test on a guest that nobody corrects."""
    guest = Host().guest(timesync="off")
    with guest.running():
        yield guest


def restored(guest, gap="1 h"):
    saved = guest.save()
    guest.host.advance(gap)
    guest.restore(saved)


class Entry:
    """Lives on one of the guest's clocks."""

    def __init__(self, clock, seconds):
        self.clock = clock
        self.end = clock() + seconds

    def honoured(self):
        return self.clock() < self.end


def said_by(claim, block):
    """Return the lines of the failure of ``claim`` over ``block``."""
    with pytest.raises(ClaimError) as failed, claim as value:  # the claim may fail at the block's end
        block(value)
    assert isinstance(failed.value, AssertionError)
    lines = str(failed.value).splitlines()
    heads = ["why it matters: ", "what to do: ", "if it is meant: "]
    assert [line.startswith(head) for line, head in zip(lines[-3:], heads, strict=True)] == [True] * 3
    judged = active().recorder.judgements[-1]
    assert (judged.held, judged.said) == (False, str(failed.value))
    return lines


# ------------------------------------------------------------------------------------------------- lifetime, credential


def test_a_lifetime_holds_on_monotonic_whatever_is_done_to_the_wall(guest):
    entry = Entry(time.monotonic, 60)
    with lifetime(entry.honoured, of="60 s"):
        time.sleep(20)
        restored(guest)
        guest.step("2 h")
        time.sleep(60)
    (judged,) = active().recorder.judgements
    assert (judged.what, judged.held, judged.allowed_ns) == ("lifetime of 60 s", True, 60 * SECOND)


def test_a_lifetime_that_outlives_is_told_with_both_values_and_the_line(guest):
    def block(_):
        time.sleep(20)
        guest.step("-1 h")
        time.sleep(60)

    entry = Entry(time.time, 60)
    lines = said_by(lifetime(entry.honoured, of="60 s"), block)
    assert lines[0] == (
        "lifetime of 60 s: still honoured at the age of 61.2 s (it lives 60 s of the guest's running time, "
        "tolerance 1.2 s)"
    )
    assert lines[1].startswith("the guest is 3,600 s behind true time; a clock was last read at ")
    assert lines[1].endswith("in Entry.honoured: return self.clock() < self.end")
    assert lines[2:] == [
        "why it matters: stale data is served, or a session goes on that is over",
        (
            "what to do: measure its age by time.monotonic(), or with a timer= that does: a step of the wall clock is "
            "not age"
        ),
        'if it is meant: judge it by the other clock, judged_by="true", or allow more with tolerance=',
    ]


def test_a_lifetime_that_ends_early_is_told_at_once(guest):
    entry = Entry(time.time, 60)
    began = guest.host.true_ns

    def block(_):
        time.sleep(20)
        guest.step("1 h")
        time.sleep(60)

    lines = said_by(lifetime(entry.honoured, of="60 s"), block)
    assert lines[0].startswith("lifetime of 60 s: no longer honoured at the age of 22.5 s (it lives 60 s of ")
    assert guest.host.true_ns == began + 22_500_000_000


def test_what_is_over_must_not_come_back(guest):
    entry = Entry(time.time, 60)

    def block(_):
        time.sleep(100)
        guest.step("-1 h")
        time.sleep(100)

    assert "still honoured at the age of 122.4 s" in said_by(lifetime(entry.honoured, of="60 s"), block)[0]


def test_both_judges_of_a_lifetime_over_a_restore(guest):
    """What counts monotonic is right by running time, and an hour late by true time."""

    def block(_):
        time.sleep(20)
        restored(guest)
        time.sleep(60)

    with lifetime(Entry(time.monotonic, 60).honoured, of="60 s"):
        block(None)
    lines = said_by(lifetime(Entry(time.monotonic, 60).honoured, of="60 s", judged_by="true"), block)
    assert lines[0] == (
        "lifetime of 60 s: still honoured at the age of 3,620 s (it lives 60 s of true time, tolerance 1.2 s)"
    )


def test_a_credential_is_judged_by_true_time_once_the_guest_can_know(guest):
    """No look while the guest is saved, and none before the SYNC; then it has to be refused."""
    guest.timesync = "linux"
    time.sleep(2)
    looked = []

    def accepts():
        looked.append(guest.error_ns)
        return token.honoured()

    token = Entry(time.time, 3_600)
    with credential(accepts, valid_for="1 h"):
        time.sleep(20)
        restored(guest, "30 d")
        time.sleep(5)
    assert set(looked) == {0}


def test_a_credential_that_is_refused_too_early_says_why_it_was():
    def accepts():
        raise PermissionError("token used before issued")

    lines = said_by(credential(accepts, valid_for="80 s"), lambda _: time.sleep(100))
    assert lines[0] == (
        "credential of 80 s: no longer accepted at the age of 0.313 s (PermissionError: token used before issued) "
        "(it lives 80 s of true time, tolerance 1.6 s)"
    )
    assert lines[2] == "why it matters: users with a valid credential are locked out"


@pytest.mark.parametrize(("seconds", "side"), [(0, "before its end"), (30, "after its end")])
def test_a_life_that_was_not_looked_at_on_both_sides_proved_nothing(seconds, side):
    entry = Entry(time.monotonic, 60)
    lines = said_by(lifetime(entry.honoured, of="60 s"), lambda _: time.sleep(seconds))
    assert lines[0].startswith(f"lifetime of 60 s: proved nothing: it was never looked at {side}; the block ran for ")
    assert lines[-2:] == [
        "what to do: let the guest run until 61.2 s have passed in the block, and any SYNC has arrived",
        "if it is meant: may_prove_nothing=True",
    ]
    with lifetime(entry.honoured, of="60 s", may_prove_nothing=True):
        pass


def test_a_look_cannot_be_awaited():
    async def honoured():
        return True

    with pytest.raises(TypeError, match="give a callable that answers at once"), lifetime(honoured, of="60 s"):
        time.sleep(10)


# ------------------------------------------------------------------------------------------------- wait, duration


def give_up(clock, seconds):
    end = clock() + seconds
    while clock() < end:
        time.sleep(0.5)
    raise TimeoutError("gave up")


def test_a_wait_holds_and_its_timeout_goes_on(guest):
    guest.host.at("4 s", lambda: guest.step("-1 h"))
    with pytest.raises(TimeoutError), wait("10 s"):
        give_up(time.monotonic, 10)
    assert active().recorder.judgements[-1].took_ns == 10 * SECOND


def test_a_wait_that_goes_on_is_interrupted(guest):
    guest.host.at("4 s", lambda: guest.step("-1 h"))
    lines = said_by(wait("10 s"), lambda _: give_up(time.time, 10))
    assert lines[0] == (
        "wait of 10 s: was still going on after 12.5 s of the guest's running time (asked for 10 s, tolerance 2.5 s)"
    )
    assert lines[1].endswith("in give_up: while clock() < end:")
    assert lines[2] == "why it matters: whoever waits is blocked long after it wanted to give up"


def test_a_wait_that_is_too_short(guest):
    guest.host.at("4 s", lambda: guest.step("1 h"))
    lines = said_by(wait("10 s"), lambda _: give_up(time.time, 10))
    assert lines[0] == (
        "wait of 10 s: was over after 4 s of the guest's running time (asked for 10 s, tolerance 2.5 s)"
    )


def test_a_wait_in_another_thread_that_goes_on_is_told_at_the_end():
    def block(_):
        worker = threading.Thread(target=time.sleep, args=(20,))
        worker.start()
        worker.join()

    assert "10 s" in said_by(wait("10 s"), block)[0]


def test_both_judges_of_a_wait_over_a_restore(guest):
    guest.host.at("4 s", lambda: restored(guest))
    with wait("10 s"):
        time.sleep(10)
    guest.host.at("4 s", lambda: restored(guest))
    assert "going on after 12.5 s of true time" in said_by(wait("10 s", judged_by="true"), lambda _: time.sleep(10))[0]


def test_a_duration_holds(guest):
    for unit, scale in (("s", 1), ("ms", 1_000)):
        measured = []
        with duration(lambda measured=measured: measured[0], unit=unit):
            began = time.monotonic()
            guest.step("-1 h")
            time.sleep(10)
            measured.append((time.monotonic() - began) * scale)
    with duration(lambda: timedelta(seconds=10)):
        time.sleep(10)


@pytest.mark.parametrize(
    ("step", "what"), [("-1 h", "measured 3,590 s below zero"), ("1 h", "measured 3,610 s")], ids=["back", "forward"]
)
def test_a_duration_that_is_wrong(guest, step, what):
    measured = []

    def block(_):
        began = time.time()
        guest.step(step)
        time.sleep(10)
        measured.append(time.time() - began)

    lines = said_by(duration(lambda: measured[0]), block)
    assert lines[0] == f"duration: {what} (10 s of the guest's running time passed, tolerance 1 s)"
    assert lines[1].endswith("in test_a_duration_that_is_wrong.<locals>.block: measured.append(time.time() - began)")


@pytest.mark.parametrize("measured", [float("nan"), float("inf"), None, "10 s"])
def test_a_duration_that_is_no_length_of_time(measured):
    lines = said_by(duration(lambda: measured), lambda _: time.sleep(10))
    assert lines[0] == (
        f"duration: measured {measured!r}, which is no length of time (10 s of the guest's running time passed)"
    )


def test_a_duration_of_nothing_proves_nothing():
    assert "proved nothing: no time passed in the block" in said_by(duration(lambda: 0), lambda _: None)[0]
    with pytest.raises(ValueError, match="unknown unit 'min': use one of s, ms, us, ns"):
        duration(lambda: 0, unit="min")


# ------------------------------------------------------------------------------------------------- pace, once


def scheduler(clock, every, seconds):
    """Run a job whenever ``clock`` says so, for so many seconds of true waiting."""

    def block(job):
        due = clock() + every
        for _ in range(seconds):
            time.sleep(1)
            if clock() >= due:
                job()
                due += every

    return block


def test_pace_holds(guest):
    guest.host.at("150 s", lambda: guest.step("-1 h"))
    ran = []
    with pace(lambda: ran.append(guest.running_ns), every="60 s") as job:
        scheduler(time.monotonic, 60, 600)(job)
    assert len(ran) == 10


def test_work_that_starves_is_told_when_it_is_overdue(guest):
    def tick():
        pass

    guest.host.at("150 s", lambda: guest.step("-1 h"))
    lines = said_by(pace(tick, every="60 s"), scheduler(time.time, 60, 600))
    assert lines[0] == (
        "pace of 60 s for tick: not run for 90 s of the guest's running time, since 120 s after the beginning "
        "(every 60 s, tolerance 30 s)"
    )


def test_work_that_bunches_is_told_at_the_end(guest):
    def tick():
        pass

    guest.host.at("150 s", lambda: guest.step("600 s"))
    lines = said_by(pace(tick, every="60 s"), scheduler(time.time, 60, 200))
    assert lines[0] == (
        "pace of 60 s for tick: run twice within 1 s of the guest's running time, 151 s after the beginning "
        "(every 60 s, tolerance 30 s)"
    )


def test_the_blocks_end_ends_the_last_gap(guest):
    def block(job):
        time.sleep(60)
        job()
        time.sleep(89)
        guest.host.advance("1 s")

    with pace(print, every="60 s") as job:
        job()
        block(job)
    assert "proved nothing: print was never called" in said_by(pace(print, every="60 s"), lambda _: time.sleep(80))[0]


def test_both_judges_of_a_pace_over_a_restore(guest):
    def block(job):
        for _ in range(3):
            time.sleep(60)
            job()
            restored(guest)

    with pace(print, every="60 s") as job:
        block(job)
    assert (
        "of true time, since 60 s after the beginning" in said_by(pace(print, every="60 s", judged_by="true"), block)[0]
    )


def test_once():
    with once(print) as job:
        time.sleep(1)
        job()

    def twice(job):
        job()
        time.sleep(5)
        job()

    assert said_by(once(print), twice)[0] == "once print: run a second time, 5 s of true time after the beginning"
    assert said_by(once(print), lambda _: time.sleep(9))[0] == "once print: not run in 9 s of true time"
    with once(print, may_prove_nothing=True):
        pass


def test_an_async_job_is_watched():
    async def job():
        await asyncio.sleep(1)
        return 3

    with once(job) as watched:
        assert asyncio.iscoroutinefunction(watched) if sys.version_info < (3, 14) else True
        assert asyncio.run(watched()) == 3

    async def fails():
        raise OSError("down")

    def block(call):
        with pytest.raises(OSError, match="down"):
            asyncio.run(call())

    assert "raised OSError: down" in said_by(availability(fails), block)[0]


# ------------------------------------------------------------------------------------------------- rate


class Limiter:
    """A moving window on one of the guest's clocks."""

    def __init__(self, clock, limit, per):
        self.clock, self.limit, self.per = clock, limit, per
        self.grants = []

    def hit(self):
        now = self.clock()
        self.grants = [at for at in self.grants if at > now - self.per]
        if len(self.grants) >= self.limit:
            return False
        self.grants.append(now)
        return True


def bursts(guest, step):
    def block(hit):
        for number in range(3):
            for _ in range(8):
                hit()
                time.sleep(0.1)
            if number == 0:
                guest.step(step)
            time.sleep(10 if number == 0 else 70)

    return block


@pytest.mark.parametrize("step", ["-1 h", "1 h"])
def test_a_rate_holds(guest, step):
    with rate(Limiter(time.monotonic, 5, 60).hit, limit=5, per="60 s") as hit:
        bursts(guest, step)(hit)


def test_a_rate_that_is_exceeded(guest):
    lines = said_by(rate(Limiter(time.time, 5, 60).hit, limit=5, per="60 s"), bursts(guest, "1 h"))
    assert lines[0] == (
        "rate of 5 per 60 s for Limiter.hit: 6 grants within 58.8 s of true time (allowed: 5, tolerance 1.2 s)"
    )


def test_a_rate_that_starves(guest):
    lines = said_by(rate(Limiter(time.time, 5, 60).hit, limit=5, per="60 s"), bursts(guest, "-1 h"))
    assert lines[0] == (
        "rate of 5 per 60 s for Limiter.hit: refused 81.6 s of true time after the beginning, with 0 grants in the "
        "last 61.2 s (limit 5, tolerance 1.2 s)"
    )


def test_both_judges_of_a_rate_over_a_restore(guest):
    """A limiter that is private to the process stands still with it; by true time it refuses for nothing."""

    def block(hit):
        for _ in range(5):
            hit()
        restored(guest)
        hit()

    with rate(Limiter(time.monotonic, 5, 60).hit, limit=5, per="60 s", judged_by="guest") as hit:
        block(hit)
    assert "refused" in said_by(rate(Limiter(time.monotonic, 5, 60).hit, limit=5, per="60 s"), block)[0]


def test_a_bucket_has_a_burst_and_fills_up_again():
    class Bucket:
        def __init__(self):
            self.tokens, self.at = 5.0, time.monotonic()

        def take(self):
            now = time.monotonic()
            self.tokens, self.at = min(5.0, self.tokens + now - self.at), now
            if self.tokens < 1:
                return False
            self.tokens -= 1
            return True

    def block(take):
        for _ in range(8):
            take()
        for _ in range(20):
            time.sleep(2)
            take()
        for _ in range(9):
            take()

    with rate(Bucket().take, limit=5, per="5 s", kind="bucket") as take:
        block(take)
    lines = said_by(rate(lambda: False, limit=5, per="5 s", kind="bucket"), block)
    assert ": refused 0 s of true time after the beginning, with 0 grants" in lines[0]
    lines = said_by(rate(lambda: True, limit=5, per="5 s", kind="bucket"), block)
    assert ": 7 grants within 0 s of true time (allowed: 6, tolerance 0.1 s)" in lines[0]


def test_fixed_windows_may_meet():
    with rate(lambda: True, limit=5, per="60 s", kind="fixed") as hit:
        for _ in range(10):
            hit()
    lines = said_by(rate(lambda: True, limit=5, per="60 s", kind="fixed"), lambda hit: [hit() for _ in range(11)])
    assert "11 grants" in lines[0]


def test_a_rate_nobody_asked_for_proves_nothing():
    limiter = Limiter(time.time, 5, 60)
    assert said_by(rate(limiter.hit, limit=5, per="60 s"), lambda _: None)[0] == (
        "rate of 5 per 60 s for Limiter.hit: proved nothing: Limiter.hit was never called through the claim"
    )


# ------------------------------------------------------------------------------------------------- exclusion, economy


def test_exclusion_holds():
    with exclusion(lease="30 s") as lock:
        lock.acquired("a")
        time.sleep(20)
        lock.refused("b")
        lock.renewed("a")
        time.sleep(29)
        lock.refused("b")
        time.sleep(2)
        lock.acquired("b")
        lock.released("b")
        lock.acquired("a")


def test_two_owners_at_once():
    def block(lock):
        lock.acquired("a")
        time.sleep(20)
        lock.acquired("b")

    assert said_by(exclusion(lease="30 s"), block)[0] == (
        "exclusion with a lease of 30 s: 'b' got the lock while 'a' had held it for 20 s of true time "
        "(lease 30 s, tolerance 0.6 s)"
    )


def test_a_dead_owners_lock_that_stays():
    def block(lock):
        lock.acquired("a")
        time.sleep(87)
        lock.refused("b")

    assert said_by(exclusion(lease="30 s"), block)[0] == (
        "exclusion with a lease of 30 s: 'b' was refused, and 'a' got it 87 s of true time ago "
        "(lease 30 s, tolerance 0.6 s)"
    )
    assert "nobody holds it" in said_by(exclusion(lease="30 s"), lambda lock: lock.refused("b"))[0]


def test_both_judges_of_an_exclusion(guest):
    """A lease that both see run while the guest is saved, and one that stands still with the guest."""

    def block(lock):
        lock.acquired("a")
        restored(guest)
        lock.acquired("b")

    with exclusion(lease="30 s") as lock:
        block(lock)
    assert "'b' got the lock" in said_by(exclusion(lease="30 s", judged_by="guest"), block)[0]


def test_a_lock_nobody_contends_for_proves_nothing():
    lines = said_by(exclusion(lease="30 s"), lambda lock: lock.acquired("a"))
    assert "proved nothing: there was 1 try to get the lock, so nobody contended" in lines[0]


def test_economy():
    def connect():
        pass

    with economy(connect, at_most=3) as call:
        for _ in range(3):
            call()
    with economy(connect, at_most=1, per="10 s") as call:
        for _ in range(9):
            call()
            time.sleep(10)
    began = []

    def storm(call):
        while True:
            began.append(None)
            call()

    lines = said_by(economy(connect, at_most=3), storm)
    assert lines[0] == ("economy of connect: called 4 times within 0 s of the guest's running time (allowed: 3)")
    assert len(began) == 4
    assert "proved nothing" in said_by(economy(connect, at_most=3), lambda _: None)[0]


def test_both_judges_of_an_economy_over_a_restore(guest):
    def block(call):
        for _ in range(2):
            call()
            restored(guest)

    with economy(print, at_most=1, per="10 s", judged_by="true") as call:
        block(call)
    assert "called 2 times" in said_by(economy(print, at_most=1, per="10 s"), block)[0]


# ------------------------------------------------------------------------------------- order, availability, durability


def stamped(clock):
    numbers = itertools.count()
    return lambda: f"{clock():020}-{next(numbers):04}"


def test_order(guest):
    def block(make):
        make()
        time.sleep(1)
        guest.step("-1 h")
        make()

    with order(stamped(time.monotonic_ns)) as make:
        block(make)
    guest.step("1 h")
    lines = said_by(order(stamped(time.time_ns)), block)
    assert lines[0].startswith(
        "order of <lambda>: identifier 2, 1 s of true time after the beginning, sorts before an "
    )
    assert lines[1].startswith("the guest is 3,600 s behind true time; a clock was last read at ")
    assert "is missing: None" in said_by(order(lambda: None), lambda make: make())[0]
    assert "was there before: 3" in said_by(order(lambda: 3), lambda make: (make(), make()))[0]
    with order(lambda: (9, "id"), key=lambda each: each[0]) as make:
        make()
    assert "proved nothing" in said_by(order(lambda: 3), lambda _: None)[0]


def test_identifiers_of_threads_that_race_are_in_no_order():
    begun, over = threading.Event(), threading.Event()

    def make(number):
        if number == 1:
            begun.set()
            over.wait()
        return number

    with order(make) as call:
        slow = threading.Thread(target=call, args=(1,))
        slow.start()
        begun.wait()
        call(2)
        over.set()
        slow.join()


def test_a_violation_in_another_thread_is_raised_at_the_end():
    def block(make):
        worker = threading.Thread(target=lambda: (make(), make()))
        worker.start()
        worker.join()
        block.reached = True

    assert "was there before: 3" in said_by(order(lambda: 3), block)[0]
    assert block.reached


def test_availability():
    def call(number):
        if number > 2:
            raise OSError("clock moved backwards")
        return number

    with availability(call) as watched:
        assert watched(1) == 1

    def block(watched):
        time.sleep(5)
        with pytest.raises(OSError, match="backwards"):
            watched(3)

    assert said_by(availability(call), block)[0] == (
        "availability of call: call 1 raised OSError: clock moved backwards, 5 s of true time after the beginning"
    )
    with availability(call, allowed=(OSError,)) as watched:
        block(watched)
    assert "proved nothing" in said_by(availability(call), lambda _: None)[0]


def test_durability():
    log = []
    with durability(log.append, read=lambda: log) as write:
        write("one")
    with durability(log.append, read=lambda: "one two") as write:
        write("two")

    def block(write):
        write("one")
        time.sleep(5)
        write("two")
        log.remove("two")

    log.clear()
    assert said_by(durability(log.append, read=lambda: log), block)[0] == (
        "durability of list.append: 1 of 2 records are gone; the first is 'two', written 5 s after the beginning"
    )
    assert "proved nothing" in said_by(durability(log.append, read=lambda: log), lambda _: None)[0]


# ------------------------------------------------------------------------------------------------- all of them


def test_the_blocks_own_failure_is_not_replaced():
    with pytest.raises(KeyError), lifetime(lambda: True, of="60 s"):
        raise KeyError

    def swallow(make):
        with contextlib.suppress(ClaimError):
            make()
        raise ZeroDivisionError

    with pytest.raises(ClaimError) as failed, order(lambda: None) as make:
        swallow(make)
    assert isinstance(failed.value.__cause__, ZeroDivisionError)


def test_claims_can_be_nested_and_looks_end_with_the_block(guest):
    looked = []

    def honoured():
        looked.append(guest.running_ns)
        return True

    with lifetime(honoured, of="60 s", may_prove_nothing=True), wait("5 s"):
        time.sleep(5)
    time.sleep(600)
    assert max(looked) == 5 * SECOND


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="unknown judge 'wall'"), wait("1 s", judged_by="wall"):
        pass
    for wrong, message in (
        (lambda: rate(print, limit=0, per="1 s"), "grants nothing"),
        (lambda: rate(print, limit=1, per="1 s", kind="leaky"), 'use "moving", "fixed" or "bucket"'),
        (lambda: economy(print, at_most=-1), "less often than never"),
        (lambda: wait("10 s", tolerance="-2 %"), "tolerance cannot be negative"),
        (lambda: lifetime(print, of="-1 s"), "the life cannot be negative"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
    for wrong, message in (
        (lambda: once(print, guest=5), "5 is no guest: give guest= what host.guest"),
        (lambda: once(print, may_prove_nothing="no"), "may_prove_nothing is either True or False, and not 'no'"),
        (lambda: order("id"), "'id' cannot be called: what the claim .order of. is about has to be a callable"),
        (lambda: lifetime(None, of="1 s"), "None cannot be called: what says whether it is honoured has to be"),
        (lambda: duration(10), "10 cannot be called: what says how long it took has to be a callable"),
        (lambda: durability(print, read=[]), r"\[\] cannot be called: read= has to be a callable"),
        (lambda: rate(print, limit=True, per="1 s"), "limit is a whole number, and not True"),
        (lambda: economy(print, at_most="3"), "at_most is a whole number, and not '3'"),
    ):
        with pytest.raises(TypeError, match=message):
            wrong()


def test_a_tolerance_is_a_share_or_a_length():
    assert [margin_ns(each, 60 * SECOND) for each in ("2 %", Fraction(1, 60), "500 ms", 7)] == [
        1_200_000_000, 1_000_000_020, 500_000_000, 7,
    ]  # fmt: skip


def test_a_claim_that_fails_at_its_end_points_at_the_block_and_not_into_the_kit():
    with pytest.raises(ClaimError) as failure, once(lambda: None):
        time.sleep(60)
    assert [entry.name for entry in failure.traceback] == [sys._getframe().f_code.co_name, "__exit__"]


# ------------------------------------------------------------------------------------------------- beside pytest


def test_what_pytest_calls_a_failure_says_no():
    """A look may be written with ``pytest.raises``; what ends the run ends it."""
    ends = time.time() + 60

    def is_refused():
        with pytest.raises(ValueError, match="expired"):
            verify()
        return False

    def verify():
        if time.time() >= ends:
            raise ValueError("expired")

    said = r"no longer accepted at the age of 0\.234 s \(Failed: DID NOT RAISE"
    with pytest.raises(ClaimError, match=said), credential(is_refused, valid_for="60 s"):
        time.sleep(100)

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), credential(interrupted, valid_for="60 s"):
        time.sleep(100)


def test_a_block_that_fails_by_itself_was_not_judged():
    """Nobody knows whether the claim would have held."""
    with pytest.raises(LookupError), lifetime(lambda: True, of="60 s"):
        raise LookupError
    with pytest.raises(queue.Empty), wait("10 s"):
        queue.Queue().get(timeout=10)
    assert [(each.what, each.held) for each in active().recorder.judgements] == [("wait of 10 s", True)]
