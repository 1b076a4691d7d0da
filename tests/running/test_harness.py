"""Who waits for the world outside, or measures and limits tests, stays real while a guest runs."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest


def test_a_child_process_is_waited_for_in_real_time(guest):
    """``subprocess`` and its timeouts are real: a child is no part of the guest."""
    slow = [sys.executable, "-c", "import time; time.sleep(0.2); print('done')"]
    with guest.running():
        before = time.monotonic()
        assert subprocess.run(slow, timeout=60, capture_output=True, check=True).stdout == b"done\n"
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2, check=False)
        with subprocess.Popen(slow, stdout=subprocess.PIPE) as child:
            assert child.communicate(timeout=60)[0] == b"done\n"
            assert child.wait(timeout=60) == 0
        assert time.monotonic() == before


def test_a_child_process_started_before_is_waited_for_in_real_time(guest):
    """As in the middle of a test."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)"]) as child, guest.running():
        time.sleep(3600)
        assert child.wait(timeout=60) == 0


def test_multiprocessing_waits_in_real_time(python):
    """Its queues, pools and joins are real, whether it was imported before the guest or on it."""
    script = """
        {first}
        def child(items):
            time.sleep(0.1)
            items.put("item")
        if __name__ == "__main__":
            with guest.running():
                {then}
                import queue
                context = multiprocessing.get_context("spawn")
                items = context.Queue()
                process = context.Process(target=child, args=(items,))
                process.start()
                print(items.get(timeout=60))
                process.join(60)
                print(process.exitcode)
                try:
                    items.get(timeout=0.2)
                except queue.Empty:
                    print("empty")
                with context.Pool(1) as pool:
                    print(pool.apply_async(abs, [-3]).get(60))
    """
    expected = ["item", "0", "empty", "3"]
    assert python(script.format(first="import multiprocessing, multiprocessing.queues", then="pass")) == expected
    assert python(script.format(first="pass", then="import multiprocessing")) == expected


def test_sockets_and_selectors_wait_in_real_time(guest):
    """A kernel wait is nobody's to hurry: it takes the real time that it takes."""
    import selectors
    import socket

    real = [time.monotonic]
    with guest.running():
        left, right = socket.socketpair()
        with left, right, selectors.DefaultSelector() as selector:
            selector.register(left, selectors.EVENT_READ)
            began = real[0]()
            assert selector.select(timeout=0.1) == []
            left.settimeout(0.1)
            with pytest.raises(TimeoutError):
                left.recv(1)
            assert 0.15 < real[0]() - began < 60


def test_a_server_of_the_standard_library_works(guest):
    """``socketserver`` polls in real time, in a thread of the guest; its client gets an answer."""
    import http.server
    import threading
    import urllib.request

    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_):
            """Say nothing."""

    with guest.running(), http.server.HTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/", timeout=60) as answer:
            assert answer.read() == b"hello"
        server.shutdown()
        thread.join()


def test_the_harness_keeps_its_clocks(guest):
    """The modules that measure and limit tests have the real functions, on the guest and after it."""
    import timeit

    import _pytest.timing

    real = _pytest.timing.perf_counter, _pytest.timing.sleep, timeit.default_timer
    with guest.running():
        assert (_pytest.timing.perf_counter, _pytest.timing.sleep, timeit.default_timer) == real
        began = _pytest.timing.perf_counter(), _pytest.timing.time()
        time.sleep(3600)
        assert 0 <= _pytest.timing.perf_counter() - began[0] < 60
        assert 0 <= _pytest.timing.time() - began[1] < 60
        assert _pytest.timing.time() > 1_760_000_000
    assert (_pytest.timing.perf_counter, _pytest.timing.sleep, timeit.default_timer) == real
