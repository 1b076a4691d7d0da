"""Other libraries that fake time: refused by name when a guest is to run, and while one does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any

from pytest_hvclock.errors import ConflictError

STARTS = {"time_machine": ("time-machine", "travel"), "freezegun.api": ("freezegun", "_freeze_time")}
"""In which module which library has the class whose ``start`` begins to fake time."""


def refuse_active() -> None:
    """Refuse to run a guest where somebody else is faking time.

    Raises:
        ConflictError: naming the library and what to do.
    """
    if "faketime" in os.environ.get("LD_PRELOAD", "") + os.environ.get("DYLD_INSERT_LIBRARIES", ""):
        raise ConflictError(
            "libfaketime is preloaded into this process, and a guest needs the real clocks below it: "
            "run the tests without LD_PRELOAD"
        )
    for library in active():
        raise ConflictError(
            f"{library} is faking time already: stop it before a guest runs, "
            "or take its marker, fixture or decorator away from this test"
        )


def refuse_replaced(*looked_at: tuple[Any, str]) -> None:
    """See that the built-in functions of these modules and classes are still in their places.

    Raises:
        ConflictError: for one that is not, naming whose stands there.
    """
    refuse_active()
    for owner, name in looked_at:
        found = getattr(owner, name, None)
        if found is not None and not isinstance(found, BuiltinFunctionType):
            whose = getattr(found, "__module__", None) or type(found).__module__
            raise ConflictError(
                f"{owner.__name__}.{name} has been replaced by one of {whose}, and the first guest of a process has to "
                "find Python's own: take it away until a guest has been entered, or enter one for a moment before that"
            )


def active() -> list[str]:
    """Return which libraries are faking time in this process now."""
    time_machine, freezegun = sys.modules.get("time_machine"), sys.modules.get("freezegun.api")
    found: list[str] = []
    if time_machine is not None and getattr(time_machine, "traveller_stack", None):
        found.append("time-machine")
    if freezegun is not None and getattr(freezegun, "freeze_factories", None):
        found.append("freezegun")
    return found


def guard(*modules: str) -> Callable[[], None]:
    """Let these libraries not begin to fake time from now on, those that are loaded; returns what allows it again."""
    undo: list[tuple[Any, Any]] = []
    for module in modules:
        library, name = STARTS[module]
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None:
            undo.append((kind, kind.start))
            kind.start = _refusal(library)

    def allow() -> None:
        while undo:
            kind, start = undo.pop()
            kind.start = start

    return allow


def _refusal(library: str) -> Callable[..., None]:
    def start(*_: object, **__: object) -> None:
        raise ConflictError(
            f"{library} cannot fake time while a guest is running: move the guest's clock with hvclock.step() or "
            "hvclock.advance() instead, or take one of the two away from this test"
        )

    return start
