"""Every backend of the kit does what the published suite asks, and the page of sources says what it found."""

from __future__ import annotations

from pytest_hvclock.conformance import Conformance


class TestTimeMachine(Conformance):
    """By the built-in functions themselves."""

    backend = "time-machine"


class TestFreezegun(Conformance):
    """By every reference that can be found."""

    backend = "freezegun"


class TestDirect(Conformance):
    """By nothing but the object."""

    backend = "direct"
