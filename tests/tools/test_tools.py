"""What maintainers run: a release refuses what is in its way, and two builds that differ are told apart."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tool(name):
    """Import one of the scripts in ``tools/``."""
    specification = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


pins = tool("pins")
release = tool("release")
check_package = tool("check_package")


class Checkout:
    """A checkout with what a release touches, in which everything is right."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "src/pytest_hvclock").mkdir(parents=True)
        (root / "changelog.d").mkdir()
        for name in ("pyproject.toml", "changelog.d/template.md.jinja", "changelog.d/README.md"):
            shutil.copy(ROOT / name, root / name)
        project = (root / "pyproject.toml").read_text(encoding="utf-8")
        project = re.sub(r'email = "[^"]*"', 'email = "somebody@pytest-hvclock.test"', project)
        self.write("pyproject.toml", project.replace("\nHomepage", '\nSource = "https://b.test"\nHomepage'))
        self.write("src/pytest_hvclock/__init__.py", '__version__ = "1.1.0"\n')
        self.write("CHANGELOG.md", "# Changelog\n\n<!-- the newest release -->\n\n## 1.1.0 (2026-01-01)\n\n* Old.\n")
        self.write("changelog.d/+new.added.md", "Something new.\n")
        self.write("changelog.d/7.fixed.md", "Something mended.\n")
        self.git("init", "--quiet", "--initial-branch", "main")
        for name, value in (("user.name", "Somebody"), ("user.email", "somebody@pytest-hvclock.test")):
            self.git("config", name, value)
        self.commit()
        self.git("tag", "1.1.0")

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text, encoding="utf-8")

    def git(self, *arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Work")


@pytest.fixture
def checkout(tmp_path):
    """Return a checkout that could be released as 1.2.0."""
    return Checkout(tmp_path)


def test_a_dry_run_shows_what_would_be_said_and_done_and_changes_nothing(checkout, capfd):
    """The notes are those of the files of changes; the tree is as clean as before, and there is no tag."""
    assert release.main(["1.2.0"], checkout.root) == 0
    shown = capfd.readouterr().out
    assert "### Added\n\n* Something new.\n" in shown
    assert "### Fixed\n\n* Something mended. (#7)\n" in shown
    assert "tox -m release --skip-missing-interpreters false" in shown
    assert "git push origin main 1.2.0" in shown
    assert checkout.git("status", "--porcelain") == ""
    assert checkout.git("tag", "--list").split() == ["1.1.0"]


@pytest.mark.parametrize(
    ("version", "spoil", "line"),
    [
        ("1.2.0", lambda each: each.write("new.txt", ""), "the tree is dirty: commit or stash what git status shows"),
        (
            "1.2.0",
            lambda each: each.git("switch", "--quiet", "--create", "work"),
            "this is branch work: releases are made of main",
        ),
        ("1.2", lambda _: None, "1.2 is no version: write three numbers, such as 1.2.0"),
        ("v1.2.0", lambda _: None, "v1.2.0 is no version: write three numbers, such as 1.2.0"),
        ("1.1.0", lambda _: None, "1.1.0 is not newer than 1.1.0, which is released already"),
        ("1.0.9", lambda _: None, "1.0.9 is not newer than 1.1.0, which is released already"),
        (
            "1.2.0",
            lambda each: (each.write("src/pytest_hvclock/__init__.py", '__version__ = "1.10.0"\n'), each.commit()),
            "1.2.0 is older than 1.10.0, which the package calls itself",
        ),
        (
            "1.2.0",
            lambda each: (
                each.git("rm", "--quiet", "changelog.d/+new.added.md", "changelog.d/7.fixed.md"),
                each.commit(),
            ),
            "nothing is said of this release: changelog.d has no file of a change",
        ),
        (
            "1.2.0",
            lambda each: (
                each.write(
                    "pyproject.toml",
                    '[project]\nauthors = [{ email = "a@b.example" }]\nurls = { Source = "https://b.test" }',
                ),
                each.commit(),
            ),
            "nobody reads a@b.example: give pyproject.toml an address for reports of weaknesses",
        ),
        (
            "1.2.0",
            lambda each: (each.write("pyproject.toml", "[project]\nauthors = []\nurls = {}"), each.commit()),
            "nobody finds the documentation from PyPI: give pyproject.toml a Source under [project.urls]",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("go", [[], ["--go"]], ids=["dry", "go"])
def test_a_release_refuses_what_is_in_its_way_in_one_line(  # noqa: PLR0917
    checkout, capfd, version, spoil, line, go
):
    """Whether it is for real or not; nothing is run, written or tagged."""
    spoil(checkout)
    before = checkout.git("rev-parse", "HEAD"), checkout.git("status", "--porcelain")
    assert release.main([version, *go], checkout.root) == 1
    assert capfd.readouterr().err == f"in the way: {line}\n"
    assert before == (checkout.git("rev-parse", "HEAD"), checkout.git("status", "--porcelain"))
    assert checkout.git("tag", "--list").split() == ["1.1.0"]


@pytest.fixture
def passing_tox(monkeypatch):
    """Let tox pass at once, and return what it was called with."""
    real, called = release.Project.run, []

    def run(project, *arguments, quiet=False):
        if arguments[:2] == ("-m", "tox"):
            called.append(" ".join(arguments[1:]))
            return ""
        return real(project, *arguments, quiet=quiet)

    monkeypatch.setattr(release.Project, "run", run)
    return called


def test_a_release_writes_commits_and_tags(checkout, passing_tox, capfd):
    """The files of changes have gone into the changelog, above the release before; the tag is on the commit."""
    assert release.main(["1.2.0", "--go"], checkout.root) == 0
    assert passing_tox == [release.CHECKS, release.PACKAGE]
    assert capfd.readouterr().out.endswith("twine upload .tox/package/tmp/one/*\n")
    assert checkout.git("status", "--porcelain") == ""
    assert checkout.git("rev-parse", "1.2.0^{commit}") == checkout.git("rev-parse", "HEAD")
    assert '__version__ = "1.2.0"' in checkout.git("show", "1.2.0:src/pytest_hvclock/__init__.py")
    text = checkout.git("show", "1.2.0:CHANGELOG.md")
    headings = [line.partition(" (")[0] for line in text.splitlines() if line.startswith("##")]
    assert headings == ["## 1.2.0", "### Added", "### Fixed", "## 1.1.0"]
    assert sorted(path.name for path in (checkout.root / "changelog.d").iterdir()) == sorted(release.KEPT)
    assert release.main(["1.2.0"], checkout.root) == 1


def test_what_was_written_before_there_were_files_of_changes_is_part_of_the_release(checkout, passing_tox):
    """Its heading goes; with no file at all, the section has the version's."""
    checkout.git("rm", "--quiet", "changelog.d/+new.added.md", "changelog.d/7.fixed.md")
    text = (checkout.root / "CHANGELOG.md").read_text(encoding="utf-8")
    checkout.write("CHANGELOG.md", text.replace("## 1.1.0", "## Unreleased\n\n### Added\n\n* By hand.\n\n## 1.1.0"))
    checkout.commit()
    assert release.main(["1.2.0", "--go"], checkout.root) == 0
    assert len(passing_tox) == 2
    text = (checkout.root / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = [line.partition(" (")[0] for line in text.splitlines() if line.startswith("##")]
    assert headings == ["## 1.2.0", "### Added", "## 1.1.0"]


def test_a_release_whose_checks_fail_changes_nothing(checkout, monkeypatch, capfd):
    """It says so in one line."""

    def run(*_, **__):
        raise subprocess.CalledProcessError(1, release.CHECKS)

    monkeypatch.setattr(release.Project, "run", run)
    assert release.main(["1.2.0", "--go"], checkout.root) == 1
    assert capfd.readouterr().err == f"not released: {release.CHECKS} has failed, and nothing was changed\n"
    assert checkout.git("status", "--porcelain") == ""
    assert checkout.git("tag", "--list").split() == ["1.1.0"]


def test_a_file_of_a_change_with_a_name_of_no_kind_is_an_error(checkout):
    """``tox -e changelog`` fails on it, and the files that this project has pass."""
    checkout.write("changelog.d/+new.addition.md", "Something.\n")
    with pytest.raises(subprocess.CalledProcessError):
        release.Project(checkout.root).notes("1.2.0")
    assert release.Project(ROOT).notes("next").startswith("## next (")


def test_builds_that_differ_are_told_apart(tmp_path, capsys):
    """By a byte, or by a distribution that is missing; nothing is then installed."""
    one, two = tmp_path / "one", tmp_path / "two"
    for directory in (one, two):
        directory.mkdir()
        for name in ("a-1.whl", "a-1.tar.gz"):
            (directory / name).write_bytes(b"the same")
    assert check_package.differences(one, two) == []
    (two / "a-1.whl").write_bytes(b"another")
    (line,) = check_package.differences(one, two)
    assert line.startswith("a-1.whl: ")
    (two / "a-1.whl").unlink()
    assert check_package.differences(one, two)[0].endswith("and built again not there")
    (one / "a-1.whl").unlink()
    assert check_package.differences(one, two) == [f"{one}: not a wheel and an sdist, but a-1.tar.gz"]
    assert check_package.main(one, two) == 1
    assert capsys.readouterr().err == f"{one}: not a wheel and an sdist, but a-1.tar.gz\n"


@pytest.mark.parametrize(("options", "code"), [([], 1), (["--write"], 0)])
def test_pins_that_have_a_newer_release_are_named_and_written(tmp_path, monkeypatch, capsys, options, code):
    """With their extras; what is not pinned exactly is left alone, and so is the rest of the file."""
    monkeypatch.setattr(pins, "newest", {"ruff": "0.18.0", "pyright": "1.2", "twine": "7.0.0"}.get)
    before = 'lint = ["ruff==0.17.6"]\ntypes = ["mypy>=2", "pyright[nodejs]==1.1.414"]\nx = ["twine==7.0.0"]\n'
    project = tmp_path / "pyproject.toml"
    project.write_text(before, encoding="utf-8")
    assert pins.main(options, project) == code
    said = ["ruff: 0.17.6 is pinned, 0.18.0 is out", "pyright: 1.1.414 is pinned, 1.2 is out"]
    assert capsys.readouterr().out.splitlines() == said
    after = before.replace("0.17.6", "0.18.0").replace("1.1.414", "1.2") if options else before
    assert project.read_text(encoding="utf-8") == after
    assert pins.main(options, project) == code
    assert capsys.readouterr().out.splitlines() == ([] if options else said)


def test_every_tool_is_pinned_exactly():
    """In the groups of tools, so that their next release changes nothing here by itself."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    tested = [line for line in groups["tests"] if isinstance(line, str)]  # libraries whose types are read
    for group in ("lint", "types", "package", "docs", "changelog"):
        for line in groups[group]:
            assert "==" in line or line in tested, line
    names = {pin[0] for pin in pins.PIN.findall((ROOT / "pyproject.toml").read_text(encoding="utf-8"))}
    assert {"ruff", "mypy", "pyright", "build", "sphinx", "towncrier"} <= names


def test_one_command_runs_everything_that_a_release_needs():
    """The label has every environment of ``tox.ini``, but for the one that releases and the one that looks for pins."""
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    (line,) = re.findall(r"^labels = release = (.*)$", tox, re.MULTILINE)
    labelled = {name.rpartition("-")[2] for name in re.sub(r"\{[^}]*\}", "", line).split(", ")}
    named = set(re.findall(r"^\[testenv:(.+)\]$", tox, re.MULTILINE))
    assert labelled == (named - {"release", "pins"}) | {"tests", "pytest", "lowest"}
