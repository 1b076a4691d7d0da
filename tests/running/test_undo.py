"""What was put in place is undone, the last thing first, whatever one of the steps raises."""

from __future__ import annotations

import pytest

from pytest_hvclock.running.undo import Undo


def test_the_last_is_undone_first_and_all_is_undone_once():
    """Also if it is closed again."""
    undone = []
    undo = Undo()
    undo.callback(undone.append, 1)
    undo.callback(undone.append, 2)
    undo.close()
    undo.close()
    assert undone == [2, 1]


def test_a_step_that_fails_keeps_no_other_from_being_undone():
    """What it has raised comes out afterwards; of two, the later, with the earlier for its context."""
    undone = []

    def fail(what):
        raise ValueError(what)

    undo = Undo()
    undo.callback(undone.append, 1)
    undo.callback(fail, "second")
    undo.callback(undone.append, 2)
    undo.callback(fail, "first")
    with pytest.raises(ValueError, match="second") as failed:
        undo.close()
    assert undone == [2, 1]
    assert str(failed.value.__context__) == "first"
