"""The verbs of freezegun and of time-machine on a guest: the same files pass, and what differs is said."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import freezegun
import pytest
import time_machine

from pytest_hvclock import Host, migration
from pytest_hvclock.migration import freeze_time, travel
from pytest_hvclock.running import active_guest

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
NAIVE = NEW_YEAR.replace(tzinfo=None)


@pytest.fixture(autouse=True)
def berlin(monkeypatch):
    """Live in a zone that is not UTC, as most of those who test do; no guest is left behind."""
    if hasattr(time, "tzset"):
        monkeypatch.setenv("TZ", "Europe/Berlin")
        time.tzset()
    yield
    monkeypatch.undo()
    if hasattr(time, "tzset"):
        time.tzset()
    assert active_guest() is None


FREEZEGUN_FILE = """
import asyncio
import time
import unittest
from datetime import date, datetime, timedelta, timezone

import pytest
from freezegun import freeze_time


@freeze_time("2024-01-01")
def test_decorator():
    assert datetime.now() == datetime(2024, 1, 1)
    assert time.time() == 1704067200


@freeze_time(datetime(2024, 1, 1, 12, 30), tz_offset=-5)
def test_naive_is_utc_and_the_offset_is_that_of_local_time():
    assert time.time() == 1704112200
    assert datetime.now() == datetime(2024, 1, 1, 7, 30)
    assert date.today() == date(2024, 1, 1)


@freeze_time("Jan 1st, 2024")
def test_text_that_dateutil_guesses():
    assert datetime.now() == datetime(2024, 1, 1)


@freeze_time("2024-01-01 00:00:00+02:00")
def test_an_aware_time():
    assert datetime.now() == datetime(2023, 12, 31, 22)


@freeze_time(date(2024, 1, 1), as_kwarg="clock")
def test_handed_over_by_name(**given):
    given["clock"].tick()
    assert given["clock"]() == datetime(2024, 1, 1, 0, 0, 1)


def test_ticks_and_moves():
    with freeze_time("2024-01-01") as clock:
        before = time.monotonic()
        assert clock.tick(3) == datetime(2024, 1, 1, 0, 0, 3)
        clock.tick(delta=timedelta(hours=1))
        clock.tick(0.5)
        assert datetime.now() == datetime(2024, 1, 1, 1, 0, 3, 500000)
        clock.move_to("2024-02-01")
        assert datetime.now() == clock.time_to_freeze == datetime(2024, 2, 1)
        assert time.monotonic() - before == 31 * 86400
        clock.move_to(datetime(2023, 1, 1))
        assert datetime.now() == datetime(2023, 1, 1)


def test_inside_another():
    with freeze_time("2024-01-01"):
        with freeze_time("2020-01-01") as inner:
            assert datetime.now() == datetime(2020, 1, 1)
            inner.move_to("2019-01-01")
        assert datetime.now() == datetime(2024, 1, 1)
        with freeze_time(timedelta(days=1)):
            assert datetime.now() == datetime(2024, 1, 2)
        assert datetime.now() == datetime(2024, 1, 1)


def test_by_hand():
    freezer = freeze_time(lambda: datetime(2024, 1, 1))
    freezer.start()
    assert datetime.now() == datetime(2024, 1, 1)
    freezer.stop()
    assert datetime.now() > datetime(2024, 6, 1)


def test_one_after_the_other():
    days = (datetime(2024, 1, day) for day in (1, 2))
    for day in (1, 2):
        with freeze_time(days):
            assert datetime.now() == datetime(2024, 1, day)


def test_an_exception_ends_it():
    with pytest.raises(ZeroDivisionError), freeze_time("2024-01-01"):
        raise ZeroDivisionError
    assert datetime.now() > datetime(2024, 6, 1)


@freeze_time("2024-01-01", tick=True)
def test_ticking():
    before = datetime.now()
    time.sleep(0.01)
    assert before < datetime.now() < datetime(2024, 1, 1, 0, 1)


def test_async():
    @freeze_time("2024-01-01", real_asyncio=True)
    async def now():
        await asyncio.sleep(0)
        return datetime.now()

    assert asyncio.run(now()) == datetime(2024, 1, 1)


@freeze_time("2024-01-01")
class TestPlain:
    def test_method(self):
        assert datetime.now() == datetime(2024, 1, 1)


@freeze_time("2024-01-01")
class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = datetime.now()

    def setUp(self):
        self.before = datetime.now()

    def test_one(self):
        self.assertEqual(self.before, datetime.now())
        self.assertEqual(self.before, datetime(2024, 1, 1))
        self.assertEqual(self.before, self.made)

    def tearDown(self):
        assert datetime.now() == datetime(2024, 1, 1)
"""
TIME_MACHINE_FILE = """
import asyncio
import time
import unittest
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from time_machine import travel

UTC = timezone.utc


@travel("2024-01-01T00:00:00Z", tick=False)
def test_decorator():
    assert datetime.now(UTC) == datetime(2024, 1, 1, tzinfo=UTC)


@travel(datetime(2024, 1, 1), tick=False)
def test_a_naive_time_is_utc():
    assert time.time() == 1704067200


@travel("2024-01-01 12:00", tick=False)
def test_naive_text_is_local():
    assert datetime.now() == datetime(2024, 1, 1, 12)


@travel(date(2024, 1, 1), tick=False)
def test_a_date_is_utc():
    assert time.time() == 1704067200


@travel(1704067200.5, tick=False)
def test_seconds():
    assert time.time_ns() == 1704067200500000000


@travel(datetime(2024, 7, 1, tzinfo=ZoneInfo("Asia/Tokyo")), tick=False)
def test_a_zone_is_entered():
    assert datetime.now() == datetime(2024, 7, 1)
    assert time.tzname == ("JST", "JST")


def test_shifts_and_moves_leave_monotonic_alone():
    with travel(0, tick=False) as traveller:
        before = time.monotonic()
        traveller.shift(10)
        traveller.shift(timedelta(hours=1))
        traveller.shift(-0.5)
        assert time.time() == 3609.5
        traveller.move_to(datetime(2024, 1, 1, tzinfo=UTC), tick=False)
        assert time.time() == 1704067200
        assert time.monotonic() - before < 60


def test_inside_another():
    with travel(1704067200, tick=False):
        with travel(timedelta(days=-1), tick=False) as inner:
            assert time.time() == 1704067200 - 86400
            inner.shift(5)
        assert time.time() == 1704067200


@travel(1704067200)
def test_ticking():
    before = time.time()
    time.sleep(0.01)
    assert 1704067200 <= before < time.time() < 1704067260


def test_async():
    async def now():
        async with travel(1704067200, tick=False):
            return time.time()

    @travel(1704067200, tick=False)
    async def then():
        return time.time()

    assert asyncio.run(now()) == asyncio.run(then()) == 1704067200


@travel(1704067200, tick=False)
class Case(unittest.TestCase):
    def test_one(self):
        assert time.time() == 1704067200
"""
FIXTURES_FILE = """
import time
from datetime import datetime, timedelta, timezone

import pytest


def test_freezer(freezer):
    before = time.time()
    assert time.time() == before
    freezer.tick(5)
    assert time.time() == before + 5
    freezer.move_to("2040-01-01")
    assert datetime.now() == datetime(2040, 1, 1)


@pytest.mark.freeze_time("2024-01-01")
def test_marked():
    assert datetime.now() == datetime(2024, 1, 1)


@pytest.mark.freeze_time("2024-01-01", tz_offset=2)
class TestMarked:
    def test_it(self, freezer):
        assert datetime.now() == datetime(2024, 1, 1, 2)
        freezer.move_to("2024-01-02")
        assert datetime.now() == datetime(2024, 1, 2, 2)


def test_time_machine(time_machine):
    time_machine.move_to(datetime(2040, 1, 1, tzinfo=timezone.utc), tick=False)
    assert time.time() == 2208988800
    time_machine.shift(timedelta(days=1))
    assert time.time() == 2208988800 + 86400


@pytest.mark.time_machine(1704067200, tick=False)
def test_marked_for_time_machine():
    assert time.time() == 1704067200
"""


def adopted(text: str) -> str:
    """Change a file's one line of import."""
    changed = text.replace("from freezegun import", "from pytest_hvclock.migration import").replace(
        "from time_machine import", "from pytest_hvclock.migration import"
    )
    differing = [new for old, new in zip(text.splitlines(), changed.splitlines(), strict=True) if old != new]
    assert len(differing) == 1
    return changed


ARGUMENTS = ("-p", "no:randomly", "-p", "no:asyncio", "-p", "no:cacheprovider", "-Werror")
THEIRS = ("-p", "pytest_freezer", "-p", "time_machine")
"""Load the plugins of the libraries."""


@pytest.mark.parametrize("text", [FREEZEGUN_FILE, TIME_MACHINE_FILE], ids=["freezegun", "time-machine"])
def test_a_file_passes_with_the_library_and_with_one_line_changed_on_a_guest(pytester, text):
    """Every test of it, with nothing skipped; and the second time the library is not even imported."""
    pytester.makepyfile(test_theirs=text, test_ours=adopted(text))
    theirs = pytester.runpytest_subprocess(*ARGUMENTS, "test_theirs.py").parseoutcomes()
    ours = pytester.runpytest_subprocess(*ARGUMENTS, "test_ours.py").parseoutcomes()
    assert ours == theirs == {"passed": text.count("def test_")}


def test_an_adopted_file_runs_under_unittest_without_pytest(tmp_path):
    """The classes are decorated as well as pytest's own."""
    case = TIME_MACHINE_FILE.partition("class Case")[2]
    (tmp_path / "test_case.py").write_text(
        "import time, unittest\nfrom pytest_hvclock.migration import travel\n"
        f"@travel(1704067200, tick=False)\nclass Case{case}",
        encoding="utf-8",
    )
    blocked = "import sys; sys.modules['pytest'] = None; import unittest; unittest.main('test_case')"
    done = subprocess.run([sys.executable, "-c", blocked], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr


ADOPT = 'pytest_plugins = ["pytest_hvclock.plugin.migrating"]'


@pytest.mark.parametrize("conftest", ["", ADOPT], ids=["theirs", "ours"])
def test_fixtures_and_markers_pass_with_the_libraries_and_by_one_line_in_the_conftest(pytester, conftest):
    """Both fixtures and both markers."""
    pytester.makeconftest(conftest)
    pytester.makepyfile(FIXTURES_FILE)
    pytester.runpytest_subprocess(*ARGUMENTS, *THEIRS).assert_outcomes(passed=5)


def test_by_the_line_in_the_conftest_neither_library_is_needed(pytester):
    """The markers are declared, and the fixtures there."""
    pytester.makeconftest(ADOPT)
    pytester.makepyfile(FIXTURES_FILE)
    pytester.runpytest_subprocess(*ARGUMENTS, "--strict-markers").assert_outcomes(passed=5)


def test_one_file_is_adopted_by_importing_the_fixture(pytester):
    """Its neighbour stays with pytest-freezer."""
    test = """
import time

def test_it(freezer):
    freezer.move_to("2040-01-01")
    assert time.time() == 2208988800
    assert hasattr(freezer, "guest") is ADOPTED
"""
    ours = test.replace("ADOPTED", "True").replace(
        "import time\n", "import time\nfrom pytest_hvclock.plugin.migrating import freezer\n"
    )
    pytester.makepyfile(test_ours=ours, test_theirs=test.replace("ADOPTED", "False"))
    pytester.runpytest_subprocess(*ARGUMENTS, *THEIRS).assert_outcomes(passed=2)


def test_an_adopted_test_runs_with_a_scenario(pytester):
    """The marker says where the guest starts, and the restore strikes; as an option it strikes a decorated test too."""
    pytester.makeconftest(ADOPT)
    pytester.makepyfile(
        """
        import time
        from datetime import datetime, timedelta

        import pytest
        from pytest_hvclock.migration import freeze_time

        @pytest.mark.hvclock("restore-after-a-month")
        @pytest.mark.freeze_time("2024-01-01")
        def test_marked(hvclock, freezer):
            hvclock.strike()
            freezer.tick(10)
            assert time.time() > 1704067200 + 29 * 86400

        @freeze_time("2024-01-01")
        def test_decorated():
            expires = time.time() + 3600
            time.time()
            time.sleep(10)
            assert time.time() < expires

        @freeze_time("2030-01-01")
        class TestDecorated:
            def test_class(self):
                assert datetime.now() == datetime(2030, 1, 1)
        """
    )
    pytester.runpytest_subprocess(*ARGUMENTS).assert_outcomes(passed=3)
    result = pytester.runpytest_subprocess(*ARGUMENTS, "--hvclock=restore-after-a-month", "-k", "decorated")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "scenario: restore-after-a-month *",
            "* from 2024-01-01T00:00:00Z; at the end the guest is at true time",
            "*restore-after-a-month: 1 broke, 1 not struck*",
        ]
    )


def test_a_decorated_test_keeps_its_arguments_and_its_guest_starts_where_the_closest_decorator_says(pytester):
    """Fixtures, parameters, the guest: at first nothing is wrong with it, unless a marker starts it elsewhere."""
    pytester.makepyfile(
        """
        from datetime import datetime, timedelta

        import pytest
        from pytest_hvclock.migration import freeze_time

        @pytest.mark.parametrize("number", [1, 2])
        @freeze_time("2024-01-01")
        def test_arguments(tmp_path, number):
            assert datetime.now() == datetime(2024, 1, 1)

        @freeze_time("2024-01-01")
        class TestBoth:
            @freeze_time("2025-01-01")
            def test_inner(self, hvclock):
                assert datetime.now() == datetime(2025, 1, 1)
                assert hvclock.error_ns == 0

            def test_outer(self, hvclock):
                assert datetime.now() == datetime(2024, 1, 1)
                assert hvclock.error_ns == 0

        @pytest.mark.hvclock(start="2024-01-02T00:00:00Z")
        @freeze_time("2024-01-01")
        def test_marked(hvclock):
            assert datetime.now() == datetime(2024, 1, 1)
            assert hvclock.error == timedelta(days=-1)
        """
    )
    pytester.runpytest_subprocess(*ARGUMENTS).assert_outcomes(passed=5)


def test_the_other_library_s_own_fixture_is_refused_as_before(pytester):
    """Adopting one of the two does not let the other one in."""
    pytester.makepyfile(
        """
        from pytest_hvclock.plugin.migrating import freezer

        def test_it(freezer, time_machine):
            pass
        """
    )
    result = pytester.runpytest_subprocess(*ARGUMENTS, *THEIRS)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the fixture 'time_machine' of time-machine fakes time too*"])


# ----------------------------------------------------------------------------------------------- what differs, and so


def test_a_wait_returns_at_once_and_passes_the_time_that_it_waited_for():
    """With freezegun it is real, and the clock stands still."""
    with freeze_time("2024-01-01"):
        time.sleep(3_600)
        assert datetime.now(UTC) == NEW_YEAR + timedelta(hours=1)


def test_monotonic_has_an_origin_of_its_own_and_never_goes_back():
    """freezegun's is the wall clock, and goes back with it."""
    with freezegun.freeze_time("2024-01-01") as theirs:
        assert time.monotonic() == NEW_YEAR.timestamp()
        theirs.tick(-5)
        assert time.monotonic() == NEW_YEAR.timestamp() - 5
    with freeze_time("2024-01-01") as ours:
        before = time.monotonic()
        assert before < 1e6
        ours.tick(-5)
        assert time.time() == NEW_YEAR.timestamp() - 5
        assert time.monotonic() == before


def test_what_moves_the_clock_is_handed_over_first():
    """freezegun 1.5.5 calls the function a second time, without it."""

    @freeze_time("2024-01-01", as_arg=True)
    def handed(clock, more):
        return clock.tick(timedelta(minutes=1)), more

    assert handed(7) == (NAIVE + timedelta(minutes=1), 7)


def test_a_generator_runs_on_the_guest_whenever_it_is_asked_for_its_next():
    """As with freezegun 1.5.5; with older ones only the making of the generator is frozen."""

    @freeze_time("2024-01-01")
    def moments():
        for _ in range(2):
            yield datetime.now(UTC)

    assert list(moments()) == [NEW_YEAR] * 2


def test_a_private_method_of_a_class_is_left_alone():
    """As by freezegun: nobody runs it as a test."""

    @freeze_time("2024-01-01")
    class Plain:
        def now(self):
            return datetime.now(UTC)

        def _now(self):
            return datetime.now(UTC)

    assert Plain().now() == NEW_YEAR < Plain()._now()


def test_a_datetime_is_a_real_one():
    """And so is one that somebody has imported before."""
    with freeze_time("2024-01-01"):
        assert type(datetime.now(UTC)) is type(NEW_YEAR)
    with freezegun.freeze_time("2024-01-01"):
        assert type(datetime.now(UTC)) is not type(NEW_YEAR)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"ignore": ["celery"]},
            r"^freeze_time\(ignore=\['celery'\]\) has no meaning on a guest, which is for the whole",
        ),
        ({"auto_tick_seconds": 15}, r"^freeze_time\(auto_tick_seconds=15\) has no meaning on a guest, whose clocks no"),
        (
            {"tz_offset": 5.5},
            r"^no time zone has the name of 5\.5 h ahead of UTC: leave tz_offset out, and name a zone",
        ),
    ],
)
def test_what_a_guest_does_not_do_is_refused(settings, message):
    """In a line that says what to write instead."""
    with pytest.raises(ValueError, match=message):
        freeze_time("2024-01-01", **settings)


def test_whether_a_guest_ticks_cannot_be_changed_on_the_way():
    """Whether it is to tick is settled when it begins."""
    with travel(0, tick=False) as traveller:
        traveller.move_to(1, tick=False)
        with pytest.raises(ValueError, match=r"^this guest does not tick, .*begin with travel\(\.\.\., tick=True\)"):
            traveller.move_to(2, tick=True)
        assert time.time() == 1
    with travel(0, tick=True) as traveller:
        traveller.move_to(1, tick=True)
        with pytest.raises(ValueError, match=r"^this guest ticks, and cannot change that"):
            traveller.move_to(2, tick=False)


def test_what_is_no_destination_is_refused():
    """Text that even dateutil cannot read, and things that are no times."""
    with pytest.raises(TypeError, match=r"^\[\] is no destination: write a datetime, a date, ISO 8601 text"):
        travel([])
    with pytest.raises(ValueError, match="soon"):
        travel("soon")


def test_without_dateutil_iso_text_will_do_and_other_text_is_refused(monkeypatch):
    """It is a dependency of freezegun, and not of this kit."""
    monkeypatch.setitem(sys.modules, "dateutil.parser", None)
    with freeze_time("2024-01-01T00:00:00Z"):
        assert datetime.now(UTC) == NEW_YEAR
    with pytest.raises(ValueError, match=r"^'Jan 1st, 2024' is not ISO 8601: write text such as .*or install python-d"):
        freeze_time("Jan 1st, 2024")


@pytest.mark.parametrize(
    ("ahead", "zone"),
    [(0, "UTC"), (2, "Etc/GMT-2"), (-5.0, "Etc/GMT+5"), (timedelta(hours=9), "Etc/GMT-9")],
)
def test_a_zone_is_named_by_how_far_it_is_ahead(ahead, zone):
    """POSIX's sign is the other way round."""
    assert migration.zone_ahead(ahead) == zone
    if not isinstance(ahead, timedelta):
        ahead = timedelta(hours=ahead)
    assert datetime.now(ZoneInfo(zone)).utcoffset() == ahead


def test_on_a_guest_that_runs_the_clock_is_set_and_set_back():
    """No second guest is made; what passed meanwhile has passed; the log says that it was somebody in the guest."""
    guest = Host(start=NEW_YEAR).guest(timesync="off")
    with guest.running():
        with travel(datetime(2030, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo")), tick=False) as traveller:
            assert traveller.guest is guest
            assert os.environ["TZ"] == "Asia/Tokyo"
            time.sleep(7)
            traveller.shift(-100)
        assert os.environ["TZ"] == "Europe/Berlin"
        assert guest.error_ns == 0
        assert guest.host.true_ns == guest.wall_ns == (NEW_YEAR + timedelta(seconds=7)).timestamp() * 10**9
        assert len(guest.clock_sets) == 3


def test_a_destination_that_is_called_is_called_once_and_now_is_now():
    """As both libraries do: when the stay is prepared, not each time that it begins."""
    called = []
    stay = travel(lambda: called.append(1) or NEW_YEAR, tick=False)
    for _ in range(2):
        with stay:
            assert datetime.now(UTC) == NEW_YEAR
    assert called == [1]
    real = time.time_ns()
    with freeze_time():
        assert 0 <= time.time_ns() - real < 60 * 10**9


def test_the_same_stay_can_begin_again_while_it_lasts():
    """As by a decorated function that calls itself."""

    @freeze_time("2024-01-01")
    def depth(left):
        now = datetime.now(UTC)
        time.sleep(1)
        return [now, *(depth(left - 1) if left else [])]

    assert depth(2) == [NEW_YEAR] * 3


def test_time_machine_itself_still_refuses_to_start_on_a_guest():
    """A file that uses both is told so by name."""
    with freeze_time("2024-01-01"), pytest.raises(Exception, match="time-machine cannot fake time while a guest"):
        time_machine.travel(0).start()
