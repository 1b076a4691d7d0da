"""Explores one program: clean runs first, then one run for each anomaly and place that was drawn."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pytest_hvclock.errors import StateError
from pytest_hvclock.explore.acknowledged import Acknowledged, refusal
from pytest_hvclock.explore.kinds import KINDS, STEPS, Kind, rank
from pytest_hvclock.explore.schedules import Schedule, Spot, parsed
from pytest_hvclock.explore.shrinking import shrink
from pytest_hvclock.explore.watch import Budget, Event, Watch
from pytest_hvclock.running.readings import Meeting
from pytest_hvclock.timeline import Place
from pytest_hvclock.units import NS_PER_MS, NS_PER_S, seconds_text

PLACES = 5
"""At how many places each kind of anomaly strikes, unless somebody says otherwise."""
_SHRINKING, _SHRINKING_FINDINGS, _SHRINKING_ENDLESS = 200, 60, 12
"""How many runs it may take to make a failure, a finding, or what never ends smaller."""
_CLEAN_RUNS = 5
"""How often a program may warm up: fill a cache, or start a thread that lives on."""
ENDLESS = "never ended"
"""The kind of a finding: a run that used up its budget."""
CROSSED = "crossed"
"""The kind of a finding: two readings that met across a step."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


@dataclass(frozen=True)
class Outcome:
    """What came of one run of a program."""

    error: str = ""
    """The exception's type and the first line of what it says; empty if there was none."""
    where: str = ""
    """The line at which it was raised."""
    skipped: str = ""
    """Why the program did not want to run."""

    @property
    def kind(self) -> str:
        """The exception's type."""
        return self.error.partition(":")[0]


_IN_THE_WAY = f"{StateError.__module__}.{StateError.__qualname__}"
"""A program that has passed clean raises this only if its verbs and a strike's get in each other's way."""
Trial = Callable[[Watch], Outcome]
"""Runs the program once on a guest of its own, under watch."""


@dataclass(frozen=True)
class Found:
    """What an anomaly did to a program."""

    what: str
    """In words: a line, or a few."""
    schedule: str
    """The smallest schedule that does it, as ``parsed`` reads it."""
    before: str
    """The line of the program that the last of its anomalies struck before."""
    where: str
    """The line at which it showed; what is the same here and in kind is the same."""
    kind: str
    order: int = 0
    """The number of the struck place in the run."""

    @property
    def rank(self) -> tuple[object, ...]:
        """What is smaller for a smaller schedule, and then for an earlier place."""
        *sizes, text = rank(parsed(self.schedule))
        return (*sizes, self.order, text)


@dataclass
class Exploration:
    """What came of exploring one program, or a part of it."""

    left_out: str = ""
    """Why the program was not explored, if it was not."""
    failures: list[Found] = field(default_factory=list[Found])
    """It passes clean, and fails struck."""
    findings: list[Found] = field(default_factory=list[Found])
    """It passes, and does something else than it did clean."""
    runs: int = 0
    """How many runs there were, the clean ones included."""

    def join(self, other: Exploration) -> None:
        """Take in another part of the same exploration; of what both have found, keep the smaller schedule."""
        self.left_out = self.left_out or other.left_out
        self.runs += other.runs
        self.failures = _merged([*self.failures, *other.failures])
        self.findings = _merged([*self.findings, *other.findings])
        self.settle()

    def settle(self) -> None:
        """Let go of crossings at lines that are known to fail: the failure says more."""
        failed = {one.where for one in self.failures}
        self.findings = [one for one in self.findings if one.kind != CROSSED or one.where not in failed]


def _merged(found: Iterable[Found]) -> list[Found]:
    """Return what was found, each once, sorted."""
    smallest: dict[tuple[str, str], Found] = {}
    for one in found:
        other = smallest.setdefault((one.kind, one.where), one)
        if one.rank < other.rank:
            smallest[one.kind, one.where] = one
    return sorted(smallest.values(), key=lambda one: one.rank)


class Clean:
    """A run without any anomaly, which the struck ones are compared with."""

    def __init__(self, watch: Watch) -> None:
        """Take the record of the run."""
        self.events: list[Event] = watch.record()
        self.longest_ns, self.total_ns, self.waits = _waits(watch)
        self.reads = _reads(watch)
        self.walls = [event.spot for event in self.events if event.clock == "wall"]
        self.spots = [event.spot for event in self.events]
        self.order = {spot: number for number, spot in enumerate(self.spots)}
        self.places = {event.spot: event.place for event in self.events}
        self.budget = Budget(2_000 + 20 * len(self.events), 100 * self.total_ns + 40 * 86_400 * NS_PER_S, 10.0)

    def agrees(self, other: Clean) -> bool:
        """Whether another clean run read and waited at the same places."""
        ours, others = (Counter((event.spot, event.asked_ns) for event in one.events) for one in (self, other))
        return ours == others

    def pool(self, kind: Kind) -> Sequence[Spot]:
        """Return the places at which a kind of anomaly can show."""
        return self.walls if kind.moves_the_wall_alone and self.walls else self.spots

    def pool_of(self, schedule: Schedule) -> Sequence[Spot]:
        """Return the places at which a schedule can strike, as those of its own are."""
        own = [strike.spot for strike in schedule.strikes if strike.spot is not None]
        return self.walls if all(spot in self._walls for spot in own) else self.spots

    @property
    def _walls(self) -> set[Spot]:
        return set(self.walls)


@dataclass(frozen=True)
class Task:
    """One run to be made."""

    schedule: Schedule
    remembers: bool = False
    """Whether it is made to see which readings meet across a step, and not by its outcome."""


@dataclass(frozen=True)
class Seen:
    """What is kept of a struck run: not each reading, of which there may be many in each of many runs."""

    outcome: Outcome
    ended: bool
    """Whether it was ended."""
    finding: tuple[str, str, str] | None
    """What it did out of proportion: the kind, the line, and a sentence."""
    meetings: Mapping[Place, Meeting]
    """Where readings met across a step, if they remembered."""


class Explorer:
    """Explores one program, in one piece or in several."""

    def __init__(
        self,
        trial: Trial,
        draw: Callable[[str], random.Random],
        places: int | None = PLACES,
        acknowledged: Acknowledged | None = None,
        kinds: Sequence[Kind] = KINDS,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            trial: runs the program once.
            draw: returns the source of chance for a kind of anomaly, seeded by its name.
            places: at how many places each kind strikes; None for all.
            acknowledged: which readings may meet across a step.
            kinds: what is tried.
        """
        self._kinds = kinds
        self._trial = trial
        self._acknowledged = acknowledged or Acknowledged()
        self._draw = draw
        self._places = places
        self._clean: Clean | None = None
        self._into = Exploration()  # counts the clean runs, until somebody explores
        self._seen: dict[Task, Seen] = {}
        self.left_out: str | None = None
        """Why there is nothing to explore, once that is known; empty if there is."""

    def clean(self) -> Clean | None:
        """Run the program without any anomaly until two runs agree; None if there is nothing to explore."""
        if self.left_out is None:
            self.left_out = self._settle()
        return self._clean if not self.left_out else None

    def tasks(self) -> list[Task]:
        """Return every run that there is to be made, in an order that is the same everywhere."""
        clean = self.clean()
        if clean is None:
            return []
        tasks = [Task(kind.at(spot)) for kind in self._kinds for spot in self._drawn(kind, clean)]
        if clean.walls:
            tasks += [Task(kind.at(spot), remembers=True) for kind in STEPS for spot in self._drawn(kind, clean)]
        return tasks

    def explore(self, tasks: Iterable[Task], into: Exploration | None = None) -> Exploration:
        """Make some of the runs; what is found so far is in ``into`` at any time.

        Returns:
            ``into``, or a new exploration: failures and findings, each with its smallest schedule.
        """
        found = into if into is not None else Exploration()
        state = random.getstate()
        found.runs += self._into.runs
        self._into = found
        try:
            clean = self.clean()
            for task in tasks:
                if clean is None or self.left_out:
                    break
                self._try(task, clean, found)
        finally:
            random.setstate(state)
            self._into = Exploration()
            found.settle()
            if self.left_out:
                found.left_out, found.failures, found.findings = self.left_out, [], []
        return found

    def _settle(self) -> str:
        """Make the clean runs; returns why the program is left out, or nothing."""
        before: Clean | None = None
        for number in range(_CLEAN_RUNS):
            watch, outcome = self._run(Task(Schedule()), Budget(busy_s=60.0))
            if outcome.skipped:
                return f"skipped: {outcome.skipped}"
            if watch.ended:
                return f"already failing: {watch.ended}"
            if outcome.error:
                return f"{'not repeatable' if number else 'already failing'}: {outcome.error}"
            self._clean = Clean(watch)
            if before is not None and before.agrees(self._clean):
                return "" if self._clean.events else "it reads no clock and waits for none"
            before = self._clean
        return "not repeatable: without any anomaly it reads and waits differently each time"

    def _drawn(self, kind: Kind, clean: Clean) -> list[Spot]:
        """Draw the places for a kind: one from each of as many stretches of the run, which are of the same length."""
        pool = clean.pool(kind)
        if self._places is None or self._places >= len(pool):
            return list(pool)
        chance, many = self._draw(kind.name), self._places
        bounds = [number * len(pool) // many for number in range(many + 1)]
        return [pool[chance.randrange(first, end)] for first, end in pairwise(bounds)]

    def _run(self, task: Task, budget: Budget) -> tuple[Watch, Outcome]:
        random.seed(0)
        watch = Watch(task.schedule, budget, remembers=task.remembers)
        self._into.runs += 1
        outcome = self._trial(watch)
        return watch, outcome

    def _try(self, task: Task, clean: Clean, into: Exploration) -> None:
        """Make one run, and look into what it shows."""
        seen = self._struck(task, clean)
        if task.remembers:
            for place in seen.meetings:
                self._note_crossing(place, task.schedule, clean, into)
            return
        outcome, finding = seen.outcome, seen.finding
        if outcome.kind == _IN_THE_WAY:
            return
        if outcome.error and not seen.ended:
            self._note_failure(outcome, task.schedule, clean, into)
            return
        if finding is not None and not any(finding[:2] == (one.kind, one.where) for one in into.findings):
            self._note_finding(finding[:2], task.schedule, clean, into)

    def _struck(self, task: Task, clean: Clean) -> Seen:
        """Make a run, unless the same has been made already."""
        known = self._seen.get(task)
        if known is None:
            watch, outcome = self._run(task, clean.budget)
            ended = watch.ended is not None
            looked_into = not task.remembers and (ended or not outcome.error)
            finding = _finding(watch, clean) if looked_into else None
            known = self._seen[task] = Seen(outcome, ended, finding, watch.meetings or {})
        return known

    def _note_failure(self, outcome: Outcome, schedule: Schedule, clean: Clean, into: Exploration) -> None:
        if any((outcome.kind, outcome.where) == (one.kind, one.where) for one in into.failures):
            return
        _, again = self._run(Task(Schedule()), Budget(busy_s=60.0))
        if again.error:
            self.left_out = (
                f"not repeatable: after a struck run it fails without any anomaly: {again.kind} ({again.where})"
            )
            return

        def breaks(smaller: Schedule) -> bool:
            seen = self._struck(Task(smaller), clean)
            return not seen.ended and (seen.outcome.kind, seen.outcome.where) == (outcome.kind, outcome.where)

        def note(broken: Schedule) -> None:
            result = self._struck(Task(broken), clean).outcome
            found = _found(_ADDRESS.sub("0x...", result.error), broken, (result.kind, result.where), clean)
            into.failures = _merged([*into.failures, found])

        note(schedule)  # for whoever does not wait until it is small
        note(shrink(schedule, breaks, clean.pool_of, _SHRINKING))

    def _note_finding(self, key: tuple[str, str], schedule: Schedule, clean: Clean, into: Exploration) -> None:
        def shows(smaller: Schedule) -> tuple[str, str, str] | None:
            finding = self._struck(Task(smaller), clean).finding
            return finding if finding is not None and finding[:2] == key else None

        def note(shown: Schedule) -> None:
            seen = shows(shown)
            if seen is not None:
                into.findings = _merged([*into.findings, _found(seen[2], shown, key, clean)])

        note(schedule)
        most = _SHRINKING_ENDLESS if key[0] == ENDLESS else _SHRINKING_FINDINGS
        note(shrink(schedule, lambda smaller: shows(smaller) is not None, clean.pool_of, most))

    def _note_crossing(self, place: Place, schedule: Schedule, clean: Clean, into: Exploration) -> None:
        key = (CROSSED, str(place))
        if self._acknowledged.covers(place) or any(key == (one.kind, one.where) for one in into.findings):
            return

        def meeting(smaller: Schedule) -> Meeting | None:
            return self._struck(Task(smaller, remembers=True), clean).meetings.get(place)

        def note(crossed: Schedule) -> None:
            seen = meeting(crossed)
            if seen is not None:
                into.findings = _merged([*into.findings, _found(_crossing(seen), crossed, key, clean)])

        note(schedule)
        note(shrink(schedule, lambda smaller: meeting(smaller) is not None, clean.pool_of, _SHRINKING_FINDINGS))


def _crossing(seen: Meeting) -> str:
    """Say in three lines which readings met where."""
    deed = "one is subtracted from the other" if seen.how == "-" else "they are compared"
    lines = [f"readings from two sides of a step: {deed} at {_line(seen.place)}{refusal(seen.place)}"]
    lines += [f"  read at {_line(memory.place)}" for memory in (seen.other, seen.one)]
    return "\n".join(lines)


def _line(place: Place) -> str:
    return f"{place}: {place.text}" if place.text else str(place)


def _found(what: str, schedule: Schedule, key: tuple[str, str], clean: Clean) -> Found:
    spots = [strike.spot for strike in schedule.strikes if strike.spot is not None]
    place = clean.places.get(spots[-1]) if spots else None
    order = clean.order.get(spots[-1], len(clean.spots)) if spots else 0
    return Found(what, str(schedule), f"{place}: {place.text}" if place is not None else "", key[1], key[0], order)


def _finding(watch: Watch, clean: Clean) -> tuple[str, str, str] | None:
    """Return what a run that passed did out of proportion to the clean one: its kind, its line, and a sentence."""
    if watch.ended is not None:
        return ENDLESS, str(watch.ended_at or ""), f"{watch.ended} (clean: {len(clean.events):,})"
    longest_ns, total_ns, many = _waits(watch)
    if 2 * longest_ns > 3 * clean.longest_ns and longest_ns - clean.longest_ns > NS_PER_MS:
        place = next(place for _, _, place, _, asked_ns in watch.events if asked_ns == longest_ns)
        told = f"waits {seconds_text(longest_ns)} at {place}: {place.text} (clean, at most: {_s(clean.longest_ns)})"
        return "long wait", str(place), told
    more_ns, more = total_ns - clean.total_ns, many - clean.waits
    once_more = abs(more) == 1 and abs(more_ns) <= clean.longest_ns  # a loop that polls went round once more or less
    if 20 * abs(more_ns) > clean.total_ns and abs(more_ns) > NS_PER_MS and not once_more:
        return "waits", "", f"waits {_s(total_ns)} altogether (clean: {_s(clean.total_ns)})"
    if 2 * _reads(watch) > 3 * clean.reads:
        now = Counter(str(place) for key, _, place, _, _ in watch.events if key[0] == "reading")
        then = Counter(str(event.place) for event in clean.events if event.clock)
        most = max(now, key=lambda line: (now[line] - then[line], line))
        told = f"reads a clock {_reads(watch):,} times (clean: {clean.reads:,}), most of them at {most}"
        return "reads", most, told
    return None


def _s(nanoseconds: int) -> str:
    return seconds_text(nanoseconds) if nanoseconds else "0 s"


def _waits(watch: Watch) -> tuple[int, int, int]:
    """Return the longest wait of a run and the sum of all, in nanoseconds, and how many there were."""
    asked = [asked_ns for key, _, _, _, asked_ns in watch.events if key[0] == "wait" and asked_ns is not None]
    return max(asked, default=0), sum(asked), len(asked)


def _reads(watch: Watch) -> int:
    return sum(key[0] == "reading" for key, _, _, _, _ in watch.events)
