"""The one door to the file system for the journal and recovery: the protocols ``File``, ``Disk``
and ``Lock``.

Owns the contract and a few recipes on top of it (replace a file, copy a range). It must not know
records or segments; it moves bytes. ``realdisk.py`` is the machine's file system, ``simdisk.py``
one in memory, with power cuts and faults.

Invariants. A write is whole or raises; a read may be short only at the end of the file. All errors
are ``JournalError``: ``DiskFull``, ``IoFailed``, ``NoPermission``, ``Missing``, ``Exists``,
``Locked``. A sync never says ``DiskFull``. Nothing is cached and nothing is retried; the caller
decides what an error means. Paths are plain strings with ``/`` between the parts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from .realdisk import RealDisk as RealDisk

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

COPY_BYTES = 1 << 20


class File(Protocol):
    """An open file.

    Offsets and lengths in bytes. Any thread may call; calls on one range must not overlap.
    """

    @property
    def path(self) -> str:
        """The name it was opened under, or was given since; errors name it."""
        ...

    def renamed(self, path: str) -> None:
        """Its name has changed on disk (``Disk.rename``)."""
        ...

    def pread(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset`` on, fewer than ``length`` only at the end.

        ``IoFailed`` if unreadable.
        """
        ...

    def pread_direct(self, offset: int, length: int) -> bytes:
        """As ``pread``, but from the medium and not from the page cache, as far as the system
        allows it.
        """
        ...

    def pwrite(self, data: bytes, offset: int) -> None:
        """Write all of ``data`` or raise ``DiskFull`` or ``IoFailed``; part of it may be down
        then."""
        ...

    def fdatasync(self) -> None:
        """Make content durable, and the size if it grew.

        ``IoFailed`` means that the outcome is unknown.
        """
        ...

    def fsync(self) -> None:
        """Make content and size durable. ``IoFailed`` means that the outcome is unknown."""
        ...

    def truncate(self, size: int) -> None:
        """Cut or extend with zeros."""
        ...

    def allocate(self, size: int) -> None:
        """Reserve space so that the file is ``size`` bytes of zeros beyond what it holds;
        ``DiskFull`` if not.
        """
        ...

    def size(self) -> int:
        """Length now, in bytes."""
        ...

    def close(self) -> None:
        """Give the descriptor back. Does not sync. Closing twice is allowed."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Lock(Protocol):
    """A held lock; it ends with ``release`` or with the process."""

    def release(self) -> None:
        """Give it back. Releasing twice is allowed."""
        ...


class Disk(Protocol):
    """A file system.

    A change of a folder (create, rename, unlink) is durable only after ``fsync_dir``.
    """

    def open(
        self, path: str, *, write: bool = False, create: bool = False, exclusive: bool = False
    ) -> File:
        """Open for reading, or for both.

        ``exclusive`` creates and raises ``Exists``; else ``Missing``.
        """
        ...

    def exists(self, path: str) -> bool:
        """Whether a file or folder has that name."""
        ...

    def listdir(self, path: str) -> list[str]:
        """Names in a folder, sorted."""
        ...

    def mkdir(self, path: str) -> None:
        """Make one folder; ``Exists`` if it is there."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Give a file another name at once; a file of that name is replaced."""
        ...

    def unlink(self, path: str) -> None:
        """Remove a file's name."""
        ...

    def fsync_dir(self, path: str) -> None:
        """Make the names in a folder durable."""
        ...

    def protect(self, path: str) -> None:
        """Take the right to write away from everybody: a sealed segment never changes."""
        ...

    def lock(self, path: str) -> Lock:
        """Take the exclusive lock at once, or raise ``Locked`` with the holder's process id."""
        ...

    def free_bytes(self, path: str) -> int:
        """Space that a process without privileges can still use."""
        ...

    def local_path(self, path: str) -> str | None:
        """The same file for a library that opens files itself (LMDB); None where there is none."""
        ...


def read_whole(disk: Disk, path: str) -> bytes:
    """All bytes of a file."""
    with disk.open(path) as file:
        return file.pread(0, file.size())


def write_whole(disk: Disk, path: str, data: bytes) -> None:
    """Replace a file so that a crash leaves the old content or the new, never a mix; durable on
    return.
    """
    temporary = path + ".tmp"
    if disk.exists(temporary):
        disk.unlink(temporary)
    with disk.open(temporary, write=True, exclusive=True) as file:
        file.pwrite(data, 0)
        file.fsync()
    disk.rename(temporary, path)
    disk.fsync_dir(os.path.dirname(path) or ".")


def copy_range(
    disk: Disk, source: str, target: str, *, offset: int = 0, length: int | None = None
) -> int:
    """Copy bytes of a file into a new one, durably with its name; returns how many.

    ``Exists`` if it is there.
    """
    with disk.open(source) as old, disk.open(target, write=True, exclusive=True) as new:
        end = old.size() if length is None else min(offset + length, old.size())
        at = offset
        while at < end:
            data = old.pread(at, min(COPY_BYTES, end - at))
            if not data:
                break
            new.pwrite(data, at - offset)
            at += len(data)
        new.fsync()
    disk.fsync_dir(os.path.dirname(target) or ".")
    return at - offset
