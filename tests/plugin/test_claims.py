"""Claims around every test's body, by the hook."""

from __future__ import annotations

import pytest


def test_the_hooks_claims_watch_every_body_and_the_recovery_after_it(pytester):
    """One that breaks in the body, one while the recovery is judged, one that holds, and no guest at all."""
    pytester.makeconftest(
        """
        import time
        from pytest_hvclock import claims
        cache = {}
        def pytest_hvclock_claims(guest):
            cache["ends"] = time.time() + 60
            return [claims.lifetime(lambda: time.time() < cache["ends"], of="60 s", may_prove_nothing=True)]
        """
    )
    pytester.makepyfile(
        test_it="""
        import pytest, time
        def test_body(hvclock):
            hvclock.timesync = "off"
            hvclock.step("-1 h")
            time.sleep(100)
        @pytest.mark.hvclock_recovers(lambda: time.time(), within="50 s")
        def test_recovery(hvclock):
            hvclock.timesync = "off"
            hvclock.step("-1 h")
            time.sleep(20)
        def test_holds(hvclock):
            time.sleep(100)
        def test_without():
            pass
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-q", "-r", "N")
    result.assert_outcomes(failed=2, passed=2)
    for name in ("test_body", "test_recovery"):
        result.stdout.fnmatch_lines([f"_* {name} _*", "*lifetime of 60 s: still honoured at the age of 61.2 s (*"])
    result.stdout.fnmatch_lines(
        [
            "*lifetime of 60 s: still honoured at the age of 61.2 s (*",
            "*the guest is 3,600 s behind true time; a clock was last read at conftest.py:*",
        ],
        consecutive=True,
    )


@pytest.mark.parametrize("returned", ["5", "[5]", "claims.lifetime(lambda: True, of='1 h')"])
def test_what_is_no_sequence_of_claims_is_told_in_one_line(pytester, returned):
    """By the hook's name, and not by where the kit tried to use it."""
    pytester.makeconftest(f"from pytest_hvclock import claims\ndef pytest_hvclock_claims(guest): return {returned}")
    pytester.makepyfile("def test_it(hvclock): pass")
    result = pytester.runpytest_subprocess("-q", "-r", "N")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*_ test_it _*", "pytest_hvclock_claims returned *: return a sequence of claims", "*- Guest clock -*"],
        consecutive=True,
    )
