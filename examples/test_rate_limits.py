"""Of eight requests at once, five a minute are let through, neither more nor fewer."""

import pytest
import ratelimit
import token_bucket
from dramatiq.rate_limits import WindowRateLimiter
from dramatiq.rate_limits.backends import StubBackend
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

pytestmark = pytest.mark.hvclock("drift-500ppm", "restore-after-a-month", "boot-linux-on-a-tokyo-host")


@pytest.fixture
def let_through(hvclock):
    """Send eight requests four times: now, 10 s later, 80 s after that, and 130 s after that."""

    def by(limiter):
        hvclock.strike()
        passed = []
        for pause in "10 s", "80 s", "130 s", "0 s":
            passed.append(sum(bool(limiter()) for _ in range(8)))
            hvclock.advance(pause)
        return passed

    return by


@pytest.mark.breaks_under("restore-after-a-month", "SYNC forgets who came: 10 requests in 10 s, not 5")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "SYNC locks everybody who came before it out for 9 h")
def test_limits_lets_five_requests_a_minute_through(let_through):
    limiter, five = MovingWindowRateLimiter(MemoryStorage()), RateLimitItemPerMinute(5)
    assert let_through(lambda: limiter.hit(five, "alice")) == [5, 0, 5, 5]


@pytest.mark.breaks_under("restore-after-a-month", "SYNC forgets who came: 10 requests in 10 s, not 5")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "SYNC forgets who came: 10 requests in 10 s, not 5")
def test_dramatiq_lets_five_requests_a_minute_through(let_through):
    limiter = WindowRateLimiter(StubBackend(), "alice", limit=5, window=60)

    def hit():
        with limiter.acquire(raise_on_failure=False) as acquired:
            return acquired

    assert let_through(hit) == [5, 0, 5, 5]


def test_ratelimit_lets_five_requests_a_minute_through(let_through):
    @ratelimit.limits(calls=5, period=60, raise_on_limit=False)
    def hit():
        return True

    assert let_through(hit) == [5, 0, 5, 5]


def test_token_bucket_lets_five_requests_a_minute_through(let_through):
    limiter = token_bucket.Limiter(5 / 60, 5, token_bucket.MemoryStorage())
    assert let_through(lambda: limiter.consume("alice")) == [5, 0, 5, 5]
