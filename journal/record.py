"""The record: what one event looks like in a segment, and the closed lists of its codes.

Owns the vocabulary (kinds, directions, flags, limits) and the two values that cross module borders:
``Draft``, an event that has no number yet, and ``Record``, one that was read back. Packing and
scanning live in ``_pure.py`` and ``_native.pyx``. It must not know FIX: MsgSeqNum is just a number
per session and direction here.

Invariant: codes are never given a second meaning. A reader refuses a kind below 128 that it does
not know, because such a record may change the meaning of the others; kinds from 128 on may be
skipped (storage rule 4).
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from .position import Position

MAGIC = 0xF1D0_5EA1
"""First four bytes of every record (little-endian); non-zero and not ASCII."""
HEADER_BYTES = 64
ALIGN_BYTES = 8
SECTOR_BYTES = 512
PAYLOAD_BYTES_MAX = 16 << 20
"""Hard limit of one payload; a quarter of the segment is the other one."""
NUMBER_MAX = (1 << 63) - 1
"""Event numbers, sequence numbers and times stay below 2^63."""
DEPTH_UNKNOWN = 0xFFFF_FFFF
"""A depth that proves nothing about what was durable."""
KIND_SKIPPABLE = 128


class Kind(enum.IntEnum):
    """What a record says."""

    IN = 1
    OUT = 2
    STATE = 3
    ACCEPTED = 4
    CURSOR = 5
    RESERVATION = 6
    ROSTER = 7
    BASE = 8
    SNAPSHOT_REF = 9
    OPERATOR = 10
    CLOCK = 11
    REPAIR = 12
    MARK = 13
    PAD = 14
    SEAL = 15
    INPUT = 16
    EPOCH = 17
    HASH = 18


class Direction(enum.IntEnum):
    """Which way a frame went; NONE for records that are no frames."""

    NONE = 0
    IN = 1
    OUT = 2


class Flag(enum.IntFlag):
    """Bits of the header's flags field."""

    NONE = 0
    LAST = 1
    COPY = 2
    CONSUMED = 4
    DELIVER = 8
    QUEUED = 16
    COMMAND = 32
    REDACTED = 64
    CLOCK_UNSYNC = 128


class Stop(enum.IntEnum):
    """Why a scan stopped; the place is the start of the record that it could not take.

    The checks run in this order for each record: END, LIMIT, SHORT or ZERO or MAGIC, SALT or
    HEADER_CRC, LENGTH, NUMBER (range), KIND, PREVIOUS, NUMBER (sequence), SHORT (payload),
    PAYLOAD_CRC, ALIGNMENT. So after PAYLOAD_CRC, ALIGNMENT, or SHORT with 64 bytes at hand, the
    header itself is good and fits its predecessor.
    """

    END = 0
    """The data ended exactly behind a record."""
    LIMIT = 1
    """As many rows as were asked for; call again from here."""
    SHORT = 2
    """The data ends inside a record: read more, or the file ends here."""
    ZERO = 3
    """64 zero bytes where a header should be: never written, or lost."""
    MAGIC = 4
    """Something else than a record."""
    SALT = 5
    """A whole header, but of another segment: stale, misdirected or spliced bytes."""
    HEADER_CRC = 6
    """A record's first bytes, but the header is damaged."""
    LENGTH = 7
    """A valid header whose payload length is beyond the limit of the format."""
    NUMBER = 8
    """An event number that does not continue, or a number, MsgSeqNum or time beyond 2^63."""
    KIND = 9
    """A kind below 128 that this version does not know."""
    PREVIOUS = 10
    """The header names another predecessor: a record is missing, or one was put in between."""
    PAYLOAD_CRC = 11
    """The header is good, the payload is damaged."""
    ALIGNMENT = 12
    """Header and payload are good, but the bytes up to the next multiple of 8 are not zero."""


UNNUMBERED = frozenset({Kind.MARK, Kind.PAD, Kind.SEAL})
"""Kinds that are no events: they repeat the last event's number. A ROSTER with COPY is the one
other such record."""

SYNCED = frozenset({Kind.RESERVATION, Kind.EPOCH, Kind.OPERATOR, Kind.REPAIR})
"""Kinds that must be on disk before any effect of their step, under every policy (storage rule 13).

A ROSTER event (without COPY) and a logon result are synced too; whoever drafts them asks for it.
"""


def takes_number(kind: int, flags: int) -> bool:
    """Whether a record is an event, with a number of its own: the last event's plus one."""
    return kind not in UNNUMBERED and not (kind == Kind.ROSTER and flags & Flag.COPY)


def padded(payload_bytes: int) -> int:
    """Bytes that a record with such a payload takes in the segment, alignment included."""
    return HEADER_BYTES + (payload_bytes + ALIGN_BYTES - 1) // ALIGN_BYTES * ALIGN_BYTES


class Header(NamedTuple):
    """The 64 header bytes as they stand, in the order of the format; nothing is verified."""

    magic: int
    header_crc: int
    payload_bytes: int
    payload_crc: int
    salt: int
    event: int
    utc_ns: int
    seq: int
    session: int
    kind: int
    direction: int
    flags: int
    depth: int
    previous_crc: int


Row = tuple[int, int, int, int, int, int, int, int, int, int, bytes]
"""One verified record of a scan, as a plain tuple because there are millions of them: (offset in
the scanned data, event, utc_ns, seq, session, kind, direction, flags, depth, header crc, payload as
bytes). From ``event`` on the fields are those of ``Record``, so ``Record(Position(segment, base +
row[0]), *row[1:])`` completes it."""


class Draft(NamedTuple):
    """An event before it has a number, a place and a time.

    ``kind``, ``direction`` and ``flags`` as the enums above (LAST is set by the writer);
    ``session`` from the roster, 0 for none; ``seq`` the MsgSeqNum, 0 for none.
    """

    kind: int
    direction: int
    flags: int
    session: int
    seq: int
    payload: bytes


class Record(NamedTuple):
    """One record as it was read back and verified."""

    position: Position
    event: int
    utc_ns: int
    seq: int
    session: int
    kind: int
    direction: int
    flags: int
    depth: int
    header_crc: int
    payload: bytes

    @property
    def numbered(self) -> bool:
        """Whether this record is an event (see ``takes_number``)."""
        return takes_number(self.kind, self.flags)

    @property
    def draft(self) -> Draft:
        """The event without number, place, time and LAST flag: what a re-run must yield."""
        return Draft(
            self.kind, self.direction, self.flags & ~1, self.session, self.seq, self.payload
        )
