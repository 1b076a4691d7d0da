"""Whether an application recovers from a strike, how soon, and whether it stays recovered.

The judge is one generator, which says when to ask the probe and how long to let time pass. A thread drives it, or the
event loop that the application lives on: there time passes by waiting, so that heartbeats and reconnects go on.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any

from pytest_hvclock.errors import RecoveryError, StateError
from pytest_hvclock.judge import Judge, JudgedBy, evidence, recorder_of, refusal, verdict
from pytest_hvclock.model.guest import Guest, State
from pytest_hvclock.running import active_guest
from pytest_hvclock.running.loops import IdleSelector
from pytest_hvclock.running.waits import coordinator_of_this_thread
from pytest_hvclock.timeline import Judgement
from pytest_hvclock.units import (
    NS_PER_MS,
    NS_PER_S,
    Duration,
    duration_ns,
    duration_text,
    iso,
    positive_ns,
    seconds_text,
)

Probe = Callable[[], object]
"""Asks the application whether it is well: a false value or an exception says no. It may be async."""

_PROBES = 30
"""How many times the probe is asked within the time allowed, unless ``every`` says otherwise."""
_WATCHED_NS = 60 * NS_PER_S
"""How long it is watched that an application does not recover, unless ``hold`` says otherwise."""

_Judging = Generator[int | None, str | None, "Recovery"]
"""Yields None to have the probe asked, and is sent what it said; yields nanoseconds to let pass."""


@dataclass(frozen=True)
class Recovery:
    """How an application got over a strike; lengths are nanoseconds of the time that judged."""

    counted_from_ns: int
    """True time, in nanoseconds: the later of the strike and the correction that it brought."""
    allowed_ns: int | None
    """How long the application could take; None if it was not to recover by itself."""
    took_ns: int | None
    """From there to the first probe that held, and went on holding; None if there was none in time."""
    failed_after_ns: int | None = None
    """From there to the probe that failed again although it had held in time, if one did."""
    last_failure: str = ""
    """What the probe said when it last failed."""
    judged_by: JudgedBy = "true"
    corrected: bool = False
    """Whether it was counted from a correction, and not from the strike."""
    hold_ns: int = 0
    """How long the application had to stay well; or, if it was not to recover, how long it was watched."""
    error_ns: int | None = None
    """The guest's error at the end, in nanoseconds: positive is ahead; None if it was off."""
    evidence: str = ""
    """Where the guest's clock stood at the end, and which line of the program read one last."""

    @property
    def recovered(self) -> bool:
        """Whether the application was well in time and stayed so."""
        return self.took_ns is not None and self.failed_after_ns is None

    @property
    def as_expected(self) -> bool:
        """Whether it came out as the test says: well in time, or not well by itself."""
        return self.recovered is (self.allowed_ns is not None)

    def message(self, name: str) -> str:
        """Say what was expected of the probe called ``name``, and what came of it."""
        time = "true time" if self.judged_by == "true" else "the guest's running time"
        since = f"the {'correction' if self.corrected else 'strike'} at {iso(self.counted_from_ns)}"
        found = [self.evidence] if self.evidence else []
        if self.last_failure:
            found.append(f"its last answer: {self.last_failure}")
        if self.allowed_ns is None:
            return verdict(
                f"{name} recovered by itself {seconds_text(self.took_ns or 0)} after {since}: it was not to do so "
                f"within {seconds_text(self.hold_ns)} of {time}",
                found,
                why="the test says that somebody has to step in, and nobody has to",
                do=f'say how soon it recovers: within="{duration_text(max(self.took_ns or 0, NS_PER_S))}"',
                meant=(
                    f"watch for less time than {seconds_text(self.took_ns)}, with hold="
                    if self.took_ns
                    else "let the probe ask for what somebody has to mend: it says yes at once"
                ),
            )
        allowed = f"allowed: {seconds_text(self.allowed_ns)} of {time} after {since}"
        if self.failed_after_ns is not None:
            return verdict(
                f"{name} did not stay well: it held {seconds_text(self.took_ns or 0)} after the "
                f"{'correction' if self.corrected else 'strike'}, and no longer {seconds_text(self.failed_after_ns)} "
                f"after it ({allowed}, then well for {seconds_text(self.hold_ns)})",
                found,
                why="an application that is well only for a moment fails its users again, unseen",
                do="find what ran out meanwhile: a lease, a token or a schedule stamped with the wall clock",
                meant='say how long it has to stay well: hold="1 s"',
            )
        clock = "is right again" if abs(self.error_ns or 0) < NS_PER_S else "stays wrong"
        return verdict(
            f"{name} did not recover ({allowed})",
            found,
            why=f"the clock {clock}, and the application stays unwell until somebody steps in",
            do=(
                "measure lengths of time by time.monotonic(), and make anew what was stamped before the strike; "
                "if it only takes longer, allow more with within="
            ),
            meant="write within=None, which says that it does not recover by itself",
        )


def recovers(  # noqa: PLR0913  (the contract's keywords)
    guest: Guest,
    probe: Probe,
    *,
    within: Duration | None,
    hold: Duration | None = None,
    every: Duration | None = None,
    judged_by: JudgedBy = "true",
) -> Recovery:
    """Assert that an application gets over what has struck its guest: the marker ``hvclock_recovers`` in code.

    Args:
        guest: the guest that was struck.
        probe: asks the application whether it is well; it may be async. It is then asked on this thread's event loop,
            if there is an open one that does not run, and time passes there; else on a new one.
        within: how much time the application may take, counted from the later of the strike and the last correction
            that it brings; None asserts that it does not recover by itself.
        hold: how long it must then stay well, by default as long again; with ``within=None``, how long it is watched,
            by default 60 s.
        every: how long to wait between two probes; by default a thirtieth of ``within``, and not less than 1 ms.
        judged_by: ``"true"`` time, or the ``"guest"``'s running time, which stands still while the guest does.

    Raises:
        RecoveryError: if it does not recover in time, or not for long, or does although it should not.
        ValueError: if nothing has struck, or a duration makes no sense.
        StateError: if an event loop runs in this thread: see ``recovers_async``.
    """
    return _asserted(probe, recover(guest, probe, within=within, hold=hold, every=every, judged_by=judged_by))


async def recovers_async(  # noqa: PLR0913  (the contract's keywords)
    guest: Guest,
    probe: Probe,
    *,
    within: Duration | None,
    hold: Duration | None = None,
    every: Duration | None = None,
    judged_by: JudgedBy = "true",
) -> Recovery:
    """Assert a recovery from within asyncio: as ``recovers``, while the loop that runs goes on.

    Raises:
        RecoveryError, ValueError: as ``recovers``.
        StateError: outside asyncio, such as under trio.
    """
    if _running_loop() is None:
        raise StateError(
            "recovers_async waits on an asyncio loop, and none runs here. Under trio, leave trio.run() and judge "
            "outside it: recovers(guest, lambda: trio.run(probe), within=...)"
        )
    judging, judge = _judging(guest, probe, within, hold, every, judged_by)
    recovery = await _drive_async(judging, next(judging), probe, judge)
    return _asserted(probe, _told(judge, recovery, name_of(probe)))


def recover(  # noqa: PLR0913  (the contract's keywords)
    guest: Guest,
    probe: Probe,
    *,
    within: Duration | None,
    hold: Duration | None = None,
    every: Duration | None = None,
    judged_by: JudgedBy = "true",
    since_ns: int | None = None,
    name: str | None = None,
) -> Recovery:
    """Let time pass until ``probe`` holds, see that it goes on holding, and return what came of it.

    As ``recovers``, which has the same arguments. ``since_ns`` is the true time of the strike, by default that of the
    last verb that disturbed the guest's clock, and ``name`` is what to call the probe.

    Raises:
        ValueError: if nothing has struck, or a duration makes no sense.
        StateError: if an event loop runs in this thread.
    """
    if _running_loop() is not None or _in_trio():
        raise StateError(
            "an event loop runs in this thread and would stand still while the application is to recover: "
            "write await recovers_async(...) in asyncio, and judge after trio.run() in trio"
        )
    judging, judge = _judging(guest, probe, within, hold, every, judged_by, since_ns)
    request = next(judging)
    loop = _loop_at_rest()
    if loop is not None:
        recovery = loop.run_until_complete(_drive_async(judging, request, probe, judge))
    else:
        recovery = _drive(judging, request, probe, judge)
    return _told(judge, recovery, name if name is not None else name_of(probe))


def name_of(probe: Probe) -> str:
    """Return what to call a probe in a message."""
    return getattr(probe, "__name__", None) or repr(probe)


def _asserted(probe: Probe, recovery: Recovery) -> Recovery:
    if not recovery.as_expected:
        raise RecoveryError(recovery.message(name_of(probe)), recovery)
    return recovery


def _told(judge: Judge, recovery: Recovery, name: str) -> Recovery:
    """Leave the judgement in the record of the guest, if it runs."""
    recorder = recorder_of(judge.guest)
    if recorder is not None:
        recorder.judgements.append(
            Judgement(
                f"{name} recovers" if recovery.allowed_ns is not None else f"{name} does not recover by itself",
                recovery.as_expected,
                "" if recovery.as_expected else recovery.message(name),
                recovery.counted_from_ns,
                judge.guest.host.true_ns,
                recovery.allowed_ns,
                recovery.took_ns,
                recovery.judged_by,
                "recovery",
            )
        )
    return recovery


# ----------------------------------------------------------------------------------------------------- the judge


def _judging(  # noqa: PLR0913, PLR0917  (the contract's keywords)
    guest: Guest,
    probe: Probe,
    within: Duration | None,
    hold: Duration | None,
    every: Duration | None,
    judged_by: JudgedBy,
    since_ns: int | None = None,
) -> tuple[_Judging, Judge]:
    """Check what is asked for, and return the judge.

    Raises:
        TypeError: for what is no guest or no probe.
        ValueError: if nothing has struck, or a duration makes no sense.
    """
    if not isinstance(guest, Guest):
        raise TypeError(f"{guest!r} is no guest: give what host.guest() has returned, or the fixture hvclock")
    if not callable(probe):
        raise TypeError(
            f"the probe {probe!r} cannot be called: give a callable that says whether the application is well"
        )
    judge = Judge(guest, judged_by)
    strike_ns = since_ns if since_ns is not None else guest.disturbed_at_ns
    if strike_ns is None:
        raise ValueError(
            "nothing has struck this guest, so there is nothing to recover from: name a scenario, as "
            '@pytest.mark.hvclock("restore-after-a-month") does, or disturb the clock in the test: hvclock.step("1 h")'
        )
    allowed_ns = positive_ns(within, "within") if within is not None else None
    watched_ns = allowed_ns if allowed_ns is not None else _WATCHED_NS
    hold_ns = positive_ns(hold, "hold") if hold is not None else watched_ns
    length_ns = allowed_ns if allowed_ns is not None else hold_ns
    every_ns = duration_ns(every) if every is not None else max(length_ns // _PROBES, NS_PER_MS)
    if every_ns <= 0:
        raise ValueError(f"every={every!r}: time has to pass between two probes")
    recorder_of(guest)
    return _judge_recovery(judge, strike_ns, allowed_ns, hold_ns, every_ns), judge


def _judge_recovery(judge: Judge, strike_ns: int, allowed_ns: int | None, hold_ns: int, every_ns: int) -> _Judging:
    """Ask the probe again and again, and say in the end how the application got over the strike."""
    guest = judge.guest
    counted = _Counted(judge, strike_ns, allowed_ns if allowed_ns is not None else hold_ns)
    begun_ns = guest.host.true_ns
    well_since_ns: int | None = None
    said = ""

    def over(took_ns: int | None, failed_after_ns: int | None = None) -> Recovery:
        return Recovery(
            counted.true_ns,
            allowed_ns,
            took_ns,
            failed_after_ns,
            said,
            judge.judged_by,
            counted.true_ns != strike_ns,
            hold_ns,
            guest.error_ns if guest.state is not State.OFF else None,
            evidence(guest, begun_ns),
        )

    while True:
        now_ns = judge.now_ns
        counted.look()
        if allowed_ns is None and now_ns < counted.from_ns:
            yield counted.from_ns - now_ns  # only what it does by itself, after all corrections, is of interest
            continue
        failure, asked_ns = (yield None), now_ns
        now_ns = max(now_ns, judge.now_ns)
        counted.look()
        said = failure or said
        if allowed_ns is None:
            end_ns = counted.from_ns + hold_ns
            if failure is None or now_ns >= end_ns:
                return over(max(now_ns - counted.from_ns, 0) if failure is None else None)
        else:
            deadline_ns = counted.from_ns + allowed_ns
            failure = failure or (_lateness(asked_ns, deadline_ns, now_ns) if well_since_ns is None else None)
            said = failure or said
            if failure is None:
                well_since_ns = now_ns if well_since_ns is None else well_since_ns
            elif now_ns > deadline_ns and well_since_ns is not None:
                return over(max(well_since_ns - counted.from_ns, 0), now_ns - counted.from_ns)
            else:
                well_since_ns = None
            if well_since_ns is None and now_ns >= deadline_ns:
                return over(None)
            end_ns = max(well_since_ns or 0, counted.from_ns) + hold_ns
            if well_since_ns is not None and now_ns >= end_ns:
                return over(max(well_since_ns - counted.from_ns, 0))
            end_ns = deadline_ns if well_since_ns is None else end_ns
        steps = (every_ns, end_ns - now_ns, (guest.sync_due_ns or 0) - guest.host.true_ns)
        yield min(step for step in steps if step > 0)


def _lateness(asked_ns: int, deadline_ns: int, answered_ns: int) -> str | None:
    """Say of a first yes that it was asked for in time, and came too late: the probe itself has waited for it.

    Of an application that was first asked when its time was over, nobody knows when it was well: it is believed.
    """
    late = asked_ns < deadline_ns < answered_ns
    return f"yes, but {seconds_text(answered_ns - deadline_ns)} too late" if late else None


class _Counted:
    """From when a recovery is counted: the later of the strike and the last correction, as far as is known now."""

    def __init__(self, judge: Judge, strike_ns: int, allowed_ns: int) -> None:
        self._judge = judge
        self._strike_ns = strike_ns
        self._allowed_ns = allowed_ns
        self.true_ns = -1
        self.from_ns = 0
        """In the time that judges."""

    def look(self) -> None:
        """See whether there was another correction meanwhile."""
        guest = self._judge.guest
        true_ns = _last_correction_ns(guest, self._strike_ns, self._allowed_ns)
        if true_ns > self.true_ns:
            self.true_ns = true_ns
            since_ns = self._judge.now_ns - (guest.host.true_ns - true_ns)
            self.from_ns = since_ns if self._judge.judged_by == "true" else max(since_ns, guest._struck_after_ns)


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


# ----------------------------------------------------------------------------------------------------- who drives it


def _drive(judging: _Judging, request: int | None, probe: Probe, judge: Judge) -> Recovery:
    """Ask and let time pass in this thread; a probe whose answer has to be awaited is asked on a new event loop."""
    try:
        while True:
            if request is not None:
                _let_pass(judge, request)
                request = next(judging)
                continue
            answer = _ask(probe)
            if isinstance(answer, Awaitable):
                import asyncio

                with asyncio.Runner() as runner:
                    return runner.run(_drive_async(judging, request, probe, judge, answer))
            request = judging.send(answer)
    except StopIteration as over:
        recovery: Recovery = over.value
        return recovery


async def _drive_async(
    judging: _Judging, request: int | None, probe: Probe, judge: Judge, answer: Awaitable[object] | None = None
) -> Recovery:
    """Ask and let time pass on the event loop that runs; ``answer`` is what the probe has said already."""
    try:
        while True:
            if request is not None:
                await _let_pass_async(judge, request)
                request = next(judging)
                continue
            said = answer if answer is not None else _ask(probe)
            answer = None
            if isinstance(said, Awaitable):
                said = await _answer(said)
            request = judging.send(said)
    except StopIteration as over:
        recovery: Recovery = over.value
        return recovery


def _ask(probe: Probe) -> str | Awaitable[object] | None:
    """Return None if the application is well, what it said if not, or what has to be awaited to know."""
    try:
        answer = probe()
    except BaseException as failure:
        said = refusal(failure)
        if said is None:
            raise
        return said
    return answer if inspect.isawaitable(answer) else _judged(answer)


def _judged(answer: object) -> str | None:
    """Return None for a yes, or what to say of a no; a probe that only asserts forgets to say yes."""
    if answer is None:
        return "None, which says no: a probe says yes by a true value"
    return None if answer else f"{answer!r}"


async def _answer(awaited: Awaitable[object]) -> str | None:
    """Await an async probe's answer, and say the same of it."""
    try:
        return _judged(await awaited)
    except BaseException as failure:
        if "trio" in sys.modules and isinstance(failure, RuntimeError) and str(failure).startswith(_TRIO_SAYS):
            raise TypeError(
                "the probe waits for trio, and is asked on an asyncio loop: give a callable that runs it, such as "
                "lambda: trio.run(probe)"
            ) from failure
        said = refusal(failure)
        if said is None:
            raise
        return said


_TRIO_SAYS = ("must be called from async context", "Task got bad yield")
"""What trio says outside of its own loop, and asyncio of what trio yields."""


def _let_pass(judge: Judge, by_ns: int) -> None:
    """Let time pass as a wait of this thread would, so that the guest's other threads get their turn."""
    guest = judge.guest
    if active_guest() is guest and coordinator_of_this_thread() is not None:
        passed = threading.Event()
        judge.at(by_ns, passed.set)
        passed.wait()
        return
    if judge.judged_by == "true":
        guest.host.advance(by_ns)
        return
    until_ns = judge.now_ns + by_ns
    while judge.now_ns < until_ns:
        off = guest.state is State.OFF
        guest._pass_until(0 if off else guest.monotonic_ns + until_ns - judge.now_ns)


async def _let_pass_async(judge: Judge, by_ns: int) -> None:
    """Let time pass as a wait on the event loop would, so that its tasks go on."""
    import asyncio

    loop = asyncio.get_running_loop()
    waits_on_guest = isinstance(getattr(loop, "_selector", None), IdleSelector)
    if active_guest() is judge.guest and coordinator_of_this_thread() is not None and waits_on_guest:
        passed = asyncio.Event()
        judge.at(by_ns, lambda: loop.call_soon_threadsafe(passed.set))
        await passed.wait()
        return
    _let_pass(judge, by_ns)
    await asyncio.sleep(0)


def _running_loop() -> Any:
    """Return the asyncio loop that runs in this thread, if one does."""
    asyncio = sys.modules.get("asyncio")
    return asyncio._get_running_loop() if asyncio is not None else None


def _in_trio() -> bool:
    """Whether this is called from within ``trio.run``."""
    trio = sys.modules.get("trio")
    return bool(trio is not None and trio.lowlevel.in_trio_run())


def _loop_at_rest() -> Any:
    """Return the asyncio loop of this thread, if there is an open one; asking asyncio itself would make one."""
    events = sys.modules.get("asyncio.events")
    if events is None:
        return None
    policy = getattr(events, "_event_loop_policy", None)
    loop = getattr(getattr(policy, "_local", None), "_loop", None)
    return loop if loop is not None and not loop.is_closed() else None
