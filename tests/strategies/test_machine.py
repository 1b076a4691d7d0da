"""A stateful test with a guest's host as one more actor: what it finds, what it prints, and what it leaves behind."""

from __future__ import annotations

import subprocess
import sys
import time
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pytest_hvclock import Host
from pytest_hvclock.running import active_guest
from pytest_hvclock.strategies import GuestMachine

real_time = time.time
quick = settings(
    deadline=None, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),  # a busy machine is slow
)  # fmt: skip


class Sessions:
    """A store of sessions that last an hour, by the wall clock: that is the bug."""

    def __init__(self):
        self.ends = None

    def login(self):
        self.ends = time.time() + 3_600

    def alive(self):
        return time.time() < self.ends


class SessionMachine(GuestMachine):
    """No session may end before the guest has run for an hour. It is in memory, and does not outlive a boot."""

    guest_boot = guest_apply = None

    def __init__(self):
        super().__init__()
        self.sessions = Sessions()
        self.since_ns = 0

    @rule()
    def login(self):
        self.sessions.login()
        self.since_ns = self.guest.running_ns

    @precondition(lambda self: self.sessions.ends is not None)
    @rule()
    def check(self):
        assert self.sessions.alive() or self.guest.running_ns - self.since_ns >= 3_600 * 10**9


def steps_of(machine, how=quick):
    """Return the steps of the smallest sequence of rules that Hypothesis finds to fail, as it prints them."""
    with pytest.raises(AssertionError) as failure:
        run_state_machine_as_test(machine, settings=how)
    notes = "\n".join(failure.value.__notes__)
    return [line.strip() for line in notes.splitlines() if line.strip().startswith("state")]


# ------------------------------------------------------------------------------------------------------ what it finds


def test_a_wall_deadline_is_found_and_shrunk_to_three_steps_that_can_be_pasted():
    """Exactly what a person would have written; as a program it fails in the same way."""
    steps = steps_of(SessionMachine)
    assert steps == [
        "state = SessionMachine()",
        "state.login()",
        "state.guest_step(by='1 h')",
        "state.check()",
        "state.teardown()",
    ]
    machine = {}
    try:
        with pytest.raises(AssertionError):
            exec("\n".join(steps[:-1]), {"SessionMachine": SessionMachine}, machine)  # noqa: S102  (pasted)
    finally:
        machine["state"].teardown()
    assert active_guest() is None


def test_a_restored_guest_is_found_where_nobody_may_step_its_clock():
    """A verb is taken away by its name; a restore does no harm before the correction that it brings."""

    class Restored(SessionMachine):
        guest_step = guest_drift = guest_timesync = guest_checkpoint = guest_pause = guest_migrate = None

    assert steps_of(Restored) == [
        "state = Restored()",
        "state.login()",
        "state.guest_restore(after='1 h', sync=True)",
        "state.host_advance(by='1 s')",
        "state.check()",
        "state.teardown()",
    ]


class MonotonicSessions(Sessions):
    """The same without the bug."""

    def login(self):
        self.ends = time.monotonic() + 3_600

    def alive(self):
        return time.monotonic() < self.ends


def test_a_deadline_on_the_monotonic_clock_passes():
    """Within one life of the guest, and without drift, it is right: none of the other verbs breaks it."""

    class Sound(SessionMachine):
        guest_drift = None

        def __init__(self):
            super().__init__()
            self.sessions = MonotonicSessions()

    run_state_machine_as_test(Sound, settings=settings(quick, max_examples=60))


# ------------------------------------------------------------------------------------------------------- where it runs


def test_every_verb_is_used_where_the_guest_s_state_allows_it():
    """No StateError in any sequence, whatever a rule does by itself; a drift by the load lets the load be changed."""
    used = set()

    class Verbs(GuestMachine):
        def new_guest(self):
            return Host().guest(drift=lambda load: Fraction(load, 1_000))

        @precondition(lambda self: self.guest.state.value == "running")
        @rule()
        def turn_off(self):
            used.update(what.partition("(")[0].partition(" =")[0] for _, what in self.guest.follow().deeds)
            self.guest.power_off()

        @precondition(lambda self: self.guest.state.value == "off")
        @rule()
        def turn_on(self):
            self.guest.follow()
            self.guest.boot()

        @invariant()
        def sound(self):
            used.add(f"load {self.host.load}")

    run_state_machine_as_test(Verbs, settings=settings(quick, max_examples=60))
    assert used >= {
        "step", "drift", "timesync", "pause", "resume", "save", "restore", "apply", "migrate", "migrated", "power_off",
        "boot", "load 0", "load 1", "load 3", "load 7",
    }  # fmt: skip


def test_rules_and_invariants_run_on_the_guest_and_hypothesis_in_real_time():
    """In whatever class they are written."""
    seen = []

    class Plain(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            seen.append(("made", time.time() < 1e9))

        @initialize()
        def begin(self):
            seen.append(("initialized", time.time() < 1e9))

        @rule(seconds=st.just(3_600))
        def work(self, seconds):
            time.sleep(seconds)
            seen.append(("rule", time.time() < 1e9))

        @invariant()
        def sound(self):
            seen.append(("invariant", time.time() < 1e9))

    class OnGuest(GuestMachine, Plain):
        def new_guest(self):
            return Host(start="1999-01-01T00:00:00Z").guest(drift="500 ppm")

    started = time.perf_counter()
    run_state_machine_as_test(
        OnGuest, settings=settings(quick, max_examples=20, deadline=5_000, phases=[Phase.generate])
    )
    assert time.perf_counter() - started < 600  # slept for many hours, each within a deadline of five seconds
    assert set(seen) == {("made", True), ("initialized", True), ("rule", True), ("invariant", True)}
    assert time.time() > 1e9


def test_the_real_clock_is_back_whatever_fails():
    """The making of a machine, its rules, and a teardown that forgets its base."""

    class FailsInTheMaking(GuestMachine):
        def __init__(self):
            super().__init__()
            raise ZeroDivisionError

        @rule()
        def work(self):
            pass

    class FailsBeneath(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            raise ZeroDivisionError

        @rule()
        def work(self):
            pass

    class FailsInItsTeardown(GuestMachine):
        @rule()
        def work(self):
            pass

        def teardown(self):
            raise ZeroDivisionError

    class ForgetsItsBase(GuestMachine):
        @rule()
        def work(self):
            raise ZeroDivisionError

        def teardown(self):
            pass

    class Mixed(GuestMachine, FailsBeneath):
        pass

    for machine in (FailsInTheMaking, Mixed, FailsInItsTeardown, ForgetsItsBase):
        with pytest.raises(ZeroDivisionError):
            run_state_machine_as_test(machine, settings=settings(quick, max_examples=5, phases=[Phase.generate]))
        assert active_guest() is None, machine
        assert time.time is real_time


def test_nothing_of_it_is_loaded_by_a_run_that_does_not_ask():
    """Importing the kit's plugin loads no Hypothesis."""
    code = "import sys, pytest_hvclock.plugin, pytest_hvclock.explore; print('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
