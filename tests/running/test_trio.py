"""trio and anyio on a guest: their sleeps and deadlines take guest time and no real time.

Each script runs in a Python process of its own, because a mistake here would hang.
"""

from __future__ import annotations

import time

import anyio
import pytest
import trio

from pytest_hvclock import Host

NS = 1_000_000_000
TRIO = """
        import trio
        def passed():
            return round((time.monotonic_ns() - began_ns) / 10**9, 6)
"""


def within_a_nanosecond(stamps_ns, seconds):
    """Whether each stamp is on time; trio's deadlines are floats, so the last nanosecond may be lost to each."""
    return all(
        0 <= stamp_ns - second * NS <= number + 1
        for number, (stamp_ns, second) in enumerate(zip(stamps_ns, seconds, strict=True))
    )


def test_trio_takes_guest_time(guest):
    """``sleep``, ``move_on_after``, ``fail_after`` and nurseries, by a plain ``trio.run``."""

    async def main():
        stamps_ns, began_ns = [], time.monotonic_ns()

        async def sleep(seconds):
            await trio.sleep(seconds)
            stamps_ns.append(time.monotonic_ns() - began_ns)

        await sleep(3600)
        with trio.move_on_after(5) as scope:
            await trio.sleep_forever()
        assert scope.cancelled_caught
        await sleep(1)
        with pytest.raises(trio.TooSlowError), trio.fail_after(2):
            await trio.sleep(10)
        async with trio.open_nursery() as nursery:
            for seconds in (3, 1, 2):
                nursery.start_soon(sleep, seconds)
        before = trio.current_time()
        await sleep(0.25)
        assert trio.current_time() - before == pytest.approx(0.25)
        return stamps_ns

    with guest.running():
        assert within_a_nanosecond(trio.run(main), [3600, 3606, 3609, 3610, 3611, 3611.25])


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio_takes_guest_time_on_both_its_backends(guest, backend):
    """Sleeps, deadlines, task groups and worker threads."""

    async def main():
        began_ns = time.monotonic_ns()
        await anyio.sleep(30)
        with anyio.move_on_after(5):
            await anyio.sleep(20)
        await anyio.to_thread.run_sync(time.sleep, 4)
        async with anyio.create_task_group() as group:
            for seconds in (2, 1):
                group.start_soon(anyio.sleep, seconds)
        return time.monotonic_ns() - began_ns

    with guest.running():
        assert 41 * NS <= anyio.run(main, backend=backend) <= 41 * NS + 4


def test_threads_sockets_and_child_processes_wake_a_run(python):
    """``to_thread``, ``from_thread``, foreign threads, sockets within the run, and a child process in real time."""
    assert python(
        TRIO
        + """
        go = threading.Event()
        def foreigner():
            go.wait()
            real_sleep[0](0.05)
            trio.from_thread.run_sync(woken.set, trio_token=token)
        threading.Thread(target=foreigner).start()
        def worker():
            time.sleep(2)
            trio.from_thread.run(trio.sleep, 3)
            return "worked"
        async def main():
            global began_ns, woken, token
            began_ns, woken, token = time.monotonic_ns(), trio.Event(), trio.lowlevel.current_trio_token()
            print(await trio.to_thread.run_sync(worker), passed())
            left, right = trio.socket.socketpair()
            async def send():
                await trio.sleep(1)
                await left.send(b"data")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                print(await right.recv(10), passed())
            left.close()
            right.close()
            code = "import time; time.sleep(0.3); print('child')"
            with trio.move_on_after(60):
                child = await trio.run_process([sys.executable, "-c", code], capture_stdout=True)
                print(child.stdout, passed())
            go.set()
            await woken.wait()
            print("woken", passed())
        with guest.running():
            trio.run(main)
            print(len(guest.host.guests))
        time.sleep(0.01)
        async def after():
            return await trio.to_thread.run_sync(lambda: abs(time.time() - real_time[0]()) < 30)
        print(trio.run(after))
    """
    ) == ["worked 5.0", "b'data' 6.0", "b'child\\n' 6.0", "woken 6.0", "1", "True"]


def test_workers_from_before_the_guest_are_not_used_on_it(python):
    """trio keeps idle threads from run to run; on the guest it starts its own, which sleep in guest time."""
    assert python(
        TRIO
        + """
        async def main(seconds):
            await trio.to_thread.run_sync(time.sleep, seconds)
        trio.run(main, 0.01)
        began_ns = guest.monotonic_ns
        with guest.running():
            trio.run(main, 3600)
            print(passed())
        trio.run(main, 0.01)
    """
    ) == ["3600.0"]


def test_a_run_in_which_all_wait_for_ever_is_reported(python):
    """The error comes out of what the main task waits for, as does that of a planned action."""
    assert python(
        TRIO
        + """
        def fail():
            raise LookupError("enough")
        async def child():
            await trio.sleep_forever()  # the child's line
        async def nurse():
            async with trio.open_nursery() as nursery:  # the main task's line
                nursery.start_soon(child)
        async def main():
            try:
                await trio.sleep_forever()
            except StuckError as stuck:
                print(str(stuck).splitlines()[0])
            host.at("2 s", fail)
            try:
                await trio.sleep(10)
            except LookupError as failure:
                print(failure)
        with guest.running():
            trio.run(main)
            try:
                trio.run(nurse)  # the run's line
            except* StuckError as group:
                print(*(line.rpartition("  # ")[2] for line in str(group.exceptions[0]).splitlines()[1:]), sep="\\n")
    """
    ) == [
        "every thread of the guest waits, and none has a deadline:", "enough", "the run's line", "the child's line",
        "the main task's line",
    ]  # fmt: skip


def test_a_peer_outside_is_overtaken_and_named(python):
    """A socket that nobody writes to costs the grace once, and then guest time passes."""
    lines = python(
        TRIO
        + """
        async def main():
            global began_ns
            began_ns = time.monotonic_ns()
            left, right = trio.socket.socketpair()
            for _ in range(100):
                with trio.move_on_after(60):
                    await right.recv(1)
            print(passed())
            left.close()
            right.close()
        running = guest.running()
        with running:
            trio.run(main)
        print(*running.overtaken)
    """
    )
    assert lines[0] == "6000.0"
    assert lines[1].startswith("__main__.main of trio, for file descriptor ")


def test_an_anomaly_strikes_a_sleeping_task(guest):
    """A pause in the middle costs true time, and none of the guest's."""
    true_ns = guest.host.true_ns
    guest.host.at("2 s", guest.pause)
    guest.host.at("12 s", guest.resume)
    with guest.running():
        trio.run(trio.sleep, 5)
    assert 15 * NS <= guest.host.true_ns - true_ns <= 15 * NS + 1


def test_trio_waits_for_real_in_live_pace():
    """There its clock runs by itself."""
    guest = Host().guest()
    began_ns = guest.monotonic_ns
    with guest.running(pace="live"):
        trio.run(trio.sleep, 0.05)
        assert guest.monotonic_ns - began_ns >= NS // 20


@pytest.mark.installed_plugins
def test_pytest_trio_runs_a_test_on_its_guest(pytester):
    """Async tests and fixtures of pytest-trio need nothing but the fixture."""
    pytester.makepyfile("""
        import time, pytest, trio
        @pytest.fixture
        async def rested():
            await trio.sleep(10)
        @pytest.mark.trio
        async def test_sleep(hvclock, rested):
            began_ns = time.monotonic_ns()
            await trio.sleep(3600)
            assert 0 <= time.monotonic_ns() - began_ns - 3600 * 10**9 <= 1
        @pytest.mark.trio
        async def test_real():
            began = time.monotonic()
            await trio.sleep(0.01)
            assert time.monotonic() - began >= 0.01
    """)
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(passed=2)
