"""Writes the report of a run, from the timelines that the reports of its tests carry, of xdist's workers as well."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pytest_hvclock
from pytest_hvclock.plugin.phases import Wrapper
from pytest_hvclock.plugin.story import Parts
from pytest_hvclock.report.files import Run, Sections, forget_drawings, write_drawings, write_page, write_record
from pytest_hvclock.report.spool import Spool
from pytest_hvclock.timeline import Timeline

if TYPE_CHECKING:
    from pytest_hvclock.plugin.covering import Covering


class Reporter:
    """Registered if a report was asked for, but not in a worker."""

    def __init__(self, directory: Path, covering: Covering | None = None) -> None:
        """Begin a report in a directory, which is made if need be; ``covering`` has more for it.

        Raises:
            pytest.UsageError: if it cannot be made, or nothing be written there.
        """
        self._directory = directory
        self._covering = covering
        self._said = ""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._spool = Spool(directory)
        except OSError as wrong:
            raise pytest.UsageError(f"--hvclock-report: {directory}: {wrong.strerror}") from None
        self._sections: dict[str, Sections] = {}
        self._parts = Parts()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the timeline of a test that ran on a guest."""
        timeline = vars(report).pop("hvclock_timeline", None)  # pytest keeps its reports, and it is on disk now
        if self._parts.is_one(report) or timeline is None:
            return
        failure = self._parts.failure(report)
        if failure:
            timeline = json.dumps({**json.loads(timeline), "outcome": "failed", "failure": failure})
        self._spool.add(report.nodeid, timeline)
        added = json.loads(getattr(report, "hvclock_sections", "[]"))
        if added:
            self._sections[report.nodeid] = [(title, text) for title, text in added]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Write what there is, also of a run that was interrupted."""
        run = Run(
            pytest_hvclock.__version__,
            self._spool,
            self._sections,
            self._covering.cover if self._covering is not None else None,
        )
        try:
            write_record(run, self._directory)
            forget_drawings(self._directory)
            write_drawings((one for one in self._spool if one.outcome == "failed"), self._directory)
            self._said = f"hvclock: wrote {write_page(run, self._directory)}"
        except OSError as wrong:
            self._said = f"hvclock: no report: {wrong.filename or self._directory}: {wrong.strerror}"
            print(self._said, file=sys.stderr)  # noqa: T201  (there may be no terminal reporter)
        finally:
            self._spool.close()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where it is."""
        if terminalreporter.verbosity >= 0 and not terminalreporter.no_summary:
            terminalreporter.write_line(self._said)


class Adder:
    """Lets others add sections to what is shown of a test; registered with the phases, so in workers too."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the run."""
        self._config = config

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Wrapper:
        """Ask for sections once the timeline is there, and show them below the failure and in the report."""
        report: Any = yield
        timeline = getattr(report, "hvclock_timeline", None)
        hook = self._config.hook.pytest_hvclock_report_sections
        if timeline is None:
            return report
        found = hook(timeline=Timeline.from_json(json.loads(timeline)))
        added = [section for sections in found[::-1] for section in _sections(sections)]
        report.hvclock_sections = json.dumps(added)
        if report.failed:
            report.sections[-1:-1] = added  # the kit's own comes last, for the command in its last line
        return report


def _sections(returned: Any) -> list[tuple[str, str]]:
    """Return the titles and texts that a hook has returned; where it has none, say so in their place."""
    try:
        return [(str(title), str(text)) for title, text in returned]
    except (TypeError, ValueError):
        return [
            ("hvclock", f"pytest_hvclock_report_sections returned {returned!r}: return a sequence of titles and texts")
        ]
