"""Walks the records of one segment file in windows, without judging where it has to stop.

Owns reading: which bytes to ask for next, and where the next record starts. It must not know other
segments, the tail file or what a stop means; ``evidence.py`` and recovery judge. It reads with
``pread`` and never maps the file, because the writer truncates a segment when it seals it and a
mapped reader would die there (storage rule 24).

Invariant: ``offset``, ``previous_crc`` and ``last_event`` always describe a place behind a verified
record (or behind the header pages), so a scanner that stopped can simply be asked again when the
file has grown.
"""

from __future__ import annotations

from typing import NamedTuple

from ._core import find_header, scan, unpack_header
from .disk import File
from .position import Position
from .record import (
    HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    Record,
    Row,
    Stop,
    padded,
    takes_number,
)
from .segment import FIRST_RECORD, HeaderPages

WINDOW_BYTES_MIN = 64 << 10
WINDOW_BYTES_MAX = 2 << 20
"""A window grows from the one to the other while the file fills it; a larger record gets a larger
one."""
_RECORD_BYTES_MAX = padded(PAYLOAD_BYTES_MAX)
_ROWS_MAX = 1 << 30


class Chunk(NamedTuple):
    """Verified rows of one read, in order."""

    segment: int
    base: int
    """File offset of ``data[0]``; a row's file offset is ``base + row[0]``."""
    data: bytes
    rows: list[Row]
    next: int
    """File offset behind the last row: where the next record starts or would start."""
    stop: Stop | None
    """Why the scan ended at ``next``; None if it only came to the end of the window."""

    def record(self, row: Row) -> Record:
        """One row as a record with its position."""
        return Record(Position(self.segment, self.base + row[0]), *row[1:])


class Scanner:
    """A place in a segment and what lies behind it. Not for more than one thread at a time."""

    __slots__ = (
        "_before",
        "_file",
        "_salt",
        "_window",
        "last_event",
        "offset",
        "previous_crc",
        "segment",
    )

    def __init__(
        self, file: File, segment: int, salt: int, offset: int, previous_crc: int, last_event: int
    ) -> None:
        self._file = file
        self._salt = salt
        self._window = WINDOW_BYTES_MIN
        self._before = (previous_crc, last_event)
        self.segment = segment
        self.offset = offset
        """File offset of the next record."""
        self.previous_crc = previous_crc
        """Header crc of the record before it, or of the header page."""
        self.last_event = last_event
        """Number of the last event before it."""

    @classmethod
    def open(
        cls, file: File, segment: int, pages: HeaderPages, offset: int = FIRST_RECORD
    ) -> Scanner:
        """At the start of the records, or at any record: then its own header names its predecessor,
        and the link to it is taken as given."""
        assert pages.header is not None
        base = pages.header.base_event
        scanner = cls(file, segment, pages.header.salt, offset, pages.crc, base - 1)
        if offset > FIRST_RECORD:
            scanner.jump(offset)
        return scanner

    def jump(self, offset: int) -> None:
        """Go on at a record elsewhere in the file, behind whatever predecessor it names. Without a
        valid header there, the next ``read`` stops at once and says why."""
        self.offset = offset
        raw = self._file.pread(offset, HEADER_BYTES)
        if find_header(raw, 0, offset, self._salt) == 0:
            header = unpack_header(raw, 0)
            self.previous_crc = header.previous_crc
            self.last_event = max(0, header.event - takes_number(header.kind, header.flags))

    def read(self, rows_max: int = _ROWS_MAX, *, window_bytes: int = 0) -> Chunk:
        """The verified rows of the next window (``window_bytes``, or what is due), and move behind
        them.

        A final ``stop`` is no end: the same call reads the same place again. Raises ``IoFailed``
        if the disk cannot read.
        """
        base, window = self.offset, window_bytes or self._window
        while True:
            data = self._file.pread(base, window)
            rows, at, code = scan(
                data, 0, base, self._salt, self.previous_crc, self.last_event, rows_max
            )
            full = len(data) == window
            if rows or code != Stop.SHORT or not full:
                break
            assert window < _RECORD_BYTES_MAX, "scan accepted a length beyond the limit"
            window = min(8 * window, _RECORD_BYTES_MAX)  # one record larger than the window
        more = code == Stop.LIMIT or (full and code in (Stop.END, Stop.SHORT))
        self._window = min(4 * self._window, WINDOW_BYTES_MAX) if more else WINDOW_BYTES_MIN
        if rows:
            self._before = (self.previous_crc, self.last_event)
            self.offset = base + at
            self.previous_crc = rows[-1][9]
            self.last_event = rows[-1][1]
        return Chunk(self.segment, base, data, rows, base + at, None if more else Stop(code))

    def unread(self, chunk: Chunk, index: int) -> None:
        """Go back to row ``index`` of the last chunk: it will be read again, not remembered, since
        what is not covered yet may still be written again in another form."""
        previous = chunk.rows[index - 1] if index else None
        self.previous_crc, self.last_event = (
            (previous[9], previous[1]) if previous else self._before
        )
        self.offset = chunk.base + chunk.rows[index][0]
