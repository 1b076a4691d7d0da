"""What all tests share."""

import pytest

LIGHT = "pytest_hvclock.plugin,xdist.plugin,pytest_timeout"
"""The kit, and of other plugins those that many tests use and that take next to no time to import."""


def pytest_configure(config):
    config.addinivalue_line("markers", "installed_plugins: runs within this test load every plugin that is installed")


@pytest.fixture
def pytester(pytester, monkeypatch, request):
    """Spare the runs within tests a second each: what Hypothesis, anyio, trio and asyncio take to be imported."""
    if not request.node.get_closest_marker("installed_plugins"):
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        monkeypatch.setenv("PYTEST_PLUGINS", LIGHT)
    return pytester
