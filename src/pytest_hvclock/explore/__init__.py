"""Where to strike a program, what came of it, and the smallest strike that still breaks; knows no pytest.

``explore`` takes a callable, which is run again and again on guests that are all alike.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

from pytest_hvclock.explore.acknowledged import Acknowledged
from pytest_hvclock.explore.kinds import BOOT, KINDS, Kind
from pytest_hvclock.explore.schedules import Schedule
from pytest_hvclock.explore.search import PLACES, Exploration, Explorer, Outcome, Task, Trial
from pytest_hvclock.explore.watch import Watch
from pytest_hvclock.model.host import Host
from pytest_hvclock.running import Running
from pytest_hvclock.running.recorder import Site, is_standard, is_the_programs, place_of


def explore(
    program: Callable[[], object],
    chance: random.Random,
    places: int | None = PLACES,
    kinds: Sequence[Kind] = KINDS,
    **settings: Any,
) -> Exploration:
    """Run a program clean, and then with one anomaly before each of the places that are drawn.

    Args:
        program: what to explore; an exception that it raises says that it failed.
        chance: draws the places.
        places: at how many places each kind of anomaly strikes; None for all.
        kinds: what is tried; ``BOOT`` is left to programs that outlive their guest.
        settings: those of the guest, as for ``Host.guest``.
    """
    seed = chance.random()
    explorer = Explorer(
        trial_of(program, **settings),
        lambda kind: random.Random(f"{seed} {kind}"),  # noqa: S311  (no secret)
        places,
        kinds=kinds,
    )
    return explorer.explore(explorer.tasks())


def trial_of(program: Callable[[], object], **settings: Any) -> Trial:
    """Return what runs a program once on a new guest, under watch."""

    def trial(watch: Watch) -> Outcome:
        guest = Host().guest(**{**settings, **watch.settings})
        running = Running(guest)
        with running:
            watch.begin(running)
            try:
                program()
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as failure:  # noqa: BLE001  (whatever it is, the program failed)
                return outcome_of(failure)
            finally:
                watch.end()
        return Outcome()

    return trial


def outcome_of(failure: BaseException) -> Outcome:
    """Return a failure as what is compared and told of it."""
    said = "".join(traceback.format_exception_only(failure)).strip()
    first = next((line for line in said.splitlines() if line.strip()), "")
    sites = [site for site in _sites(failure.__traceback__) if is_the_programs(site[0])]
    sites = [site for site in sites if not is_standard(site[0])] or sites
    return Outcome(first or type(failure).__name__, str(place_of(sites[-1])) if sites else "")


def _sites(where: TracebackType | None) -> Iterator[Site]:
    """Yield the places that an exception came through: of a frame that goes on, as a subtest's does, where it was."""
    while where is not None:
        yield where.tb_frame.f_code, where.tb_lasti
        where = where.tb_next


__all__ = [
    "BOOT",
    "KINDS",
    "Acknowledged",
    "Exploration",
    "Explorer",
    "Outcome",
    "Schedule",
    "Task",
    "Watch",
    "explore",
    "trial_of",
]
