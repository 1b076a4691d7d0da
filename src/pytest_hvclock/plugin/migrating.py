"""The fixtures and markers of pytest-freezer and of time-machine, on a guest.

``from pytest_hvclock.plugin.migrating import freezer`` in a file, or in the ``conftest.py`` of a directory, puts the
tests there that use the fixture on a guest. ``pytest_plugins = ["pytest_hvclock.plugin.migrating"]`` in the
``conftest.py`` of the root does so with both fixtures and with the markers, in the whole suite, and where neither
library is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_hvclock.migration import Frozen, Travel, Traveller, freeze_time, travel
from pytest_hvclock.model.guest import Guest

MAKERS: dict[str, tuple[str, Callable[..., Travel[Any]]]] = {
    "freezer": ("freeze_time", freeze_time),
    "time_machine": ("time_machine", travel),
}
"""By the name of the fixture: that of the marker, and what its arguments are for."""


@pytest.fixture
def freezer(hvclock: Guest) -> Frozen:
    """What moves the clock of the guest that this test runs on, with the verbs of pytest-freezer."""
    return Frozen(hvclock)


@pytest.fixture
def time_machine(hvclock: Guest) -> Traveller:
    """What moves the clock of the guest that this test runs on, with the verbs of time-machine's fixture."""
    return Traveller(hvclock)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, which nobody else may do."""
    config.addinivalue_line("markers", "freeze_time(time_to_freeze=None, **settings): as pytest-freezer's, on a guest")
    config.addinivalue_line("markers", "time_machine(destination, *, tick=True): as time-machine's, on a guest")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a marked test the fixture, and the guest."""
    for item in items:
        names = getattr(item, "fixturenames", None)
        for name, (marker, _) in MAKERS.items():
            if names is not None and item.get_closest_marker(marker) is not None:
                names[:0] = [each for each in ("hvclock", name) if each not in names]


def adopted(item: pytest.Item) -> dict[str, dict[str, Any]]:
    """Return the fixtures that stand for another library's in a test, each with the settings of its guest.

    Raises:
        TypeError, ValueError: for what a marker says and a guest does not do.
    """
    names = getattr(item, "fixturenames", ())
    # where a test's fixtures can come from, but for its class
    places: list[object] = [*item.config.pluginmanager.get_plugins(), getattr(item, "module", None)]
    found: dict[str, dict[str, Any]] = {}
    for name, (marker, make) in MAKERS.items():
        if any(getattr(place, "__dict__", {}).get(name) is globals()[name] for place in places):
            mark = item.get_closest_marker(marker)
            if mark is not None:
                found[name] = make(*mark.args, **mark.kwargs).settings()
            elif name in names:
                found[name] = {"zone": "UTC"} if name == "freezer" else {}
    return found
