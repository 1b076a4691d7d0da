"""The record of one program on one guest, as data: what the clocks did, what was done to them, who read and waited.

A timeline is made once, when all is over, and changes no more. It goes to other processes and into files as JSON, and
comes back equal; ``docs/reference.md`` describes the schema. All times are integers of nanoseconds, all rates parts
per billion.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from types import NoneType
from typing import Any, TypeVar

from pytest_hvclock.clocks.trail import Bend

E = TypeVar("E", "Place", "Reading", "Wait", "Deed", "Judgement", "Timeline")

SCHEMA = 1
"""The version of the JSON; a reader refuses what is newer."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a program."""

    file: str
    """Below the working directory or the library it was installed in, and so the same on every machine."""
    line: int
    function: str
    text: str
    """The line itself, without its indentation; empty where there is no source."""

    def __str__(self) -> str:
        """Write the place as compilers do."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading of one of the guest's clocks, or the same reading again and again at one instant."""

    at_ns: int
    """True time, in nanoseconds."""
    clock: str
    """``wall``, ``monotonic``, ``raw`` or ``boottime``."""
    value_ns: int
    """What was read, in nanoseconds."""
    place: Place
    thread: str = "MainThread"
    times: int = 1


@dataclass(frozen=True, slots=True)
class Wait:
    """A sleep, or a wait with or without a timeout, on the guest's clock."""

    at_ns: int
    """True time at its beginning, in nanoseconds."""
    asked_ns: int | None
    """How long it was to be at most, in nanoseconds of guest time; None without a timeout."""
    place: Place
    thread: str = "MainThread"


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was done to the guest: a verb, a strike, or a set of its wall clock."""

    at_ns: int
    """True time, in nanoseconds; of a repeated set, that of the first."""
    what: str
    by: str = ""
    """Who set the clock: ``SYNC``, a daemon, ``step``; empty for whatever is no set."""
    moved_ns: int = 0
    """How far a set moved the wall clock, in nanoseconds: positive is forward."""
    times: int = 1
    every_ns: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was asked of the program, and what came of it: a recovery or a claim."""

    what: str
    held: bool
    said: str = ""
    """The whole message if it did not hold."""
    from_ns: int = 0
    """True time from which it was counted, in nanoseconds."""
    until_ns: int = 0
    """True time at which it was judged, in nanoseconds."""
    allowed_ns: int | None = None
    """How long the program could take, in nanoseconds of the clock that judged; None where there is no such limit."""
    took_ns: int | None = None
    """How long it took; None if it did not get there."""
    judged_by: str = "true"
    """``true`` time, or the ``guest``'s running time."""
    kind: str = "claim"
    """``recovery`` or ``claim``."""


@dataclass(frozen=True)
class Timeline:
    """One program on one guest, from its beginning to its end."""

    start_ns: int
    """True time at which it began, in nanoseconds."""
    end_ns: int
    """True time at which it ended, in nanoseconds."""
    bends: Sequence[Bend]
    """Where the clocks bent; between two of them they ran straight."""
    deeds: Sequence[Deed] = ()
    readings: Sequence[Reading] = ()
    """Who read which clock when, without the test harness; of very many, the last."""
    waits: Sequence[Wait] = ()
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    """How often each clock was read altogether."""
    judgements: Sequence[Judgement] = ()
    struck_at_ns: int | None = None
    """True time of the strike, in nanoseconds: when the anomaly had happened."""
    test: str = ""
    """The test's node ID, or whatever names the program."""
    scenario: str = ""
    outcome: str = ""
    """``passed``, ``failed`` or ``skipped``, as pytest calls it."""
    failure: str = ""
    """The line that says why it failed."""
    command: str = ""
    """What repeats it."""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the guest was: its ``os``, ``timesync``, ``drift``, ``backend``, ``pace`` and the like."""

    def bend_at(self, true_ns: int) -> Bend | None:
        """Return the bend after which the clocks ran at a moment, or None before the first."""
        index = bisect.bisect_right(self.bends, true_ns, key=lambda bend: bend.at_ns)
        return self.bends[index - 1] if index else None

    def error_at(self, true_ns: int) -> int | None:
        """Return the guest's error at a moment, in nanoseconds: positive is ahead; None while it is off."""
        bend = self.bend_at(true_ns)
        return bend.error_at(true_ns) if bend is not None else None

    def as_json(self) -> dict[str, Any]:
        """Return the timeline as what ``json.dumps`` takes."""
        found = asdict(self)
        found["bends"] = [list(bend) for bend in self.bends]
        return {"schema": SCHEMA, **found}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Timeline:
        """Return the timeline that ``as_json`` made this of.

        Raises:
            ValueError: for what is no timeline, or one of a newer schema.
        """
        given = dict(value)
        schema = given.pop("schema", None)
        if not isinstance(schema, int) or schema > SCHEMA:
            raise ValueError(f"this is no timeline of schema {SCHEMA} or older: schema is {schema!r}")
        try:
            known: dict[str, Any] = {
                **given,
                "bends": tuple(_bend(*bend) for bend in given["bends"]),
                "deeds": tuple(_checked(Deed(**deed)) for deed in given["deeds"]),
                "readings": tuple(_checked(Reading(**_placed(reading))) for reading in given["readings"]),
                "waits": tuple(_checked(Wait(**_placed(wait))) for wait in given["waits"]),
                "judgements": tuple(_checked(Judgement(**judgement)) for judgement in given["judgements"]),
            }
            return _checked(cls(**known))
        except (KeyError, TypeError) as wrong:
            raise ValueError(f"this is no timeline: {wrong}") from None


def _placed(value: Mapping[str, Any]) -> dict[str, Any]:
    return {**value, "place": _checked(Place(**value["place"]))}


def _bend(*values: Any) -> Bend:
    """Return a bend of whole numbers, of which the error alone may be missing.

    Raises:
        TypeError: for anything else.
    """
    bend = Bend(*values)
    if not all(isinstance(value, int) for value in bend._replace(error_ns=bend.error_ns or 0)):
        raise TypeError(f"a bend is of whole numbers, and not {list(values)!r}")
    return bend


def _checked(entry: E) -> E:
    """Return an entry whose texts are texts and whose numbers are whole numbers.

    Raises:
        TypeError: for another.
    """
    for each in fields(entry):
        value, kinds = getattr(entry, each.name), _KINDS.get(str(each.type))
        if kinds is not None and not isinstance(value, kinds):
            raise TypeError(f"{each.name} of a {type(entry).__name__.lower()} is {each.type}, and not {value!r}")
    return entry


_KINDS = {"str": (str,), "bool": (bool,), "int": (int,), "int | None": (int, NoneType)}
"""What a field's annotation says of its value; those that are not here are made of such entries."""
