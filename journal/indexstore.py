"""Where the entries of the index are kept: an LMDB environment, or memory where LMDB cannot be.

Owns the key-value stores behind the index and the one LMDB handle of this process. It must not know
what the entries mean, nor whether an existing file may be trusted; ``indexopen.py`` decides that
before anything is opened here.

LMDB's rules, kept in this one place: an environment is opened once in a process; one thread at a
time writes; the map grows only while no transaction is open. Reads here are short and take the same
lock as the growing, so they never wait for a commit's fsync. Sync stays on: each commit is whole
or absent after a power cut.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Sequence
from typing import Protocol

import lmdb

from .errors import DiskFull, IoFailed, JournalError
from .indexformat import META_KEY

MAP_BYTES = 1 << 30
"""Address space to begin with, not memory or disk; it doubles when it is full."""
_NO_SPACE = ("No space", "ENOSPC", "quota")

Item = tuple[bytes, bytes]


class Store(Protocol):
    """Sorted bytes to bytes. Any thread may read, one may commit."""

    def get(self, key: bytes) -> bytes | None:
        """The value of a key."""
        ...

    def floor(self, key: bytes) -> Item | None:
        """The last entry whose key is not behind ``key``."""
        ...

    def slice(self, first: bytes, last: bytes, limit: int) -> list[Item]:
        """At most ``limit`` entries from ``first`` to ``last``, both included, in order."""
        ...

    def commit(self, items: Sequence[Item], meta: bytes) -> None:
        """Add new entries and replace the watermark, all or nothing, durably. ``DiskFull``,
        ``IoFailed``."""
        ...

    def close(self) -> None:
        """Give everything back. Closing twice is allowed."""
        ...


class MemoryStore:
    """For a disk that LMDB cannot see (the simulated one). It is lost with the process, which an
    index may be."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: list[bytes] = []
        self._values: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """See ``Store``."""
        return self._values.get(key)

    def floor(self, key: bytes) -> Item | None:
        """See ``Store``."""
        with self._lock:
            at = bisect.bisect_right(self._keys, key)
            return (self._keys[at - 1], self._values[self._keys[at - 1]]) if at else None

    def slice(self, first: bytes, last: bytes, limit: int) -> list[Item]:
        """See ``Store``."""
        with self._lock:
            at = bisect.bisect_left(self._keys, first)
            end = min(bisect.bisect_right(self._keys, last), at + limit)
            return [(key, self._values[key]) for key in self._keys[at:end]]

    def commit(self, items: Sequence[Item], meta: bytes) -> None:
        """See ``Store``."""
        with self._lock:
            for key, value in (*items, (META_KEY, meta)):
                if key not in self._values:
                    bisect.insort(self._keys, key)
                self._values[key] = value

    def close(self) -> None:
        """See ``Store``."""


class LmdbStore:
    """One LMDB environment in folder ``path``, made if it is not there.

    The caller has made sure that no other process has it open and that the file is whole: LMDB
    trusts what it reads, and a damaged file can end the process.
    """

    def __init__(self, path: str, *, map_bytes: int = MAP_BYTES, sync: bool = True) -> None:
        self._path = path
        self._gate = threading.Lock()
        try:
            self._env: lmdb.Environment | None = lmdb.open(
                path, map_size=map_bytes, sync=sync, metasync=sync, mode=0o640, max_spare_txns=2
            )
        except lmdb.Error as error:
            raise self._failure(error, "open") from error

    def get(self, key: bytes) -> bytes | None:
        """See ``Store``."""
        with self._gate, self._live().begin() as txn:
            return txn.get(key)

    def floor(self, key: bytes) -> Item | None:
        """See ``Store``."""
        with self._gate, self._live().begin() as txn, txn.cursor() as cursor:
            found = cursor.set_range(key)
            if not (found and cursor.key() == key) and not (
                cursor.prev() if found else cursor.last()
            ):
                return None
            return cursor.item()

    def slice(self, first: bytes, last: bytes, limit: int) -> list[Item]:
        """See ``Store``."""
        items: list[Item] = []
        with self._gate, self._live().begin() as txn, txn.cursor() as cursor:
            if cursor.set_range(first):
                for key, value in cursor.iternext():
                    if key > last or len(items) == limit:
                        break
                    items.append((key, value))
        return items

    def commit(self, items: Sequence[Item], meta: bytes) -> None:
        """See ``Store``."""
        while True:
            env = self._live()
            try:
                with env.begin(write=True) as txn:
                    consumed, added = txn.cursor().putmulti(items, overwrite=False)
                    assert consumed == added == len(items), "an entry was indexed twice"
                    txn.put(META_KEY, meta)
            except lmdb.MapFullError:
                with self._gate:  # no reader has a transaction open now
                    env.set_mapsize(2 * env.info()["map_size"])
                continue
            except lmdb.Error as error:
                raise self._failure(error, "write") from error
            return

    def close(self) -> None:
        """See ``Store``."""
        with self._gate:
            env, self._env = self._env, None
        if env is not None:
            env.sync(True)
            env.close()

    def _live(self) -> lmdb.Environment:
        assert self._env is not None, "the index store is closed"
        return self._env

    def _failure(self, error: lmdb.Error, what: str) -> JournalError:
        kind = DiskFull if any(text in str(error) for text in _NO_SPACE) else IoFailed
        hint = "free some space; the index is rebuilt from the journal when it is gone"
        return kind(f"cannot {what} the index: {error}", where=self._path, hint=hint)
