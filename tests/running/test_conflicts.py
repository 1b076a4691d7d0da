"""What cannot share a process with a guest is refused by name, and the real clock is back after each refusal."""

from __future__ import annotations

import time
from importlib import metadata

import pytest
import time_machine
from freezegun import freeze_time

from pytest_hvclock import BackendError, ConflictError, Host
from pytest_hvclock.running import Running, active_guest
from pytest_hvclock.running import time_machine as engine

INSIDE = (
    "{} cannot fake time while a guest is running: move the guest's clock with hvclock.step() or "
    "hvclock.advance() instead, or take one of the two away from this test"
)
BEFORE = (
    "{} is faking time already: stop it before a guest runs, or take its marker, fixture or decorator away from "
    "this test"
)


@pytest.fixture(autouse=True)
def reality():
    """See that the clocks are the real ones again, and that nobody is left travelling."""
    real = [time.monotonic, time.sleep]
    began = real[0](), time.time()
    yield
    assert [time.monotonic, time.sleep] == real
    assert 0 <= time.monotonic() - began[0] < 60
    assert 0 <= time.time() - began[1] < 60
    assert active_guest() is None
    assert not time_machine.traveller_stack


def test_two_guests(guest):
    """One process runs on one guest at a time; the first is not disturbed."""
    other = Host(start="2030-01-01T00:00:00Z").guest()
    with guest.running():
        with pytest.raises(ConflictError) as refused, other.running():
            pass
        assert time.time_ns() == guest.wall_ns
        assert active_guest() is guest
    assert str(refused.value) == ("a guest is running in this process already: leave it before another one runs")


def test_time_machine_that_travels_already(guest):
    """A guest is not put on top of a travel, which goes on."""
    with time_machine.travel(0, tick=False):
        with pytest.raises(ConflictError) as refused, guest.running():
            pass
        assert time.time() == 0
    assert str(refused.value) == BEFORE.format("time-machine")


def test_time_machine_inside_a_guest(guest):
    """A travel does not begin on a guest, in any of its forms, and the guest goes on."""

    @time_machine.travel(0)
    def decorated():
        pass

    with guest.running():
        for attempt in (time_machine.travel(0).start, time_machine.travel(0).__enter__, decorated):
            with pytest.raises(ConflictError) as refused:
                attempt()
            assert str(refused.value) == INSIDE.format("time-machine")
            assert time.time_ns() == guest.wall_ns
    with time_machine.travel(0, tick=False):
        assert time.time() == 0


def test_freezegun_that_is_frozen_already(guest):
    """A guest is not put on top of a freeze, which goes on."""
    with freeze_time("1970-01-01"):
        with pytest.raises(ConflictError) as refused, guest.running():
            pass
        assert time.time() == 0
    assert str(refused.value) == BEFORE.format("freezegun")


def test_freezegun_inside_a_guest(guest):
    """A freeze does not begin on a guest, in any of its forms, and the guest goes on."""

    @freeze_time("1970-01-01")
    def decorated():
        pass

    with guest.running():
        for attempt in (freeze_time("1970-01-01").start, freeze_time("1970-01-01").__enter__, decorated):
            with pytest.raises(ConflictError) as refused:
                attempt()
            assert str(refused.value) == INSIDE.format("freezegun")
            assert time.time_ns() == guest.wall_ns
    with freeze_time("1970-01-01"):
        assert time.time() == 0


def test_freezegun_that_is_imported_inside_a_guest(python):
    """Whoever imports it late is refused as well, and it works after the guest."""
    assert python("""
        with guest.running():
            from freezegun import freeze_time
            try:
                freeze_time("1970-01-01").start()
            except Exception as refused:
                print(refused)
        with freeze_time("1970-01-01"):
            print(time.time())
    """) == [INSIDE.format("freezegun"), "0.0"]


def test_what_is_not_pythons_own_when_the_first_guest_is_entered(python):
    """Time-machine, imported then, would write into it as if it were a built-in, and crash the interpreter."""
    lines = python("""
        import gc
        from unittest import mock
        import freezegun
        from pytest_hvclock import ConflictError
        def attempt():
            try:
                with guest.running():
                    gc.collect()
                    time.sleep(60)
                    print(time.time_ns() == guest.wall_ns, time.monotonic())
            except ConflictError as conflict:
                print(conflict)
        for patch in (mock.patch("time.time", lambda: 8.0), freezegun.freeze_time("2030-01-01")):
            with patch:
                attempt()
        attempt()
        with mock.patch("time.time", lambda: 8.0), guest.running():
            gc.collect()
            print(time.time(), time.monotonic())
    """)
    rest = (
        "and the first guest of a process has to find Python's own: take it away until a guest has been entered, or "
        "enter one for a moment before that"
    )
    assert lines == [
        f"time.time has been replaced by one of __main__, {rest}",
        (
            "freezegun is faking time already: stop it before a guest runs, or take its marker, fixture or decorator "
            "away from this test"
        ),
        "True 60.0",
        "8.0 60.0",
    ]


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "DYLD_INSERT_LIBRARIES"])
def test_libfaketime(guest, monkeypatch, variable):
    """A library below Python that fakes time is found by the variable that loads it."""
    monkeypatch.setenv(variable, "/usr/lib/faketime/libfaketime.so.1")
    with pytest.raises(ConflictError) as refused, guest.running():
        pass
    assert str(refused.value) == (
        "libfaketime is preloaded into this process, and a guest needs the real clocks below it: "
        "run the tests without LD_PRELOAD"
    )


class Deaf(time_machine.Traveller):
    """A traveller that has a clock of its own."""

    time_ns = property(lambda _: lambda: 0, lambda _, __: None)


class Sealed(time_machine.Traveller):
    """A traveller to which nothing can be added."""

    time_ns = property(lambda _: lambda: 0)


@pytest.mark.parametrize("kind", [Deaf, Sealed])
def test_a_time_machine_without_the_seam(guest, monkeypatch, kind):
    """A version that does not let a guest be its clock is named, with those that do."""
    real_start = time_machine.travel.start

    def start(travel):
        traveller = real_start(travel)
        traveller.__class__ = kind
        return traveller

    monkeypatch.setattr(time_machine.travel, "start", start)
    with pytest.raises(BackendError) as refused, guest.running():
        pass
    assert str(refused.value) == (
        f"time-machine {metadata.version('time-machine')} does not let a guest be its clock: install a version "
        f"from {engine.SUPPORTED}"
    )


def test_a_backend_or_pace_that_there_is_not(guest):
    """The names that there are are said."""
    with pytest.raises(ValueError, match=r"^unknown backend 'clock': use one of time-machine, "):
        guest.running(backend="clock")
    with pytest.raises(ValueError, match=r"^unknown pace 'slow': use stepped or live$"):
        guest.running(pace="slow")


def test_a_backend_whose_library_is_missing(python):
    """Without time-machine the package to install is named."""
    assert python("""
        from pytest_hvclock import BackendError
        sys.modules["time_machine"] = None
        try:
            guest.running()
        except BackendError as missing:
            print(missing)
    """) == ['the backend "time-machine" needs the package time-machine: pip install time-machine']


def test_a_travel_that_got_past_the_refusal(guest):
    """Should a travel begin on the guest all the same, it is ended with the guest, and the mistake is named."""
    running = Running(guest)
    real_start = time_machine.travel.start

    def start_past_the_refusal():
        real_start(time_machine.travel(0))

    with pytest.raises(ConflictError) as refused, running:
        start_past_the_refusal()
    assert str(refused.value) == (
        "time-machine was left travelling inside a guest: a test uses one of the two, not both"
    )


def test_a_freeze_elsewhere_lets_nothing_of_the_kit_be_imported(python):
    """freezegun asks every module for what ``dir`` lists; what was imported then would take its functions for real."""
    assert python("""
        import freezegun
        with freezegun.freeze_time("2030-01-01"):
            pass
        print("pytest_hvclock.running" in sys.modules)
        with guest.running():
            time.sleep(60)
            print(time.monotonic(), time.time_ns() == guest.wall_ns)
    """) == ["False", "60.0 True"]
