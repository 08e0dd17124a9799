"""Looks at an index that cannot be trusted, in a process of its own, because looking may crash.

Run as ``python -m durafix.journal.indexcheck``:

    copy SOURCE TARGET    walk every entry of SOURCE, check all of it, write it to a new environment
    witness SOURCE        only the watermark

Prints the watermark's bytes in hex on stdout and exits 0, or says why not on stderr and exits 1; a
damaged file may also kill it (SIGBUS, SIGSEGV) or make it hang, and the parent takes that as an
answer. It must not touch the journal or change SOURCE; it opens SOURCE read-only and without a lock
file.

Why a copy: a walk proves what the tree holds and says nothing about LMDB's list of free pages,
which only a writer reads. Writing on into a file with a damaged list could overwrite live pages
long after the check. The copy inherits entries and no page.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys

import lmdb

from .errors import Corrupt, Error
from .indexformat import META_KEY, SUM_MASK, Meta, open_value, unpack_meta
from .indexstore import Item, LmdbStore

_BATCH = 50_000
_USAGE = "usage: indexcheck copy SOURCE TARGET | witness SOURCE"


def read_meta(source: str) -> tuple[Meta, bytes]:
    """The watermark of the environment in ``source``; ``Corrupt`` without a valid one."""
    with lmdb.open(source, readonly=True, lock=False, create=False) as env, env.begin() as txn:
        raw = txn.get(META_KEY)
    meta = unpack_meta(raw)
    if meta is None or raw is None:
        raise Corrupt("no valid watermark", where=source)
    return meta, raw


def copy(source: str, target: str) -> bytes:
    """Check each entry of ``source`` and the whole, and write them to a new environment.

    Returns the watermark's bytes. ``Corrupt`` for a wrong checksum, keys out of order, and another
    count or sum than the watermark says.
    """
    meta, raw = read_meta(source)
    os.makedirs(target, 0o750, exist_ok=True)  # LMDB would give it the mode of a file: no way in
    store = LmdbStore(target, sync=False)
    entries = crc_sum = 0
    last = b""
    batch: list[Item] = []
    with lmdb.open(source, readonly=True, lock=False, create=False) as env, env.begin() as txn:
        for key, value in txn.cursor():
            if key == META_KEY:
                continue
            opened = open_value(key, value)
            if opened is None:
                raise Corrupt(f"entry {key.hex()} fails its checksum", where=source)
            entries += 1
            crc_sum = (crc_sum + opened[1]) & SUM_MASK
            if key <= last or entries > meta.entries:  # a page that points back would never end
                raise Corrupt(f"entry {key.hex()} is out of order", where=source)
            last = key
            batch.append((key, value))
            if len(batch) == _BATCH:
                store.commit(batch, raw)
                batch.clear()
    if (entries, crc_sum) != (meta.entries, meta.crc_sum):
        what = f"{entries} entries instead of {meta.entries}, or others"
        raise Corrupt(what, where=source)
    store.commit(batch, raw)
    store.close()
    return raw


def main(arguments: list[str]) -> int:
    """See the module's text."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash here is an answer, not a bug to keep
    try:
        match arguments:
            case ["copy", source, target]:
                raw = copy(source, target)
            case ["witness", source]:
                raw = read_meta(source)[1]
            case _:
                sys.stderr.write(_USAGE + "\n")
                return 2
    except (Error, lmdb.Error, OSError, MemoryError, AssertionError) as error:
        sys.stderr.write(f"{error or type(error).__name__}\n")
        return 1
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(raw.hex() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
