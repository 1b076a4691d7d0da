"""Whether an application recovers from a strike, how soon, and whether it stays recovered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_hvclock.units import Duration, duration_ns, error_text, positive_ns, seconds_text

if TYPE_CHECKING:
    from pytest_hvclock.model.guest import Guest

Probe = Callable[[], object]
"""Asks the application whether it is well: a false value or an exception says no."""

_PROBES = 30
"""How many times the probe is asked within the time allowed, unless ``every`` says otherwise."""


@dataclass(frozen=True)
class Recovery:
    """How an application got over a strike; all times are true time, in nanoseconds."""

    counted_from_ns: int
    """The later of the strike and the correction that it brought."""
    allowed_ns: int
    took_ns: int | None
    """From there to the first probe that held, and went on holding; None if there was none in time."""
    failed_at_ns: int | None = None
    """When the probe failed again although it had held in time, if it did."""
    last_failure: str = ""
    """What the probe said when it last failed."""
    error_ns: int = 0
    """The guest's error at the end, in nanoseconds: positive is ahead."""

    @property
    def recovered(self) -> bool:
        """Whether the application was well in time and stayed so."""
        return self.took_ns is not None and self.failed_at_ns is None

    def message(self, name: str) -> str:
        """Say what was expected of the probe called ``name``, and what came of it."""
        allowed = f"allowed: within {seconds_text(self.allowed_ns)} of true time after the correction"
        if self.failed_at_ns is not None and self.took_ns is not None:
            what = (
                f"{name} held {seconds_text(self.took_ns)} after the correction, "
                f"but no longer {seconds_text(self.failed_at_ns - self.counted_from_ns)} after it ({allowed})"
            )
        else:
            what = f"{name} did not recover ({allowed})"
        said = f"\nits last answer: {self.last_failure}" if self.last_failure else ""
        return f"{what}\nthe guest is {error_text(self.error_ns)}{said}"


def recover(  # noqa: PLR0913  (the contract's keywords)
    guest: Guest,
    probe: Probe,
    *,
    within: Duration,
    hold: Duration | None = None,
    every: Duration | None = None,
    since_ns: int | None = None,
) -> Recovery:
    """Let true time pass until ``probe`` holds, and see that it goes on holding.

    Counted from the later of the strike and the last correction that it brings: the first set of the guest's wall
    clock after the strike that comes in time.

    Args:
        guest: the guest that was struck.
        probe: asks the application whether it is well.
        within: how much true time the application may take.
        hold: how long it must then stay well; by default as long again.
        every: how long to wait between two probes; by default a thirtieth of ``within``.
        since_ns: true time of the strike; by default the last verb that disturbed the guest's clock.

    Raises:
        ValueError: if nothing has struck, or a duration makes no sense.
    """
    strike_ns = since_ns if since_ns is not None else guest.disturbed_at_ns
    if strike_ns is None:
        raise ValueError(
            "nothing has struck this guest, so there is nothing to recover from: name a scenario, or use a verb"
        )
    allowed_ns = positive_ns(within, "within")
    hold_ns = positive_ns(hold, "hold") if hold is not None else allowed_ns
    every_ns = duration_ns(every) if every is not None else max(allowed_ns // _PROBES, 1)
    if every_ns <= 0:
        raise ValueError(f"every={every!r}: time has to pass between two probes")

    host = guest.host
    counted_from_ns = _last_correction_ns(guest, strike_ns, allowed_ns)
    well_since_ns: int | None = None
    said = ""
    while True:
        now_ns = host.true_ns
        failure = _ask(probe)
        now_ns = max(now_ns, host.true_ns)
        counted_from_ns = max(counted_from_ns, _last_correction_ns(guest, strike_ns, allowed_ns))
        deadline_ns = counted_from_ns + allowed_ns
        if failure is None:
            well_since_ns = now_ns if well_since_ns is None else well_since_ns
        else:
            said = failure
            if now_ns > deadline_ns:
                took_ns = None if well_since_ns is None else max(well_since_ns - counted_from_ns, 0)
                failed_at_ns = now_ns if well_since_ns is not None else None
                return Recovery(counted_from_ns, allowed_ns, took_ns, failed_at_ns, said, guest.error_ns)
            well_since_ns = None
        if well_since_ns is None and now_ns >= deadline_ns:
            return Recovery(counted_from_ns, allowed_ns, None, None, said, guest.error_ns)
        end_ns = max(well_since_ns or 0, counted_from_ns) + hold_ns
        if well_since_ns is not None and now_ns >= end_ns:
            took_ns = max(well_since_ns - counted_from_ns, 0)
            return Recovery(counted_from_ns, allowed_ns, took_ns, None, said, guest.error_ns)
        next_ns = now_ns + every_ns
        for limit_ns in (deadline_ns if well_since_ns is None else end_ns, guest.sync_due_ns or 0):
            if now_ns < limit_ns < next_ns:
                next_ns = limit_ns
        _let_pass(guest, next_ns - now_ns)


def _let_pass(guest: Guest, by_ns: int) -> None:
    """Let true time pass as a wait of this thread would, so that the guest's other threads get their turn."""
    from pytest_hvclock.running import active_guest
    from pytest_hvclock.running.waits import coordinator_of_this_thread

    if active_guest() is not guest or coordinator_of_this_thread() is None:
        guest.host.advance(by_ns)
        return
    passed = threading.Event()
    guest.host.at(by_ns, passed.set)
    passed.wait()


def _last_correction_ns(guest: Guest, strike_ns: int, allowed_ns: int) -> int:
    """Return the later of the strike and the correction that it brought, as far as is known now."""
    if guest.sync_due_ns is not None:
        return guest.sync_due_ns
    for entry in guest.clock_sets:
        if strike_ns < entry.last_at_ns and entry.by != "step":
            first_ns = entry.at_ns
            if entry.every_ns and first_ns <= strike_ns:
                first_ns += -(-(strike_ns + 1 - first_ns) // entry.every_ns) * entry.every_ns
            return first_ns if entry.by == "SYNC" or first_ns <= strike_ns + allowed_ns else strike_ns
    return strike_ns


def _ask(probe: Probe) -> str | None:
    """Return None if the application is well, and what it said if not."""
    try:
        answer = probe()
    except Exception as failure:  # noqa: BLE001  (a probe that raises says that the application is not well)
        return f"{type(failure).__name__}: {failure}"
    return None if answer else f"{answer!r}"
