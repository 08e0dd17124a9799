"""Times for people and programs: RFC 3339 with nanoseconds, durations in the unit that reads best.

Owns both directions. Everything inside is an integer of nanoseconds; a float would lose the last
digits.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

NS = 1_000_000_000
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|z|[+-]\d\d:\d\d)?"
)
_UNITS = ((60 * NS, "min"), (NS, "s"), (1_000_000, "ms"), (1_000, "us"))


def rfc3339(utc_ns: int) -> str:
    """``2026-11-25T09:30:00.123456789Z``."""
    seconds, ns = divmod(utc_ns, NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def parse_rfc3339(text: str) -> int:
    """Nanoseconds since 1970 UTC. Without a zone the text is UTC. ``ValueError`` if it is no such
    time.
    """
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(f"not a time like 2026-11-25T09:30:00Z: {text!r}")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    offset = timedelta()
    if zone and zone not in "Zz":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        offset = -offset if zone[0] == "-" else offset
    moment = datetime(
        int(year), int(month), int(day), int(hour), int(minute), int(second or 0),
        tzinfo=timezone(offset),
    )  # fmt: skip
    return round(moment.timestamp()) * NS + int((fraction or "").ljust(9, "0"))


def duration(ns: float) -> str:
    """``1.5 s``, ``12.3 ms``: three digits in the unit that fits."""
    for size, unit in _UNITS:
        if abs(ns) >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.0f} ns"
