"""Checks that numbers of sessions go on as they must, from record headers alone.

Owns the rules that can be judged without FIX: within an epoch no two original outbound frames share
a MsgSeqNum, the inbound frames that moved the expected number follow each other apart from moves
that an event records, and epochs count up. It also names the numbers that a damaged place held, as
far as the neighbours on both sides tell. It must not parse a frame.

Memory is bounded by the number of sessions, and that by ``SESSIONS_MAX``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from ..journal.position import Position
from ..journal.record import Direction, Flag, Kind, Row
from .findings import Finding, finding
from .scan import Batch

SESSIONS_MAX = 65_536
_IN: Final = int(Kind.IN)
_OUT: Final = int(Kind.OUT)
_COPY: Final = int(Flag.COPY)
_CONSUMED: Final = int(Flag.CONSUMED)
_MOVES: Final = frozenset({Kind.STATE, Kind.OPERATOR, Kind.EPOCH, Kind.REPAIR, Kind.BASE})
"""Kinds that may move a number without a frame that carries it."""


class _Epoch(msgspec.Struct):
    epoch: int
    next_out: int = 1
    next_in: int = 1


_decoder = msgspec.json.Decoder(_Epoch)


class _Session:
    """What is known of one session at some place of the journal."""

    __slots__ = ("epoch", "hole_in", "hole_out", "last_out", "moved", "next_in")

    def __init__(self) -> None:
        self.epoch = 0
        self.last_out = 0
        """Highest original outbound number of this epoch; 0 before the first."""
        self.next_in = 0
        """Expected inbound number; 0 while nothing is known."""
        self.moved = True
        """Something may have moved the inbound number since the last frame that did."""
        self.hole_out = False
        """A damaged place lies between here and the last frame of that direction."""
        self.hole_in = False


class Numbers:
    """Feed it all batches in order; ``hole`` tells it of a damaged place in between."""

    def __init__(self) -> None:
        self.sessions: dict[int, _Session] = {}
        self.overflowed = False
        """More sessions than it keeps; the others are not judged."""

    def hole(self) -> None:
        """Events are missing here."""
        for session in self.sessions.values():
            session.moved = session.hole_in = session.hole_out = True

    def feed(self, segment: int, batch: Batch, roster: dict[int, str]) -> Iterator[Finding]:
        """Judge the rows of one batch."""
        for row in batch.rows:
            number = row[4]
            if not number:
                continue
            session = self.sessions.get(number)
            if session is None:
                if len(self.sessions) >= SESSIONS_MAX:
                    self.overflowed = True
                    continue
                session = self.sessions[number] = _Session()
            kind, flags = row[5], row[7]
            fault = None
            if kind == _OUT:
                if not flags & _COPY and row[3]:
                    fault = self._out(session, row[3])
            elif kind == _IN:
                if flags & _CONSUMED and not flags & _COPY and row[3]:
                    fault = self._in(session, row[3])
            elif kind in _MOVES:
                session.moved = True
                if kind == Kind.EPOCH:
                    fault = self._epoch(session, row)
            if fault is not None:
                code, message, evidence = fault
                yield finding(
                    code,
                    message,
                    position=Position(segment, batch.base + row[0]),
                    event=row[1],
                    session=number,
                    session_name=roster.get(number, ""),
                    direction=row[6] if row[6] in (1, 2) else Direction.NONE,
                    seq=row[3],
                    epoch=session.epoch,
                    **evidence,
                )

    @staticmethod
    def _out(session: _Session, seq: int) -> tuple[str, str, dict[str, int]] | None:
        last, hole = session.last_out, session.hole_out
        session.hole_out = False
        if seq <= last:
            return "number-reused", "", {"highest_before": last}
        session.last_out = seq
        if hole and last and seq > last + 1:
            return "number-lost", _lost(last + 1, seq - 1), {"first": last + 1, "last": seq - 1}
        return None

    @staticmethod
    def _in(session: _Session, seq: int) -> tuple[str, str, dict[str, int]] | None:
        expected, hole, moved = session.next_in, session.hole_in, session.moved
        session.hole_in = session.moved = False
        session.next_in = max(seq + 1, expected)
        if not expected or seq == expected:
            return None
        if seq < expected:
            return "number-reused", "", {"expected": expected}
        if hole:
            return "number-lost", _lost(expected, seq - 1), {"first": expected, "last": seq - 1}
        if not moved:
            return "number-jumped", "", {"expected": expected}
        return None

    @staticmethod
    def _epoch(session: _Session, row: Row) -> tuple[str, str, dict[str, int]] | None:
        try:
            opened = _decoder.decode(row[10])
        except msgspec.MsgspecError as error:
            return "record-form", f"no epoch: {error}", {}
        before, hole = session.epoch, session.hole_out
        session.epoch = opened.epoch
        session.last_out, session.next_in = opened.next_out - 1, opened.next_in
        session.hole_in = session.hole_out = session.moved = False
        if opened.epoch <= before or (before and opened.epoch != before + 1 and not hole):
            return "epoch-order", f"epoch {opened.epoch} after epoch {before}", {}
        return None


def _lost(first: int, last: int) -> str:
    if first == last:
        return f"MsgSeqNum {first} was in the damaged place, or was skipped there"
    return f"MsgSeqNum {first} to {last} were in the damaged place, or were skipped there"
