"""Records as rows: one record of a journal as named values, as one line, or as a list of fields.

Owns the shape of ``record/1``. It decodes payloads by the journal's format alone
(docs/journal-format.md), so that a record can be shown that the engine of today would refuse. It
must not open files.

Invariant: it never raises for the content of a verified record; a payload that it does not
understand is shown as bytes.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any

import msgspec

from ...journal.record import Direction, Flag, Kind, Record
from ...journal.segment import SEAL_BYTES, unpack_seal
from . import frames
from .times import rfc3339

FRAME_KINDS = frozenset({Kind.IN, Kind.OUT})
COLUMNS = (
    "position", "event", "time", "kind", "session_name", "seq", "msg_type", "flags", "text"
)  # fmt: skip
CURSOR_RESULTS = {0: "done", 1: "refused", 2: "parked"}
_HEAD = struct.Struct("<H")
_OUT_HEAD = struct.Struct("<HqQ")
_CURSOR = struct.Struct("<qQB")


def frame_of(record: Record) -> bytes:
    """The FIX frame of an IN or OUT record, or ``b""``."""
    if record.kind not in FRAME_KINDS or len(record.payload) < _HEAD.size:
        return b""
    return record.payload[_HEAD.unpack_from(record.payload)[0] :]


def cause_and_key(record: Record) -> tuple[int, bytes]:
    """Of an OUT record: the event whose handler sent it (0: none) and its idempotency key."""
    if record.kind != Kind.OUT or len(record.payload) < _OUT_HEAD.size:
        return 0, b""
    head, _, cause = _OUT_HEAD.unpack_from(record.payload)
    return cause, record.payload[_OUT_HEAD.size : head]


def cursor_of(record: Record) -> tuple[int, str]:
    """Of a CURSOR record: the event that the application finished, and with what result."""
    if record.kind != Kind.CURSOR or len(record.payload) < _CURSOR.size:
        return 0, ""
    _, event, result = _CURSOR.unpack_from(record.payload)
    return event, CURSOR_RESULTS.get(result, str(result))


def data_of(record: Record) -> dict[str, Any]:
    """What a record that is no frame says, as named values; empty if it cannot be understood."""
    if record.kind == Kind.CURSOR and len(record.payload) >= _CURSOR.size:
        event, result = cursor_of(record)
        return {"event_done": event, "result": result}
    if record.kind == Kind.HASH:
        return {"state_sha256": record.payload.hex()}
    if record.kind == Kind.SEAL and len(record.payload) == SEAL_BYTES:
        seal = unpack_seal(record.payload)
        return {
            name: value.hex() if isinstance(value, bytes) else value
            for name, value in msgspec.structs.asdict(seal).items()
        }
    try:
        value = msgspec.json.decode(record.payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def kind_name(kind: int) -> str:
    """``in``, ``state``, ``snapshot-ref``; a number for a kind that may be skipped."""
    try:
        return Kind(kind).name.lower().replace("_", "-")
    except ValueError:
        return str(kind)


def flag_names(flags: int) -> list[str]:
    """Names of the set bits; bits without a name as numbers."""
    names = [flag.name.lower() for flag in Flag if flag and flags & flag and flag.name]
    rest = flags & ~sum(Flag)
    return [*names, f"0x{rest:x}"] if rest else names


def row(record: Record, roster: Mapping[int, str]) -> dict[str, object]:
    """A record as ``record/1``: frames as ``text`` and ``raw_b64``, everything else as ``data``."""
    frame = frames.masked(frame_of(record))
    values: dict[str, object] = {
        "position": str(record.position),
        "event": record.event,
        "time": rfc3339(record.utc_ns),
        "time_ns": record.utc_ns,
        "kind": kind_name(record.kind),
        "direction": Direction(record.direction).name.lower() if record.direction < 3 else "?",
        "session": record.session,
        "session_name": roster.get(record.session, ""),
        "seq": record.seq,
        "flags": flag_names(record.flags),
        "depth": record.depth,
    }
    if frame:
        cause, key = cause_and_key(record)
        values["msg_type"] = frames.message_type(frame)
        values["text"] = frames.readable(frame)
        values["raw_b64"] = base64.b64encode(frame).decode()
        if cause:
            values["cause_event"] = cause
        if key:
            values["key"] = key.decode("utf-8", "backslashreplace")
        return values
    data = data_of(record)
    values["data"] = data
    values["text"] = (
        frames.readable(msgspec.json.encode(data)) if data else f"{len(record.payload)} bytes"
    )
    if record.payload and not data:
        values["payload_b64"] = base64.b64encode(record.payload).decode()
    return values


def line(values: Mapping[str, object]) -> str:
    """One line: place, event, time, kind, session, number and content."""
    number = f"#{values['seq']}" if values["seq"] else "-"
    name = values["session_name"] or (f"session {values['session']}" if values["session"] else "-")
    return (
        f"{values['position']}  {values['event']}  {values['time']}  {values['kind']:<11}  "
        f"{name}  {number}  {values['text']}"
    )


def vertical(values: Mapping[str, object], record: Record) -> list[str]:
    """A head line and one line a field: ``   35  D``; an empty line ends the record."""
    number = f"  MsgSeqNum {values['seq']}" if values["seq"] else ""
    flags = values["flags"]
    assert isinstance(flags, list)
    head = (
        f"{values['position']}  event {values['event']}  {values['time']}  {values['kind']}  "
        f"{values['session_name']}{number}  [{' '.join(flags)}]"
    )
    frame = frames.masked(frame_of(record))
    if frame:
        body = [
            f"  {frames.readable(tag):>5}  {frames.readable(value)}"
            for tag, value in frames.fields(frame)
        ]
    else:
        data = values.get("data")
        pairs = data.items() if isinstance(data, dict) else ()
        body = [f"  {name}: {frames.readable(msgspec.json.encode(value))}" for name, value in pairs]
    return [head, *body, ""]
