"""Field values between Python and FIX text, both ways, exactly.

Writing accepts only types whose text is unambiguous: a float has no exact decimal text, a naive
datetime no instant, so both are refused. Reading is strict: what FIX does not allow raises BadValue
and is never guessed. Text is UTF-8, and bytes that are not survive a round trip untouched
(surrogateescape), because a value that we only pass on must not change.

Time is an integer of nanoseconds since 1970-01-01 UTC, without leap seconds. This module is pure:
it never asks for the time, and takes datetime objects by their shape alone (``Instant``) without
importing their module.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, Literal, Protocol, runtime_checkable

from .errors import BadType, BadValue

NS_PER_S: Final = 1_000_000_000
S_PER_DAY: Final = 86_400
DECIMAL_DIGITS_MAX: Final = 64
Precision = Literal[0, 3, 6, 9]
"""Decimals of a second in a timestamp: none, ms, us, ns."""

_DIVISOR: Final = {0: NS_PER_S, 3: 1_000_000, 6: 1_000, 9: 1}
_SECOND_MIN: Final = -62_135_596_800  # 0001-01-01
_SECOND_MAX: Final = 253_402_300_799  # 9999-12-31T23:59:59
_INT = re.compile(rb"-?[0-9]+")
_DECIMAL = re.compile(rb"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_DATE = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})")
_TIME = re.compile(rb"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,12}))?")
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Offset(Protocol):
    """The part of a datetime.timedelta that is used here."""

    @property
    def days(self) -> int: ...
    @property
    def seconds(self) -> int: ...
    @property
    def microseconds(self) -> int: ...


@runtime_checkable
class Instant(Protocol):
    """An aware datetime.datetime, by its shape."""

    @property
    def year(self) -> int: ...
    @property
    def month(self) -> int: ...
    @property
    def day(self) -> int: ...
    @property
    def hour(self) -> int: ...
    @property
    def minute(self) -> int: ...
    @property
    def second(self) -> int: ...
    @property
    def microsecond(self) -> int: ...
    def utcoffset(self) -> Offset | None: ...


Value = str | bytes | int | Decimal | bool | Instant
"""What a field may be set to. float is missing on purpose."""


def to_bytes(value: Value, *, data: bool = False, precision: Precision = 3) -> bytes:
    """FIX text of a value. ``data`` allows the delimiter inside; ``precision`` is that of an aware
    datetime.

    BadType (TypeError) for a type without exact text; BadValue (ValueError) for an empty value, a
    delimiter in it, a naive datetime, a Decimal that is no number.
    """
    if isinstance(value, str):
        try:
            text = value.encode()  # three times faster than with an error handler
        except UnicodeEncodeError:
            text = value.encode("utf-8", "surrogateescape")
    elif isinstance(value, bytes):
        text = value if type(value) is bytes else bytes(value)
    else:
        return _other_text(value, precision)
    if data or (text and b"\x01" not in text):
        return text
    if text:
        raise BadValue("a value cannot contain the delimiter SOH", hint="use a data field")
    raise BadValue("a FIX field cannot be empty", hint="leave the field out")


def _other_text(value: int | Decimal | Instant, precision: Precision) -> bytes:
    if isinstance(value, bool):
        return b"Y" if value else b"N"
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, float):
        raise BadType("float has no exact FIX text", hint="use Decimal or str")
    if isinstance(value, Instant):  # last: a check by shape is slow
        return utc_timestamp(instant_ns(value), precision)
    raise BadType(
        f"{type(value).__name__} has no FIX text",
        hint="use str, bytes, int, Decimal, bool or an aware datetime",
    )


def to_text(value: bytes) -> str:
    """Text of a value; ``to_bytes`` gives back the same bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("utf-8", "surrogateescape")


def _decimal_text(value: Decimal) -> bytes:
    if not value.is_finite():
        raise BadValue(f"{value} is no FIX number")
    _, digits, exponent = value.as_tuple()
    if (
        isinstance(exponent, str)
        or len(digits) > DECIMAL_DIGITS_MAX
        or abs(exponent) > DECIMAL_DIGITS_MAX
    ):
        raise BadValue(f"a Decimal of more than {DECIMAL_DIGITS_MAX} places", hint="quantize it")
    return format(value, "f").encode("ascii")


def instant_ns(value: Instant) -> int:
    """Nanoseconds since 1970 of an aware datetime, of any zone: it names one instant. BadValue if
    it is naive.
    """
    offset = value.utcoffset()
    if offset is None:
        raise BadValue("a datetime without a zone names no instant", hint="use datetime.now(UTC)")
    days = days_from_date(value.year, value.month, value.day) - offset.days
    second = value.hour * 3600 + value.minute * 60 + value.second - offset.seconds
    microsecond = value.microsecond - offset.microseconds
    return (days * S_PER_DAY + second) * NS_PER_S + microsecond * 1000


class Stamper:
    """Writes UTCTimestamps fast: it keeps the text of the last second, which most stamps share. One
    owner each.
    """

    __slots__ = ("_divisor", "_form", "_head", "_second")

    def __init__(self, precision: Precision = 3) -> None:
        self._divisor = _divisor(precision)
        self._form = b"%%b.%%0%dd" % precision if precision else b"%b"
        self._second: int | None = None
        self._head = b""

    def __call__(self, ns: int) -> bytes:
        """``YYYYMMDD-HH:MM:SS.sss`` of ns since 1970, cut (not rounded) to the precision. BadValue
        beyond 0001-9999.
        """
        second, rest = divmod(ns, NS_PER_S)
        if second != self._second:
            self._head = _second_text(second)
            self._second = second
        if self._divisor == NS_PER_S:
            return self._head
        return self._form % (self._head, rest // self._divisor)


def utc_timestamp(ns: int, precision: Precision = 3) -> bytes:
    """``YYYYMMDD-HH:MM:SS[.sss]`` of ns since 1970, cut to the precision. ``Stamper`` is faster for
    many.
    """
    return Stamper(precision)(ns)


def _divisor(precision: int) -> int:
    if precision not in _DIVISOR:
        raise BadValue(f"precision is 0, 3, 6 or 9, not {precision}")
    return _DIVISOR[precision]


def _second_text(second: int) -> bytes:
    if not _SECOND_MIN <= second <= _SECOND_MAX:
        raise BadValue(f"second {second} is outside the years 0001 to 9999")
    days, rest = divmod(second, S_PER_DAY)
    minutes, s = divmod(rest, 60)
    return b"%04d%02d%02d-%02d:%02d:%02d" % (*date_from_days(days), minutes // 60, minutes % 60, s)


def days_from_date(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar. The year is taken to begin in March: leap
    days come last.
    """
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def date_from_days(days: int) -> tuple[int, int, int]:
    """(year, month, day) of days since 1970-01-01."""
    era, of_era = divmod(days + 719_468, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + era * 400 + (month <= 2), month, day


def parse_utc_timestamp(text: bytes) -> int:
    """ns since 1970 of ``YYYYMMDD-HH:MM:SS`` with up to 12 decimals (those behind the ninth are
    cut).

    Second 60, a leap second, is the first second of the next minute. BadValue for anything else.
    """
    if text[8:9] != b"-":
        raise BadValue("not a UTCTimestamp")
    return parse_utc_date(text[:8]) * S_PER_DAY * NS_PER_S + parse_utc_time(text[9:])


def parse_utc_date(text: bytes) -> int:
    """Days since 1970-01-01 of ``YYYYMMDD`` (UTCDateOnly, LocalMktDate), or BadValue."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise BadValue("not a date YYYYMMDD")
    year, month, day = map(int, match.groups())
    if not (year and 1 <= month <= 12 and 1 <= day <= _month_days(year, month)):
        raise BadValue("no such date")
    return days_from_date(year, month, day)


def _month_days(year: int, month: int) -> int:
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _MONTH_DAYS[month - 1] + leap


def parse_utc_time(text: bytes) -> int:
    """ns since midnight of ``HH:MM:SS`` with up to 12 decimals (UTCTimeOnly). BadValue for anything
    else.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadValue("not a time HH:MM:SS")
    hour, minute, second = int(match[1]), int(match[2]), int(match[3])
    if hour > 23 or minute > 59 or second > 60:
        raise BadValue("no such time of day")
    fraction = int(match[4][:9].ljust(9, b"0")) if match[4] else 0
    return (hour * 3600 + minute * 60 + second) * NS_PER_S + fraction


def parse_int(text: bytes) -> int:
    """FIX int: an optional minus and digits, leading zeros allowed; no plus, no space. BadValue for
    anything else.
    """
    if _INT.fullmatch(text) is None or len(text) > DECIMAL_DIGITS_MAX:
        raise BadValue("not a FIX int")
    return int(text)


def parse_decimal(text: bytes) -> Decimal:
    """FIX float (Price, Qty, Amt ...): digits with an optional point and minus; no exponent. Keeps
    trailing zeros.
    """
    if _DECIMAL.fullmatch(text) is None or len(text) > 2 * DECIMAL_DIGITS_MAX:
        raise BadValue("not a FIX number")
    return Decimal(text.decode("ascii"))


def parse_bool(text: bytes) -> bool:
    """Y or N. BadValue for anything else."""
    if text == b"Y":
        return True
    if text == b"N":
        return False
    raise BadValue("not a FIX boolean (Y or N)")
