"""What differs between FIX versions at the session layer: one row per BeginString, as data.

Sources: the session sections of FIX 4.0 to 4.4 and FIXT.1.1, session rules 8 to 11, and what public
acceptance scripts pin. Decision code asks the row, never the BeginString.
"""

from __future__ import annotations

import msgspec

from ..wire.values import Precision


class Version(msgspec.Struct, frozen=True):
    """One version.

    ``infinity_out``: EndSeqNo for "all" in our ResendRequest; ``infinity_in``: values we take for
    it. ``reset_flag``: 141 exists. ``reject_fields``: Rejects carry 371 to 373;
    ``reject_reason_max``: the highest 373. ``business_reject``: 35=j exists. ``next_expected``: 789
    exists. ``appl_ver``: Logons need 1137. ``locations``: 142 to 145 exist. ``unsupported``: the
    words for a type that the application does not take.
    """

    begin_string: str
    timestamp_digits: Precision
    infinity_out: bytes
    infinity_in: tuple[int, ...]
    reset_flag: bool
    reject_fields: bool
    reject_reason_max: int
    business_reject: bool
    last_processed: bool
    next_expected: bool
    appl_ver: bool
    locations: bool
    unsupported: str


def _row(
    begin_string: str,
    *,
    age: int,
    reject_reason_max: int = 99,
    appl_ver: bool = False,
) -> Version:
    """``age``: 0 for 4.0, 1 for 4.1, 2 for 4.2, 3 for 4.3, 4 for 4.4 and later."""
    return Version(
        begin_string=begin_string,
        timestamp_digits=3 if age >= 2 else 0,
        infinity_out=b"0" if age >= 2 else b"999999",
        infinity_in=(0, 999_999) if age <= 2 else (0,),
        reset_flag=age >= 1,
        reject_fields=age >= 2,
        reject_reason_max=reject_reason_max,
        business_reject=age >= 2,
        last_processed=age >= 2,
        next_expected=age >= 4,
        appl_ver=appl_ver,
        locations=age >= 1,
        unsupported="Unsupported Message Type" if age >= 2 else "Unsupported message type",
    )


VERSIONS = {
    row.begin_string: row
    for row in (
        _row("FIX.4.0", age=0),
        _row("FIX.4.1", age=1),
        _row("FIX.4.2", age=2, reject_reason_max=11),
        _row("FIX.4.3", age=3),
        _row("FIX.4.4", age=4),
        _row("FIXT.1.1", age=4, appl_ver=True),
    )
}
