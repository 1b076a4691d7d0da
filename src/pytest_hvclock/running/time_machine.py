"""The wall clock by way of time-machine, which patches CPython's built-ins in place, so that every reference follows.

The seam: the ``Traveller`` that ``travel.start()`` returns is asked for ``time_ns()`` at every read, and an attribute
of the instance wins over the method of the class. It has been there from time-machine 2.16 on; before 3.5.1, though, a
``datetime`` went through a float and was rounded up now and then. Both are probed for at the start, because no
documentation promises them.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pytest_hvclock.errors import BackendError, ConflictError
from pytest_hvclock.running.conflicts import refuse_replaced
from pytest_hvclock.running.reader import Reader
from pytest_hvclock.units import NS_PER_S, NS_PER_US

if "_time_machine" not in sys.modules:
    _names = ("time", "time_ns", "gmtime", "localtime", "strftime", "clock_gettime", "clock_gettime_ns")
    # it writes into what it finds when it is imported, as if that were a built-in
    refuse_replaced(
        *((time, name) for name in _names), (dt.datetime, "now"), (dt.datetime, "utcnow"), (dt.date, "today")
    )
try:
    import time_machine
except ImportError:
    raise BackendError('the backend "time-machine" needs the package time-machine: pip install time-machine') from None

SUPPORTED = "3.5.1 to 3.6"
_PROBE_NS = 1_234_567_890_123_456_789
_UUID_MEMORY = ("_last_timestamp", "_last_timestamp_v7", "_last_counter_v7")


class TimeMachine:
    """One use of time-machine, from install to remove."""

    name = "time-machine"
    patches = True
    misses: Mapping[str, Collection[str]] = {}

    def __init__(self) -> None:
        """Find out nothing yet: the engine is looked at when it is installed."""
        self._travel: Any = None
        self._traveller: Any = None
        self._uuid_memory: dict[str, Any] = {}

    def install(self, reader: Reader) -> None:
        """Start a travel and give it our clock; see ``Backend``."""
        self._uuid_memory = {name: getattr(uuid, name) for name in _UUID_MEMORY if hasattr(uuid, name)}
        self._travel = time_machine.travel(0, tick=False)
        self._traveller = self._travel.start()
        try:
            self._traveller.time_ns = lambda: _PROBE_NS
            shown = (dt.datetime.today(), dt.datetime.now())  # noqa: DTZ002, DTZ005  (each by a function of its own)
            probed = time.time_ns() == _PROBE_NS and all(
                moment.microsecond == _PROBE_NS % NS_PER_S // NS_PER_US for moment in shown
            )
        except AttributeError:
            probed = False
        if not probed:
            self.remove()
            version = getattr(time_machine, "__version__", None) or _installed_version()
            raise BackendError(
                f"time-machine {version} does not let a guest be its clock: install a version from {SUPPORTED}"
            )
        self.redirect(reader)

    def redirect(self, reader: Reader) -> None:
        """Read another reader; see ``Backend``."""
        self._traveller.time_ns = reader.wall_ns

    def remove(self) -> None:
        """Stop the travel, and any that lies on top of it; see ``Backend``."""
        stack = getattr(time_machine, "traveller_stack", None)
        if stack is None:  # an old version, which is refused
            stack = [self._traveller]
        strangers = len(stack) - 1 - stack.index(self._traveller) if self._traveller in stack else 0
        for _ in range(strangers):
            self._travel.stop()
        if self._traveller in stack:
            self._travel.stop()
        self._travel = self._traveller = None
        for name, value in self._uuid_memory.items():
            setattr(uuid, name, value)
        if strangers:
            raise ConflictError("time-machine was left travelling inside a guest: a test uses one of the two, not both")

    def real_time_functions(self) -> dict[str, Callable[..., object]]:
        """Return time-machine's escape hatch; see ``Backend``."""
        hatch = time_machine.escape_hatch.time
        names = ("time", "time_ns", "gmtime", "localtime", "strftime")
        return {name: getattr(hatch, name) for name in names}


def _installed_version() -> str:
    from importlib.metadata import version

    return version("time-machine")
