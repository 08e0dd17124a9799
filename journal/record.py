"""The record: what one event looks like in a segment, and the closed lists of its codes.

Owns the vocabulary (kinds, directions, flags, limits) and the two values that cross module borders: ``Draft``, an
event that has no number yet, and ``Record``, one that was read back. Packing and scanning live in ``_pure.py`` and
``_native.pyx``. It must not know FIX: MsgSeqNum is just a number per session and direction here.

Invariant: codes are never given a second meaning. A reader refuses a kind below 128 that it does not know, because
such a record may change the meaning of the others; kinds from 128 on may be skipped (storage rule 4).
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from .position import Position

MAGIC = 0xF1D0_5EA1
"""First four bytes of every record (little-endian); non-zero and not ASCII, to find records after damage."""
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


UNNUMBERED = frozenset({Kind.MARK, Kind.PAD, Kind.SEAL})
"""Kinds that are no events: they repeat the last event's number. A ROSTER with COPY is the one other such record."""

SYNCED = frozenset({Kind.RESERVATION, Kind.EPOCH, Kind.OPERATOR, Kind.REPAIR})
"""Kinds that must be on disk before any effect of their step, under every policy (storage rule 13).

A ROSTER event (without COPY) and a logon result are synced too; whoever drafts them asks for it.
"""


def takes_number(kind: int, flags: int) -> bool:
    """Whether a record is an event: it has a number of its own, the successor of the last event's."""
    return kind not in UNNUMBERED and not (kind == Kind.ROSTER and flags & Flag.COPY)


def padded(payload_bytes: int) -> int:
    """Bytes that a record with such a payload takes in the segment, alignment included."""
    return HEADER_BYTES + (payload_bytes + ALIGN_BYTES - 1) // ALIGN_BYTES * ALIGN_BYTES


class Draft(NamedTuple):
    """An event before it has a number, a place and a time.

    ``kind``, ``direction`` and ``flags`` as the enums above (LAST is set by the writer); ``session`` from the roster,
    0 for none; ``seq`` the MsgSeqNum, 0 for none.
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
        """The same event without number, place and time, and without the LAST flag: what a re-run must yield."""
        return Draft(
            self.kind, self.direction, self.flags & ~1, self.session, self.seq, self.payload
        )
