"""Judges what the proxy recorded. It parses FIX by itself, so that our codec can hide nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

START = re.compile(rb"8=FIX[^\x01]*\x019=(\d+)\x01")
CHANGED_BY_A_RESEND = {8: False, 9: True, 10: True, 43: True, 52: True, 122: True}


class Seen(NamedTuple):
    """One frame on the wire: which connection, and its fields in order."""

    connection: int
    raw: bytes
    fields: list[tuple[int, bytes]]

    def get(self, tag: int) -> bytes:
        """The first value of a tag, or nothing."""
        return next((value for known, value in self.fields if known == tag), b"")

    @property
    def number(self) -> int:
        return int(self.get(34))

    @property
    def poss_dup(self) -> bool:
        return self.get(43) == b"Y"


def frames(streams: Iterable[bytes]) -> list[Seen]:
    """Cut recorded streams, one a connection, into frames; a torn last frame is left out."""
    found = []
    for connection, stream in enumerate(streams):
        at = 0
        while match := START.match(stream, at):
            end = match.end() + int(match[1]) + len(b"10=000\x01")
            if end > len(stream):
                break
            raw = stream[at:end]
            assert int(raw[-4:-1]) == sum(raw[:-7]) % 256, raw
            fields = [field.partition(b"=") for field in raw[:-1].split(b"\x01")]
            found.append(Seen(connection, raw, [(int(tag), value) for tag, _, value in fields]))
            at = end
    return found


def reused_numbers(sent: list[Seen]) -> dict[int, list[bytes]]:
    """Numbers that two frames without 43=Y of one side share (one epoch: no reset was made)."""
    by_number: dict[int, list[bytes]] = {}
    for frame in sent:
        if not frame.poss_dup:
            by_number.setdefault(frame.number, []).append(frame.raw)
    return {number: raws for number, raws in by_number.items() if len(raws) > 1}


def altered_resends(sent: list[Seen], journaled: Mapping[int, bytes]) -> list[tuple[bytes, bytes]]:
    """Resent frames that differ from their original in more than 43, 122, 52, 9 and 10.

    ``journaled`` gives the originals by number where the wire never saw them.
    """
    originals = {number: frames([raw])[0] for number, raw in journaled.items()}
    originals |= {frame.number: frame for frame in sent if not frame.poss_dup}
    wrong = []
    for frame in sent:
        if frame.poss_dup and frame.get(35) != b"4":
            original = originals[frame.number]
            same = kept(frame) == kept(original) and frame.get(122) == original.get(52)
            if not same:
                wrong.append((original.raw, frame.raw))
    return wrong


def kept(frame: Seen) -> list[tuple[int, bytes]]:
    """The fields that a resend must not touch."""
    return [field for field in frame.fields if not CHANGED_BY_A_RESEND.get(field[0], False)]
