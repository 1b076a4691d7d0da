"""A lease that holds whatever the clock of its guest does: its end is judged by the monotonic clock."""

import time


class Lease:
    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def is_held(self):
        return time.monotonic() < self.end


def test_a_lease_is_held_for_as_long_as_it_says():
    lease = Lease(30)
    time.sleep(20)
    assert lease.is_held()
    time.sleep(20)
    assert not lease.is_held()
