"""What is to be undone of what was put in place, the last thing first."""

from __future__ import annotations

from collections.abc import Callable


class Undo:
    """Plain calls to be made later; ``contextlib.ExitStack`` takes several times as long for them."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        """Begin with nothing to be undone."""
        self._steps: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def callback(self, step: Callable[..., object], *arguments: object) -> None:
        """Have ``step`` called with these arguments, before everything that is to be undone so far."""
        self._steps.append((step, arguments))

    def close(self) -> None:
        """Undo it all, and only then raise what one of the steps has raised."""
        while self._steps:
            step, arguments = self._steps.pop()
            try:
                step(*arguments)
            except BaseException:
                self.close()
                raise
