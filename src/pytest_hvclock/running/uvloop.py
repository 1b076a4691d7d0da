"""uvloop, whose timers are C code that reads the real clock: refused by name in stepped pace."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, cast

from pytest_hvclock.errors import ConflictError


def refuse() -> Callable[[], None]:
    """Let uvloop make no event loop from now on, and run none, if it is loaded; returns what allows it again."""
    module = sys.modules.get("uvloop")
    kind: Any = getattr(module, "Loop", None)
    if kind is None:
        return lambda: None
    names = ("__init__", "run_forever", "run_until_complete")
    attributes = cast("Mapping[str, Any]", vars(kind))
    before = {name: attributes.get(name) for name in names}
    for name in names:
        setattr(kind, name, _refusal)

    def allow() -> None:
        for name, function in before.items():
            if function is None:
                delattr(kind, name)
            else:
                setattr(kind, name, function)

    return allow


def _refusal(*_: object, **__: object) -> None:
    raise ConflictError(
        "uvloop cannot run on a guest in stepped pace: its timers read the real clock. Use asyncio's own event loop in "
        'this test, or let it run with pace="live"'
    )
