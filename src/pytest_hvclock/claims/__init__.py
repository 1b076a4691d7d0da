"""What must hold about an application on a guest, each as a sentence in code, judged by a clock that it is told.

Every claim is a context manager that watches while its block runs, and raises ``ClaimError`` if it does not hold, or if
it could not have failed. It needs a guest (``guest=``, or the one that runs), and no pytest. Besides its own arguments
every claim takes those of ``ClaimSettings``.
"""

from __future__ import annotations

from pytest_hvclock.claims.base import Claim as Claim
from pytest_hvclock.claims.base import ClaimSettings as ClaimSettings
from pytest_hvclock.claims.jobs import once, pace
from pytest_hvclock.claims.lives import credential, lifetime
from pytest_hvclock.claims.shares import Exclusion as Exclusion
from pytest_hvclock.claims.shares import economy, exclusion, rate
from pytest_hvclock.claims.times import duration, wait
from pytest_hvclock.claims.values import availability, durability, order
from pytest_hvclock.errors import ClaimError as ClaimError

__all__ = [
    "availability",
    "credential",
    "durability",
    "duration",
    "economy",
    "exclusion",
    "lifetime",
    "once",
    "order",
    "pace",
    "rate",
    "wait",
]
