"""What conftests and other plugins add to the kit: taken when they come, and retracted at the end of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import pytest

from pytest_hvclock.disciplines import DISCIPLINES
from pytest_hvclock.scenarios import SCENARIOS, Scenario

_retractions: list[Callable[[], None]] = []


def extend(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Add the scenarios, disciplines and backends that a plugin has.

    Raises:
        pytest.UsageError: for a name that is taken, and for what is no such thing.
    """
    others = [other for other in manager.get_plugins() if other is not plugin]
    for scenarios in manager.subset_hook_caller("pytest_hvclock_scenarios", others)():
        for scenario in cast("Sequence[object]", scenarios) if isinstance(scenarios, Sequence) else [scenarios]:
            if not isinstance(scenario, Scenario):
                raise _wrong(plugin, "pytest_hvclock_scenarios", scenario, "a sequence of Scenario")
            _add(SCENARIOS, "scenario", scenario.name, scenario, plugin)
    for disciplines in manager.subset_hook_caller("pytest_hvclock_disciplines", others)():
        for name, make in _makers(plugin, "pytest_hvclock_disciplines", disciplines):
            _add(DISCIPLINES, "timesync", name, make, plugin)
    if hasattr(plugin, "pytest_hvclock_backends"):
        from pytest_hvclock.running import BACKENDS

        for backends in manager.subset_hook_caller("pytest_hvclock_backends", others)():
            for name, make in _makers(plugin, "pytest_hvclock_backends", backends):
                _add(BACKENDS, "backend", name, make, plugin)


def retract() -> None:
    """Take away everything that was added."""
    while _retractions:
        _retractions.pop()()


def _makers(plugin: object, hook: str, made: object) -> list[tuple[str, Any]]:
    """Return what a hook has returned: names, and what makes the thing of each."""
    found = cast("Mapping[str, Any]", made)
    if not isinstance(made, Mapping) or not all(isinstance(name, str) and callable(found[name]) for name in found):
        raise _wrong(plugin, hook, found, "a mapping from names to callables")
    return list(found.items())


def _wrong(plugin: object, hook: str, returned: object, wanted: str) -> pytest.UsageError:
    return pytest.UsageError(f"{_owner(plugin)}: {hook} returned {returned!r}: return {wanted}")


def _owner(plugin: object) -> object:
    return getattr(plugin, "__name__", plugin)


def _add(registry: dict[str, Any], kind: str, name: str, value: Any, plugin: object) -> None:
    if name in registry:
        raise pytest.UsageError(f"{_owner(plugin)}: there is a {kind} called {name!r} already: choose another name")
    registry[name] = value
    _retractions.append(partial(registry.pop, name, None))
