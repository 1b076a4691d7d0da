"""pytest's door to the kit: the hooks that every run has, and the fixture.

Nothing here costs a test that does not use the kit: the door only looks whether anybody wants it. What to do then, and
the model with it, is imported when somebody does: an option, a key, or the first test.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_hvclock.plugin.declared import HVCLOCK, MARKER_LINES, MARKERS, SETTINGS, add_options, is_given, is_marked

if TYPE_CHECKING:
    from pytest_hvclock.model.guest import Guest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and ini keys."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks by which others add to the kit."""
    from pytest_hvclock.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Take what a plugin or a conftest adds to the kit, as soon as it is there."""
    for name in ("pytest_hvclock_scenarios", "pytest_hvclock_disciplines", "pytest_hvclock_backends"):
        if hasattr(plugin, name):
            from pytest_hvclock.plugin.extensions import extend

            extend(plugin, manager)
            return


def pytest_unconfigure() -> None:
    """Leave nothing behind of what others have added, for the next run in this process."""
    if "pytest_hvclock.plugin.extensions" in sys.modules:
        from pytest_hvclock.plugin.extensions import retract

        retract()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and refuse wrong options before anything runs."""
    for line in MARKER_LINES:
        config.addinivalue_line("markers", line)
    if is_given(config):
        from pytest_hvclock.plugin.on_demand import heed

        heed(config)


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Print the catalogue, if that is what was asked for."""
    if not config.option.hvclock_scenarios:
        return None
    from pytest_hvclock.scenarios import catalogue

    print(catalogue())  # noqa: T201  (the answer to the command)
    return 0


def pytest_sessionstart(session: pytest.Session) -> None:
    """Listen to what xdist's workers report: this process collects no test, and cannot know what they will use."""
    if session.config.pluginmanager.has_plugin("dsession"):
        from pytest_hvclock.plugin.on_demand import use_teller

        use_teller(session.config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Show what differs from the defaults."""
    settings = config.stash.get(SETTINGS, None)
    header = settings.header() if settings is not None else ""
    return f"hvclock: {header}" if header else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each of several scenarios."""
    if is_marked(metafunc.definition):
        from pytest_hvclock.plugin.on_demand import multiply

        multiply(metafunc)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the guest first wherever it is wanted, whether by argument, marker or option."""
    wanted, parent = config.stash.get(SETTINGS, None) is not None, None
    for item in items:
        if item.parent is not parent:  # asked once for all tests below it
            parent = item.parent
            wanted = wanted or is_marked(parent)
        wanted = wanted or HVCLOCK in (getattr(item, "fixturenames", None) or ())
        if wanted or (item.own_markers and any(marker.name in MARKERS for marker in item.own_markers)):
            from pytest_hvclock.plugin.on_demand import put_on_guests

            put_on_guests(config, items)
            break
    if "pytest_hvclock.model.host" in sys.modules:
        from pytest_hvclock.plugin.on_demand import use_leftovers

        use_leftovers(config)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """See to a guest of a test that has imported the kit in its own body, which nobody has expected."""
    if "pytest_hvclock.running" in sys.modules:
        from pytest_hvclock.plugin.on_demand import see_to_leftovers

        see_to_leftovers(item, nextitem)


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
    from pytest_hvclock.plugin.on_demand import use_phases

    use_phases(request.config)
    from pytest_hvclock.plugin.phases import guest_of

    yield from guest_of(request)
