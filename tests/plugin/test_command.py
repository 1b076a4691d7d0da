"""The last line about a failure is a command: pasted where pytest was started, it fails again in the same way."""

import re
import shlex

import pytest

TEST = """
import time
import pytest

@pytest.mark.parametrize("name", ["it's a test", "$HOME"])
def test_it(hvclock, name, value):
    hvclock.advance("90 s")
    assert time.time_ns() == 0, f"{value} at {time.time_ns()}"
"""
CONFTEST = """
import pytest

def pytest_addoption(parser):
    parser.addini("value", "What the test depends on.", default="nothing")

@pytest.fixture
def value(request):
    return request.config.getini("value")
"""


def failures(result):
    """Return the lines that say why a test failed, and the commands that repeat it."""
    lines = result.outlines
    assertions = sorted(line.partition("AssertionError: ")[2] for line in lines if line.startswith("E   Asser"))
    commands = sorted({line for line in lines if line.startswith("pytest ") and "hvclock_start" in line})
    return assertions, commands


@pytest.mark.parametrize(
    "options",
    [
        ["-c", "config/other.ini", "tests"],
        ["--rootdir=tests", "tests", "-o", "value=given"],
        ["-p", "ours", "tests", "-o", "hvclock_backend=freezegun"],
        ["tests", "--hvclock=drift-500ppm", "-o", "hvclock_strike_at=3"],
        ["tests", "-n", "2"],
    ],
)
def test_a_pasted_command_fails_in_the_same_way(pytester, monkeypatch, options):
    """Whatever the run was given that the test depends on is given again."""
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    pytester.makepyfile(ours="def pytest_report_header(): return 'ours is here'")
    for folder in ("tests", "config"):
        pytester.mkdir(folder)
    (pytester.path / "tests/conftest.py").write_text(CONFTEST)
    (pytester.path / "tests/test_it.py").write_text(TEST)
    (pytester.path / "config/other.ini").write_text("[pytest]\nvalue = of another file\n")
    pytester.makeini("[pytest]\nvalue = of this file\n")
    first = pytester.runpytest_subprocess("-p", "no:randomly", *options)
    first.assert_outcomes(failed=2)
    said, commands = failures(first)
    assert len(commands) == 2
    again = []
    for command in commands:
        second = pytester.runpytest_subprocess(*shlex.split(command)[1:], "-p", "no:randomly")
        second.assert_outcomes(failed=1)
        again += failures(second)[0]
        assert failures(second)[1] == [command]
        assert ("ours is here" in second.outlines) == ("ours" in options)
    assert sorted(again) == said


def test_it_repeats_the_pace(pytester):
    """A test in live pace may fail in no other."""
    pytester.makepyfile("def test_it(hvclock): assert False")
    result = pytester.runpytest_subprocess("--hvclock-pace=live")
    (command,) = failures(result)[1]
    assert re.fullmatch(
        r"pytest test_it_repeats_the_pace.py::test_it --hvclock-pace=live -o hvclock_start=\S+Z", command
    )


@pytest.mark.parametrize("options", [["--doctest-modules", "page.py"], ["--doctest-glob=*.rst", "page.rst"]])
def test_it_finds_a_doctest_again(pytester, options):
    """Nothing finds doctests unless it is told to."""
    text = ">>> import time\n>>> time.sleep(60)\n>>> time.time()\n0\n"
    pytester.makepyfile(page=f"'''\n{text}'''\n")
    pytester.maketxtfile(page="").with_suffix(".rst").write_text(text)
    first = pytester.runpytest_subprocess("-p", "no:randomly", "--hvclock=drift-500ppm", *options)
    first.assert_outcomes(failed=1)
    (command,) = failures(first)[1]
    second = pytester.runpytest_subprocess(*shlex.split(command)[1:], "-p", "no:randomly")
    second.assert_outcomes(failed=1)
    assert failures(second)[1] == [command]
