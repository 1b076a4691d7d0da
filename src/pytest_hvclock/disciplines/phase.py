"""Slewing away an offset bit by bit, as the kernel's phase-locked loop and W32Time both do."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_hvclock.clocks.segment import Segment
from pytest_hvclock.disciplines.base import Discipline


@dataclass
class PhaseCorrection(Discipline):
    """A discipline that corrects what remains of the last offset it accepted, at a rate in proportion to it.

    The rate is worked out anew at every update, so that the offset decays. Whole parts per billion are applied,
    truncated toward zero, and no update corrects more than remains.
    """

    update_at_ns: int | None = field(default=None, init=False)
    updated_at_ns: int | None = field(default=None, init=False)
    remaining_as: int = field(default=0, init=False)
    """What has still to be corrected of the last accepted offset: positive is a clock that has to be put forward."""
    rate_ppb: int = field(default=0, init=False)

    @property
    def time_constant_ns(self) -> int:
        """The time in which an offset would be gone, if its first rate were kept."""
        raise NotImplementedError

    @property
    def update_interval_ns(self) -> int:
        """From one update of the rate to the next."""
        raise NotImplementedError

    @property
    def due_ns(self) -> int | None:
        """The next update of the rate, while there is something to correct."""
        return self.update_at_ns

    def act(self, clocks: Segment) -> None:
        """Note what has been corrected, and go on with the rest."""
        if self.updated_at_ns is not None:
            self.remaining_as -= self.rate_ppb * (clocks.true_ns - self.updated_at_ns)
        self._update(clocks)

    def correct(self, clocks: Segment, offset_as: int) -> None:
        """Slew this offset away, and forget what remained of the one before; 0 is to stop slewing."""
        self.remaining_as = offset_as
        self._update(clocks)

    def _update(self, clocks: Segment) -> None:
        size_ppb = abs(self.remaining_as) // self.time_constant_ns
        clocks.slew(size_ppb if self.remaining_as > 0 else -size_ppb)
        self.rate_ppb, self.updated_at_ns = clocks.correction_ppb, clocks.true_ns
        if self.rate_ppb == 0:
            self.update_at_ns = self.updated_at_ns = None
            return
        gone_ns = abs(self.remaining_as) // abs(self.rate_ppb)
        self.update_at_ns = clocks.true_ns + max(1, min(self.update_interval_ns, gone_ns))
