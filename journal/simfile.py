"""An open file of the simulated disk, and the faults that strike it.

Owns how an operation on a file meets the hook, the faults and the capacity. Content is
``siminode.py``'s, names are ``simdisk.py``'s.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .realdisk import failure

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from .errors import JournalError
    from .simdisk import SimDisk
    from .siminode import Inode

SYNCS = frozenset({"fdatasync", "fsync", "fsync_dir"})


class SimCrash(BaseException):
    """The simulated machine stopped here. No ``Exception``: nothing may handle it but the test."""


@dataclass
class Fault:
    """The ``nth`` matching operation from now on fails, and the ``count - 1`` after it.

    ``verb`` as in ``on_operation``, plus "pread"; ``path`` is a part of the name, "" for any.
    ``kept`` bytes of a write arrive nevertheless. ``revert``: after a failed sync readers see the
    old bytes again.
    """

    verb: str
    nth: int = 1
    count: int = 1
    code: int = errno.EIO
    path: str = ""
    kept: int = 0
    revert: bool = False

    def hits(self, verb: str, path: str) -> bool:
        """Whether this operation fails; counts down."""
        if verb != self.verb or self.path not in path:
            return False
        self.nth -= 1
        return -self.count < self.nth <= 0


def sim_error(code: int, what: str, path: str, *, sync: bool = False) -> JournalError:
    """The error that the real disk would raise for this ``errno``."""
    return failure(OSError(code, os.strerror(code)), what, path, sync=sync)


class SimLock:
    """See ``Lock``."""

    def __init__(self, disk: SimDisk, path: str) -> None:
        self._disk = disk
        self._path = path

    def release(self) -> None:
        """See ``Lock``."""
        self._disk.locks.pop(self._path, None)


class SimFile:
    """See ``File``."""

    def __init__(self, disk: SimDisk, path: str, node: Inode, *, writable: bool) -> None:
        self._disk = disk
        self._path = path
        self._node = node
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
        self._disk.readable(self._path, offset, length)
        with self._disk.mutex:
            return bytes(self._node.live[offset : offset + length])

    def pread_direct(self, offset: int, length: int) -> bytes:
        """See ``File``."""
        self._disk.readable(self._path, offset, length)
        with self._disk.mutex:
            return self._node.medium()[offset : offset + length]

    def pwrite(self, data: bytes, offset: int) -> None:
        """See ``File``."""
        assert self._writable
        fault = self._disk.begin("pwrite", self._path)
        with self._disk.mutex:
            kept = len(data) if fault is None else fault.kept
            full = False
            if self._disk.capacity_bytes is not None:
                end = len(self._node.live) + max(0, self._disk.room())
                full = offset + kept > end
                kept = min(kept, max(0, end - offset))
            self._node.write(self._disk.next_tick(), data[:kept], offset)
        if fault is not None:
            raise sim_error(fault.code, "write", self._path)
        if full:
            raise sim_error(errno.ENOSPC, "write", self._path)

    def fdatasync(self) -> None:
        """See ``File``."""
        self._sync("fdatasync")

    def fsync(self) -> None:
        """See ``File``."""
        self._sync("fsync")

    def _sync(self, verb: str) -> None:
        # What was written before the call is what it makes durable; the hook may let others write
        # meanwhile, and that is as likely on the medium as not, so syncing it too would be the
        # kinder model.
        with self._disk.mutex:
            until = self._disk.tick
        fault = self._disk.begin(verb, self._path)
        with self._disk.mutex:
            if fault is not None:
                self._node.fail_sync(revert=fault.revert)
                raise sim_error(fault.code, "sync", self._path, sync=True)
            if verb not in self._disk.lies:
                self._node.sync(until, sizes=verb == "fsync")

    def truncate(self, size: int) -> None:
        """See ``File``."""
        self._disk.begin("truncate", self._path)
        with self._disk.mutex:
            self._node.resize(self._disk.next_tick(), size)

    def allocate(self, size: int) -> None:
        """See ``File``."""
        self._disk.begin("allocate", self._path)
        with self._disk.mutex:
            grown = size - len(self._node.live)
            if self._disk.capacity_bytes is not None and grown > self._disk.room():
                raise sim_error(errno.ENOSPC, "reserve space for", self._path)
            if grown > 0:
                self._node.resize(self._disk.next_tick(), size)

    def size(self) -> int:
        """See ``File``."""
        with self._disk.mutex:
            self._disk.alive()
            return len(self._node.live)

    def close(self) -> None:
        """See ``File``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
