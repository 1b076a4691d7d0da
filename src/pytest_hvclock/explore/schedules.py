"""What strikes where: places that survive edits, strikes, schedules, and the one line that each is written in.

``Step("-1 h") before reading 2 of "return time.time() < expires"`` is a schedule of one strike. Several are joined by
``and``; one without a place happens at the start, before the program runs.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, fields
from functools import lru_cache

from pytest_hvclock import anomalies
from pytest_hvclock.anomalies import Anomaly
from pytest_hvclock.errors import StateError
from pytest_hvclock.model.host import Host

MAIN = "MainThread"
_KINDS = {
    name: kind for name, kind in vars(anomalies).items() if isinstance(kind, type) and issubclass(kind, Anomaly)
}  # fmt: skip
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_BEFORE = re.compile(rf"\s*before (reading|wait) ([1-9][0-9]*) of ({_QUOTED})(?: in ({_QUOTED}))?")
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True, order=True)
class Spot:
    """A place in a run of a program: the line's text and not its number, so that edits elsewhere do not move it."""

    what: str
    """``reading`` of a clock, or ``wait``."""
    text: str
    """The line, without its indentation."""
    occurrence: int
    """Which of those at lines that read the same, in threads of the same name; the first is 1."""
    thread: str = MAIN
    """The thread's name, with a ``#`` for each number in it: others may have been started before."""

    def __str__(self) -> str:
        """Write the place as a schedule has it."""
        where = "" if self.thread == MAIN else f" in {_quoted(self.thread)}"
        return f"{self.what} {self.occurrence} of {_quoted(self.text)}{where}"


@lru_cache(256)
def thread_name(name: str) -> str:
    """Return a thread's name as places have it."""
    return _NUMBERS.sub("#", name)


@dataclass(frozen=True)
class Strike:
    """One anomaly, exactly before one reading or wait; without a place, before the program starts."""

    anomaly: Anomaly
    spot: Spot | None = None

    def __str__(self) -> str:
        """Write the strike as a schedule has it."""
        return f"{spelled(self.anomaly)} {'at the start' if self.spot is None else f'before {self.spot}'}"


@dataclass(frozen=True)
class Schedule:
    """What is to strike one run of a program."""

    strikes: tuple[Strike, ...] = ()

    def __str__(self) -> str:
        """Write the schedule in one line, which ``parsed`` reads back."""
        return " and ".join(map(str, self.strikes))


def spelled(anomaly: Anomaly) -> str:
    """Write an anomaly as its constructor's call, in double quotes, which a shell takes between single ones."""
    given = [field for field in fields(anomaly) if getattr(anomaly, field.name) != field.default]
    leading = [field.name for field in fields(anomaly)][: len(given)] == [field.name for field in given]
    values: list[str] = []
    for field in given:
        value = getattr(anomaly, field.name)
        text = (
            spelled(value) if isinstance(value, Anomaly) else _quoted(value) if isinstance(value, str) else repr(value)
        )
        values.append(text if leading and len(given) == 1 else f"{field.name}={text}")
    return f"{type(anomaly).__name__}({', '.join(values)})"


def parsed(text: str) -> Schedule:
    """Return the schedule that was written as ``text``.

    Raises:
        ValueError: for text that is none, saying what a schedule looks like.
    """
    strikes: list[Strike] = []
    rest = text.strip()
    while rest:
        call = _call(rest, text)
        anomaly = _anomaly(ast.parse(call, mode="eval").body, text)
        rest = rest[len(call) :]
        if re.match(r"\s*at the start(?!\w)", rest):
            spot, rest = None, rest.lstrip().removeprefix("at the start")
        else:
            match = _BEFORE.match(rest)
            if match is None:
                raise _wrong(text, f"after {call} comes no place")
            what, number, line, thread = match.groups()
            spot = Spot(what, _unquoted(line, text), int(number), _unquoted(thread, text) if thread else MAIN)
            rest = rest[match.end() :]
        strikes.append(Strike(anomaly, spot))
        rest = rest.strip()
        if rest:
            if not rest.startswith("and "):
                raise _wrong(text, f"{rest!r} is left over")
            rest = rest.removeprefix("and ").strip()
            if not rest:
                raise _wrong(text, "it ends in the middle")
    if not strikes:
        raise _wrong(text, "it is empty")
    return Schedule(tuple(strikes))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _unquoted(quoted: str, text: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise _wrong(text, f"{quoted} is not as it was printed") from None


def _wrong(text: str, why: str) -> ValueError:
    return ValueError(
        f"{text!r} is not a schedule ({why}): write it as it was printed, such as "
        '\'Step("-1 h") before reading 2 of "age = time.time() - born"\''
    )


def _call(rest: str, text: str) -> str:
    """Return the constructor's call that the rest of a schedule begins with."""
    for end in (match.end() for match in re.finditer(r"\)", rest)):
        try:
            found = ast.parse(rest[:end], mode="eval").body
        except (SyntaxError, ValueError):
            continue
        if isinstance(found, ast.Call):
            return rest[:end]
    raise _wrong(text, "it does not begin with an anomaly")


def _anomaly(call: ast.expr, text: str) -> Anomaly:
    """Make the anomaly of a constructor's call; nothing is evaluated but literals."""
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
        raise _wrong(text, "it does not begin with an anomaly")
    kind = _KINDS.get(call.func.id)
    if kind is None or kind is Anomaly:
        known = ", ".join(sorted(name for name in _KINDS if name != "Anomaly"))
        raise _wrong(text, f"there is no anomaly {call.func.id}; there are {known}")
    try:
        found: Anomaly = kind(
            *(_value(argument, text) for argument in call.args),
            **{keyword.arg or "": _value(keyword.value, text) for keyword in call.keywords},
        )
    except TypeError as wrong:
        raise _wrong(text, str(wrong)) from None
    _check(found, text)
    return found


def _value(node: ast.expr, text: str) -> object:
    if isinstance(node, ast.Call):
        return _anomaly(node, text)
    try:
        value: object = ast.literal_eval(node)
    except ValueError:
        raise _wrong(text, f"{ast.unparse(node)} is no text and no number") from None
    return value


def _check(anomaly: Anomaly, text: str) -> None:
    """Refuse what could not strike, before anything runs: let it strike a guest that nobody will use."""
    try:
        anomaly.strike(Host().guest())
    except StateError:
        pass  # another guest may be in a state that allows it
    except (TypeError, ValueError) as wrong:
        raise _wrong(text, str(wrong)) from None
