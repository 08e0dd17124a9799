"""Says in findings what is wrong at a bad place, and what the opening table made of it.

Owns the words: one finding for what the bytes look like, with everything that is known about the
record, and one for the decision. Where the record's header is good, it names event, session,
direction and MsgSeqNum; where it is bad, only the event number that was expected. It must not look
at the disk beyond the one header, and decides nothing.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ..journal.position import Position
from ..journal.record import HEADER_BYTES, Direction, Stop, takes_number
from .findings import Finding, finding
from .judge import headers_behind
from .table import Decision

if TYPE_CHECKING:
    from .judge import Judgement
    from .scan import Walk
    from .witness import Witnesses

TORN_RECORDS_MAX = 100
_LOOKS: dict[int, tuple[str, str]] = {
    Stop.END: ("seal-missing", "the file ends here without a seal"),
    Stop.SHORT: ("record-payload", "the file ends inside this record"),
    Stop.ZERO: ("record-header", "zeros where a record should be"),
    Stop.MAGIC: ("record-header", "this is no record"),
    Stop.SALT: ("record-foreign", ""),
    Stop.HEADER_CRC: ("record-header", ""),
    Stop.LENGTH: ("record-form", "a valid header whose length is beyond the limit"),
    Stop.NUMBER: ("record-number", ""),
    Stop.KIND: ("record-kind", ""),
    Stop.PREVIOUS: ("record-link", ""),
    Stop.PAYLOAD_CRC: ("record-payload", ""),
}


_SAYS_IT_ALL = frozenset({"torn-tail", "unnumbered-damage", "end-unknown"})
"""Codes beside which the looks of the bytes are only evidence."""


def damage(walk: Walk, roster: dict[int, str]) -> Finding:
    """What the bytes look like where ``walk`` stopped."""
    code, message = _LOOKS[walk.stop]
    here = Position(walk.segment, walk.offset)
    if walk.unreadable:
        return finding("unreadable", position=here, event=walk.event + 1)
    header = walk.header_here()
    if header is None:
        if walk.stop == Stop.SHORT:
            code, message = "record-header", "the file ends inside a record's header"
        return finding(code, message, position=here, event=walk.event + 1)
    direction = header.direction if header.direction in (1, 2) else Direction.NONE
    return finding(
        code,
        message,
        position=here,
        event=header.event,
        session=header.session,
        session_name=roster.get(header.session, ""),
        direction=direction,
        seq=header.seq,
        kind=header.kind,
    )


def place(
    walk: Walk, judgement: Judgement, roster: dict[int, str], witnesses: Witnesses
) -> list[Finding]:
    """What is to be said about the place where ``walk`` stopped, the decision last."""
    decided = verdict_on(walk, judgement, witnesses)
    if walk.seal is not None or walk.stop == Stop.END or decided.code in _SAYS_IT_ALL:
        return [decided]
    return [damage(walk, roster), decided]


def torn_records(walk: Walk, judgement: Judgement, roster: dict[int, str]) -> list[Finding]:
    """The records in a torn tail whose headers are whole, those of the open step included."""
    end = min(walk.size, judgement.behind.nonzero_end + HEADER_BYTES)
    headers = headers_behind(walk.file, walk.cut_offset, end, walk.header.salt, direct=walk.direct)
    return [
        finding(
            "torn-record",
            position=Position(walk.segment, offset),
            event=header.event,
            session=header.session,
            session_name=roster.get(header.session, ""),
            direction=header.direction if header.direction in (1, 2) else Direction.NONE,
            seq=header.seq,
            kind=header.kind,
        )
        for offset, header in itertools.islice(headers, TORN_RECORDS_MAX)
        if takes_number(header.kind, header.flags)
    ]


def proof(walk: Walk, judgement: Judgement, witnesses: Witnesses) -> str:
    """Which witness proves the expected event durable, in words; empty if none does."""
    expected = judgement.expected
    if judgement.behind.durable >= expected:
        return "a later record"
    if walk.seal is not None and walk.event >= expected:
        return "the seal"
    if witnesses.tail is not None and witnesses.tail.event >= expected:
        return "the tail file"
    if witnesses.index is not None and witnesses.index.durable >= expected:
        return "the index"
    return ""


def verdict_on(walk: Walk, judgement: Judgement, witnesses: Witnesses) -> Finding:
    """What the table decided about the place, as a finding; not for a clean end."""
    row, behind = judgement.row, judgement.behind
    here = Position(walk.segment, walk.cut_offset)
    event = judgement.expected
    if row.decision is Decision.UNNUMBERED_DAMAGE:
        at, looks = Position(walk.segment, walk.offset), Stop(walk.stop).name
        return finding("unnumbered-damage", position=at, event=walk.event, looks=looks)
    if row.decision is Decision.TORN_TAIL:
        return finding(
            "torn-tail",
            f"{behind.nonzero_end - walk.cut_offset} bytes behind the last whole step",
            position=here,
            event=event,
            row=row.number,
            cut_bytes=behind.nonzero_end - walk.cut_offset,
            headers=behind.headers,
            durable=judgement.durable,
            looks=Stop(walk.stop).name,
        )
    if row.decision is Decision.CANNOT_TELL:
        return finding(
            "end-unknown",
            row.because,
            position=here,
            event=event,
            row=row.number,
            looks=Stop(walk.stop).name,
        )
    if row.number == 4:
        return finding(
            "segment-short",
            f"{walk.size} bytes of {walk.header.allocated_bytes}",
            position=here,
            event=event,
            row=row.number,
        )
    if walk.stop == Stop.END and row.number == 3:
        return finding("seal-missing", position=here, event=event, row=row.number)
    by = proof(walk, judgement, witnesses)
    last = judgement.durable
    what = f"event {event} is" if last <= event else f"events {event} to {last} are"
    if by:
        message = f"{what} damaged or gone, though {by} proves that they were on disk"
    else:
        message = f"event {event} is damaged or gone: {row.because}"
    return finding("events-lost", message, position=here, event=event, row=row.number, durable=last)
