"""Who tries for ten minutes gives up after ten minutes, and a lock is held for its lifetime."""

import random

import backoff
import pytest
import tenacity
from filelock import FileLock, Timeout
from flufl.lock import Lock, TimeOutError
from redis.lock import Lock as RedisLock
from retrying import retry

pytestmark = pytest.mark.hvclock("drift-500ppm", "restore-after-a-month", "boot-linux-on-a-tokyo-host")


def unreachable():
    raise ConnectionError


@pytest.fixture
def gives_up(hvclock, stopwatch):
    """Claim that a call to a service that cannot be reached ends after ten minutes."""

    def claim(call):
        hvclock.strike()
        took = stopwatch()
        with pytest.raises(ConnectionError):
            call()
        assert 540 <= took() <= 660

    return claim


@pytest.mark.breaks_under("restore-after-a-month", "gives up after 1 min of its 10: SYNC has made it a month")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "goes on for 9 h and 10 min instead of 10 min")
def test_retrying_gives_up_after_ten_minutes(gives_up):
    gives_up(retry(stop_max_delay=600_000, wait_fixed=60_000)(unreachable))


@pytest.mark.breaks_under("restore-after-a-month", "gives up after 1 min of its 10, with 1 retry instead of 10")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "goes on for 9 h and 10 min, with 550 retries instead of 10")
def test_backoff_gives_up_after_ten_minutes(gives_up):
    gives_up(
        backoff.on_exception(backoff.constant, ConnectionError, max_time=600, interval=60, jitter=None)(unreachable)
    )


def test_tenacity_gives_up_after_ten_minutes(gives_up):
    gives_up(
        tenacity.retry(stop=tenacity.stop_after_delay(600), wait=tenacity.wait_fixed(60), reraise=True)(unreachable)
    )


def test_filelock_waits_ten_seconds_for_a_lock(hvclock, stopwatch, tmp_path):
    hvclock.strike()
    took = stopwatch()
    with FileLock(tmp_path / "lock"), pytest.raises(Timeout):
        FileLock(tmp_path / "lock").acquire(timeout=10)
    assert 9 <= took() <= 11


class Redis:
    """A server on which somebody else holds the lock."""

    def register_script(self, script):
        pass

    def set(self, *args, **kwargs):
        pass

    def get_encoder(self):
        pass


def test_redis_waits_ten_seconds_for_a_lock(hvclock, stopwatch):
    hvclock.strike()
    took = stopwatch()
    assert not RedisLock(Redis(), "lock", blocking_timeout=10).acquire()
    assert 9 <= took() <= 11


@pytest.fixture
def new_lock(tmp_path):
    """Return a lock of one minute; it is waited for at intervals that are drawn by lot."""
    random.seed(1)
    return lambda: Lock(str(tmp_path / "lock"), lifetime=60)


@pytest.mark.breaks_under("restore-after-a-month", "10 s after it was taken, the lock of a minute has a second owner")
def test_flufl_lock_has_one_owner_for_its_minute(hvclock, new_lock):
    hvclock.strike()
    owner = new_lock()
    owner.lock()
    hvclock.advance("10 s")
    try:
        new_lock().lock(timeout=10)
        owners = 2
    except TimeOutError:
        owners = 1
    assert owners == 1


@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "a lock of a minute, left by a crash, blocks everybody for 9 h")
def test_flufl_lock_of_a_crashed_owner_ends_with_its_minute(hvclock, new_lock, stopwatch):
    hvclock.strike()
    crashed = new_lock()
    crashed.lock()
    took = stopwatch()
    new_lock().lock()
    assert took() <= 90
