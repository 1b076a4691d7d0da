"""Every source of time of the standard library reads the guest, and is real again afterwards."""

# ruff: noqa: PLW0108  (each reading is a lambda, because a plain container keeps the real function)

import copy
import datetime as dt
import os
import pickle
import time
import uuid

import pytest

from pytest_hvclock import Host
from pytest_hvclock.running import Running, active_guest

START = "2026-03-04T05:06:07.123456789Z"
NS = 1_000_000_000
REPLACED = {
    *("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep", "ctime", "asctime"),
    *("clock_gettime", "clock_gettime_ns", "clock_settime", "clock_settime_ns"),
}
"""What the layer below the engine puts into the ``time`` module."""


@pytest.fixture
def odd_guest():
    """A guest whose four clocks all differ from each other, and from true time."""
    guest = Host(start=START).guest(timesync="ntp", drift="+300 ppm")
    guest.step("90 min")
    guest.hibernate("1 h")
    guest.advance("200 s")
    guest.step("-17.000000001 s")
    readings = [guest.wall_ns, guest.monotonic_ns, guest.monotonic_raw_ns, guest.boottime_ns, guest.host.true_ns]
    assert len(set(readings)) == len(readings)
    return guest


def utc(guest):
    """Return the guest's wall clock as a datetime."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=guest.wall_ns // 1000)


WALL = {
    "time.time": (lambda: time.time(), lambda guest: guest.wall_ns / NS),
    "time.time_ns": (lambda: time.time_ns(), lambda guest: guest.wall_ns),
    "time.gmtime": (lambda: time.gmtime()[:6], lambda guest: utc(guest).timetuple()[:6]),
    "time.localtime": (lambda: time.localtime()[:6], lambda guest: utc(guest).astimezone().timetuple()[:6]),
    "time.strftime": (
        lambda: time.strftime("%Y-%m-%d %H:%M:%S"),
        lambda guest: utc(guest).astimezone().strftime("%Y-%m-%d %H:%M:%S"),
    ),
    "time.ctime": (lambda: time.ctime(), lambda guest: utc(guest).astimezone().ctime()),
    "time.ctime(None)": (lambda: time.ctime(None), lambda guest: utc(guest).astimezone().ctime()),
    "time.asctime": (lambda: time.asctime(), lambda guest: utc(guest).astimezone().ctime()),
    "datetime.now": (lambda: dt.datetime.now(), lambda guest: utc(guest).astimezone().replace(tzinfo=None)),
    "datetime.now(UTC)": (lambda: dt.datetime.now(dt.UTC), utc),
    "datetime.today": (lambda: dt.datetime.today(), lambda guest: utc(guest).astimezone().replace(tzinfo=None)),
    "date.today": (lambda: dt.date.today(), lambda guest: utc(guest).astimezone().date()),
    "CLOCK_REALTIME": (lambda: time.clock_gettime(time.CLOCK_REALTIME), lambda guest: guest.wall_ns / NS),
    "CLOCK_REALTIME, ns": (lambda: time.clock_gettime_ns(time.CLOCK_REALTIME), lambda guest: guest.wall_ns),
    "CLOCK_REALTIME_COARSE": (lambda: time.clock_gettime_ns(5), lambda guest: guest.wall_ns),
}
COUNTERS = {
    "time.monotonic": (lambda: time.monotonic(), lambda guest: guest.monotonic_ns / NS),
    "time.monotonic_ns": (lambda: time.monotonic_ns(), lambda guest: guest.monotonic_ns),
    "time.perf_counter": (lambda: time.perf_counter(), lambda guest: guest.monotonic_ns / NS),
    "time.perf_counter_ns": (lambda: time.perf_counter_ns(), lambda guest: guest.monotonic_ns),
    "CLOCK_MONOTONIC": (lambda: time.clock_gettime(time.CLOCK_MONOTONIC), lambda guest: guest.monotonic_ns / NS),
    "CLOCK_MONOTONIC, ns": (lambda: time.clock_gettime_ns(time.CLOCK_MONOTONIC), lambda guest: guest.monotonic_ns),
    "CLOCK_MONOTONIC_COARSE": (lambda: time.clock_gettime_ns(6), lambda guest: guest.monotonic_ns),
    "CLOCK_MONOTONIC_RAW": (
        lambda: time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW),
        lambda guest: guest.monotonic_raw_ns,
    ),
    "CLOCK_BOOTTIME": (lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME), lambda guest: guest.boottime_ns),
}


@pytest.mark.parametrize("source", [*WALL, *COUNTERS])
def test_a_source_reads_the_guest(odd_guest, source):
    """Each function reads its own clock of the guest, exactly, before and after time has passed."""
    read, expected = (WALL | COUNTERS)[source]
    with odd_guest.running():
        assert read() == expected(odd_guest)
        odd_guest.advance("12.5 h")
        assert read() == expected(odd_guest)
        odd_guest.step("-100 d")
        assert read() == expected(odd_guest)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_utcnow_reads_the_guest(odd_guest):
    """The deprecated naive reading of UTC reads the guest as well."""
    with odd_guest.running():
        assert dt.datetime.utcnow() == utc(odd_guest).replace(tzinfo=None)


@pytest.mark.skipif(not hasattr(time, "CLOCK_TAI"), reason="a clock of Linux")
def test_tai_reads_the_guest_with_the_offset_of_the_machine(odd_guest):
    """TAI is the guest's wall clock plus the whole seconds that this machine's kernel has been told."""
    ahead_ns = round(time.clock_gettime_ns(time.CLOCK_TAI) - time.clock_gettime_ns(time.CLOCK_REALTIME), -9)
    with odd_guest.running():
        assert time.clock_gettime_ns(time.CLOCK_TAI) == odd_guest.wall_ns + ahead_ns


def test_given_times_are_only_converted(odd_guest):
    """Functions that were given a time convert that, and read no clock."""
    with odd_guest.running():
        assert time.gmtime(0)[:6] == (1970, 1, 1, 0, 0, 0)
        assert time.asctime(time.gmtime(0)) == "Thu Jan  1 00:00:00 1970"
        assert time.ctime(86_400 * 365).endswith("1971")
        assert dt.datetime.fromtimestamp(5, dt.UTC).second == 5


def test_cpu_time_stays_real(odd_guest):
    """Processor time is not the guest's to tell."""
    with odd_guest.running():
        before = time.process_time_ns(), time.thread_time_ns()
        odd_guest.advance("1 h")
        after = time.process_time_ns(), time.thread_time_ns()
    assert all(0 <= later - earlier < 60 * NS for earlier, later in zip(before, after, strict=True))


def test_an_unknown_clock_is_refused_as_always(odd_guest):
    """A clock number that nobody has is the system's own error."""
    with odd_guest.running(), pytest.raises(OSError, match="Invalid argument"):
        time.clock_gettime(999)


def test_setting_the_clock_steps_the_guest_and_never_the_machine(odd_guest):
    """``clock_settime`` is what an administrator in the guest would have done: monotonic does not move."""
    with odd_guest.running():
        monotonic_ns = time.monotonic_ns()
        time.clock_settime(time.CLOCK_REALTIME, 1_000_000.5)
        assert (time.time_ns(), odd_guest.wall_ns) == (1_000_000_500_000_000, 1_000_000_500_000_000)
        time.clock_settime_ns(time.CLOCK_REALTIME, 1_700_000_000_000_000_001)
        assert (time.time_ns(), time.monotonic_ns()) == (1_700_000_000_000_000_001, monotonic_ns)
        with pytest.raises(OSError, match="Invalid argument"):
            time.clock_settime(time.CLOCK_MONOTONIC, 1.0)
    assert odd_guest.clock_sets[-1].by == "step"
    assert time.time() > 1_760_000_000


def test_everything_is_real_again_by_identity_and_by_value(odd_guest):
    """After leaving, every function of the ``time`` module is the very object that it was before."""
    before = list(vars(time).items())
    wall, monotonic = time.time(), time.monotonic()
    with odd_guest.running():
        assert {name for name, value in before if vars(time)[name] is not value} == REPLACED
    assert [name for name, value in before if vars(time)[name] is not value] == []
    assert len(vars(time)) == len(before)
    assert 0 <= time.time() - wall < 60
    assert 0 <= time.monotonic() - monotonic < 60


def test_readings_are_pure(odd_guest):
    """Reading twice gives the same answer."""
    with odd_guest.running():
        assert len({time.monotonic_ns() for _ in range(100)}) == 1
        assert len({time.time_ns() for _ in range(100)}) == 1


@pytest.fixture(params=[None, "America/New_York"])
def zone_before(request):
    """The zone that the process lives in before the guest is entered."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param is None:
            patch.delenv("TZ", raising=False)
        else:
            patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def test_the_zone_of_the_process_is_set_and_put_back(odd_guest, zone_before):
    """With a zone the process lives in it while the guest runs; ``TZ`` comes back as it was, set or not."""
    names = time.tzname
    with Running(odd_guest, zone="Asia/Tokyo"):
        assert (time.tzname, os.environ["TZ"]) == (("JST", "JST"), "Asia/Tokyo")
        assert time.localtime().tm_hour == (utc(odd_guest).hour + 9) % 24
        assert dt.datetime.now() == utc(odd_guest).replace(tzinfo=None) + dt.timedelta(hours=9)
    assert (time.tzname, os.environ.get("TZ")) == (names, zone_before)


def test_the_memory_of_the_uuid_module_is_kept(odd_guest, monkeypatch):
    """What the uuid module remembers of the last identifier outlives the guest, which had a memory of its own."""
    monkeypatch.setattr(uuid, "_last_timestamp", 123_456)
    with odd_guest.running():
        uuid._last_timestamp = 999
    assert uuid._last_timestamp == 123_456


def test_a_backward_step_leaves_the_memory_of_the_uuid_module_alone(odd_guest, monkeypatch):
    """Time-based identifiers stay unique when the clock is set back, as on a real machine."""
    monkeypatch.setattr(uuid, "_generate_time_safe", None)
    monkeypatch.setattr(uuid, "_UuidCreate", None)
    with odd_guest.running():
        first = uuid.uuid1(node=1, clock_seq=1)
        odd_guest.step("-1 h")
        second = uuid.uuid1(node=1, clock_seq=1)
    assert second.time == first.time + 1


def test_the_running_guest_is_known(odd_guest):
    """Whoever needs it can ask which guest this process runs on."""
    assert active_guest() is None
    with odd_guest.running():
        assert active_guest() is odd_guest
    assert active_guest() is None


def test_the_real_clocks_are_back_after_an_exception(odd_guest):
    """An exception in the block comes out of it, and finds the real clocks."""
    real = time.monotonic
    with pytest.raises(ZeroDivisionError), odd_guest.running():
        _ = 1 / 0
    assert time.monotonic is real
    assert active_guest() is None


def test_a_guest_can_be_entered_again(odd_guest):
    """Leaving ends nothing: the guest's clocks have stood still meanwhile."""
    with odd_guest.running():
        at = time.monotonic_ns()
    time.sleep(0.001)
    with odd_guest.running():
        assert time.monotonic_ns() == at


def test_suspending_gives_the_real_clocks_back_for_a_while(odd_guest):
    """The harness gets the real clocks between the phases of a test, and the guest goes on where it was."""
    real = time.monotonic
    running = Running(odd_guest)
    with running:
        at = time.time_ns()
        running.suspend()
        assert time.monotonic is real
        assert not running.installed
        running.suspend()
        running.resume()
        running.resume()
        assert (time.time_ns(), running.installed) == (at, True)
    assert time.monotonic is real
    running.resume()
    assert not running.installed


def test_readings_are_announced_to_a_tap(odd_guest):
    """Each reading is announced by its clock's name, just before it is taken."""
    heard = []
    running = Running(odd_guest)
    with running:
        running.tap(heard.append)
        time.time(), time.monotonic(), time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        running.tap(None)
        time.time()
    assert heard == ["wall", "monotonic", "raw"]


def test_a_guest_that_is_off_keeps_its_last_readings(odd_guest):
    """Code that reads a clock while its guest is off goes on reading what it read last; there is no better answer."""
    with odd_guest.running():
        before = time.time_ns(), time.monotonic_ns()
        odd_guest.power_off()
        odd_guest.host.advance("1 h")
        assert (time.time_ns(), time.monotonic_ns()) == before
        odd_guest.boot()
        assert (time.time_ns(), time.monotonic_ns()) == (odd_guest.wall_ns, 0)


@pytest.mark.parametrize("backend", ["time-machine", "freezegun"])
@pytest.mark.parametrize(
    "name", ["monotonic", "perf_counter_ns", "sleep", "clock_gettime", "ctime", "time", "localtime"]
)
def test_a_function_taken_on_the_guest_can_be_pickled_and_copied(odd_guest, name, backend):
    """It goes to a child process by its name, and is the real one there; a copy of it is itself."""
    with odd_guest.running(backend=backend):
        taken = getattr(time, name)
        sent = pickle.dumps(taken)
        assert copy.deepcopy(taken) == taken
    assert pickle.loads(sent) is getattr(time, name)  # noqa: S301  (what was dumped two lines above)
