"""What lies behind a place where the records stop, and what it proves.

Owns the search for later valid headers and the look into the tail file: the two witnesses that a
reader can ask without the index. It must not decide between torn tail and corruption for a start;
``recovery/table.py`` does, with more witnesses.

Two facts carry it (storage rules, "Opening"). A record with a valid header says that everything up
to its number minus its depth was durable when it was framed. And if the next valid record simply
continues the numbers, only bytes without a number (PAD, MARK) are damaged and nothing is lost.
"""

from __future__ import annotations

from typing import NamedTuple

from ._core import find_header, unpack_header
from .disk import Disk, File
from .errors import Missing
from .record import DEPTH_UNKNOWN, HEADER_BYTES, Stop, padded, takes_number
from .tail import FILE_BYTES, TailSlot, newest

TAIL_NAME = "TAIL"
_WINDOW_BYTES = 1 << 20
_HEADER_IS_GOOD = frozenset({Stop.SHORT, Stop.PAYLOAD_CRC, Stop.ALIGNMENT})


class Behind(NamedTuple):
    """What was found behind a bad place."""

    durable: int
    """The highest event number that a valid header proves durable; 0 if nothing does."""
    continues_at: int | None
    """Offset of the first valid record if it continues the numbers; the search ends there."""


def tail_slot(disk: Disk, root: str, uuid: bytes) -> TailSlot | None:
    """The tail file's word for this journal; None if it is gone, damaged or of another journal."""
    try:
        with disk.open(f"{root}/{TAIL_NAME}") as file:
            slot = newest(file.pread(0, FILE_BYTES))
    except Missing:
        return None
    return slot if slot is not None and slot.journal_uuid == uuid else None


def search_from(file: File, offset: int, stop: Stop) -> int:
    """Where to look on behind a bad record at ``offset``: behind its payload if its header is good
    (a payload may hold a copy of a record), else 8 bytes on."""
    raw = file.pread(offset, HEADER_BYTES)
    if stop in _HEADER_IS_GOOD and len(raw) == HEADER_BYTES:
        return offset + padded(unpack_header(raw, 0).payload_bytes)
    return offset + 8


def look_behind(file: File, salt: int, start: int, last_event: int, enough: int) -> Behind:
    """Search valid headers from ``start`` to the end of the file.

    ``last_event`` is the number before the bad place. Stops early at a record that continues it, or
    when one proves ``enough`` durable. Reads at most the whole file, a window at a time.
    """
    durable, first, at = 0, True, start
    while True:
        data = file.pread(at, _WINDOW_BYTES)
        found = find_header(data, 0, at, salt) if len(data) >= HEADER_BYTES else -1
        if found < 0:
            if len(data) < _WINDOW_BYTES:
                return Behind(durable, None)
            at += _WINDOW_BYTES - HEADER_BYTES  # a header may lie across two windows
            continue
        header = unpack_header(data, found)
        if first and header.event - takes_number(header.kind, header.flags) == last_event:
            return Behind(durable, at + found)
        first = False
        if header.depth != DEPTH_UNKNOWN:
            durable = max(durable, header.event - header.depth)
        if durable >= enough:
            return Behind(durable, None)
        at += found + padded(header.payload_bytes)
