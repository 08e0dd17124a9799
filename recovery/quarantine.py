"""The quarantine folder: durable copies of bytes before recovery touches them.

Owns the name of a copy, ``segment-offset-sha256``, and the order in which it becomes durable: the
content under a temporary name, then the name, then the folder. So a copy that has its name is
whole, the same bytes give the same name, and recovery may be killed and run again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from ..journal.disk import Disk, File
from ..journal.errors import Exists, Missing
from ..journal.manifest import Layout

COPY_BYTES = 1 << 20


def set_aside(disk: Disk, root: str, file: File, segment: int, start: int, end: int) -> str:
    """Copy bytes ``start`` to ``end`` of a segment file into quarantine; returns the copy's name.

    Durable on return, with its name and folder. ``IoFailed`` and ``DiskFull`` as the disk says.
    """
    assert start < end
    at = Layout(root)
    digest = hashlib.sha256()
    for data in _chunks(file, start, end):
        digest.update(data)
    name = f"{segment:08d}-{start}-{digest.hexdigest()}"
    if not disk.exists(at.quarantine):
        try:
            disk.mkdir(at.quarantine)
        except Exists:
            pass
        disk.fsync_dir(at.root)
    target, temporary = f"{at.quarantine}/{name}", f"{at.quarantine}/copy.tmp"
    if not disk.exists(target):
        try:
            disk.unlink(temporary)
        except Missing:
            pass
        with disk.open(temporary, write=True, exclusive=True) as copy:
            done = 0
            for data in _chunks(file, start, end):
                copy.pwrite(data, done)
                done += len(data)
            copy.fsync()
        disk.rename(temporary, target)
    disk.fsync_dir(at.quarantine)
    return os.path.basename(target)


def _chunks(file: File, start: int, end: int) -> Iterator[bytes]:
    at = start
    while at < end:
        data = file.pread(at, min(COPY_BYTES, end - at))
        if not data:
            return
        yield data
        at += len(data)
