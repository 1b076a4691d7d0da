"""Several threads of one guest: its time passes only when none of them can run, and ends their waits in order.

Each script runs in a Python process of its own, because a mistake here would hang.
"""

from __future__ import annotations

import pytest


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


def test_a_lock_that_is_older_than_the_guest(python):
    """Only its timeout is real: it costs no time of the guest's, and whoever sleeps and holds the lock wakes meanwhile.

    So does a ``Condition`` over such a lock, but all of its wait is the guest's.
    """
    assert python("""
        lock, condition = threading.Lock(), threading.Condition(threading.Lock())
        held = threading.Event()
        def holder():
            with lock:
                held.set()
                time.sleep(3600)
        def notifier():
            time.sleep(7)
            with condition:
                condition.notify()
        with guest.running():
            lock.acquire()
            began = real_monotonic[0]()
            print(lock.acquire(timeout=0.2), 0.2 <= real_monotonic[0]() - began < 30, time.monotonic())
            lock.release()
            threading.Thread(target=holder).start()
            held.wait()
            print(lock.acquire(timeout=50), time.monotonic())
            threading.Thread(target=notifier).start()
            with condition:
                print(condition.wait(60), time.monotonic(), condition.wait(60), time.monotonic())
    """) == ["False True 0.0", "True 3600.0", "True 3607.0 False 3667.0"]


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


def test_nothing_is_kept_of_threads_that_were_looked_at(python):
    """What they held goes with them, at once and in their own order; so does what came out of a wait."""
    assert python("""
        import gc, weakref
        from pytest_hvclock.running import waits
        waits._STRANGERS_S = 0.3
        gc.disable()
        class Held:
            pass
        alive, lock = [], threading.Lock()
        def hold(wait):
            held = Held()
            alive.append(weakref.ref(held))
            wait()
        def run(wait):
            thread = threading.Thread(target=hold, args=(wait,))
            thread.start()
            thread.join()
        def fail():
            raise LookupError
        lock.acquire()
        running = guest.running()
        with running:
            run(lambda: real_sleep[0](0.3))
            run(lambda: lock.acquire(timeout=0.3))
            sleeper = threading.Thread(target=time.sleep, args=(3600,))
            sleeper.start()
            run(lambda: lock.acquire(timeout=1))
            sleeper.join()
            print(len(running.overtaken))
            stuck = threading.Thread(target=hold, args=(lock.acquire,))
            stuck.start()
            try:
                stuck.join()
            except StuckError:
                lock.release()
            stuck.join()
            sleeper = threading.Thread(target=time.sleep, args=(3600,))
            sleeper.start()
            for wait in (lambda: time.sleep(60), lambda: threading.Event().wait(60), lambda: sleeper.join(60)):
                host.at("3 s", fail)
                try:
                    hold(wait)
                except LookupError:
                    print("failed", time.monotonic())
            sleeper.join()
        print([held() for held in alive])
    """) == ["1", "failed 3603.0", "failed 3606.0", "failed 3609.0", "[None, None, None, None, None, None, None]"]


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


def test_what_each_wait_returns_and_when(python):
    """Everything in the standard library that waits with a timeout: once let go after 1 s, once not within 2 s."""
    assert python("""
        import concurrent.futures as futures, queue
        def fresh():
            lock, rlock, full = threading.Lock(), threading.RLock(), queue.Queue(1)
            event, condition = threading.Event(), threading.Condition()
            future, other = futures.Future(), futures.Future()
            semaphore, items, simple = threading.Semaphore(0), queue.Queue(), queue.SimpleQueue()
            barrier = threading.Barrier(2)
            full.put(1)
            lock.acquire()
            def tell():
                with condition:
                    condition.notify()
            return {
                "lock": (lambda: lock.acquire(timeout=2), lock.release),
                "event": (lambda: event.wait(2), event.set),
                "condition": (lambda: notified(condition), tell),
                "semaphore": (lambda: semaphore.acquire(timeout=2), semaphore.release),
                "barrier": (lambda: barrier.wait(2) in (0, 1), barrier.wait),
                "get": (lambda: items.get(timeout=2), lambda: items.put("item")),
                "put": (lambda: full.put(2, timeout=2), full.get),
                "simple": (lambda: simple.get(timeout=2), lambda: simple.put("item")),
                "future": (lambda: future.result(timeout=2), lambda: future.set_result("result")),
                "wait": (lambda: len(futures.wait([other], timeout=2).done), lambda: other.set_result("result")),
            }
        def notified(condition):
            with condition:
                return condition.wait(2)
        def waited(wait):
            began_ns = time.monotonic_ns()
            try:
                result = wait()
            except (TimeoutError, queue.Empty, queue.Full, threading.BrokenBarrierError) as failure:
                result = type(failure).__name__
            return f"{result} {(time.monotonic_ns() - began_ns) / 10**9}"
        before = fresh(), fresh()
        with guest.running():
            for late, early in ((before[0], before[1]), (fresh(), fresh())):
                for name, (wait, let_go) in early.items():
                    if late is before[0] and name in ("lock", "simple"):
                        continue  # C code waits for them, in real time
                    thread = threading.Timer(1, let_go)
                    thread.start()
                    print(name, waited(wait), waited(late[name][0]))
                    thread.join()
    """) == [
        line
        for lines in (
            ["event True 1.0 False 2.0", "condition True 1.0 False 2.0", "semaphore True 1.0 False 2.0"],
            ["barrier True 1.0 BrokenBarrierError 2.0", "get item 1.0 Empty 2.0", "put None 1.0 Full 2.0"],
            ["future result 1.0 TimeoutError 2.0", "wait 1 1.0 0 2.0"],
            ["lock True 1.0 False 2.0"],
            ["event True 1.0 False 2.0", "condition True 1.0 False 2.0", "semaphore True 1.0 False 2.0"],
            ["barrier True 1.0 BrokenBarrierError 2.0", "get item 1.0 Empty 2.0", "put None 1.0 Full 2.0"],
            ["simple item 1.0 Empty 2.0", "future result 1.0 TimeoutError 2.0", "wait 1 1.0 0 2.0"],
        )
        for line in lines
    ]


def test_a_lock_that_may_be_taken_again(python):
    """``RLock`` on the guest: taken twice by its owner, waited for with a timeout by another, and in a condition."""
    assert python("""
        lock = None
        def holder():
            with lock, lock:
                print(lock._recursion_count(), lock._is_owned())
                time.sleep(4)
        with guest.running():
            lock = threading.RLock()
            began_ns = time.monotonic_ns()
            threading.Thread(target=holder).start()
            time.sleep(1)
            print(lock._is_owned(), lock.acquire(blocking=False), repr(lock).startswith("<locked GuestRLock at 0x"))
            print(lock.acquire(timeout=1.5), time.monotonic_ns() - began_ns)
            print(lock.acquire(), lock.acquire(), time.monotonic_ns() - began_ns)
            condition = threading.Condition(lock)
            print(condition.wait(2), lock._recursion_count(), time.monotonic_ns() - began_ns)
            lock.release()
            lock.release()
            try:
                lock.release()
            except RuntimeError as refused:
                print(refused)
    """) == [
        "2 True",
        "False False True",
        "False 2500000000",
        "True True 4000000000",
        "False 2 6000000000",
        "cannot release un-acquired lock",
    ]


def test_a_signal_comes_out_of_a_wait(python):
    """Whatever the test's own thread waits in, and whoever computes meanwhile; afterwards waits are as before."""
    assert python("""
        import os, signal
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job does not have
        stop = []
        def compute():
            while not stop:
                pass
        def kill():
            real_sleep[0](0.5)  # on a busy machine too, the wait has begun by then
            os.kill(os.getpid(), signal.SIGINT)
        lock, event, thread = threading.Lock(), threading.Event(), threading.Thread(target=compute, daemon=True)
        lock.acquire()
        waits = [lambda: time.sleep(60), lambda: event.wait(60), event.wait, thread.join, lambda: late.acquire()]
        with guest.running():
            late = threading.Lock()
            late.acquire()
            thread.start()
            for wait in waits:
                threading.Thread(target=kill).start()
                try:
                    wait()
                except KeyboardInterrupt:
                    print("interrupted", time.monotonic())
            stop.append(True)
            thread.join()
            time.sleep(5)
            print(time.monotonic())
            signal.signal(signal.SIGALRM, lambda *_: event.set())
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            stop.clear()
            threading.Thread(target=compute, daemon=True).start()
            print(event.wait(60), time.monotonic())
            stop.append(True)
    """) == ["interrupted 0.0"] * 5 + ["5.0", "True 5.0"]


def test_signals_may_strike_anywhere(python, monkeypatch):
    """Thousands of exceptions out of a signal handler, in the middle of waits and jumps, leave no wait hanging.

    ``Condition`` is not among them: CPython's own leaves its lock locked when an exception strikes inside its methods.
    So does coverage with a lock of its own, which every thread takes that comes to a new line: it stays out of this.
    """
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    assert python("""
        import random, signal
        class Struck(Exception):
            pass
        def strike(*_):
            raise Struck
        stop = []
        def sleeper(seconds):
            while not stop:
                time.sleep(seconds)
        chance = random.Random(1)
        with guest.running():
            signal.signal(signal.SIGALRM, strike)
            threads = [threading.Thread(target=sleeper, args=(seconds,)) for seconds in (1, 2, 3)]
            for thread in threads:
                thread.start()
            waits = [
                lambda: time.sleep(1.5), lambda: threads[0].join(0.7), lambda: threading.Lock().acquire(timeout=1),
            ]
            struck, end = 0, real_monotonic[0]() + 2
            while real_monotonic[0]() < end:
                try:
                    signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0001, 0.002))
                    while True:
                        chance.choice(waits)()
                except Struck:
                    struck += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            stop.append(True)
            for thread in threads:
                thread.join()
            before_ns = time.monotonic_ns()
            time.sleep(3)
            print(struck > 100, time.monotonic_ns() - before_ns)
    """) == ["True 3000000000"]


def test_a_planned_action_that_waits_lets_time_pass_for_everybody(python):
    """An action that sleeps, or waits for another thread, does not keep that thread from waking in time."""
    assert python("""
        woken, event = [], threading.Event()
        def sleeper(seconds):
            time.sleep(seconds)
            woken.append((time.monotonic_ns() - began_ns) / 10**9)
            event.set()
        with guest.running():
            began_ns = time.monotonic_ns()
            host.at("1 s", lambda: time.sleep(5))
            threading.Thread(target=sleeper, args=(2,)).start()
            time.sleep(1.5)
            print(woken, (time.monotonic_ns() - began_ns) / 10**9)
            event.clear()
            host.at("1 s", event.wait)
            threading.Thread(target=sleeper, args=(3,)).start()
            time.sleep(2)
            print(woken, (time.monotonic_ns() - began_ns) / 10**9)
    """) == ["[2.0] 6.0", "[2.0, 9.0] 9.0"]


def test_a_thread_that_waits_for_the_world_outside_is_given_time_and_named(python):
    """A server's thread that accepts nothing does not stop time; a child process gets the time that it needs."""
    lines = python("""
        import http.server, socket, subprocess, urllib.request
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                time.sleep(5)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"answer")
            def log_message(self, *_):
                pass
        running = guest.running()
        with running:
            listening = socket.create_server(("127.0.0.1", 0))
            def accept():
                try:
                    listening.accept()
                except OSError:
                    pass
            acceptor = threading.Thread(target=accept, name="acceptor")
            acceptor.start()
            for _ in range(100):
                time.sleep(60)
            print(time.monotonic())
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()
            acceptor.join()
            print(*running.overtaken)
            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
                thread = threading.Thread(target=server.serve_forever)
                thread.start()
                for _ in range(3):
                    url = f"http://127.0.0.1:{server.server_port}/"
                    with urllib.request.urlopen(url, timeout=60) as response:
                        print(response.read(), time.monotonic())
                server.shutdown()
                thread.join()
            now = time.monotonic()
            sleeper = threading.Thread(target=time.sleep, args=(60,))
            sleeper.start()
            subprocess.run([sys.executable, "-c", "import time; time.sleep(0.3)"], check=True)
            print(time.monotonic() - now)
            sleeper.join()
    """)
    assert lines[0] == "6000.0"
    assert lines[1].startswith("acceptor at ")
    assert lines[1].endswith(": listening.accept()")
    assert lines[2:] == ["b'answer' 6005.0", "b'answer' 6010.0", "b'answer' 6015.0", "0.0"]


def test_a_wait_in_c_code_is_overtaken(python):
    """A loop over timed waits for a lock that C code knows alone does not stop the others' time for ever."""
    assert python("""
        stop, lock = [], threading.Lock()
        lock.acquire()
        def poll():
            while not stop:
                lock.acquire(timeout=0.5)
        running = guest.running()
        with running:
            thread = threading.Thread(target=poll, name="poller")
            thread.start()
            time.sleep(3600)
            print(time.monotonic(), [what.split()[0] for what in running.overtaken])
            stop.append(True)
            thread.join()
    """) == ["3600.0 ['poller']"]


def test_threads_that_poll_are_overtaken(python):
    """Short waits in C code or in the kernel, again and again: a thread that does nothing else does not stop time.

    It gets real time to poll before each jump, so that what it finds is done before.
    """
    assert python("""
        import queue, select, socket
        SimpleQueue = queue.SimpleQueue  # the one in C, as a module that was imported earlier has it
        items, found, stop = SimpleQueue(), [], []
        left, right = socket.socketpair()
        def poll_a_queue():
            while not stop:
                try:
                    found.append((items.get(timeout=0.005), time.monotonic()))
                except queue.Empty:
                    pass
        def poll_sockets():
            while not stop:
                select.select([left], [], [], 0.003)
                items.empty() or select.select([left], [], [], 0.002)
        running = guest.running()
        with running:
            for number, poll in enumerate((poll_a_queue, poll_a_queue, poll_sockets)):
                threading.Thread(target=poll, name=f"poller-{number}").start()
            for number in range(3):
                time.sleep(3600)
                items.put(number)
            time.sleep(3600)
            stop.append(True)
            print(time.monotonic(), found)
        left.close(), right.close()
        print(sorted({what.split()[0] for what in running.overtaken}))
    """) == ["14400.0 [(0, 3600.0), (1, 7200.0), (2, 10800.0)]", "['poller-0', 'poller-1', 'poller-2']"]


@pytest.mark.parametrize("work", ["number * number", "digest.update(block)"])
def test_a_thread_that_computes_is_no_poller(python, work):
    """However long it takes, in Python or in C code that gives the interpreter away meanwhile.

    Others compute beside it, so that each also waits for the interpreter with a timeout.
    """
    assert python(f"""
        import hashlib
        from pytest_hvclock.running import looks
        looks._POLLING_NS, looks._POLLING_LOOKS = 0, 3  # whoever could be mistaken is, then
        digest, block, done = hashlib.sha256(), bytes(100_000), []
        def compute():
            end = real_monotonic[0]() + 2
            number = 0
            while real_monotonic[0]() < end:
                for number in range(100):
                    {work}
            done.append(time.monotonic())
        with guest.running():
            for _ in range(5):
                threading.Thread(target=compute).start()
            time.sleep(3600)
            print(done, time.monotonic())
    """) == ["[0.0, 0.0, 0.0, 0.0, 0.0] 3600.0"]


def test_who_waits_for_the_interpreter_does_not_poll(python):
    """Its wait has a timeout as a poller's has, and is told from that by the lock; a poller's own lock is another."""
    assert python("""
        from pytest_hvclock.running import looks
        stop, lock = [], threading.Lock()
        lock.acquire()
        def compute():
            while not stop:
                pass
        def poll():
            while not stop:
                lock.acquire(timeout=0.01)
        def seen(target):
            stop.clear()
            thread, found = threading.Thread(target=target), looks._Habits(0)
            others = [threading.Thread(target=target) for _ in range(4)]
            for each in (thread, *others):
                each.start()
            end = real_monotonic[0]() + 20
            times = 0
            while times < 3 and real_monotonic[0]() < end:
                real_sleep[0](0.001)
                code, instruction = sys._current_frames()[thread.ident].f_code, 0
                call = looks._call_of(thread.native_id)
                times += call is not None and call.timeout
                found.note((code, instruction), call, 0)
            stop.append(True)
            for each in (thread, *others):
                each.join()
            return times, len(found.places)
        print(looks.CALLS_ARE_SEEN, seen(compute), seen(poll))
    """) == ["True (3, 0) (3, 1)"]


def test_a_thread_that_has_just_ended_can_be_spoken_of(guest):
    """It may end between a look at it and the message that names it."""
    from pytest_hvclock.running.waits import Coordinator

    assert Coordinator(guest, 0, {}).name(-1) == "a thread that has just ended"


def test_sixty_four_threads_read_all_clocks_while_the_guest_is_moved(python):
    """No exception, no counter that goes back within a thread, no reading half of before and half of after."""
    assert python("""
        import datetime
        sys.setswitchinterval(1e-5)
        def read():
            go.wait()
            last = (0,) * 5
            try:
                while not stop:
                    now = (
                        time.monotonic_ns(), time.perf_counter_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME),
                        time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW), guest.monotonic_ns,
                    )
                    wrong.extend((before, after) for before, after in zip(last, now) if after < before)
                    last = now
                    time.time(), datetime.datetime.now(), time.localtime(), time.ctime(), guest.rtc
                    rounds.append(1)
            except BaseException as failure:
                wrong.append(repr(failure))
        def compare():
            go.wait()
            while not stop:
                first, wall, last = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
                if first == last:
                    offsets.add(wall - first)
                if guest.error_ns not in (0, 10**9):
                    wrong.append(guest.error_ns)
        for pace in ("stepped", "live"):
            stop, wrong, rounds, offsets = [], [], [], set()
            guest = Host(start="2026-01-01T00:00:00Z").guest(timesync="off")
            with guest.running(pace=pace):
                go = threading.Event()
                threads = [threading.Thread(target=read) for _ in range(64)]
                if pace == "stepped":
                    threads.append(threading.Thread(target=compare))
                for thread in threads:
                    thread.start()
                go.set()
                moves, end = 0, real_monotonic[0]() + 1
                while real_monotonic[0]() < end or moves < 20:
                    guest.advance("17 ms")
                    guest.step("-1 s" if moves % 2 else "1 s")
                    moves += 1
                    if pace == "live" and moves % 5 == 0:
                        guest.pause()
                        guest.advance("1 s")
                        guest.resume()
                stop.append(True)
                for thread in threads:
                    thread.join()
            print(pace, wrong[:3], len(rounds) > 64, len(offsets) <= 2)
    """) == ["stepped [] True True", "live [] True True"]
