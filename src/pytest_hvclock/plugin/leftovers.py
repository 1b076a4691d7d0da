"""A guest that a test has entered by ``guest.running()`` and not left: no fake time outlives a test."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_hvclock.running import Running, active


class Leftovers:
    """Says so of the test that left a guest running, and leaves it; a guest of a wider fixture goes on with that."""

    def __init__(self, kept: Running | None) -> None:
        """Take what runs already and belongs to no test."""
        self._kept = kept

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Keep what a fixture of a wider scope than a test has entered."""
        before = active()
        result = yield
        if fixturedef.scope != "function" and active() is not before:
            self._kept = active()
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Leave what is left, after the test's own fixtures; after the last test, whosever it is."""
        left = active()
        if left is self._kept and nextitem is not None:
            return
        self._kept = None
        if left is None:
            return
        left.__exit__(None, None, None)
        pytest.fail(
            f"{item.nodeid}: this test left a guest running, which has been ended for it: write "
            "with guest.running(): ..., in the test or in a fixture",
            pytrace=False,
        )


def has_wider_fixture(item: pytest.Item) -> bool:
    """Whether a test uses a fixture of a wider scope than its own."""
    info: Any = getattr(item, "_fixtureinfo", None)
    return info is not None and any(
        fixture.scope != "function" for found in info.name2fixturedefs.values() for fixture in found
    )
