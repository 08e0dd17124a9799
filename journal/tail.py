"""The ``TAIL`` file: how far the journal was durable, written after each sync and before anyone is
told.

Owns the layout of its two slots (docs/journal-format.md, "Tail file"). It must not know when it is
written; the writer does. The file may lag behind the journal and never leads it, so a valid slot
proves that everything up to its event was on disk, and its loss proves nothing (storage rule 15).

Invariant: generation g goes to slot g mod 2, so a torn write can only hurt the slot that is being
replaced.
"""

from __future__ import annotations

import struct

import msgspec

from ._core import crc32c, mask

SLOT_BYTES = 128
SLOT_OFFSETS = (0, 512)
"""File offsets of the two slots; apart by a sector, so that one torn sector never holds both."""
FILE_BYTES = 1024
TAIL_MAGIC = b"DFIXTAIL"
TAIL_VERSION = 1

# magic, crc | version, uuid, term, segment, offset, event, generation, header crc
_SLOT = struct.Struct("<8sI" + "I16sQQQQQI")
_CRC_AT, _COVERED_FROM = 8, 12


class TailSlot(msgspec.Struct, frozen=True, kw_only=True):
    """One slot: the last record that was durable when it was written."""

    journal_uuid: bytes
    term: int
    segment: int
    offset: int
    """File offset just behind that record, its alignment bytes included."""
    event: int
    """Number of the last durable event."""
    header_crc: int
    """Header crc of that record; tells this record from another at the same place."""
    generation: int
    """Counts the writes of the file, from 1."""


def slot_offset(generation: int) -> int:
    """Where in the file the slot of this generation goes."""
    return SLOT_OFFSETS[generation % 2]


def pack_slot(slot: TailSlot) -> bytes:
    """The 128 bytes of one slot; write them at ``slot_offset(slot.generation)``."""
    assert len(slot.journal_uuid) == 16 and slot.generation > 0
    raw = bytearray(SLOT_BYTES)
    _SLOT.pack_into(
        raw,
        0,
        TAIL_MAGIC,
        0,
        TAIL_VERSION,
        slot.journal_uuid,
        slot.term,
        slot.segment,
        slot.offset,
        slot.event,
        slot.generation,
        slot.header_crc,
    )
    struct.pack_into("<I", raw, _CRC_AT, mask(crc32c(memoryview(raw)[_COVERED_FROM:])))
    return bytes(raw)


def unpack_slot(raw: bytes) -> TailSlot | None:
    """The slot in 128 bytes, or None if they are short, damaged, never written or of another
    version."""
    if len(raw) != SLOT_BYTES or raw[:8] != TAIL_MAGIC:
        return None
    _, crc, version, uuid, term, segment, offset, event, generation, header_crc = _SLOT.unpack_from(
        raw
    )
    if mask(crc32c(raw[_COVERED_FROM:])) != crc or version != TAIL_VERSION:
        return None
    return TailSlot(
        journal_uuid=uuid,
        term=term,
        segment=segment,
        offset=offset,
        event=event,
        header_crc=header_crc,
        generation=generation,
    )


def newest(data: bytes) -> TailSlot | None:
    """The valid slot of the highest generation in the file's bytes, or None. A slot in the other
    one's place is void."""
    slots = [
        slot
        for index, at in enumerate(SLOT_OFFSETS)
        if (slot := unpack_slot(bytes(data[at : at + SLOT_BYTES]))) and slot.generation % 2 == index
    ]
    return max(slots, key=lambda slot: slot.generation, default=None)
