"""Plain tests of a shop on libraries that read the wall clock: all pass, until ``--hvclock-explore`` looks at them.

They run on a guest so that no sleep takes any time. Those that need somebody whose clock is right ask ``hvclock.host``.
"""

import io
import logging
import os
import sched
import time
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import formatdate
from http.cookiejar import CookieJar
from logging.handlers import TimedRotatingFileHandler
from urllib.request import Request

import backoff
import jwt
import pybreaker
import pyotp
import pytest
import uuid_extensions
from apscheduler.schedulers.background import BackgroundScheduler
from cachetools import TTLCache
from diskcache import Cache
from django.core.cache.backends.locmem import LocMemCache
from dramatiq.rate_limits import WindowRateLimiter
from dramatiq.rate_limits.backends import StubBackend
from expiringdict import ExpiringDict
from flufl.lock import Lock, TimeOutError
from itsdangerous import TimestampSigner
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from retrying import retry
from schedule import Scheduler
from snowflake import SnowflakeGenerator
from sonyflake import SonyFlake
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool
from tqdm import tqdm
from ulid import ULID
from urllib3 import HTTPResponse, Retry

pytestmark = pytest.mark.hvclock  # a guest at true time, on which no sleep takes any
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def lives(has, seconds):
    """Look twice: shortly before it should be over, and shortly after."""
    time.sleep(0.9 * seconds)
    early = has()
    time.sleep(0.2 * seconds)
    return early and not has()


def test_cachetools_on_the_wall_clock():
    cache = TTLCache(maxsize=10, ttl=60, timer=time.time)
    cache["price"] = 99
    assert lives(lambda: "price" in cache, 60)


def test_expiringdict():
    cache = ExpiringDict(max_len=10, max_age_seconds=60)
    cache["price"] = 99
    assert lives(lambda: "price" in cache, 60)


def test_diskcache(tmp_path):
    with Cache(tmp_path) as cache:
        cache.set("price", 99, expire=60)
        assert lives(lambda: cache.get("price"), 60)


def test_django(request):
    cache = LocMemCache(request.node.name, {})
    cache.clear()
    cache.set("page", "<h1>News</h1>", timeout=60)
    assert lives(lambda: cache.get("page"), 60)


class Answer:
    """The answer of a shop that remembers its customer for ten minutes."""

    def info(self):
        headers = Message()
        headers["Set-Cookie"] = "customer=alice; Max-Age=600"
        return headers


def test_cookiejar():
    jar = CookieJar()
    jar.extract_cookies(Answer(), Request("https://shop.example/"))

    def sent():
        request = Request("https://shop.example/")
        jar.add_cookie_header(request)
        return request.has_header("Cookie")

    assert lives(sent, 600)


def test_itsdangerous():
    signer = TimestampSigner(SECRET)
    session = signer.sign("alice")
    time.sleep(300)
    assert signer.unsign(session, max_age=600) == b"alice"


def test_pyjwt(hvclock):
    issued = hvclock.host.true_ns // 10**9
    token = jwt.encode({"sub": "alice", "iat": issued, "exp": issued + 600}, SECRET, algorithm="HS256")
    assert jwt.decode(token, SECRET, algorithms=["HS256"])["sub"] == "alice"


def test_pyotp(hvclock):
    phone = pyotp.TOTP(SECRET).at(hvclock.host.true_ns // 10**9)
    assert pyotp.TOTP(SECRET).verify(phone, valid_window=1)


def five_a_minute(hit):
    """Ask eight times, and eight times again half a minute later, and when the minute is over."""
    passed = []
    for pause in 30, 40, 0:
        passed.append(sum(bool(hit()) for _ in range(8)))
        time.sleep(pause)
    return passed


def test_limits():
    limiter, five = MovingWindowRateLimiter(MemoryStorage()), RateLimitItemPerMinute(5)
    assert five_a_minute(lambda: limiter.hit(five, "alice")) == [5, 0, 5]


def test_dramatiq():
    limiter = WindowRateLimiter(StubBackend(), "alice", limit=5, window=60)

    def hit():
        with limiter.acquire(raise_on_failure=False) as acquired:
            return acquired

    assert five_a_minute(hit) == [5, 0, 5]


def test_apscheduler_every_minute():
    runs, scheduler = [], BackgroundScheduler(timezone="UTC")
    scheduler.add_job(lambda: runs.append("run"), "interval", minutes=1)
    scheduler.start()
    time.sleep(270)
    scheduler.shutdown()
    assert len(runs) == 4


def test_apscheduler_once():
    runs, scheduler = [], BackgroundScheduler(timezone="UTC")
    scheduler.add_job(lambda: runs.append("run"), "date", run_date=datetime.now(UTC) + timedelta(hours=4))
    scheduler.start()
    time.sleep(8 * 3600)
    scheduler.shutdown()
    assert len(runs) == 1


def test_schedule():
    runs, scheduler = [], Scheduler()
    scheduler.every(60).seconds.do(lambda: runs.append("run"))
    for _ in range(25):
        scheduler.run_pending()
        time.sleep(10)
    assert len(runs) == 4


def test_sched_on_the_wall_clock():
    runs, scheduler, began = [], sched.scheduler(time.time, time.sleep), time.monotonic()
    for number in range(1, 4):
        scheduler.enter(60 * number, 1, lambda: runs.append(time.monotonic() - began))
    scheduler.run()
    assert runs == pytest.approx([60, 120, 180], abs=5)


def numbers(new):
    """Number five orders, one every second."""
    made = []
    for _ in range(5):
        made.append(new())
        time.sleep(1)
    return made


def test_uuid7():
    made = numbers(uuid_extensions.uuid7)
    assert made == sorted(made)


def test_python_ulid():
    made = numbers(ULID)
    assert made == sorted(made)


def test_snowflake_id():
    assert None not in numbers(SnowflakeGenerator(1).__next__)


def test_sonyflake():
    generator, began = SonyFlake(machine_id=lambda: 1), time.monotonic()
    for _ in range(300):
        generator.next_id()
    assert time.monotonic() - began < 10


def unreachable():
    raise ConnectionError


def gives_up_after(seconds, call):
    """Call a service that cannot be reached, and see how long that took."""
    began = time.monotonic()
    with pytest.raises(ConnectionError):
        call()
    return 0.8 * seconds <= time.monotonic() - began <= 1.2 * seconds


def test_retrying():
    assert gives_up_after(10, retry(stop_max_delay=10_000, wait_fixed=1_000)(unreachable))


def test_backoff():
    give_up = backoff.on_exception(backoff.constant, ConnectionError, max_time=10, interval=1, jitter=None)
    assert gives_up_after(10, give_up(unreachable))


def test_flufl_lock(tmp_path):
    owner, other = Lock(str(tmp_path / "lock"), lifetime=60), Lock(str(tmp_path / "lock"), lifetime=60)
    owner.lock()
    time.sleep(10)
    with pytest.raises(TimeOutError):
        other.lock(timeout=3)


@pytest.fixture
def engine():
    engine = create_engine("sqlite://", poolclass=QueuePool, pool_recycle=600)
    yield engine
    engine.dispose()


def test_sqlalchemy(engine):
    def connection():
        with engine.connect() as used:
            return used.connection.dbapi_connection

    first = connection()
    assert lives(lambda: connection() is first, 600)


def test_pybreaker():
    breaker = pybreaker.CircuitBreaker(fail_max=1, reset_timeout=60)
    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker.call(lambda: 1 / 0)

    def blocked():
        try:
            breaker.call(lambda: "paid")
        except pybreaker.CircuitBreakerError:
            return True
        return False

    assert lives(blocked, 60)


@pytest.mark.hvclock(start="2026-01-05T22:00:00Z")
def test_logging_at_midnight(tmp_path):
    """Before Python 3.11.9 and 3.12.3 the second log of a day took the place of the first (python/cpython#88352)."""
    said = []

    def stamp():
        """Give the log the time of the guest, as the guest's kernel would."""
        (tmp_path / "app.log").touch()
        os.utime(tmp_path / "app.log", (time.time(), time.time()))

    stamp()

    def run(texts):
        handler = TimedRotatingFileHandler(tmp_path / "app.log", when="midnight", utc=True)
        for pause, text in texts:
            time.sleep(pause)
            handler.emit(logging.makeLogRecord({"msg": text}))
            stamp()
            said.append(text)
        handler.close()

    run([(0, "a day's work"), (8_000, "after midnight"), (600, "the last of this run")])
    run([(600, "up again"), (12 * 3600, "noon"), (12 * 3600, "the next day")])
    kept = "".join(file.read_text() for file in tmp_path.iterdir())
    assert [text for text in said if text not in kept] == []


def test_tqdm():
    with tqdm(total=3, file=io.StringIO()) as bar:
        for _ in range(3):
            time.sleep(20)
            bar.update()
        assert bar.format_dict["elapsed"] == pytest.approx(60, abs=2)


def test_urllib3(hvclock):
    began, in_a_minute = time.monotonic(), formatdate(hvclock.host.true_ns // 10**9 + 60, usegmt=True)
    Retry().sleep(HTTPResponse(status=503, headers={"Retry-After": in_a_minute}))
    assert 55 <= time.monotonic() - began <= 65
