"""The wall clock without any C code: for PyPy, and wherever time-machine cannot be installed.

freezegun's own fakes read microseconds by way of floats, look at five frames at every reading to tell who stays real,
return datetimes of a class of their own, and know the names in modules only. So the kit has its own functions, exact
to the nanosecond, and they go into every reference that can be found. ``now``, ``utcnow`` and ``today`` are put into
the real classes themselves: every subclass and every kept class follows, and a reading is a real ``datetime``.

What freezegun is taken for: it knows the real functions, whatever has been frozen before; and it is told of the guest,
so that whoever asks it, or has kept one of its fakes from an earlier freeze, reads the guest too. Its walk through all
modules is not: it takes 10 ms in a large process, and asks lazy modules for attributes that they then import.
"""

from __future__ import annotations

import datetime as dt
import gc
import sys
import time
import uuid
import warnings
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from importlib.metadata import version
from itertools import islice
from time import struct_time
from types import BuiltinMethodType, MethodType, ModuleType
from typing import Any

from pytest_hvclock.errors import BackendError, ConflictError
from pytest_hvclock.running.counters import stays_real
from pytest_hvclock.running.reader import Reader
from pytest_hvclock.running.references import Function, PutBack, References, put_in_class
from pytest_hvclock.running.sources import CONTAINER, SOURCES
from pytest_hvclock.units import NS_PER_S, NS_PER_US

SUPPORTED = "1.5.0 to 1.5.5"

try:
    from freezegun import api
except ImportError:
    raise BackendError(
        'the backend "freezegun" needs the package freezegun: pip install "pytest-hvclock[freezegun]"'
    ) from None
except Exception as broken:
    raise BackendError(
        f"freezegun {version('freezegun')} cannot be imported on this Python ({broken}): "
        f"install a version from {SUPPORTED}"
    ) from broken

_NAMES = ("time", "time_ns", "gmtime", "localtime", "strftime")
_STACKS = ("freeze_factories", "ignore_lists", "tick_flags", "tz_offsets")
"""What freezegun keeps for each freeze, one list each: the guest's entry is as good as one of its own."""
_UUID = ("_generate_time_safe", "_UuidCreate", "_last_timestamp", "_last_timestamp_v7", "_last_counter_v7")
_PROBE_NS = 1_234_567_890_123_456_789
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  (what freezegun's factories return is naive)


class _Probe:
    """A reader that shows one instant, to see whether it arrives."""

    true = wall = monotonic = raw = boottime = _PROBE_NS

    def wall_ns(self) -> int:
        return self.wall

    def refresh(self) -> None:
        return


class WallFunctions:
    """The functions of ``time`` that read the wall clock: the guest's while a reader is there, and else the real one.

    So a reference that was taken on a guest is right after it too.
    """

    def __init__(self, real: dict[str, Function]) -> None:
        """Read the real clock by ``real`` until there is a reader."""
        self.reader: Reader | None = None
        self.real = real
        self.named: dict[str, Function] = {name: getattr(self, name) for name in real}

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        """Go to other processes as the ``time`` module: a function of ours arrives there as the real one."""
        return import_module, ("time",)

    def __deepcopy__(self, memo: dict[int, Any]) -> WallFunctions:
        """Stay the only one: a deep copy of a function is the function, as it is of a built-in."""
        return self

    def time(self) -> float:
        """Read the wall clock, in seconds since 1970."""
        reader = self.reader
        return reader.wall / NS_PER_S if reader is not None else self.real["time"]()

    def time_ns(self) -> int:
        """Read the wall clock, in nanoseconds since 1970."""
        reader = self.reader
        return reader.wall if reader is not None else self.real["time_ns"]()

    def gmtime(self, seconds: float | None = None, /) -> struct_time:
        """Convert the wall clock, or the time given, to UTC."""
        found: struct_time = self.real["gmtime"](self._whole_seconds() if seconds is None else seconds)
        return found

    def localtime(self, seconds: float | None = None, /) -> struct_time:
        """Convert the wall clock, or the time given, to local time."""
        found: struct_time = self.real["localtime"](self._whole_seconds() if seconds is None else seconds)
        return found

    def strftime(self, format: str, *when: Any) -> str:
        """Write the wall clock in local time, or the time given."""
        return str(self.real["strftime"](format, *(when or (self.localtime(),))))

    def _whole_seconds(self) -> int | None:
        reader = self.reader
        return reader.wall // NS_PER_S if reader is not None else None


_functions = WallFunctions({name: getattr(api, f"real_{name}", getattr(time, name)) for name in _NAMES})


def now(cls: type[dt.datetime], tz: dt.tzinfo | None = None) -> dt.datetime:
    """Return the wall clock as local time, or in a zone."""
    reader = _functions.reader
    if reader is None:
        return _real_method(cls, "now")(tz)  # type: ignore[no-any-return]
    seconds, rest_ns = divmod(reader.wall, NS_PER_S)
    return cls.fromtimestamp(seconds, tz).replace(microsecond=rest_ns // NS_PER_US)


def utcnow(cls: type[dt.datetime]) -> dt.datetime:
    """Return the wall clock as naive UTC."""
    reader = _functions.reader
    if reader is None:
        return _real_method(cls, "utcnow")()  # type: ignore[no-any-return]
    if sys.version_info >= (3, 12):
        warnings.warn(
            "datetime.datetime.utcnow() is deprecated and scheduled for removal in a future version. Use "
            "timezone-aware objects to represent datetimes in UTC: datetime.datetime.now(datetime.UTC).",
            DeprecationWarning,
            stacklevel=2,
        )
    seconds, rest_ns = divmod(reader.wall, NS_PER_S)
    return cls.fromtimestamp(seconds, dt.UTC).replace(microsecond=rest_ns // NS_PER_US, tzinfo=None)


def today(cls: type[dt.date]) -> dt.date:
    """Return the wall clock's local date; with its time, if asked of ``datetime``."""
    reader = _functions.reader
    if reader is None:
        return _real_method(cls, "today")()  # type: ignore[no-any-return]
    seconds, rest_ns = divmod(reader.wall, NS_PER_S)
    found = cls.fromtimestamp(seconds)
    return found.replace(microsecond=rest_ns // NS_PER_US) if isinstance(found, dt.datetime) else found


_datetime, _date = getattr(api, "real_datetime", dt.datetime), getattr(api, "real_date", dt.date)
_METHODS: tuple[tuple[type, str, Function], ...] = (
    (_datetime, "now", now),
    (_datetime, "utcnow", utcnow),
    (_date, "today", today),
)
_real_methods: dict[str, Any] = {name: vars(kind)[name] for kind, name, _ in _METHODS}
_ours: dict[str, Function] = {name: function for _, name, function in _METHODS}


def _real_method(cls: type, name: str) -> Any:
    return _real_methods[name].__get__(None, cls)


class _Kept:
    """The references to the functions of ``time``, and to ``datetime.now`` and its kind, that programs keep.

    Each ``datetime.now`` makes an object of its own, which refers to the class: the garbage collector knows them.
    """

    def __init__(self) -> None:
        """Know of nothing yet."""
        self._functions = References(_functions.real.values())
        self._methods = References(())
        self._known: dict[int, weakref.ref[Any]] = {}
        self._modules = 0

    def replace(self, *, again: bool) -> list[PutBack]:
        """Let every reference be to ours; returns what puts each one back.

        Args:
            again: whether the same guest goes on, so that new ``datetime.now`` come from new modules alone.
        """
        fakes: dict[int, Function] = {id(real): _functions.named[name] for name, real in _functions.real.items()}
        undo = self._functions.replace(lambda owner, found: None if stays_real(owner) else fakes[id(found)])
        if not again or self._modules != len(sys.modules):
            self._modules = len(sys.modules)
            methods = _kept_methods()
            if any(self._known.get(id(method), _nobody)() is not method for method in methods):
                self._methods = References(methods, forget=True)
                self._known = {id(method): weakref.ref(method) for method in methods}
        undo += self._methods.replace(
            lambda owner, found: None if stays_real(owner) else MethodType(_ours[found.__name__], found.__self__)  # type: ignore[attr-defined]
        )
        if not hasattr(sys, "getrefcount"):
            undo += _replace_in_modules(fakes)
        return undo


def _nobody() -> None:
    return None


_kept = _Kept()


class Freezegun:
    """One use of freezegun, from install to remove."""

    name = "freezegun"
    patches = True
    misses: Mapping[str, Collection[str]] = {source.name: (CONTAINER,) for source in SOURCES if source.by_engine}

    def __init__(self) -> None:
        """Do nothing yet: freezegun is looked at when it is installed."""
        self._undo = ExitStack()
        self._installed_before = False

    def install(self, reader: Reader) -> None:
        """Put our functions in place, and tell freezegun; see ``Backend``."""
        with ExitStack() as undo:
            undo.callback(setattr, _functions, "reader", None)
            _functions.reader = _Probe()
            self._tell_freezegun(undo)
            self._disarm_uuid(undo)
            modules = len(sys.modules)
            undo.callback(lambda: _release_latecomers(modules))
            self._put_methods(undo)
            for put_back in _kept.replace(again=self._installed_before):
                undo.callback(put_back)
            self._probe()
            _functions.reader = reader
            self._installed_before = True
            self._undo = undo.pop_all()

    def redirect(self, reader: Reader) -> None:
        """Read another reader; see ``Backend``."""
        _functions.reader = reader

    def remove(self) -> None:
        """Put everything back, and end any freeze that lies on top; see ``Backend``."""
        undo, self._undo = self._undo, ExitStack()
        undo.close()
        for name, ours in _functions.named.items():  # monkeypatch gives back what it found in the middle of a test
            if vars(time).get(name) is ours:
                setattr(time, name, _functions.real[name])

    def real_time_functions(self) -> dict[str, Callable[..., object]]:
        """Return the real functions, which freezegun knows; see ``Backend``."""
        return dict(_functions.real)

    def _tell_freezegun(self, undo: ExitStack) -> None:
        """Let freezegun know the guest as its latest freeze."""
        missing = [name for name in _STACKS if not isinstance(getattr(api, name, None), list)]
        if missing:
            raise _unsupported(f"it has no {missing[0]}")

        def factory() -> dt.datetime:
            shown = _functions.reader
            wall_ns = shown.wall if shown is not None else _functions.real["time_ns"]()
            return _EPOCH + dt.timedelta(microseconds=wall_ns // NS_PER_US)

        before = {name: len(getattr(api, name)) for name in _STACKS}
        entries = (factory, (), False, dt.timedelta(0))  # ignored are none: who stays real is told apart by references

        def forget() -> None:
            strangers = len(api.freeze_factories) - before["freeze_factories"] - 1
            for name in _STACKS:
                del getattr(api, name)[before[name] :]
            if strangers > 0:
                raise ConflictError("freezegun was left frozen inside a guest: a test uses one of the two, not both")

        undo.callback(forget)
        for name, entry in zip(_STACKS, entries, strict=True):
            getattr(api, name).append(entry)

    def _disarm_uuid(self, undo: ExitStack) -> None:
        """Let ``uuid1`` ask ``time.time_ns``; what the module remembers stays as it is, on the guest and after it."""
        for name in _UUID:
            if hasattr(uuid, name):
                undo.callback(setattr, uuid, name, getattr(uuid, name))
        for name in _UUID[:2]:
            if hasattr(uuid, name):
                setattr(uuid, name, None)

    def _put_methods(self, undo: ExitStack) -> None:
        """Put ours into the classes ``datetime`` and ``date``."""
        for kind, name, ours in _METHODS:
            undo.callback(put_in_class, kind, name, vars(kind)[name])
            put_in_class(kind, name, classmethod(ours))

    def _probe(self) -> None:
        """See whether one instant arrives everywhere.

        Raises:
            BackendError: if it does not.
        """
        expected = _EPOCH + dt.timedelta(microseconds=_PROBE_NS // NS_PER_US)
        if time.time_ns() != _PROBE_NS or dt.datetime.now(dt.UTC).replace(tzinfo=None) != expected:
            raise BackendError("this interpreter does not let its time functions be replaced without C code")
        if api.get_current_time() != expected:
            raise _unsupported("it does not ask the latest of its freeze_factories")


def _unsupported(why: str) -> BackendError:
    return BackendError(
        f"freezegun {version('freezegun')} does not let a guest be its clock ({why}): "
        f"install a version from {SUPPORTED}"
    )


def _kept_methods() -> list[Any]:
    """Return every ``datetime.now``, ``utcnow`` and ``today`` that somebody has kept."""
    kinds = list(_family(_date))
    return [
        method
        for method in gc.get_referrers(*kinds)
        if type(method) is BuiltinMethodType and method.__name__ in _ours and isinstance(method.__self__, type)
    ]


def _family(kind: type) -> Iterator[type]:
    yield kind
    child: type
    for child in type.__subclasses__(kind):
        yield from _family(child)


def _replace_in_modules(fakes: dict[int, Function]) -> list[PutBack]:
    """Put ours in place of the names in modules; returns what puts each one back."""
    undo: list[PutBack] = []
    for name, module in list(sys.modules.items()):
        if not isinstance(module, ModuleType) or stays_real(name):
            continue
        for attribute, real in list(vars(module).items()):  # no getattr, which makes lazy modules import others
            if id(real) in fakes:
                setattr(module, attribute, fakes[id(real)])
                undo.append(partial(setattr, module, attribute, real))
    return undo


def _release_latecomers(modules: int) -> None:
    """Give modules that were imported on the guest the real functions in place of ours."""
    real = {id(fake): _functions.real[name] for name, fake in _functions.named.items()}
    late = len(sys.modules) - modules
    for module in list(islice(reversed(sys.modules.values()), max(late, 0))):
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if id(value) in real:
                setattr(module, attribute, real[id(value)])
