"""pytest-hvclock: put any Python test on a simulated Hyper-V guest, and strike its clocks.

Names are resolved on first use, so that a pytest run that never needs the kit does not pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_hvclock.errors import BackendError as BackendError
    from pytest_hvclock.errors import ClaimError as ClaimError
    from pytest_hvclock.errors import ConflictError as ConflictError
    from pytest_hvclock.errors import HvclockError as HvclockError
    from pytest_hvclock.errors import HvclockWarning as HvclockWarning
    from pytest_hvclock.errors import RecoveryError as RecoveryError
    from pytest_hvclock.errors import StateError as StateError
    from pytest_hvclock.errors import StuckError as StuckError
    from pytest_hvclock.model.guest import Guest as Guest
    from pytest_hvclock.model.host import Host as Host
    from pytest_hvclock.recovery import Recovery as Recovery
    from pytest_hvclock.recovery import recovers as recovers
    from pytest_hvclock.recovery import recovers_async as recovers_async

__version__ = "0.1.0"

_HOMES = {
    "BackendError": "errors",
    "ClaimError": "errors",
    "ConflictError": "errors",
    "Guest": "model.guest",
    "Host": "model.host",
    "HvclockError": "errors",
    "HvclockWarning": "errors",
    "Recovery": "recovery",
    "RecoveryError": "errors",
    "StateError": "errors",
    "StuckError": "errors",
    "recovers": "recovery",
    "recovers_async": "recovery",
}
__all__ = [
    "BackendError",
    "ClaimError",
    "ConflictError",
    "Guest",
    "Host",
    "HvclockError",
    "HvclockWarning",
    "Recovery",
    "RecoveryError",
    "StateError",
    "StuckError",
    "__version__",
    "recovers",
    "recovers_async",
]


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives, the first time that somebody asks for it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names that have been asked for.

    freezegun asks every module for all that ``dir`` lists, while functions of its own stand in for those of ``time``:
    what is imported at that moment would take them for real.
    """
    return sorted(name for name in __all__ if name in globals())
