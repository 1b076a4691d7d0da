"""Who changes a guest's clocks: an actor says when it next acts, and acts when true time gets there."""

from __future__ import annotations

import copy as copying
from dataclasses import dataclass, fields
from typing import Any, Self

from pytest_hvclock.clocks.segment import Segment


@dataclass
class Actor:
    """Something that acts on a guest's clocks at known instants: the time sync service, a daemon, a wandering drift.

    Subclasses are dataclasses of parameters and state. A field whose name ends ``_at_ns`` holds an instant of true
    time (or None); everything else is plain comparable data. That is how an actor can be copied with a saved guest,
    moved past a pause, and recognized when it comes back to a state that it was in before.
    """

    @property
    def due_ns(self) -> int | None:
        """True time of the next act, or None while there is none."""
        raise NotImplementedError

    def act(self, clocks: Segment) -> None:
        """Do what is due; ``clocks.true_ns`` is that instant. Must move ``due_ns`` on."""
        raise NotImplementedError

    def leap(self, clocks: Segment, last_ns: int) -> bool:
        """Skip, in one stride, those acts due at or before ``last_ns`` that would change no clock.

        Returns whether anything was skipped. The rates of ``clocks`` hold until ``last_ns``.
        """
        del clocks, last_ns
        return False

    def power_on(self, clocks: Segment, *, in_sync: bool) -> None:
        """Start with a guest that was just powered on; ``in_sync`` if it is to count as having been set already."""

    def key(self, now_ns: int) -> tuple[Any, ...]:
        """Return the whole state relative to ``now_ns``: equal keys behave equally from there on."""
        return tuple(
            value - now_ns if name.endswith("_at_ns") and value is not None else value
            for name, value in ((field.name, getattr(self, field.name)) for field in fields(self))
        )

    def shift(self, by_ns: int) -> None:
        """Move every instant that the actor holds by ``by_ns``: true time passed that the guest has not lived."""
        for field in fields(self):
            if field.name.endswith("_at_ns") and (value := getattr(self, field.name)) is not None:
                setattr(self, field.name, value + by_ns)

    def copy(self) -> Self:
        """Return an actor of its own in the same state."""
        return copying.copy(self)
