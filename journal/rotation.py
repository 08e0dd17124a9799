"""Segment files on their way in and out: prepared ahead, installed under their name, sealed at the
end.

Owns the order of file operations of storage rule 9, each as one call that can be tried again. It
must not know records, threads or policies: ``appender.py`` says what the bytes are and when.

Invariants. A file gets a segment's name only with both header pages durable in it, so the last
segment always has a readable header. ``next.tmp`` is never a segment, whatever it holds; an old one
is thrown away. Space is reserved when the file is prepared: a full disk shows there, while half a
segment is still free, and not at an append. (On file systems that copy on write, reserving promises
nothing.)
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .errors import DiskFull, Exists, JournalError
from .segment import pack_header_page, page_crc

if TYPE_CHECKING:
    from .disk import Disk, File
    from .manifest import Layout
    from .segment import SegmentHeader


class Segments:
    """Makes and closes segment files in one journal's folder; all files are ``size_bytes`` when
    they begin.
    """

    def __init__(self, disk: Disk, at: Layout, size_bytes: int) -> None:
        self._disk = disk
        self._at = at
        self._size_bytes = size_bytes
        self._next: File | None = None
        self._named = ""  # the last name that install gave

    @property
    def prepared(self) -> bool:
        """Whether ``install`` finds its file ready."""
        return self._next is not None

    def prepare(self) -> None:
        """Reserve the next file. ``DiskFull`` leaves nothing behind; try again later."""
        if self._next is not None:
            return
        if self._disk.exists(self._at.next):
            self._disk.unlink(self._at.next)
        file = self._disk.open(self._at.next, write=True, exclusive=True)
        try:
            file.allocate(self._size_bytes)
            file.fsync()
        except DiskFull:
            file.close()
            with contextlib.suppress(JournalError):
                self._disk.unlink(self._at.next)
            raise
        except BaseException:
            file.close()
            raise
        self._next = file

    def install(self, header: SegmentHeader) -> tuple[File, bytes, int]:
        """Turn the prepared file into a segment, durably.

        Returns the file, its header page and that page's crc. After an error that passes, call it
        again with the same header; it goes on where it stopped.
        """
        page = pack_header_page(header)
        target = self._at.segment(header.segment)
        if self._named != target:
            self.prepare()
            assert self._next is not None
            if self._disk.exists(target):
                raise Exists("a segment of this number is there already", where=target)
            self._next.pwrite(page + page, 0)
            self._next.fdatasync()
            self._disk.rename(self._at.next, target)
            self._next.renamed(target)
            self._named = target
        self._disk.fsync_dir(self._at.segments)
        file, self._next = self._next, None
        assert file is not None
        return file, page, page_crc(page)

    def finish(self, file: File, size_bytes: int) -> None:
        """Behind a durable SEAL: cut the unused space off, durably, and take the right to write
        away.
        """
        file.truncate(size_bytes)
        file.fsync()
        with contextlib.suppress(JournalError):
            self._disk.protect(file.path)  # without modes the seal alone guards it

    def close(self) -> None:
        """Drop the prepared file; the name goes too, if the disk still answers."""
        if self._next is not None:
            self._next.close()
            self._next = None
        if self._disk.exists(self._at.next):
            with contextlib.suppress(JournalError):
                self._disk.unlink(self._at.next)
