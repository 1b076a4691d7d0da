"""``--hvclock-cover``: which lines read a clock, and what has struck them; registered only if it was given.

Each run of a test counts its lines, and adds them to those of the run. xdist's workers hand theirs over when they are
finished. While tests are explored, readings are counted in one clean run of each test, whatever the number of workers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator
from functools import partial
from typing import Any

import pytest

from pytest_hvclock.plugin.again import WATCH
from pytest_hvclock.plugin.declared import HVCLOCK
from pytest_hvclock.plugin.exploring import Part
from pytest_hvclock.plugin.phases import ON_GUEST, OnGuest, Wrapper
from pytest_hvclock.report.cover import Cover, Line
from pytest_hvclock.running.lines import Found, Lines
from pytest_hvclock.running.readings import Memories

_HANDED = "hvclock_cover"
_LOST = "a worker crashed, and what its tests have read is lost"
_NOTHING = (
    "no test ran on a guest, so no reading of a clock was seen: give a test the fixture or the marker hvclock, or run "
    "with --hvclock=SCENARIO or --hvclock-explore"
)


class Covering:
    """Counts the lines of every test that runs on a guest."""

    def __init__(self, config: pytest.Config) -> None:
        """Begin with nothing."""
        self.cover = Cover()
        self._config = config
        self._part: Part | None = None
        self._clean: tuple[str, list[Found]] = ("", [])
        self._lost = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Count the readings of an explored test once: with its first part, from whichever clean run there was."""
        if not isinstance(item, Part):
            return (yield)
        self._part = item
        try:
            return (yield)
        finally:
            self._part = None
            test, found = self._clean
            if item.number == 0 and test == item.test.nodeid:
                self.cover.tests += 1
                self._add(found)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Wrapper:
        """Count from when the guest is there, and before anything strikes it, to when it is left."""
        if fixturedef.argname != HVCLOCK:
            return (yield)
        begun: list[tuple[OnGuest, Lines]] = []
        fixturedef.addfinalizer(partial(self._end, begun, request.node))
        result = yield
        on_guest = request.node.stash[ON_GUEST]
        lines = Lines(on_guest.guest)
        on_guest.running.count(lines)
        if WATCH not in request.node.stash:
            on_guest.running.remember(Memories(on_guest.guest, lines.met))
        begun.append((on_guest, lines))
        return result

    def _end(self, begun: list[tuple[OnGuest, Lines]], item: pytest.Item) -> None:
        """Take in what a run has counted."""
        while begun:
            on_guest, lines = begun.pop()
            found = list(lines.found())
            moment = on_guest.moment
            if moment is not None and not moment.scenario.anomalies:  # what stands strikes every line
                found = [one._replace(struck=one.struck | {moment.name}) for one in found]
            watch = item.stash.get(WATCH, None)
            if self._part is None:
                self.cover.tests += 1
            else:
                if watch is not None and not watch.schedule.strikes:
                    self._clean = self._part.test.nodeid, found
                found = [one._replace(times=0) for one in found]
            self._add(found)

    def _add(self, found: list[Found]) -> None:
        for one in found:
            self.cover.add(Line(one.place, one.clock, one.through, one.times, set(one.uses), set(one.struck)))

    def pytest_sessionfinish(self) -> None:
        """Hand over what a worker has counted."""
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_HANDED] = json.dumps(self.cover.as_json())

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take in what a worker has counted, unless it has crashed."""
        handed = getattr(node, "workeroutput", {}).get(_HANDED)
        if handed is None:
            self._lost = True
        else:
            self.cover.join(Cover.from_json(json.loads(handed)))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the table."""
        if self._config.option.collectonly or terminalreporter.no_summary or terminalreporter.verbosity < -1:
            return
        if not self.cover.tests:
            terminalreporter.write_line(f"hvclock: --hvclock-cover: {_LOST if self._lost else _NOTHING}")
            return
        terminalreporter.section("clock reads")
        if not self.cover.lines:
            terminalreporter.write_line("no line has read a clock")
            return
        for line in self.cover.table(shutil.get_terminal_size().columns):
            terminalreporter.write_line(line)
        if self._lost:
            terminalreporter.write_line(_LOST)
