"""Values between Python and FIX text."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durafix.engine.wire.errors import BadType, BadValue
from durafix.engine.wire.values import (
    Stamper,
    date_from_days,
    days_from_date,
    instant_ns,
    parse_bool,
    parse_decimal,
    parse_int,
    parse_utc_date,
    parse_utc_time,
    parse_utc_timestamp,
    to_bytes,
    to_text,
    utc_timestamp,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON_NS = 1_709_208_000_123_456_789  # 2024-02-29 12:00:00.123456789 UTC


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("MSFT", b"MSFT"),
        ("002000.00", b"002000.00"),
        ("Zürich", "Zürich".encode()),
        ("\udcff", b"\xff"),
        (b"\xff\x00", b"\xff\x00"),
        (100, b"100"),
        (-5, b"-5"),
        (True, b"Y"),
        (False, b"N"),
        (Decimal("1.50"), b"1.50"),
        (Decimal("1E+3"), b"1000"),
        (Decimal("-1E-7"), b"-0.0000001"),
        (Decimal(0), b"0"),
        (datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC), b"20240229-12:00:00.123"),
        (
            datetime(2024, 2, 29, 12, 0, 0, tzinfo=timezone(timedelta(hours=5.5))),
            b"20240229-06:30:00.000",
        ),
    ],
)
def test_values_have_one_text(value: Any, text: bytes) -> None:
    """Each accepted type, written exactly."""
    assert to_bytes(value) == text


@pytest.mark.parametrize(
    "value", [1.5, None, [], {}, date(2024, 2, 29), time(12), object(), bytearray(b"x")]
)
def test_types_without_exact_text_are_refused(value: Any) -> None:
    """float first of all: 0.1 has no exact decimal text."""
    with pytest.raises(BadType) as caught:
        to_bytes(value)
    assert isinstance(caught.value, TypeError) and caught.value.hint


@pytest.mark.parametrize(
    "value",
    [
        "",
        b"",
        "a\x01b",
        b"\x01",
        datetime(2024, 2, 29),
        Decimal("NaN"),
        Decimal("-Infinity"),
        Decimal("sNaN"),
        Decimal("1E+1000000"),
        Decimal("1E-1000000"),
        Decimal("1" * 65),
    ],
)
def test_values_that_cannot_stand_in_a_field_are_refused(value: Any) -> None:
    """Empty, holding the delimiter, no instant, no number, or absurdly long."""
    with pytest.raises(BadValue) as caught:
        to_bytes(value)
    assert isinstance(caught.value, ValueError)


def test_data_may_hold_the_delimiter_and_be_empty() -> None:
    """Its length field says where it ends."""
    assert to_bytes(b"a\x01b", data=True) == b"a\x01b"
    assert to_bytes("", data=True) == b""


@given(st.binary())
def test_bytes_survive_being_text(value: bytes) -> None:
    """What is only passed on does not change."""
    assert to_bytes(to_text(value), data=True) == value


@pytest.mark.parametrize(
    ("precision", "text"),
    [
        (0, b"20240229-12:00:00"),
        (3, b"20240229-12:00:00.123"),
        (6, b"20240229-12:00:00.123456"),
        (9, b"20240229-12:00:00.123456789"),
    ],
)
def test_timestamps_are_cut_to_the_precision(precision: Any, text: bytes) -> None:
    """Cut, not rounded: a stamp is never later than the moment."""
    assert utc_timestamp(NOON_NS, precision) == text
    assert utc_timestamp(NOON_NS + 999_999_999 - 123_456_789, precision)[:17] == text[:17]


def test_a_stamper_forgets_the_last_second() -> None:
    """Its cache never shows in what it writes, back steps of the clock included."""
    stamp = Stamper(9)
    for ns in (NOON_NS, NOON_NS + 1, NOON_NS + 10**9, NOON_NS - 10**9, NOON_NS, 0, -1):
        assert stamp(ns) == utc_timestamp(ns, 9)
    assert stamp(-1) == b"19691231-23:59:59.999999999"


@pytest.mark.parametrize("ns", [-62_135_596_800 * 10**9 - 1, 253_402_300_800 * 10**9])
def test_years_beyond_four_digits_are_refused(ns: int) -> None:
    """A year has four digits in FIX."""
    with pytest.raises(BadValue, match="9999"):
        utc_timestamp(ns)


def test_a_precision_is_one_of_four() -> None:
    """None, ms, us or ns."""
    with pytest.raises(BadValue, match="precision"):
        Stamper(4)  # type: ignore[arg-type]


@given(st.datetimes(timezones=st.timezones()))
def test_instants_agree_with_datetime(value: datetime) -> None:
    """Any zone; the standard library is the oracle."""
    since = value.astimezone(UTC) - EPOCH if 1 < value.year < 9999 else None
    if since is not None:
        ns = (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
        assert instant_ns(value) == ns
        text = value.astimezone(UTC).strftime("%Y%m%d-%H:%M:%S.%f").encode().rjust(24, b"0")
        assert utc_timestamp(ns, 6) == text
        assert parse_utc_timestamp(text) == ns


@given(st.dates())
def test_the_calendar_agrees_with_datetime(day: date) -> None:
    """Both ways, over all years."""
    days = (day - EPOCH.date()).days
    assert days_from_date(day.year, day.month, day.day) == days
    assert date_from_days(days) == (day.year, day.month, day.day)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        (b"19700101-00:00:00", 0),
        (b"20240229-12:00:00.1", NOON_NS // 10**9 * 10**9 + 100_000_000),
        (b"20240229-12:00:00.123456789", NOON_NS),
        (b"20240229-12:00:00.123456789999", NOON_NS),
        (b"20161231-23:59:60", 1_483_228_800 * 10**9),
        (b"20161231-23:59:60.5", 1_483_228_800 * 10**9 + 500_000_000),
        (b"00010101-00:00:00", -62_135_596_800 * 10**9),
    ],
)
def test_timestamps_with_any_decimals_and_leap_seconds_are_read(text: bytes, ns: int) -> None:
    """Up to 12 decimals, 9 of them counted; second 60 is the next minute's first."""
    assert parse_utc_timestamp(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"20240229",
        b"20240229-12:00",
        b"20240229 12:00:00",
        b"20230229-12:00:00",
        b"20241301-12:00:00",
        b"20240001-12:00:00",
        b"20240200-12:00:00",
        b"00000101-00:00:00",
        b"20240229-24:00:00",
        b"20240229-12:60:00",
        b"20240229-12:00:61",
        b"20240229-12:00:00.",
        b"20240229-12:00:00.1234567890123",
        b"20240229-12:00:00Z",
        b"20240229-12:00:00.12x",
        b" 20240229-12:00:00",
        b"20240229-12:00:00\n",
        b"2024022-912:00:00",
        b"+0240229-12:00:00",
    ],
)
def test_text_that_is_no_timestamp(text: bytes) -> None:
    """Nothing is guessed."""
    with pytest.raises(BadValue):
        parse_utc_timestamp(text)


def test_dates_and_times_alone() -> None:
    """UTCDateOnly and UTCTimeOnly; 1900 had no leap day, 2000 had."""
    assert parse_utc_date(b"19700102") == 1 and parse_utc_date(b"20000229") == 11_016
    assert parse_utc_time(b"01:02:03.004") == 3_723_004_000_000
    with pytest.raises(BadValue):
        parse_utc_date(b"19000229")


@pytest.mark.parametrize(
    ("text", "value"), [(b"0", 0), (b"-7", -7), (b"00023", 23), (b"9" * 64, int("9" * 64))]
)
def test_ints(text: bytes, value: int) -> None:
    """Leading zeros are allowed (FIX int)."""
    assert parse_int(text) == value


@pytest.mark.parametrize(
    "text", [b"", b"-", b"+1", b" 1", b"1 ", b"1_0", b"1.0", b"1e3", b"\xd9\xa1", b"9" * 65]
)
def test_text_that_is_no_int(text: bytes) -> None:
    """What int() would take and FIX does not."""
    with pytest.raises(BadValue):
        parse_int(text)


@pytest.mark.parametrize("text", ["0", "-1.5", "23.", ".5", "-.5", "002000.00", "0.00"])
def test_decimals_keep_their_text(text: str) -> None:
    """Trailing zeros say the precision."""
    assert parse_decimal(text.encode()) == Decimal(text)
    assert str(parse_decimal(b"2000.00")) == "2000.00"


@pytest.mark.parametrize(
    "text",
    [b"", b".", b"-", b"+1", b"1e3", b"1,5", b" 1", b"NaN", b"Infinity", b"1.2.3", b"1" * 200],
)
def test_text_that_is_no_decimal(text: bytes) -> None:
    """No exponent, no plus, no space, no NaN."""
    with pytest.raises(BadValue):
        parse_decimal(text)


def test_booleans_are_y_or_n() -> None:
    """And nothing else."""
    assert parse_bool(b"Y") is True and parse_bool(b"N") is False
    for text in (b"", b"y", b"1", b"YES"):
        with pytest.raises(BadValue):
            parse_bool(text)
