"""Value types that cross module borders: places and numbers in a journal.

A bare ``int`` says nothing; these names do. They cost nothing at run time (``NewType``), but a type
checker keeps a sequence number from being passed for an event number.
"""

from __future__ import annotations

from typing import NamedTuple, NewType

EventNumber = NewType("EventNumber", int)
"""Global, gap-free number of an event; the first is 1, 0 means none."""

SeqNum = NewType("SeqNum", int)
"""FIX MsgSeqNum within one epoch and direction; 0 means none."""

SessionNumber = NewType("SessionNumber", int)
"""Number of a session in the roster; the first is 1, 0 means none."""

Nanos = NewType("Nanos", int)
"""Nanoseconds; UTC since 1970 unless the name says monotonic."""


class Position(NamedTuple):
    """Where a record starts: segment number and byte offset in that segment's file."""

    segment: int
    offset: int

    def __str__(self) -> str:
        return f"{self.segment}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The inverse of ``str``; ``ValueError`` if the text is not ``SEGMENT:OFFSET``."""
        segment, colon, offset = text.partition(":")
        if not text.isascii() or not colon or not segment.isdecimal() or not offset.isdecimal():
            raise ValueError(f"not a position (SEGMENT:OFFSET): {text!r}")
        return cls(int(segment), int(offset))
