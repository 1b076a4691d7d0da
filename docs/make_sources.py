"""Writes docs/sources.md from what the backends declare; tests/running/test_conformance.py measures and compares it.

Run it after a change of a source, a backend or a reader: ``python docs/make_sources.py``.
"""

from pathlib import Path

from pytest_hvclock.running import backend_named
from pytest_hvclock.running.backend import Backend
from pytest_hvclock.running.sources import CLOCK, SOURCES, STYLES, Source, is_reached
from pytest_hvclock.running.unreached import READERS

PAGE = Path(__file__).parent / "sources.md"
HEAD = """\
# Sources of time

<!-- Written by docs/make_sources.py from what the backends declare, which their tests measure: run it anew. -->

What reads the guest's clocks, by backend. *Yes* means exactly, to the last digit that the function has, in each of the
[styles of reference](#styles-of-reference), taken before the guest was entered or on it. `guest.clock` (in a test,
`hvclock.clock`) has what the last column says, under every backend.
"""
STYLES_HEAD = """\

## Styles of reference

Where code keeps a function that reads a clock, or the class `datetime`, which is reached everywhere:

"""
READERS_HEAD = """\

## What no backend reaches

CPU time, waits in the kernel, the times of files and child processes are real. So are readers in C and Rust with a
clock call of their own. A test that fails on a guest names those that its program refers to, or has imported
meanwhile; and the end of the run names them once:

| module | reads the real clock for |
| --- | --- |
"""
TAIL = """\

A third party's backend is measured by the same tests, which `pytest_hvclock.conformance` has.
"""


def page() -> str:
    """Return the whole page."""
    backends = [backend_named(name) for name in ("time-machine", "freezegun", "direct")]
    patching = [backend for backend in backends if backend.patches]
    lines = [f"| source | {' | '.join(backend.name for backend in patching)} | `guest.clock`, alone under `direct` |"]
    lines.append("| --- " * (len(patching) + 2) + "|")
    lines += [f"| {_name(source)} | {' | '.join(_cell(each, source) for each in patching)} | {_clock(source)} |"
              for source in SOURCES]  # fmt: skip
    styles = [f"* {style}: {text}" for style, text in STYLES.items() if style != CLOCK]
    readers = [f"| `{module}` | {text} |" for module, text in READERS.items()]
    return "\n".join([HEAD, *lines, STYLES_HEAD.rstrip("\n") + "\n", *styles, READERS_HEAD + "\n".join(readers), TAIL])


def _name(source: Source) -> str:
    return f"`{source.name}`" if " " not in source.name.removesuffix(", ns") else source.name


def _cell(backend: Backend, source: Source) -> str:
    """Say in which styles a backend reaches a source."""
    missed = [style for style in STYLES if style != CLOCK and not is_reached(backend, source, style)]
    return f"yes, but for a {' or a '.join(missed)}" if missed else "yes"


def _clock(source: Source) -> str:
    return f"`{source.on_clock}({'tz' if source.arguments else ''})`" if source.on_clock else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
