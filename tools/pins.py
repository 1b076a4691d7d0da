"""Say which pinned tools have a newer release: ``tox -e pins``; with ``-- --write``, pin those in their place.

The libraries of ``examples/requirements.txt`` stay as they are: each was looked at in the release that is named there.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
PIN = re.compile(r'"([\w.-]+)(\[[\w,]+\])?==([\w.]+)"')


def newest(name: str) -> str:
    """Return the newest release of a tool, as pip finds it for this Python."""
    command = [sys.executable, "-m", "pip", "index", "versions", "--disable-pip-version-check", name]
    said = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    return re.findall(r"^[\w.-]+ \((.+)\)$", said, re.MULTILINE)[0]


def main(arguments: list[str] | None = None, project: Path = PROJECT) -> int:
    """Compare, or write; returns the exit code: 1 if there is something newer that has not been written."""
    parser = argparse.ArgumentParser(prog="tox -e pins --", description="Say which pinned tools have a newer release.")
    parser.add_argument("--write", action="store_true", help="pin the newer releases instead of naming them")
    given = parser.parse_args(arguments)
    text = project.read_text(encoding="utf-8")
    known = {name: newest(name) for name, _, _ in PIN.findall(text)}
    outdated = {name: version for name, _, version in PIN.findall(text) if version != known[name]}
    for name, version in outdated.items():
        print(f"{name}: {version} is pinned, {known[name]} is out")
    if given.write:
        project.write_text(PIN.sub(lambda pin: f'"{pin[1]}{pin[2] or ""}=={known[pin[1]]}"', text), encoding="utf-8")
    return 1 if outdated and not given.write else 0


if __name__ == "__main__":
    sys.exit(main())
