"""What an application caches for a minute is there for a minute, and then it is gone."""

import time

import pytest
from cachetools import TTLCache
from diskcache import Cache
from django.core.cache.backends.locmem import LocMemCache
from expiringdict import ExpiringDict

pytestmark = pytest.mark.hvclock("drift-500ppm", "restore-after-a-month", "boot-linux-on-a-tokyo-host")


def test_cachetools_keeps_a_price_for_its_minute(hvclock, lives_for):
    hvclock.strike()
    cache = TTLCache(maxsize=10, ttl=60)
    cache["price"] = 99
    lives_for(60, lambda: "price" in cache)


@pytest.mark.breaks_under("restore-after-a-month", "SYNC empties the cache: every price is gone after 1 s, not 60")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "SYNC makes prices younger: one of a minute is sold for 9 h")
def test_cachetools_on_the_wall_clock_keeps_a_price_for_its_minute(hvclock, lives_for):
    hvclock.strike()
    cache = TTLCache(maxsize=10, ttl=60, timer=time.time)
    cache["price"] = 99
    lives_for(60, lambda: "price" in cache)


@pytest.mark.breaks_under("restore-after-a-month", "a price is forgotten after 1 s: SYNC makes it a month old")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "a price of a minute is sold for 9 h and 1 min")
def test_expiringdict_keeps_a_price_for_its_minute(hvclock, lives_for):
    hvclock.strike()
    cache = ExpiringDict(max_len=10, max_age_seconds=60)
    cache["price"] = 99
    lives_for(60, lambda: "price" in cache)


@pytest.mark.breaks_under("restore-after-a-month", "a price is forgotten after 1 s: its file says it ended last month")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "a price of a minute is kept on disk, and sold, for 9 h")
def test_diskcache_keeps_a_price_for_its_minute(hvclock, lives_for, tmp_path):
    hvclock.strike()
    with Cache(tmp_path) as cache:
        cache.set("price", 99, expire=60)
        lives_for(60, lambda: cache.get("price"))


@pytest.mark.breaks_under("restore-after-a-month", "SYNC empties the site's cache: a page of a minute lasts 1 s")
@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "visitors see a page of a minute for 9 h")
def test_django_keeps_a_page_for_its_minute(hvclock, lives_for):
    hvclock.strike()
    cache = LocMemCache("pages", {})
    cache.set("page", "<h1>News</h1>", timeout=60)
    lives_for(60, lambda: cache.get("page"))


class Shop:
    """Asks its supplier when the cache has no price, and knows when that was, in true time."""

    def __init__(self, host):
        self.host = host
        self.cache = TTLCache(maxsize=10, ttl=60)

    def asked_ns(self):
        if "price" not in self.cache:
            self.cache["price"] = self.host.true_ns
        return self.cache["price"]

    def is_up_to_date(self):
        return self.host.true_ns - self.asked_ns() <= 65 * 10**9


@pytest.fixture
def shop(hvclock):
    return Shop(hvclock.host)


@pytest.fixture
def up_to_date(shop):
    return shop.is_up_to_date


restores = pytest.mark.hvclock("restore-after-a-month", "restore-after-a-month-uncorrected", "azure-pause-28s")


@restores
@pytest.mark.hvclock_recovers("up_to_date", within="60 s")
def test_a_restored_cache_sells_at_the_price_of_the_day_again(hvclock, shop):
    shop.asked_ns()
    hvclock.advance("20 s")


@restores
@pytest.mark.hvclock_recovers("up_to_date", within="60 s")
def test_a_restored_cache_on_the_wall_clock_sells_at_the_price_of_the_day_again(hvclock, shop):
    shop.cache = TTLCache(maxsize=10, ttl=60, timer=time.time)
    shop.asked_ns()
    hvclock.advance("20 s")
