"""The fixed parts of a segment file: its name, its two header pages, and the payload of its SEAL.

Owns the byte layout of both (docs/journal-format.md, "Header page" and "Seal"). It must not know
files or how records are packed; it turns values into bytes and back.

Invariant: the two copies of the header page are equal byte for byte. Either valid copy serves; two
valid copies that differ are corruption, because only whole equal pages are ever written (storage
rule 8).
"""

from __future__ import annotations

import enum
import hashlib
import re
import struct
from typing import NamedTuple

import msgspec

from ._core import crc32c, mask
from .errors import Corrupt, FormatUnknown

FORMAT_VERSION = 1
PAGE_BYTES = 4096
PAGE_OFFSETS = (0, PAGE_BYTES)
FIRST_RECORD = 2 * PAGE_BYTES
"""File offset of the first record."""
PAGE_MAGIC = b"DFIXSEG\0"

# magic, crc | version, uuid, segment, salt, base event, term, created ns, policy, pad bytes,
# allocated, seal, chain
_PAGE = struct.Struct("<8sI" + "I16sQQQQQIIQ32s32s")
_CRC_AT, _COVERED_FROM, _VERSION_AT = 8, 12, 12
# events, records, first and last event, first and last utc, bytes, root, chain
_SEAL = struct.Struct("<7Q32s32s")
SEAL_BYTES = _SEAL.size
_NAME = re.compile(r"([0-9]{8,})\.seg")


class Policy(enum.IntEnum):
    """When an event counts as covered (storage rule 13); noted in the header page so that a reader
    knows."""

    ALWAYS = 1
    INTERVAL = 2
    NEVER = 3


class SegmentHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the header page says. Hashes are 32 raw bytes; ``salt`` is random and never 0."""

    journal_uuid: bytes
    segment: int
    salt: int
    base_event: int
    """Number that the first event in this segment has (or would have)."""
    term: int
    created_ns: int
    policy: int
    pad_bytes: int
    allocated_bytes: int
    previous_seal: bytes
    """SHA-256 of the previous segment's SEAL record; zeros in the first segment."""
    chain: bytes
    """The chain up to the previous segment; zeros in the first segment."""
    format_version: int = FORMAT_VERSION


class HeaderPages(NamedTuple):
    """What the first 8192 bytes of a segment file hold."""

    header: SegmentHeader | None
    """The header on which the valid copies agree; None if no copy is valid, or two valid ones
    differ."""
    valid: tuple[bool, bool]
    differ: bool
    crc: int
    """The page's stored crc: ``prev_header_crc`` of the first record. 0 without a header."""
    page: bytes
    """The valid page, 4096 bytes: the first Merkle leaf. Empty without a header."""


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """Payload of the SEAL record: what the segment holds before it."""

    events: int
    records: int
    """Records before the SEAL, PAD, MARK and copies included."""
    first_event: int
    """0 if the segment holds no event, like the other three below."""
    last_event: int
    first_utc_ns: int
    last_utc_ns: int
    size_bytes: int
    """File offset of the SEAL record: bytes before it."""
    root: bytes
    """Merkle root over the header page and the records."""
    chain: bytes
    """The chain including this segment."""


def segment_name(segment: int) -> str:
    """File name of a segment: at least 8 digits, so that names sort as numbers for a long time."""
    assert segment > 0
    return f"{segment:08d}.seg"


def parse_segment_name(name: str) -> int | None:
    """The segment number in a file name, or None for any other file (``next.tmp`` is never a
    segment)."""
    match = _NAME.fullmatch(name)
    if match is None or segment_name(int(match[1]) or 1) != name:
        return None
    return int(match[1])


def pack_header_page(header: SegmentHeader) -> bytes:
    """One page of 4096 bytes; it is written twice, at ``PAGE_OFFSETS``."""
    assert len(header.journal_uuid) == 16 and len(header.chain) == len(header.previous_seal) == 32
    page = bytearray(PAGE_BYTES)
    fields = (
        header.format_version,
        header.journal_uuid,
        header.segment,
        header.salt,
        header.base_event,
        header.term,
        header.created_ns,
        header.policy,
        header.pad_bytes,
        header.allocated_bytes,
        header.previous_seal,
        header.chain,
    )
    _PAGE.pack_into(page, 0, PAGE_MAGIC, 0, *fields)
    struct.pack_into("<I", page, _CRC_AT, mask(crc32c(memoryview(page)[_COVERED_FROM:])))
    return bytes(page)


def page_crc(page: bytes) -> int:
    """The stored crc of a header page."""
    return int.from_bytes(page[_CRC_AT : _CRC_AT + 4], "little")


def _page_is_valid(page: bytes) -> bool:
    return (
        len(page) == PAGE_BYTES
        and page[:8] == PAGE_MAGIC
        and mask(crc32c(page[_COVERED_FROM:])) == page_crc(page)
    )


def read_header_pages(data: bytes, where: str = "") -> HeaderPages:
    """Read both copies from the first 8192 bytes of a segment file (fewer if the file is shorter).

    ``FormatUnknown`` if the valid copies agree on a format version that this one is not; ``where``
    names the file.
    """
    copies = [bytes(data[at : at + PAGE_BYTES]) for at in PAGE_OFFSETS]
    first, second = (_page_is_valid(page) for page in copies)
    differ = first and second and copies[0] != copies[1]
    if differ or not (first or second):
        return HeaderPages(None, (first, second), differ, 0, b"")
    page = copies[0] if first else copies[1]
    version = int.from_bytes(page[_VERSION_AT : _VERSION_AT + 4], "little")
    if version != FORMAT_VERSION:
        raise FormatUnknown(
            f"segment format {version}; this version reads format {FORMAT_VERSION}",
            where=where,
            hint="use the durafix version that wrote it",
        )
    header = _unpack_page(page)
    return HeaderPages(header, (first, second), False, page_crc(page), page)


def _unpack_page(page: bytes) -> SegmentHeader:
    _, _, version, uuid, segment, salt, base, term, created, policy, pad, size, seal, chain = (
        _PAGE.unpack_from(page)
    )
    return SegmentHeader(
        journal_uuid=uuid,
        segment=segment,
        salt=salt,
        base_event=base,
        term=term,
        created_ns=created,
        policy=policy,
        pad_bytes=pad,
        allocated_bytes=size,
        previous_seal=seal,
        chain=chain,
        format_version=version,
    )


def pack_seal(seal: Seal) -> bytes:
    """The payload of a SEAL record, ``SEAL_BYTES`` long."""
    return _SEAL.pack(
        seal.events,
        seal.records,
        seal.first_event,
        seal.last_event,
        seal.first_utc_ns,
        seal.last_utc_ns,
        seal.size_bytes,
        seal.root,
        seal.chain,
    )


def unpack_seal(payload: bytes, where: str = "") -> Seal:
    """The inverse of ``pack_seal``; ``Corrupt`` if the length is another (the record's crc was
    checked before)."""
    if len(payload) != SEAL_BYTES:
        raise Corrupt(f"a seal of {len(payload)} bytes instead of {SEAL_BYTES}", where=where)
    events, records, first, last, first_ns, last_ns, size, root, chain = _SEAL.unpack(payload)
    return Seal(
        events=events,
        records=records,
        first_event=first,
        last_event=last,
        first_utc_ns=first_ns,
        last_utc_ns=last_ns,
        size_bytes=size,
        root=root,
        chain=chain,
    )


def seal_digest(record: bytes) -> bytes:
    """SHA-256 of the whole SEAL record, header and alignment bytes included: ``previous_seal`` of
    the next segment."""
    return hashlib.sha256(record).digest()
