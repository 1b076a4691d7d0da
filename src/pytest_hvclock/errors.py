"""Every exception and warning that the kit raises by a name of its own.

Wrong values are ordinary ``ValueError`` and ``TypeError``; what stands here is for things that are wrong about the
*situation*, so that a test can name them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_hvclock.recovery import Recovery


class HvclockError(Exception):
    """Something about the guest, the host or the test's surroundings does not allow what was asked."""


class StateError(HvclockError, RuntimeError):
    """The guest's state does not allow this verb, such as restoring a guest that is running."""


class ConflictError(HvclockError, RuntimeError):
    """Another guest, or another time-faking library, is active in this process."""


class BackendError(HvclockError, RuntimeError):
    """A backend's library is missing, or is a version that does not put a guest's clocks under the program."""


class StuckError(HvclockError, RuntimeError):
    """Nothing can go on: all threads wait on a guest and none can be woken, or a loop spins on a clock that stands.

    The message says that the guest does not run, or has the lines at which the threads are, or the loop.
    """


class ClaimError(AssertionError):
    """Something that was claimed about the application does not hold (``pytest_hvclock.claims``)."""


class RecoveryError(AssertionError):
    """The application has not recovered as it should; ``recovery`` is how it did."""

    def __init__(self, message: str, recovery: Recovery) -> None:
        """Say so."""
        super().__init__(message)
        self.recovery = recovery


class HvclockWarning(UserWarning):
    """The kit has noticed something that it cannot put right by itself; ``filterwarnings`` can name it."""
