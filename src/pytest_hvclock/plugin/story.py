"""The end of the run: for each scenario, what broke and what held, and how soon the applications were well again."""

from __future__ import annotations

import heapq
from collections import Counter
from fractions import Fraction
from typing import NamedTuple

import pytest

_ROWS = 20
"""So many tests are shown at most, in each list: those that broke first, and those that took the most of their time."""


class Recovered(NamedTuple):
    """How one test's application got over a strike; what took more of its time comes last."""

    share: Fraction
    """How much of the time that was allowed it took."""
    scenario: str
    test: str
    number: int
    """Which of the test's recoveries it was."""
    allowed: str
    took: str


class Parts:
    """Remembers which tests have failed in a subtest, which pytest reports before the test, and as if it was one."""

    def __init__(self) -> None:
        """Begin with none."""
        self._failed: dict[str, str] = {}

    def is_one(self, report: pytest.TestReport) -> bool:
        """Take note of the report of a subtest; returns whether it is one."""
        if getattr(report, "context", None) is None:
            return False
        if report.failed:
            self._failed.setdefault(report.nodeid, last_word(report))
        return True

    def failure(self, report: pytest.TestReport) -> str:
        """Return the line that says why a test has failed, in a subtest or after them all; empty if it has not."""
        why = self._failed.pop(report.nodeid, "")
        return why or (last_word(report) or "failed" if report.failed else "")


class Story:
    """Collects reports, and tells what the guests' clocks have done; however many tests there are, it stays small."""

    def __init__(self) -> None:
        """Begin with nothing to tell."""
        self._counts: dict[str, Counter[str]] = {}
        self._broke: dict[str, list[tuple[str, str]]] = {}
        self._recovered: list[Recovered] = []
        self._many = 0
        self._unreached: dict[str, str] = {}
        self._parts = Parts()

    def add(self, report: pytest.TestReport) -> None:
        """Take note of a test that ran under a scenario, and of readers of real clocks that it has."""
        for name, text in getattr(report, "hvclock_unreached", {}).items():
            self._unreached.setdefault(name, text)
        if report.when != "call" or self._parts.is_one(report):
            return
        failure = self._parts.failure(report)
        if report.outcome not in {"passed", "failed", "skipped"}:  # "rerun" is none
            return
        properties = dict(report.user_properties)
        scenario = properties.get("hvclock.scenario")
        recovered = _recoveries(report)
        for number, (allowed, took) in enumerate(recovered):
            self._add_recovery(report.nodeid, str(scenario or "a verb"), number, allowed, took)
        if not isinstance(scenario, str):
            return
        reason = getattr(report, "wasxfail", None)
        if failure or (report.skipped and reason is not None):
            outcome = "broke"
            why = failure or str(reason).removeprefix("reason: ")
            broke = self._broke.setdefault(scenario, [])
            broke.append((report.nodeid, why))
            broke.sort()
            del broke[_ROWS:]
        elif report.skipped:
            return
        elif recovered:
            outcome = "recovered"
        else:
            outcome = "held" if properties.get("hvclock.struck", True) else "not struck"
        self._counts.setdefault(scenario, Counter())[outcome] += 1

    def _add_recovery(self, test: str, scenario: str, number: int, allowed: str, took: str) -> None:
        share = Fraction(took) / Fraction(allowed) if Fraction(allowed) else Fraction(0)
        self._many += 1
        heapq.heappush(self._recovered, Recovered(share, scenario, test, number, allowed, took))
        if len(self._recovered) > _ROWS:
            heapq.heappop(self._recovered)

    def tell(self, terminal: pytest.TerminalReporter) -> None:
        """Write the story, if there is one and it is wanted."""
        if not (self._counts or self._recovered or self._unreached) or terminal.no_summary or terminal.verbosity < 0:
            return
        terminal.section("guest clocks")
        for scenario, counts in sorted(self._counts.items()):
            told = [f"{counts[outcome]} {outcome}" for outcome in _OUTCOMES if counts[outcome]]
            terminal.write_line(f"{scenario}: {', '.join(told)}", bold=True)
            broke = self._broke.get(scenario, [])
            for test, why in broke:
                terminal.write_line(f"  broke {_short(test, scenario)}: {why}")
            if counts["broke"] > len(broke):
                terminal.write_line(f"  and {counts['broke'] - len(broke)} more")
        for line in self._table():
            terminal.write_line(line)
        for _, text in sorted(self._unreached.items()):
            terminal.write_line(text)

    def _table(self) -> list[str]:
        """Return how soon the applications were well again, as a table."""
        if not self._recovered:
            return []
        rows = [
            (_short(row.test, row.scenario), row.scenario, f"{row.allowed} s", f"{row.took} s")
            for row in sorted(self._recovered, key=lambda row: row[1:4])
        ]
        rows.insert(0, ("recovered", "scenario", "allowed", "took"))
        first, second, third, fourth = (max(map(len, column)) for column in zip(*rows, strict=True))
        lines = [f"{a:{first}}  {b:{second}}  {c:>{third}}  {d:>{fourth}}" for a, b, c, d in rows]
        if self._many > len(self._recovered):
            lines.append(f"and {self._many - len(self._recovered)} more, each in a smaller part of its time")
        return lines


def _recoveries(report: pytest.TestReport) -> list[tuple[str, str]]:
    """Return what each recovery of a test was allowed and took, in their order; one that came to nothing took none."""
    found: list[tuple[str, str]] = []
    allowed = ""
    for name, value in report.user_properties:
        if name == "hvclock.allowed":
            allowed = str(value)
        elif name == "hvclock.recovered_after":
            found.append((allowed, str(value)))
    return found


_OUTCOMES = ("broke", "recovered", "held", "not struck")


def _short(nodeid: str, scenario: str) -> str:
    """Return a test's name without its folder, and without the scenario that it stands under."""
    name = nodeid.rpartition("/")[2]
    return name.replace(f"[{scenario}]", "").replace(f"{scenario}-", "").replace(f"-{scenario}", "")


def last_word(report: pytest.TestReport) -> str:
    """Return the one line that says why a test failed."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    return next((line for line in text.splitlines() if line.strip()), "")
