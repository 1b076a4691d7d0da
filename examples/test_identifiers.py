"""Who is given a number later is given a greater one, and everybody who asks is given one, at once."""

import uuid

import pytest
import uuid6
import uuid_extensions
from snowflake import SnowflakeGenerator
from sonyflake import SonyFlake
from ulid import ULID

pytestmark = pytest.mark.hvclock("drift-500ppm", "restore-after-a-month", "boot-linux-on-a-tokyo-host")


@pytest.fixture
def orders(hvclock):
    """Number eight orders, one every half second."""

    def numbered_by(new_number):
        hvclock.strike()
        numbers = []
        for _ in range(8):
            numbers.append(new_number())
            hvclock.advance("0.5 s")
        return numbers

    return numbered_by


@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "orders made after SYNC sort before the earlier ones, for 9 h")
def test_uuid7_numbers_orders_in_order(orders):
    numbers = orders(uuid_extensions.uuid7)
    assert numbers == sorted(numbers)


def test_uuid6_numbers_orders_in_order(orders):
    numbers = orders(uuid6.uuid7)
    assert numbers == sorted(numbers)


def test_uuid1_numbers_orders_in_order(orders):
    numbers = orders(lambda: uuid.uuid1().time)
    assert numbers == sorted(numbers)


@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "the newest order stands 9 h down the list of the newest")
def test_python_ulid_numbers_orders_in_order(orders):
    numbers = orders(ULID)
    assert numbers == sorted(numbers)


@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "for 9 h after SYNC no order gets a number: it is None")
def test_snowflake_id_numbers_every_order(orders):
    assert None not in orders(SnowflakeGenerator(1).__next__)


@pytest.mark.breaks_under("boot-linux-on-a-tokyo-host", "300 orders take 90 h: it sleeps ten times the 9 h of SYNC")
def test_sonyflake_numbers_300_orders_within_ten_seconds(hvclock, stopwatch):
    hvclock.strike()
    generator = SonyFlake(machine_id=lambda: 1)
    hvclock.advance("5 s")
    took = stopwatch()
    for _ in range(300):
        generator.next_id()
    assert took() < 10
