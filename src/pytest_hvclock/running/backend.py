"""What a backend is: an engine that puts the guest's wall clock under a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

WallNs = Callable[[], int]
"""Reads the guest's wall clock, in nanoseconds of UTC since 1970."""


class Backend(Protocol):
    """One engine. It is imported, and made, only when a guest that asks for it is to run."""

    name: str

    def install(self, wall_ns: WallNs) -> None:
        """Let every reader of the wall clock that the engine reaches read ``wall_ns``.

        Raises:
            ConflictError: if another time-faking library, or another use of this one, is active.
            BackendError: if the engine's version lacks what is needed.
        """

    def redirect(self, wall_ns: WallNs) -> None:
        """Let an installed engine read another function from now on."""

    def remove(self) -> None:
        """Put the real wall clock back, whatever has been done meanwhile.

        Raises:
            ConflictError: afterwards, if somebody else's use of the engine was still active on top of this one.
        """

    def real_time_functions(self) -> dict[str, Callable[..., object]]:
        """Return those functions of the ``time`` module that go on reading the real wall clock while installed."""
