"""The store: stored frames of a session, found by number, for answering resends.

Owns the way from (session, epoch, MsgSeqNum) to bytes: the index says where, one open file per
segment gives the record, and its checksums and the index's copy of the header crc vouch for it. It
must not know what a resend looks like.

Reading is blocking and happens in a worker thread; a batch is bounded in numbers and bytes, so
neither a long range nor large messages grow the memory. The index follows the journal lazily:
nothing on the way of a message waits for it.
"""

from __future__ import annotations

import struct
import threading
from typing import NamedTuple

from ...journal.disk import Disk, File
from ...journal.errors import Corrupt
from ...journal.index import Entry, Index
from ...journal.record import Direction, Flag
from ...journal.scanner import Scanner
from ...journal.segment import HeaderPages
from ...journal.walker import read_pages, segment_path
from ...journal.writer import Writer

BATCH_NUMBERS = 4096
"""Most numbers that one batch covers."""
BATCH_BYTES = 512 << 10
"""From this many bytes of frames on a batch is full."""
SLICE_EVENTS = 2048
"""How much the index reads at a time, so that the loop's thread is not starved."""
LAG_EVENTS = 50_000
"""How far the index may lag behind while there is traffic."""
_WINDOW_BYTES = 1 << 16
_HEAD = struct.Struct("<H")


class Batch(NamedTuple):
    """Frames by number, None for one that must not be resent; ``end`` is the last number looked
    at.
    """

    frames: list[tuple[int, bytes | None]]
    end: int


class Store:
    """The stored frames of a journal that is being written. One thread at a time reads."""

    def __init__(self, disk: Disk, root: str, index: Index, writer: Writer) -> None:
        self._disk = disk
        self._root = root
        self._index = index
        self._writer = writer
        self._reading = threading.Lock()
        self._file: File | None = None
        self._pages: HeaderPages
        self._segment = 0
        self._seen_event = 0

    def frames(self, session: int, epoch: int, begin: int, end: int) -> Batch:
        """What was sent under ``begin`` to ``end``, from the front, as much as a batch holds.
        Blocking.

        ``Corrupt`` if a frame that the index knows does not verify.
        """
        with self._reading:
            self._index.catch_up(self._writer.covered)
            end = min(end, begin + BATCH_NUMBERS - 1)
            found: list[tuple[int, bytes | None]] = []
            size = 0
            for entry in self._index.range(session, Direction.OUT, epoch, begin, end):
                seq, frame = self._read(entry)
                found.append((seq, frame))
                size += len(frame or b"")
                if size >= BATCH_BYTES:
                    return Batch(found, seq)
            return Batch(found, end)

    def follow(self) -> None:
        """Bring the index up to date while nothing else happens, or when it lags far. Blocking."""
        with self._reading:
            covered = self._writer.covered
            indexed = self._index.watermark.indexed
            idle, self._seen_event = covered == self._seen_event, covered
            if indexed < covered and (idle or covered - indexed > LAG_EVENTS):
                self._index.catch_up(min(covered, indexed + SLICE_EVENTS))
            self._index.set_durable(self._writer.durable)

    def close(self, in_order: bool = True) -> None:
        """Close the index; at an end in order bring it up to date first."""
        with self._reading:
            try:
                if in_order:
                    self._index.catch_up(self._writer.covered)
                    self._index.set_durable(self._writer.durable)
            finally:
                self._index.close()
                if self._file is not None:
                    self._file.close()

    def _read(self, entry: Entry) -> tuple[int, bytes | None]:
        segment, offset = entry.position
        if self._file is None or segment != self._segment:
            if self._file is not None:
                self._file.close()
            self._file = self._disk.open(segment_path(self._root, segment))
            self._segment = segment
            self._pages = read_pages(self._file, segment)
        scanner = Scanner.open(self._file, segment, self._pages, offset)
        chunk = scanner.read(1, window_bytes=_WINDOW_BYTES)
        if not chunk.rows or chunk.rows[0][9] != entry.header_crc:
            raise Corrupt(
                "a stored frame does not verify",
                where=str(entry.position),
                hint=f"run: durafix verify {self._root}",
            )
        record = chunk.record(chunk.rows[0])
        if record.flags & Flag.REDACTED:
            return record.seq, None
        payload = record.payload
        return record.seq, payload[_HEAD.unpack_from(payload)[0] :]
