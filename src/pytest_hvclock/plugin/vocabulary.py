"""The markers' names and their help, apart from their meaning: all that a run without a guest needs of them."""

from __future__ import annotations

from typing import Any

import pytest

HVCLOCK = "hvclock"
RECOVERS = "hvclock_recovers"
MARKER_LINES = (
    (
        "hvclock(*scenarios, os=, zone=, timesync=, drift=, start=, host_zone=, host_error=, backend=, pace=, "
        "allow_vacuous=, io_grace=, ...): run the test on a simulated Hyper-V guest, once for each scenario named "
        "(`pytest --hvclock-scenarios` lists them). The closest marker (function, class, module) wins, for each "
        "setting by itself; what none of them sets comes from the scenario, then from options and ini keys, and then "
        "from the defaults."
    ),
    (
        "hvclock_recovers(probe, *, within, hold=None, every=None, judged_by='true'): after the strike and the last "
        "correction that it brings, the probe (a fixture that returns a callable, by name, or a callable; async too) "
        "must hold within this much true time, and go on holding as long again, or for `hold`. `within=None`: it must "
        "not recover by itself. `judged_by='guest'`: by the guest's running time. It is judged when the test's body is "
        "over; a scenario that has not struck by then strikes first."
    ),
)


def is_marked(node: pytest.Item | Any) -> bool:
    """Whether one of the kit's markers is on a node or on one above it.

    It is asked of every test there is, and so makes do without pytest's iterators.
    """
    while node is not None:
        if is_marked_itself(node):
            return True
        node = node.parent
    return False


def is_marked_itself(node: pytest.Item | Any) -> bool:
    """Whether one of the kit's markers is on a node, whatever is above it."""
    return bool(node.own_markers) and any(marker.name in (HVCLOCK, RECOVERS) for marker in node.own_markers)


def scenarios_of(node: pytest.Item | Any) -> tuple[str, ...]:
    """Return the scenarios that the closest marker with any names, unchecked."""
    for marker in node.iter_markers(HVCLOCK):
        if marker.args:
            return tuple(marker.args)
    return ()


def probe_of(marker: pytest.Mark) -> object:
    """Return what a ``hvclock_recovers`` marker has for its probe, unchecked."""
    return marker.args[0] if marker.args else marker.kwargs.get("probe")
