"""``--hvclock-explore`` and ``--hvclock-replay``: registered only if one of them was given.

The runs of a test are cut into a fixed few parts, each an item of its own, so that xdist can send them to any worker
and the same is found by any number of them. The parts report, and whoever writes the terminal puts them together.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_hvclock.explore import BOOT, KINDS, Acknowledged, Exploration, Explorer, Outcome, Schedule, Task, Watch
from pytest_hvclock.explore.schedules import parsed
from pytest_hvclock.explore.search import PLACES, Found
from pytest_hvclock.explore.watch import Budget
from pytest_hvclock.plugin.again import WATCH, Again, begin, keeps_service, put_under, why_not
from pytest_hvclock.plugin.command import command
from pytest_hvclock.plugin.declared import HVCLOCK, SETTINGS
from pytest_hvclock.plugin.explored import Explored
from pytest_hvclock.plugin.settings import given_places, given_seed, settings_of
from pytest_hvclock.running.counters import real_time_ns
from pytest_hvclock.units import NS_PER_S, instant_ns, iso

PARTS = 4
"""Into how many parts the runs of a test are cut, whatever the number of workers."""
TELL_EVERY_S = 2.0
"""After how many seconds a part says again how far it is."""
REGRESSIONS = ".hvclock-regressions"
_GIVEN = "hvclock_exploring"


@dataclass(frozen=True)
class Wanted:
    """How this run is to explore."""

    explore: bool
    places: int | None
    seed: int
    replay: Schedule | None
    strict: bool
    regressions: Path | None
    acknowledged: Acknowledged
    boots: bool


def use_exploring(config: pytest.Config, name: str) -> None:
    """Read what is wanted, and register what does it.

    Raises:
        pytest.UsageError: one line that says which option or key is wrong, and what to write.
    """
    given: dict[str, Any] = getattr(config, "workerinput", {}).get(_GIVEN, {})
    settings = settings_of(config)
    if settings.scenario is not None:
        raise pytest.UsageError(
            "--hvclock-explore and --hvclock-replay choose what strikes: leave --hvclock out, or name the scenario in "
            "a test's marker"
        )
    option = config.option
    start = settings.start or given.get("start") or iso(real_time_ns() // NS_PER_S * NS_PER_S)
    replay = _parsed(option.hvclock_replay) if option.hvclock_replay is not None else None
    shown = None if option.hvclock_explore or replay is None else str(replay)
    config.stash[SETTINGS] = settings.but(start=start, replay=shown)
    seed = given_seed(config) or str(given.get("seed", ""))
    places = given_places(config) or str(PLACES)
    file = config.rootpath / (config.getini("hvclock_regressions") or REGRESSIONS)
    if file.is_dir() or not file.parent.is_dir():
        raise pytest.UsageError(
            f"hvclock_regressions: {file} cannot be written: name a file in a directory that is there"
        )
    wanted = Wanted(
        explore=option.hvclock_explore or (replay is None and config.getini("hvclock_explore")),
        places=None if places == "all" else int(places),
        seed=int(seed) if seed else random.SystemRandom().randrange(2**32),
        replay=replay,
        strict=option.hvclock_strict or config.getini("hvclock_strict"),
        regressions=file if config.getini("hvclock_regressions") or file.exists() else None,
        acknowledged=_acknowledged(config.getini("hvclock_may_cross")),
        boots=config.getini("hvclock_explore_boots"),
    )
    config.pluginmanager.register(Exploring(config, wanted), name)


def _acknowledged(lines: list[str]) -> Acknowledged:
    try:
        return Acknowledged(lines)
    except ValueError as wrong:
        raise pytest.UsageError(f"hvclock_may_cross: {wrong}") from None


def _parsed(text: str) -> Schedule:
    try:
        return parsed(text)
    except ValueError as wrong:
        raise pytest.UsageError(f"--hvclock-replay: {wrong}") from None


class Part(pytest.Item):
    """One part of the exploration of a test."""

    test: pytest.Item
    number: int

    def runtest(self) -> None:
        """Do nothing: ``Exploring`` runs a part as a whole, without the phases of a test."""

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Say where the test is."""
        return self.test.reportinfo()


class Progress:
    """How far a part is, told now and then with what it has found so far: who is interrupted still has that."""

    def __init__(self, many: int, found: Exploration, report: Callable[[str], None]) -> None:
        """Begin with ``many`` strikes to be made; ``report`` is called with a text, or with none to be shown."""
        self._many = many
        self._number = self._runs = 0
        self._found = found
        self._told = 0
        self._told_s = time.perf_counter()
        self._report = report

    def through(self, tasks: Iterable[Task]) -> Iterator[Task]:
        """Yield the runs to be made."""
        for self._number, task in enumerate(tasks):
            yield task

    def tell(self) -> None:
        """Report, after a run, if something has been found since or if it is time again."""
        self._runs += 1
        now_s = time.perf_counter()
        found = len(self._found.failures) + len(self._found.findings)
        if now_s - self._told_s > TELL_EVERY_S:
            self._told_s = now_s
            self._report(f"{self._number:,} of {self._many:,} strikes, in {self._runs:,} runs")
        elif found > self._told:
            self._report("")
        self._told = found


class Exploring:
    """Turns tests into parts of explorations, runs them, and tells what was found."""

    def __init__(self, config: pytest.Config, wanted: Wanted) -> None:
        """Take what is wanted."""
        self._config = config
        self._wanted = wanted
        self._explorers: dict[str, tuple[Explorer, Again]] = {}
        self._explored = Explored()
        self._progress: Progress | None = None
        self._known = _read_regressions(wanted.regressions) if wanted.regressions is not None else {}
        config.option.setupshow = False  # or each of some hundred runs would be shown
        if wanted.explore:
            config.option.tbstyle = "line"  # nobody sees these tracebacks, and long ones take their time

    def pytest_report_header(self) -> str | None:
        """Show what draws the places."""
        wanted = self._wanted
        if not wanted.explore:
            return None
        places = "all" if wanted.places is None else wanted.places
        return f"hvclock: --hvclock-explore --hvclock-places={places} --hvclock-seed={wanted.seed}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Let xdist's workers draw the same places, and begin at the same instant."""
        start = settings_of(self._config).start
        node.workerinput[_GIVEN] = {"seed": self._wanted.seed, "start": start}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the parts of its exploration in a test's place."""
        if self._config.option.collectonly or not self._wanted.explore:
            return
        parts: list[pytest.Item] = []
        for item in items:
            assert item.parent is not None  # noqa: S101  (only the session has none)
            for number in range(PARTS if self._wanted.replay is None else 1):
                part: Part = cast("Any", Part).from_parent(
                    item.parent, name=f"{item.name} (part {number + 1} of {PARTS})"
                )
                part.test, part.number = item, number
                part.own_markers[:] = [marker for marker in item.own_markers if marker.name == "filterwarnings"]
                if self._config.pluginmanager.has_plugin("timeout"):
                    part.add_marker(pytest.mark.timeout(0))  # the explorer ends a run that goes on for ever itself
                parts.append(part)
        items[:] = parts

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Put a test under the watch that replays a schedule."""
        if (
            self._wanted.replay is not None
            and not self._wanted.explore
            and HVCLOCK in getattr(item, "fixturenames", ())
        ):
            put_under(Watch(self._wanted.replay, Budget(busy_s=math.inf)), item, service=keeps_service(item))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Begin to watch as soon as the guest is there."""
        result = yield
        if fixturedef.argname == HVCLOCK:
            begin(request.node, again=self._wanted.explore)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fail a replay that did not strike."""
        result = yield
        watch = item.stash.get(WATCH, None)
        if self._wanted.replay is not None and not self._wanted.explore and watch is not None:
            many = len(watch.schedule.strikes)
            if watch.struck < many:
                pytest.fail(
                    f"{many - watch.struck} of {many} anomalies have not struck: the test never came to "
                    f"{watch.schedule}",
                    pytrace=False,
                )
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run one part."""
        if not isinstance(item, Part):
            return None
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        began, began_s = real_time_ns(), time.perf_counter()
        found = Exploration()
        try:
            self._explore(item, nextitem, found)
        except BaseException:
            self._explored.add(item.test.nodeid, item.number, self._told(item, found))
            raise
        report = pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={},
            outcome="failed" if found.failures or (found.findings and self._wanted.strict) else "passed",
            longrepr=None,
            when="call",
            duration=time.perf_counter() - began_s,
            start=began / NS_PER_S,
            stop=real_time_ns() / NS_PER_S,
        )
        if report.failed:
            report.longrepr = "\n".join(one.what for one in [*found.failures, *found.findings])
        self._report(item, found, report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _report(
        self, part: Part, found: Exploration, so_far: str = "", report: pytest.TestReport | None = None
    ) -> None:
        """Report what a part has found, to whichever process writes the terminal; without a report, in between."""
        if report is None:  # that of a setup, which says nothing of how a test has gone
            report = pytest.TestReport(part.nodeid, part.location, {}, "passed", None, "setup")
        told = [part.test.nodeid, part.number, self._told(part, found)]
        report.hvclock_explored = json.dumps(told)  # type: ignore[attr-defined]
        report.hvclock_so_far = so_far  # type: ignore[attr-defined]
        part.ihook.pytest_runtest_logreport(report=report)

    def _explore(self, part: Part, nextitem: pytest.Item | None, into: Exploration) -> None:
        item = part.test
        into.left_out = why_not(item)
        if into.left_out:
            return
        explorer, again = self._explorer(item)
        try:
            if self._wanted.replay is not None:
                tasks = [Task(self._wanted.replay), Task(self._wanted.replay, remembers=True)]
            else:
                tasks = explorer.tasks()[part.number :: PARTS]
                if part.number == 0:
                    tasks = [*map(Task, self._known.get(item.nodeid, ())), *tasks]
            self._progress = Progress(len(tasks), into, partial(self._report, part, into))
            explorer.explore(self._progress.through(tasks), into)
        finally:
            self._progress = None
            again.close(nextitem)

    def _explorer(self, item: pytest.Item) -> tuple[Explorer, Again]:
        """Return what explores a test, the same for all its parts, so that it is run clean but once."""
        if item.nodeid not in self._explorers:
            self._explorers.clear()
            again = Again(item)
            seed = f"{self._wanted.seed} {item.nodeid}"
            explorer = Explorer(
                partial(self._run, again),
                lambda kind: random.Random(f"{seed} {kind}"),  # noqa: S311  (no secret)
                self._wanted.places,
                self._wanted.acknowledged,
                (*KINDS, BOOT) if self._wanted.boots else KINDS,
            )
            self._explorers[item.nodeid] = explorer, again
        return self._explorers[item.nodeid]

    def _run(self, again: Again, watch: Watch) -> Outcome:
        """Run a test once more, and report how far its part is."""
        outcome = again(watch)
        if self._progress is not None:
            self._progress.tell()
        return outcome

    def _told(self, part: Part, found: Exploration) -> dict[str, Any]:
        """Return what was found as what goes to another process, each with the command that repeats it."""
        start = settings_of(self._config).start or ""

        def with_command(one: Found, *more: str) -> dict[str, Any]:
            told = asdict(one)
            told["command"] = command(part.test, instant_ns(start), *more, f"--hvclock-replay={one.schedule}")
            return told

        return {
            "left_out": found.left_out,
            "runs": found.runs,
            "failures": [with_command(one) for one in found.failures],
            "findings": [with_command(one, "--hvclock-explore") for one in found.findings],
        }

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Show a part as a letter, once it is over, and count tests rather than parts."""
        if not hasattr(report, "hvclock_explored") or report.when != "call":
            return None
        return ("", "F", "BROKE") if report.failed else ("", ".", "EXPLORED")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what a part has found, and show how far a long one is."""
        told = getattr(report, "hvclock_explored", None)
        if told is None:
            return
        self._explored.add(*json.loads(told))
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        so_far = getattr(report, "hvclock_so_far", "")
        if so_far and terminal is not None and terminal.verbosity >= 0:
            terminal.write_line(f"\n{report.nodeid}: {so_far}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, object, object]:
        """Tell what was found, last of all, and keep what broke."""
        result = yield
        if self._wanted.explore:
            self._explored.tell(terminalreporter, strict=self._wanted.strict)
            if self._wanted.regressions is not None:
                _write_regressions(self._wanted.regressions, self._known, self._explored.broken())
        return result


def _read_regressions(file: Path) -> dict[str, list[Schedule]]:
    """Return the schedules that broke each test once.

    Raises:
        pytest.UsageError: for a line that is none, and for a file that cannot be read.
    """
    found: dict[str, list[Schedule]] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    except (OSError, UnicodeDecodeError) as wrong:
        raise pytest.UsageError(f"{file}: it cannot be read: {wrong}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        nodeid, tab, schedule = line.partition("\t")
        if not tab:
            raise pytest.UsageError(f"{file}:{number}: there is no tab between the test and the schedule")
        try:
            found.setdefault(nodeid, []).append(parsed(schedule))
        except ValueError as wrong:
            raise pytest.UsageError(f"{file}:{number}: {wrong}") from None
    return found


def _write_regressions(file: Path, known: dict[str, list[Schedule]], new: dict[str, list[str]]) -> None:
    """Add what broke to the end of the file, unless it is there; what people have written stays."""
    lines = {f"{nodeid}\t{schedule}" for nodeid, schedules in known.items() for schedule in schedules}
    more = {f"{nodeid}\t{schedule}" for nodeid, schedules in new.items() for schedule in schedules} - lines
    if more:
        said = file.read_text(encoding="utf-8") if file.exists() else ""
        said = said or "# Strikes that broke a test once: pytest --hvclock-explore tries them first.\n"
        said += "" if said.endswith("\n") else "\n"
        file.write_text(said + "".join(f"{line}\n" for line in sorted(more)), encoding="utf-8")
