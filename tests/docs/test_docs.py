"""The documents are true: examples run, generated pages are up to date, and everything that exists is described."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import pytest_hvclock
from pytest_hvclock import Guest, claims, strategies
from pytest_hvclock.clocks.trail import Bend
from pytest_hvclock.disciplines import DISCIPLINES, OFF, PARTIAL
from pytest_hvclock.model.guest import GuestSettings
from pytest_hvclock.plugin.declared import KEYS, MARKER_LINES, OPTIONS, RECOVERS
from pytest_hvclock.plugin.exploring import PLACES, REGRESSIONS
from pytest_hvclock.plugin.markers import MarkerSettings
from pytest_hvclock.plugin.settings import Settings
from pytest_hvclock.report.cover import Line
from pytest_hvclock.running import BACKENDS, PACES
from pytest_hvclock.scenarios import SCENARIOS, scenario_named
from pytest_hvclock.timeline import Deed, Judgement, Place, Reading, Timeline, Wait

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
EXPLANATION = (ROOT / "docs/explanation.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(language: str) -> list[str]:
    """Return the README's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def script(name: str) -> ModuleType:
    """Return one of the scripts in docs/ as a module."""
    specification = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def described(name: str) -> bool:
    """Whether the reference has a name in code, alone or at the beginning: ``advance`` in ``advance(by)``."""
    return re.search(rf"`(?:--)?{re.escape(name)}(?![\w-])", REFERENCE) is not None


# ------------------------------------------------------------------------------------------------------- the README


def test_the_readmes_tests_pass_and_end_as_it_shows(pytester: pytest.Pytester) -> None:
    """Every test of the README passes, and the summary is the one that it prints."""
    first, basket, readme = (block for block in blocks("python") if "def test_" in block)
    pytester.makepyfile(test_first=first, test_basket=basket, test_readme=readme)
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:asyncio", "-Werror")
    result.assert_outcomes(passed=5)
    (summary,) = blocks("text")
    result.stdout.fnmatch_lines(summary.splitlines(), consecutive=True)


def test_the_readmes_explorer_finds_what_it_shows_and_its_last_line_repeats_it(pytester: pytest.Pytester) -> None:
    (shown,) = blocks("console")
    command, *lines = shown.splitlines()
    _, basket, _ = (block for block in blocks("python") if "def test_" in block)
    pytester.makepyfile(test_basket=basket)
    result = pytester.runpytest_subprocess("-p", "no:randomly", *shlex.split(command)[2:])
    assert result.ret == 1
    result.stdout.fnmatch_lines([line.replace("[", "[[]").replace("...", "*") for line in lines])
    again = pytester.runpytest_subprocess("-p", "no:randomly", *shlex.split(result.outlines[-2])[1:])
    again.assert_outcomes(failed=1)


def test_the_readmes_first_test_has_ten_lines() -> None:
    """It is called the ten-line test; imports and blank lines do not count, and fewer will do."""
    body = blocks("python")[0].partition("def ")[2].splitlines()
    assert len(body) <= 10


def test_the_readmes_script_runs_without_pytest() -> None:
    """The model and a running guest need no pytest, and give the error that the README has in nanoseconds."""
    (script,) = [block for block in blocks("python") if "def test_" not in block]
    blocked = "import sys; sys.modules['pytest'] = sys.modules['_pytest'] = None\n"
    subprocess.run([sys.executable, "-W", "error", "-c", blocked + script], check=True, timeout=60)


def test_the_readmes_option_strikes_an_unmarked_test_between_its_first_two_readings(
    pytester: pytest.Pytester,
) -> None:
    """The README's own command line, on a test that measures a duration by the wall clock across two sleeps."""
    (command,) = [block for block in blocks("sh") if block.startswith("pytest ")]
    pytester.makepyfile(
        """
        import time

        def test_unmarked():
            before = time.time()
            time.time()
            time.sleep(10)
            assert time.time() - before > 29 * 86_400
        """
    )
    result = pytester.runpytest_subprocess(*shlex.split(command)[1:])
    result.assert_outcomes(passed=1)


def test_the_readmes_two_commands_are_alike_and_complete() -> None:
    """Each sets up everything by itself, on one line; .ci/run takes that line from the README word for word."""
    commands = [block.strip() for block in blocks("sh") if "tox" in block]
    assert [command.rpartition(" ")[2] for command in commands] == ["examples", "tests"]
    assert len({command.rpartition(" ")[0] for command in commands}) == 1
    assert all("\n" not in command for command in commands)
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "for environment in tests examples; do" in script
    assert 'grep -m 1 -F "tox -e tests" README.md' in script
    for command, environment in zip(commands, ("examples", "tests"), strict=True):
        assert next(line for line in README.splitlines() if f"tox -e {environment}" in line) == command


# ------------------------------------------------------------------------------------- the tutorial, how-to pages

run_page = script("run_page")


@pytest.mark.parametrize("page", run_page.runnable(here=True), ids=lambda page: page.stem)
def test_who_types_what_a_page_shows_gets_what_it_shows(page: Path, tmp_path: Path) -> None:
    """The page's files are written in its order, its commands run, and their outputs compared."""
    run_page.run(page, tmp_path)


def test_no_page_has_a_block_that_nobody_runs() -> None:
    """What is no tutorial, how-to page or gallery has none but the README's, the claims', and commands for a shell."""
    run = {*run_page.runnable(here=True), *run_page.runnable(here=False), ROOT / "docs/gallery/durability.md"}
    allowed = {"README.md": {"console", "python", "sh", "text"}, "claims.md": {"python", "text"}}
    allowed["reference.md"] = {"sh", "text"}  # what --hvclock-cover shows, as tests/report/test_cover.py has it
    for page in {*PAGES} - run:
        found = {language for language, _ in run_page.blocks(page.read_text(encoding="utf-8"))}
        assert found <= allowed.get(page.name, {"sh"}), page


@pytest.mark.parametrize(
    ("page", "refused"),
    [
        ("```console\n$ echo one\ntwo\n```\n", "prints\none"),
        ("```console\n$ echo one; echo two\none\n```\n", "prints\none\ntwo"),
        ("```console\n$ echo one two three\none ... four\n```\n", "prints\none two three"),
        ("```console\necho\n```\n", "a console begins with a command behind [$]"),
        ("```python\nprint(1)\n```\n", "no comment with a file name"),
        ("```console\n$ pip install no-such-thing\n```\n", "no-such-thing, which is not there"),
        ("# nothing\n", "nothing to run"),
        ("```console\n$ mkdir report; echo two > report/a.svg\n```\n![one](one.svg)\n", "one.svg is another drawing"),
    ],
)
def test_a_page_that_is_not_true_is_refused(page: str, refused: str, tmp_path: Path) -> None:
    """Other output, more of it, a block that nobody runs, a package that was not tried, and another drawing."""
    file, inside = tmp_path / "page.md", tmp_path / "inside"
    file.write_text(page, encoding="utf-8")
    (tmp_path / "one.svg").write_text("one", encoding="utf-8")
    inside.mkdir()
    with pytest.raises((AssertionError, ValueError), match=refused):
        run_page.run(file, inside)


def test_a_page_may_leave_out_what_it_marks_as_left_out(tmp_path: Path) -> None:
    """Any lines for ``...`` alone, any text within a line, and however long pytest took."""
    page = tmp_path / "page.md"
    text = """
```python
# inner/some.py
print("one\\ntwo\\nthree 4 five\\n1 passed in 0.37s")
```

```console
$ python inner/some.py
...
three ... five
1 passed in 3.02s
```
"""
    page.write_text(text, encoding="utf-8")
    run_page.run(page, tmp_path)


def test_the_workflow_is_yaml_and_runs_what_exists() -> None:
    """Each of its jobs has steps; the scenarios of its matrix exist, and the page has tried its command on one."""
    page = (ROOT / "docs/how-to/ci.md").read_text(encoding="utf-8")
    (workflow,) = [yaml.safe_load(body) for language, body in run_page.blocks(page) if language == "yaml"]
    (job,) = workflow["jobs"].values()
    (command,) = [step["run"] for step in job["steps"] if step.get("run", "").startswith("pytest ")]
    scenarios = job["strategy"]["matrix"]["scenario"]
    for scenario in scenarios:
        scenario_named(scenario)
    asked = [command.replace("${{ matrix.scenario }}", scenario).split() for scenario in scenarios]
    consoles = [body for language, body in run_page.blocks(page) if language == "console"]
    tried = [shlex.split(command) for body in consoles for command, _ in run_page.commands(body)]
    assert any([each for each in command if each != "-q"] in asked for command in tried)


# ------------------------------------------------------------------------------------------------------- the claims


def test_every_example_of_a_claim_runs_and_the_failure_is_the_one_shown(tmp_path: Path) -> None:
    """The page's blocks are one program; it runs without pytest, and prints the message that the page has."""
    page = (ROOT / "docs/claims.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    script = tmp_path / "claims.py"
    blocked = "import sys; sys.modules['pytest'] = sys.modules['_pytest'] = None\n"
    script.write_text(blocked + "\n".join(examples), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, check=True, timeout=60
    )
    (shown,) = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    pytest.LineMatcher(done.stdout.splitlines()).fnmatch_lines(shown.splitlines(), consecutive=True)
    for name in claims.__all__:
        assert f"\n## {name}\n" in page
        assert any(f"claims.{name}(" in example for example in examples)


# ---------------------------------------------------------------------------------------------------- the reference


make_reference = script("make_reference")


@pytest.mark.parametrize("page", make_reference.PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_what_the_code_makes(page: Path) -> None:
    """``python docs/make_reference.py`` was run after the last change of a help text, a docstring or a default."""
    assert page.read_text(encoding="utf-8") == make_reference.page(page), "run: python docs/make_reference.py"


def test_every_table_stands_on_a_page_once() -> None:
    """What the script can make is what the pages ask it for."""
    text = "".join(page.read_text(encoding="utf-8") for page in make_reference.PAGES)
    assert sorted(re.findall("<!-- from here: (.+) -->", text)) == sorted(make_reference.TABLES)


@pytest.mark.parametrize(
    "name",
    sorted(
        {
            *BACKENDS,
            *PACES,
            *(name for name in vars(strategies.GuestMachine) if not name.startswith("_")),
            *(name for name in pytest_hvclock.__all__ if not name.startswith("_")),
        }
    ),
)
def test_what_stands_in_no_table_of_its_own_is_in_the_reference(name: str) -> None:
    """Backends and paces, the state machine's rules, and what the package offers."""
    assert described(name)


def test_every_key_of_a_record_is_in_its_schema_and_in_the_reference() -> None:
    """The schema is in a file of its own; the reference says what each key means."""
    schema = json.loads((ROOT / "docs/record.schema.json").read_text(encoding="utf-8"))
    test = schema["definitions"]["timeline"]["properties"]
    kinds: dict[type, dict[str, object]] = {
        Timeline: {name: value for name, value in test.items() if name != "schema"},
        Place: schema["definitions"]["place"]["properties"],
        Line: schema["definitions"]["line"]["properties"],
        **{
            kind: test[name]["items"]["properties"]
            for kind, name in ((Deed, "deeds"), (Reading, "readings"), (Wait, "waits"), (Judgement, "judgements"))
        },
    }
    records = REFERENCE.partition("\n## Records\n")[2].partition("\n## ")[0]
    for kind, properties in kinds.items():
        assert {field.name for field in fields(kind)} == set(properties)
    assert [entry["title"] for entry in test["bends"]["items"]["items"]] == list(Bend._fields)
    for name in {*schema["properties"], *(name for properties in kinds.values() for name in properties)}:
        assert f"`{name}`" in records


def test_the_marker_takes_every_setting_of_a_guest() -> None:
    """And those of its host, of the backend and of the pace."""
    assert set(GuestSettings.__annotations__) <= {field.name for field in fields(MarkerSettings)}


def test_what_rests_on_inference_is_a_setting_that_exists() -> None:
    """Each row of the explanation's table names one, and each of the settings made for it is named."""
    table = EXPLANATION.partition("## What rests on inference")[2].partition("## Sources")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")][2:]
    known = {*GuestSettings.__annotations__, *DISCIPLINES, OFF, PARTIAL}
    for verb in (Guest.migrate, Guest.hibernate, Guest.apply):
        known |= set(inspect.signature(verb).parameters)
    for discipline in {type(part) for make in DISCIPLINES.values() for part in make()}:
        known |= {field.name for field in fields(discipline) if field.init}
    for what, because, otherwise in rows:
        assert what.strip()
        assert because.strip()
        named = re.findall(r"[a-z][\w.-]+", " ".join(re.findall(r"`([^`]+)`", otherwise)))
        assert known.intersection(named) or "of your own" in otherwise, otherwise
    for name in ("boottime_over_saves", "ptp_over_saves", "rtc_over_power_off", "new_generation", "reads_rtc", "view"):
        assert f"{name}=" in table


def test_the_reference_names_no_option_or_key_that_is_not_there() -> None:
    """What has been taken away, or was never there, is not promised either."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"--hvclock[a-z-]*", text)) <= {option.partition("=")[0] for option in OPTIONS}
    assert set(re.findall(r"`(hvclock_[a-z_]+)`", text)) <= {*KEYS, RECOVERS}


def test_the_help_has_the_defaults_that_a_run_has() -> None:
    """They are written by hand where pytest is told of them, apart from where they are."""
    assert f"(default: {Settings.backend})" in OPTIONS["--hvclock-backend=NAME"]
    assert f"(default: {Settings.pace})" in OPTIONS["--hvclock-pace=PACE"]
    assert f"(default: {PLACES}, drawn" in OPTIONS["--hvclock-places=N|all"]
    assert f"(default: {Settings.strike_at}, " in KEYS["hvclock_strike_at"]
    assert f"(default: {Settings.io_grace};" in KEYS["hvclock_io_grace"]
    assert f"(default: `{REGRESSIONS}`," in KEYS["hvclock_regressions"]


def test_pytests_own_help_says_what_the_reference_says(pytester: pytest.Pytester) -> None:
    """``pytest --help`` has a group for the kit, and with ``--markers`` has every text, wherever it breaks."""
    told = [pytester.runpytest_subprocess(option).stdout.str() for option in ("--help", "--markers")]
    assert "\nHyper-V guest clock:\n" in told[0]
    shown = "".join("".join(told).split())
    for name, text in (OPTIONS | KEYS).items():
        assert name in shown
        assert "".join(text.split()) in shown
    for line in MARKER_LINES:
        assert f"@pytest.mark.{line}" in told[1].splitlines()


# ----------------------------------------------------------------------------------------------- scenarios, and links


def test_the_page_of_scenarios_is_what_the_catalogue_makes() -> None:
    """``python docs/make_scenarios.py`` was run after the last change of the catalogue or the model."""
    maker = script("make_scenarios")
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), "run: python docs/make_scenarios.py"


def test_every_scenario_that_a_page_names_exists() -> None:
    """In options, and in the README's marker."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = re.findall(r"--hvclock=([a-z0-9+-]+)", text) + re.findall(r'hvclock\((".*")\)', README)[0].split(", ")
    assert len(named) > len(SCENARIOS) // 10
    made_there = set(re.findall(r'^ +name="([a-z0-9-]+)"', text, re.MULTILINE))
    for name in named:
        for part in name.strip('"').split("+"):
            assert part in made_there or scenario_named(part)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link is to a file that is there, and to a heading that it has."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:")):
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [text.lower().replace(" ", "-") for text in headings], target


def test_every_tox_environment_that_a_page_names_exists() -> None:
    """``tox -e`` in the README and in CONTRIBUTING."""
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    known = {*re.findall(r"^\[testenv:(.+)\]$", tox, re.MULTILINE), "tests", "pytest84", "lowest"}
    for page in ("README.md", "CONTRIBUTING.md"):
        for names in re.findall(r"tox -e ([\w.,-]+)", (ROOT / page).read_text(encoding="utf-8")):
            assert {re.sub(r"^3\.1\d-", "", name) for name in names.split(",")} <= known
