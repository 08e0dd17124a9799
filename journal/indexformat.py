"""The bytes of the index: keys that sort as they are asked for, values that carry their own
checksum.

Owns the layout of every entry and of the watermark. It must not know where they are stored. LMDB
has no page checksums, so nothing that comes out of it is believed without the CRC in the value,
which covers the key too.

Keys are big-endian, one letter for the family first:

    e  session u32, direction u8, epoch u32, seq u64    ->  a frame
    c  session u32, event u64                           ->  the epoch that the session entered there
    n  event u64                                        ->  a place, each 64 KiB or so
    t  running maximum of the time before it u64, event ->  the same place
    m                                                   ->  the watermark

Invariant: but for the watermark, an entry is written once and never changed. So the number of
entries and the sum of their CRCs (in the watermark, in the same transaction) say whether any is
missing, which a tree that lost a branch would not show otherwise.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ._core import crc32c
from .position import Position

FORMAT = 1
META_KEY = b"m"
SUM_MASK = (1 << 64) - 1
EPOCH_MAX = (1 << 32) - 1

_FRAME_KEY = struct.Struct(">cIBIQ")
_FRAME = struct.Struct(">IQIQI")
_EPOCH_KEY = struct.Struct(">cIQ")
_EPOCH = struct.Struct(">I")
_EVENT_KEY = struct.Struct(">cQ")
_TIME_KEY = struct.Struct(">cQQ")
_PLACE = struct.Struct(">IQ")
_META = struct.Struct(">I16s" + "QIQI" + "QIQI" + "QQQ")
_CRC = struct.Struct(">I")

Group = tuple[int, int, int]
"""(session, direction, epoch)."""
Frame = tuple[int, int, int, int, int]
"""(segment, offset, payload bytes, event, header crc)."""


class Entry(NamedTuple):
    """Where a frame is, and what its record must look like."""

    position: Position
    event: int
    header_crc: int
    payload_bytes: int

    @classmethod
    def of(cls, frame: Frame) -> Entry:
        """The same from the plain tuple."""
        segment, offset, payload_bytes, event, header_crc = frame
        return cls(Position(segment, offset), event, header_crc, payload_bytes)


class Mark(NamedTuple):
    """One event and its record's place; all zeros before the first."""

    event: int
    segment: int
    offset: int
    header_crc: int


NO_MARK = Mark(0, 0, 0, 0)


class Watermark(NamedTuple):
    """How far the index goes. Only ``durable`` is a witness of what was on disk (storage rule 14);
    ``segment``, ``offset`` and ``header_crc`` name its record. ``indexed`` may be ahead of it and
    proves nothing."""

    indexed: int
    durable: int
    segment: int
    offset: int
    header_crc: int


class Meta(NamedTuple):
    """The value under ``m``: the watermark with all that is needed to go on and to check."""

    uuid: bytes
    indexed: Mark
    durable: Mark
    utc_max: int
    """Running maximum of the time of all events up to ``indexed``."""
    entries: int
    crc_sum: int

    @property
    def watermark(self) -> Watermark:
        """What the owner and recovery need of it."""
        return Watermark(self.indexed.event, *self.durable)


def pack_meta(meta: Meta) -> bytes:
    """With the CRC at the end."""
    body = _META.pack(
        FORMAT,
        meta.uuid,
        *meta.indexed,
        *meta.durable,
        meta.utc_max,
        meta.entries,
        meta.crc_sum,
    )
    return body + _CRC.pack(crc32c(META_KEY + body))


def unpack_meta(raw: bytes | None) -> Meta | None:
    """None if it is missing, damaged or of another format."""
    if raw is None or len(raw) != _META.size + _CRC.size:
        return None
    body = raw[: _META.size]
    number, uuid, *rest = _META.unpack(body)
    if number != FORMAT or _CRC.pack(crc32c(META_KEY + body)) != raw[_META.size :]:
        return None
    return Meta(uuid, Mark(*rest[:4]), Mark(*rest[4:8]), *rest[8:])


def frame_key(group: Group, seq: int) -> bytes:
    """The key of one frame."""
    return _FRAME_KEY.pack(b"e", *group, seq)


def epoch_key(session: int, event: int) -> bytes:
    """The key of one change of epoch."""
    return _EPOCH_KEY.pack(b"c", session, event)


def event_key(event: int) -> bytes:
    """The key of a place by its event number."""
    return _EVENT_KEY.pack(b"n", event)


def time_key(utc_max: int, event: int) -> bytes:
    """The key of a place by the largest time before it."""
    return _TIME_KEY.pack(b"t", utc_max, event)


def frame_value(frame: Frame) -> bytes:
    """A frame's place, without CRC."""
    return _FRAME.pack(*frame)


def epoch_value(epoch: int) -> bytes:
    """An epoch number, without CRC."""
    return _EPOCH.pack(epoch)


def place_value(position: Position) -> bytes:
    """A record's place, without CRC."""
    return _PLACE.pack(*position)


def seal_value(key: bytes, body: bytes) -> tuple[bytes, int]:
    """The value as it is stored, and its CRC."""
    crc = crc32c(key + body)
    return body + _CRC.pack(crc), crc


def open_value(key: bytes, value: bytes) -> tuple[bytes, int] | None:
    """The body of a stored value and its CRC, or None if it is damaged."""
    body = value[:-4]
    crc = crc32c(key + body)
    return (body, crc) if len(value) > 4 and value[-4:] == _CRC.pack(crc) else None


def frame_of(body: bytes) -> Frame | None:
    """The inverse of ``frame_value``; None for another length."""
    return _FRAME.unpack(body) if len(body) == _FRAME.size else None


def epoch_of(body: bytes) -> int | None:
    """The inverse of ``epoch_value``; None for another length."""
    return int(_EPOCH.unpack(body)[0]) if len(body) == _EPOCH.size else None


def place_of(body: bytes) -> Position | None:
    """The inverse of ``place_value``; None for another length."""
    return Position(*_PLACE.unpack(body)) if len(body) == _PLACE.size else None


def seq_of(key: bytes) -> int:
    """The MsgSeqNum in a frame's key."""
    return int.from_bytes(key[-8:], "big")
