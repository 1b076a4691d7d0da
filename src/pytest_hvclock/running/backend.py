"""What a backend is: an engine that puts the guest's wall clock under a program."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from pytest_hvclock.running.reader import Reader


class Backend(Protocol):
    """One engine. It is imported, and made, only when a guest that asks for it is to run.

    An engine reaches the readers of the *wall* clock: ``time.time`` and ``time_ns``, ``gmtime``, ``localtime``,
    ``strftime``, and ``now``, ``utcnow`` and ``today`` of ``datetime`` and ``date``. Every other source is served by
    the layer that all engines share. ``pytest_hvclock.conformance`` tests a backend, and what it declares.
    """

    name: str

    patches: bool
    """Whether a program's own ``time`` and ``datetime`` read the guest; if not, only ``guest.clock`` does."""

    misses: Mapping[str, Collection[str]]
    """The engine's sources, by their names in ``sources.SOURCES``, and in which styles of reference each stays real."""

    def install(self, reader: Reader) -> None:
        """Let every reader of the wall clock that the engine reaches read ``reader``.

        Raises:
            ConflictError: if another time-faking library, or another use of this one, is active.
            BackendError: if the engine's version lacks what is needed.
        """

    def redirect(self, reader: Reader) -> None:
        """Let an installed engine read another reader from now on."""

    def remove(self) -> None:
        """Put the real wall clock back, whatever has been done meanwhile.

        Raises:
            ConflictError: afterwards, if somebody else's use of the engine was still active on top of this one.
        """

    def real_time_functions(self) -> dict[str, Callable[..., object]]:
        """Return those functions of the ``time`` module that go on reading the real wall clock while installed."""
        raise NotImplementedError
