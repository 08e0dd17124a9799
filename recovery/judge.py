"""What lies behind a bad place, and the facts for the opening table that follow.

Owns the search for later valid headers (``look_behind``) and ``judge``, which turns a stopped walk
and the witnesses from outside into facts and a row of the table. It reads and never writes.

Why look behind at all: a checksum says that bytes are bad, not whether they had been on disk. Only
what was written later can prove that, so the search goes to the end of the file, however large the
hole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..journal._core import find_header, unpack_header
from ..journal.disk import File
from ..journal.record import DEPTH_UNKNOWN, HEADER_BYTES, Header, Kind, padded, takes_number
from . import table
from .scan import BLOCK_BYTES, CHUNK_BYTES, Batch, Walk, read_readable

_ZEROS = bytes(CHUNK_BYTES)


@dataclass(frozen=True, slots=True)
class Behind:
    """What lies behind a bad place, up to the end of the file."""

    durable: int
    """The highest number that a valid header there proves durable; 0 if none."""
    headers: int
    """Valid headers found."""
    seal: bool
    """A SEAL is among them."""
    following: tuple[int, Header] | None
    """Offset and header of the next of them; None if there is none."""
    continues: bool
    """It goes on at the expected event."""
    nonzero_end: int
    """Behind the last byte that is not zero; the bad place itself if there is none."""
    unreadable: bool
    """The disk refused some of it."""


def headers_behind(
    file: File, start: int, size: int, salt: int, *, direct: bool = False
) -> Iterator[tuple[int, Header]]:
    """Valid headers in a file from ``start`` on, as (offset, header); payloads of valid headers are
    jumped over.

    Blocks that the disk refuses are passed over.
    """
    at = start
    while at + HEADER_BYTES <= size:
        asked = min(CHUNK_BYTES, size - at)
        data, refused = read_readable(file, at, asked, direct=direct)
        base, pos = at, 0
        while (found := find_header(data, pos, base, salt)) >= 0:
            header = unpack_header(data, found)
            yield base + found, header
            pos = found + padded(header.payload_bytes)
            if pos + HEADER_BYTES > len(data):
                break
        jumped = base + pos
        if found >= 0 and jumped > base + len(data) - HEADER_BYTES:
            at = max(jumped, at + 8)
            continue
        if refused:
            at = max(jumped, (base + len(data)) // BLOCK_BYTES * BLOCK_BYTES + BLOCK_BYTES)
        elif len(data) < asked or base + asked >= size:
            return  # a live file may have become shorter
        else:
            at = max(jumped, (base + len(data) - HEADER_BYTES + 8) // 8 * 8)


def proves(header: Header) -> int:
    """The number up to which a valid header proves the journal durable; 0 if it proves nothing.

    A depth of 0 is allowed only where a record takes no number: an event cannot be durable before
    it is written.
    """
    if header.depth == DEPTH_UNKNOWN or header.depth > header.event:
        return 0
    if not header.depth and takes_number(header.kind, header.flags):
        return 0
    return header.event - header.depth


def look_behind(walk: Walk, known: Behind | None = None) -> Behind:
    """Search what lies behind the bad place at which ``walk`` stopped.

    The search starts behind the record if its header is good, else inside it: a later valid header
    is witness enough, and the bytes of a payload are searched only if nothing else says where it
    ends. ``known`` is what was found at an earlier place of the same segment: what it proves stays
    true, and only the next header is looked for, so that many bad places cost no more than one.
    """
    file, size = walk.file, walk.size
    if known is None:
        end, refused = nonzero_end(file, walk.offset, size, direct=walk.direct)
    else:
        end, refused = max(known.nonzero_end, walk.offset), known.unreadable
    durable = headers = 0
    seal = False
    following: tuple[int, Header] | None = None
    here = walk.header_here()
    start = walk.offset + padded(here.payload_bytes) if here else walk.offset
    stop = min(size, end + HEADER_BYTES)
    salt, direct = walk.header.salt, walk.direct
    for offset, header in headers_behind(file, start, stop, salt, direct=direct):
        if following is None and offset > walk.offset:
            following = offset, header
        headers += 1
        durable = max(durable, proves(header))
        seal = seal or header.kind == Kind.SEAL
        if known is not None and following is not None:
            durable, headers, seal = max(durable, known.durable), known.headers, known.seal
            break
    return Behind(
        durable,
        headers,
        seal,
        following,
        following is not None and _continues(walk, following[1]),
        end,
        refused or walk.unreadable,
    )


def _continues(walk: Walk, following: Header) -> bool:
    """Whether the next header behind the place says that no event is missing in between.

    A REPAIR ends its segment, so behind it lie the bytes that it cut, some of which may still look
    like records; nor does anything go on behind a seal.
    """
    if walk.seal is not None or walk.last_kind == Kind.REPAIR:
        return False
    return following.event == walk.event + takes_number(following.kind, following.flags)


def nonzero_end(file: File, start: int, size: int, *, direct: bool = False) -> tuple[int, bool]:
    """Behind the last non-zero byte at or after ``start`` (``start`` if there is none), and whether
    a read failed.

    What cannot be read counts as non-zero: nobody can say that it was never written.
    """
    end, at, refused_any = start, start, False
    while at < size:
        data, refused = read_readable(file, at, min(CHUNK_BYTES, size - at), direct=direct)
        if data != _ZEROS[: len(data)]:
            end = at + len(data.rstrip(b"\0"))
        at += len(data)
        if refused:
            refused_any = True
            at = min((at // BLOCK_BYTES + 1) * BLOCK_BYTES, size)
            end = at
        elif not data:
            break
    return end, refused_any


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision of the opening table with what led to it."""

    row: table.Row
    facts: table.Facts
    expected: int
    """E: the first event that would be lost or is missing."""
    durable: int
    """W: the highest event that anything proves durable."""
    behind: Behind


def judge(
    walk: Walk, *, witness: int, blind: bool, last: bool, known: Behind | None = None
) -> Judgement:
    """Decide what the place means at which ``walk`` stopped.

    ``witness`` is W from outside this segment's bytes; for a segment with a successor that is the
    successor's base event less one, and ``known`` what was found behind an earlier place. A seal is
    an end like any other: all that can be wrong behind it is an event that a witness knows.
    """
    behind = look_behind(walk, known)
    expected = walk.cut_event + 1
    sealed = walk.seal is not None
    durable = max(witness, walk.proven, behind.durable, walk.event if sealed else 0)
    facts = table.Facts(
        continues=behind.continues and walk.cut_offset == walk.offset,
        proven=expected <= durable,
        closed=not sealed and (not last or behind.seal),
        short=not sealed and walk.size < walk.header.allocated_bytes,
        unreadable=behind.unreadable,
        zeros=sealed or behind.nonzero_end <= walk.cut_offset,
        blind=blind,
    )
    return Judgement(table.decide(facts), facts, expected, durable, behind)


def follow(walk: Walk) -> Iterator[Batch]:
    """All batches of a walk, on over places that held no event (row 1), up to any other end."""
    while True:
        yield from walk
        behind = look_behind(walk)
        if behind.following is None or not behind.continues or walk.cut_offset != walk.offset:
            return
        walk.skip(*behind.following)
