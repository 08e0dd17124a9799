"""A journal's folder: its names, its birth, and who it is.

Owns ``journal.json`` and the names of everything beside it. It must not know what is in a segment.

Invariant: a folder is a journal when ``journal.json`` is in it, and that name appears last,
durably, behind all that it promises. A crash while a journal is made leaves either a journal or a
folder that ``create`` finishes. The manifest is never written again: identity and format do not
change.
"""

from __future__ import annotations

import os
import uuid as uuids
from typing import TYPE_CHECKING

import msgspec

from .disk import write_whole
from .errors import Exists, FormatUnknown, Missing
from .segment import parse_segment_name, segment_name

if TYPE_CHECKING:
    from .disk import Disk, Lock

FORMAT = 1
"""Version of the folder's layout; the segments carry their own (``segment.FORMAT_VERSION``)."""
UUID_BYTES = 16
BYTES_MAX = 4096
"""More than any manifest has; nothing is read behind it."""
CREATED_NS_MAX = 2**63 - 1


class Layout:
    """Where things are below a journal's root. Pure names; nothing here looks at the disk."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.manifest = f"{root}/journal.json"
        self.lock = f"{root}/LOCK"
        self.tail = f"{root}/TAIL"
        self.segments = f"{root}/segments"
        self.next = f"{root}/segments/next.tmp"
        """The prepared segment: never the last one, whatever it holds (storage rule 9)."""
        self.index = f"{root}/index"
        self.quarantine = f"{root}/quarantine"

    def segment(self, number: int) -> str:
        """The file of a segment."""
        return f"{self.segments}/{segment_name(number)}"


class Manifest(msgspec.Struct, frozen=True):
    """What ``journal.json`` says."""

    format: int
    uuid: bytes
    """16 random bytes; every header page and tail slot repeats them."""
    created_ns: int


class _Json(msgspec.Struct, frozen=True):
    format: int
    uuid: uuids.UUID
    created_ns: int


class _Version(msgspec.Struct, frozen=True):
    format: int


def create(disk: Disk, root: str, *, uuid: bytes, created_ns: int) -> Manifest:
    """Make an empty journal in a folder that is new or empty; durable on return.

    Running it again after a crash inside it finishes the work. ``Exists`` if the folder is a
    journal or holds anything else, ``Locked`` if another process is at it.
    """
    assert len(uuid) == UUID_BYTES
    root = root.rstrip("/")
    at = Layout(root)
    if not disk.exists(root):
        disk.mkdir(root)
    _refuse_strangers(disk, at)
    lock = disk.lock(at.lock)
    try:
        _refuse_strangers(disk, at)
        for folder in (at.segments, at.quarantine):
            if not disk.exists(folder):
                disk.mkdir(folder)
        disk.fsync_dir(root)
        disk.fsync_dir(os.path.dirname(root) or ".")
        manifest = Manifest(FORMAT, uuid, created_ns)
        plain = _Json(FORMAT, uuids.UUID(bytes=uuid), created_ns)
        write_whole(disk, at.manifest, msgspec.json.encode(plain) + b"\n")
    finally:
        lock.release()
    return manifest


def _refuse_strangers(disk: Disk, at: Layout) -> None:
    names = set(disk.listdir(at.root))
    if "journal.json" in names:
        raise Exists("there is a journal already", where=at.root, hint="open it instead")
    strange = names - {"LOCK", "segments", "quarantine", "journal.json.tmp"}
    if "segments" in names and disk.listdir(at.segments):
        strange.add("segments")
    if strange:
        raise Exists(
            f"the folder is not empty: {', '.join(sorted(strange)[:3])}",
            where=at.root,
            hint="choose a new folder for the journal",
        )


def load(disk: Disk, root: str) -> Manifest:
    """Who this journal is. Takes no lock and writes nothing.

    ``Missing`` if there is no such folder, ``FormatUnknown`` if it is no journal or one of another
    version, ``NoPermission`` if its files are somebody else's.
    """
    root = root.rstrip("/")
    at = Layout(root)
    if not disk.exists(root):
        raise Missing("there is no such journal", where=root, hint="check the path")
    try:
        data = read(disk, root)
    except Missing as error:
        raise _no_journal(disk, at) from error
    try:
        if len(data) > BYTES_MAX:
            raise ValueError("it is far too long")
        version = msgspec.json.decode(data, type=_Version).format
        if version != FORMAT:
            raise FormatUnknown(
                f"a journal of format {version}; this version reads format {FORMAT}",
                where=at.manifest,
                hint="use the durafix version that wrote it",
            )
        plain = msgspec.json.decode(data, type=_Json)
        if not 0 <= plain.created_ns <= CREATED_NS_MAX:
            raise ValueError("its time is out of range")
    except (ValueError, RecursionError) as error:  # MsgspecError is a ValueError
        raise FormatUnknown(
            f"journal.json cannot be read: {error}",
            where=at.manifest,
            hint="the segments carry the same identity; restore this file from a backup",
        ) from error
    return Manifest(plain.format, plain.uuid.bytes, plain.created_ns)


def read(disk: Disk, root: str) -> bytes:
    """The bytes of ``journal.json``, whatever they are; not many more than a manifest can have."""
    with disk.open(Layout(root).manifest) as file:
        return file.pread(0, BYTES_MAX + 1)


def _no_journal(disk: Disk, at: Layout) -> FormatUnknown:
    if disk.exists(at.segments) and any(map(parse_segment_name, disk.listdir(at.segments))):
        return FormatUnknown(
            "the segments are here, but journal.json is gone",
            where=at.root,
            hint="restore journal.json from a backup; the segments carry the same identity",
        )
    return FormatUnknown(
        "not a journal: it has no journal.json",
        where=at.root,
        hint="give the folder that holds journal.json",
    )


def lock_writer(disk: Disk, root: str) -> Lock:
    """Become the one writer, or ``Locked`` with the process that is. Readers take no lock."""
    return disk.lock(Layout(root.rstrip("/")).lock)


def segment_numbers(disk: Disk, root: str) -> list[int]:
    """The numbers of all segment files, ascending; ``next.tmp`` and strange names are left out."""
    names = disk.listdir(Layout(root.rstrip("/")).segments)
    return sorted(number for name in names if (number := parse_segment_name(name)) is not None)
