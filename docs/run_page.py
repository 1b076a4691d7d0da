"""Does what a page of the documentation tells its reader to do, and compares what comes with what the page shows.

``python docs/run_page.py PAGE...``; tests/docs run the tutorial and the how-to pages, and examples those that need more
libraries, and the gallery. With ``--write`` the page's drawing is made anew.

What a block of a page is, its language and first line say:

* a comment with nothing but a file name (``# test_ready.py``): this file, which the reader writes, anew if it is there;
* ``console``: commands behind ``$``, each followed by what it prints. A line ``...`` stands for any lines, and ``...``
  within a line for any text; how long pytest took and how deep it indents an error is not compared;
* an image: the drawing that the page's commands have left in ``report``, which is compared but for line numbers;
* a comment ``<!-- run before Python 3.11.9 -->``: a newer Python does not do what the page shows;
* ``pip install`` in a console is not run. What it names has to be installed already, and of all the pytest plugins that
  are, no others are loaded.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PROJECT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
DEPENDENCIES = [line for line in PROJECT["dependency-groups"]["tests"] if isinstance(line, str)]
HERE = {"pytest-hvclock", *(re.split(r"[>;\[]", line)[0] for line in DEPENDENCIES)}
"""What the tests' own environment has; the examples' has more."""
TOLD = ("PYTEST", "PYTHON", "COV", "TOX", "CI", "BUILD_NUMBER")
"""Variables by which a run is told how it runs; with CI or BUILD_NUMBER pytest shortens nothing, unlike the pages."""
INSTALL = "pip install "
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./-]+\.\w+)")
_IMAGE = re.compile(r"^!\[.*\]\((.+\.svg)\)$", re.MULTILINE)
_INDENT = re.compile(r"^E +")
_SECONDS = re.compile(r"\bin \d+\.\d\ds\b.*")


def runnable(*, here: bool) -> list[Path]:
    """Return the pages to be run on this Python: those that install only what is ``HERE``, or the others."""
    pages = [DOCS / "tutorial.md", *sorted([*DOCS.glob("how-to/*.md"), *DOCS.glob("gallery/*.md")])]
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    return [page for page, text in texts.items() if (installed_by(text) <= HERE) == here and _runs_here(text)]


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the blocks of a page, each with its language."""
    return [(language, body) for language, body in _BLOCK.findall(page)]


def commands(console: str) -> list[tuple[str, str]]:
    """Return the commands of a console, each with what it prints."""
    first, *others = re.split(r"^\$ ", console, flags=re.MULTILINE)
    if first:
        raise ValueError(f"a console begins with a command behind $, not with {first!r}")
    return [(command, shown) for command, _, shown in (other.partition("\n") for other in others)]


def installed_by(page: str) -> set[str]:
    """Return the names of what a page installs."""
    found = [command for language, body in blocks(page) if language == "console" for command, _ in commands(body)]
    names = [name for command in found if command.startswith(INSTALL) for name in shlex.split(command[len(INSTALL) :])]
    return {name.partition("[")[0] for name in names}


def _runs_here(page: str) -> bool:
    before = re.search(r"^<!-- run before Python (\d+)\.(\d+)\.(\d+) -->$", page, re.MULTILINE)
    return before is None or sys.version_info < tuple(map(int, before.groups()))


def run(page: Path, directory: Path, *, write: bool = False) -> None:
    """Do what a page says, in an empty directory.

    Args:
        page: the file.
        directory: where its files are written, and its commands run.
        write: make its drawing anew, instead of comparing it.

    Raises:
        AssertionError: if a command prints or draws something else than the page shows.
        ValueError: for a block that is neither a file nor a console, and for a page without any.
    """
    text = page.read_text(encoding="utf-8")
    environment = _environment(installed_by(text))
    if not blocks(text):
        raise ValueError("there is nothing to run")
    for language, body in blocks(text):
        named = _FILE.fullmatch(body.partition("\n")[0])
        if named:
            file = directory / named[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(body, encoding="utf-8")
        elif language == "console":
            for command, shown in commands(body):
                if not command.startswith(INSTALL):
                    _compare(command, shown, _printed(command, directory, environment))
        else:
            raise ValueError(f"this block is no console, and its first line is no comment with a file name:\n{body}")
    for image in _IMAGE.findall(text):
        (drawn,) = directory.glob("report/*.svg")
        if write:
            shutil.copyfile(drawn, page.parent / image)
        elif _drawing(drawn) != _drawing(page.parent / image):
            raise AssertionError(f"{image} is another drawing: run python docs/run_page.py --write {page}")


def _environment(installs: set[str]) -> dict[str, str]:
    """Return what makes a command see what its reader would: these packages' pytest plugins, and no settings."""
    plugins = []
    for name in sorted(installs):
        try:
            entries = distribution(name).entry_points
        except PackageNotFoundError:
            raise ValueError(f"the page installs {name}, which is not there") from None
        plugins += [entry.value for entry in entries.select(group="pytest11")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(TOLD)}
    return {
        **kept,
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": ",".join(plugins),
    }


def _printed(command: str, directory: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(  # noqa: S602  (the page's own command, as its reader would type it)
        command,
        shell=True,
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return done.stdout


def _drawing(file: Path) -> str:
    """Return a drawing without the line numbers of modules, which another Python has elsewhere."""
    return re.sub(r"(\.py:)\d+", r"\1", file.read_text(encoding="utf-8"))


def _compare(command: str, shown: str, printed: str) -> None:
    patterns = [
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n" for line in _lines(shown)
    ]
    text = "".join(f"{line}\n" for line in _lines(printed))
    if not re.fullmatch("".join(patterns), text):
        raise AssertionError(f"$ {command}\nprints\n{printed}\nand the page shows\n{shown}")


def _lines(text: str) -> list[str]:
    return [_INDENT.sub("E   ", _SECONDS.sub("in 0.01s", line)).rstrip() for line in text.strip("\n").splitlines()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="make the pages' drawings anew")
    arguments = parser.parse_args()
    for page in arguments.pages:
        with tempfile.TemporaryDirectory() as scratch:
            run(page, Path(scratch), write=arguments.write)
        print(f"{page}: as it says")
