"""What was read from the journal and is not in the store yet.

Owns one bundle of entries, the look-ups in it, and its form for the store. It must not know the
journal, stores or threads: ``index.py`` fills it and ``indexlayers.py`` brings it down. Frames are
kept by group, so that a number is found without packing a key.
"""

from __future__ import annotations

import bisect

from .indexformat import (
    SUM_MASK,
    Frame,
    Group,
    epoch_key,
    epoch_value,
    event_key,
    frame_key,
    frame_value,
    place_value,
    seal_value,
    time_key,
)
from .position import Position

SPARSE_BYTES = 64 << 10


class Batch:
    """Entries in the order in which they were read. Sizes are bounded by whoever fills it."""

    __slots__ = ("count", "epochs", "frames", "places", "times")

    def __init__(self) -> None:
        self.frames: dict[Group, dict[int, Frame]] = {}
        self.epochs: list[tuple[int, int, int]] = []
        """(session, event, epoch)."""
        self.places: list[tuple[int, Position]] = []
        """(event, place), ascending."""
        self.times: list[int] = []
        """For each place, the largest time of all events before it; never falling."""
        self.count = 0
        """Events that were read into it, indexed or not: what decides when to commit."""

    def find(self, group: Group, seq: int) -> Frame | None:
        """A frame that is still here."""
        frames = self.frames.get(group)
        return frames.get(seq) if frames else None

    def within(self, group: Group, first: int, last: int) -> dict[int, Frame]:
        """The frames from ``first`` to ``last`` that are still here."""
        frames = self.frames.get(group, {})
        if last - first < len(frames):
            return {seq: frames[seq] for seq in range(first, last + 1) if seq in frames}
        return {seq: frame for seq, frame in frames.items() if first <= seq <= last}

    def place_before(self, event: int) -> Position | None:
        """The last noted place at or before an event."""
        at = bisect.bisect_right(self.places, event, key=lambda place: place[0])
        return self.places[at - 1][1] if at else None

    def place_before_time(self, utc_ns: int) -> Position | None:
        """The last noted place before which all events are older than ``utc_ns``."""
        at = bisect.bisect_left(self.times, utc_ns)
        return self.places[at - 1][1] if at else None

    def items(self) -> tuple[list[tuple[bytes, bytes]], int]:
        """All entries as stored, sorted by key, and the sum of their CRCs."""
        items: list[tuple[bytes, bytes]] = []
        total = 0

        def add(key: bytes, body: bytes) -> None:
            nonlocal total
            value, crc = seal_value(key, body)
            total += crc
            items.append((key, value))

        for group, frames in self.frames.items():
            for seq, frame in frames.items():
                add(frame_key(group, seq), frame_value(frame))
        for session, event, epoch in self.epochs:
            add(epoch_key(session, event), epoch_value(epoch))
        for (event, position), utc_max in zip(self.places, self.times, strict=True):
            add(event_key(event), place_value(position))
            add(time_key(utc_max, event), place_value(position))
        items.sort()
        return items, total & SUM_MASK
