"""The hooks that a conftest or another plugin may implement to add to the kit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pytest_hvclock.disciplines.base import Discipline
    from pytest_hvclock.model.guest import Guest
    from pytest_hvclock.running.backend import Backend
    from pytest_hvclock.scenarios import Scenario
    from pytest_hvclock.timeline import Timeline


def pytest_hvclock_scenarios() -> Sequence[Scenario]:  # type: ignore[empty-body]
    """Return scenarios (``pytest_hvclock.scenarios``) to be used by their names, beside those of the catalogue."""


def pytest_hvclock_disciplines() -> Mapping[str, Callable[[], Sequence[Discipline]]]:  # type: ignore[empty-body]
    """Return disciplines by the names under which ``timesync`` finds them; each is made anew for every guest."""


def pytest_hvclock_backends() -> Mapping[str, Callable[[], Backend]]:  # type: ignore[empty-body]
    """Return what makes backends, by the names under which ``--hvclock-backend`` finds them.

    ``pytest_hvclock.running.backend`` says what one is, and two lines test it: see ``pytest_hvclock.conformance``.
    """


def pytest_hvclock_claims(guest: Guest) -> Sequence[AbstractContextManager[object]]:  # type: ignore[empty-body]
    """Return claims that watch the body of every test on a guest, and the recovery after it.

    Those of ``pytest_hvclock.claims``, or other context managers.
    """


def pytest_hvclock_report_sections(timeline: Timeline) -> Sequence[tuple[str, str]]:  # type: ignore[empty-body]
    """Return titles and texts to be shown of a test, below its failure in the terminal and its drawing in the report.

    ``timeline`` is what happened to its guest, a ``pytest_hvclock.timeline.Timeline``.
    """
