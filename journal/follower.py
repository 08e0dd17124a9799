"""Follows a journal that is being written, in any process, and serves whole steps as they come.

Owns the place of one reader at the live end. It must not mistake an unfinished record for damage:
what is not whole yet is "not yet", until something behind it proves that it was durable (storage
rule 24; the judgement is ``walker.py``'s). It writes nothing, takes no lock, and forgets nothing
that it served: a bookmark keeps the header crc of the last record, so that a follower which starts
again sees when the journal was rewound behind its back.

Invariant: what it served once is never served differently. Under ``always`` that takes durability:
a record that no sync covers yet may be lost with power and its number given to another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .disk import Disk
from .errors import JournalError
from .evidence import tail_slot
from .position import Position
from .reader import NoSuchRecord, Reader, no_end
from .record import DEPTH_UNKNOWN, Flag, Record, takes_number
from .scanner import Chunk
from .segment import Policy
from .walker import Walker, segment_ids

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_SEARCH_EACH = 1024
"""At an idle live end, each so many polls (and at the first powers of two) the rest of the segment
is searched for a record that would prove a hole."""


class Rewound(JournalError):
    """The record at a bookmark is gone, or it is another one: the journal was restored, or was cut
    and written on. What was served after that point must be read again from the journal."""

    code = "rewound"


class Bookmark(NamedTuple):
    """The last record that was served."""

    position: Position
    event: int
    header_crc: int


class Follower:
    """``poll`` as often as you like; between polls it holds one open file. Close it."""

    def __init__(
        self,
        disk: Disk,
        root: str,
        position: Bookmark | Position | None = None,
        *,
        durable_only: bool | None = None,
    ) -> None:
        """``position`` is a bookmark to go on behind, the position of a step's first record to
        begin with, or None for the first there is.

        ``durable_only`` holds back what is not known to be on disk; None does so in segments that
        were written under ``always``, because the other policies promise less anyway.
        """
        self._disk = disk
        self._root = root
        self._durable_only = durable_only
        self._bookmark = position if isinstance(position, Bookmark) else None
        self._checked = self._bookmark is None
        start = self._bookmark.position if self._bookmark else position
        assert not isinstance(start, Bookmark)
        self._walker = Walker(disk, root, start)
        self._proven = 0
        self._step: list[Record] = []
        self._step_at: tuple[Chunk, int]
        self._idle = 0

    @property
    def bookmark(self) -> Bookmark | None:
        """The last record served; give it to the next follower. None before the first."""
        return self._bookmark

    @property
    def proven(self) -> int:
        """The highest event number that this follower has seen proved durable; 0 for none."""
        return self._proven

    def poll(self) -> list[Record]:
        """The events of the next whole steps, some MiB at most; empty if there are none yet.

        Raises ``Corrupt`` if a place is damaged that was durable, ``Rewound`` if the bookmark's
        record is not there any more, ``NoSuchRecord`` if it was pruned, ``FormatUnknown``,
        ``IoFailed``. The same call may be tried again after each of them.
        """
        if not self._checked:
            self._check_bookmark()
        self._look_at_tail()  # before the records: what it proves is in the file then
        self._idle += 1
        search = self._idle > 1 and (
            not self._idle & (self._idle - 1) or not self._idle % _SEARCH_EACH
        )
        served: list[Record] = []
        try:
            while not served:
                chunk = self._walker.read(self._proven, search=search)
                if chunk is None or not self._serve(chunk, served):
                    break
        finally:
            if self._step:
                self._go_back()
        if served:
            self._idle = 0
            last = served[-1]
            self._bookmark = Bookmark(last.position, last.event, last.header_crc)
        return served

    def close(self) -> None:
        """Give the file back. Closing twice is allowed."""
        self._walker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self, chunk: Chunk, served: list[Record]) -> bool:
        """Move whole steps to ``served``; False if what follows may not be served yet. A step that
        is not whole waits in ``_step``."""
        limit = self._limit(chunk)
        behind = self._bookmark.event if self._bookmark else 0
        for number, row in enumerate(chunk.rows):
            if not takes_number(row[5], row[7]):
                if self._step:
                    raise no_end(self._step)
                continue
            if row[1] <= behind:  # the bookmark's own record
                continue
            if not self._step:
                self._step_at = (chunk, number)
            self._step.append(chunk.record(row))
            if row[7] & Flag.LAST:
                if limit is not None and row[1] > limit:
                    return False
                served += self._step
                self._step = []
        return True

    def _limit(self, chunk: Chunk) -> int | None:
        """The last event that may be served from this chunk; None for all."""
        pages = self._walker.pages
        assert pages is not None
        assert pages.header is not None
        strict = self._durable_only
        if strict is None:
            strict = pages.header.policy == Policy.ALWAYS
        if not strict:
            return None
        shown = (row[1] - row[8] for row in chunk.rows if row[8] != DEPTH_UNKNOWN)
        self._proven = max(self._proven, max(shown, default=0))
        return self._proven

    def _go_back(self) -> None:
        """To the start of a step that was read and not served; it will be read again, and may be
        another one by then."""
        chunk, number = self._step_at
        place = self._step[0].position
        self._step = []
        if not self._walker.unread(chunk, number):
            self._walker.close()
            self._walker = Walker(self._disk, self._root, place)

    def _look_at_tail(self) -> None:
        header = self._walker.header()
        if header is not None:
            slot = tail_slot(self._disk, self._root, header.journal_uuid)
            if slot is not None:
                self._proven = max(self._proven, slot.event)

    def _check_bookmark(self) -> None:
        bookmark = self._bookmark
        assert bookmark is not None
        where = str(bookmark.position)
        try:
            record = Reader(self._disk, self._root).at(bookmark.position)
        except NoSuchRecord:
            ids = segment_ids(self._disk, self._root)
            if ids and bookmark.position.segment < ids[0]:
                raise
            what = f"event {bookmark.event} is gone"
        else:
            if record.event == bookmark.event and record.header_crc == bookmark.header_crc:
                self._checked = True
                return
            what = f"event {bookmark.event} is another record now"
        hint = "the journal was restored or cut; read it again from a place before"
        raise Rewound(what, where=where, hint=hint)
