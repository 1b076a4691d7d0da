"""Code that spins on a clock which cannot move is ended at its line; code that merely reads it often is not."""

from __future__ import annotations


def test_a_spin_is_ended_where_it_is(python):
    """In the test's own thread, in another one, and in a task of an event loop; the guest goes on afterwards."""
    lines = python("""
        import asyncio
        failures = []
        threading.excepthook = lambda failed: failures.append(failed.exc_value)
        def spin():
            end = time.time() + 5
            while time.time() < end:  # the spin
                pass
        async def poll():
            end = time.monotonic() + 5
            while time.monotonic() < end:  # the task's spin
                await asyncio.sleep(0)
        with guest.running():
            try:
                spin()
            except StuckError as stuck:
                failures.append(stuck)
            time.sleep(1)
            thread = threading.Thread(target=spin)
            thread.start()
            thread.join()
            time.sleep(1)
            try:
                asyncio.run(poll(), debug=False)
            except StuckError as stuck:
                failures.append(stuck)
            time.sleep(1)
            print(time.monotonic())
        with open(__file__) as file:
            source = file.read().splitlines()
        for failure in failures:
            place, _, rest = str(failure).partition(" has read a clock ")
            print(type(failure).__name__, source[int(place.rpartition(":")[2]) - 1].strip())
        reads, _, rest = rest.partition(" times while true time stood still, or nearly: ")
        print(100_000 <= int(reads.replace(",", "")) < 1_000_000)
        print(*rest.split(". "), sep="\\n")
    """)
    assert lines == [
        "3.0",
        "StuckError while time.time() < end:  # the spin",
        "StuckError while time.time() < end:  # the spin",
        "StuckError while time.monotonic() < end:  # the task's spin",
        "True",
        "in stepped pace only sleeping, waiting and hvclock.advance() let it pass",
        'Sleep in the loop, or let the test run with pace="live"',
    ]


def test_a_loop_that_sleeps_for_no_time_is_ended_too(python):
    """Each of its sleeps is 100 ns: an hour of them would take longer than an hour."""
    assert python("""
        import pytest_hvclock.running.watchdog
        sys.modules["pytest_hvclock.running.watchdog"]._READS_IN_ALL = 20_000  # to see it sooner
        with guest.running():
            end = time.monotonic() + 3_600
            try:
                while time.monotonic() < end:
                    time.sleep(0)
            except StuckError as stuck:
                print(str(stuck).partition(" times ")[2].partition(":")[0])
            print(time.monotonic() < 3_600)
    """) == ["while true time stood still, or nearly", "True"]


def test_a_loop_that_stamps_many_records_is_no_spin(python):
    """However often a line reads the clock, as long as it takes less real time than nothing else would."""
    assert python("""
        with guest.running():
            stamps = [time.time() for _ in range(300_000)]
            print(len(stamps), len(set(stamps)))
    """) == ["300000 1"]
