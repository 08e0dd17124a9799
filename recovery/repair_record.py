"""The REPAIR event: what recovery did to a journal, said in the journal.

Owns the JSON object in a REPAIR record and what it says about numbers. Such an event is written at
every stop that was not clean, cut or not, because what follows depends on it: after a cut, or where
events were acknowledged before they were fsynced, outbound numbers go on behind the reservation.
That decision must survive a second crash between the repair and the first event of a session, so it
is read from the journal and not remembered.

Invariant: recovery's REPAIR is the last event of its segment. What lies behind it was cut.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ..journal.record import Direction, Draft, Flag, Kind


class Repair(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Payload of a REPAIR event, as JSON."""

    type: Literal["cut", "unclean-stop"]
    """"cut": bytes went to quarantine. "unclean-stop": the end was whole, but never sealed."""
    who: str = "recovery"
    why: str = ""
    row: int
    """Row of the opening table that decided."""
    term: int
    """The reign that ended."""
    segment: int
    offset: int
    """Where the last whole step ended."""
    durable: int
    """The highest event that a witness proved durable."""
    from_bound: bool
    """Events may be missing: outbound numbers go on from the reservation."""
    cut_bytes: int = 0
    cut_headers: int = 0
    """Valid record headers among the cut bytes."""
    quarantine: str = ""
    """Name of the copy of the cut bytes in the journal's quarantine folder."""


def draft(repair: Repair) -> Draft:
    """The event to journal."""
    payload = msgspec.json.encode(repair)
    return Draft(Kind.REPAIR, Direction.NONE, Flag.NONE, 0, 0, payload)


class _Bound(msgspec.Struct):
    from_bound: bool = True


def asks_for_bound(payload: bytes) -> bool:
    """Whether a REPAIR event says that events may be missing. One that cannot be read does."""
    try:
        return msgspec.json.decode(payload, type=_Bound).from_bound
    except msgspec.DecodeError:
        return True
