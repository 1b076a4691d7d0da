"""Who reads a guest's clocks and who waits on them is taken down, with the line."""

import asyncio
import datetime as dt
import logging
import threading
import time
from time import monotonic

import pytest

from pytest_hvclock.running import Running
from pytest_hvclock.running import recorder as recording

S = 1_000_000_000


@pytest.fixture(params=["time-machine", "freezegun"])
def running(guest, request):
    """A guest to be entered, with both engines."""
    return Running(guest, request.param)


def test_every_source_is_taken_down_with_its_line(guest, running):
    """Each reading has its clock, its value, the true time, and the line of the program, not of the kit."""
    recorder = running.record()
    with running:
        guest.advance("3 s")
        value = time.time_ns()
        dt.datetime.now(dt.UTC)
        monotonic()
        time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        time.ctime()
        guest.clock.time()
    readings = recorder.timeline().readings
    assert [reading.clock for reading in readings] == ["wall", "wall", "monotonic", "boottime", "wall", "wall"]
    assert readings[0].value_ns == value
    assert {reading.at_ns for reading in readings} == {guest.host.true_ns}
    assert {reading.place.file.rpartition("/")[2] for reading in readings} == {"test_recorder.py"}
    lines = [reading.place.line for reading in readings]
    assert lines == list(range(lines[0], lines[0] + 6))
    assert readings[2].place.text == "monotonic()"
    assert readings[2].place.function == "test_every_source_is_taken_down_with_its_line"


def test_nothing_is_taken_down_before_it_is_asked_for(running):
    """Recording can begin in the middle."""
    with running:
        time.time()
        recorder = running.record()
        time.monotonic()
        assert recorder.counts == {"monotonic": 1}
        assert running.record() is recorder


def test_the_same_reading_again_is_one_with_a_count(running):
    """A loop that stamps records at one instant is told in a line."""
    recorder = running.record()
    with running:
        for _ in range(5):
            time.time()
    (reading,) = recorder.timeline().readings
    assert reading.times == 5


def test_of_very_many_readings_the_last_are_kept_and_all_are_counted(guest, monkeypatch):
    """Memory stays bounded."""
    monkeypatch.setattr(recording, "KEPT", 100)
    running = Running(guest)
    running.recorder = recording.Recorder(guest, 100)
    with running:
        for _ in range(1000):
            time.monotonic()
        time.time()
        kept = len(running.recorder.readings)
    assert 100 <= kept <= 201
    assert running.recorder.counts == {"monotonic": 1000, "wall": 1}
    assert running.recorder.total == 1001
    assert running.recorder.timeline().readings[-1].clock == "wall"


def test_waits_are_taken_down_with_what_they_asked_for(guest, running):
    """Sleeps, timed waits and endless ones, of every thread."""
    recorder = running.record()

    def work():
        time.sleep(2)
        done.set()

    with running:
        start_ns = guest.host.true_ns
        done = threading.Event()
        threading.Thread(target=work, name="worker").start()
        done.wait()
        time.sleep(1.5)
        done.clear()
        done.wait(3)
    waits = [wait for wait in recorder.timeline().waits if not wait.place.text.startswith("threading.Thread")]
    asked = [wait.asked_ns for wait in waits]
    assert asked.count(2 * S) == 1
    assert asked[-2:] == [1_500_000_000, 3 * S]
    (sleep,) = [wait for wait in waits if wait.asked_ns == 2 * S]
    assert (sleep.thread, sleep.at_ns, sleep.place.text) == ("worker", start_ns, "time.sleep(2)")


def test_the_waits_of_an_event_loop_are_taken_down(running):
    """A loop that is idle waits for its next timer."""
    recorder = running.record()

    async def main():
        await asyncio.sleep(7)

    with running:
        asyncio.run(main())
    assert any(wait.asked_ns and abs(wait.asked_ns - 7 * S) < S for wait in recorder.timeline().waits)


def test_the_harness_and_the_stamps_of_log_records_are_not_the_programs(running, caplog):
    """They are counted, and not shown."""
    recorder = running.record()
    with running:
        logging.getLogger("app").warning("hello")
        mark = recorder.total
        assert not recorder.reads_after(0)
        time.time()
        assert recorder.reads_after(mark)
        assert not recorder.reads_after(recorder.total)
    assert caplog.records
    assert [reading.place.text for reading in recorder.timeline().readings] == ["time.time()"]


def test_the_last_line_that_read_a_clock_is_known(guest, running):
    """So that a message can name it."""
    recorder = running.record()
    with running:
        assert recorder.last_place() is None
        time.time()
        guest.advance("1 s")
        assert recorder.last_place().text == "time.time()"
        assert recorder.last_place(after_ns=guest.host.true_ns) is None


def test_live_readings_have_their_true_time(guest):
    """In live pace true time goes on between two readings of it."""
    running = Running(guest, pace="live")
    recorder = running.record()
    with running:
        start_ns = guest.host.true_ns
        time.time()
        time.sleep(0.02)
        time.time()
        end_ns = guest.host.true_ns
    first, last = [reading.at_ns for reading in recorder.timeline().readings]
    assert start_ns <= first <= last - 20_000_000 < last <= end_ns


def test_a_tap_and_a_recorder_see_the_same(running):
    """Who is told before each reading does not hide it from who takes it down."""
    recorder = running.record()
    told = []
    with running:
        running.tap(told.append)
        time.time()
        time.monotonic()
        running.tap(None)
        time.time()
    assert told == ["wall", "monotonic"]
    assert [reading.clock for reading in recorder.timeline().readings] == ["wall", "monotonic", "wall"]


def test_the_timeline_has_verbs_and_sets_in_their_order(guest, running):
    """What was done to the guest, and what corrected it."""
    guest.timesync = "linux"
    recorder = running.record()
    with running:
        saved = guest.save()
        guest.host.advance("1 h")
        guest.restore(saved)
        guest.advance("10 s")
    timeline = recorder.timeline(test="it", outcome="passed")
    assert [deed.what for deed in timeline.deeds] == ["save", "restore", "SYNC set the wall clock"]
    assert timeline.deeds[-1].moved_ns == 3600 * S
    assert (timeline.test, timeline.outcome) == ("it", "passed")
    assert timeline.error_at(timeline.deeds[-1].at_ns - 1) == -3600 * S
    assert timeline.error_at(timeline.end_ns) == 0


def test_threads_are_counted_within_the_record_and_at_one_instant_told_one_after_the_other(running):
    """Python counts them through the process: the record would tell which tests have run before."""
    recorder = running.record()
    with running:
        ready = threading.Barrier(2)

        def read():
            ready.wait()
            for _ in range(3):
                time.time()
                time.monotonic()

        threads = [threading.Thread(target=read) for _ in range(2)]
        named = threading.Thread(target=time.time, name="pump 12")
        for thread in (*threads, named):
            thread.start()
        for thread in (*threads, named):
            thread.join()
    readings = recorder.timeline().readings
    program = [(reading.thread, reading.clock) for reading in readings if reading.place.function.endswith("read")]
    assert program == [(f"Thread-{number} (read)", clock) for number in (1, 2) for clock in ("wall", "monotonic") * 3]
    assert "pump 12" in {reading.thread for reading in readings}


def test_a_thread_that_is_gone_keeps_its_name_in_the_record(running):
    """The system gives its number to the next one."""
    recorder = running.record()
    with running:
        for name in ("first", "second", "third"):
            thread = threading.Thread(target=lambda: (time.time(), time.sleep(1)), name=name)
            thread.start()
            thread.join()
    timeline = recorder.timeline()
    assert [reading.thread for reading in timeline.readings] == ["first", "second", "third"]
    assert [wait.thread for wait in timeline.waits if wait.thread != "MainThread"] == ["first", "second", "third"]
