"""One test, run again and again: each run is of a fresh item, with fixtures of its own, by pytest's public hooks."""

from __future__ import annotations

import copy
import doctest
import unittest
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, Literal, cast

import pytest

from pytest_hvclock.explore import Outcome, Watch, outcome_of
from pytest_hvclock.plugin.declared import HVCLOCK, RECOVERS
from pytest_hvclock.plugin.markers import scenarios_of
from pytest_hvclock.plugin.phases import ON_GUEST
from pytest_hvclock.plugin.settings import settings_of

WATCH = pytest.StashKey[Watch]()
"""The watch that a run is under, from before its guest is made."""
SUBTESTS = pytest.StashKey[list[Outcome]]()
"""What came of the subtests of a run that have failed."""
_PASSED = Outcome()
_CALL = cast("type[pytest.CallInfo[object]]", pytest.CallInfo)


class Sibling(pytest.Item):
    """Does nothing, beside a test: what comes next, so that the test's own fixtures are torn down and no others."""

    def runtest(self) -> None:
        """Do nothing."""


class Again:
    """Runs one test as often as it is asked to; a ``Trial`` of the explorer."""

    def __init__(self, item: pytest.Item) -> None:
        """Take the test as it was collected."""
        self._item = item
        self._service = keeps_service(item)
        self._hook = item.ihook  # pytest looks for the conftest files of a test whenever it is asked
        assert item.parent is not None  # noqa: S101  (only the session has none)
        self._sibling = cast("Any", Sibling).from_parent(item.parent, name=f"{item.name} is over")

    def __call__(self, watch: Watch) -> Outcome:
        """Run the test once, under watch."""
        item = fresh(self._item)
        put_under(watch, item, service=self._service)
        outcome = _PASSED
        try:
            outcome = self._phase(item, "setup", lambda: item.ihook.pytest_runtest_setup(item=item))
            if outcome == _PASSED:
                outcome = self._phase(item, "call", lambda: item.ihook.pytest_runtest_call(item=item))
            after = self._phase(
                item, "teardown", lambda: item.ihook.pytest_runtest_teardown(item=item, nextitem=self._sibling)
            )
        finally:
            watch.end()
            if hasattr(item, "funcargs"):
                vars(item)["funcargs"] = None  # as pytest does, so that nothing outlives its test
        return next((one for one in (outcome, *item.stash[SUBTESTS], after) if one != _PASSED), _PASSED)

    def close(self, nextitem: pytest.Item | None) -> None:
        """Let what was made for several runs be torn down, unless the next test needs it."""
        sibling = self._sibling
        hook = sibling.ihook
        pytest.CallInfo.from_call(lambda: hook.pytest_runtest_setup(item=sibling), "setup")
        pytest.CallInfo.from_call(lambda: hook.pytest_runtest_teardown(item=sibling, nextitem=nextitem), "teardown")

    def _phase(
        self, item: pytest.Item, when: Literal["setup", "call", "teardown"], run: Callable[[], object]
    ) -> Outcome:
        reraise = (KeyboardInterrupt, pytest.exit.Exception)
        call = _CALL.from_call(run, when, reraise)
        # fixtures look at the reports of their test (tmp_path does), and unittest keeps its failures until it is asked
        self._hook.pytest_runtest_makereport(item=item, call=call)
        if call.excinfo is None:
            return _PASSED
        failure = call.excinfo.value
        if isinstance(failure, pytest.skip.Exception | unittest.SkipTest):
            return Outcome(skipped=str(failure))
        return _of_a_doctest(failure) if hasattr(item, "dtest") else outcome_of(failure)


class Hooks:
    """The hooks of a test that is run again, through which its subtests report: to nobody, but their failures count."""

    def __init__(self, item: pytest.Item, hooks: Any) -> None:
        """Stand before ``hooks``, and keep the failures with the test."""
        self._failed = item.stash.setdefault(SUBTESTS, [])
        self._hooks = hooks

    def __getattr__(self, name: str) -> Any:
        """Return any other hook as it is."""
        return getattr(self._hooks, name)

    def pytest_runtest_makereport(self, *, item: pytest.Item, call: pytest.CallInfo[Any]) -> pytest.TestReport:
        """Make the report of a subtest, and keep its failure."""
        report: pytest.TestReport = self._hooks.pytest_runtest_makereport(item=item, call=call)
        if report.failed and call.excinfo is not None:
            self._failed.append(outcome_of(call.excinfo.value))
        return report

    def pytest_runtest_logreport(self, **_: object) -> None:
        """Tell nobody."""

    def pytest_exception_interact(self, **_: object) -> None:
        """Ask nobody."""


@cache
def _quiet(kind: Any) -> Any:
    """Return a kind of test whose own hooks are ``Hooks``."""
    return type(kind.__name__, (kind,), {"ihook": cached_property(lambda item: Hooks(item, kind.ihook.fget(item)))})


def _of_a_doctest(failure: BaseException) -> Outcome:
    """Return a failure as what is told of it; of a doctest's, which says nothing itself, what its example did."""
    failure = next(iter(getattr(failure, "failures", ())), failure)  # those of --doctest-continue-on-failure
    if isinstance(failure, doctest.UnexpectedException):
        return outcome_of(failure.exc_info[1])
    if not isinstance(failure, doctest.DocTestFailure):
        return outcome_of(failure)
    example, test = failure.example, failure.test
    said = f"expected {example.want.strip()!r}, got {failure.got.strip()!r}"
    return Outcome(
        f"{doctest.DocTestFailure.__name__}: {said}", f"<doctest {test.name}[{test.examples.index(example)}]>:1"
    )


def fresh(item: pytest.Item) -> pytest.Item:
    """Return a copy of a test that has not run."""
    kind: Any = _quiet(type(item))
    like: Any = item
    if isinstance(item, pytest.Function):
        clone = kind.from_parent(
            item.parent,
            name=item.name,
            callspec=getattr(item, "callspec", None),
            fixtureinfo=like._fixtureinfo,
            originalname=item.originalname,
        )
    else:
        examples = copy.copy(like.dtest)
        examples.globs = dict(like.dtest.globs)
        clone = kind.from_parent(item.parent, name=item.name, runner=like.runner, dtest=examples)
        if HVCLOCK not in clone.fixturenames:
            clone.fixturenames.insert(0, HVCLOCK)
    clone.own_markers[:] = item.own_markers
    clone.location = item.location  # for each report pytest would look for it on the disk
    clone.keywords.update({marker.name: marker for marker in item.own_markers})
    return clone  # type: ignore[no-any-return]


def keeps_service(item: pytest.Item) -> bool:
    """Whether a test is about the service, so that its guest has it whatever strikes."""
    return (
        bool(scenarios_of(item))
        or item.get_closest_marker(RECOVERS) is not None
        or any("timesync" in marker.kwargs for marker in item.iter_markers(HVCLOCK))
    )


def put_under(watch: Watch, item: pytest.Item, *, service: bool) -> None:
    """Let a run be watched, on a guest as the watch wants it, unless the test keeps its ``service``."""
    item.stash[WATCH] = watch
    if not service:
        item.own_markers.insert(0, _marker(**watch.settings))


@cache
def _marker(**settings: Any) -> pytest.Mark:
    mark: pytest.Mark = pytest.mark.hvclock(**settings).mark
    return mark


def begin(item: pytest.Item, *, again: bool) -> None:
    """Begin to watch, now that the test's guest is there; ``again`` tells whether the explorer runs it."""
    watch = item.stash.get(WATCH, None)
    if watch is not None:
        item.stash[ON_GUEST].stays = again
        watch.begin(item.stash[ON_GUEST].running)


def why_not(item: pytest.Item) -> str:
    """Return why a test cannot be run again and again, or nothing."""
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        return "Hypothesis runs it again and again itself"
    live = any(marker.kwargs.get("pace") == "live" for marker in item.iter_markers(HVCLOCK))
    if live and settings_of(item.config).pace != "live":
        return "it runs in live pace, so that each run takes real time: explore it with --hvclock-pace=live"
    if not (isinstance(item, pytest.Function) or hasattr(item, "dtest")):
        return f"items of the kind {type(item).__name__} are not known"
    return ""
