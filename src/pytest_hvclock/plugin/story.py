"""The end of the run: for each scenario, what broke, what recovered, and after how long."""

from __future__ import annotations

from typing import NamedTuple

import pytest


class Line(NamedTuple):
    """What became of one test under one scenario."""

    outcome: str
    """``broke``, ``recovered`` or ``held``."""
    test: str
    detail: str


class Story:
    """Collects reports, and tells what the guests' clocks have done."""

    def __init__(self) -> None:
        """Begin with nothing to tell."""
        self._lines: dict[str, list[Line]] = {}
        self._unreached: dict[str, str] = {}

    def add(self, report: pytest.TestReport) -> None:
        """Take note of a test that ran under a scenario, and of readers of real clocks that it has."""
        for name, text in getattr(report, "hvclock_unreached", {}).items():
            self._unreached.setdefault(name, text)
        properties = dict(report.user_properties)
        scenario = properties.get("hvclock.scenario")
        if report.when != "call" or not isinstance(scenario, str):
            return
        if report.failed:
            line = Line("broke", report.nodeid, _last_word(report))
        elif report.skipped:
            reason = getattr(report, "wasxfail", None)
            if reason is None:
                return
            line = Line("broke", report.nodeid, str(reason).removeprefix("reason: "))
        elif "hvclock.recovered_after" in properties:
            line = Line("recovered", report.nodeid, f"after {properties['hvclock.recovered_after']} s")
        else:
            line = Line("held", report.nodeid, "")
        self._lines.setdefault(scenario, []).append(line)

    def tell(self, terminal: pytest.TerminalReporter) -> None:
        """Write the story, if there is one and it is wanted."""
        if not (self._lines or self._unreached) or terminal.no_summary or terminal.verbosity < 0:
            return
        terminal.section("guest clocks")
        for scenario, lines in sorted(self._lines.items()):
            counts = {
                outcome: sum(line.outcome == outcome for line in lines) for outcome in ("broke", "recovered", "held")
            }
            told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
            terminal.write_line(f"{scenario}: {told}", bold=True)
            for line in sorted(lines, key=lambda line: (line.outcome, line.test)):
                if line.outcome != "held":
                    detail = f"{line.detail}" if line.outcome == "recovered" else f": {line.detail}"
                    separator = " " if line.outcome == "recovered" else ""
                    terminal.write_line(f"  {line.outcome:9} {_short(line.test, scenario)}{separator}{detail}")
        for _, text in sorted(self._unreached.items()):
            terminal.write_line(text)


def _short(nodeid: str, scenario: str) -> str:
    """Return a test's name without its folder, and without the scenario that it stands under."""
    name = nodeid.rpartition("/")[2]
    return name.replace(f"[{scenario}]", "").replace(f"{scenario}-", "").replace(f"-{scenario}", "")


def _last_word(report: pytest.TestReport) -> str:
    """Return the one line that says why a test failed."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    return next((line for line in text.splitlines() if line.strip()), "")
