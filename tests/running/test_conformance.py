"""Every backend of the kit does what the published suite asks, and so can anybody's; a page says what it found."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from pytest_hvclock.conformance import Conformance

DOCS = Path(__file__).resolve().parents[2] / "docs"
MINE = """
    from pytest_hvclock.running.{module} import {base}

    class Mine({base}):
        name = "mine"
        {change}

    def pytest_hvclock_backends():
        return {{"mine": Mine}}
"""
SUITE = """
    from pytest_hvclock.conformance import Conformance

    class TestMine(Conformance):
        backend = "mine"
"""


class TestTimeMachine(Conformance):
    """By the built-in functions themselves."""

    backend = "time-machine"


class TestFreezegun(Conformance):
    """By every reference that can be found."""

    backend = "freezegun"


class TestDirect(Conformance):
    """By nothing but the object."""

    backend = "direct"


def third_party(pytester, *options, change="pass", module="time_machine", base="TimeMachine", tests=SUITE):
    """Run tests with a backend of their own."""
    pytester.makeconftest(MINE.format(module=module, base=base, change=change))
    pytester.makepyfile(tests)
    return pytester.runpytest_subprocess("-p", "no:randomly", *options)


def test_a_third_partys_backend_runs_the_suite(pytester):
    """Two lines of its own are enough, and it passes as the one does that it is made of."""
    result = third_party(pytester, "-q", "-k", "CLOCK or uuid or suspended or nothing or types")
    assert set(result.parseoutcomes()) == {"passed", "deselected"}
    assert result.parseoutcomes()["passed"] > 10


@pytest.mark.parametrize(
    ("change", "test"),
    [
        ("misses = {'time.time': ('closure',)}", "*every_style_that_is_declared*time.time]*"),
        ("redirect = lambda self, reader: None", "*each_reading_is_announced*"),
        ("patches = False", "*nothing_is_left_behind*"),
    ],
    ids=["it declares less than it reaches", "it does not listen", "it patches, and says that it does not"],
)
def test_the_suite_finds_what_is_wrong(pytester, change, test):
    """A backend that is not what it says fails."""
    result = third_party(pytester, "-q", "-k", "time.time or announced or nothing", change=change)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"FAILED {test}"])


def test_a_third_partys_backend_is_found_by_its_name(pytester):
    """By option, by ini key and by marker; the tests of the run read its guest."""
    tests = """
    import time, pytest
    from pytest_hvclock.running import BACKENDS

    def test_by_option(hvclock, request):
        assert time.time_ns() == hvclock.wall_ns
        assert type(request.config).__name__ and "mine" in BACKENDS
        import conftest
        assert conftest.Mine.installed >= 1

    @pytest.mark.hvclock(backend="mine", start="2031-01-01T00:00:00Z")
    def test_by_marker(hvclock):
        assert time.time() == 1924992000
    """
    change = """installed = 0
        def install(self, reader):
            type(self).installed += 1
            super().install(reader)"""
    for options in (["--hvclock-backend=mine"], ["-o", "hvclock_backend=mine"]):
        result = third_party(pytester, *options, change=change, tests=tests)
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(["hvclock: --hvclock-backend=mine"])


def test_a_name_that_is_taken_is_refused(pytester):
    """A backend does not take the place of one of the kit's."""
    pytester.makeconftest("def pytest_hvclock_backends():\n    return {'direct': object}\n")
    result = pytester.runpytest_subprocess()
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*there is a backend called 'direct' already: choose another name"])


def test_a_backend_that_does_not_work_is_said_before_any_test_runs(pytester):
    """One line and exit code 4, whether it was asked for or is the default; the real clock is back."""
    change = """def install(self, reader):
            from pytest_hvclock import BackendError
            raise BackendError("mine 1.0 does not do: install 2.0")"""
    result = third_party(pytester, "--hvclock-backend=mine", change=change)
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --hvclock-backend: mine 1.0 does not do: install 2.0"])


def test_a_default_backend_that_does_not_work_is_said_before_any_test_runs(pytester):
    """A time-machine without the seam is named at once; a run without a guest does not care."""
    pytester.makeconftest("""
        import time_machine
        class Deaf(time_machine.Traveller):
            time_ns = property(lambda _: lambda: 0, lambda _, __: None)
        real_start = time_machine.travel.start
        def start(travel):
            traveller = real_start(travel)
            traveller.__class__ = Deaf
            return traveller
        time_machine.travel.start = start
    """)
    pytester.makepyfile(test_plain="def test_plain(): pass", test_guest="def test_guest(hvclock): pass")
    pytester.runpytest_subprocess("test_plain.py").assert_outcomes(passed=1)
    result = pytester.runpytest_subprocess()
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["ERROR: hvclock: time-machine * does not let a guest be its clock: install a version *"]
    )
    pytester.makepyfile(
        test_guest="""
        import pytest
        @pytest.mark.hvclock(backend="direct")
        def test_guest(hvclock): pass
        def test_by_default(hvclock): pass
    """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=2, errors=1)


@pytest.mark.parametrize(
    ("conftest", "line"),
    [
        (
            "import freezegun.api\ndel freezegun.api.tick_flags",
            "freezegun * does not let a guest be its clock (it has no tick_flags): install a version from *",
        ),
        (
            "import freezegun.api\nfreezegun.api.get_current_time = lambda: None",
            "freezegun * does not let a guest be its clock (it does not ask the latest of its freeze_factories): *",
        ),
        (
            "import sys\nsys.modules['freezegun'] = None",
            'the backend "freezegun" needs the package freezegun: pip install "pytest-hvclock[[]freezegun]"',
        ),
        (
            "import sys\nfor name in [*sys.modules]:\n    if 'freezegun' in name:\n        del sys.modules[name]",
            "freezegun * cannot be imported on this Python (uuid has changed): install a version from *",
        ),
    ],
    ids=["no seam", "a seam that does nothing", "no freezegun", "a freezegun too old for this Python"],
)
def test_a_freezegun_that_does_not_work_is_said_before_any_test_runs(pytester, conftest, line):
    """One line and exit code 4, by option and by ini key."""
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_plain="def test_plain(): pass")
    if "del sys" in conftest:
        pytester.makepyfile(freezegun="raise AttributeError('uuid has changed')")
    for option, name in (
        ("--hvclock-backend=freezegun", "--hvclock-backend"),
        ("--override-ini=hvclock_backend=freezegun", "hvclock_backend"),
    ):
        result = pytester.runpytest_subprocess(option)
        assert result.ret == 4
        assert [each for each in result.errlines if each.strip()] == result.errlines[:1]
        result.stderr.fnmatch_lines([f"ERROR: {name}: {line}"])


def test_the_page_of_sources_is_what_the_backends_declare():
    """``python docs/make_sources.py`` writes it anew; the other tools are asked once more, whatever their versions."""
    spec = importlib.util.spec_from_file_location("make_sources", DOCS / "make_sources.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written, found = module.PAGE.read_text(encoding="utf-8").splitlines(), module.page().splitlines()
    assert [line for line in found if not _depends(line)] == [line for line in written if not _depends(line)]


def _depends(line):
    """Whether what freezegun alone does to a source depends on Python: since 3.15 ``today`` asks no ``time.time``."""
    return sys.version_info >= (3, 15) and line.startswith(("| `datetime.today`", "| `date.today`"))
