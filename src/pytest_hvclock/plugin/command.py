"""The command that repeats one test as it was, to be pasted into a shell where pytest was started."""

from __future__ import annotations

import os
import shlex

import pytest

from pytest_hvclock.plugin.settings import settings_of
from pytest_hvclock.units import iso


def command(item: pytest.Item, start_ns: int, *more: str) -> str:
    """Return the command for a test whose true time begins at ``start_ns``; ``more`` are further options.

    What the run was given that a test may depend on is given again: the ini file, the root, plugins that were named,
    how doctests are found, and whatever of the kit's own differs from the defaults.
    """
    config = item.config
    option, standing = config.option, config.getini("addopts")
    given = ["-c", option.inifilename] if option.inifilename else []
    given += [f"--rootdir={option.rootdir}"] if option.rootdir else []
    for name in option.plugins:
        if not name.startswith("no:") and name not in standing:
            given += ["-p", name]
    for override in option.override_ini or ():
        if not override.startswith("hvclock"):
            given += ["-o", override]
    if getattr(option, "doctestmodules", False) and "--doctest-modules" not in standing:
        given.append("--doctest-modules")
    given += [f"--doctest-glob={glob}" for glob in getattr(option, "doctestglob", None) or ()]
    settings = settings_of(config).but(start=iso(start_ns))
    _, colons, name = item.nodeid.partition("::")  # of a file outside the root, the node ID has not the path
    test = os.path.relpath(item.path, config.invocation_params.dir) + colons + name
    return " ".join(map(_quoted, ["pytest", *given, test, *settings.options(), *more]))


def _quoted(word: str) -> str:
    """Quote a word for a shell; of an option with a value, the value alone."""
    name, equals, value = word.partition("=")
    return f"{name}={shlex.quote(value)}" if equals and name.startswith("--") else shlex.quote(word)
