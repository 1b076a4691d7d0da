"""A guest under one test: made, entered, suspended between the phases, struck, judged, and left.

The harness stays on real time. The guest's clocks are in place only within the three phases of a test, and not while
a fixture of a higher scope is made, which other tests will use without a guest.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import ModuleType
from typing import Any, cast

import pytest

from pytest_hvclock.errors import BackendError, ConflictError, HvclockError
from pytest_hvclock.model.guest import Guest
from pytest_hvclock.model.host import Host
from pytest_hvclock.plugin.command import command
from pytest_hvclock.plugin.markers import Recovers, merged, recovers, split
from pytest_hvclock.plugin.moment import Moment
from pytest_hvclock.plugin.settings import Settings, settings_of
from pytest_hvclock.plugin.story import last_word
from pytest_hvclock.recovery import recover
from pytest_hvclock.report.text import picture
from pytest_hvclock.running import Running, try_backend
from pytest_hvclock.running.counters import REAL, real_time_ns
from pytest_hvclock.running.unreached import READERS, loaded, used_by
from pytest_hvclock.scenarios import scenario_named
from pytest_hvclock.timeline import Timeline
from pytest_hvclock.units import NS_PER_S, iso, rate_text

STRANGERS = {"freezer": ("freeze_time", "pytest-freezer"), "time_machine": ("time_machine", "time-machine")}
"""Fixtures of other libraries that fake time, each with its marker and its library."""

Wrapper = Generator[None, object, object]


class OnGuest:
    """One test on its guest."""

    def __init__(self, item: pytest.Item, guest: Guest, running: Running, moment: Moment | None) -> None:
        """Take what was made for the test."""
        self.item = item
        self.guest = guest
        self.running = running
        self.recorder = running.record()
        self.moment = moment
        self.allow_vacuous = False
        self.recovers: Recovers | None = None
        self.probe: Any = None
        self.strike_at: int | None = None
        """Before which reading the scenario strikes by itself; None if the test's end is soon enough."""
        self.stays = False
        """Whether its clocks stay in place between the phases too: where nobody else is there to read them."""
        self._reads = 0
        self._loaded = loaded()

    def claims(self) -> ExitStack:
        """Enter the claims that the hook has for every test on a guest; what this returns leaves them."""
        with ExitStack() as entered:
            for returned in self.item.ihook.pytest_hvclock_claims(guest=self.guest):
                for claim in _claims(returned):
                    entered.enter_context(claim)
            return entered.pop_all()

    def begin_body(self) -> None:
        """Count the readings, if the scenario is to strike before one of them."""
        if self.strike_at is not None and self.guest.armed is not None:
            self.running.tap(self._read)

    def end_body(self) -> None:
        """Strike, if the test has not, and judge the recovery."""
        self.running.tap(None)
        at_the_end = self.strike_at is None and self.guest.armed is not None
        if at_the_end:
            self.guest.strike()
        if self.guest.armed is not None and self.moment is not None and self.moment.scenario.anomalies:
            self.item.user_properties.append(("hvclock.struck", False))
        moment = self.moment
        seen = moment is not None and moment.seen  # the judge reads and waits as well
        doubted = self.recovers is not None and self._judge(self.recovers)
        if moment is None or self.allow_vacuous:
            return
        probe = self.recovers.name if self.recovers is not None else ""
        why = moment.vacuous(seen=seen or doubted or moment.read, at_the_end=at_the_end, probe=probe)
        if why:
            pytest.fail(f"{why}\n{self.command()}", pytrace=False)

    def _judge(self, recovers: Recovers) -> bool:
        """See that the application recovers; returns whether the probe has ever said no, and so can."""
        try:
            recovery = recover(
                self.guest,
                self.probe,
                within=recovers.within,
                hold=recovers.hold,
                every=recovers.every,
                judged_by=recovers.judged_by,
                since_ns=self.guest.struck_at_ns,
                name=recovers.name,
            )
        except ValueError as wrong:
            raise pytest.fail.Exception(str(wrong), pytrace=False) from None
        if not recovery.as_expected:
            pytest.fail(f"{recovery.message(recovers.name)}\n{self.command()}", pytrace=False)
        return bool(recovery.last_failure)

    def tell_recoveries(self) -> None:
        """Make properties of the test of how its application recovered, whether a marker asked or its own code."""
        for judged in self.recorder.judgements:
            if judged.kind == "recovery" and judged.allowed_ns is not None:
                self.item.user_properties.append(("hvclock.allowed", _seconds(judged.allowed_ns)))
                if judged.held and judged.took_ns is not None:
                    self.item.user_properties.append(("hvclock.recovered_after", _seconds(judged.took_ns)))

    def _read(self, _clock: str) -> None:
        """Strike just before the reading that was chosen, if it is the test's own."""
        frame: Any = sys._getframe(1)
        while frame is not None and frame.f_globals.get("__name__", "").startswith("pytest_hvclock"):
            frame = frame.f_back
        reader = frame.f_globals.get("__name__", "") if frame is not None else ""
        if reader.partition(".")[0] in REAL or reader == "logging":
            return
        self._reads += 1
        if self._reads == self.strike_at and self.guest.armed is not None:
            self.guest.strike()
            self.running.tap(None)

    def section(self, timeline: Timeline) -> str:
        """Say what the guest's clock did, for a failing test's report."""
        scenario = self.moment.scenario if self.moment is not None else None
        lines = [f"scenario: {scenario.name} ({scenario.summary})"] if scenario is not None else []
        lines.append(picture(timeline, ascii=not _draws()))
        lines += self.unreached().values()
        lines += [f"not waited for any longer (hvclock_io_grace): {what}" for what in self.running.overtaken]
        return "\n".join([*lines, self.command()])

    def timeline(self, report: pytest.TestReport) -> Timeline:
        """Return the record of the test."""
        guest = self.guest
        return self.recorder.timeline(
            test=report.nodeid,
            scenario=self.moment.name if self.moment is not None else "",
            outcome=report.outcome,
            failure=last_word(report) if report.failed else "",
            command=self.command(),
            settings={
                "os": guest.os,
                "timesync": str(guest.timesync),
                "drift": rate_text(guest.drift_ppb),
                "zone": str(guest.zone),
                "host zone": str(guest.host.zone),
                "backend": self.running.backend,
                "pace": self.running.pace,
            },
        )

    def unreached(self) -> dict[str, str]:
        """Name the modules whose own clocks no backend reaches, and how the test comes by each."""
        module = getattr(self.item, "module", None)
        found = dict.fromkeys(loaded() - self._loaded, "imported during the test")
        if isinstance(module, ModuleType):
            found |= {name: f"used by {user}" for name, user in used_by(module).items()}
        return {name: f"not the guest's clock: {name} ({READERS[name]}), {found[name]}" for name in sorted(found)}

    def command(self) -> str:
        """Return the command that repeats this test from the same instant."""
        return command(self.item, self.guest.host.started_ns)


ON_GUEST = pytest.StashKey[OnGuest]()
RUNNING = pytest.StashKey[OnGuest]()


def refuse_backend(config: pytest.Config) -> None:
    """Say before any test runs that the backend which all of them would run by does not work here.

    Raises:
        pytest.UsageError: one line that says what is missing.
    """
    try:
        try_backend(settings_of(config).backend)
    except BackendError as wrong:
        raise pytest.UsageError(f"hvclock: {wrong}") from None
    except ConflictError:
        return  # each test says so that is on a guest then


def guest_of(request: pytest.FixtureRequest) -> Iterator[Guest]:
    """Make the guest of a test, and let the test run on it."""
    item: pytest.Item = request.node
    config = request.config
    try:
        on_guest = _prepare(item, getattr(request, "param", None), settings_of(config))
        if on_guest.recovers is not None and not isinstance(on_guest.recovers.probe, str):
            on_guest.probe = on_guest.recovers.probe
        on_guest.running.__enter__()
    except (TypeError, ValueError, HvclockError) as wrong:
        raise pytest.fail.Exception(f"{item.nodeid}: {wrong}", pytrace=False) from None
    item.stash[ON_GUEST] = config.stash[RUNNING] = on_guest
    try:
        yield on_guest.guest
    finally:
        config.stash[RUNNING] = on_guest
        del config.stash[RUNNING], item.stash[ON_GUEST]  # items live as long as the run
        try:
            on_guest.running.__exit__(None, None, None)
        except HvclockError as wrong:
            raise pytest.fail.Exception(f"{item.nodeid}: {wrong}", pytrace=False) from None


def _prepare(item: pytest.Item, param: str | None, settings: Settings) -> OnGuest:
    """Read a test's markers, and make its guest and what strikes it.

    Raises:
        TypeError, ValueError, HvclockError: for whatever is wrong with them.
    """
    marked = merged(item, _adopted(item))
    if len(set(marked.scenarios)) < len(marked.scenarios):
        raise ValueError(f"the marker hvclock names a scenario twice: {', '.join(map(str, marked.scenarios))}")
    if param is None and len(marked.scenarios) > 1:
        raise ValueError(
            f"{len(marked.scenarios)} scenarios cannot become several tests here: a marker added after collection, "
            "or one on a unittest method, names one scenario"
        )
    own = param if param is not None else next(iter(marked.scenarios), None)
    name = own if own is not None else settings.scenario
    scenario = scenario_named(name) if name is not None else None
    conditions = split(dict(scenario.settings)) if scenario is not None else split({})
    backend = marked.backend or conditions.backend or settings.backend
    host_settings = {**conditions.host, **marked.host}
    host_settings.setdefault("start", settings.start or iso(real_time_ns() // NS_PER_S * NS_PER_S))
    host = Host(**host_settings)
    guest_settings = {**conditions.guest, **marked.guest}
    guest = host.guest(**guest_settings)
    pace = marked.pace or conditions.pace or settings.pace
    zone = marked.guest.get("zone")
    io_grace = next(given for given in (marked.io_grace, conditions.io_grace, settings.io_grace) if given is not None)
    running = Running(guest, backend, pace, zone if isinstance(zone, str) else None, io_grace)
    moment = Moment(scenario, running.record()) if scenario is not None else None
    on_guest = OnGuest(item, guest, running, moment)
    on_guest.recovers = recovers(item)
    on_guest.allow_vacuous = marked.allow_vacuous
    properties = item.user_properties
    properties[:] = [each for each in properties if not each[0].startswith("hvclock.")]  # those of a run before a rerun
    if scenario is not None:
        item.user_properties.append(("hvclock.scenario", scenario.name))
        for anomaly in scenario.before:
            anomaly.strike(guest)
        assert moment is not None  # noqa: S101  (it belongs to the scenario)
        guest.arm(moment)
        if own is None:
            on_guest.strike_at = settings.strike_at
    return on_guest


def _adopted(item: pytest.Item) -> dict[str, Any]:
    """Return what the ways of other libraries that fake time say of a test's guest, where ours stand for them.

    Raises:
        ValueError: for one that is the other library's own.
    """
    migrating = sys.modules.get("pytest_hvclock.plugin.migrating")
    adopted: dict[str, dict[str, Any]] = migrating.adopted(item) if migrating is not None else {}
    names = getattr(item, "fixturenames", ())
    markers = {marker.name for marker in item.iter_markers()}
    for name, (marker, library) in STRANGERS.items():
        if name not in adopted and (name in names or marker in markers):
            what = f"the fixture {name!r}" if name in names else f"the marker {marker!r}"
            raise ValueError(
                f"{what} of {library} fakes time too: take it away from this test, and move the guest's clock with "
                "hvclock.step() or hvclock.advance()"
            )
    # what is decorated with freeze_time or travel of ours says it itself, a test's function better than its class
    decorated = [getattr(getattr(item, place, None), "_hvclock_stay", {}) for place in ("cls", "function")]
    return {name: value for settings in (*adopted.values(), *decorated) for name, value in settings.items()}


class Phases:
    """The hooks around the phases of a test; registered when the first test that uses the kit is collected."""

    def __init__(self, config: pytest.Config) -> None:
        """Take the run whose tests are to be put on guests."""
        self._config = config
        self._within = False
        self._reported = settings_of(config).report is not None

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Wrapper:
        """Keep the guest's clocks within the setup phase; its probe is known at the end of it."""
        try:
            result = yield
            on_guest = item.stash.get(ON_GUEST, None)
            if on_guest is not None and on_guest.recovers is not None and on_guest.probe is None:
                on_guest.probe = _probe(item, on_guest.recovers)
            return result
        finally:
            self._suspend()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Wrapper:
        """Run the body on the guest, then strike and judge, unless the body has failed already."""
        on_guest = item.stash.get(ON_GUEST, None)
        if on_guest is None:
            return (yield)
        on_guest.running.resume()
        try:
            with on_guest.claims():
                on_guest.begin_body()
                result = yield
                on_guest.end_body()
            return result
        finally:
            on_guest.tell_recoveries()
            self._suspend()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Wrapper:
        """Let the test's own fixtures be torn down on the guest."""
        on_guest = item.stash.get(ON_GUEST, None)
        if on_guest is not None and self._config.stash.get(RUNNING, None) is on_guest:
            on_guest.running.resume()
        try:
            return (yield)
        except BaseException:
            if on_guest is not None:
                item.stash[ON_GUEST] = on_guest  # until the failure is told
            raise
        finally:
            self._suspend()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Wrapper:
        """Make fixtures of higher scopes in real time: other tests will use them without this guest."""
        on_guest = self._config.stash.get(RUNNING, None)
        if on_guest is None or fixturedef.scope == "function" or not on_guest.running.installed:
            return (yield)
        on_guest.running.suspend()
        try:
            return (yield)
        finally:
            on_guest.running.resume()

    def pytest_enter_pdb(self) -> None:
        """Give the debugger the real clocks."""
        on_guest = self._config.stash.get(RUNNING, None)
        self._within = on_guest is not None and on_guest.running.installed
        if on_guest is not None:
            on_guest.running.suspend()

    def pytest_leave_pdb(self) -> None:
        """Go on with the guest's clocks after the debugger."""
        on_guest = self._config.stash.get(RUNNING, None)
        if on_guest is not None and self._within:
            on_guest.running.resume()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Wrapper:
        """Say what the guest's clock did, below a failure."""
        on_guest = item.stash.get(ON_GUEST, None)
        if on_guest is not None and not on_guest.stays and call.excinfo is not None:
            _hide_the_kit(call.excinfo)
        report: Any = yield
        if on_guest is None or on_guest.stays:
            return report
        if call.when == "call":
            unreached = on_guest.unreached()
            if unreached:
                report.hvclock_unreached = unreached
        if report.failed or (self._reported and call.when == "call"):
            timeline = on_guest.timeline(report)
            if call.when != "teardown":  # then its body has been told of
                report.hvclock_timeline = json.dumps(timeline.as_json())  # xdist carries text
            if report.failed:
                report.sections.append(("Guest clock", on_guest.section(timeline)))
        if call.when == "teardown":
            del item.stash[ON_GUEST]
        return report

    def _suspend(self) -> None:
        on_guest = self._config.stash.get(RUNNING, None)
        if on_guest is not None and not on_guest.stays:
            on_guest.running.suspend()


def _probe(item: pytest.Item, wanted: Recovers) -> Any:
    """Return the callable that a fixture has made for the marker.

    Raises:
        pytest.fail.Exception: if there is none.
    """
    value = getattr(item, "funcargs", {}).get(wanted.probe)
    if not callable(value):
        pytest.fail(
            f"{item.nodeid}: the fixture {wanted.probe!r} returned {value!r}, which cannot be called: "
            "a probe is a callable that says whether the application is well",
            pytrace=False,
        )
    return value


def _claims(returned: object) -> list[AbstractContextManager[object]]:
    """Return what a hook has returned as claims.

    Raises:
        pytest.fail.Exception: for anything else.
    """
    found = list(cast("Sequence[object]", returned)) if isinstance(returned, Sequence) else [returned]
    if not (isinstance(returned, Sequence) and all(isinstance(claim, AbstractContextManager) for claim in found)):
        pytest.fail(f"pytest_hvclock_claims returned {returned!r}: return a sequence of claims", pytrace=False)
    return cast("list[AbstractContextManager[object]]", found)


def _hide_the_kit(failure: pytest.ExceptionInfo[BaseException]) -> None:
    """Leave the kit's own frames out of a traceback: what its reader can change is the line that called it."""
    for entry in failure.traceback:
        namespace = entry.frame.f_globals
        if namespace.get("__name__", "").startswith(_KIT):
            namespace["__tracebackhide__"] = _is_said


def _is_said(failure: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether the kit raises such a thing to say something; anything else in it is a bug, which needs its frames."""
    return isinstance(failure.value, AssertionError | HvclockError | TypeError | ValueError)


_KIT = tuple(
    f"pytest_hvclock.{name}" for name in ("claims", "judge", "model", "plugin", "recovery", "running", "scenarios")
)
"""Whose frames nobody looks for: ``conformance`` is left out, whose tests are others' too."""


def _draws() -> bool:
    """Whether what pytest writes to can show lines and arrows."""
    try:
        "┃▼✗…".encode(getattr(sys.__stdout__, "encoding", None) or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def _seconds(nanoseconds: int) -> str:
    """Write nanoseconds as decimal seconds, exactly."""
    whole, rest = divmod(nanoseconds, NS_PER_S)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
