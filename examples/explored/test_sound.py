"""The same shop on libraries that do it right: nothing that ``--hvclock-explore`` tries may break one of these tests.

What lies within a program is judged by its own monotonic clock: a month in which the guest was saved is not in it.
"""

import asyncio
import queue
import sched
import socket
import threading
import time
import uuid

import pytest
import ratelimit
import tenacity
import token_bucket
import uuid6
from cachetools import TTLCache
from filelock import FileLock, Timeout
from redis.lock import Lock
from statsd import StatsClient
from test_vulnerable import five_a_minute, gives_up_after, lives, numbers, unreachable

pytestmark = pytest.mark.hvclock


def test_cachetools():
    cache = TTLCache(maxsize=10, ttl=60)
    cache["price"] = 99
    assert lives(lambda: "price" in cache, 60)


def test_ratelimit():
    @ratelimit.limits(calls=5, period=60, raise_on_limit=False)
    def hit():
        return True

    assert five_a_minute(hit) == [5, 0, 5]


def test_token_bucket():
    limiter = token_bucket.Limiter(5 / 60, 5, token_bucket.MemoryStorage())
    assert five_a_minute(lambda: limiter.consume("alice")) == [5, 2, 3]


def test_filelock(tmp_path):
    began = time.monotonic()
    with FileLock(tmp_path / "lock"), pytest.raises(Timeout):
        FileLock(tmp_path / "lock").acquire(timeout=10)
    assert 9 <= time.monotonic() - began <= 11


class Server:
    """A Redis on which somebody else holds the lock."""

    def register_script(self, script):
        pass

    def set(self, *args, **kwargs):
        pass

    def get_encoder(self):
        pass


def test_redis():
    began = time.monotonic()
    assert not Lock(Server(), "lock", blocking_timeout=10).acquire()
    assert 9 <= time.monotonic() - began <= 11


def test_tenacity():
    stop = tenacity.retry(stop=tenacity.stop_after_delay(10), wait=tenacity.wait_fixed(1), reraise=True)
    assert gives_up_after(10, stop(unreachable))


def test_uuid6():
    made = numbers(uuid6.uuid7)
    assert made == sorted(made)


def test_uuid1():
    made = numbers(lambda: uuid.uuid1().time)
    assert made == sorted(made)  # hvclock: may cross: the module counts on from its last number


def test_sched():
    runs, scheduler, began = [], sched.scheduler(), time.monotonic()
    for number in range(1, 4):
        scheduler.enter(60 * number, 1, lambda: runs.append(time.monotonic() - began))
    scheduler.run()
    assert runs == pytest.approx([60, 120, 180], abs=5)


def test_asyncio():
    async def main():
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), timeout=10)
        await asyncio.sleep(50)
        return time.monotonic() - began

    assert asyncio.run(main()) == pytest.approx(60, abs=1)


def test_queue_and_threading():
    began = time.monotonic()
    with pytest.raises(queue.Empty):
        queue.Queue().get(timeout=5)
    threading.Event().wait(5)
    assert time.monotonic() - began == pytest.approx(10, abs=1)


def test_statsd():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        client = StatsClient(*server.getsockname())
        with client.timer("work"):
            time.sleep(60)
        client.close()
        milliseconds = server.recv(100).decode().removeprefix("work:").removesuffix("|ms")
    assert 59_000 <= float(milliseconds) <= 61_000
