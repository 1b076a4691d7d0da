"""The freezegun backend: what it does beyond the conformance suite, and what it does to freezegun itself."""

from __future__ import annotations

import datetime as dt
import functools
import gc
import sqlite3
import sys
import time
import warnings
from importlib import metadata

import pytest
from freezegun import api, freeze_time

from pytest_hvclock import BackendError, ConflictError, Host, StuckError
from pytest_hvclock.running import Running
from pytest_hvclock.running import freezegun as engine

BACKEND = "freezegun"
START = "2031-03-04T05:06:07.123456789Z"
real_datetime = dt.datetime


@pytest.fixture
def guest():
    """A guest whose wall clock is far from this machine's."""
    return Host(start=START).guest(timesync="off")


def is_real(moment):
    """Whether a naive local reading is the real one."""
    return abs(moment.timestamp() - time.time()) < 60


def test_what_freezegun_gets_wrong_is_right(guest):
    """Whoever looks at types, keeps a reference or keys something by the class sees nothing but the real class."""

    @functools.singledispatch
    def describe(_value):
        return "something"

    @describe.register
    def _(_value: dt.datetime):
        return "a moment"

    with guest.running(backend=BACKEND):
        moment = dt.datetime.now()
        assert describe(moment) == "a moment"
        assert {real_datetime: "schema"}[type(moment)] == {real_datetime: "schema"}[dt.datetime] == "schema"
        assert isinstance(moment, dt.datetime)
        assert type(moment) is dt.datetime is real_datetime
        assert real_datetime.now() == moment
        connection = sqlite3.connect(":memory:")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            assert connection.execute("select ?", (moment,)).fetchone() == (str(moment),)
        connection.close()
        match moment:
            case dt.datetime(year=2031):
                pass
            case _:
                pytest.fail("a pattern does not match")
        assert dt.datetime.now.__name__ == "now"


def test_freezegun_itself_shows_the_guest(guest):
    """Whoever asks freezegun, or has kept its fakes from an earlier freeze, reads the guest as well."""
    with freeze_time("2020-02-02"):
        kept_class, kept_function = dt.datetime, time.time
    assert kept_class is api.FakeDatetime
    with guest.running(backend=BACKEND):
        assert api.get_current_time() == real_datetime(2031, 3, 4, 5, 6, 7, 123456)
        assert kept_class.now() == real_datetime(2031, 3, 4, 5, 6, 7, 123456)
        assert kept_function() == pytest.approx(guest.wall_ns / 1e9, abs=1e-6)

        def deep(depth):
            return deep(depth - 1) if depth else kept_function()

        assert deep(0) == deep(1) == deep(10)
    assert [getattr(api, name) for name in ("freeze_factories", "ignore_lists", "tick_flags", "tz_offsets")] == [[]] * 4
    with freeze_time("2020-02-02"):
        assert dt.datetime.now() == real_datetime(2020, 2, 2)
        assert time.monotonic() == 1580601600.0
    assert is_real(dt.datetime.now())


def test_a_freeze_on_the_guest_is_refused(guest):
    """One of the two, and the guest goes on."""
    with guest.running(backend=BACKEND):
        with pytest.raises(ConflictError, match="^freezegun cannot fake time while a guest is running"):
            freeze_time("2020-02-02").start()
        assert dt.datetime.now(dt.UTC).year == 2031
    with freeze_time("2020-02-02"):
        with pytest.raises(ConflictError, match="^freezegun is faking time already"), guest.running(backend=BACKEND):
            pass
        assert dt.datetime.now().year == 2020


def test_a_freeze_that_got_past_the_refusal(guest):
    """It is ended with the guest, and the mistake is named."""
    real_start = api._freeze_time.start
    with (
        pytest.raises(ConflictError, match="^freezegun was left frozen inside a guest"),
        guest.running(backend=BACKEND),
    ):
        real_start(freeze_time("2020-02-02"))
    assert api.freeze_factories == []
    assert is_real(dt.datetime.now())
    with guest.running(backend=BACKEND):
        assert time.time_ns() == guest.wall_ns


def test_what_was_kept_between_two_guests_is_found(guest):
    """A model that is defined between them, and asks ``datetime.now`` for its default, reads the second."""
    with guest.running(backend=BACKEND):
        pass

    class Model:
        def __init__(self, at=None, make=dt.datetime.now):
            self.at = at or make()

    guest.advance("1 d")
    with guest.running(backend=BACKEND):
        assert Model().at.timestamp() == pytest.approx(guest.wall_ns / 1e9, abs=1e-6)
    assert is_real(Model().at)


def test_what_was_kept_is_not_kept_alive(guest):
    """A class that somebody had ``now`` of can go: no list of ours holds it for the rest of the run."""

    def define():
        class Moment(dt.datetime):
            """A kind of datetime."""

        class Holder:
            make = Moment.now

        return Moment, Holder

    kinds = define()
    with guest.running(backend=BACKEND):
        assert kinds[1].make().year == 2031
    del kinds
    gc.collect()
    keep = dt.datetime.now  # somebody new
    for _ in range(2):
        with guest.running(backend=BACKEND):
            pass
        gc.collect()
    assert "Moment" not in [kind.__name__ for kind in dt.datetime.__subclasses__() if kind.__module__ == __name__]
    assert is_real(keep())


def test_utcnow_warns_as_it_does_without_a_guest(guest):
    """The warning is there from Python 3.12 on, and names the line that called."""
    with warnings.catch_warnings(record=True) as without:
        warnings.simplefilter("always")
        dt.datetime.utcnow()
    with guest.running(backend=BACKEND), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dt.datetime.utcnow()
    assert len(caught) == len(without) == (sys.version_info >= (3, 12))
    assert [warning.filename for warning in caught] == [__file__] * len(caught)
    assert [str(warning.message) for warning in caught] == [str(warning.message) for warning in without]


def test_an_exception_comes_out_of_a_reading(guest):
    """What somebody raises just before a reading reaches the reader, and nothing is broken."""
    running = Running(guest, BACKEND)

    def stop(_clock):
        raise StuckError("enough")

    with running:
        for read in (time.time, time.time_ns, dt.datetime.now, dt.date.today, time.localtime, real_datetime.today):
            running.tap(stop)
            with pytest.raises(StuckError, match="^enough$"):
                read()
            running.tap(None)
            read()


def test_a_freezegun_without_the_seam(guest, monkeypatch):
    """What is missing is said, with the versions that do, and every clock is real."""
    monkeypatch.delattr(api, "tick_flags")
    message = (
        f"freezegun {metadata.version('freezegun')} does not let a guest be its clock (it has no tick_flags): install "
        f"a version from {engine.SUPPORTED}"
    )
    with pytest.raises(BackendError) as refused, guest.running(backend=BACKEND):
        pass
    assert str(refused.value) == message
    monkeypatch.undo()
    monkeypatch.setattr(api, "get_current_time", lambda: real_datetime(2020, 2, 2))
    with (
        pytest.raises(BackendError, match="does not ask the latest of its freeze_factories"),
        guest.running(backend=BACKEND),
    ):
        pass
    assert is_real(dt.datetime.now())
    assert api.freeze_factories == []


def test_an_interpreter_whose_classes_cannot_be_changed(guest, monkeypatch):
    """It is refused, and every clock is real."""
    monkeypatch.setattr(engine.gc, "get_referents", lambda *_: [])
    with (
        pytest.raises(BackendError, match=r"^this interpreter does not let date(time)?\.\w+ be replaced"),
        guest.running(backend=BACKEND),
    ):
        pass
    assert is_real(dt.datetime.now())
    assert time.time.__module__ == "time"


def test_the_package_to_install_is_named(python):
    """Without freezegun the extra is named."""
    assert python("""
        from pytest_hvclock import BackendError
        sys.modules["freezegun"] = None
        try:
            guest.running(backend="freezegun")
        except BackendError as missing:
            print(missing)
    """) == ['the backend "freezegun" needs the package freezegun: pip install "pytest-hvclock[freezegun]"']


@pytest.mark.parametrize(
    "without", ["", "sys.modules['_datetime'] = sys.modules['_zoneinfo'] = None", "del sys.getrefcount"]
)
def test_an_interpreter_like_pypy(python, without):
    """No time-machine, ``datetime`` in Python, nobody who counts references: the same readings."""
    lines = python(
        f"""
        import sys
        sys.modules["time_machine"] = None
        {without}
        import datetime, threading, time
        from time import time as named, monotonic
        from datetime import datetime as moment
        def default(read=time.time_ns): return read()
        def kept(read=moment.now): return read()
        real = [time.time, moment.now]
        from pytest_hvclock import Host
        guest = Host(start="{START}").guest(timesync="off")
        for _ in range(2):
            with guest.running(backend="freezegun"):
                print(time.time_ns(), default(), named() == guest.wall_ns / 1e9, monotonic() == time.monotonic())
                print(moment.now(), type(moment.now()) is datetime.datetime, kept().year)
                print(datetime.datetime.now(datetime.timezone.utc), datetime.date.today(), time.strftime("%F"))
                time.sleep(3600)
        print(named is real[0], time.time is real[0], abs(moment.now().timestamp() - time.time()) < 9)
        print(kept().year < 2031)
        print("time_machine" in sys.modules and sys.modules["time_machine"])
        """,
        preamble="",
        environment={"TZ": "UTC"},
    )
    assert lines == [
        "1930367167123456789 1930367167123456789 True True",
        "2031-03-04 05:06:07.123456 True 2031",
        "2031-03-04 05:06:07.123456+00:00 2031-03-04 2031-03-04",
        "1930370767123456789 1930370767123456789 True True",
        "2031-03-04 06:06:07.123456 True 2031",
        "2031-03-04 06:06:07.123456+00:00 2031-03-04 2031-03-04",
        "True True True",
        "True",
        "None",
    ]


def test_the_harness_is_real(pytester):
    """Durations, reports and Hypothesis's deadlines are real under this backend too."""
    pytester.makepyfile("""
        import datetime, time
        from hypothesis import given, settings, strategies as st
        from pytest_hvclock import Host

        def test_it(hvclock):
            hvclock.advance("30 d")
            time.sleep(86_400)
            assert datetime.datetime.now(datetime.timezone.utc) == datetime.datetime(
                2031, 1, 31, tzinfo=datetime.timezone.utc) + datetime.timedelta(days=1)

        @settings(max_examples=5, deadline=200)
        @given(st.integers(1, 10))
        def test_deadlines(hours):
            with Host().guest().running(backend="freezegun"):
                time.sleep(hours * 3600)
    """)
    pytester.makeini("[pytest]\nhvclock_backend = freezegun\nhvclock_start = 2031-01-01T00:00:00Z\njunit_family=xunit2")
    result = pytester.runpytest_subprocess("--durations=0", "-vv", "--junitxml=report.xml", "-p", "no:randomly")
    result.assert_outcomes(passed=2)
    seconds = [float(line.split("s ")[0]) for line in result.outlines if " call " in line or " setup " in line]
    assert seconds
    assert all(0 <= second < 20 for second in seconds)
    report = (pytester.path / "report.xml").read_text()
    times = [float(part.split('"')[0]) for part in report.split(' time="')[1:]]
    assert times
    assert all(0 <= second < 60 for second in times)
    assert 'timestamp="2031' not in report
