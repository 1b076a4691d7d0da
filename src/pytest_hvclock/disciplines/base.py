"""What a discipline is: the guest's answer to the host's messages, a daemon of its own, or both."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

from pytest_hvclock.clocks.actor import Actor
from pytest_hvclock.clocks.message import Message
from pytest_hvclock.clocks.segment import Segment
from pytest_hvclock.units import AS_PER_NS

Quiet = tuple[int | None, int | None]
"""Lowest and highest error (guest minus host, attoseconds) at which a SAMPLE does nothing; None is no end."""
ALWAYS_QUIET: Quiet = (None, None)


@dataclass
class Discipline(Actor):
    """How a guest keeps time. Fields with ``init=True`` are settings, the others are state that begins at power-on."""

    name: ClassVar[str]
    os: ClassVar[str] = "linux"
    """The operating system that it belongs to, as ``Host.guest`` names it."""
    listens: ClassVar[bool] = True
    """Whether this is the guest's end of the host's time sync service; if nothing listens, no channel is opened."""
    beside_driver: ClassVar[bool] = False
    """Whether this daemon runs beside the Linux driver, if no other driver is named (Linux always loads it)."""
    newest_protocol: ClassVar[int] = 4
    """The newest protocol version that the guest's driver speaks: 1, 3 or 4."""

    @property
    def due_ns(self) -> int | None:
        """A discipline that only listens never acts of its own accord."""
        return None

    def act(self, clocks: Segment) -> None:
        """Do nothing: there is never anything due."""

    def receive(self, clocks: Segment, message: Message) -> None:
        """Do what the guest does with a message at the moment it arrives."""

    def quiet(self) -> Quiet | None:
        """Return the errors at which a SAMPLE changes nothing at all, or None if every one must be looked at."""
        return None

    def deaf_until_ns(self) -> int | None:
        """Return the true time before which no SAMPLE is even looked at, or None."""
        return None

    def fresh(self) -> Self:
        """Return the same settings with the state of a guest that was just powered on."""
        return replace(self)

    def __str__(self) -> str:
        """Write the discipline as its name and what is set otherwise than by default."""
        changed = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if field.init and getattr(self, field.name) != field.default
        ]
        return f"{self.name}({', '.join(changed)})" if changed else self.name


def set_to_host(clocks: Segment, message: Message) -> None:
    """Set the wall clock to the host's time, delivery and worker delay made up for by the reference counter."""
    clocks.set_wall(message.host_now_ns(clocks.reference_ns) * AS_PER_NS, message.flag.name)


def behind_host_as(clocks: Segment, message: Message) -> int:
    """Return how far the wall clock is behind the host's time, in attoseconds; negative is ahead."""
    return message.host_now_ns(clocks.reference_ns) * AS_PER_NS - clocks.wall_as
