"""Application messages going out, and handlers that finished.

Owns what the session adds to a message (header, number, time), what it refuses, and the answer to a
message that the application refused. An application send is its own input: its OUT record is all
that a re-run needs.
"""

from __future__ import annotations

from ...journal.record import Flag
from ..wire.encode import encode
from ..wire.tags import HEADER_TAGS, SESSION_TAGS
from .answer import refuse_message
from .effects import SendBytes
from .emitter import Emitter, compose, split_header
from .events import Cursor, Out
from .inputs import HandlerDone, Send
from .refusal import Refusal
from .secrets import ALWAYS, RAW_DATA, masked_fields

COMMAND = int(Flag.COMMAND)
REDACTED = int(Flag.REDACTED)
_NO_FIELDS = frozenset(SESSION_TAGS) | HEADER_TAGS | {*ALWAYS, RAW_DATA}
_SOON = frozenset({"sent", "checking", "rechecking", "probing", "resetting"})
"""Logon states that end soon: a send waits."""
_NOT_LOGGED_ON = Refusal("not-logged-on", "the session is not logged on")
_WAIT = Refusal("wait", "the logon is not finished, or a resend is being answered")


def sent(step: Emitter, inp: Send) -> Refusal | None:
    """Number, journal and send an application message, or say why not."""
    state = step.state
    key = inp.key
    if key and (first := state.keys.get(key)) is not None:
        return Refusal("duplicate", "a message with this key was sent", first[0], first[1])
    if state.logon != "on":
        return _WAIT if state.logon in _SOON else _NOT_LOGGED_ON
    if state.asks:
        return _WAIT
    names = state.names
    assert names is not None, "configured first"
    fields, seq, msg_type = inp.fields, state.next_out, inp.msg_type
    kept, flags = b"", COMMAND
    if names.extra or not _NO_FIELDS.isdisjoint(dict(fields)):
        head, body = split_header(fields)
        for tag, _ in fields:
            if tag in SESSION_TAGS:
                return Refusal("forbidden-field", f"{tag}: {SESSION_TAGS[tag]}")
        stamp = names.stamp(step.at.utc_ns)
        raw = compose(names, msg_type, seq, stamp, body, head)
        masked = masked_fields(msg_type, body)
        if masked is not body:
            kept, flags = compose(names, msg_type, seq, stamp, masked, head), COMMAND | REDACTED
    else:
        raw = encode(
            names.begin_string,
            [
                (35, msg_type),
                (34, b"%d" % seq),
                (49, names.sender),
                (52, names.stamp(step.at.utc_ns)),
                (56, names.target),
                *fields,
            ],
        )
    step.emit(Out(seq, flags, msg_type, kept or raw, inp.cause, key))
    step.effects.append(SendBytes(raw, seq))
    if (state.reserved - seq) * 2 < names.reservation_block:
        step.reserve()
    return None


def handler_done(step: Emitter, inp: HandlerDone) -> None:
    """The application finished a message; a refusal is answered on the wire if it can be."""
    state = step.state
    frame = state.frames.get(inp.event)
    if frame is None:
        return
    step.emit(Cursor(inp.event, inp.seq, inp.result, inp.reason, inp.code))
    if inp.result == "parked":
        step.alert("parked", f"message {inp.seq} was given up: {inp.reason}")
    elif inp.result == "refused":
        if state.logon == "on":
            refuse_message(step, frame, inp.seq, inp.reason, inp.code)
        else:
            step.alert("refusal-unsent", f"message {inp.seq} was refused while logged out")
