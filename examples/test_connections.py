"""Connections are renewed, circuits are closed again and servers are asked again when it is time."""

from email.utils import formatdate

import pybreaker
import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.pool import QueuePool
from urllib3 import HTTPResponse, Retry

pytestmark = pytest.mark.hvclock("drift-500ppm", "restore-after-a-month", "boot-linux-on-a-tokyo-host")


class Database:
    """Knows, in true time, since when the connection in use has existed."""

    def __init__(self, host):
        self.engine = create_engine("sqlite://", poolclass=QueuePool, pool_recycle=600)
        self.connections = []
        event.listen(self.engine, "connect", lambda *_: self.connections.append(host.true_ns))

    def connected_ns(self):
        with self.engine.connect():
            return self.connections[-1]


@pytest.fixture
def database(hvclock):
    database = Database(hvclock.host)
    yield database
    database.engine.dispose()


@pytest.mark.breaks_under("restore-after-a-month", "SYNC throws every pooled connection away after 1 s of its 10 min")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "a connection is used for 9 h after the server has hung up")
def test_sqlalchemy_uses_a_connection_for_its_ten_minutes(hvclock, database, lives_for):
    hvclock.strike()
    first_ns = database.connected_ns()
    lives_for(600, lambda: database.connected_ns() == first_ns)


@pytest.fixture
def connection_is_fresh(hvclock, database):
    return lambda: hvclock.host.true_ns - database.connected_ns() <= 660 * 10**9


@pytest.mark.hvclock("restore-after-a-month", "azure-pause-28s", "wsl2-sleep-without-sync")
@pytest.mark.hvclock_recovers("connection_is_fresh", within="15 min")
def test_sqlalchemy_renews_its_connections_after_a_sleep(hvclock, database):
    database.connected_ns()
    hvclock.advance("5 min")


class Payments:
    """A service that failed once, behind a circuit breaker of a minute."""

    def __init__(self):
        self.breaker = pybreaker.CircuitBreaker(fail_max=1, reset_timeout=60)

    def fail(self):
        with pytest.raises(pybreaker.CircuitBreakerError):
            self.breaker.call(lambda: 1 / 0)

    def blocked(self):
        try:
            self.breaker.call(lambda: "paid")
        except pybreaker.CircuitBreakerError:
            return True
        return False


@pytest.mark.breaks_under("restore-after-a-month", "the failed service is called again after 1 s instead of 60 s")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "nobody can pay for 9 h after a failure that is long over")
def test_pybreaker_spares_a_failed_service_for_a_minute(hvclock, lives_for):
    hvclock.strike()
    payments = Payments()
    payments.fail()
    lives_for(60, payments.blocked)


@pytest.mark.breaks_under("drift-500ppm", "after 3 days the guest is 130 s ahead, and asks again at once")
@pytest.mark.breaks_under("restore-after-a-month", "sleeps for 6 h, its maximum, instead of 1 min")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "asks the busy server again at once instead of in 1 min")
def test_urllib3_asks_again_when_the_server_says(hvclock, stopwatch):
    hvclock.advance("3 d")
    hvclock.strike()
    took = stopwatch()
    in_a_minute = formatdate(hvclock.host.true_ns // 10**9 + 60, usegmt=True)
    Retry().sleep(HTTPResponse(status=503, headers={"Retry-After": in_a_minute}))
    assert 55 <= took() <= 65
