"""A second reader of the journal, written from docs/journal-format.md alone.

It exists to show that the page is enough. It imports nothing of durafix and nothing outside the
standard library, reads whole segment files into memory, and takes the straightest way through
every rule: no windows, no recovery, no going on behind damage, no live writer. Numbers in
brackets, as in [11.3], are the sections of the page, with the step in their list.

``Journal(folder).records()`` gives every record in order, ``steps()`` the whole steps. What can be
wrong has three voices. ``Damage``: bytes that were on disk are not what they were.
``UnknownVersion``: a version or a kind about which this reader must not guess. ``Journal.notes``
and ``Journal.ending``: what the page does not call damage and a careful person wants to know all
the same, such as one bad copy of a header page or a torn tail.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Generator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

PAGE_BYTES, FIRST_RECORD, HEADER_BYTES, PAYLOAD_BYTES_MAX = 4096, 8192, 64, 16 * 1024 * 1024
ROSTER, MARK, PAD, SEAL = 7, 13, 14, 15
LAST, COPY = 1, 2
DEPTH_UNKNOWN = 0xFFFFFFFF

_PAGE = struct.Struct("<8sII16sQ8sQQQIIQ32s32s")
_HEADER = struct.Struct("<IIII8sQQQIBBHII")
_SEAL = struct.Struct("<QQQQQQQ32s32s")
_TAIL = struct.Struct("<8sII16sQQQQQI52x")


class Damage(Exception):
    """Bytes that were on disk are gone or changed. Segment 0 stands for files beside them."""

    def __init__(self, segment: int, offset: int, reason: str) -> None:
        super().__init__(f"segment {segment}, offset {offset}: {reason}")
        self.segment, self.offset, self.reason = segment, offset, reason


class UnknownVersion(Exception):
    """A later version wrote this; whatever this reader made of it could be wrong [13]."""


class Page(NamedTuple):
    """A header page [3], its fields in their order on disk."""

    magic: bytes
    crc: int
    version: int
    uuid: bytes
    segment: int
    salt: bytes
    base_event: int
    term: int
    created_ns: int
    policy: int
    pad_bytes: int
    allocated_bytes: int
    previous_seal: bytes
    chain: bytes


class Record(NamedTuple):
    """One record [4] and its place. ``end`` is the offset behind its alignment bytes."""

    segment: int
    offset: int
    end: int
    header_crc: int
    payload_crc: int
    salt: bytes
    event: int
    utc_ns: int
    seq: int
    session: int
    kind: int
    direction: int
    flags: int
    depth: int
    previous_crc: int
    payload: bytes

    @property
    def is_event(self) -> bool:
        """Whether it has a number of its own [5]."""
        return self.kind not in (MARK, PAD, SEAL) and not self.is_roster_copy

    @property
    def is_roster_copy(self) -> bool:
        return self.kind == ROSTER and bool(self.flags & COPY)


class Past(NamedTuple):
    """What the next header page has to say about the segments before it [11.1]."""

    segment: int = 0
    event: int = 0
    seal_digest: bytes = bytes(32)
    chain: bytes = bytes(32)
    term: int = 1


def _crc_of_byte(crc: int) -> int:
    for _ in range(8):
        crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc


_TABLE = tuple(_crc_of_byte(byte) for byte in range(256))


def masked_crc(data: bytes) -> int:
    """CRC-32C in the form in which every CRC of a journal is stored [1]."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def merkle_root(leaves: list[bytes]) -> bytes:
    """The root over leaf hashes [8], split at the largest power of two below their number."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()


def block_holds(block: bytes, size_bytes: int, magic: bytes) -> bool:
    """Whether a header page or a tail slot is whole: magic, crc at 8 over all from 12 on."""
    crc = int.from_bytes(block[8:12], "little")
    return len(block) == size_bytes and block[:8] == magic and crc == masked_crc(block[12:])


def header_holds(header: bytes, salt: bytes) -> bool:
    """Whether this is a record's header with the right magic, salt and crc: only then may its
    length be used and are its numbers to be believed [11]."""
    if len(header) < HEADER_BYTES or header[:4] != b"\xa1\x5e\xd0\xf1" or header[16:24] != salt:
        return False
    return int.from_bytes(header[4:8], "little") == masked_crc(salt + header[8:])


def read_record(page: Page, data: bytes, offset: int, previous_crc: int, event: int) -> Record:
    """The record at ``offset``, after all of [11.3]; ``event`` is the last number before it."""

    def must(holds: bool, reason: str) -> None:
        if not holds:
            raise Damage(page.segment, offset, reason)

    start = offset + HEADER_BYTES
    must(header_holds(data[offset:start], page.salt), "no valid header: magic, salt or header crc")
    _, header_crc, length, payload_crc, *rest = _HEADER.unpack_from(data, offset)
    must(length <= PAYLOAD_BYTES_MAX, "payload length above the limit")
    end, payload = (start + length + 7) // 8 * 8, data[start : start + length]
    place = (page.segment, offset, end)
    record = Record._make((*place, header_crc, payload_crc, *rest, payload))
    must(max(record.event, record.utc_ns, record.seq) < 1 << 63, "a number of 2^63 or more")
    must(record.kind != 0, "kind 0 never occurs")
    if 19 <= record.kind <= 127:
        raise UnknownVersion(f"segment {page.segment}, offset {offset}: kind {record.kind}")
    must(record.direction <= 2, "direction above 2")
    must(record.depth > 0 or not record.is_event, "depth 0 of an event")
    must(record.previous_crc == previous_crc, "does not follow the record before it")
    must(record.event == event + record.is_event, f"number {record.event} behind {event}")
    must(end <= len(data), "reaches beyond the file")
    must(masked_crc(payload) == payload_crc, "payload crc")
    must(not any(data[start + length : end]), "alignment bytes are not zero")
    must(offset != FIRST_RECORD or record.is_roster_copy, "the first record is no roster copy")
    return record


def check_seal(page: Page, seal: Record, events: list[Record], leaves: list[bytes]) -> None:
    """Counts, root and chain of a SEAL [8]; ``leaves`` are the leaf hashes of all before it."""

    def must(holds: bool, reason: str) -> None:
        if not holds:
            raise Damage(page.segment, seal.offset, f"seal: {reason}")

    must(len(seal.payload) == _SEAL.size, "size of its payload")
    *counts, root, chain = _SEAL.unpack(seal.payload)
    span = [0, 0, 0, 0]
    if events:
        span = [events[0].event, events[-1].event, events[0].utc_ns, events[-1].utc_ns]
    must(counts == [len(events), len(leaves) - 1, *span, seal.offset], "counts")
    must(root == merkle_root(leaves), "Merkle root")
    link = b"\x02" + page.chain + root + len(leaves).to_bytes(8, "little")
    must(chain == sha256(link).digest(), "chain")


class Journal:
    """A journal folder. Each call of ``records`` or ``steps`` reads it anew from its first segment;
    ``notes``, ``ending`` and ``durable_event`` tell about the last one that came to its end."""

    def __init__(self, root: Path) -> None:
        try:
            manifest = json.loads((root / "journal.json").read_text("utf-8"))
            version, uuid = manifest["format"], bytes.fromhex(manifest["uuid"].replace("-", ""))
        except (ValueError, KeyError) as error:
            raise Damage(0, 0, f"journal.json: {error!r}") from error
        if version != 1:
            raise UnknownVersion(f"journal.json: format {version}")
        self.root, self.uuid = root, uuid
        self.notes: list[str] = []
        self.ending = ""  # "sealed", "open" (zeros up to the end of the file) or "torn: ..."
        self.durable_event = 0  # what the tail file proves

    def records(self) -> Iterator[Record]:
        """Every record up to the end of the journal, those that are no events included.

        Raises ``Damage`` when it gets there, ``UnknownVersion``, and OSError.
        """
        self.notes, self.ending = [], ""
        self.durable_event = self._read_tail()
        names = [path.name for path in (self.root / "segments").iterdir()]
        numbers = sorted(int(n[:-4]) for n in names if re.fullmatch(r"(\d{8}|[1-9]\d{8,})\.seg", n))
        past = Past()
        for number in numbers:
            if number != past.segment + 1:
                if past.segment:
                    raise Damage(past.segment + 1, 0, "this segment is missing")
                self.notes.append(f"segment {number} is the first one: older ones are gone")
            data = (self.root / "segments" / f"{number:08}.seg").read_bytes()
            page = self._read_page(number, data, past)
            past = yield from self._segment(page, data, is_last=number == numbers[-1])
        if self.durable_event > past.event:
            raise Damage(past.segment, 0, f"the tail file proves event {self.durable_event}")

    def steps(self) -> Iterator[list[Record]]:
        """The events in whole steps; one that never got its LAST did not happen [5]."""
        step: list[Record] = []
        for record in self.records():
            if record.is_event:
                step.append(record)
                if record.flags & LAST:
                    yield step
                    step = []

    def _read_page(self, segment: int, data: bytes, past: Past) -> Page:
        """The header page in force [3], and whether it goes on where ``past`` ended [11.1]."""

        def must(holds: bool, reason: str) -> None:
            if not holds:
                raise Damage(segment, 0, reason)

        copies = []
        for start in (0, PAGE_BYTES):
            copy = data[start : start + PAGE_BYTES]
            if block_holds(copy, PAGE_BYTES, b"DFIXSEG\0"):
                copies.append(copy)
            else:
                self.notes.append(f"segment {segment}, offset {start}: bad copy of the header page")
        must(bool(copies), "no valid header page")
        must(copies[0] == copies[-1], "two valid header pages that differ")
        page = Page(*_PAGE.unpack_from(copies[0]))
        if page.version != 1:
            raise UnknownVersion(f"segment {segment}: format {page.version}")
        must(page.uuid == self.uuid, "of another journal")
        must(page.segment == segment, f"calls itself segment {page.segment}")
        must(page.salt != bytes(8), "salt 0")
        must(page.policy in (1, 2, 3) and page.pad_bytes in (512, 4096), "policy or pad bytes")
        must(not any(copies[0][_PAGE.size :]), "bytes of the header page that must be zero")
        if segment == past.segment + 1:  # otherwise older segments were removed: nothing to compare
            must(page.base_event == past.event + 1, "base event")
            must(page.previous_seal == past.seal_digest, "digest of the seal before")
            must(page.chain == past.chain, "chain")
            must(page.term >= past.term, "term went back")
        return page

    def _segment(self, page: Page, data: bytes, is_last: bool) -> Generator[Record, None, Past]:
        """All records of a segment; returns what the next page must know."""
        offset, previous_crc, event = FIRST_RECORD, page.crc, page.base_event - 1
        zeros_from = len(data.rstrip(b"\0"))
        leaves = [sha256(b"\0" + _PAGE.pack(*page).ljust(PAGE_BYTES, b"\0")).digest()]
        events: list[Record] = []
        sessions = {0}  # 0: none
        self.ending = "open"
        while not is_last or offset < zeros_from:
            try:
                record = read_record(page, data, offset, previous_crc, event)
            except Damage as damage:
                if not is_last or self._was_on_disk(page, data, offset, event + 1):
                    raise
                self.ending = f"torn: {damage}"
                break
            if record.kind == ROSTER:
                sessions = {0, *map(int, json.loads(record.payload)["sessions"])}
            if record.is_event:
                if record.session not in sessions and record.kind < 128:
                    raise Damage(page.segment, offset, f"session {record.session} has no name")
                events.append(record)
            elif events and not events[-1].flags & LAST:
                raise Damage(page.segment, offset, "a record without a number inside a step")
            whole = data[offset : record.end]
            if record.kind == SEAL:
                check_seal(page, record, events, leaves)
                self.ending = "sealed"
                if zeros_from > record.end:
                    self.notes.append(f"segment {page.segment}: bytes behind the seal")
                yield record
                chain = record.payload[-32:]
                return Past(page.segment, event, sha256(whole).digest(), chain, page.term)
            yield record
            leaves.append(sha256(b"\0" + whole).digest())
            offset, previous_crc, event = record.end, record.header_crc, record.event
        if len(data) < page.allocated_bytes:
            raise Damage(page.segment, offset, "neither a seal nor the allocated size")
        if events and not events[-1].flags & LAST and self.ending == "open":
            self.ending = "torn: the last step has no end"
        return Past(page.segment, event)

    def _was_on_disk(self, page: Page, data: bytes, offset: int, event: int) -> bool:
        """Whether a witness makes a bad place in the last segment damage [11, where it stops]: the
        tail file, a SEAL, or a header from there on that proves that ``event`` was on disk."""
        if self.durable_event >= event:
            return True
        for place in range(offset, len(data), 8):
            header = data[place : place + HEADER_BYTES]
            if header_holds(header, page.salt):
                *_, number, _, _, _, kind, _, _, depth, _ = _HEADER.unpack(header)
                if kind == SEAL or (depth != DEPTH_UNKNOWN and number - depth >= event):
                    return True
        return False

    def _read_tail(self) -> int:
        """The event of the valid slot with the higher generation [9]; 0 if nothing is proved."""
        path, best = self.root / "TAIL", (0, 0)
        data = path.read_bytes() if path.exists() else b""
        for start, parity in ((0, 0), (512, 1)):
            slot = data[start : start + _TAIL.size]
            if block_holds(slot, _TAIL.size, b"DFIXTAIL"):
                _, _, version, uuid, *_, event, generation, _ = _TAIL.unpack(slot)
                if version != 1:
                    raise UnknownVersion(f"TAIL, offset {start}: version {version}")
                if uuid == self.uuid and generation % 2 == parity:
                    best = max(best, (generation, event))
                    continue
            self.notes.append(f"TAIL, offset {start}: no valid slot")
        return best[1]
