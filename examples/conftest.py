"""What the examples share: how a known break is written down, and two ways to judge a library by true time."""

import pytest


def pytest_collection_modifyitems(items):
    """Expect a test to fail, strictly, under the scenario that its ``breaks_under`` marker names.

    Nothing but a false assertion is expected: any other exception, an error of the kit included, still fails.
    """
    for item in items:
        for mark in item.iter_markers("breaks_under"):
            scenario, harm = mark.args
            if item.callspec.params["hvclock"] == scenario:
                condition = mark.kwargs.get("condition", True)
                item.add_marker(pytest.mark.xfail(condition, strict=True, raises=AssertionError, reason=harm))


@pytest.fixture
def stopwatch(hvclock):
    """Start a stopwatch, which shows seconds of true time."""

    def start():
        began_ns = hvclock.host.true_ns
        return lambda: (hvclock.host.true_ns - began_ns) / 1e9

    return start


@pytest.fixture
def lives_for(hvclock, stopwatch):
    """Claim that something is honoured for so many seconds of true time, within a tenth, and no longer."""

    def claim(seconds, honoured):
        tenth_ns = seconds * 10**8
        age = stopwatch()
        for _ in range(9):
            hvclock.advance(tenth_ns)
            assert honoured(), f"gone at an age of {age():g} s, though its lifetime is {seconds} s"
        hvclock.advance(2 * tenth_ns)
        while honoured() and age() < 100_000:
            hvclock.advance(10 * tenth_ns)
        assert age() <= 1.1 * seconds, f"honoured up to an age of {age():g} s, though its lifetime is {seconds} s"

    return claim
