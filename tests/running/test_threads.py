"""Several threads of one guest: its time passes only when none of them can run, and ends their waits in order.

Each script runs in a Python process of its own, because a mistake here would hang.
"""

from __future__ import annotations


def test_sleepers_wake_in_the_order_of_their_deadlines(python):
    """Sixty-four sleepers wake one after the other, each exactly at its deadline, and the whole takes no real time."""
    assert (
        python("""
        woken = []
        def sleeper(seconds):
            time.sleep(seconds)
            woken.append((seconds, time.monotonic_ns() - start))
        began = real_monotonic[0]()
        with guest.running():
            start = time.monotonic_ns()
            order = [(number * 37) % 64 + 1 for number in range(64)]
            threads = [threading.Thread(target=sleeper, args=(seconds * 60,)) for seconds in order]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            print(woken == [(seconds * 60, seconds * 60 * 10**9) for seconds in range(1, 65)])
            print(time.monotonic_ns() - start == 64 * 60 * 10**9)
        print(real_monotonic[0]() - began < 30)
    """)
        == ["True"] * 3
    )


def test_a_sleep_waits_for_threads_that_can_run(python):
    """Time does not pass for a sleeper while another thread computes."""
    assert python("""
        done = []
        def busy():
            for number in range(200_000):
                number * number
            done.append(time.monotonic())
        with guest.running():
            start = time.monotonic()
            thread = threading.Thread(target=busy)
            thread.start()
            time.sleep(3600)
            print(done == [start], time.monotonic() - start)
    """) == ["True 3600.0"]


def test_a_wait_that_is_notified_earlier_ends_earlier(python):
    """``Event``, ``Condition``, ``Queue``, ``join`` and ``Future.result`` end when the other thread gets there."""
    assert python("""
        import concurrent.futures, queue
        event, condition, items = threading.Event(), threading.Condition(), queue.Queue()
        def other():
            time.sleep(1); event.set()
            time.sleep(1)
            with condition: condition.notify()
            time.sleep(1); items.put("item")
            time.sleep(1)
        with guest.running():
            start = time.monotonic()
            thread = threading.Thread(target=other)
            thread.start()
            print(event.wait(100), time.monotonic() - start)
            with condition:
                print(condition.wait(100), time.monotonic() - start)
            print(items.get(timeout=100), time.monotonic() - start)
            thread.join(100)
            print(thread.is_alive(), time.monotonic() - start)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                future = pool.submit(lambda: time.sleep(5) or "result")
                print(future.result(timeout=100), time.monotonic() - start)
    """) == ["True 1.0", "True 2.0", "item 3.0", "False 4.0", "result 9.0"]


def test_a_timeout_ends_a_wait_for_another_thread(python):
    """``join`` and ``Future.result`` give up on the guest's clock, and the other thread goes on.

    A wait of no length moves nothing; a second one at the same instant moves 100 ns, so that no loop spins.
    """
    assert python("""
        import concurrent.futures
        with guest.running():
            start, start_ns = time.monotonic(), time.monotonic_ns()
            thread = threading.Thread(target=time.sleep, args=(60,))
            thread.start()
            thread.join(10)
            print(thread.is_alive(), time.monotonic() - start)
            thread.join(0)
            print(time.monotonic_ns() - start_ns)
            thread.join(-1)
            print(time.monotonic_ns() - start_ns)
            thread.join()
            print(thread.is_alive(), time.monotonic() - start)
            with concurrent.futures.ThreadPoolExecutor() as pool:
                future = pool.submit(time.sleep, 60)
                try:
                    future.result(timeout=10)
                except TimeoutError:
                    print("timeout", time.monotonic() - start)
            print(time.monotonic() - start)
    """) == ["True 10.0", "10000000000", "10000000100", "False 60.0", "timeout 70.0", "120.0"]


def test_timers_fire_on_the_guest(python):
    """``threading.Timer`` fires when the guest's clock says so; a cancelled one does not."""
    assert python("""
        fired = []
        with guest.running():
            start = time.monotonic()
            timers = [threading.Timer(delay, lambda delay=delay: fired.append((delay, time.monotonic() - start)))
                      for delay in (3600, 60, 86_400)]
            for timer in timers:
                timer.start()
            time.sleep(4000)
            timers[2].cancel()
            for timer in timers:
                timer.join()
            print(fired, time.monotonic() - start)
    """) == ["[(60, 60.0), (3600, 3600.0)] 4000.0"]


def test_a_pool_of_threads_sleeps_side_by_side(python):
    """The sleeps of several threads pass side by side; ``as_completed`` sees them end in order, or times out.

    Each ``submit`` waits once for no time at all. The second does so at the same instant as the first, which moves
    100 ns; the third finds itself at a new instant.
    """
    assert python("""
        import concurrent.futures as futures
        with guest.running():
            start, start_ns = time.monotonic(), time.monotonic_ns()
            with futures.ThreadPoolExecutor(10) as pool:
                waits = {pool.submit(time.sleep, seconds): seconds for seconds in (30, 10, 20)}
                print([(waits[future], time.monotonic_ns() - start_ns) for future in futures.as_completed(waits)])
                slow = pool.submit(time.sleep, 100)
                try:
                    list(futures.as_completed([slow], timeout=10))
                except TimeoutError:
                    print("timeout", time.monotonic() - start >= 40, time.monotonic() - start < 40.001)
                done, pending = futures.wait([slow], timeout=5)
                print(len(done), len(pending))
                print(list(pool.map(lambda seconds: time.sleep(seconds) or seconds, [3, 2, 1])))
            print(130 <= time.monotonic() - start < 131)
    """) == [
        "[(10, 10000000100), (20, 20000000100), (30, 30000000000)]",
        "timeout True True",
        "0 1",
        "[3, 2, 1]",
        "True",
    ]


def test_a_lock_that_a_sleeping_thread_holds(python):
    """A thread that waits for such a lock is found waiting, and time passes for the sleeper."""
    assert python("""
        lock, order = threading.Lock(), []
        def holder():
            with lock:
                time.sleep(3600)
                order.append("held")
        with guest.running():
            start = time.monotonic()
            thread = threading.Thread(target=holder)
            thread.start()
            while not lock.locked():
                pass
            with lock:
                order.append("taken")
            print(order, time.monotonic() - start)
    """) == ["['held', 'taken'] 3600.0"]


def test_locks_that_were_made_before_the_guest(python):
    """Conditions, events, queues and executors that are older than the guest wait on it as well."""
    assert python("""
        import concurrent.futures, queue
        event, items, condition = threading.Event(), queue.Queue(), threading.Condition(threading.Lock())
        pool = concurrent.futures.ThreadPoolExecutor(1)
        with guest.running():
            start = time.monotonic()
            threading.Timer(5, event.set).start()
            threading.Timer(9, items.put, ["item"]).start()
            print(event.wait(60), items.get(timeout=60), time.monotonic() - start)
            with condition:
                print(condition.wait(1), time.monotonic() - start)
            print(pool.submit(time.sleep, 7).result(), time.monotonic() - start)
        pool.shutdown()
    """) == ["True item 9.0", "False 10.0", "None 17.0"]


def test_an_exception_of_a_planned_action_comes_out_of_the_tests_own_wait(python):
    """Whichever thread lets time pass, the exception goes to the test's own thread if that waits."""
    assert python("""
        def fail():
            raise LookupError("enough")
        with guest.running():
            start = time.monotonic()
            host.at("3 s", fail)
            thread = threading.Thread(target=time.sleep, args=(60,))
            thread.start()
            try:
                threading.Event().wait(10)
            except LookupError as failure:
                print(failure, time.monotonic() - start)
            thread.join()
            print(time.monotonic() - start)
            host.at("3 s", fail)
            thread = threading.Thread(target=time.sleep, args=(60,))
            thread.start()
            try:
                thread.join()
            except LookupError as failure:
                print(failure, time.monotonic() - start)
            thread.join()
            print(time.monotonic() - start)
    """) == ["enough 3.0", "60.0", "enough 63.0", "120.0"]


def test_an_anomaly_strikes_waiting_threads(python):
    """A pause in the middle costs every waiting thread the same true time, and no time of its own."""
    assert python("""
        from pytest_hvclock.anomalies import Pause
        ends = []
        def sleeper(seconds):
            time.sleep(seconds)
            ends.append((seconds, time.monotonic() - start, (host.true_ns - true_ns) // 10**9))
        with guest.running():
            start, true_ns = time.monotonic(), host.true_ns
            host.at("15 s", Pause("28 s"))
            threads = [threading.Thread(target=sleeper, args=(seconds,)) for seconds in (10, 20, 30)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            print(ends)
    """) == ["[(10, 10.0, 10), (20, 20.0, 48), (30, 30.0, 58)]"]


def test_threads_that_wait_for_each_other_are_reported(python):
    """All wait and none has a deadline: every thread is named with its line, in the test's own thread."""
    lines = python("""
        event = threading.Event()
        def other():
            try:
                event.wait()  # the other's line
            except StuckError:
                print("in the wrong thread")
        with guest.running():
            thread = threading.Thread(target=other, name="worker")
            thread.start()
            try:
                thread.join()  # the test's line
            except StuckError as stuck:
                print(stuck)
            event.set()
            thread.join()
            print("and on")
    """)
    assert lines[0] == "every thread of the guest waits, and none has a deadline:"
    assert lines[1].startswith("  the test's own thread at ")
    assert lines[1].endswith(": thread.join()  # the test's line")
    assert lines[2].startswith("  worker at ")
    assert lines[2].endswith(": event.wait()  # the other's line")
    assert lines[3:] == ["and on"]


def test_a_lock_that_nobody_releases_is_reported(python):
    """A deadlock over a lock that the kit cannot see is found by looking at where the threads stand."""
    lines = python("""
        from pytest_hvclock.running import waits
        waits._STRANGERS_S = 0.3
        lock = threading.Lock()
        lock.acquire()
        with guest.running():
            thread = threading.Thread(target=lock.acquire, name="worker", daemon=True)
            thread.start()
            try:
                thread.join()
            except StuckError as stuck:
                print(stuck)
            lock.release()
            thread.join()
            print("and on")
    """)
    assert lines[0] == "every thread of the guest waits, and none has a deadline:"
    assert lines[1].endswith(": thread.join()")
    assert lines[2].startswith("  worker at ")
    assert lines[3:] == ["and on"]


def test_threads_that_were_there_before_wait_for_real(python):
    """A foreign thread sleeps and waits in real time, and can wake a thread of the guest."""
    assert python("""
        ready, go, heard, lengths = threading.Event(), threading.Event(), threading.Event(), []
        def foreigner():
            ready.set()
            go.wait()
            began = real_monotonic[0]()
            time.sleep(0.05)
            threading.Event().wait(0.05)
            lengths.append(real_monotonic[0]() - began)
            heard.set()
        thread = threading.Thread(target=foreigner)
        thread.start()
        ready.wait()
        with guest.running():
            start = time.monotonic()
            go.set()
            print(heard.wait(), time.monotonic() - start)
            print(0.1 <= lengths[0] < 30)
            print(threading.Event().wait(3600), time.monotonic() - start)
        thread.join()
    """) == ["True 0.0", "True", "False 3600.0"]


def test_nothing_but_foreign_threads_is_left_to_end_a_wait(python):
    """With a foreign thread about, an endless wait is reported only after it had real time to end it."""
    assert python("""
        from pytest_hvclock.running import waits
        waits._STRANGERS_S = 0.3
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()
        with guest.running():
            try:
                threading.Event().wait()
            except StuckError as stuck:
                print(str(stuck).splitlines()[0])
        stop.set()
        thread.join()
    """) == ["every thread of the guest waits, and none has a deadline:"]


def test_threads_that_still_wait_when_the_guest_is_left_go_on_for_real(python):
    """What is left of a wait takes real time then; an event or a queue still reaches its waiter."""
    assert python("""
        import queue
        event, items, ends = threading.Event(), queue.Queue(), []
        def sleeper():
            time.sleep(0.2)
            ends.append("slept")
        def waiter():
            ends.append(event.wait())
        def getter():
            ends.append(items.get(timeout=60))
        with guest.running():
            threads = [threading.Thread(target=target, daemon=True) for target in (sleeper, waiter, getter)]
            for thread in threads:
                thread.start()
        began = real_monotonic[0]()
        threads[0].join(30)
        print(ends)
        event.set()
        threads[1].join(30)
        items.put("item")
        threads[2].join(30)
        print(ends, real_monotonic[0]() - began < 30)
    """) == ["['slept']", "['slept', True, 'item'] True"]


def test_a_thread_that_outlives_the_guest_is_real_afterwards(python):
    """A thread that the guest started reads and waits for real once the guest is left."""
    assert python("""
        left, seen = threading.Event(), []
        def worker():
            while not left.is_set():
                real_sleep[0](0.001)
            seen.append(abs(time.time() - real_time[0]()) < 30)
            began = real_monotonic[0]()
            time.sleep(0.05)
            seen.append(0.05 <= real_monotonic[0]() - began < 30)
        with guest.running():
            thread = threading.Thread(target=worker)
            thread.start()
        left.set()
        thread.join()
        print(seen)
        other = Host(start="2030-01-01T00:00:00Z").guest()
        with other.running():
            time.sleep(60)
            print(other.monotonic_ns)
    """) == ["[True, True]", "60000000000"]


def test_a_child_made_by_fork_goes_on_with_a_copy_of_the_guest(python):
    """The child's sleeps and steps are its own; the parent does not notice, whatever its other threads do."""
    assert python("""
        import os, warnings
        warnings.simplefilter("ignore")
        with guest.running():
            thread = threading.Thread(target=time.sleep, args=(50,))
            thread.start()
            time.sleep(10)
            read, write = os.pipe()
            if os.fork() == 0:
                time.sleep(100)
                guest.step("1 d")
                other = threading.Thread(target=time.sleep, args=(5,))
                other.start()
                other.join()
                os.write(write, f"{guest.monotonic_ns // 10**9} {time.monotonic()}".encode())
                os._exit(0)
            os.wait()
            print(os.read(read, 100).decode())
            print(guest.monotonic_ns // 10**9, time.monotonic(), guest.error_ns)
            thread.join()
            print(time.monotonic())
    """) == ["115 115.0", "10 10.0 0", "50.0"]


def test_a_thread_that_fails_to_start_is_not_waited_for(python):
    """When the system refuses a thread, time goes on without it."""
    assert python("""
        import _thread
        with guest.running():
            name = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else "_start_new_thread"
            start = getattr(threading, name)
            def refuse(*arguments, **settings):
                raise RuntimeError("can't start new thread")
            setattr(threading, name, refuse)
            try:
                threading.Thread(target=print).start()
            except RuntimeError as refused:
                print(refused)
            setattr(threading, name, start)
            time.sleep(10)
            print(time.monotonic())
    """) == ["can't start new thread", "10.0"]


def test_a_thread_cannot_be_started_or_joined_wrongly(python):
    """The usual mistakes have the usual exceptions."""
    assert python("""
        with guest.running():
            thread = threading.Thread(target=print, args=("once",))
            for wrong in (thread.join, threading.current_thread().join):
                try:
                    wrong()
                except RuntimeError as refused:
                    print(refused)
            thread.start()
            thread.join()
            try:
                thread.start()
            except RuntimeError as refused:
                print(refused)
    """) == [
        "cannot join thread before it is started",
        "cannot join current thread",
        "once",
        "threads can only be started once",
    ]
