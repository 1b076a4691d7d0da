"""Durations, rates, instants and zones: what is understood, what is refused and in which words."""

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_hvclock.units import (
    duration_ns,
    duration_text,
    error_text,
    instant_ns,
    iso,
    local_datetime,
    positive_ns,
    rate_ppb,
    rate_text,
    seconds_text,
    time_zone,
    utc_ns_of_local,
)

NEW_YEAR_NS = 1_767_225_600_000_000_000

# ----------------------------------------------------------------------------------------------------- durations


@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    [
        ("90 s", 90_000_000_000),
        ("90s", 90_000_000_000),
        ("  +90 s ", 90_000_000_000),
        ("-1.5 h", -5_400_000_000_000),
        ("30 d", 2_592_000_000_000_000),
        ("1 w", 604_800_000_000_000),
        ("2 min", 120_000_000_000),
        ("1_000 ms", 1_000_000_000),
        (".5 us", 500),
        ("0.001 µs", 1),
        ("7 ns", 7),
        ("0.1 s", 100_000_000),
        (timedelta(days=-1, microseconds=3), -86_399_999_997_000),
        (timedelta.max, 86_399_999_999_999_999_999_000),
        (42, 42),
        (-(10**30), -(10**30)),
    ],
)
def test_a_duration_is_text_a_timedelta_or_integer_nanoseconds(value, nanoseconds):
    """Every way of writing a duration is read exactly."""
    assert duration_ns(value) == nanoseconds


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("", ValueError, '\'\' is not a duration: write a number and a unit, such as "90 s" or "-1.5 h"'),
        ("90", ValueError, '\'90\' is not a duration: write a number and a unit, such as "90 s" or "-1.5 h"'),
        ("soon", ValueError, '\'soon\' is not a duration: write a number and a unit, such as "90 s" or "-1.5 h"'),
        (
            "1 h 30 s",
            ValueError,
            '\'1 h 30 s\' is not a duration: write a number and a unit, such as "90 s" or "-1.5 h"',
        ),
        ("1e3 s", ValueError, '\'1e3 s\' is not a duration: write a number and a unit, such as "90 s" or "-1.5 h"'),
        ("1__0 s", ValueError, '\'1__0 s\' is not a duration: write a number and a unit, such as "90 s" or "-1.5 h"'),
        ("1_s", ValueError, '\'1_s\' is not a duration: write a number and a unit, such as "90 s" or "-1.5 h"'),
        ("1_ s", ValueError, '\'1_ s\' is not a duration: write a number and a unit, such as "90 s" or "-1.5 h"'),
        ("nan s", ValueError, '\'nan s\' is not a duration: write a number and a unit, such as "90 s" or "-1.5 h"'),
        (
            "3 months",
            ValueError,
            "unknown unit 'months' in the duration '3 months': use one of ns, us, µs, ms, s, min, h, d, w",
        ),
        ("90 S", ValueError, "unknown unit 'S' in the duration '90 S': use one of ns, us, µs, ms, s, min, h, d, w"),
        ("0.5 ns", ValueError, "'0.5 ns' is finer than a nanosecond: write a whole number of ns"),
        ("٣ s", ValueError, '\'٣ s\' is not a duration: write a number and a unit, such as "90 s" or "-1.5 h"'),
        (
            0.5,
            TypeError,
            'the float 0.5 would lose nanoseconds: write "0.5 s", a timedelta, or integer nanoseconds',
        ),
        (
            True,
            TypeError,
            'True is not a duration: write text such as "90 s", a timedelta, or integer nanoseconds',
        ),
        (
            None,
            TypeError,
            'None is not a duration: write text such as "90 s", a timedelta, or integer nanoseconds',
        ),
    ],
)
def test_what_is_no_duration_is_refused_with_what_to_write(value, error, message):
    """A wrong duration is refused in one line that says what to write instead."""
    with pytest.raises(error) as refused:
        duration_ns(value)
    assert str(refused.value) == message


def test_a_duration_that_must_not_be_negative_says_whose_it_is():
    """A negative advance is refused by name, and zero is no negative."""
    assert positive_ns("0 s", "advance") == 0
    with pytest.raises(ValueError, match="cannot be negative") as refused:
        positive_ns("-1 s", "advance")
    assert str(refused.value) == "advance cannot be negative, and '-1 s' is: true time only goes forward"


@given(st.integers(-(10**18), 10**18), st.sampled_from(["ns", "us", "ms", "s", "min", "h", "d", "w"]))
@settings(deadline=None)
def test_whole_durations_are_exact_in_every_unit(number, unit):
    """A whole number of any unit is that many times the unit, however large."""
    assert duration_ns(f"{number} {unit}") == number * duration_ns(f"1 {unit}")


@given(st.decimals(-(10**9), 10**9, places=9))
@settings(deadline=None)
def test_nine_decimals_of_a_second_are_exact(seconds):
    """No decimal of a second is lost down to the nanosecond."""
    assert duration_ns(f"{seconds:f} s") == int(seconds.scaleb(9))


@given(st.integers(-(10**24), 10**24))
@settings(deadline=None)
def test_a_duration_written_as_text_is_read_back_as_the_same_integer(nanoseconds):
    """``duration_text`` and ``duration_ns`` are each other's inverse."""
    assert duration_ns(duration_text(nanoseconds)) == nanoseconds


@given(st.timedeltas())
@settings(deadline=None)
def test_a_timedelta_is_taken_to_the_microsecond(delta):
    """A timedelta is what its days, seconds and microseconds say, without a float in between."""
    assert duration_ns(delta) == ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * 1_000


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 s"),
        (90_000_000_000, "90 s"),
        (-5_400_000_000_000, "-90 min"),
        (86_400_000_000_000, "24 h"),
        (2_592_000_000_000_000, "30 d"),
        (3_600_000_000_000, "60 min"),
        (1_000_000_000, "1 s"),
        (1_500_000_000, "1500 ms"),
        (1_000, "1 us"),
        (-1, "-1 ns"),
    ],
)
def test_a_duration_is_written_in_the_largest_unit_that_keeps_it_exact(nanoseconds, text):
    """A duration is written as a whole number of the largest unit of which it has two or more."""
    assert duration_text(nanoseconds) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 s"),
        (1, "1 ns"),
        (-499_999, "499,999 ns"),
        (500_000, "0.001 s"),
        (1_500_000_000, "1.5 s"),
        (3_600_000_000_000, "3,600 s"),
        (-2_592_000_000_000_000, "2,592,000 s"),
        (999_999_999, "1 s"),
    ],
)
def test_a_length_of_time_is_written_for_people_without_a_sign(nanoseconds, text):
    """Seconds for people are rounded to the millisecond, and what would round to nothing is written in ns."""
    assert seconds_text(nanoseconds) == text


def test_an_error_is_said_in_words():
    """An error is ahead or behind, and never a bare sign."""
    assert error_text(0) == "at true time"
    assert error_text(-3_600_000_000_000) == "3,600 s behind true time"
    assert error_text(250_000_000) == "0.25 s ahead of true time"


# --------------------------------------------------------------------------------------------------------- rates


@pytest.mark.parametrize(
    ("value", "ppb"),
    [
        ("+200 ppm", 200_000),
        ("5 %", 50_000_000),
        ("-0.25%", -2_500_000),
        ("78.387 ppm", 78_387),
        ("-3 ppb", -3),
        (Fraction(1, 1_000), 1_000_000),
        (Fraction(-1), -1_000_000_000),
        ("-100 %", -1_000_000_000),
        (0, 0),
        ("25 %", 250_000_000),
    ],
)
def test_a_rate_is_text_with_a_unit_or_a_fraction(value, ppb):
    """Every way of writing a rate ends in parts per billion."""
    assert rate_ppb(value) == ppb


@pytest.mark.parametrize(
    ("value", "ppb"),
    [("0.5 ppb", 0), ("1.5 ppb", 2), ("-1.5 ppb", -2), ("0.6 ppb", 1), (Fraction(1, 3), 333_333_333), ("2.5 ppb", 2)],
)
def test_a_finer_rate_is_rounded_to_parts_per_billion_half_to_even(value, ppb):
    """A ratio finer than a part per billion is rounded to the nearest one."""
    assert rate_ppb(value) == ppb


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("200", ValueError, '\'200\' is not a rate: write a number and a unit, such as "+200 ppm" or "5 %"'),
        ("fast", ValueError, '\'fast\' is not a rate: write a number and a unit, such as "+200 ppm" or "5 %"'),
        ("200 PPM", ValueError, "unknown unit 'PPM' in the rate '200 PPM': use one of %, ppm, ppb"),
        (
            1e-4,
            TypeError,
            'the float 0.0001 is not an exact rate: write text such as "+200 ppm", or a Fraction',
        ),
        (0.0, TypeError, 'the float 0.0 is not an exact rate: write text such as "+200 ppm", or a Fraction'),
        (200, TypeError, '200 is not a rate: write text such as "+200 ppm" or "5 %", or a Fraction'),
        (False, TypeError, 'False is not a rate: write text such as "+200 ppm" or "5 %", or a Fraction'),
        (None, TypeError, 'None is not a rate: write text such as "+200 ppm" or "5 %", or a Fraction'),
        ("-101 %", ValueError, "a clock at '-101 %' would run backwards: a rate is at least -100 %"),
        (
            Fraction(-3, 2),
            ValueError,
            "a clock at Fraction(-3, 2) would run backwards: a rate is at least -100 %",
        ),
    ],
)
def test_what_is_no_rate_is_refused_with_what_to_write(value, error, message):
    """A wrong rate is refused in one line that says what to write instead."""
    with pytest.raises(error) as refused:
        rate_ppb(value)
    assert str(refused.value) == message


@given(st.integers(-(10**9), 10**12))
@settings(deadline=None)
def test_a_rate_written_as_text_is_read_back_as_the_same_integer(ppb):
    """``rate_text`` and ``rate_ppb`` are each other's inverse."""
    assert rate_ppb(rate_text(ppb)) == ppb
    assert rate_ppb(Fraction(ppb, 10**9)) == ppb


@pytest.mark.parametrize(
    ("ppb", "text"), [(0, "+0 ppm"), (78_387, "+78.387 ppm"), (-500_000, "-500 ppm"), (1, "+0.001 ppm")]
)
def test_a_rate_is_written_in_ppm_with_its_sign(ppb, text):
    """A rate is written exactly, and always with a sign."""
    assert rate_text(ppb) == text


# ------------------------------------------------------------------------------------------------------ instants


@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    [
        ("2026-01-01T00:00:00Z", NEW_YEAR_NS),
        ("2026-01-01 00:00:00z", NEW_YEAR_NS),
        ("2026-01-01T00:00:00+00:00", NEW_YEAR_NS),
        ("2025-12-31T16:00:00-08:00", NEW_YEAR_NS),
        ("2026-01-01T09:00:00+0900", NEW_YEAR_NS),
        ("2026-01-01T09:00:00+09", NEW_YEAR_NS),
        ("20260101T000000Z", NEW_YEAR_NS),
        ("2026-01-01T00:00Z", NEW_YEAR_NS),
        (" 2026-01-01T00:00:00.123456789Z ", NEW_YEAR_NS + 123_456_789),
        ("2026-01-01T00:00:00,1Z", NEW_YEAR_NS + 100_000_000),
        ("2026-01-01T09:00:00.123456789+09", NEW_YEAR_NS + 123_456_789),
        ("20260101T000000.123456789Z", NEW_YEAR_NS + 123_456_789),
        ("2026-01-01T00:00:00.1234567890Z", NEW_YEAR_NS + 123_456_789),
        ("1969-12-31T23:59:59.999999999Z", -1),
        (datetime(2026, 1, 1, tzinfo=UTC), NEW_YEAR_NS),
        (datetime(2026, 1, 1, 9, 0, 0, 1, tzinfo=timezone(timedelta(hours=9))), NEW_YEAR_NS + 1_000),
        (datetime(2026, 1, 1, 9, tzinfo=ZoneInfo("Asia/Tokyo")), NEW_YEAR_NS),
    ],
)
def test_an_instant_is_iso_text_with_an_offset_or_an_aware_datetime(value, nanoseconds):
    """Every way of writing an instant is read exactly, in basic and in extended form."""
    assert instant_ns(value) == nanoseconds


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (
            "yesterday",
            ValueError,
            "'yesterday' is not an instant: write ISO 8601 text such as \"2026-01-01T00:00:00Z\"",
        ),
        (
            "2026-13-01T00:00:00Z",
            ValueError,
            "'2026-13-01T00:00:00Z' is not an instant: write ISO 8601 text such as \"2026-01-01T00:00:00Z\"",
        ),
        (
            "2026-01-01T00:00:00",
            ValueError,
            (
                "'2026-01-01T00:00:00' has no time zone, so it names no instant: end the text with Z or an offset, "
                "or give the datetime a tzinfo"
            ),
        ),
        (
            "2026-01-01T00:00:00.5",
            ValueError,
            (
                "'2026-01-01T00:00:00.5' has no time zone, so it names no instant: end the text with Z or an offset, "
                "or give the datetime a tzinfo"
            ),
        ),
        (
            datetime(2026, 1, 1),
            ValueError,
            (
                "datetime.datetime(2026, 1, 1, 0, 0) has no time zone, so it names no instant: end the text "
                "with Z or an offset, or give the datetime a tzinfo"
            ),
        ),
        (
            "2026-01-01T00:00:00.0000000001Z",
            ValueError,
            "'2026-01-01T00:00:00.0000000001Z' is finer than a nanosecond: write at most nine decimals",
        ),
        (
            1_767_225_600,
            TypeError,
            '1767225600 is not an instant: write ISO 8601 text such as "2026-01-01T00:00:00Z", or an aware datetime',
        ),
    ],
)
def test_what_is_no_instant_is_refused_with_what_to_write(value, error, message):
    """A wrong instant is refused in one line that says what to write instead."""
    with pytest.raises(error) as refused:
        instant_ns(value)
    assert str(refused.value) == message


@given(st.integers(-62_135_596_800_000_000_000, 253_402_300_799_999_999_999))
@settings(deadline=None)
def test_iso_text_keeps_every_nanosecond(nanoseconds):
    """``iso`` and ``instant_ns`` are each other's inverse, from the year 1 to the year 9999."""
    assert instant_ns(iso(nanoseconds)) == nanoseconds


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    st.integers(0, 999_999_999),
    st.integers(-14 * 60, 14 * 60),
)
@settings(deadline=None)
def test_an_offset_moves_an_instant_and_its_nanoseconds_stay(local, fraction, minutes):
    """The same local text under another offset is another instant, by exactly the offset."""
    whole = f"{local:%Y-%m-%dT%H:%M:%S}.{fraction:09d}"
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    assert instant_ns(whole + offset) == instant_ns(whole + "Z") - minutes * 60_000_000_000


def test_iso_text_has_as_many_decimals_as_it_needs():
    """Whole seconds have no decimals, and trailing zeros are left away."""
    assert iso(NEW_YEAR_NS) == "2026-01-01T00:00:00Z"
    assert iso(NEW_YEAR_NS + 10) == "2026-01-01T00:00:00.00000001Z"


# --------------------------------------------------------------------------------------------------------- zones


def test_a_zone_is_an_iana_name_or_a_tzinfo():
    """Names are looked up, a tzinfo is taken as it is, and UTC needs no database."""
    assert time_zone("Asia/Tokyo") == ZoneInfo("Asia/Tokyo")
    assert time_zone("UTC") is UTC
    two_hours = timezone(timedelta(hours=2))
    assert time_zone(two_hours) is two_hours


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "asia"])
def test_an_unknown_zone_is_refused_with_what_to_write(name):
    """A name that the time zone database does not have is refused, whatever the database raises for it."""
    with pytest.raises(ValueError, match="unknown time zone") as refused:
        time_zone(name)
    assert str(refused.value) == (
        f'unknown time zone {name!r}: write an IANA name such as "Asia/Tokyo" '
        "(on a machine without a time zone database, install tzdata)"
    )


def test_what_is_no_zone_is_refused():
    """A number of hours is no time zone."""
    with pytest.raises(TypeError) as refused:
        time_zone(9)
    assert str(refused.value) == '9 is not a time zone: write an IANA name such as "Asia/Tokyo"'


def test_local_time_is_naive_and_of_whole_seconds_rounded_down():
    """What a clock in a zone shows has no tzinfo and no fraction, also before 1970."""
    assert local_datetime(NEW_YEAR_NS + 999_999_999, ZoneInfo("Asia/Tokyo")) == datetime(2026, 1, 1, 9)
    assert local_datetime(-1, UTC) == datetime(1969, 12, 31, 23, 59, 59)


@given(
    st.integers(0, 4_102_444_800),
    st.sampled_from(["UTC", "Asia/Tokyo", "America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia"]),
)
@settings(deadline=None)
def test_local_time_and_back_is_the_same_second(seconds, name):
    """A local time of a zone is taken back to the instant that it was made from, repeated hours included."""
    zone = time_zone(name)
    assert utc_ns_of_local(local_datetime(seconds * 10**9, zone), zone) == seconds * 10**9
