"""Nothing patched: for code that takes its clock as an argument, and is given ``guest.clock``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from pytest_hvclock.running.reader import Reader


class Direct:
    """The backend that leaves the process as it is; ``guest.clock`` shows the guest under every backend."""

    name = "direct"
    patches = False
    misses: Mapping[str, Collection[str]] = {}

    def install(self, reader: Reader) -> None:
        """Do nothing; see ``Backend``."""

    def redirect(self, reader: Reader) -> None:
        """Do nothing; see ``Backend``."""

    def remove(self) -> None:
        """Do nothing; see ``Backend``."""

    def real_time_functions(self) -> dict[str, Callable[..., object]]:
        """Return nothing, because nothing needs to be kept real; see ``Backend``."""
        return {}
