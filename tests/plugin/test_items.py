"""Every kind of test that pytest collects, with the marker wherever it may stand."""

from __future__ import annotations


def run(pytester, source, *options):
    """Run some tests in a process of their own."""
    pytester.makepyfile(test_it=source)
    return pytester.runpytest_subprocess("-p", "no:randomly", *options)


def test_a_marker_for_a_whole_module(pytester):
    """``pytestmark`` puts functions, classes and ``unittest`` cases on a guest; what is made once for all is real."""
    result = run(
        pytester,
        """
        import time, unittest, pytest
        pytestmark = pytest.mark.hvclock(start="2100-01-01T00:00:00Z", drift="+1 ppm")

        def setup_module(): assert time.time() < 4e9
        def teardown_module(): assert time.time() < 4e9
        def setup_function(): assert time.time() > 4e9
        def teardown_function(): assert time.time() > 4e9

        def test_function(): assert time.time() > 4e9

        class TestClass:
            @classmethod
            def setup_class(cls): cls.made = time.time()
            def setup_method(self): assert time.time() > 4e9
            def test_method(self): assert self.made < 4e9 < time.time()

        class TestCase(unittest.TestCase):
            @classmethod
            def setUpClass(cls): cls.made = time.time()
            def setUp(self): assert time.time() > 4e9
            def tearDown(self): assert time.time() > 4e9
            def test_method(self):
                before = time.monotonic()
                time.sleep(3600)
                assert time.monotonic() - before == 3600 and self.made < 4e9
            @pytest.mark.hvclock("azure-pause-28s", start="2200-01-01T00:00:00Z", allow_vacuous=True)
            def test_scenario(self): assert time.time() > 7e9
            def test_subtests(self):
                for number in range(3):
                    with self.subTest(number=number):
                        assert time.time() > 4e9
        """,
    )
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] >= 5


def test_a_doctest_is_left_alone(pytester):
    """A doctest without a guest of its own reads the real clock, in a run whose other tests have one."""
    result = run(
        pytester,
        '''
        """
        >>> import time
        >>> time.time() < 4e9, "Counters" in repr(time.monotonic)
        (True, False)
        """
        import time, pytest
        @pytest.mark.hvclock(start="2100-01-01T00:00:00Z")
        def test_it(): assert time.time() > 4e9
        ''',
        "--doctest-modules",
    )
    result.assert_outcomes(passed=2)


def test_the_order_is_the_same_however_the_guest_is_asked_for(pytester):
    """By argument, by marker, by option, by a fixture or in the middle of a test."""
    source = """
    import time, pytest
    @pytest.fixture(autouse=True)
    def auto(request): return "Counters" in repr(time.monotonic)
    @pytest.fixture
    def through(hvclock): return hvclock
    def test_argument(auto, hvclock): assert auto
    @pytest.mark.hvclock()
    def test_marker(auto): assert auto
    def test_fixture(auto, through): assert auto and through.state.value == "running"
    @pytest.mark.parametrize("number", [1, 2])
    def test_parameter(number, auto, hvclock): assert auto
    """
    run(pytester, source).assert_outcomes(passed=5)
    by_option = "\n    def test_option(auto): assert auto\n"
    run(pytester, source + by_option, "--hvclock=azure-pause-28s").assert_outcomes(passed=6)
    late = """
    import time, pytest
    @pytest.fixture(scope="session")
    def session(): return "Counters" in repr(time.monotonic)
    def test_late(request):
        real = time.monotonic
        guest = request.getfixturevalue("hvclock")
        assert time.monotonic is not real
        assert not request.getfixturevalue("session")
        time.sleep(60)
        assert guest.monotonic_ns == 60 * 10**9
    def test_after(): assert "Counters" not in repr(time.monotonic)
    """
    run(pytester, late).assert_outcomes(passed=2)


def test_what_a_fixture_puts_in_a_clocks_place_stays_there(pytester):
    """A patch made in the setup of a test is there in its body, although the harness had its clocks in between."""
    result = run(
        pytester,
        """
        import time, pytest
        @pytest.fixture
        def patched(monkeypatch):
            monkeypatch.setattr(time, "monotonic", lambda: 42.0)
            monkeypatch.setattr(time, "sleep", lambda seconds: None)
            yield
            assert time.monotonic() == 42.0
        def test_patched(hvclock, patched):
            before = hvclock.monotonic_ns
            time.sleep(5)
            assert (time.monotonic(), hvclock.monotonic_ns) == (42.0, before)
        def test_patch_in_the_body(hvclock, monkeypatch):
            monkeypatch.setattr(time, "monotonic", lambda: 42.0)
            assert time.monotonic() == 42.0
        def test_after():
            before = time.monotonic()
            time.sleep(0.01)
            assert 0.01 <= time.monotonic() - before < 60
            assert [repr(time.sleep), repr(time.monotonic)] == [
                "<built-in function sleep>", "<built-in function monotonic>"]
        """,
    )
    result.assert_outcomes(passed=3)


def test_threads_and_loops_of_a_fixture_live_on_into_the_body(pytester):
    """A thread that a function fixture starts waits on the guest, through the pauses between the phases."""
    result = run(
        pytester,
        """
        import queue, threading, time, pytest
        @pytest.fixture
        def worker(hvclock):
            jobs, done = queue.Queue(), queue.Queue()
            def work():
                while (job := jobs.get()) is not None:
                    time.sleep(job)
                    done.put(time.monotonic())
            thread = threading.Thread(target=work)
            thread.start()
            yield jobs, done
            jobs.put(None)
            thread.join()
        def test_it(worker):
            jobs, done = worker
            for number in range(3):
                start = time.monotonic()
                jobs.put(3600)
                assert done.get(timeout=7200) - start == 3600
        """,
    )
    result.assert_outcomes(passed=1)


def test_recovery_with_every_kind_of_test(pytester):
    """The marker works on methods, on ``unittest`` cases and with parameters, by name or by callable."""
    result = run(
        pytester,
        """
        import time, unittest, pytest
        pytestmark = [
            pytest.mark.hvclock("azure-pause-28s"),
            pytest.mark.hvclock_recovers("well", within="10 s", hold="1 s", every="500 ms"),
        ]
        @pytest.fixture
        def well(hvclock): return lambda: hvclock.error_ns == 0
        class TestClass:
            @pytest.mark.parametrize("number", [1, 2])
            def test_method(self, number): pass
        class TestCase(unittest.TestCase):
            def test_method(self): pass
        def calm(): return time.time() > 0
        @pytest.mark.hvclock_recovers(calm, within="10 s")
        def test_callable(hvclock): hvclock.strike()
        """,
    )
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["azure-pause-28s: 4 recovered"])
