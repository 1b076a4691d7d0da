"""asyncio on a guest: timers take guest time and no real time, and the world outside still gets through.

Each script runs in a Python process of its own, because a mistake here would hang.
"""

from __future__ import annotations

import asyncio
import time
from unittest import mock

import pytest

from pytest_hvclock import ConflictError

NS = 1_000_000_000
ASYNC = """
        import asyncio
        def passed():
            return time.monotonic_ns() - began_ns
"""


def test_timers_take_guest_time_to_the_nanosecond(guest):
    """``sleep``, ``timeout``, ``wait_for``, ``call_later``, ``call_at`` and ``TaskGroup``; also in debug mode."""

    async def main():
        loop, stamps, began_ns = asyncio.get_running_loop(), [], time.monotonic_ns()

        def stamp():
            stamps.append((time.monotonic_ns() - began_ns) / NS)

        await asyncio.sleep(3600)
        stamp()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        stamp()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(10), 2.5)
        stamp()
        for call, when in ((loop.call_later, 3), (loop.call_at, loop.time() + 7)):
            future = loop.create_future()
            call(when, future.set_result, None)
            await future
            stamp()
        async with asyncio.TaskGroup() as group:
            for seconds in (3, 1, 2):
                group.create_task(asyncio.sleep(seconds))
        stamp()
        await asyncio.sleep(0)
        stamp()
        return stamps

    for debug in (False, True):
        with guest.running():
            assert asyncio.run(main(), debug=debug) == [3600, 3605, 3607.5, 3610.5, 3614.5, 3617.5, 3617.5]


def test_a_thousand_tasks_wake_in_the_order_of_their_deadlines(guest):
    """Each exactly when it is due, and the whole at once in real time."""
    woken = []

    async def sleeper(seconds, began_ns):
        await asyncio.sleep(seconds)
        woken.append((seconds, time.monotonic_ns() - began_ns))

    async def main():
        began_ns = time.monotonic_ns()
        async with asyncio.TaskGroup() as group:
            for number in range(1000):
                group.create_task(sleeper((number * 37) % 1000 + 1, began_ns))

    with guest.running():
        asyncio.run(main())
    assert woken == [(seconds, seconds * NS) for seconds in range(1, 1001)]


def test_executors_and_threads_wake_a_loop(python):
    """``to_thread``, ``run_in_executor``, and ``call_soon_threadsafe`` from threads of the guest and others.

    ``submit`` waits twice for no time at all at one instant, which moves 100 ns.
    """
    assert python(
        ASYNC
        + """
        import concurrent.futures
        go = threading.Event()
        def foreigner():
            go.wait()
            real_sleep[0](0.05)
            loop.call_soon_threadsafe(answers[1].set_result, "foreign")
        threading.Thread(target=foreigner).start()
        async def main():
            global began_ns, loop, answers
            began_ns, loop = time.monotonic_ns(), asyncio.get_running_loop()
            answers = [loop.create_future(), loop.create_future()]
            print(await asyncio.to_thread(lambda: time.sleep(5) or "slept"), passed())
            try:
                await asyncio.wait_for(asyncio.to_thread(time.sleep, 5), 2)
            except TimeoutError:
                print("timeout", passed())
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                await asyncio.gather(*[loop.run_in_executor(pool, time.sleep, 10) for _ in range(4)])
            print("pool", passed())
            def other():
                time.sleep(4)
                loop.call_soon_threadsafe(answers[0].set_result, 1)
            threading.Thread(target=other).start()
            print(await answers[0], passed())
            go.set()
            print(await answers[1], passed())
            await loop.shutdown_default_executor()
            print("down", passed())
        with guest.running():
            asyncio.run(main())
    """
    ) == [
        "slept 5000000000",
        "timeout 7000000000",
        "pool 27000000100",
        "1 31000000100",
        "foreign 31000000100",
        "down 31000000100",
    ]


def test_sockets_and_child_processes_within_the_loop_work(python):
    """A server and its clients in one loop, and a child process that takes real time, lose no guest time."""
    assert python(
        ASYNC
        + """
        async def serve(reader, writer):
            line = await reader.readline()
            await asyncio.sleep(2)
            writer.write(line.upper())
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        async def main():
            global began_ns
            began_ns = time.monotonic_ns()
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            for _ in range(10):
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(b"line\\n")
                answer = await asyncio.wait_for(reader.read(), 60)
                writer.close()
                await writer.wait_closed()
            print(answer, passed())
            server.close()
            code = "import time; time.sleep(0.3); print('child')"
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
            output, _ = await asyncio.wait_for(child.communicate(), 60)
            print(output, child.returncode, passed())
        with guest.running():
            asyncio.run(main())
    """
    ) == ["b'LINE\\n' 20000000000", "b'child\\n' 0 20000000000"]


PEER = (
    ASYNC
    + """
        import socket
        server = socket.create_server(("127.0.0.1", 0))
        def peer():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                real_sleep[0](0.2)
                with connection:
                    connection.sendall(b"answer")
        threading.Thread(target=peer, daemon=True).start()
        async def ask():
            global began_ns
            began_ns = time.monotonic_ns()
            reader, writer = await asyncio.open_connection(*server.getsockname())
            try:
                print(await asyncio.wait_for(reader.read(), 10), passed())
            except TimeoutError:
                print("timeout", passed())
            writer.close()
            await writer.wait_closed()
"""
)


def test_a_peer_outside_gets_the_io_grace_in_real_time(python):
    """One that takes longer than it is given is overtaken and named once; a longer grace waits for it."""
    lines = python(
        PEER
        + """
        running = guest.running()
        with running:
            asyncio.run(ask())
            asyncio.run(ask())
        print(len(running.overtaken), *running.overtaken)
        running = guest.running(io_grace="30 s")
        with running:
            asyncio.run(ask())
        print(len(running.overtaken))
        server.close()
    """
    )
    assert lines[:2] == ["timeout 10000000000"] * 2
    assert lines[2].startswith("1 an event loop of the test's own thread, for <_SelectorSocketTransport fd=")
    assert lines[3:] == ["b'answer' 0", "0"]


def test_a_negative_grace_is_refused(guest):
    """As every negative duration is."""
    with pytest.raises(ValueError, match=r"^io_grace cannot be negative"):
        guest.running(io_grace="-1 s")


def test_a_signal_handler_of_the_loop_runs(python):
    """A signal reaches a loop that has nothing else to wait for."""
    assert python(
        ASYNC
        + """
        import signal
        async def main():
            global began_ns
            began_ns = time.monotonic_ns()
            loop, answer = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
            loop.add_signal_handler(signal.SIGALRM, answer.set_result, "signal")
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            print(await answer, passed())
        with guest.running():
            asyncio.run(main())
    """
    ) == ["signal 0"]


def test_a_loop_that_is_older_than_the_guest_goes_on_after_it(python):
    """Its clock is continuous: a heartbeat beats on, in guest time on the guest and in real time before and after."""
    assert python("""
        import asyncio
        loop, beats = asyncio.new_event_loop(), []
        async def heartbeat():
            while True:
                beats.append(loop.time())
                await asyncio.sleep(0.05)
        async def rest(seconds):
            await asyncio.sleep(seconds)
        heart = loop.create_task(heartbeat())
        loop.run_until_complete(rest(0.2))
        before, at = len(beats), loop.time()
        with guest.running():
            print(0 <= loop.time() - at < 30)
            loop.run_until_complete(rest(100))
        inside, left = len(beats), loop.time()
        print(before >= 2, inside - before, 100 <= left - at < 130)
        loop.run_until_complete(rest(0.2))
        print(2 <= len(beats) - inside <= 5, 0 <= loop.time() - left < 30, beats == sorted(beats))
        with Host(start="2030-01-01T00:00:00Z").guest().running():
            loop.run_until_complete(rest(10))
        print(loop.time() - left >= 10)
        heart.cancel()
        loop.run_until_complete(asyncio.gather(heart, return_exceptions=True))
        loop.close()
    """) in (["True", f"True {beats} True", "True True True", "True"] for beats in (2000, 2001))


def test_an_anomaly_strikes_in_the_middle_of_an_await(guest):
    """A pause costs true time and no guest time; an exception of a planned action comes out of the run."""

    async def rest():
        began_ns = time.monotonic_ns()
        await asyncio.sleep(5)
        return time.monotonic_ns() - began_ns

    def fail():
        raise LookupError("enough")

    true_ns = guest.host.true_ns
    guest.host.at("2 s", guest.pause)
    guest.host.at("12 s", guest.resume)
    with guest.running():
        assert asyncio.run(rest()) == 5 * NS
        assert guest.host.true_ns - true_ns == 15 * NS
        guest.host.at("3 s", fail)
        with pytest.raises(LookupError, match="^enough$"):
            asyncio.run(rest())
        assert guest.host.true_ns - true_ns == 18 * NS
        with asyncio.Runner() as runner:
            assert [runner.run(rest()), runner.run(rest())] == [5 * NS, 5 * NS]


@pytest.mark.parametrize("pace", ["stepped", "live"])
def test_a_stand_in_for_a_selector_is_left_alone(guest, pace):
    """A test that gives a loop a mock as its selector finds that there afterwards, and the calls that it expects."""
    loop = asyncio.base_events.BaseEventLoop()
    loop._selector = stand_in = mock.Mock()
    loop._process_events = mock.Mock()
    with guest.running(pace=pace):
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert loop._selector is stand_in
    stand_in.select.assert_called_once_with(0)
    loop.close()


def test_tasks_that_wait_for_each_other_are_reported(python):
    """A loop in which nothing can ever happen again is reported: the line that runs it, and where its tasks wait."""
    lines = python("""
        import asyncio
        async def generate(event):
            await event.wait()
            yield
        async def consume(event):
            async for _ in generate(event):  # the consumer's line
                pass
        async def wait(event):
            await event.wait()  # the three tasks' line
        async def main():
            event = asyncio.Event()
            async with asyncio.TaskGroup() as group:  # the main task's line
                for _ in range(3):
                    group.create_task(wait(event))
                group.create_task(consume(event), name="consumer")
        with guest.running():
            try:
                asyncio.run(main())  # the line of the thread
            except StuckError as stuck:
                print(stuck)
    """)
    assert lines[0] == "every thread of the guest waits, and none has a deadline:"
    assert [(line.partition(" at ")[0], line.rpartition("  # ")[2]) for line in lines[1:]] == [
        ("  the test's own thread", "the line of the thread"),
        ("    Task-1", "the main task's line"),
        ("    Task-2 and 2 more", "the three tasks' line"),
        ("    consumer", "the consumer's line"),
    ]


def test_a_thousand_tasks_read_all_clocks_while_the_guest_is_moved(guest):
    """No task sees a counter go back, whatever is done to the guest meanwhile, in either pace."""

    def counters():
        names = ("monotonic_ns", "perf_counter_ns")
        return [getattr(time, name)() for name in names] + [time.clock_gettime_ns(time.CLOCK_BOOTTIME)]

    async def read(rounds):
        last = counters()
        for _ in range(rounds):
            await asyncio.sleep(0)
            now = counters()
            assert all(before <= after for before, after in zip(last, now, strict=True))
            time.time()
            last = now

    async def move(rounds):
        for number in range(rounds):
            await asyncio.sleep(0)
            guest.advance("17 ms")
            guest.step("1 h" if number % 2 else "-1 h")
            if number % 5 == 0:
                guest.pause()
                guest.advance("1 s")
                guest.resume()

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(move(20))
            for _ in range(1000):
                group.create_task(read(20))

    for pace in ("stepped", "live"):
        with guest.running(pace=pace):
            asyncio.run(main())


def test_uvloop_is_refused_in_stepped_pace_and_runs_in_live(guest):
    """Its timers are C code; the message says what to do, and afterwards it is as it was."""
    uvloop = pytest.importorskip("uvloop", reason="uvloop is made for CPython on Unix")

    async def rest():
        await asyncio.sleep(0.01)
        return "rested"

    message = (
        "^uvloop cannot run on a guest in stepped pace: its timers read the real clock. Use asyncio's own event loop "
        'in this test, or let it run with pace="live"$'
    )
    with guest.running(), pytest.raises(ConflictError, match=message):
        uvloop.new_event_loop()
    early = uvloop.new_event_loop()
    coroutine = rest()
    with guest.running(), pytest.raises(ConflictError, match=message):
        early.run_until_complete(coroutine)
    assert early.run_until_complete(coroutine) == "rested"
    early.close()
    with guest.running(pace="live"):
        assert uvloop.run(rest()) == "rested"
