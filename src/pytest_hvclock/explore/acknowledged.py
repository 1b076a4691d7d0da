"""Crossings that are meant: a guard has to compare the old reading with the new one, and says so, with its reason."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_hvclock.timeline import Place

COMMENT = "# hvclock: may cross"
"""What the line says itself, followed by a colon and the reason."""
STANDARD = ("uuid.py: its identifiers are counted on from the last one, whatever the clock says",)
"""What the standard library does right."""


class Acknowledged:
    """What may cross a step: lines with the comment, and what the configuration names."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        """Read lines of ``FILE: REASON`` or ``FILE::FUNCTION: REASON``.

        Raises:
            ValueError: for one that names no file or gives no reason.
        """
        self._known: list[tuple[str, str]] = []
        for line in (*STANDARD, *lines):
            where, colon, reason = line.partition(": ")
            file, _, function = where.strip().partition("::")
            if not (colon and file and reason.strip()):
                raise ValueError(
                    f"{line!r} does not say what may cross a step and why: write FILE: REASON or FILE::FUNCTION: REASON"
                )
            self._known.append((file, function))

    def covers(self, place: Place) -> bool:
        """Whether a crossing at this line is acknowledged, with a reason."""
        if _reason(place):
            return True
        path = "/" + place.file.replace("\\", "/")
        return any(
            path.endswith("/" + file) and function in ("", place.function, place.function.rpartition(".")[2])
            for file, function in self._known
        )


def refusal(place: Place) -> str:
    """Return why the comment at a line acknowledges nothing, or nothing if there is none."""
    if COMMENT not in place.text or _reason(place):
        return ""
    return f"; its comment gives no reason, and so acknowledges nothing: write {COMMENT}: REASON"


def _reason(place: Place) -> str:
    _, _, said = place.text.partition(COMMENT)
    return said.strip().removeprefix(":").strip() if said.strip().startswith(":") else ""
