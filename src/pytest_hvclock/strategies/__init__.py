"""Strategies for Hypothesis: what goes wrong with a guest, when, and on what kind of guest; and a state machine.

Whatever is drawn prints as what can be pasted back, and shrinks as the explorer's strikes do: fewer anomalies, then a
simpler kind, then a rounder size, then an earlier moment.
"""

try:
    import hypothesis as hypothesis
except ImportError:
    raise ImportError(
        'pytest_hvclock.strategies needs the package hypothesis: pip install "pytest-hvclock[hypothesis]"'
    ) from None

from pytest_hvclock.strategies.guests import conditions, disciplines, drifts, rates, zones
from pytest_hvclock.strategies.machine import GuestMachine
from pytest_hvclock.strategies.strikes import anomalies, durations, scenarios, schedules

__all__ = [
    "GuestMachine",
    "anomalies",
    "conditions",
    "disciplines",
    "drifts",
    "durations",
    "rates",
    "scenarios",
    "schedules",
    "zones",
]
