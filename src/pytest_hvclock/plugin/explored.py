"""What the parts of an exploration have found, put together and told at the end of the run."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_hvclock.explore.search import Exploration, Found


class Explored:
    """Collects what the parts found, in whatever order they come, from whatever process."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._parts: dict[str, dict[int, Exploration]] = {}
        self._commands: dict[tuple[str, str], str] = {}

    def add(self, nodeid: str, number: int, told: dict[str, Any]) -> None:
        """Take in what one part has found so far, instead of what it had found before."""
        part = Exploration(told["left_out"], runs=told["runs"])
        for grade in ("failures", "findings"):
            for one in told[grade]:
                self._commands[nodeid, one["schedule"] + grade] = one.pop("command")
                getattr(part, grade).append(Found(**one))
        self._parts.setdefault(nodeid, {})[number] = part

    def _tests(self) -> dict[str, Exploration]:
        """Return the explorations of the tests: their parts joined in order, whichever was the first to be done."""
        tests: dict[str, Exploration] = {}
        for nodeid, parts in sorted(self._parts.items()):
            tests[nodeid] = Exploration()
            for _, part in sorted(parts.items()):
                tests[nodeid].join(part)
        return tests

    def broken(self) -> dict[str, list[str]]:
        """Return the schedules that break each test."""
        return {nodeid: [one.schedule for one in test.failures] for nodeid, test in self._tests().items()}

    def tell(self, terminal: pytest.TerminalReporter, *, strict: bool) -> None:
        """Write failures, findings, what was left out, and last the commands."""
        tests = self._tests()
        if not tests:
            return
        explored = {nodeid: test for nodeid, test in tests.items() if not test.left_out}
        failures = [(nodeid, one) for nodeid, test in explored.items() for one in test.failures]
        findings = [(nodeid, one) for nodeid, test in explored.items() for one in test.findings]
        self._count(terminal, tests, strict=strict)
        terminal.ensure_newline()
        terminal.section("clock exploration")
        terminal.write_line(
            f"{len(explored):,} explored in {sum(test.runs for test in tests.values()):,} runs, "
            f"{len({nodeid for nodeid, _ in failures}):,} broke, "
            f"{len({nodeid for nodeid, _ in findings}):,} with findings, {len(tests) - len(explored):,} left out"
        )
        for grade, found in (("FAILED", failures), ("finding", findings)):
            for nodeid, one in found:
                terminal.write_line(f"{grade} {nodeid}", bold=True, red=grade == "FAILED")
                _tell(terminal, one)
        for nodeid, test in tests.items():
            if test.left_out:
                terminal.write_line(f"left out {nodeid}: {test.left_out}")
        for grade, found in (("findings", findings), ("failures", failures)):
            if found:
                terminal.write_line("to see it fail:" if grade == "failures" else "to find it again:")
            for line in dict.fromkeys(self._commands[nodeid, one.schedule + grade] for nodeid, one in found):
                terminal.write_line(line)

    def _count(self, terminal: pytest.TerminalReporter, tests: dict[str, Exploration], *, strict: bool) -> None:
        """Let the last line count tests, as those of any run."""
        for test in tests.values():
            broke = bool(test.failures or (strict and test.findings))
            word = "left out" if test.left_out else "failed" if broke else "passed"
            terminal.stats.setdefault(word, []).append(test)


def _tell(terminal: pytest.TerminalReporter, one: Found) -> None:
    at = f" ({one.where})" if one.where and one.where not in one.what else ""
    before = f"struck before {one.before}\n" if one.before else ""
    for line in f"{one.schedule}\n{before}{one.what}{at}".splitlines():
        terminal.write_line(f"  {line}")
