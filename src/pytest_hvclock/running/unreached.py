"""Modules with a clock call of their own in C or Rust, which no backend reaches: found where they are used, and named.

Whether such a call is made cannot be seen from Python. What can be seen is that a program has the module: it was
imported while the guest ran, or a module of the program itself refers to it. Who merely has it below (an HTTP client
has ``ssl``, a coverage tool ``sqlite3``) is not named.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType

from pytest_hvclock.running.counters import stays_real

READERS = {
    "apsw": "CURRENT_TIMESTAMP, datetime('now')",
    "cachebox": "when entries expire",
    "duckdb": "now(), current_timestamp",
    "fastuuid": "the time in identifiers",
    "lxml": "EXSLT's date:date-time()",
    "moka_py": "when entries expire",
    "numpy": "datetime64('now'), datetime64('today')",
    "psutil": "when this machine and its processes began",
    "pydantic": "PastDate, FutureDate, PastDatetime, FutureDatetime",
    "sqlite3": "CURRENT_TIMESTAMP, datetime('now')",
    "ssl": "whether a certificate is valid",
    "uuid_utils": "the time in identifiers",
}
"""What each of them reads from the real clock; each was tried."""

_ALIASES = {"_sqlite3": "sqlite3", "_ssl": "ssl"}
_ONLY = {"pydantic": frozenset({"PastDate", "FutureDate", "PastDatetime", "FutureDatetime"})}
"""Modules of which only a few names read a clock."""
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_ELSEWHERE = frozenset({"site-packages", "dist-packages"})
_known: dict[str, tuple[int, dict[str, str]]] = {}


def loaded() -> frozenset[str]:
    """Return which of the readers have been imported in this process."""
    return frozenset(name for name in READERS if name in sys.modules and name not in _ONLY)


def used_by(module: ModuleType) -> dict[str, str]:
    """Return the readers that a module of the program uses, each with the module that refers to it.

    Followed are modules, functions and classes that the program's own modules have at their top. What was found holds
    until another module is imported.
    """
    modules, found = _known.get(module.__name__, (0, {}))
    if modules != len(sys.modules):
        found = _search(module)
        _known[module.__name__] = (len(sys.modules), found)
    return dict(found)


def _search(module: ModuleType) -> dict[str, str]:
    found: dict[str, str] = {}
    seen = {module.__name__}
    todo = [module]
    while todo:
        user = todo.pop()
        for value in list(vars(user).values()):
            home = _home(value)
            reader = _ALIASES.get(home.partition(".")[0], home.partition(".")[0])
            if reader in READERS:
                if reader not in _ONLY or getattr(value, "__name__", "") in _ONLY[reader]:
                    found.setdefault(reader, user.__name__)
            elif home and home not in seen:
                seen.add(home)
                other = sys.modules.get(home)
                if isinstance(other, ModuleType) and _is_the_programs(other):
                    todo.append(other)
    return found


def _home(value: object) -> str:
    """Return the name of the module that something is or comes from; of data, nothing."""
    kind = type(value)
    if issubclass(kind, ModuleType):
        return str(getattr(value, "__name__", ""))
    if issubclass(kind, FunctionType | BuiltinFunctionType | type):
        return str(getattr(value, "__module__", "") or "")
    return ""


def _is_the_programs(module: ModuleType) -> bool:
    """Whether a module belongs to the program itself, and not to Python, an installed library or the harness."""
    path = getattr(module, "__file__", None)
    return (
        isinstance(path, str)
        and not stays_real(module.__name__)
        and not path.startswith(_LIBRARIES)
        and _ELSEWHERE.isdisjoint(Path(path).parts)
    )
