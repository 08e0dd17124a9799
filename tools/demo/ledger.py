"""What one journal says about the trading in it, collected in one pass over its records.

Owns the derivation of orders, reports, numbers and counts from records and frames, by the journal's
format and plain tag=value, on purpose without the session core: the judge must not share the
mistakes of the accused. It judges nothing itself; ``reconcile`` compares two ledgers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...journal.record import Flag, Kind, Record
from ..render.frames import fields
from ..render.records import cursor_of, data_of, frame_of

ORDER, REPORT = b"D", b"8"
ID_TAG = {ORDER: b"11", REPORT: b"17"}
"""What names a message for ever: ClOrdID of an order, ExecID of a report."""
TRANSPORT = frozenset({b"8", b"9", b"10", b"34", b"43", b"52", b"97", b"122", b"369"})
"""Fields that a resend or the number of a frame may change; all others must arrive as they were
sent.
"""


class Fact(NamedTuple):
    """One application message: where it is journaled, its number, and its content without
    transport.
    """

    event: int
    seq: int
    content: tuple[tuple[bytes, bytes], ...]

    def get(self, tag: bytes) -> str:
        """First value of a tag, or an empty string."""
        return next((v.decode("latin-1") for t, v in self.content if t == tag), "")


@dataclass(slots=True)
class Ledger:
    """One journal with one session. Keys of ``sent`` and ``delivered`` are (MsgType, id)."""

    name: str
    sent: dict[tuple[bytes, str], list[Fact]] = field(default_factory=dict)
    delivered: dict[tuple[bytes, str], list[Fact]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    """Events whose handler finished: the application's cursor passed them."""
    reused: list[tuple[int, int, int]] = field(default_factory=list)
    """(epoch, MsgSeqNum, event) of frames without 43=Y whose number was taken before."""
    reused_by_peer: list[tuple[int, int, int]] = field(default_factory=list)
    epoch: int = 0
    next_out: int = 1
    next_in: int = 1
    counts: Counter[str] = field(default_factory=Counter)
    _waiting: dict[int, Fact] = field(default_factory=dict)
    _kinds: dict[int, tuple[bytes, str]] = field(default_factory=dict)
    _used: dict[tuple[int, int], int] = field(default_factory=dict)
    _seen: dict[tuple[int, int], bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, records: Iterable[Record]) -> Ledger:
        """Read all records of a journal."""
        ledger = cls(name)
        for record in records:
            if record.numbered:
                ledger.take(record)
        return ledger

    def take(self, record: Record) -> None:
        """One event."""
        self.counts["events"] += 1
        match record.kind:
            case Kind.OUT:
                self._out(record)
            case Kind.IN:
                self._in(record)
            case Kind.CURSOR:
                event, result = cursor_of(record)
                if result == "done":
                    self.done.add(event)
                else:
                    self.counts[f"handlers {result}"] += 1
            case Kind.EPOCH:
                opened = data_of(record)
                self.epoch = opened["epoch"]
                self.next_out, self.next_in = opened["next_out"], opened["next_in"]
            case Kind.STATE:
                self._state(data_of(record))
            case _:
                pass

    def _out(self, record: Record) -> None:
        pairs = list(fields(frame_of(record)))
        self.counts["frames out"] += 1
        if (b"43", b"Y") in pairs:
            return
        if (self.epoch, record.seq) in self._used:
            self.reused.append((self.epoch, record.seq, record.event))
        self._used[self.epoch, record.seq] = record.event
        self.next_out = max(self.next_out, record.seq + 1)
        fact, kind = _fact(record, pairs), _kind(pairs)
        if kind:
            self.sent.setdefault(kind, []).append(fact)

    def _in(self, record: Record) -> None:
        frame = frame_of(record)
        pairs = list(fields(frame))
        self.counts["frames in"] += 1
        if (b"43", b"Y") in pairs:
            self.counts["resends received"] += 1
            if record.flags & Flag.COPY:
                self.counts["duplicates ignored"] += 1
        elif self._seen.setdefault((self.epoch, record.seq), frame) != frame:
            self.reused_by_peer.append((self.epoch, record.seq, record.event))
        if (b"35", b"4") in pairs:
            self.counts["gap fills received"] += 1
        if (b"35", b"2") in pairs:
            self.counts["resend requests received"] += 1
        if kind := _kind(pairs):
            self._waiting[record.event] = _fact(record, pairs)
            self._kinds[record.event] = kind
        self._judged(record.event, record.seq, record.flags)

    def _judged(self, event: int, seq: int, flags: int) -> None:
        """A received frame was judged, at once or when it left the queue behind a gap."""
        # CONSUMED with COPY belongs to the epoch before the reset that is on its way.
        if flags & Flag.CONSUMED and not flags & Flag.COPY:
            self.next_in = seq + 1
        if flags & Flag.DELIVER and event in self._kinds:
            fact = self._waiting.pop(event)
            self.delivered.setdefault(self._kinds[event], []).append(fact)

    def _state(self, data: dict[str, Any]) -> None:
        match data.get("type"):
            case "dequeued":
                self._judged(data["event"], data["seq"], data["flags"])
            case "inbound-moved":
                self.next_in = data["to"]
            case "numbers-skipped":
                self.next_out = max(self.next_out, data["end"] + 1)
                self.counts["numbers skipped"] += data["end"] - data["begin"] + 1
            case "resent":
                for first, last, how in data["runs"]:
                    what = "messages resent" if how == "s" else "gap fills sent"
                    self.counts[what] += last - first + 1 if how == "s" else 1
            case "logon" if data.get("to") == "on":
                self.counts["logons"] += 1
            case _:
                pass


def _kind(pairs: list[tuple[bytes, bytes]]) -> tuple[bytes, str] | None:
    """(MsgType, id) of an order or a report."""
    values = dict(reversed(pairs))
    message_type = values.get(b"35", b"")
    tag = ID_TAG.get(message_type)
    return (message_type, values.get(tag, b"").decode("latin-1")) if tag else None


def _fact(record: Record, pairs: list[tuple[bytes, bytes]]) -> Fact:
    content = tuple((tag, value) for tag, value in pairs if tag not in TRANSPORT)
    return Fact(record.event, record.seq, content)
