"""Release pytest-hvclock: ``tox -e release -- 1.2.0`` says what would be done, and what is in the way.

With ``--go`` it is done: everything that has to hold is run (``tox -m release``, on every Python that the classifiers
name), the changelog gets its section, the version is set, and both are committed and tagged. Nothing is uploaded and
nothing is pushed: what is left to do by hand is printed at the end.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

VERSION = re.compile(r"(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)")
UNRELEASED = "## Unreleased\n"
KEPT = {"README.md", "template.md.jinja"}
"""What is in ``changelog.d`` and is no fragment."""

CHECKS = "tox -m release --skip-missing-interpreters false"
PACKAGE = "tox -e package"
BY_HAND = """then, by hand:
  git push origin main {version}
  twine upload .tox/package/tmp/one/*"""


class Project:
    """The checkout of the project that is to be released."""

    def __init__(self, root: Path) -> None:
        """Take the checkout in ``root``."""
        self.root = root
        self.changelog = root / "CHANGELOG.md"
        self.module = root / "src/pytest_hvclock/__init__.py"

    def git(self, *arguments: str) -> str:
        """Return what a command of git prints."""
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, encoding="utf-8", check=True)
        return done.stdout.strip()

    def version(self) -> str:
        """Return the version that the package has now."""
        return re.findall(r'^__version__ = "(.*)"$', self.module.read_text(encoding="utf-8"), re.MULTILINE)[0]

    def released(self) -> list[str]:
        """Return the versions that have been released, by their tags."""
        return [tag for tag in self.git("tag", "--list").split() if VERSION.fullmatch(tag)]

    def has_notes(self) -> bool:
        """Whether there is anything to say of the release."""
        fragments = {path.name for path in (self.root / "changelog.d").iterdir()} - KEPT
        return bool(fragments) or UNRELEASED in self.changelog.read_text(encoding="utf-8")

    def obstacles(self, version: str) -> Iterator[str]:
        """Yield what is in the way of this release, a line for each."""
        if self.git("status", "--porcelain"):
            yield "the tree is dirty: commit or stash what git status shows"
        branch = self.git("rev-parse", "--abbrev-ref", "HEAD")
        if branch != "main":
            yield f"this is branch {branch}: releases are made of main"
        if not VERSION.fullmatch(version):
            yield f"{version} is no version: write three numbers, such as 1.2.0"
        else:
            newest = max(self.released(), key=_numbers, default=None)
            if newest is not None and _numbers(version) <= _numbers(newest):
                yield f"{version} is not newer than {newest}, which is released already"
            elif _numbers(version) < _numbers(self.version()):
                yield f"{version} is older than {self.version()}, which the package calls itself"
        if not self.has_notes():
            yield "nothing is said of this release: changelog.d has no file of a change"
        elif self.changelog.read_text(encoding="utf-8").count(UNRELEASED) > 1:
            yield "CHANGELOG.md has more than one section of what is unreleased"
        yield from self._left_open()

    def _left_open(self) -> Iterator[str]:
        """Yield what only the owner of the project knows, and pyproject.toml does not have yet."""
        project = tomllib.loads((self.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        if "Source" not in project["urls"]:  # the README's links are relative, and PyPI has none of those pages
            yield "nobody finds the documentation from PyPI: give pyproject.toml a Source under [project.urls]"
        for author in project["authors"]:
            if author["email"].endswith(".example"):
                yield f"nobody reads {author['email']}: give pyproject.toml an address for reports of weaknesses"

    def notes(self, version: str) -> str:
        """Return what would be said of this release, as far as it is in files of changes."""
        return self.run("-m", "towncrier", "build", "--draft", "--version", version, quiet=True)

    def write(self, version: str, day: str) -> None:
        """Give the changelog its section, and the package its version."""
        text = self.changelog.read_text(encoding="utf-8")
        # what was written there before there were files of changes belongs to this release, below what the files say
        self.changelog.write_text(text.replace(f"{UNRELEASED}\n", ""), encoding="utf-8", newline="\n")
        self.run("-m", "towncrier", "build", "--yes", "--version", version, "--date", day)
        source = self.module.read_text(encoding="utf-8")
        source = source.replace(f'__version__ = "{self.version()}"', f'__version__ = "{version}"')
        self.module.write_text(source, encoding="utf-8", newline="\n")

    def commit(self, version: str) -> None:
        """Commit and tag what was written."""
        self.git("commit", "--all", "--message", f"Release {version}")
        self.git("tag", "--annotate", "--message", f"pytest-hvclock {version}", version)

    def run(self, *arguments: str, quiet: bool = False) -> str:
        """Run this Python with arguments; returns what it printed, if that is not shown at once."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.DEVNULL if quiet else None,
            encoding="utf-8",
            check=True,
        )
        return done.stdout or ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def main(arguments: list[str] | None = None, root: Path = Path(__file__).parents[1]) -> int:
    """Say what is in the way, or release; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tox -e release --", description="Release pytest-hvclock.")
    parser.add_argument("version", help="three numbers, such as 1.2.0")
    parser.add_argument("--go", action="store_true", help="do it, instead of saying what would be done")
    given = parser.parse_args(arguments)
    project = Project(root)
    obstacles = list(project.obstacles(given.version))
    for line in obstacles:
        print(f"in the way: {line}", file=sys.stderr)
    if obstacles:
        return 1
    if not given.go:
        print(project.notes(given.version))
        print("with --go:")
        print(f"  {CHECKS}")
        print(f"  write CHANGELOG.md and {project.module.relative_to(root)}, commit, tag {given.version}")
        print(f"  {PACKAGE}")
        print(BY_HAND.format(version=given.version))
        return 0
    try:
        project.run("-m", *CHECKS.split())
    except subprocess.CalledProcessError:
        print(f"not released: {CHECKS} has failed, and nothing was changed", file=sys.stderr)
        return 1
    project.write(given.version, datetime.now(UTC).date().isoformat())
    project.commit(given.version)
    project.run("-m", *PACKAGE.split())
    print(BY_HAND.format(version=given.version))
    return 0


if __name__ == "__main__":
    sys.exit(main())
