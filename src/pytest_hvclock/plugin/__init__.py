"""pytest's door to the kit: the hooks that every run has, and the fixture.

Nothing here costs a test that does not use the kit: the wrappers around the phases are registered, and the model is
imported, when the first test that does has been collected.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_hvclock.plugin.settings import SETTINGS, add_options, read_settings
from pytest_hvclock.plugin.vocabulary import (
    HVCLOCK,
    MARKER_LINES,
    RECOVERS,
    is_marked,
    is_marked_itself,
    probe_of,
    scenarios_of,
)

if TYPE_CHECKING:
    from pytest_hvclock.model.guest import Guest
    from pytest_hvclock.plugin.leftovers import Leftovers

PHASES, TELLER, EXPLORING = "hvclock-phases", "hvclock-teller", "hvclock-exploring"
REPORTER, ADDER, LEFTOVERS = "hvclock-reporter", "hvclock-adder", "hvclock-leftovers"
COVERING = "hvclock-covering"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and ini keys."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks by which others add to the kit."""
    from pytest_hvclock.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Take what a plugin or a conftest adds to the kit, as soon as it is there."""
    if any(hasattr(plugin, f"pytest_hvclock_{name}") for name in ("scenarios", "disciplines", "backends")):
        from pytest_hvclock.plugin.extensions import extend

        extend(plugin, manager)


def pytest_unconfigure() -> None:
    """Leave nothing behind of what others have added, for the next run in this process."""
    if "pytest_hvclock.plugin.extensions" in sys.modules:
        from pytest_hvclock.plugin.extensions import retract

        retract()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and refuse wrong options before anything runs."""
    for line in MARKER_LINES:
        config.addinivalue_line("markers", line)
    config.stash[SETTINGS] = read_settings(config)
    if config.option.hvclock_cover or config.getini("hvclock_cover"):
        from pytest_hvclock.plugin.covering import Covering

        config.pluginmanager.register(Covering(config), COVERING)
    directory = config.stash[SETTINGS].report
    if directory is not None and not hasattr(config, "workerinput"):
        from pytest_hvclock.plugin.reporter import Reporter

        config.pluginmanager.register(Reporter(directory, config.pluginmanager.get_plugin(COVERING)), REPORTER)
    option = config.option
    if option.hvclock_explore or option.hvclock_replay is not None or config.getini("hvclock_explore"):
        from pytest_hvclock.plugin.exploring import use_exploring

        use_exploring(config, EXPLORING)


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Print the catalogue, if that is what was asked for."""
    if not config.getoption("hvclock_scenarios"):
        return None
    from pytest_hvclock.scenarios import catalogue

    print(catalogue())  # noqa: T201  (the answer to the command)
    return 0


def pytest_sessionstart(session: pytest.Session) -> None:
    """Listen to what xdist's workers report: this process collects no test, and cannot know what they will use."""
    if session.config.pluginmanager.has_plugin("dsession"):
        use_teller(session.config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Show what differs from the defaults."""
    header = config.stash[SETTINGS].header()
    return f"hvclock: {header}" if header else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each of several scenarios."""
    if not is_marked(metafunc.definition):
        return
    names = scenarios_of(metafunc.definition)
    if len(names) > 1:
        if HVCLOCK not in metafunc.fixturenames:
            metafunc.fixturenames.insert(0, HVCLOCK)
        metafunc.parametrize(HVCLOCK, list(names), ids=_ids(names), indirect=True)


def _first_of_its_own(item: pytest.Item, names: list[str]) -> int:
    """Return where a test's own fixtures begin: those of higher scopes are made, and unmade, in real time."""
    known: dict[str, Sequence[pytest.FixtureDef[Any]]] = getattr(
        getattr(item, "_fixtureinfo", None), "name2fixturedefs", {}
    )
    scopes = (known[name][-1].scope if name in known else "function" for name in names)
    return next((place for place, scope in enumerate(scopes) if scope == "function"), len(names))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the guest first wherever it is wanted, whether by argument, marker or option."""
    everywhere = config.stash[SETTINGS].scenario is not None or config.pluginmanager.has_plugin(EXPLORING)
    used = chosen = below = False
    parent: pytest.Item | pytest.Collector | None = None
    for item in items:
        names = getattr(item, "fixturenames", None)
        if names is None:
            continue
        if item.parent is not parent:  # asked once for all tests below it
            parent, below = item.parent, is_marked(item.parent)
        if everywhere or below or HVCLOCK in names or is_marked_itself(item):
            used = True
            recovers = item.get_closest_marker(RECOVERS)
            chosen = chosen or any("backend" in marker.kwargs for marker in item.iter_markers(HVCLOCK))
            if HVCLOCK in names:
                names.remove(HVCLOCK)
            names.insert(_first_of_its_own(item, names), HVCLOCK)
            probe = probe_of(recovers) if recovers is not None else None
            if isinstance(probe, str) and probe not in names:
                names.append(probe)
    if used:
        use_phases(config)
        if not chosen and not hasattr(config, "workerinput"):  # a worker of xdist would only crash
            from pytest_hvclock.plugin.phases import refuse_backend

            refuse_backend(config)
    if "pytest_hvclock.model.host" in sys.modules:
        use_leftovers(config)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """See to a guest of a test that has imported the kit in its own body, which nobody has expected."""
    if "pytest_hvclock.running" in sys.modules and not item.config.pluginmanager.has_plugin(LEFTOVERS):
        use_leftovers(item.config, item).pytest_runtest_teardown(item, nextitem)


def use_phases(config: pytest.Config) -> None:
    """Register what keeps the harness on real time, once a test needs it."""
    if not config.pluginmanager.has_plugin(PHASES):
        from pytest_hvclock.plugin.phases import Phases

        config.pluginmanager.register(Phases(config), PHASES)
        if config.hook.pytest_hvclock_report_sections.get_hookimpls():
            from pytest_hvclock.plugin.reporter import Adder

            config.pluginmanager.register(Adder(config), ADDER)
        use_teller(config)


def use_leftovers(config: pytest.Config, item: pytest.Item | None = None) -> Leftovers:
    """Register what sees that no test leaves a guest running, once there can be one; returns it.

    What runs by then belongs to no test, unless it is of ``item``, which has no wider fixture that it could be of.
    """
    from pytest_hvclock.plugin.leftovers import Leftovers, has_wider_fixture
    from pytest_hvclock.running import active

    leftovers = Leftovers(active() if item is None or has_wider_fixture(item) else None)
    config.pluginmanager.register(leftovers, LEFTOVERS)
    return leftovers


def use_teller(config: pytest.Config) -> None:
    """Register what tells the story at the end."""
    if not config.pluginmanager.has_plugin(TELLER):
        from pytest_hvclock.plugin.teller import Teller

        config.pluginmanager.register(Teller(), TELLER)


@pytest.fixture
def hvclock(request: pytest.FixtureRequest) -> Iterator[Guest]:
    """The Hyper-V guest whose clocks this test reads.

    ``time``, ``datetime`` and every wait of the code under test follow this guest; ``hvclock.host`` is its host, and
    the way out to true time. It is set up first and torn down last among the fixtures of a test; those of a wider scope
    than a function are made in real time, because other tests use them without this guest.

    With Hypothesis's ``@given``, use ``with guest.running():`` inside the test instead: a fixture is made once for all
    examples. A ``unittest.TestCase`` gets the guest from a method of its own that is marked
    ``@pytest.fixture(autouse=True)`` and takes ``hvclock``; markers on it and on its methods name a single scenario.
    """
    use_phases(request.config)
    from pytest_hvclock.plugin.phases import guest_of

    yield from guest_of(request)


def _ids(names: tuple[object, ...]) -> list[str]:
    """Return the scenarios' names as ids, each once, so that a repeated one is refused where it can be explained."""
    seen: dict[object, int] = {}
    ids: list[str] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        ids.append(str(name) if seen[name] == 1 else f"{name}-{seen[name]}")
    return ids
