"""Writes the tables of docs/reference.md and docs/claims.md from the code; tests/docs compares the pages with them.

A table stands between ``<!-- from here: NAME -->`` and ``<!-- to here -->``; what is around it is written by hand. Its
texts are those of ``pytest --help``, ``--markers`` and ``--fixtures``, and the docstrings. Run it after a change of
any of them: ``python docs/make_reference.py``.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_hvclock import Guest, Host, anomalies, claims, disciplines, drifts, errors, plugin, recovery, strategies
from pytest_hvclock.disciplines import DISCIPLINES, OFF, PARTIAL, Discipline, peers
from pytest_hvclock.disciplines.w32time import PROFILES
from pytest_hvclock.model.guest import GuestSettings
from pytest_hvclock.plugin import hookspecs, migrating
from pytest_hvclock.plugin.declared import HVCLOCK, KEYS, MARKER_LINES, OPTIONS, RECOVERS
from pytest_hvclock.plugin.markers import MarkerSettings, Recovers
from pytest_hvclock.plugin.settings import Settings
from pytest_hvclock.scenarios import HOST_SETTINGS

PAGES = [Path(__file__).parent / name for name in ("reference.md", "claims.md")]
REGION = re.compile(r"(<!-- from here: (.+?) -->\n).*?(<!-- to here -->)", re.DOTALL)


def page(path: Path) -> str:
    """Return a page with its tables as the code has them."""
    text = path.read_text(encoding="utf-8")
    return REGION.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[3]}", text)


# ------------------------------------------------------------------------------------------------- what the code says


def notes(made: type | ModuleType) -> dict[str, str]:
    """Return the text below each attribute that a module declares, or a class of the kit and its bases."""
    found: dict[str, str] = {}
    for each in reversed(made.__mro__) if isinstance(made, type) else [made]:
        if isinstance(each, type) and not each.__module__.startswith("pytest_hvclock."):
            continue
        tree: Any = ast.parse(inspect.getsource(each))
        for declared, text in pairwise(tree.body[0].body if isinstance(each, type) else tree.body):
            match declared, text:
                case (
                    ast.AnnAssign(target=ast.Name(name)) | ast.Assign(targets=[ast.Name(name)]),
                    ast.Expr(ast.Constant(str(note))),
                ):
                    found[name] = note
    return found


def told(made: object) -> list[str]:
    """Return what a docstring says, a line each: what it is for, its arguments or fields, and what it raises."""
    prose, arguments, raised = _split(made)
    if isinstance(made, type) and hasattr(made, "__dataclass_fields__"):
        texts = notes(made)
        arguments |= {each.name: texts[each.name] for each in fields(made) if each.init and each.name in texts}
    lines = [prose, *(f"`{name}`: {text}" for name, text in arguments.items())]
    return [*lines, *(f"Raises `{name.replace(', ', '`, `')}`: {text}" for name, text in raised.items())]


def _split(made: object) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return a docstring's paragraphs, the texts of its arguments, and those of what it raises."""
    prose, *sections = re.split(r"^(Args|Raises):\n", inspect.getdoc(made) or "", flags=re.MULTILINE)
    entries = {
        title: dict(re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {5,}.*)*)", body, re.MULTILINE))
        for title, body in zip(sections[::2], sections[1::2], strict=True)
    }
    return prose, entries.get("Args", {}), entries.get("Raises", {})


def call(made: Callable[..., object]) -> str:
    """Return how something is called: without types."""
    signature = inspect.signature(made)
    taken = [each for name, each in signature.parameters.items() if name != "self"]
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in taken]
    bare = signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)
    return made.__name__ + str(bare).replace("'", '"')


def defaults(made: Callable[..., object]) -> dict[str, Any]:
    """Return what a callable's arguments are by default, where they have a default that says something."""
    found = {name: each.default for name, each in inspect.signature(made).parameters.items()}
    return {name: default for name, default in found.items() if default not in (None, inspect.Parameter.empty)}


# ---------------------------------------------------------------------------------------------------------- Markdown


def markdown(text: str) -> str:
    """Write a text of the code as a line of Markdown."""
    return " ".join(text.replace("``", "`").split())


def code(*texts: object) -> str:
    """Write texts as code."""
    return ", ".join(f"`{text}`" for text in texts)


def value(default: Any) -> str:
    """Write a default."""
    if isinstance(default, int) and not isinstance(default, bool):
        return f"{default:,}"
    return code(f'"{default}"' if isinstance(default, str) else repr(default))


def wrapped(text: str, indent: str = "") -> str:
    """Write a text as lines of Markdown."""
    return textwrap.fill(markdown(text), 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def table(heads: Iterable[str], rows: Iterable[Iterable[str | list[str]]]) -> str:
    """Return a table; the lines of a cell stand below each other."""
    lines = [heads, ["---" for _ in heads], *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str | list[str]) -> str:
    lines = [text] if isinstance(text, str) else text
    return "<br>".join(markdown(line) for line in lines).replace("|", r"\|")


def settings(texts: Mapping[str, str], given: Mapping[str, Any], head: str = "setting") -> str:
    """Return a table of settings; a default that is no value stands at the end of a text, in parentheses."""
    rows: list[list[str]] = []
    for name, text in texts.items():
        meaning, said = re.findall(r"^(.*?)(?: \(default: (.*)\))?\.$", markdown(text))[0]
        rows.append([code(name), f"{meaning}.", value(given[name]) if name in given else said])
    return table([head, "meaning", "default"], rows)


def callables(head: str, made: Iterable[Callable[..., object]]) -> str:
    """Return a table of functions or classes."""
    return table([head, "meaning"], [[code(call(each)), told(each)] for each in made])


def classes(module: ModuleType, base: type) -> list[type]:
    """Return the classes of a module that are made to be used."""
    found = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, base)]
    return [each for each in found if each is not base and each.__module__ == module.__name__]


# ------------------------------------------------------------------------------------------------------- the tables


def options() -> str:
    """Return the options, as they are given."""
    return table(["option", "meaning"], [[code(option), text] for option, text in OPTIONS.items()])


def keys() -> str:
    """Return the ini keys."""
    return table(["key", "meaning"], [[code(key), text] for key, text in KEYS.items()])


def fixtures() -> str:
    """Return the fixtures of the plugin, and those that replace other libraries'."""
    made = type(plugin.hvclock)
    found = [
        (name, each) for part in (plugin, migrating) for name, each in vars(part).items() if isinstance(each, made)
    ]
    return table(["fixture", "what the test gets"], [[code(name), told(each)] for name, each in found])


def marker(name: str, arguments: str) -> str:
    """Return what a marker does, above its arguments."""
    (line,) = (line for line in MARKER_LINES if line.startswith(f"{name}("))
    written, _, text = line.partition("): ")
    return wrapped(f"{code(f'@pytest.mark.{written})')}: {text}") + f"\n\n{arguments}"


def marker_settings() -> str:
    """Return the settings of the marker ``hvclock``: those of guests, of hosts and of the run."""
    texts = {**notes(GuestSettings), **notes(MarkerSettings)}
    host = defaults(Host)
    run = {name: default for name, default in vars(Settings).items() if name in ("backend", "pace", "io_grace")}
    given = {**defaults(Guest), **{key: host[name] for key, name in HOST_SETTINGS.items() if key != "start"}, **run}
    return settings({each.name: texts[each.name] for each in fields(MarkerSettings)}, given)


def claim(name: str) -> str:
    """Return all that there is to say about a claim."""
    made = getattr(claims, name)
    prose, *others = told(made)
    paragraphs = [code(call(made)), *prose.strip().split("\n\n")]
    return "\n\n".join([*map(wrapped, paragraphs), "\n".join(wrapped(f"* {each}", "  ") for each in others)])


def all_claims() -> str:
    """Return the claims, a sentence each."""
    found = [getattr(claims, name) for name in claims.__all__]
    return table(["claim", "what it says"], [[code(call(each)), told(each)[0].partition("\n\n")[0]] for each in found])


def readings(made: type, example: object) -> str:
    """Return what can be read of a guest or host."""
    texts = notes(made)
    found: list[list[str | list[str]]] = [
        [code(name), told(each)] for name, each in vars(made).items() if isinstance(each, property) and not each.fset
    ]
    found += [[code(name), texts[name]] for name in vars(example) if not name.startswith("_")]
    return table(["reading", "meaning"], found)


def verbs(made: type) -> str:
    """Return what can be done to a guest or host, and what can be set."""
    rows: list[list[str | list[str]]] = []
    for name, each in vars(made).items():
        if isinstance(each, property) and each.fset:
            rows.append([code(f"{name} = …"), told(each)])
        elif inspect.isfunction(each) and not name.startswith("_"):
            rows.append([code(call(each)), told(each)])
    return table(["verb", "meaning"], rows)


def names_of_disciplines() -> dict[type[Discipline], list[str]]:
    """Return the classes of the catalogue, each with the names that it has there."""
    found: dict[type[Discipline], list[str]] = {}
    for name, make in DISCIPLINES.items():
        (made,) = make()
        found.setdefault(type(made), []).append(name)
    return found


def catalogue() -> str:
    """Return what ``timesync`` may be, by name."""
    texts = notes(disciplines)
    special = [[code(name), "", texts[key]] for name, key in ((OFF, "OFF"), (PARTIAL, "PARTIAL"))]
    named = [[code(*names), code(made.__name__), told(made)[0]] for made, names in names_of_disciplines().items()]
    return table(["name", "class", "what the guest does"], [*special, *named])


def all_peers() -> str:
    """Return the disciplines of other hypervisors."""
    found = classes(peers, Discipline)
    return table(["class", "what it does"], [[code(each.__name__), told(each)[0]] for each in found])


def discipline_settings() -> str:
    """Return the settings of each discipline."""
    rows: list[list[str]] = []
    for made in [*names_of_disciplines(), *classes(peers, Discipline)]:
        texts = notes(made)
        own = [[code(each.name), texts[each.name], value(each.default)] for each in fields(made) if each.init]
        rows += [[f"**{code(made.__name__)}**", "", ""], *own] if own else []
    return table(["setting", "meaning", "default"], rows)


def profiles() -> str:
    """Return in what the profiles of W32Time differ."""
    differing = {name: [f"{key}={each}" for key, each in profile.items()] for name, profile in PROFILES.items()}
    return table(["name", "setting"], [[code(name), code(*changed)] for name, changed in differing.items() if changed])


def hooks() -> str:
    """Return the hooks."""
    found = [each for name, each in vars(hookspecs).items() if name.startswith("pytest_")]
    returned = [inspect.signature(each).return_annotation for each in found]
    rows = [[code(call(each)), code(kind), told(each)] for each, kind in zip(found, returned, strict=True)]
    return table(["hook", "returns", "meaning"], rows)


def all_strategies() -> str:
    """Return the strategies."""
    return callables("strategy", [getattr(strategies, name) for name in strategies.__all__ if name.islower()])


def all_errors() -> str:
    """Return the errors and warnings."""
    return table(["error", "when"], [[code(each.__name__), told(each)] for each in classes(errors, Exception)])


TABLES: dict[str, Callable[[], str]] = {
    "fixtures": fixtures,
    f"marker {HVCLOCK}": lambda: marker(HVCLOCK, marker_settings()),
    f"marker {RECOVERS}": lambda: marker(RECOVERS, settings(notes(Recovers), defaults(Recovers), "argument")),
    "host": lambda: callables("class", [Host]),
    "recovery": lambda: callables("function", [recovery.recovers, recovery.recovers_async]),
    "claims": all_claims,
    "settings of claims": lambda: settings(notes(claims.ClaimSettings), defaults(claims.Claim)),
    "options": options,
    "ini keys": keys,
    "readings of a host": lambda: readings(Host, Host()),
    "verbs of a host": lambda: verbs(Host),
    "readings of a guest": lambda: readings(Guest, Host().guest()),
    "verbs of a guest": lambda: verbs(Guest),
    "disciplines": catalogue,
    "peers": all_peers,
    "settings of disciplines": discipline_settings,
    "profiles": profiles,
    "drifts": lambda: callables("drift", [*classes(drifts, drifts.Wander), drifts.load_curve]),
    "anomalies": lambda: callables("anomaly", classes(anomalies, anomalies.Anomaly)),
    "strategies": all_strategies,
    "hooks": hooks,
    "errors": all_errors,
    **{f"claim {name}": partial(claim, name) for name in claims.__all__},
}
"""What makes each table, by the name that the pages have for it."""


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(page(path), encoding="utf-8")
