"""The template for a project's own tox and CI is run as it is, and says what it has left out."""

import os
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "examples/tox"


@pytest.fixture(scope="module")
def tox(tmp_path_factory):
    """Return what runs tox on the template, with this checkout's pytest-hvclock, and gives what it prints."""
    scratch = tmp_path_factory.mktemp("tox")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", scratch, ROOT], check=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TOX", "PYTEST", "COV"))}
    command = [sys.executable, "-m", "tox", "run", "-c", TEMPLATE / "tox.ini", "--workdir", scratch / "work"]

    def run(*arguments, code=0):
        done = subprocess.run(
            [*command, *arguments],
            env={**kept, "PIP_FIND_LINKS": str(scratch)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    return run


def test_factors_of_python_pytest_engine_and_scenario_go_together(tox):
    """One environment has all four, and its test runs on that guest; a Python that is not there is named as skipped."""
    here = "py3" + str(sys.version_info.minor)
    every = f"{here}-pytest84-restore-freezegun"
    said = tox("-e", f"{every},py399-drift", "--", "-p", "no:cacheprovider")
    assert re.search(r"commands\[0\].*> pytest --hvclock=restore-after-a-month --hvclock-backend=freezegun ", said)
    assert "pytest-8.4." in said
    assert "restore-after-a-month: 1 held" in said
    assert re.search(rf"^  {every}: OK", said, re.MULTILINE)
    assert re.search(r"^  py399-drift: SKIP", said, re.MULTILINE)


def test_where_a_skip_must_not_pass_for_a_run_it_does_not(tox):
    """With the words that the template gives, a missing Python is a failure."""
    (words,) = re.findall(r"(--skip-missing-interpreters \w+)", (TEMPLATE / "tox.ini").read_text(encoding="utf-8"))
    said = tox("-e", "py399-drift", *words.split(), code=1)
    assert not re.search("SKIP", said)
    assert words in (TEMPLATE / "workflow.yml").read_text(encoding="utf-8")


def test_the_workflow_names_environments_that_the_template_has():
    """Each on the Python that it says."""
    settings = ConfigParser(interpolation=None)
    settings.read(TEMPLATE / "tox.ini")
    listed = settings["tox"]["env_list"].replace("py3{11,12,13}", "py311 py312 py313").split()
    workflow = (TEMPLATE / "workflow.yml").read_text(encoding="utf-8")
    rows = re.findall(r'python: "3\.(\d+)", environment: py3(\d+)(\S*) }', workflow)
    assert len(rows) > 5
    for version, name, factors in rows:
        assert version == name
        assert f"py3{name}{factors}" in listed
