"""What every backend must do, as tests; for those of the kit and for anybody's own.

A backend of your own, which a ``conftest.py`` returns from ``pytest_hvclock_backends``, is tested by two lines::

    class TestMine(Conformance):
        backend = "mine"

after ``from pytest_hvclock.conformance import Conformance``. What the backend declares in ``patches`` and ``misses`` is
measured: it has to reach all that it does not name, and nothing that it does.
"""

# ruff: noqa: S101, DTZ002, DTZ005, DTZ011  (these are tests, and naive readings are among the sources)

from __future__ import annotations

import copyreg
import datetime  # noqa: ICN001  (as the libraries below do)
import email.utils
import importlib
import itertools
import logging
import pickle
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from pytest_hvclock.model.guest import Guest
from pytest_hvclock.model.host import Host
from pytest_hvclock.running import Running, backend_named
from pytest_hvclock.running.backend import Backend
from pytest_hvclock.running.sources import CLOCK, CONTAINER, SOURCES, STYLES, Source, is_reached
from pytest_hvclock.units import NS_PER_S, NS_PER_US

__all__ = ["Conformance"]

START = "2031-03-04T05:06:07.123456789Z"
LIBRARY = '''
import datetime
import functools
import time
from dataclasses import dataclass, field


class Moment(datetime.datetime):
    """A program's own kind of datetime."""


{imported}


def by_default(read={function}):
    return read({arguments})


def make_closure():
    read = {function}

    def closure():
        return read({arguments})

    return closure


class Holder:
    read = {function}

    def __init__(self):
        self.own = {function}


@dataclass
class Record:
    at: object = field(default_factory={factory})


closure, holder, partial = make_closure(), Holder(), {partial}
containers = [{function}], ({function},), {{0: {function}}}
STYLES = {{
    "attribute": lambda: {function}({arguments}),
    "name": lambda: {name}({arguments}),
    "default": by_default,
    "closure": closure,
    "class": lambda: Holder.read({arguments}),
    "instance": lambda: holder.own({arguments}),
    "partial": lambda: partial(),
    "factory": lambda: Record().at,
    "container": lambda: [container[0]({arguments}) for container in containers],
}}


def named():
    return {named}


def held():
    return [
        {named},
        by_default.__defaults__[0],
        closure.__closure__[0].cell_contents,
        vars(Holder)["read"],
        holder.own,
        partial.func,
        *(container[0] for container in containers),
    ]
'''
"""A library that refers to one source in every style."""

_numbers = itertools.count()
_datetime, _date = datetime.datetime, datetime.date


class Conformance:
    """The tests; a class that inherits from this one says which ``backend`` they are for."""

    backend = "time-machine"

    @pytest.fixture
    def engine(self) -> Backend:
        """Make the backend, for what it declares."""
        return backend_named(self.backend)

    @pytest.fixture
    def patching(self, engine: Backend) -> None:
        """Leave out what a backend that patches nothing does not claim to do."""
        if not engine.patches:
            pytest.skip(f"{engine.name} patches nothing")

    @pytest.fixture
    def guest(self) -> Guest:
        """Make a guest whose clocks all differ from each other, from true time, and from this machine's."""
        guest = Host(start=START).guest(timesync="ntp", drift="+300 ppm")
        guest.step("90 min")
        guest.hibernate("1 h")
        guest.advance("200 s")
        guest.step("-17.000000001 s")
        readings = [guest.wall_ns, guest.monotonic_ns, guest.monotonic_raw_ns, guest.boottime_ns, guest.host.true_ns]
        assert len(set(readings)) == len(readings)
        return guest

    @pytest.fixture
    def library(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Source], ModuleType]]:
        """Import libraries that refer to a source in every style."""
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

        def load(source: Source) -> ModuleType:
            name = f"conforming_{next(_numbers)}"
            (tmp_path / f"{name}.py").write_text(library_of(source), encoding="utf-8")
            importlib.invalidate_caches()
            return importlib.import_module(name)

        yield load
        for name in [name for name in sys.modules if name.startswith("conforming_")]:
            del sys.modules[name]

    def running(self, guest: Guest, **settings: Any) -> Running:
        """Let the block run on the guest, by the backend."""
        return Running(guest, self.backend, **settings)

    # ---------------------------------------------------------------------------------------------- what is read

    @pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
    @pytest.mark.parametrize("source", [pytest.param(source, id=source.name) for source in SOURCES])
    def test_a_source_reads_the_guest_in_every_style_that_is_declared(
        self, source: Source, engine: Backend, guest: Guest, library: Callable[[Source], ModuleType]
    ) -> None:
        """However code refers to a source, it reads the guest exactly, or the real clock; afterwards all is as it was.

        A function that a program keeps is the very same object again.
        """
        if not source.here:
            pytest.skip("this system does not have it")
        module = library(source)
        styles: dict[str, Callable[[], Any]] = {**module.STYLES, CLOCK: _on_clock(source, guest)}
        declared = {style: is_reached(engine, source, style) for style in STYLES}
        if source.indirect and not declared[CONTAINER]:
            del declared[CONTAINER]
        before = module.held()
        with self.running(guest):
            for verb, by in ((guest.advance, 0), (guest.advance, "12.5 h"), (guest.step, "-100 d"), (guest.step, 1)):
                verb(by)
                expected = source.expected(guest)
                assert {style: _is(styles[style](), expected) for style in declared} == declared, expected
        expected = source.expected(guest)
        assert [style for style in STYLES if style != CLOCK and _is(styles[style](), expected)] == []
        assert [after is held for after, held in zip(module.held(), before, strict=True)] == [True] * len(before)

    @pytest.mark.usefixtures("patching")
    @pytest.mark.parametrize("source", [pytest.param(source, id=source.name) for source in SOURCES])
    @pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
    def test_a_library_imported_on_the_guest(
        self, source: Source, guest: Guest, library: Callable[[Source], ModuleType]
    ) -> None:
        """It reads the guest in every style, containers included, and after it the real clock."""
        if not source.here:
            pytest.skip("this system does not have it")
        with self.running(guest):
            module = library(source)
            expected = source.expected(guest)
            assert [style for style, read in module.STYLES.items() if not _is(read(), expected)] == []
        expected = source.expected(guest)
        assert [style for style, read in module.STYLES.items() if _is(read(), expected)] == []
        assert module.named() is (library(source) if source.module != "Moment" else module).named()

    def test_the_object_follows_verbs_and_sleeps(self, guest: Guest) -> None:
        """``guest.clock`` is the guest under every backend, and before and after it too."""
        clock = guest.clock
        for running in (False, True, False):
            with self.running(guest) if running else nullcontext():
                before_ns = clock.monotonic_ns()
                clock.sleep(0.5)
                clock.sleep(3600)
                assert clock.monotonic_ns() - before_ns == 3600 * NS_PER_S + NS_PER_S // 2
                guest.step("-2 h")
                assert (clock.time_ns(), clock.time()) == (guest.wall_ns, guest.wall_ns / NS_PER_S)
                assert clock.now(datetime.UTC) == _instant(guest)

    @pytest.mark.usefixtures("patching")
    @pytest.mark.parametrize(
        "instant",
        ["2031-03-04T23:59:59.999999999Z", "1969-12-31T23:59:59.000000001Z", "1601-01-01T00:00:00.5Z",
         "2106-02-07T06:28:16Z"],
    )  # fmt: skip
    def test_every_nanosecond_is_exact(self, instant: str) -> None:
        """No float decides: nothing is rounded up to the next second or day, before 1970 or far from now."""
        guest = Host(start=instant).guest(timesync="off")
        with self.running(guest):
            assert time.time_ns() == guest.wall_ns
            assert datetime.datetime.now(datetime.UTC) == _instant(guest)
            assert time.gmtime() == time.gmtime(guest.wall_ns // NS_PER_S)
            local = _instant(guest).astimezone()
            assert datetime.datetime.now() == datetime.datetime.today() == local.replace(tzinfo=None)
            assert datetime.date.today() == local.date()

    @pytest.mark.usefixtures("patching")
    @pytest.mark.skipif(not hasattr(time, "tzset"), reason="a process here has one time zone for ever")
    @pytest.mark.parametrize("start", ["2031-01-15T12:00:00Z", "2031-07-15T12:00:00Z", "2031-10-26T01:30:00Z"])
    def test_local_time_is_that_of_the_zone(self, start: str) -> None:
        """Daylight saving time is right, and so is the hour that comes twice."""
        guest = Host(start=start).guest(timesync="off")
        local = _instant(guest).astimezone(ZoneInfo("Europe/Berlin"))
        with self.running(guest, zone="Europe/Berlin"):
            now, parts = datetime.datetime.now(), time.localtime()
            assert (now, now.fold) == (local.replace(tzinfo=None), local.fold)
            assert (parts[:6], parts.tm_isdst) == (local.timetuple()[:6], local.timetuple().tm_isdst)
            assert time.strftime("%H:%M %Z") == local.strftime("%H:%M %Z")

    @pytest.mark.usefixtures("patching")
    def test_readings_have_the_real_types(self, guest: Guest) -> None:
        """A datetime is a real one: nothing that looks at types, pickles or subclasses sees a difference."""
        with self.running(guest):
            moment, day = datetime.datetime.now(), datetime.date.today()
            assert (datetime.datetime, datetime.date) == (_datetime, _date)
            assert (type(moment), type(moment.date()), type(day)) == (_datetime, _date, _date)
            assert type(moment - moment) is datetime.timedelta
            assert pickle.loads(pickle.dumps(moment)) == moment  # noqa: S301  (our own)
            assert b"freeze" not in pickle.dumps([moment, day]).lower()
            assert isinstance(moment, datetime.date)
            assert type(time.gmtime()) is time.struct_time

            class Moment(datetime.datetime):
                """A kind of datetime that is defined on the guest."""

            assert (type(Moment.now()), type(Moment.now(datetime.UTC))) == (Moment, Moment)
            assert type(Moment.today()) is Moment
        assert Moment.__mro__[1] is _datetime
        assert abs(Moment.now().timestamp() - time.time()) < 60

    @pytest.mark.usefixtures("patching")
    def test_the_standard_library_follows(self, guest: Guest) -> None:
        """Those of its modules that stamp something with the wall clock stamp it with the guest's."""
        with self.running(guest):
            seconds = guest.wall_ns // NS_PER_S
            assert int(logging.LogRecord("name", 20, "path", 1, "message", (), None).created) == seconds
            assert email.utils.formatdate() == email.utils.formatdate(seconds)
            ticks = uuid.uuid1().time - 0x01B21DD213814000
            assert 0 <= ticks - guest.wall_ns // 100 < 10_000

    @pytest.mark.usefixtures("patching")
    @pytest.mark.parametrize("depth", [0, 1, 2, 3, 5, 20])
    def test_threads_see_the_guest_at_any_depth(self, guest: Guest, depth: int) -> None:
        """Neither a thread nor how deep it is in calls makes a difference."""
        found: list[object] = []

        def read(deeper: int) -> None:
            if deeper:
                read(deeper - 1)
            else:
                found.append((time.time_ns(), time.time(), datetime.datetime.now(datetime.UTC)))

        with self.running(guest):
            threads = [threading.Thread(target=read, args=(depth,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert found == [(guest.wall_ns, guest.wall_ns / NS_PER_S, _instant(guest))] * 4

    # ------------------------------------------------------------------------------------------- what is left alone

    def test_nothing_is_left_behind(self, guest: Guest, engine: Backend) -> None:
        """Every name is the same object again; a backend that patches nothing has not touched one."""
        before = _surroundings()
        with self.running(guest):
            assert (_surroundings() != before) is engine.patches
        assert _surroundings() == before

    def test_an_exception_leaves_the_guest(self, guest: Guest) -> None:
        """The real clock is back, and the exception is the one that was raised."""
        before = _surroundings()
        with pytest.raises(ZeroDivisionError), self.running(guest):
            raise ZeroDivisionError
        assert _surroundings() == before

    @pytest.mark.usefixtures("patching")
    def test_suspended_is_real(self, guest: Guest, library: Callable[[Source], ModuleType]) -> None:
        """Between the phases of a test the clocks are real, any number of times, also for code that came meanwhile."""
        running = self.running(guest)
        with running:
            for _ in range(3):
                assert time.time_ns() == guest.wall_ns
                running.suspend()
                assert abs(time.time_ns() - guest.wall_ns) > NS_PER_S
                module = library(SOURCES[0])
                running.resume()
                assert {module.STYLES[style]() for style in ("attribute", "name", "default")} == {
                    guest.wall_ns / NS_PER_S
                }

    @pytest.mark.usefixtures("patching")
    @pytest.mark.parametrize("early", [True, False], ids=["imported before", "imported on the guest"])
    def test_the_harness_stays_real(self, guest: Guest, monkeypatch: pytest.MonkeyPatch, *, early: bool) -> None:
        """A module of pytest's, or of a plugin that measures, reads the real functions of ``time`` all the while."""
        harness = ModuleType("pytest_timeout.conforming")
        names = ("time", "time_ns", "monotonic", "perf_counter")

        def arrive() -> None:
            exec(f"import time as clock\nfrom time import {', '.join(names)}", vars(harness))  # noqa: S102  (as an import)
            monkeypatch.setitem(sys.modules, harness.__name__, harness)

        if early:
            arrive()
        real = {name: getattr(time, name) for name in names}
        running = self.running(guest)
        with running:
            if not early:
                arrive()
                running._arrived(harness)
            guest.advance("3650 d")
            read = {name: (getattr(harness, name)(), getattr(vars(harness)["clock"], name)()) for name in names}
        for name, readings in read.items():
            unit = NS_PER_S if name.endswith("_ns") else 1
            assert all(abs(real[name]() - reading) < 60 * unit for reading in readings), name
        assert [name for name in names if vars(harness)[name] is not real[name]] == []

    @pytest.mark.usefixtures("patching")
    def test_the_memory_of_the_uuid_module_is_kept(self, guest: Guest) -> None:
        """A clock that is stepped back does not make ``uuid1`` forget what it has handed out, as in a real guest."""
        before = {name: value for name, value in vars(uuid).items() if name.startswith("_last")}
        with self.running(guest):
            first = uuid.uuid1().time
            guest.step("-1 d")
            assert uuid.uuid1().time > first
        assert {name: value for name, value in vars(uuid).items() if name.startswith("_last")} == before

    # ------------------------------------------------------------------------------------------------ how it is run

    @pytest.mark.usefixtures("patching")
    def test_each_reading_is_announced(self, guest: Guest) -> None:
        """Somebody who asks for it is told of every reading just before it is taken, and can move the clock there."""
        heard: list[str] = []

        def strike(clock: str) -> None:
            heard.append(clock)
            guest.step("1 h")

        running = self.running(guest)
        with running:
            before_ns = guest.wall_ns
            running.tap(strike)
            assert time.time_ns() == before_ns + 3600 * NS_PER_S
            running.tap(None)
            assert time.time_ns() == before_ns + 3600 * NS_PER_S
        assert heard == ["wall"]

    def test_the_object_is_announced_too(self, guest: Guest) -> None:
        """A reading through ``guest.clock`` is a reading."""
        heard: list[str] = []
        running = self.running(guest)
        with running:
            running.tap(heard.append)
            guest.clock.time()
            guest.clock.monotonic()
            running.tap(None)
            guest.clock.time()
        assert heard == ["wall", "monotonic"]

    def test_live_pace(self, guest: Guest, engine: Backend) -> None:
        """The guest's clocks go on by themselves, by as much as the real monotonic clock."""
        real_ns = [time.perf_counter_ns]
        with self.running(guest, pace="live"):
            began_ns = real_ns[0]()
            read = time.time_ns if engine.patches else guest.clock.time_ns
            read_ns = read()
            guest.clock.sleep(0.05)
            gone_ns = read() - read_ns
            assert NS_PER_S // 25 < gone_ns < 2 * (real_ns[0]() - began_ns)

    def test_two_guests_one_after_the_other(self, guest: Guest, engine: Backend) -> None:
        """Each run shows its own guest."""
        other = Host(start="2040-01-01T00:00:00Z").guest(timesync="off")
        for shown in (guest, other, guest):
            with self.running(shown):
                assert shown.clock.time_ns() == shown.wall_ns
                assert not engine.patches or time.time_ns() == shown.wall_ns


def library_of(source: Source) -> str:
    """Write a library that refers to a source in every style."""
    module, _, rest = source.function.partition(".")
    imported = f"from {module} import {rest.partition('.')[0]} as named_{module}"
    name = f"named_{module}{''.join(rest.partition('.')[1:])}"
    if module == "Moment":
        imported, name = "named_Moment = Moment", f"named_Moment.{rest}"
    partial = f"functools.partial({', '.join(filter(None, (source.function, source.arguments)))})"
    return LIBRARY.format(
        function=source.function,
        arguments=source.arguments,
        imported=imported,
        named=f"named_{module}",
        name=name,
        partial=partial,
        factory=partial if source.arguments else source.function,
    )


def _on_clock(source: Source, guest: Guest) -> Callable[[], Any]:
    """Return what reads a source on ``guest.clock``."""
    if source.on_clock is None:
        return lambda: None
    arguments = eval(f"[{source.arguments}]", {"datetime": datetime})  # noqa: S307  (a row of our own table)
    read = getattr(guest.clock, source.on_clock)
    return lambda: read(*arguments)


def _is(reading: Any, expected: Any) -> bool:
    """Whether a reading, or each of several, is the expected one."""
    readings = cast("list[object]", reading) if isinstance(reading, list) else [reading]
    return all(one == expected for one in readings)


def _instant(guest: Guest) -> datetime.datetime:
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(
        microseconds=guest.wall_ns // NS_PER_US
    )


def _surroundings() -> dict[str, Any]:
    """Return every name that an engine might change, and the object behind it."""
    return {
        f"{place}.{name}": id(value)
        for place, namespace in (
            ("time", vars(time)),
            ("datetime", vars(datetime)),
            ("datetime.datetime", vars(_datetime)),
            ("datetime.date", vars(_date)),
            ("uuid", vars(uuid)),
            ("threading", vars(threading)),
            ("threading.Thread", vars(threading.Thread)),
            ("threading.Condition", vars(threading.Condition)),
            ("pickle", copyreg.dispatch_table),
        )
        for name, value in namespace.items()
    }
