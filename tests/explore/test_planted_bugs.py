"""Planted bugs: each is found, and shrunk to the strike that a person would have written."""

from __future__ import annotations

import asyncio
import calendar
import random
import signal
import threading
import time
import uuid
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pytest_hvclock.explore import BOOT, KINDS, Acknowledged, Exploration, Explorer, Schedule, Watch, explore, trial_of
from pytest_hvclock.explore.schedules import parsed
from pytest_hvclock.explore.watch import Budget
from pytest_hvclock.running import active_guest


def the_guest():
    guest = active_guest()
    assert guest is not None
    return guest


def elapsed_s(began_ns):
    """Return how much true time has passed."""
    return (the_guest().host.true_ns - began_ns) / 10**9


def wall_as_duration():
    began = time.time()
    time.sleep(5)
    assert time.time() - began >= 0


def a_cached_negative_age():
    stamp = time.time()
    time.sleep(5)
    age = time.time() - stamp
    if age < 0:
        raise ValueError(age)


def lifetime_by_the_wall():
    born = time.time()
    time.sleep(50)
    assert time.time() - born < 60


def kept_past_its_life():
    expires = time.time() + 60
    time.sleep(61)
    assert time.time() > expires


def deadline_by_the_wall():
    due = time.time() + 10
    time.sleep(11)
    assert time.time() >= due


def what_is_left_becomes_negative():
    due = time.time() + 10
    time.sleep(5)
    time.sleep(due - time.time())


def an_awaited_deadline():
    async def wait():
        due = time.time() + 25
        await asyncio.sleep(10)
        await asyncio.wait_for(asyncio.sleep(10), due - time.time())

    asyncio.run(wait())


def naive_local_time():
    due = datetime.now().timestamp() + 3_000
    time.sleep(1)
    assert datetime.now().timestamp() < due


def an_aware_datetime():
    issued = datetime.now(UTC)
    assert datetime.now(UTC) >= issued


def whole_seconds():
    issued = int(time.time())
    assert int(time.time()) - issued < 1


def rounded_to_a_minute():
    first = time.time_ns() // 60_000_000_000
    time.sleep(30)
    assert time.time_ns() // 60_000_000_000 == first


def a_mark_left_in_the_future():
    ids = [time.time_ns() + number for number in range(3)]
    assert ids == sorted(ids)


def an_identifier_that_is_refused():
    last = 0.0
    for _ in range(3):
        now = time.time()
        if now < last:
            raise RuntimeError("the clock went back")
        last = now
        time.sleep(1)


def names_by_the_second():
    names = set()
    for _ in range(3):
        name = time.strftime("%Y%m%d%H%M%S")
        assert name not in names
        names.add(name)
        time.sleep(1)


def a_bucket_that_is_never_filled():
    tokens, filled = 0.0, time.time()
    for _ in range(3):
        time.sleep(1)
        now = time.time()
        tokens, filled = min(tokens + now - filled, 1), now
        assert tokens >= 1
        tokens -= 1


def a_window_that_never_empties():
    calls = []
    for _ in range(4):
        now = time.time()
        calls = [call for call in calls if call > now - 10] + [now]
        assert len(calls) <= 2
        time.sleep(5)


def a_window_that_begins_anew():
    counts = {}
    for _ in range(3):
        key = int(time.time()) // 60
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 1


def a_one_time_code():
    def code():
        return int(time.time()) // 30

    time.sleep(5)
    assert code() == the_guest().host.true_ns // 10**9 // 30


def a_token_from_elsewhere():
    time.sleep(1)
    issued = the_guest().host.true_ns / 10**9
    if time.time() < issued:
        raise ValueError("not yet valid")


def a_heart_that_has_stopped():
    beat = time.time()
    for _ in range(3):
        time.sleep(10)
        if time.time() - beat > 30:
            raise TimeoutError("no heartbeat")
        beat = time.time()


def a_job_that_is_missed():
    due, ran = time.time() + 60, 0
    for _ in range(2):
        time.sleep(60)
        late = time.time() - due
        if 0 <= late <= 1:
            ran += 1
            due += 60
    assert ran == 2


def gives_up_too_early():
    until, tries = time.time() + 10, 0
    while time.time() < until:
        tries += 1
        time.sleep(1)
        if tries == 5:
            return
    raise ConnectionError(f"gave up after {tries}")


def a_rate_by_the_wall():
    began = time.time()
    time.sleep(10)
    assert 100 / (time.time() - began) > 0


def a_division_by_nothing():
    began = time.time()
    time.sleep(2)
    assert 100 / (time.time() - began)


def a_day_that_does_not_end():
    today = date.today()
    time.sleep(1)
    assert date.today() == today


def an_hour_of_local_time():
    first = time.localtime()
    time.sleep(60)
    assert time.localtime().tm_hour == first.tm_hour


def calendar_time_as_a_duration():
    began = calendar.timegm(time.gmtime())
    time.sleep(2)
    assert calendar.timegm(time.gmtime()) > began


def text_that_is_compared():
    saved = datetime.now(UTC).isoformat()
    time.sleep(1)
    assert datetime.now(UTC).isoformat() > saved


def text_that_is_parsed():
    saved = time.strptime(time.ctime())
    time.sleep(3)
    assert time.strptime(time.ctime()) > saved


def a_clock_by_its_number():
    began = time.clock_gettime(time.CLOCK_REALTIME)
    time.sleep(5)
    assert time.clock_gettime(time.CLOCK_REALTIME) - began < 10


def a_timer_as_a_default(timer=time.time):
    began = timer()
    time.sleep(5)
    assert timer() - began < 10


def in_another_thread():
    stamps = []

    def work():
        for _ in range(3):
            stamps.append(time.time())
            time.sleep(1)

    thread = threading.Thread(target=work, name="worker-1")
    thread.start()
    thread.join()
    assert stamps == sorted(stamps)


def wall_against_monotonic():
    offset = time.time() - time.monotonic()
    time.sleep(1)
    assert abs(time.time() - time.monotonic() - offset) < 0.5


def right_at_the_start_only():
    assert time.time() >= the_guest().host.true_ns / 10**9
    the_guest().step(-the_guest().error_ns)


def a_lease_that_others_see():
    leased_ns, until = the_guest().host.true_ns, time.monotonic() + 60
    time.sleep(50)
    if time.monotonic() < until:
        assert elapsed_s(leased_ns) < 60


def two_sources():
    stamps = []
    for _ in range(3):
        stamps.append(time.time())
        time.sleep(1)
    assert not (stamps[1] < stamps[0] and stamps[2] > stamps[1] + 1.5)


def a_counter_that_drifts():
    guest = the_guest()
    began, ticks = time.monotonic(), guest.reference_ticks
    time.sleep(3_600)
    assert abs((time.monotonic() - began) - (guest.reference_ticks - ticks) / 10**7) < 1


def monotonic_kept_over_a_boot():
    time.sleep(60)
    disk = {"seen": time.monotonic()}
    time.sleep(3)
    assert time.monotonic() >= disk["seen"]


FAILURES = [
    (wall_as_duration, 'Step("-10 s") before reading 1 of "assert time.time() - began >= 0"'),
    (a_cached_negative_age, 'Step("-10 s") before reading 1 of "age = time.time() - stamp"'),
    (lifetime_by_the_wall, 'Step("10 s") before reading 1 of "assert time.time() - born < 60"'),
    (kept_past_its_life, 'Step("-1 s") before reading 1 of "assert time.time() > expires"'),
    (deadline_by_the_wall, 'Step("-2 s") before reading 1 of "assert time.time() >= due"'),
    (what_is_left_becomes_negative, 'Step("10 s") before reading 1 of "time.sleep(due - time.time())"'),
    (
        an_awaited_deadline,
        'Step("10 s") before reading 1 of "await asyncio.wait_for(asyncio.sleep(10), due - time.time())"',
    ),
    (naive_local_time, 'Step("1 h") before reading 1 of "assert datetime.now().timestamp() < due"'),
    (an_aware_datetime, 'Step("-1 s") before reading 1 of "assert datetime.now(UTC) >= issued"'),
    (whole_seconds, 'Step("1 s") before reading 1 of "assert int(time.time()) - issued < 1"'),
    (rounded_to_a_minute, 'Step("-1 s") before reading 1 of "first = time.time_ns() // 60_000_000_000"'),
    (
        a_mark_left_in_the_future,
        'Step("-1 s") before reading 2 of "ids = [time.time_ns() + number for number in range(3)]"',
    ),
    (an_identifier_that_is_refused, 'Step("-2 s") before reading 2 of "now = time.time()"'),
    (names_by_the_second, r'Step("-1 s") before reading 2 of "name = time.strftime(\"%Y%m%d%H%M%S\")"'),
    (a_bucket_that_is_never_filled, 'Step("-1 s") before reading 1 of "now = time.time()"'),
    (a_window_that_never_empties, 'Step("-1 s") before reading 2 of "now = time.time()"'),
    (a_window_that_begins_anew, 'Step("-1 s") before reading 2 of "key = int(time.time()) // 60"'),
    (a_one_time_code, 'Step("-10 s") before reading 1 of "return int(time.time()) // 30"'),
    (a_token_from_elsewhere, 'Step("-1 s") before reading 1 of "if time.time() < issued:"'),
    (a_heart_that_has_stopped, 'Step("1 min") before reading 1 of "if time.time() - beat > 30:"'),
    (a_job_that_is_missed, 'Step("-1 s") before reading 1 of "late = time.time() - due"'),
    (gives_up_too_early, 'Step("10 s") before reading 1 of "while time.time() < until:"'),
    (a_rate_by_the_wall, 'Step("-1 min") before reading 1 of "assert 100 / (time.time() - began) > 0"'),
    (a_division_by_nothing, 'Step("-2 s") before reading 1 of "assert 100 / (time.time() - began)"'),
    (a_day_that_does_not_end, 'Step("-1 s") before reading 1 of "today = date.today()"'),
    (an_hour_of_local_time, 'Step("-1 s") before reading 1 of "first = time.localtime()"'),
    (calendar_time_as_a_duration, 'Step("-2 s") before reading 1 of "assert calendar.timegm(time.gmtime()) > began"'),
    (text_that_is_compared, 'Step("-1 s") before reading 1 of "assert datetime.now(UTC).isoformat() > saved"'),
    (
        text_that_is_parsed,
        'Step("-10 s") before reading 1 of "assert time.strptime(time.ctime()) > saved"',
    ),
    (
        a_clock_by_its_number,
        'Step("10 s") before reading 1 of "assert time.clock_gettime(time.CLOCK_REALTIME) - began < 10"',
    ),
    (a_timer_as_a_default, 'Step("10 s") before reading 1 of "assert timer() - began < 10"'),
    (in_another_thread, 'Step("-2 s") before reading 2 of "stamps.append(time.time())" in "worker-#"'),
    (
        wall_against_monotonic,
        'Step("-1 s") before reading 1 of "assert abs(time.time() - time.monotonic() - offset) < 0.5"',
    ),
    (
        right_at_the_start_only,
        'Step("-1 s") before reading 1 of "assert time.time() >= the_guest().host.true_ns / 10**9"',
    ),
    (
        a_lease_that_others_see,
        'Pause("10 s") before reading 1 of "leased_ns, until = the_guest().host.true_ns, time.monotonic() + 60"',
    ),
    (
        two_sources,
        'Flap("2 s") before reading 1 of "stamps.append(time.time())"',
    ),
    (
        a_counter_that_drifts,
        'Drift("500 ppm") before reading 1 of "began, ticks = time.monotonic(), guest.reference_ticks"',
    ),
    (monotonic_kept_over_a_boot, 'Boot() before wait 1 of "time.sleep(3)"'),
]


@pytest.mark.parametrize(("program", "smallest"), FAILURES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_planted_bug_is_found_and_made_as_small_as_can_be(program, smallest):
    kinds = (*KINDS, BOOT) if program is monotonic_kept_over_a_boot else KINDS
    found = explore(program, random.Random(1), places=None, kinds=kinds)
    assert (found.left_out, [one.schedule for one in found.failures]) == ("", [smallest])


def retries_by_the_wall():
    until = time.time() + 10
    while time.time() < until:
        time.sleep(1)


def sleeps_until_the_wall_says_so():
    due = time.time() + 10
    time.sleep(max(due - time.time(), 0))


def test_a_loop_that_goes_on_too_long_is_a_finding():
    found = explore(retries_by_the_wall, random.Random(1), places=None)
    assert not found.failures
    assert [(one.kind, one.schedule) for one in found.findings] == [
        ("crossed", 'Step("-1 s") before reading 1 of "while time.time() < until:"'),
        ("waits", 'Step("-2 s") before reading 1 of "while time.time() < until:"'),
        ("never ended", 'Step("-1 h") before reading 1 of "while time.time() < until:"'),
    ]


def test_a_wait_that_is_too_long_is_a_finding_with_its_line():
    found = explore(sleeps_until_the_wall_says_so, random.Random(1), places=None)
    (one,) = [one for one in found.findings if one.kind == "long wait"]
    assert one.schedule == 'Step("-10 s") before reading 1 of "time.sleep(max(due - time.time(), 0))"'
    assert one.what.startswith("waits 20 s at ")


class Ids:
    last = 0.0

    def plain(self):
        self.last = max(self.last, time.time() + 1)

    def meant(self):
        self.last = max(self.last, time.time() + 1)  # hvclock: may cross: numbers only go up

    def said(self):
        self.last = max(self.last, time.time() + 1)  # hvclock: may cross


def guarded(kind):
    ids = Ids()
    for _ in range(2):
        kind(ids)
        time.sleep(1)


def test_readings_that_meet_across_a_step_are_a_finding_with_the_lines_that_read():
    (one,) = explore(lambda: guarded(Ids.plain), random.Random(1), places=None).findings
    here = Path(__file__).relative_to(Path.cwd())
    line = "self.last = max(self.last, time.time() + 1)"
    number = Ids.plain.__code__.co_firstlineno + 1
    assert one.schedule == f'Step("-1 s") before reading 2 of "{line}"'
    assert one.what.splitlines() == [
        f"readings from two sides of a step: they are compared at {here}:{number}: {line}",
        f"  read at {here}:{number}: {line}",
        f"  read at {here}:{number}: {line}",
    ]


def test_a_guard_says_that_it_may_cross_and_why():
    """In a comment or in the configuration; without a reason it is refused, and told of with what is missing."""
    found = explore(lambda: guarded(Ids.meant), random.Random(1), places=None)
    assert (found.failures, found.findings) == ([], [])
    (one,) = explore(lambda: guarded(Ids.said), random.Random(1), places=None).findings
    assert "its comment gives no reason, and so acknowledges nothing: write # hvclock: may cross: REASON" in one.what
    for where in ("explore/test_planted_bugs.py", "test_planted_bugs.py::Ids.plain", "test_planted_bugs.py::plain"):
        explorer = Explorer(
            trial_of(lambda: guarded(Ids.plain)), random.Random, None, Acknowledged([f"{where}: it counts"])
        )
        assert explorer.explore(explorer.tasks()).findings == []
    explorer = Explorer(trial_of(lambda: guarded(Ids.plain)), random.Random, None, Acknowledged(["bugs.py: it counts"]))
    assert len(explorer.explore(explorer.tasks()).findings) == 1
    for line in ("file.py", "file.py: ", ": why", "file.py::name"):
        with pytest.raises(ValueError, match="does not say what may cross a step and why"):
            Acknowledged([line])


def test_the_standard_librarys_own_guard_is_known():
    def makes():
        ids = [uuid.uuid1() for _ in range(3)]
        assert len(set(ids)) == 3

    found = explore(makes, random.Random(1), places=None)
    assert (found.left_out, found.failures, found.findings) == ("", [], [])
    assert found.runs > 10


def test_the_same_is_found_by_any_number_of_workers():
    """Eight parts go to as many explorers as there are workers, and whatever part is done first."""
    draw = lambda kind: random.Random(f"7 {kind}")  # noqa: E731  (as the plugin's)

    def found_by(workers):
        explorers = [Explorer(trial_of(in_two_ways), draw, 2) for _ in range(workers)]
        whole = Exploration()
        for number in reversed(range(8)):
            explorer = explorers[number % workers]
            whole.join(explorer.explore(explorer.tasks()[number::8]))
        return whole.failures, whole.findings

    assert found_by(1)[0]
    assert found_by(1) == found_by(2) == found_by(8)


def in_two_ways():
    born, due = time.time(), time.time() + 10
    time.sleep(max(due - time.time(), 0))
    assert time.time() - born < 60
    assert time.time() >= due


def sound():
    due = time.monotonic() + 10
    while time.monotonic() < due:
        time.sleep(1)
    assert time.monotonic() - due < 1


def saved_in_the_middle_of_a_wait():
    the_guest().host.at("2 s", lambda: the_guest().restore(the_guest().save()))
    time.monotonic()
    time.sleep(1)
    time.monotonic()
    time.sleep(5)


def test_a_strike_that_the_programs_own_verbs_do_not_allow_says_nothing():
    """A pause of the explorer's over the moment at which the program saves the guest: no failure of the program."""
    assert explore(saved_in_the_middle_of_a_wait, random.Random(1), places=None).failures == []


def test_a_sound_program_is_left_alone():
    found = explore(sound, random.Random(1), places=None)
    assert (found.left_out, found.failures, found.findings) == ("", [], [])
    assert found.runs > 100


def test_what_cannot_be_explored_is_said_and_left_out():
    calls = []

    def leaks():
        calls.append(time.time())
        assert len(calls) < 2

    def wanders():
        calls.append(0)
        time.sleep(len(calls))

    def spins():
        while time.time():
            pass

    assert explore(lambda: time.time() / 0, random.Random(1)).left_out.startswith("already failing: ZeroDivisionError")
    assert explore(spins, random.Random(1)).left_out.startswith("already failing: ")
    assert explore(leaks, random.Random(1)).left_out.startswith("not repeatable: AssertionError")
    assert explore(wanders, random.Random(1)).left_out.startswith("not repeatable: without any anomaly")
    assert explore(lambda: None, random.Random(1)).left_out == "it reads no clock and waits for none"


def test_a_failure_that_stays_is_not_repeatable():
    seen = []

    def remembers():
        seen.append(time.time())
        assert max(seen) - min(seen) < 3_000

    assert explore(remembers, random.Random(1)).left_out.startswith("not repeatable: after a struck run it fails")


@pytest.mark.parametrize(
    ("strikes", "timesync"),
    [
        ('Step("-1 h")', "off"),
        ('Flap("2 s")', "off"),
        ('Drift("500 ppm")', "off"),
        ('Pause("1 min")', "linux"),
        ('Restore("30 d")', "linux"),
    ],
)
def test_the_service_is_off_but_for_what_shows_by_its_correction_which_comes_at_once(strikes, timesync):
    seen = []

    def waits():
        time.time()
        time.sleep(0.5)
        seen.extend((the_guest().timesync, the_guest().error_ns))

    outcome = trial_of(waits)(Watch(parsed(f'{strikes} before reading 1 of "time.time()"')))
    assert (outcome.error, seen[0]) == ("", timesync)
    assert (seen[1] == 0) == (timesync == "linux")


def waits_for_the_clock_to_catch_up():
    last = time.time()
    for _ in range(20):
        if time.time() >= last:
            break


def test_readings_that_multiply_are_a_finding():
    """A generator of identifiers that reads again until the clock is past the last one, and gives up."""
    found = explore(waits_for_the_clock_to_catch_up, random.Random(1), places=None)
    assert found.failures == []
    (one,) = [one for one in found.findings if one.kind == "reads"]
    assert one.schedule == 'Step("-1 s") before reading 1 of "if time.time() >= last:"'
    file = Path(__file__).name
    assert one.what.startswith("reads a clock 21 times (clean: 2), most of them at ")
    assert f"{file}:" in one.what


def test_a_run_that_never_ends_is_ended():
    def waits_for_a_date():
        due = time.time() + 5
        while time.time() != due:
            time.sleep(1)

    found = explore(waits_for_a_date, random.Random(1), places=None)
    (one,) = [one for one in found.findings if one.kind == "never ended"]
    assert one.schedule == 'Step("-1 h") before reading 1 of "while time.time() != due:"'


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no alarm by the processor's time")
def test_a_run_that_neither_reads_nor_waits_is_ended_too():
    handler = signal.getsignal(signal.SIGVTALRM)

    def spins():
        time.time()
        while True:
            pass

    watch = Watch(Schedule(), Budget(busy_s=-0.9))
    assert trial_of(spins)(watch).kind.endswith("Ended")
    assert watch.ended == "it was ended after -0.9 s of the processor's time"
    assert signal.getsignal(signal.SIGVTALRM) is handler
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
