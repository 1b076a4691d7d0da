"""How wrong a guest counts time: a rate that wanders, and one that depends on how busy the host is.

A constant drift is a rate (``drift="+200 ppm"``); so is a clocksource whose frequency was taken down wrong
(``drift="-1.2 %"``). What stands here is for the drifts that change.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Self

from pytest_hvclock.clocks.actor import Actor
from pytest_hvclock.clocks.segment import Segment
from pytest_hvclock.units import PPB, Duration, Rate, duration_ns, rate_ppb


@dataclass
class Wander(Actor):
    """A drift that changes at a steady interval of the guest's own life, the same way for the same seed."""

    around: Rate = 0
    """The rate that it wanders around."""
    every: Duration = "1 min"
    """How long each rate holds."""
    seed: int = 0
    """Which of the many possible courses it takes."""
    ppb: int = field(default=0, init=False, repr=False)
    """The rate now, in parts per billion."""
    change_at_ns: int | None = field(default=None, init=False, repr=False)
    _every_ns: int = field(default=0, init=False, repr=False)
    _around_ppb: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        """Take the settings down as integers."""
        self._every_ns, self._around_ppb = _above_0_ns(self.every, "every"), rate_ppb(self.around)
        self.ppb = self._around_ppb

    @property
    def due_ns(self) -> int | None:
        """The next change of rate."""
        return self.change_at_ns

    def power_on(self, clocks: Segment, *, in_sync: bool) -> None:
        """Go on from the present rate; the next one follows after the interval."""
        del in_sync
        self.change_at_ns = clocks.true_ns + self._every_ns
        clocks.drift(self.ppb)

    def act(self, clocks: Segment) -> None:
        """Change the rate."""
        self.change_at_ns = clocks.true_ns + self._every_ns
        self.ppb = max(self._next_ppb(), -PPB)
        clocks.drift(self.ppb)

    def _next_ppb(self) -> int:
        raise NotImplementedError

    def fresh(self) -> Self:
        """Return the same settings at the beginning of their course."""
        return replace(self)


@dataclass
class RandomWalk(Wander):
    """A random walk: at each interval the rate moves by any amount up to ``step``, and stays within ``limit``.

    The numbers come from a 64-bit linear congruential generator with Knuth's MMIX constants, so that a seed means the
    same walk on every machine and in every version of Python.
    """

    step: Rate = "1 ppm"
    """The largest change at one interval."""
    limit: Rate = "100 ppm"
    """How far it may get from ``around``; it turns back there."""
    state: int = field(default=0, init=False, repr=False)
    _step_ppb: int = field(default=0, init=False, repr=False)
    _limit_ppb: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        """Take the settings down as integers, and seed the generator."""
        super().__post_init__()
        self._step_ppb, self._limit_ppb = abs(rate_ppb(self.step)), abs(rate_ppb(self.limit))
        self.state = _next_state(_next_state(self.seed))

    def _next_ppb(self) -> int:
        self.state = _next_state(self.state)
        moved = ((self.state >> 32) * (2 * self._step_ppb + 1) >> 32) - self._step_ppb
        away = self.ppb - self._around_ppb + moved
        return self._around_ppb + max(-self._limit_ppb, min(self._limit_ppb, away))


@dataclass
class Periodic(Wander):
    """A rate that swings around its mean, as a day's temperatures make it do; the seed says where it begins.

    Each half-wave is a parabola, which stays within 6 % of a sine and is exact in integers.
    """

    amplitude: Rate = "1 ppm"
    """How far it swings to each side."""
    period: Duration = "24 h"
    """The length of one swing; a whole number of ``every``."""
    place: int = field(default=0, init=False, repr=False)
    """Which interval of the period it is in."""
    _amplitude_ppb: int = field(default=0, init=False, repr=False)
    _places: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        """Take the settings down as integers, and begin somewhere in the period."""
        super().__post_init__()
        self._amplitude_ppb = rate_ppb(self.amplitude)
        self._places, rest = divmod(_above_0_ns(self.period, "period"), self._every_ns)
        if rest or self._places < 2:
            raise ValueError(f"period={self.period!r} has to be a multiple of every={self.every!r}, at least twice it")
        self.place = self.seed % self._places
        self.ppb = self._swung_ppb()

    def _next_ppb(self) -> int:
        self.place = (self.place + 1) % self._places
        return self._swung_ppb()

    def _swung_ppb(self) -> int:
        half, turn = divmod(2 * self.place, self._places)  # turn / places is how much of this half-wave is over
        height = 4 * turn * (self._places - turn) * self._amplitude_ppb // self._places**2
        return self._around_ppb + (-height if half else height)


def load_curve(load: Fraction) -> Fraction:
    """Drift of a guest by how many busy neighbours it has: ``drift=load_curve`` with ``host.load`` from 0 to 7.

    Measured once, and not on Hyper-V: a Linux guest that counts timer ticks (``clocksource=jiffies``) in a software
    emulator, for a minute beside 0, 1, 3 and 7 guests that burn CPU on two cores. The rate is that from half a second
    after the first reading to the last one; between the four it is interpolated, beyond 7 it stays.

    This shows that drift grows with load, and by which orders of magnitude. It cannot tell how a Hyper-V guest drifts:
    one with the Hyper-V clocksource loses no ticks, and no published figure exists. It cannot be used below a minute
    either: lost ticks come in bursts, and ten seconds of the busiest run differ by tens of thousands of ppm.
    """
    points = LOAD_CURVE_PPM
    load = max(Fraction(0), min(Fraction(load), Fraction(max(points))))
    below = max(at for at in points if at <= load)
    above = min(at for at in points if at >= load)
    share = (load - below) / (above - below) if above > below else Fraction(0)
    return Fraction(points[below] + share * (points[above] - points[below]), 1_000_000)


LOAD_CURVE_PPM = {0: 2, 1: 653, 3: -5_462, 7: -58_867}
"""What was measured: busy neighbours on two cores, and the rate error of a tick-counting guest in ppm.

How good it is, as the largest and the root mean square distance of a reading from that line, within that minute:

==========  ===========  =========  =========
neighbours  rate         largest    rms
==========  ===========  =========  =========
0           +2 ppm       1.4 ms     0.2 ms
1           +653 ppm     2.4 ms     1.2 ms
3           -5,462 ppm   133 ms     76 ms
7           -58,867 ppm  522 ms     258 ms
==========  ===========  =========  =========

The readings of the first half second came up to 13 ms late, and are left out. The second row is
the error of a calibration at boot, beside a busy neighbour, rather than of lost ticks.
"""


def _next_state(state: int) -> int:
    """Return the next state of Knuth's MMIX generator; its upper half is the number to use."""
    return (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64


def _above_0_ns(value: Duration, what: str) -> int:
    nanoseconds = duration_ns(value)
    if nanoseconds <= 0:
        raise ValueError(f"{what}={value!r}: write a duration above zero")
    return nanoseconds
