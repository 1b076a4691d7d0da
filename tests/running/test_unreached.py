"""Readers of real clocks that no backend reaches are named: where they are used, once, and without noise."""

from __future__ import annotations

import sqlite3
import sys

import pytest

from pytest_hvclock.running import unreached
from pytest_hvclock.running.unreached import READERS, loaded, used_by

STORE = """
import sqlite3
from json import dumps
def now(): return sqlite3.connect(":memory:").execute("select CURRENT_TIMESTAMP").fetchone()
"""
APP = """
import logging, urllib.request
from store import now
class Service:
    pass
"""
TESTS = """
import app, pytest
def test_fails(hvclock):
    raise AssertionError
def test_imports(hvclock):
    import cachebox
def test_without_a_guest():
    import uuid_utils
"""
SQLITE = "not the guest's clock: sqlite3 (CURRENT_TIMESTAMP, datetime('now')), used by store"


@pytest.fixture
def program(pytester):
    """A program of two modules, its tests, and two compiled libraries that only look so."""
    pytester.makepyfile(
        store=STORE,
        app=APP,
        cachebox="",
        uuid_utils="",
        test_app=TESTS,
        test_other="def test_other(hvclock): pass",
    )
    pytester.syspathinsert()
    return pytester


def test_a_failing_test_and_the_end_of_the_run_name_them(program):
    """The section has those that the test's program uses, wherever; the summary has each once."""
    result = program.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(passed=3, failed=1)
    text = result.stdout.str()
    section, _, summary = text.partition("guest clocks")
    assert section.count("not the guest's clock") == section.count(SQLITE) == 1
    assert summary.count("not the guest's clock") == 2
    result.stdout.fnmatch_lines(
        ["*Guest clock*", SQLITE, "pytest test_app.py::test_fails -o hvclock_start=*"], consecutive=False
    )
    result.stdout.fnmatch_lines(
        [
            "*= guest clocks =*",
            "not the guest's clock: cachebox (when entries expire), imported during the test",
            SQLITE,
        ],
        consecutive=True,
    )


@pytest.mark.parametrize("options", [["-n", "1"], ["--hvclock-backend=freezegun"], ["--hvclock-backend=direct"]])
def test_they_are_named_once_under_every_backend_and_xdist(program, options):
    """The workers report, the controller names them."""
    text = program.runpytest_subprocess(*options).stdout.str().partition("guest clocks")[2]
    assert [text.count(name) for name in ("sqlite3 (", "cachebox (", "uuid_utils (", "not the guest's")] == [1, 1, 0, 2]


def test_a_run_that_uses_none_says_nothing(program):
    """Python, pytest and its plugins have some of them too, which is nobody's business."""
    result = program.runpytest_subprocess("test_other.py")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*guest clocks*")
    quiet = program.runpytest_subprocess("-q")
    quiet.stdout.no_fnmatch_line("*guest clocks*")


def test_what_is_used_is_found_through_the_programs_own_modules(tmp_path, monkeypatch):
    """By modules, functions and classes; not through libraries, nor by what is only data."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hv_data.py").write_text("ssl = 'text'\nimport asyncio, http.client, pytest\n")
    (tmp_path / "hv_deep.py").write_text("from ssl import SSLContext as Context\nfrom sqlite3 import connect\n")
    (tmp_path / "hv_function.py").write_text("import hv_deep\ndef function(): pass\n")
    (tmp_path / "hv_top.py").write_text("from hv_function import function\nimport hv_data\nimport hv_top\n")
    import hv_data
    import hv_top

    assert used_by(hv_data) == {}
    assert used_by(hv_top) == {"ssl": "hv_deep", "sqlite3": "hv_deep"}
    hv_data.database = sqlite3
    assert used_by(hv_data) == {}  # what was found holds until something is imported
    monkeypatch.setitem(sys.modules, "hv_new", hv_top)
    assert used_by(hv_data) == {"sqlite3": "hv_data"}
    for name in ("hv_data", "hv_deep", "hv_function", "hv_top"):
        monkeypatch.delitem(sys.modules, name)


def test_only_some_names_of_a_library_read_a_clock(monkeypatch):
    """A model of pydantic's is no reader; its dates of the past are."""
    from types import ModuleType

    program = ModuleType("hv_models")
    for name in ("BaseModel", "PastDatetime"):
        monkeypatch.setattr(unreached, "_known", {})
        setattr(program, name, type(name, (), {"__module__": "pydantic.types"}))
        assert used_by(program) == ({"pydantic": "hv_models"} if name == "PastDatetime" else {})


def test_what_is_loaded():
    """Only readers that were imported are."""
    assert {"sqlite3"} <= loaded() <= set(READERS)
    assert "cachebox" not in loaded()
