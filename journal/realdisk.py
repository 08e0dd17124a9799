"""The file system of this machine behind the ``Disk`` protocol.

Owns every system call that the journal and recovery make, and the translation of their errors. It
must not know records or segments.

Invariant: an ``OSError`` never passes through. ``failure`` maps it, in one place, to an error with
``code``, ``where`` and ``hint``. A sync never reports ``DiskFull``: when fdatasync fails, for
whatever reason, the kernel may have dropped the pages, so a caller that waits for space and syncs
again would acknowledge bytes that are gone (storage rule 17). It is always ``IoFailed``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import stat
import time
from typing import TYPE_CHECKING

from .errors import (
    DiskFull,
    Exists,
    IoFailed,
    JournalError,
    Locked,
    Missing,
    NoDescriptors,
    NoPermission,
)

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

DIRECT_BYTES = 4096
"""Alignment that O_DIRECT asks for on every disk that we know."""
ORPHAN_S = 1.0
"""How long a lock may outlive its holder: a forked child that has not come to its exec yet."""
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS: fsync there stops at the drive's cache; this goes through it."""
_NO_CACHE: int | None = getattr(fcntl, "F_NOCACHE", None)

_NO_FILE_HINT = "a folder, a pipe or a device is in its place; put the file back from a copy"

_KINDS: dict[int, tuple[type[JournalError], str]] = {
    errno.ENOSPC: (DiskFull, "free some space; what was accepted is written when it returns"),
    errno.EDQUOT: (DiskFull, "raise the quota; what was accepted is written when it allows"),
    errno.EACCES: (NoPermission, "run as the owner of these files, or change their owner"),
    errno.EPERM: (NoPermission, "run as the owner of these files, or change their owner"),
    errno.EROFS: (NoPermission, "the file system is read-only; see the kernel log for why"),
    errno.ENOENT: (Missing, "check the path"),
    errno.ENOTDIR: (Missing, "check the path: a part of it is a file"),
    errno.EEXIST: (Exists, "choose another name"),
    errno.ELOOP: (IoFailed, "a link leads back to itself; put the file back from a copy"),
    errno.EISDIR: (IoFailed, _NO_FILE_HINT),
    errno.EMFILE: (NoDescriptors, "raise the limit of open files of this process (ulimit -n)"),
    errno.ENFILE: (NoDescriptors, "the whole system has too many open files"),
}
_IO_HINT = "see the kernel log for the disk's errors; stop, then run: durafix verify"


def failure(error: OSError, what: str, path: str, *, sync: bool = False) -> JournalError:
    """The journal's error for the system's. ``what`` is the verb; ``sync`` says that it was a
    sync."""
    kind, hint = _KINDS.get(error.errno or 0, (IoFailed, _IO_HINT))
    if sync:
        kind, hint = IoFailed, _IO_HINT
    reason = os.strerror(error.errno) if error.errno else str(error)
    return kind(f"cannot {what} {path}: {reason}", where=path, hint=hint)


def locked(path: str, holder: str) -> Locked:
    """The error for a lock that process ``holder`` has."""
    return Locked(
        f"process {holder} writes this journal",
        where=path,
        hint=f"stop process {holder}, or use a verb that only reads",
    )


class RealFile:
    """A descriptor and its path."""

    def __init__(self, path: str, fd: int, *, writable: bool) -> None:
        self._path = path
        self._fd = fd
        self._writable = writable

    @property
    def path(self) -> str:
        """See ``File``."""
        return self._path

    def renamed(self, path: str) -> None:
        """See ``File``."""
        self._path = path

    def pread(self, offset: int, length: int) -> bytes:
        """See ``File``."""
        try:
            data = os.pread(self._fd, length, offset)
            while len(data) < length:
                more = os.pread(self._fd, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise failure(error, "read", self._path) from error
        return data

    def pread_direct(self, offset: int, length: int) -> bytes:
        """See ``File``. A second descriptor with O_DIRECT where the file system has it, else the
        pages are dropped.

        Linux writes dirty pages of the range back before a direct read, so it sees what a reader
        after a power cut would see, had the write-back come that far.
        """
        flag: int = getattr(os, "O_DIRECT", 0)
        try:
            if flag:
                with contextlib.suppress(OSError):
                    return self._read_aligned(os.O_RDONLY | flag | os.O_CLOEXEC, offset, length)
            if hasattr(os, "posix_fadvise"):
                if self._writable:
                    os.fdatasync(self._fd)
                os.posix_fadvise(self._fd, offset, length, os.POSIX_FADV_DONTNEED)
            elif _NO_CACHE is not None:
                fcntl.fcntl(self._fd, _NO_CACHE, 1)
        except OSError as error:
            raise failure(error, "read past the cache", self._path) from error
        return self.pread(offset, length)

    def _read_aligned(self, flags: int, offset: int, length: int) -> bytes:
        start = offset // DIRECT_BYTES * DIRECT_BYTES
        end = -(-(offset + length) // DIRECT_BYTES) * DIRECT_BYTES
        fd = os.open(self._path, flags)
        try:
            with mmap.mmap(-1, max(end - start, DIRECT_BYTES)) as buffer:  # a page is aligned
                got = os.preadv(fd, [buffer], start)
                return buffer[offset - start : min(got, offset - start + length)]
        finally:
            os.close(fd)

    def pwrite(self, data: bytes, offset: int) -> None:
        """See ``File``."""
        try:
            done = os.pwrite(self._fd, data, offset)
            while done < len(data):
                more = os.pwrite(self._fd, memoryview(data)[done:], offset + done)
                if not more:
                    raise OSError(errno.EIO, "nothing written")
                done += more
        except OSError as error:
            raise failure(error, "write", self._path) from error

    def fdatasync(self) -> None:
        """See ``File``."""
        try:
            if _FULL_SYNC is not None:
                fcntl.fcntl(self._fd, _FULL_SYNC)
            else:
                os.fdatasync(self._fd)
        except OSError as error:
            raise failure(error, "sync", self._path, sync=True) from error

    def fsync(self) -> None:
        """See ``File``."""
        try:
            if _FULL_SYNC is not None:
                fcntl.fcntl(self._fd, _FULL_SYNC)
            else:
                os.fsync(self._fd)
        except OSError as error:
            raise failure(error, "sync", self._path, sync=True) from error

    def truncate(self, size: int) -> None:
        """See ``File``."""
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise failure(error, "truncate", self._path) from error

    def allocate(self, size: int) -> None:
        """See ``File``.

        Where the system cannot reserve, the size is set and the space is not promised.
        """
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._fd, 0, size)
            elif self.size() < size:
                os.ftruncate(self._fd, size)
        except OSError as error:
            raise failure(error, "reserve space for", self._path) from error

    def size(self) -> int:
        """See ``File``."""
        try:
            return os.fstat(self._fd).st_size
        except OSError as error:
            raise failure(error, "look at", self._path) from error

    def close(self) -> None:
        """See ``File``."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class RealLock:
    """A flock on an open descriptor; the kernel drops it when the process ends, however it ends."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        """See ``Lock``."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class RealDisk:
    """The file system of this machine."""

    def open(
        self, path: str, *, write: bool = False, create: bool = False, exclusive: bool = False
    ) -> RealFile:
        """See ``Disk``."""
        # Without waiting: a pipe in the place of a file would hold us for ever.
        flags = (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK
        flags |= os.O_CREAT if create or exclusive else 0
        flags |= os.O_EXCL if exclusive else 0
        try:
            fd = os.open(path, flags, 0o640)
        except OSError as error:
            raise failure(error, "open", path) from error
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise IoFailed(f"cannot open {path}: it is no file", where=path, hint=_NO_FILE_HINT)
        return RealFile(path, fd, writable=write)

    def exists(self, path: str) -> bool:
        """See ``Disk``."""
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise failure(error, "look at", path) from error
        return True

    def listdir(self, path: str) -> list[str]:
        """See ``Disk``."""
        try:
            return sorted(os.listdir(path))
        except OSError as error:
            raise failure(error, "list", path) from error

    def mkdir(self, path: str) -> None:
        """See ``Disk``."""
        try:
            os.mkdir(path, 0o750)
        except OSError as error:
            raise failure(error, "make the folder", path) from error

    def rename(self, source: str, target: str) -> None:
        """See ``Disk``."""
        try:
            os.rename(source, target)
        except OSError as error:
            raise failure(error, "rename", source) from error

    def unlink(self, path: str) -> None:
        """See ``Disk``."""
        try:
            os.unlink(path)
        except OSError as error:
            raise failure(error, "remove", path) from error

    def fsync_dir(self, path: str) -> None:
        """See ``Disk``."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise failure(error, "open", path) from error
        try:
            os.fsync(fd)
        except OSError as error:
            raise failure(error, "sync the folder", path, sync=True) from error
        finally:
            os.close(fd)

    def protect(self, path: str) -> None:
        """See ``Disk``."""
        try:
            os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) & ~0o222)
        except OSError as error:
            raise failure(error, "protect", path) from error

    def lock(self, path: str) -> RealLock:
        """See ``Disk``.

        A child that a killed holder had just forked keeps the lock until it execs. So while the
        named holder is dead, the lock is asked for again, for ``ORPHAN_S`` seconds.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise failure(error, "open", path) from error
        try:
            until = time.monotonic() + ORPHAN_S
            while not _try_lock(fd):
                holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
                if _is_alive(holder) or time.monotonic() > until:
                    raise locked(path, holder)
                time.sleep(0.005)
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            os.close(fd)
            raise failure(error, "lock", path) from error
        except Locked:
            os.close(fd)
            raise
        return RealLock(fd)

    def free_bytes(self, path: str) -> int:
        """See ``Disk``."""
        try:
            usage = os.statvfs(path)
        except OSError as error:
            raise failure(error, "look at", path) from error
        return usage.f_bavail * usage.f_frsize

    def local_path(self, path: str) -> str | None:
        """See ``Disk``."""
        return path


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(holder: str) -> bool:
    """Whether a process of that number runs; a name that is no number counts as one."""
    try:
        os.kill(int(holder), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, PermissionError):
        pass
    return True
