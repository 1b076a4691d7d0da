"""The log of every set of a guest's wall clock, as Kernel-General event 1 on Windows and ``dmesg`` on Linux show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast, overload

from pytest_hvclock.units import AS_PER_NS, duration_text, iso, seconds_text


@dataclass(frozen=True, slots=True)
class ClockSet:
    """One set of the wall clock, or the same set again and again.

    A daemon that corrects a steady drift sets the clock by the same amount at a steady interval, for years. That is
    one entry with ``times`` and ``every_ns``; the times it names are those of the first.
    """

    at_ns: int
    """True time of the (first) set, in nanoseconds."""
    from_ns: int
    """What the wall clock showed before it, in nanoseconds."""
    to_ns: int
    """What the wall clock showed after it, in nanoseconds."""
    by: str
    """Who set it: ``SYNC`` or ``SAMPLE`` of the time sync service, a daemon's name, ``step``, ``hwclock``."""
    times: int = 1
    every_ns: int = 0

    @property
    def by_ns(self) -> int:
        """How far the clock was moved, in nanoseconds: positive is forward."""
        return self.to_ns - self.from_ns

    @property
    def last_at_ns(self) -> int:
        """True time of the last repetition, in nanoseconds."""
        return self.at_ns + (self.times - 1) * self.every_ns

    def __str__(self) -> str:
        """Write the set as one line of a log."""
        moved = f"{seconds_text(self.by_ns)} {'forward' if self.by_ns >= 0 else 'back'}"
        again = f", {self.times} times every {duration_text(self.every_ns)}" if self.times > 1 else ""
        return f"{iso(self.at_ns)} {self.by} set the wall clock {moved}{again}"


Mark = tuple[int, int]
"""A moment in a log: how many entries it had, and how often the last of them had happened."""


class ClockSets(Sequence[ClockSet]):
    """The sets of one guest's wall clock, oldest first; repetition is kept as such, so the log stays small."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Sequence[ClockSet] = ()) -> None:
        """Start from ``entries``, which are copied."""
        self._entries = list(entries)

    @overload
    def __getitem__(self, index: int) -> ClockSet: ...
    @overload
    def __getitem__(self, index: slice) -> list[ClockSet]: ...
    def __getitem__(self, index: int | slice) -> ClockSet | list[ClockSet]:
        """Return one entry, or a list of them."""
        return self._entries[index]

    def __len__(self) -> int:
        """Count the entries: a repeated set is one."""
        return len(self._entries)

    def __iter__(self) -> Iterator[ClockSet]:
        """Iterate over the entries, oldest first."""
        return iter(tuple(self._entries))

    def __repr__(self) -> str:
        """Show the entries as a list."""
        return f"ClockSets({self._entries!r})"

    def __eq__(self, other: object) -> bool:
        """Compare the entries, with another log or with any sequence of sets."""
        return list(self) == list(cast("Sequence[object]", other)) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it grows

    def add(self, at_ns: int, from_as: int, to_as: int, by: str) -> None:
        """Append a set, or count it as a repetition of the last one."""
        new = ClockSet(at_ns, from_as // AS_PER_NS, to_as // AS_PER_NS, by)
        last = self._entries[-1] if self._entries else None
        if (
            last is not None
            and last.by == by
            and last.by_ns == new.by_ns
            and last.from_ns - last.at_ns == from_as // AS_PER_NS - at_ns
        ):
            every_ns = at_ns - last.last_at_ns
            if every_ns and last.every_ns in (0, every_ns):
                self._entries[-1] = replace(last, times=last.times + 1, every_ns=every_ns)
                return
        self._entries.append(new)

    def mark(self) -> Mark:
        """Return this moment in the log, to tell ``repeat`` later what was logged since."""
        return len(self._entries), self._entries[-1].times if self._entries else 0

    def repeat(self, since: Mark, times: int, every_ns: int) -> None:
        """Record that what was logged since a moment happened ``times`` more times, ``every_ns`` apart."""
        length, last_times = since
        block = self._entries[length:]
        grown = self._entries[length - 1] if length else None
        if grown is not None and grown.times > last_times:
            more = grown.times - last_times
            if not block and more * grown.every_ns == every_ns:
                self._entries[-1] = replace(grown, times=grown.times + times * more)
                return
            block = _tail(grown, more) + block
        for entry in block:
            for single in _tail(entry, entry.times):
                self._entries.append(_later(single, every_ns, times))

    def copy(self) -> ClockSets:
        """Return a log of its own with the same entries."""
        return ClockSets(self._entries)


def _later(entry: ClockSet, by_ns: int, times: int) -> ClockSet:
    """Return the same set ``by_ns`` later, ``times`` times ``by_ns`` apart; the error that it corrected is the same."""
    return replace(
        entry,
        at_ns=entry.at_ns + by_ns,
        from_ns=entry.from_ns + by_ns,
        to_ns=entry.to_ns + by_ns,
        times=times,
        every_ns=by_ns if times > 1 else 0,
    )


def _tail(entry: ClockSet, count: int) -> list[ClockSet]:
    """Return the last ``count`` repetitions of an entry as sets of their own."""
    return [
        _later(entry, number * entry.every_ns, 1) if entry.times > 1 else entry
        for number in range(entry.times - count, entry.times)
    ]
