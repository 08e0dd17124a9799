"""Events and inputs as records of the journal, and back.

Owns the payload of each kind that the session core writes (docs/journal-format.md says the same for
strangers):

    IN           u16 head = 10 | i64 monotonic ns | frame
    OUT          u16 head = 18 + key | i64 monotonic ns | u64 cause event | key | frame
    CURSOR       i64 monotonic ns | u64 event done | u8 result | u8 code | reason (UTF-8)
    RESERVATION  {"epoch"}; MsgSeqNum in the header is the highest reserved number
    EPOCH        {"epoch", "next_out", "next_in", "cause"}
    STATE, OPERATOR   one JSON object with "type"
    INPUT        one JSON object with "type" and "mono"

All little-endian. Invariant: ``decode`` gives back what ``drafts`` was given, and a step starts
with a record that holds its input.
"""

from __future__ import annotations

import struct

import msgspec

from ...journal.record import Direction, Draft, Flag, Kind, Record
from ..wire.framing import parse
from .events import (
    Cursor,
    EpochOpened,
    Event,
    In,
    JsonEvent,
    OperatorSet,
    Out,
    Reserved,
    StateEvent,
)
from .inputs import At, Input, JournaledInput, readable
from .resend import msg_type_of
from .secrets import sealed
from .step import FIRST_IS_INPUT, Outcome

_IN_HEAD = struct.Struct("<Hq")
_OUT_HEAD = struct.Struct("<HqQ")
_CURSOR = struct.Struct("<qQB")
RESULTS = ("done", "refused", "parked")
"""Results of a handler by their code in a CURSOR record."""
_NOT_JUDGEMENT = int(Flag.LAST | Flag.CLOCK_UNSYNC)
_IN, _OUT = int(Kind.IN), int(Kind.OUT)
_DIRECTION_IN, _DIRECTION_OUT = int(Direction.IN), int(Direction.OUT)

_json = msgspec.json.Encoder()
_epoch_decoder = msgspec.json.Decoder(EpochOpened)
_event_decoder = msgspec.json.Decoder(JsonEvent)
_input_decoder = msgspec.json.Decoder(JournaledInput)


class _Epoch(msgspec.Struct):
    epoch: int


class _Mono(msgspec.Struct):
    mono: int


_reservation_decoder = msgspec.json.Decoder(_Epoch)
_mono_decoder = msgspec.json.Decoder(_Mono)


def drafts(inp: Input, outcome: Outcome, session: int, at: At) -> list[Draft]:
    """The records of one step, in order; none if it yielded no event. ``session``: its roster
    number.
    """
    events = outcome.events
    if not events:
        return []
    if isinstance(inp, FIRST_IS_INPUT):
        return [draft(event, session, at) for event in events]
    payload = _json.encode(readable(inp))[:-1] + b',"mono":%d}' % at.mono_ns
    first = Draft(int(Kind.INPUT), 0, 0, session, 0, payload)
    return [first, *(draft(event, session, at) for event in events)]


def draft(event: Event, session: int, at: At) -> Draft:
    """One event as a record without number, place and time."""
    kind = type(event)
    if kind is In:
        raw = event.stored or event.frame.raw  # type: ignore[union-attr]
        payload = _IN_HEAD.pack(10, at.mono_ns) + raw
        flags, seq = event.flags, event.seq  # type: ignore[union-attr]
        return Draft(_IN, _DIRECTION_IN, flags, session, seq, payload)
    if kind is Out:
        key = event.key  # type: ignore[union-attr]
        head = _OUT_HEAD.pack(18 + len(key), at.mono_ns, event.cause)  # type: ignore[union-attr]
        payload = head + key + event.frame  # type: ignore[union-attr,operator]
        flags, seq = event.flags, event.seq  # type: ignore[union-attr]
        return Draft(_OUT, _DIRECTION_OUT, flags, session, seq, payload)
    return _other(event, session, at)


def _other(event: Event, session: int, at: At) -> Draft:
    if isinstance(event, Cursor):
        payload = _CURSOR.pack(at.mono_ns, event.event, RESULTS.index(event.result))
        payload += bytes([event.code]) + event.reason.encode("utf-8", "surrogateescape")
        return Draft(int(Kind.CURSOR), 0, 0, session, event.seq, payload)
    if isinstance(event, Reserved):
        payload = b'{"epoch":%d}' % event.epoch
        return Draft(int(Kind.RESERVATION), 0, 0, session, event.through, payload)
    if isinstance(event, EpochOpened):
        return Draft(int(Kind.EPOCH), 0, 0, session, 0, _json.encode(event))
    assert isinstance(event, StateEvent)
    kind = Kind.OPERATOR if isinstance(event, OperatorSet) else Kind.STATE
    return Draft(int(kind), 0, 0, session, 0, _json.encode(event))


def decode(record: Record) -> Event | Input | None:
    """The event or input that a record holds; None for kinds that are none of the session core's.

    ``ValueError`` (msgspec's included) or ``Malformed`` for a payload that the core did not write.
    """
    kind, payload = record.kind, record.payload
    if kind == Kind.IN:
        raw = payload[_IN_HEAD.unpack_from(payload)[0] :]
        flags = record.flags & ~_NOT_JUDGEMENT
        if flags & Flag.REDACTED:
            return In(record.seq, flags, sealed(raw), raw)
        return In(record.seq, flags, parse(raw))
    if kind == Kind.OUT:
        head, _, cause = _OUT_HEAD.unpack_from(payload)
        raw, key = payload[head:], payload[_OUT_HEAD.size : head]
        flags = record.flags & ~_NOT_JUDGEMENT
        return Out(record.seq, flags, msg_type_of(raw), raw, cause, key)
    if kind == Kind.CURSOR:
        _, event, result = _CURSOR.unpack_from(payload)
        code = payload[_CURSOR.size] if len(payload) > _CURSOR.size else 0
        reason = payload[_CURSOR.size + 1 :].decode("utf-8", "surrogateescape")
        return Cursor(event, record.seq, RESULTS[result], reason, code)
    if kind == Kind.RESERVATION:
        return Reserved(_reservation_decoder.decode(payload).epoch, record.seq)
    if kind == Kind.EPOCH:
        return _epoch_decoder.decode(payload)
    if kind in (Kind.STATE, Kind.OPERATOR) and record.session:
        found: Event = _event_decoder.decode(payload)
        return found
    if kind == Kind.INPUT and record.session:
        inp: Input = _input_decoder.decode(payload)
        return inp
    return None


def monotonic_ns(record: Record) -> int | None:
    """Monotonic time of the step, from a record that can be its first; None for the others."""
    kind, payload = record.kind, record.payload
    if kind in (Kind.IN, Kind.OUT):
        mono: int = _IN_HEAD.unpack_from(payload)[1]
        return mono
    if kind == Kind.CURSOR:
        mono = _CURSOR.unpack_from(payload)[0]
        return mono
    if kind == Kind.INPUT and record.session:
        return _mono_decoder.decode(payload).mono
    return None
