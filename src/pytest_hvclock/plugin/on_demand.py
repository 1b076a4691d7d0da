"""What the door leaves to be done when it is needed: see to the tests on guests, and register what a run needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pytest_hvclock.plugin.declared import HVCLOCK, RECOVERS, SETTINGS, is_marked
from pytest_hvclock.plugin.settings import read_settings, settings_of

PHASES, TELLER, EXPLORING = "hvclock-phases", "hvclock-teller", "hvclock-exploring"
REPORTER, ADDER, LEFTOVERS = "hvclock-reporter", "hvclock-adder", "hvclock-leftovers"
COVERING = "hvclock-covering"


def heed(config: pytest.Config) -> None:
    """Read the options and ini keys, and register what does what they ask for.

    Raises:
        pytest.UsageError: one line that says which is wrong, and what to write.
    """
    settings = config.stash[SETTINGS] = read_settings(config)
    option, plugins = config.option, config.pluginmanager
    if option.hvclock_cover or config.getini("hvclock_cover"):
        from pytest_hvclock.plugin.covering import Covering

        plugins.register(Covering(config), COVERING)
    if settings.report is not None and not hasattr(config, "workerinput"):
        from pytest_hvclock.plugin.reporter import Reporter

        plugins.register(Reporter(settings.report, plugins.get_plugin(COVERING)), REPORTER)
    if option.hvclock_explore or option.hvclock_replay is not None or config.getini("hvclock_explore"):
        from pytest_hvclock.plugin.exploring import use_exploring

        use_exploring(config, EXPLORING)


def multiply(metafunc: pytest.Metafunc) -> None:
    """Make a test for each of several scenarios."""
    from pytest_hvclock.plugin.markers import scenarios_of

    names = scenarios_of(metafunc.definition)
    if len(names) > 1:
        if HVCLOCK not in metafunc.fixturenames:
            metafunc.fixturenames.insert(0, HVCLOCK)
        metafunc.parametrize(HVCLOCK, list(names), ids=_ids(names), indirect=True)


def put_on_guests(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the guest first wherever it is wanted."""
    everywhere = settings_of(config).scenario is not None or config.pluginmanager.has_plugin(EXPLORING)
    used = chosen = False
    for item in items:
        names = getattr(item, "fixturenames", None)
        if names is None or not (everywhere or HVCLOCK in names or is_marked(item)):
            continue
        used = True
        recovers = item.get_closest_marker(RECOVERS)
        chosen = chosen or any("backend" in marker.kwargs for marker in item.iter_markers(HVCLOCK))
        if HVCLOCK in names:
            names.remove(HVCLOCK)
        names.insert(_first_of_its_own(item, names), HVCLOCK)
        probe = _probe_of(recovers) if recovers is not None else None
        if isinstance(probe, str) and probe not in names:
            names.append(probe)
    if used:
        use_phases(config)
        if not chosen and not hasattr(config, "workerinput"):  # a worker of xdist would only crash
            from pytest_hvclock.plugin.phases import refuse_backend

            refuse_backend(config)


def use_phases(config: pytest.Config) -> None:
    """Register what keeps the harness on real time, once a test needs it."""
    if not config.pluginmanager.has_plugin(PHASES):
        from pytest_hvclock.plugin.phases import Phases

        config.pluginmanager.register(Phases(config), PHASES)
        if config.hook.pytest_hvclock_report_sections.get_hookimpls():
            from pytest_hvclock.plugin.reporter import Adder

            config.pluginmanager.register(Adder(config), ADDER)
        use_teller(config)


def use_leftovers(config: pytest.Config) -> None:
    """Register what sees that no test leaves a guest running, once there can be one; what runs by then is nobody's."""
    from pytest_hvclock.plugin.leftovers import Leftovers
    from pytest_hvclock.running import active

    config.pluginmanager.register(Leftovers(active()), LEFTOVERS)


def see_to_leftovers(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """When the first test is over that may have left a guest running, register what sees to that, from this test on.

    A guest that runs by then is the test's, unless a wider fixture may have entered it.
    """
    if not item.config.pluginmanager.has_plugin(LEFTOVERS):
        from pytest_hvclock.plugin.leftovers import Leftovers, has_wider_fixture
        from pytest_hvclock.running import active

        leftovers = Leftovers(active() if has_wider_fixture(item) else None)
        item.config.pluginmanager.register(leftovers, LEFTOVERS)
        leftovers.pytest_runtest_teardown(item, nextitem)


def use_teller(config: pytest.Config) -> None:
    """Register what tells the story at the end."""
    if not config.pluginmanager.has_plugin(TELLER):
        from pytest_hvclock.plugin.teller import Teller

        config.pluginmanager.register(Teller(), TELLER)


def _first_of_its_own(item: pytest.Item, names: list[str]) -> int:
    """Return where a test's own fixtures begin: those of higher scopes are made, and unmade, in real time."""
    known: dict[str, Sequence[pytest.FixtureDef[Any]]] = getattr(
        getattr(item, "_fixtureinfo", None), "name2fixturedefs", {}
    )
    scopes = (known[name][-1].scope if name in known else "function" for name in names)
    return next((place for place, scope in enumerate(scopes) if scope == "function"), len(names))


def _ids(names: tuple[object, ...]) -> list[str]:
    """Return the scenarios' names as ids, each once, so that a repeated one is refused where it can be explained."""
    seen: dict[object, int] = {}
    ids: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        ids.append(str(name) if seen[name] == 1 else f"{name}-{seen[name]}")
    return ids


def _probe_of(marker: pytest.Mark) -> object:
    """Return what a ``hvclock_recovers`` marker has for its probe, unchecked."""
    return marker.args[0] if marker.args else marker.kwargs.get("probe")
