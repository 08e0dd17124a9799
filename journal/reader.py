"""Reads a journal: every record in order, one record, or the place of a number or a time.

Owns the questions that people and recovery ask of the segments. It takes no lock and writes
nothing, so it may run beside the writer, in any process. It must not know FIX, the index or what
to do about damage.

Invariant: what it yields was verified (header and payload checksums, links, gap-free numbers), and
it ends without an error only at the live end. Every other end is an exception that names the place.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

import msgspec

from .disk import Disk
from .errors import Corrupt, JournalError, Missing
from .position import Position
from .record import (
    ALIGN_BYTES,
    HEADER_BYTES,
    UNNUMBERED,
    Flag,
    Kind,
    Record,
    Row,
    padded,
    takes_number,
)
from .scanner import Chunk, Scanner
from .segment import FIRST_RECORD, SEAL_BYTES, HeaderPages, Seal, read_header_pages, unpack_seal
from .walker import Walker, read_pages, segment_ids, segment_path

_ROSTER, _COPY, _LAST = int(Kind.ROSTER), int(Flag.COPY), int(Flag.LAST)  # plain, for speed
_SEAL_RECORD_BYTES = padded(SEAL_BYTES)
_WINDOW_BYTES = 4096  # for a single record


class NoSuchRecord(JournalError):
    """The journal holds no record with that number, time or place (pruned, or not written yet)."""

    code = "no-such-record"


class SegmentInfo(NamedTuple):
    """What one segment says about itself, from its first and last bytes alone."""

    id: int
    path: str
    size_bytes: int
    pages: HeaderPages
    seal: Seal | None
    """The seal if the file ends in a valid one; its root and chain are not checked here."""
    last_event: int | None
    """From the seal, or from the header of the next segment; None if neither knows."""

    @property
    def sealed(self) -> bool:
        """Whether the file ends in a valid SEAL record."""
        return self.seal is not None

    @property
    def first_event(self) -> int | None:
        """The number that its first event has or would have; None without a valid header page."""
        return self.pages.header.base_event if self.pages.header else None


class _Roster(msgspec.Struct):
    sessions: dict[int, str]


class Reader:
    """Questions to the segments of the journal at ``root``. Holds no file open between calls."""

    def __init__(self, disk: Disk, root: str) -> None:
        self._disk = disk
        self._root = root

    def segments(self) -> list[SegmentInfo]:
        """All segments in order. Damage shows as ``pages.header`` None or ``seal`` None, not as an
        error; only ``FormatUnknown`` and ``IoFailed`` are raised."""
        infos: list[SegmentInfo] = []
        for segment in segment_ids(self._disk, self._root):
            info = self._info(segment)
            if infos and infos[-1].last_event is None and info.first_event is not None:
                infos[-1] = infos[-1]._replace(last_event=info.first_event - 1)
            infos.append(info)
        return infos

    def records(
        self, start: Position | None = None, *, stop_event: int | None = None
    ) -> Generator[Record]:
        """Every record from ``start`` on (the position of a record; None: the first there is), PAD,
        MARK, SEAL and roster copies included, up to event ``stop_event`` or the live end.

        Raises ``Corrupt`` with ``where`` for damage, ``FormatUnknown``, ``IoFailed``, ``Missing``.
        """
        for chunk, row in self._rows(start, stop_event):
            yield chunk.record(row)

    def steps(
        self, start: Position | None = None, *, stop_event: int | None = None
    ) -> Generator[list[Record]]:
        """Whole steps of numbered records; a step still unfinished at the live end is left out.

        ``start`` is the position of a step's first record; the last step is the last one that ends
        at or before ``stop_event``. Raises as ``records`` does, and ``Corrupt`` for a step without
        an end in the middle of the journal.
        """
        step: list[Record] = []
        for chunk, row in self._rows(start, stop_event):
            if row[5] in UNNUMBERED or (row[5] == _ROSTER and row[7] & _COPY):
                if step:
                    raise no_end(step)
                continue
            step.append(chunk.record(row))
            if row[7] & _LAST:
                yield step
                step = []

    def scan_segment(self, segment: int) -> Iterator[Chunk]:
        """All verified rows of one segment, and last a chunk (maybe without rows) whose ``stop``
        and ``next`` say why and where it ended. Judges nothing; records behind a SEAL are rows too.

        Raises ``Missing``, ``IoFailed``, and ``Corrupt`` without a valid header page.
        """
        with self._disk.open(segment_path(self._root, segment)) as file:
            scanner = Scanner.open(file, segment, read_pages(file, segment))
            while True:
                chunk = scanner.read()
                yield chunk
                if chunk.stop is not None:
                    return

    def at(self, position: Position) -> Record:
        """The one record at a position. ``NoSuchRecord`` if no record starts there, ``Corrupt`` if
        one does (its magic is there) and does not verify."""
        where = str(position)
        if position.offset < FIRST_RECORD or position.offset % ALIGN_BYTES:
            raise NoSuchRecord("no record starts there", where=where, hint="see: durafix inspect")
        try:
            file = self._disk.open(segment_path(self._root, position.segment))
        except Missing:
            hint = "see: durafix inspect"
            raise NoSuchRecord("there is no such segment", where=where, hint=hint) from None
        with file:
            pages = read_pages(file, position.segment)
            scanner = Scanner.open(file, position.segment, pages, position.offset)
            chunk = scanner.read(1, window_bytes=_WINDOW_BYTES)
        if chunk.rows:
            return chunk.record(chunk.rows[0])
        assert chunk.stop is not None
        if len(chunk.data) < HEADER_BYTES or chunk.stop.name in ("ZERO", "MAGIC"):
            raise NoSuchRecord("no record starts there", where=where, hint="see: durafix inspect")
        what = f"the record does not verify ({chunk.stop.name})"
        raise Corrupt(what, where=where, hint="run: durafix verify")

    def seek_event(self, event: int, start: Position | None = None) -> Position:
        """Where event ``event`` is. Looks at few headers, then scans one segment (of at most its
        size), or from ``start`` on, a record at or before it (``Index`` knows one that is near).
        ``NoSuchRecord`` if it was pruned or is not written yet."""
        if start is None and (segment := self._segment_of(event)):
            start = Position(segment, FIRST_RECORD)
        if start is not None:
            for chunk, row in self._rows(start, event):
                if row[1] == event and takes_number(row[5], row[7]):
                    return Position(chunk.segment, chunk.base + row[0])
        raise NoSuchRecord(f"there is no event {event}", where=self._root)

    def seek_time(self, utc_ns: int, start: Position | None = None) -> Position:
        """Where the first event is whose time is ``utc_ns`` or later.

        Time may go back, so "first" means first in event order, which is where the running maximum
        reaches ``utc_ns``. Without a hint it reads from the first segment on, because no seal tells
        the largest time in a segment; ``Index.time_position`` gives a near ``start``.
        ``NoSuchRecord`` if all events are older.
        """
        for chunk, row in self._rows(start, None):
            if row[2] >= utc_ns and takes_number(row[5], row[7]):
                return Position(chunk.segment, chunk.base + row[0])
        raise NoSuchRecord(f"there is no event at or after {utc_ns} ns", where=self._root)

    def roster(self) -> dict[int, str]:
        """The sessions by number, as the last segment that can be read knows them."""
        roster: dict[int, str] = {}
        ids = segment_ids(self._disk, self._root)
        if ids:
            for chunk in self.scan_segment(ids[-1]):
                for row in chunk.rows:
                    if row[5] == Kind.ROSTER:
                        roster = decode_roster(chunk.record(row))
        return roster

    def _rows(self, start: Position | None, stop_event: int | None) -> Iterator[tuple[Chunk, Row]]:
        with Walker(self._disk, self._root, start) as walker:
            while (chunk := walker.read()) is not None:
                for row in chunk.rows:
                    if stop_event is not None and row[1] > stop_event:
                        return
                    yield chunk, row

    def _info(self, segment: int) -> SegmentInfo:
        path = segment_path(self._root, segment)
        with self._disk.open(path) as file:
            size = file.size()
            pages = read_header_pages(file.pread(0, FIRST_RECORD), where=path)
            seal = None
            offset = size - _SEAL_RECORD_BYTES
            if pages.header is not None and offset >= FIRST_RECORD and not offset % ALIGN_BYTES:
                scanner = Scanner.open(file, segment, pages, offset)
                rows = scanner.read(1, window_bytes=_SEAL_RECORD_BYTES).rows
                if rows and rows[0][5] == Kind.SEAL and len(rows[0][10]) == SEAL_BYTES:
                    seal = unpack_seal(rows[0][10])
        last = None
        if seal is not None and pages.header is not None:
            last = seal.last_event or pages.header.base_event - 1
        return SegmentInfo(segment, path, size, pages, seal, last)

    def _segment_of(self, event: int) -> int:
        """The last segment whose first event is not behind ``event``; 0 if there is none."""
        ids = segment_ids(self._disk, self._root)
        low, high = 0, len(ids)
        while low < high:
            middle = (low + high) // 2
            with self._disk.open(segment_path(self._root, ids[middle])) as file:
                header = read_pages(file, ids[middle]).header
            assert header is not None
            if header.base_event <= event:
                low = middle + 1
            else:
                high = middle
        return ids[low - 1] if low else 0


def no_end(step: list[Record]) -> Corrupt:
    """The error for a step that something cuts before its last record."""
    what = f"the step that starts at event {step[0].event} has no end"
    return Corrupt(what, where=str(step[0].position), hint="run: durafix verify")


def decode_roster(record: Record) -> dict[int, str]:
    """The whole roster in a ROSTER record (event or copy): session number to name."""
    try:
        return msgspec.json.decode(record.payload, type=_Roster).sessions
    except (ValueError, RecursionError) as error:  # bad JSON, bad UTF-8, or nested too deep
        what = f"the roster cannot be read: {error}"
        raise Corrupt(what, where=str(record.position), hint="run: durafix verify") from None
