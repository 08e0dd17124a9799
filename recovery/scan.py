"""One streaming pass over a segment: what verifies, and where it stops.

Owns ``Walk``, the way from the first record of a segment to its first bad place or its seal. It
reads and never writes, knows no lock, and holds one chunk and one record in memory, whatever the
file claims. It must not know what a stop means; ``judge.py`` looks behind it.

Invariant: a step is kept whole or cut whole. ``cut_offset`` is always behind the last record of a
step (or behind padding that follows it), so whoever cuts there leaves a journal on which ``step``,
run again, yields what it holds.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ..journal._core import MerkleTree, scan, unpack_header
from ..journal.disk import File
from ..journal.errors import IoFailed
from ..journal.position import Position
from ..journal.record import (
    DEPTH_UNKNOWN,
    HEADER_BYTES,
    UNNUMBERED,
    Flag,
    Header,
    Kind,
    Record,
    Row,
    Stop,
    padded,
    takes_number,
)
from ..journal.segment import FIRST_RECORD, HeaderPages, SegmentHeader

CHUNK_BYTES = 1 << 20
ROWS_MAX = 8192
"""Rows of one batch: bounds the memory of rows over tiny records."""
BLOCK_BYTES = 4096
"""Grain at which an unreadable place is narrowed down."""
_EVENT: Final = 1
_UTC: Final = 2
_KIND: Final = 5
_FLAGS: Final = 7
_DEPTH: Final = 8
_HEADER_CRC: Final = 9


_ROSTER: Final = int(Kind.ROSTER)
_COPY: Final = int(Flag.COPY)
_SELDOM: Final = UNNUMBERED | {Kind.ROSTER}
"""Kinds of which some or all records take no number."""


class Batch(NamedTuple):
    """Records that verified, one behind the other. A row's offset counts from ``base``; the last
    row ends at ``end``.
    """

    base: int
    data: bytes
    rows: list[Row]
    end: int

    def behind(self, index: int) -> int:
        """Where row ``index`` ends, counted from ``base``."""
        return self.rows[index + 1][0] if index + 1 < len(self.rows) else self.end

    def events(self, segment: int) -> list[Record]:
        """The rows that take a number, as records. Built the short way: there are millions."""
        new, base = tuple.__new__, self.base
        return [
            new(Record, (new(Position, (segment, base + row[0])), *row[1:]))
            for row in self.rows
            if row[5] not in UNNUMBERED and not (row[5] == _ROSTER and row[7] & _COPY)
        ]

    def raw(self, index: int) -> memoryview:
        """The whole bytes of row ``index``, header and alignment bytes included."""
        return memoryview(self.data)[self.rows[index][0] : self.behind(index)]


def read_readable(
    file: File, offset: int, length: int, *, direct: bool = False
) -> tuple[bytes, bool]:
    """Bytes from ``offset`` on up to the first block that the disk refuses, and whether it refused
    one.
    """
    read = file.pread_direct if direct else file.pread
    try:
        return read(offset, length), False
    except IoFailed:
        pass
    found = bytearray()
    while len(found) < length:
        at = offset + len(found)
        want = min(BLOCK_BYTES - at % BLOCK_BYTES, length - len(found))
        try:
            block = read(at, want)
        except IoFailed:
            return bytes(found), True
        found += block
        if len(block) < want:
            break
    return bytes(found), False


class Walk:
    """The records of one segment in order, until one does not verify or the SEAL has come.

    Iterate it for batches; after that the attributes say where it stands. ``tree`` collects the
    Merkle leaves if asked for. ``size`` fixes the length of the file for the whole walk, because a
    live one grows.
    """

    def __init__(
        self,
        file: File,
        segment: int,
        pages: HeaderPages,
        *,
        size: int,
        merkle: bool = False,
        direct: bool = False,
    ) -> None:
        assert pages.header is not None
        self.file = file
        self.segment = segment
        self.pages = pages
        self.header: SegmentHeader = pages.header
        self.size = size
        self.direct = direct
        self.tree: MerkleTree | None = MerkleTree() if merkle else None
        if self.tree is not None:
            self.tree.add(pages.page)
        self.offset = FIRST_RECORD
        """Behind the last record that verified: the bad place, or the end."""
        self.prev_crc = pages.crc
        self.event = self.header.base_event - 1
        """Number of the last event up to ``offset``."""
        self.cut_offset = FIRST_RECORD
        """Behind the last whole step."""
        self.cut_event = self.event
        """Number of the last event up to ``cut_offset``."""
        self.cut_prev_crc = pages.crc
        self.cut_records = 0
        self.records = 0
        self.first_event = 0
        self.first_utc_ns = 0
        self.cut_utc_ns = 0
        self.proven = 0
        """The highest event that the records themselves prove durable."""
        self.last_kind = 0
        """Kind of the last event up to ``offset``; 0 if there is none."""
        self._step_open = False
        self.step_split = 0
        """Offset of the first unnumbered record inside a step; 0 if there is none."""
        self.damaged = False
        """Some bytes before ``offset`` did not verify, so counts and root cannot agree."""
        self.alignment: list[int] = []
        """Offsets of records whose alignment bytes are not zero."""
        self.stop: int = Stop.END
        self.unreadable = False
        self.seal: bytes | None = None
        """The whole SEAL record, header and alignment bytes included."""
        self.seal_offset = 0

    def __iter__(self) -> Iterator[Batch]:
        """Batches up to the next bad place or the SEAL. May be called again after ``skip``."""
        want = CHUNK_BYTES
        while self.seal is None:
            asked = min(want, self.size - self.offset)
            data, refused = read_readable(self.file, self.offset, asked, direct=self.direct)
            base, at, stop = self.offset, 0, int(Stop.LIMIT)
            while stop == Stop.LIMIT and self.seal is None:
                rows, at, stop = scan(
                    data, at, base, self.header.salt, self.prev_crc, self.event, ROWS_MAX
                )
                if rows:
                    yield self._take(Batch(base, data, rows, at))
            if self.seal is not None:
                return
            more = len(data) == asked and base + asked < self.size
            if stop == Stop.ALIGNMENT:
                yield self._take(self._despite_alignment(base, data, at))
                continue
            if stop in (Stop.END, Stop.SHORT) and more:
                want = max(CHUNK_BYTES, _bytes_wanted(data, at) if at == 0 else 0)
                continue
            self.stop, self.unreadable = stop, refused and stop in (Stop.END, Stop.SHORT)
            return

    def _despite_alignment(self, base: int, data: bytes, at: int) -> Batch:
        """The record at ``at``, which is good but for its alignment bytes: no event is lost."""
        header = unpack_header(data, at)
        self.alignment.append(base + at)
        payload = data[at + HEADER_BYTES : at + HEADER_BYTES + header.payload_bytes]
        row: Row = (at, *header[5:13], header.header_crc, payload)
        return Batch(base, data, [row], at + padded(header.payload_bytes))

    def _take(self, batch: Batch) -> Batch:
        for index, row in enumerate(batch.rows):
            if row[_KIND] == Kind.SEAL:  # nothing belongs behind a seal
                end = row[0] + len(batch.raw(index))
                batch = Batch(batch.base, batch.data, batch.rows[: index + 1], end)
                self.seal, self.seal_offset = bytes(batch.raw(index)), batch.base + row[0]
                break
        self._follow(batch)
        if self.tree is not None:
            view, add = memoryview(batch.data), self.tree.add
            ends = [row[0] for row in batch.rows[1:]]
            ends.append(batch.end)
            for row, end in zip(batch.rows, ends, strict=True):
                if row[_KIND] != Kind.SEAL:
                    add(view[row[0] : end])
        return batch

    def _follow(self, batch: Batch) -> None:
        """Move all places forward over the rows of ``batch``.

        Rows without a number are few, so only they are looked at one by one.
        """
        rows, base = batch.rows, batch.base
        open_behind = self._look_at_unnumbered(batch)
        numbered: Sequence[int] = range(len(rows))
        if open_behind:
            numbered = [i for i in numbered if i not in open_behind]
        if numbered:
            if not self.first_event:
                first = rows[numbered[0]]
                self.first_event, self.first_utc_ns = first[_EVENT], first[_UTC]
            self.last_kind = rows[numbered[-1]][_KIND]
        for index in range(len(rows) - 1, -1, -1):
            row = rows[index]
            step_open = open_behind.get(index, not row[_FLAGS] & Flag.LAST)
            if not step_open and row[_KIND] != Kind.SEAL:
                self.cut_offset = base + batch.behind(index)
                self.cut_event = row[_EVENT]
                self.cut_prev_crc = row[_HEADER_CRC]
                self.cut_records = self.records + index + 1
                done = bisect.bisect_right(numbered, index)
                if done:
                    self.cut_utc_ns = rows[numbered[done - 1]][_UTC]
                break
        self._step_open = open_behind.get(len(rows) - 1, not rows[-1][_FLAGS] & Flag.LAST)
        self.records += len(rows)
        last_row = rows[-1]
        if last_row[_DEPTH] != DEPTH_UNKNOWN:
            self.proven = max(self.proven, last_row[_EVENT] - last_row[_DEPTH])
        self.offset = base + batch.end
        self.event = last_row[_EVENT]
        self.prev_crc = last_row[_HEADER_CRC]

    def _look_at_unnumbered(self, batch: Batch) -> dict[int, bool]:
        """Index of each row that takes no number, to whether a step is open around it."""
        rows = batch.rows
        found: dict[int, bool] = {}
        for index in [i for i, row in enumerate(rows) if row[_KIND] in _SELDOM]:
            if takes_number(rows[index][_KIND], rows[index][_FLAGS]):
                continue
            if not index:
                step_open = self._step_open
            elif index - 1 in found:
                step_open = found[index - 1]
            else:
                step_open = not rows[index - 1][_FLAGS] & Flag.LAST
            found[index] = step_open
            if step_open and not self.step_split:
                self.step_split = batch.base + rows[index][0]
        return found

    def resume_behind(self, header: Header | None, following: tuple[int, Header] | None) -> bool:
        """Go on behind a damaged event, at its own end if its ``header`` is good, else at the next
        header; False if there is neither. For a verifier only: the events in between are lost.
        """
        before = self.offset
        if header is not None and before + padded(header.payload_bytes) < self.size:
            self.offset += padded(header.payload_bytes)
            self.prev_crc, self.event = header.header_crc, header.event
        elif following is not None:
            self.offset = following[0]
            self.prev_crc = following[1].previous_crc
            numbered = takes_number(following[1].kind, following[1].flags)
            self.event = following[1].event - numbered
        else:
            return False
        self.cut_offset, self.cut_event, self._step_open = self.offset, self.event, False
        self.damaged = True
        return True

    def again(self, file: File, *, size: int, merkle: bool = False) -> Walk:
        """A new walk over the first ``size`` bytes of the same segment, read the same way."""
        return Walk(file, self.segment, self.pages, size=size, merkle=merkle, direct=self.direct)

    def header_here(self) -> Header | None:
        """The header at the bad place, if it is whole and valid though the record is not."""
        if self.stop not in (Stop.PAYLOAD_CRC, Stop.SHORT):
            return None
        data, _ = read_readable(self.file, self.offset, HEADER_BYTES, direct=self.direct)
        return unpack_header(data, 0) if len(data) == HEADER_BYTES else None

    def skip(self, offset: int, header: Header) -> None:
        """Go on at ``offset``, where a valid header stands behind damaged bytes that held no event
        (row 1).

        The damaged bytes count as one record and one leaf, so that a seal over them can be checked
        again.
        """
        assert self.cut_offset == self.offset and offset > self.offset
        self.damaged = True
        if self.tree is not None:
            data, _ = read_readable(self.file, self.offset, offset - self.offset)
            self.tree.add(data)
        self.records += 1
        self.offset = self.cut_offset = offset
        self.prev_crc = self.cut_prev_crc = header.previous_crc
        self.cut_records = self.records


def _bytes_wanted(data: bytes, at: int) -> int:
    """How much to read for the record at ``at`` whose bytes ended early. Its header, if there, was
    verified.
    """
    if len(data) - at < HEADER_BYTES:
        return 2 * HEADER_BYTES
    return padded(unpack_header(data, at).payload_bytes)
