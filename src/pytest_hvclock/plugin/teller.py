"""The hooks by which a run's reports become the story at its end: xdist's workers report, and the controller tells."""

from __future__ import annotations

import pytest

from pytest_hvclock.plugin.story import Story


class Teller:
    """Listens to the reports of a run; registered once there may be something to tell."""

    def __init__(self) -> None:
        """Begin a story."""
        self._story = Story()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of what became of each scenario."""
        self._story.add(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell, scenario by scenario, what broke and what recovered."""
        self._story.tell(terminalreporter)
