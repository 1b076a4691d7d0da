"""How much faster ten years are in one stride than message by message, and what a long history costs.

Run it with ``python benchmarks/fast_forward.py``; names of disciplines as arguments limit the first table to them.
Ratios are between numbers of one run, so they hold on any machine; nothing here is a timed test.
"""

import sys
import time
from statistics import median

from pytest_hvclock import Host
from pytest_hvclock.disciplines import DISCIPLINES

S = 1_000_000_000
MESSAGE_NS = 5_010_000_000
TEN_YEARS_NS = 3_650 * 86_400 * S
STEPPED_MESSAGES = 2_000
DRIFTS = ["0 ppm", "+78.387 ppm", "-200 ppm", "+500 ppm", "-500 ppm", "+1.5 %"]
FIGHTS = ["linux-4.10+ntp", "w32time-2016+ntp"]
WANTED_RATIO, WANTED_GROWTH = 1_000, 1.2


def machine(timesync, drift):
    """A guest; the host is 2 s wrong where another source fights it."""
    return Host(error="2 s" if "+" in timesync else 0).guest(timesync=timesync, drift=drift)


def readings(guest):
    """Read every clock."""
    return guest.wall_ns, guest.monotonic_ns, guest.monotonic_raw_ns, guest.boottime_ns, guest.reference_ticks


def one_stride_s(timesync, drift, span_ns):
    """Return how long one advance and one reading take, the readings, and the length of the log of sets."""
    guest = machine(timesync, drift)
    started = time.perf_counter()
    guest.advance(span_ns)
    found = readings(guest)
    return time.perf_counter() - started, found, len(guest.clock_sets)


def stepped_s(timesync, drift, messages):
    """Return how long it takes to advance to each message and read, and the last readings."""
    guest = machine(timesync, drift)
    started = time.perf_counter()
    for _ in range(messages):
        guest.advance(MESSAGE_NS)
        found = readings(guest)
    return time.perf_counter() - started, found


def ten_years(timesync, drift, messages=STEPPED_MESSAGES):
    """Return what ten years cost in one stride, and message by message, whether both read the same, and the log."""
    once_s, _, entries = one_stride_s(timesync, drift, TEN_YEARS_NS)
    short_s, last = stepped_s(timesync, drift, messages)
    equal = last == one_stride_s(timesync, drift, messages * MESSAGE_NS)[1]
    return once_s, short_s * TEN_YEARS_NS / (messages * MESSAGE_NS), equal, entries


def strides(names):
    """Print the first table; return whether every ratio is reached and every reading equal."""
    print(f"{'timesync':<26}{'drift':<13}{'one call':>12}{'stepped':>12}{'ratio':>13}{'log':>7}  equal")
    good = True
    for timesync in names:
        for drift in DRIFTS:
            once_s, whole_s, equal, entries = ten_years(timesync, drift)
            ratio = whole_s / once_s
            good = good and equal and ratio >= WANTED_RATIO
            line = f"{timesync:<26}{drift:<13}{once_s * 1e3:>9.2f} ms{whole_s:>10.0f} s{ratio:>11,.0f} x{entries:>7}"
            print(f"{line}  {'yes' if equal else 'NO'}")
    return good


def growing_history(goals=(1_000, 1_000_000)):
    """Return what an advance and a reading cost after so many events each, in seconds, and the length of the log."""
    guest = machine("linux-4.10", "+78.387 ppm")
    costs, events = {}, 0
    for goal in goals:
        while events < goal:
            guest.advance("1 ms")
            guest.step(events % 997 - 498)  # of ever different size, so that the log keeps each
            events += 1
        costs[goal] = median(_advances_s(guest) for _ in range(25))
    return costs, len(guest.clock_sets)


def growth():
    """Print the second table; return whether an advance costs the same after a million events."""
    costs, entries = growing_history()
    print(f"\n{'events before':>14}{'advance 5.01 s and read':>26}{'log':>10}")
    for goal, cost_s in costs.items():
        print(f"{goal:>14,}{cost_s * 1e6:>23.2f} us{entries if goal == max(costs) else '':>10}")
    growth = costs[1_000_000] / costs[1_000]
    print(f"growth {growth:.2f} x (wanted: at most {WANTED_GROWTH} x)")
    return growth <= WANTED_GROWTH


def _advances_s(guest, times=400):
    started = time.perf_counter()
    for _ in range(times):
        guest.advance(MESSAGE_NS)
        readings(guest)
    return (time.perf_counter() - started) / times


ALL = ["off", "partial", *DISCIPLINES, *FIGHTS]

if __name__ == "__main__":
    fast = strides(sys.argv[1:] or ALL)
    print(
        f"ratio of every line wanted: at least {WANTED_RATIO:,} x; stepped: {STEPPED_MESSAGES:,} messages, extrapolated"
    )
    steady = growth()
    sys.exit(not (fast and steady))
