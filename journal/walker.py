"""Walks a whole journal, segment after segment, and tells the live end from damage.

Owns the order of segments and the judgement of a reader: at the live end an unfinished record is
"not yet"; it is damage only if something proves that its place was durable. It must not repair,
cut or write anything, and takes no lock. ``Reader``, ``Follower`` and ``Index`` walk with it.

The judgement is made on bytes that were read after the proof was seen: a writer that runs beside
us fills a place between two reads of ours, and then the proof is newer than the bytes. So every
proof leads to a second reading, and only what is still bad then is ``Corrupt``.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .disk import Disk, File
from .errors import Corrupt, FormatUnknown, Missing
from .evidence import Behind, look_behind, search_from, tail_slot
from .position import Position
from .record import NUMBER_MAX, Kind, Stop
from .scanner import Chunk, Scanner
from .segment import (
    FIRST_RECORD,
    HeaderPages,
    SegmentHeader,
    parse_segment_name,
    read_header_pages,
    segment_name,
)

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

SEGMENTS_NAME = "segments"
_VERIFY = "stop, then run: durafix verify"
_KIND = 5  # index of the kind in a row


def segment_path(root: str, segment: int) -> str:
    """The file of a segment in the journal at ``root``."""
    return f"{root}/{SEGMENTS_NAME}/{segment_name(segment)}"


def segment_ids(disk: Disk, root: str) -> list[int]:
    """Numbers of all segment files, ascending; other files (``next.tmp``) are not segments. Empty
    if the folder is missing."""
    try:
        names = disk.listdir(f"{root}/{SEGMENTS_NAME}")
    except Missing:
        return []
    return sorted(i for name in names if (i := parse_segment_name(name)) is not None)


def read_pages(file: File, segment: int) -> HeaderPages:
    """Both header pages of an open segment; ``Corrupt`` if neither serves, ``FormatUnknown`` for
    another version."""
    pages = read_header_pages(file.pread(0, FIRST_RECORD), where=file.path)
    where = str(Position(segment, 0))
    if pages.header is None:
        what = "the two header pages differ" if pages.differ else "both header pages are damaged"
        raise Corrupt(what, where=where, hint=_VERIFY)
    if pages.header.segment != segment:
        what = f"the file holds segment {pages.header.segment}"
        raise Corrupt(what, where=where, hint="put the segment files back under their own names")
    if not 0 < pages.header.base_event <= NUMBER_MAX:
        what = f"the header page names event {pages.header.base_event} as the first"
        raise Corrupt(what, where=where, hint=_VERIFY)
    return pages


class Walker:
    """A place in a journal that moves on with ``read``. Holds one open file; close it."""

    def __init__(self, disk: Disk, root: str, start: Position | None = None) -> None:
        """``start`` is the position of a record (or ``FIRST_RECORD`` of a segment); None means the
        first segment there is. Nothing is opened before the first ``read``."""
        self._disk = disk
        self._root = root
        self._start = start
        self._file: File | None = None
        self._scanner: Scanner | None = None
        self._pages: HeaderPages | None = None
        self._last: Chunk | None = None
        self._sealed = False

    @property
    def pages(self) -> HeaderPages | None:
        """Header of the segment that is being read; None before the first."""
        return self._pages

    def header(self) -> SegmentHeader | None:
        """The header of that segment, opened now if need be; None if there is no segment yet."""
        if self._scanner is None and not self._open_first():
            return None
        return self._pages.header if self._pages else None

    @property
    def last_event(self) -> int:
        """Number of the last event read, or the one before ``start``; 0 before the first read."""
        return self._scanner.last_event if self._scanner else 0

    @property
    def place(self) -> Position | None:
        """Where the next record will be, if this segment goes on; None before the first read."""
        scanner = self._scanner
        return Position(scanner.segment, scanner.offset) if scanner else None

    def read(self, proven: int = 0, *, search: bool = True) -> Chunk | None:
        """The next verified rows, or None at the live end; ask again later then.

        ``proven`` is an event number that the caller knows to be in the file. With ``search``, a
        place that stops is compared with everything behind it in the file (dear: up to the whole
        segment is read), else only with ``proven``, the tail file and later segments.

        Raises ``Corrupt`` for a damaged place that was durable, ``FormatUnknown`` for a kind or a
        version of another format, ``Missing`` if ``start`` names no segment.
        """
        suspect = -1
        while True:
            if self._scanner is None and not self._open_first():
                return None
            assert self._scanner is not None
            chunk = self._scanner.read()
            if chunk.rows:
                self._last = chunk
                self._sealed = chunk.rows[-1][_KIND] == Kind.SEAL
                return chunk
            if chunk.stop is None:
                continue
            if self._sealed:
                if not self._open_next():
                    return None
                continue
            if not self._go_on(chunk, proven, search, again=suspect == chunk.next):
                return None
            suspect = chunk.next

    def unread(self, chunk: Chunk, index: int) -> bool:
        """Go back to row ``index`` of the chunk that was read last; it will be read again. False,
        and nothing happens, if another was read since."""
        if self._scanner is None or chunk is not self._last:
            return False
        self._scanner.unread(chunk, index)
        self._sealed = False
        return True

    def close(self) -> None:
        """Give the file back. Closing twice is allowed."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open_first(self) -> bool:
        start = self._start
        if start is None:
            ids = segment_ids(self._disk, self._root)
            if not ids:
                return False
            start = Position(ids[0], FIRST_RECORD)
        self._open(start.segment, max(start.offset, FIRST_RECORD))
        return True

    def _open(self, segment: int, offset: int) -> None:
        file = self._disk.open(segment_path(self._root, segment))
        try:
            pages = read_pages(file, segment)
            scanner = Scanner.open(file, segment, pages, offset)
        except BaseException:
            file.close()
            raise
        self.close()
        self._file, self._pages, self._scanner, self._sealed = file, pages, scanner, False

    def _open_next(self) -> bool:
        """Go on in the segment behind a sealed one; False if there is none yet."""
        assert self._scanner is not None
        assert self._pages is not None
        segment, last_event, before = self._scanner.segment, self.last_event, self._pages.header
        try:
            self._open(segment + 1, FIRST_RECORD)
        except Missing:
            later = [i for i in segment_ids(self._disk, self._root) if i > segment]
            if later and later[0] != segment + 1:
                what = f"segment {segment + 1} is gone, segment {later[0]} is there"
                raise Corrupt(what, where=str(Position(segment + 1, 0)), hint=_VERIFY) from None
            return False
        header = self._pages.header
        assert header is not None
        assert before is not None
        if header.journal_uuid != before.journal_uuid:
            what = "the segment belongs to another journal"
        elif header.base_event != last_event + 1:
            what = f"the segment starts at event {header.base_event} instead of {last_event + 1}"
        else:
            return True
        raise Corrupt(what, where=str(Position(segment + 1, 0)), hint=_VERIFY)

    def _go_on(self, chunk: Chunk, proven: int, search: bool, again: bool) -> bool:
        """Whether to read again at a place that stopped; False means the live end.

        ``again`` says that the same place stopped before with a proof in hand.
        """
        assert self._scanner is not None
        stop = chunk.stop
        where = str(Position(chunk.segment, chunk.next))
        if stop is Stop.KIND:
            what = f"event {self.last_event + 1} has a kind that this version does not know"
            raise FormatUnknown(what, where=where, hint="read it with a newer durafix")
        behind = self._behind(chunk) if search or again else Behind(0, None)
        if behind.continues_at is not None:
            if again:  # only bytes without a number are damaged, and no writer will mend them
                self._scanner.jump(behind.continues_at)
            return True
        proof = self._proof(proven, behind)
        if not proof:
            return False
        if again:
            assert stop is not None
            raise Corrupt(
                f"event {self.last_event + 1} is damaged ({stop.name}), though {proof}",
                where=where,
                hint=_VERIFY,
            )
        return True

    def _behind(self, chunk: Chunk) -> Behind:
        assert self._file is not None
        assert self._pages is not None
        assert self._pages.header is not None
        assert chunk.stop is not None
        start = search_from(self._file, chunk.next, chunk.stop)
        salt = self._pages.header.salt
        return look_behind(self._file, salt, start, self.last_event, self.last_event + 1)

    def _proof(self, proven: int, behind: Behind) -> str:
        """Why the event expected here must be whole; empty if nothing says so."""
        assert self._scanner is not None
        assert self._pages is not None
        assert self._pages.header is not None
        expected, segment = self.last_event + 1, self._scanner.segment
        if proven >= expected:
            return f"event {proven} is known to be in the file"
        if behind.durable >= expected:
            return f"a later record proves event {behind.durable} durable"
        slot = tail_slot(self._disk, self._root, self._pages.header.journal_uuid)
        if slot is not None and slot.event >= expected:
            return f"the tail file proves event {slot.event} durable"
        with contextlib.suppress(Missing):
            self._disk.open(segment_path(self._root, segment + 1)).close()
            return f"segment {segment + 1} follows"
        return ""
