"""Decides whether the index that lies there may be used, and brings it to where it may.

Owns the folder ``index/`` of a journal: the environment, the stamp of a clean close, and what is
done with a file that nobody can vouch for. It must not know what entries mean. The order of trust:

    no file                                   a new one
    a stamp that agrees with the file         trusted as it is
    a stamp that does not                     thrown away
    no stamp (killed, or power failed)        a child process copies and checks it; else thrown away

and in each case the watermark must name this journal and a record that is there. Throwing away
costs a scan of the journal and no answer (P6).

Invariant: a stamp exists only while no process has the environment open for writing. It is removed,
durably, before LMDB opens the file, so a crash can leave a good file without a stamp, never a stamp
with another file.
"""

from __future__ import annotations

import contextlib
import enum
import struct
import subprocess
import sys
from typing import NamedTuple

from ._core import crc32c
from .disk import Disk, write_whole
from .errors import JournalError, Missing
from .indexformat import Mark, Meta, Watermark, pack_meta, unpack_meta
from .indexstore import MAP_BYTES, LmdbStore, MemoryStore, Store
from .position import Position
from .reader import Reader

INDEX_NAME = "index"
COPY_NAME = "index.new"
DATA_NAME = "data.mdb"
STAMP_NAME = "STAMP"
CHECK_SECONDS = 20.0
"""A check may take this long, and longer for a large file."""
CHECK_BYTES_PER_SECOND = 4e6

_STAMP = struct.Struct(">8sQI")
_STAMP_MAGIC = b"DFIXINDX"
_CRC = struct.Struct(">I")
_WINDOW_BYTES = 1 << 20


class Status(enum.StrEnum):
    """How the index came to be usable."""

    FRESH = "fresh"
    """There was nothing to index yet."""
    TRUSTED = "trusted"
    """Closed cleanly, and not changed since."""
    CHECKED = "checked"
    """Not closed cleanly; every entry was checked and copied."""
    REBUILT = "rebuilt"
    """Built anew from the journal, for the reason given."""


class Report(NamedTuple):
    """What ``Index.open`` found. ``reason`` is a clause for people; empty for fresh and trusted."""

    status: Status
    reason: str


class Opened(NamedTuple):
    """A store ready for use, and the watermark to go on from (None: from the beginning)."""

    store: Store
    meta: Meta | None
    report: Report


def open_store(disk: Disk, root: str, uuid: bytes, *, map_bytes: int = MAP_BYTES) -> Opened:
    """The store of the journal at ``root``; the caller holds the journal's lock."""
    folder = f"{root}/{INDEX_NAME}"
    local = disk.local_path(folder)
    if local is None:
        return Opened(MemoryStore(), None, _new(disk, root, "this disk keeps no index"))
    meta, report = _judge(disk, root, folder, uuid)
    if meta is None:
        _clear(disk, f"{root}/{INDEX_NAME}")
    _unlink(disk, f"{folder}/{STAMP_NAME}")
    if disk.exists(folder):
        disk.fsync_dir(folder)
    else:
        disk.mkdir(folder)
        disk.fsync_dir(root)
    return Opened(LmdbStore(local, map_bytes=map_bytes), meta, report)


def stamp(disk: Disk, root: str, meta: Meta) -> None:
    """Vouch for the closed environment: its size and checksum, and the watermark."""
    folder = f"{root}/{INDEX_NAME}"
    size, crc = _fingerprint(disk, f"{folder}/{DATA_NAME}")
    body = _STAMP.pack(_STAMP_MAGIC, size, crc) + pack_meta(meta)
    write_whole(disk, f"{folder}/{STAMP_NAME}", body + _CRC.pack(crc32c(body)))


def stamp_holds(disk: Disk, root: str) -> bool | None:
    """Whether the file is still the one that was vouched for at the last clean close; None without
    a stamp. For a verifier: changes nothing, takes no lock."""
    folder = f"{root}/{INDEX_NAME}"
    stamped = _read_stamp(disk, folder)
    if stamped is None:
        return False if disk.exists(f"{folder}/{STAMP_NAME}") else None
    return _is_vouched(disk, f"{folder}/{DATA_NAME}", *stamped[:2])


def read_witness(disk: Disk, root: str, uuid: bytes | None = None) -> Watermark | None:
    """The index's word on what was durable, without opening it here: from the stamp, else from a
    child process. None if there is none, it is damaged, or it is of another journal than ``uuid``.

    Never raises and never changes a file. Beside a live writer it may answer None (then "cannot
    tell", never "fine").
    """
    folder = f"{root}/{INDEX_NAME}"
    local = disk.local_path(folder)
    try:
        if local is None or not disk.exists(f"{folder}/{DATA_NAME}"):
            return None
        stamped = _read_stamp(disk, folder)
        meta = stamped[2] if stamped else _ask_child(["witness", local], CHECK_SECONDS)[0]
    except JournalError:
        return None
    return meta.watermark if meta is not None and uuid in (None, meta.uuid) else None


def _judge(disk: Disk, root: str, folder: str, uuid: bytes) -> tuple[Meta | None, Report]:
    """The watermark of an environment that may be opened, or None if it must go."""
    data = f"{folder}/{DATA_NAME}"
    _clear(disk, f"{root}/{COPY_NAME}")
    if not disk.exists(data):
        return None, _new(disk, root, "it was missing")
    try:
        stamped = _read_stamp(disk, folder)
        if stamped is None and disk.exists(f"{folder}/{STAMP_NAME}"):
            return None, Report(Status.REBUILT, "its stamp was damaged or of another format")
        if stamped is not None:
            if not _is_vouched(disk, data, *stamped[:2]):
                return None, Report(Status.REBUILT, "its file was changed after it was closed")
            meta, report = stamped[2], Report(Status.TRUSTED, "")
        else:
            checked, why = _check(disk, root)
            if checked is None:
                return None, Report(Status.REBUILT, why)
            meta, report = checked, Report(Status.CHECKED, "it was not closed cleanly")
    except JournalError as error:
        return None, Report(Status.REBUILT, f"it cannot be read ({error.message})")
    if meta.uuid != uuid:
        return None, Report(Status.REBUILT, "it belongs to another journal")
    if not _agrees(disk, root, meta.indexed):
        return None, Report(Status.REBUILT, "it is ahead of the journal or of another history")
    return meta, report


def _check(disk: Disk, root: str) -> tuple[Meta | None, str]:
    """Have a child copy the environment, and put the copy in its place."""
    source, target = (disk.local_path(f"{root}/{n}") for n in (INDEX_NAME, COPY_NAME))
    assert source is not None
    assert target is not None
    with disk.open(f"{root}/{INDEX_NAME}/{DATA_NAME}") as file:
        seconds = CHECK_SECONDS + file.size() / CHECK_BYTES_PER_SECOND
    meta, why = _ask_child(["copy", source, target], seconds)
    if meta is None:
        _clear(disk, f"{root}/{COPY_NAME}")
        return None, why
    disk.fsync_dir(f"{root}/{COPY_NAME}")
    _clear(disk, f"{root}/{INDEX_NAME}")
    disk.rename(f"{root}/{COPY_NAME}", f"{root}/{INDEX_NAME}")
    disk.fsync_dir(root)
    return meta, ""


def _ask_child(arguments: list[str], seconds: float) -> tuple[Meta | None, str]:
    """Run ``indexcheck`` and read its answer; whatever else happens to it is a reason."""
    module = f"{__package__}.indexcheck"
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"its check took longer than {seconds:.0f} s"
    except (OSError, ValueError) as error:
        return None, f"its check could not be started ({error})"
    if done.returncode < 0:
        return None, f"its check was killed by signal {-done.returncode}"
    lines = done.stderr.strip().splitlines()
    if done.returncode:
        return None, lines[-1] if lines else f"its check ended with {done.returncode}"
    try:
        meta = unpack_meta(bytes.fromhex(done.stdout))
    except ValueError:
        meta = None
    return meta, "" if meta else "its check gave no answer"


def _agrees(disk: Disk, root: str, mark: Mark) -> bool:
    """Whether the journal holds the record of the mark."""
    if not mark.event:
        return True
    try:
        record = Reader(disk, root).at(Position(mark.segment, mark.offset))
    except JournalError:
        return False
    return (record.event, record.header_crc) == (mark.event, mark.header_crc)


def _new(disk: Disk, root: str, why: str) -> Report:
    """Fresh if the journal holds no event yet, else rebuilt."""
    try:
        with contextlib.closing(Reader(disk, root).steps()) as steps:
            some = next(steps, None) is not None
    except JournalError:
        some = True
    return Report(Status.REBUILT, why) if some else Report(Status.FRESH, "")


def _read_stamp(disk: Disk, folder: str) -> tuple[int, int, Meta] | None:
    try:
        with disk.open(f"{folder}/{STAMP_NAME}") as file:
            raw = file.pread(0, 4096)
    except Missing:
        return None
    body = raw[:-4]
    if len(raw) <= _STAMP.size + 4 or _CRC.pack(crc32c(body)) != raw[-4:]:
        return None
    magic, size, crc = _STAMP.unpack_from(body)
    meta = unpack_meta(body[_STAMP.size :])
    return (size, crc, meta) if magic == _STAMP_MAGIC and meta is not None else None


def _fingerprint(disk: Disk, path: str) -> tuple[int, int]:
    """Size and CRC-32C of a file."""
    crc = at = 0
    with disk.open(path) as file:
        while data := file.pread(at, _WINDOW_BYTES):
            crc = crc32c(data, crc)
            at += len(data)
    return at, crc


def _is_vouched(disk: Disk, path: str, size: int, crc: int) -> bool:
    """Whether a file has this size and checksum; one of another size, however long, is not read."""
    with disk.open(path) as file:
        if file.size() != size:
            return False
    return _fingerprint(disk, path) == (size, crc)


def _unlink(disk: Disk, path: str) -> None:
    if disk.exists(path):
        disk.unlink(path)


def _clear(disk: Disk, path: str) -> None:
    """Empty a folder of the index. Its files are nobody's only copy, so the order is free."""
    if not disk.exists(path):
        return
    try:
        names = disk.listdir(path)
    except Missing:  # a file where the folder should be
        disk.unlink(path)
        return
    for name in names:
        disk.unlink(f"{path}/{name}")
