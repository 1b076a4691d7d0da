"""Crossings that are meant: a guard has to compare the old reading with the new one, and says so, with its reason."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_hvclock.timeline import Place

COMMENT = "# hvclock: crossing is meant:"
"""What the line says itself, followed by the reason."""


class Acknowledged:
    """What the configuration acknowledges: lines of ``file or module: text of the line: reason``."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Read the lines.

        Raises:
            ValueError: for one without all three parts.
        """
        self._known: list[tuple[str, str]] = []
        for line in lines:
            owner, _, rest = line.partition(": ")
            text, _, reason = rest.rpartition(": ")
            if not (owner.strip() and text.strip() and reason.strip()):
                raise ValueError(
                    f"{line!r} does not say what is acknowledged and why: write "
                    '"file or module: text of the line: reason"'
                )
            self._known.append((owner.strip(), text.strip()))

    def covers(self, place: Place) -> bool:
        """Whether a crossing at this line is meant."""
        if place.text.partition(COMMENT)[2].strip():
            return True
        module = place.file.removesuffix(".py").replace("/", ".").replace("\\", ".")
        return any(
            place.text == text and (place.file.replace("\\", "/").endswith(owner) or f".{module}".endswith(f".{owner}"))
            for owner, text in self._known
        )
