"""Who a journal is, told as well as its files still can.

Owns the reading of ``journal.json`` for a verifier: unlike an opening it does not give up when that
file is damaged, because every segment carries the same identity. It must not judge segments.
"""

from __future__ import annotations

import uuid as uuids
from dataclasses import dataclass

import msgspec

from ..journal import manifest
from ..journal.disk import Disk
from ..journal.errors import FormatUnknown, IoFailed, Missing
from ..journal.manifest import Layout
from ..journal.segment import FIRST_RECORD, read_header_pages
from .findings import Finding, finding


@dataclass(frozen=True, slots=True)
class Identity:
    """``uuid`` is empty if nothing in the folder tells it; then there is nothing to verify."""

    uuid: bytes
    findings: tuple[Finding, ...]


def identify(disk: Disk, root: str) -> Identity:
    """The journal's identity by its manifest, else by its segments."""
    carried = _carried(disk, root)
    try:
        raw = manifest.read(disk, root)
        known = manifest.load(disk, root)
    except (FormatUnknown, Missing) as error:
        if carried is None:
            return Identity(b"", (finding("format-unknown", error.message),))
        return Identity(carried, (finding("manifest-damaged", error.message),))
    except IoFailed as error:
        text = f"journal.json cannot be read: {error.message}"
        return Identity(carried or b"", (finding("unreadable", text),))
    if carried is not None and carried != known.uuid:
        text = "journal.json names another journal than the segments"
        return Identity(carried, (finding("manifest-damaged", text),))
    plain = {
        "format": known.format,
        "uuid": str(uuids.UUID(bytes=known.uuid)),
        "created_ns": known.created_ns,
    }
    if msgspec.json.encode(plain) + b"\n" != raw:
        text = "journal.json was changed after it was written"
        return Identity(known.uuid, (finding("manifest-damaged", text),))
    return Identity(known.uuid, ())


def _carried(disk: Disk, root: str) -> bytes | None:
    """The identity that the first and the last readable segment agree on; None if they do not."""
    try:
        numbers = manifest.segment_numbers(disk, root)
    except Missing:
        return None
    first, last = _first(disk, root, numbers), _first(disk, root, numbers[::-1])
    return first if first == last else None


def _first(disk: Disk, root: str, numbers: list[int]) -> bytes | None:
    for number in numbers[:8]:
        try:
            with disk.open(Layout(root).segment(number)) as file:
                header = read_header_pages(file.pread(0, FIRST_RECORD)).header
        except (FormatUnknown, IoFailed, Missing):
            continue
        if header is not None:
            return header.journal_uuid
    return None
