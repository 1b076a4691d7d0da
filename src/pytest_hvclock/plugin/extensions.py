"""What conftests and other plugins add to the kit: taken when they come, and retracted at the end of the run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from pytest_hvclock.disciplines import DISCIPLINES
from pytest_hvclock.scenarios import SCENARIOS

_retractions: list[Callable[[], None]] = []


def extend(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Add the scenarios, disciplines and backends that a plugin has.

    Raises:
        pytest.UsageError: for a name that is taken.
    """
    others = [other for other in manager.get_plugins() if other is not plugin]
    for scenarios in manager.subset_hook_caller("pytest_hvclock_scenarios", others)():
        for scenario in scenarios:
            _add(SCENARIOS, "scenario", scenario.name, scenario, plugin)
    for disciplines in manager.subset_hook_caller("pytest_hvclock_disciplines", others)():
        for name, make in disciplines.items():
            _add(DISCIPLINES, "timesync", name, make, plugin)
    if hasattr(plugin, "pytest_hvclock_backends"):
        from pytest_hvclock.running import BACKENDS

        for backends in manager.subset_hook_caller("pytest_hvclock_backends", others)():
            for name, make in backends.items():
                _add(BACKENDS, "backend", name, make, plugin)


def retract() -> None:
    """Take away everything that was added."""
    while _retractions:
        _retractions.pop()()


def _add(registry: dict[str, Any], kind: str, name: str, value: Any, plugin: object) -> None:
    if name in registry:
        owner = getattr(plugin, "__name__", plugin)
        raise pytest.UsageError(f"{owner}: there is a {kind} called {name!r} already: choose another name")
    registry[name] = value
    _retractions.append(partial(registry.pop, name, None))
