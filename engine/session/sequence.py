"""The expected number: what a frame does that is too high, too low, or the one we wait for.

Owns gaps and their queue, duplicates, SequenceReset, and the answers to session messages that are
in sequence. Faults, Logons and frames of an epoch that ends were sorted out before (receive.py).

Invariant (session rule 1): the expected number moves only by the message that carries it, by a
GapFill, or by a Reset. A Logout, Reject or ResendRequest too high or too low is taken all the same
and moves nothing.
"""

from __future__ import annotations

from . import logon
from .answer import (
    HEARTBEAT,
    LOGOUT,
    REJECT,
    RESEND_REQUEST,
    RESET_ID,
    SEQUENCE_RESET,
    SESSION_TYPES,
    TEST_REQUEST,
    answer_resend_request,
    ask_again,
    logout,
    reject,
)
from .arrival import CONSUMED, COPY, DELIVER, QUEUED, Arrival
from .check import (
    BAD_FORMAT,
    MISSING,
    NO_VALUE,
    OUT_OF_RANGE,
    SENDING_TIME,
    Fault,
    number_fault,
    number_of,
)
from .effects import Deliver
from .emitter import Emitter
from .events import GapChanged, InboundMoved, Noted, Superseded


def too_high(step: Emitter, a: Arrival) -> None:
    state = step.state
    if a.msg_type == LOGOUT:
        a.record(step, COPY)
        logon.logout_received(step, a)
        return
    known = a.seq in state.queue
    fits = len(a.frame.raw) + state.queue_bytes <= step.settings.queue_bytes_max
    number = a.record(step, QUEUED if fits and not known else COPY)
    if a.msg_type == RESEND_REQUEST and not known:
        answer_resend_request(step, a.frame)
    elif a.msg_type == REJECT and not known:
        note_reject(step, a)
    if state.gap == "none" and state.logon != "leaving":
        ask_again(step, a.seq - 1, 1, f"expected {state.next_in}, received {a.seq}")
    if not fits and not known:
        step.emit(Superseded((number,), (a.seq,), "no room in the queue; it is asked for again"))
        step.alert("queue-full", f"{state.queue_bytes} bytes wait behind {state.next_in}")


def too_low(step: Emitter, a: Arrival) -> None:
    a.record(step, COPY)
    if a.frame.get(43) == b"Y":
        _duplicate(step, a)
    elif a.msg_type == LOGOUT:
        logon.logout_received(step, a)
    elif a.msg_type == RESEND_REQUEST:
        answer_resend_request(step, a.frame)
    elif a.msg_type == REJECT:
        note_reject(step, a)
    else:
        logon.too_low(step, a.seq)


def _duplicate(step: Emitter, a: Arrival) -> None:
    """A copy with 43=Y of what we have: ignored, but its 122 must be there, not behind 52."""
    if a.msg_type == SEQUENCE_RESET:
        return
    original = a.frame.get(122)
    if not original:
        reject(step, a.frame, Fault("reject", MISSING, 122))
        return
    seconds = step.names.seconds
    try:
        late = seconds(original) > seconds(a.frame[52])
    except ValueError:
        reject(step, a.frame, Fault("reject", BAD_FORMAT, 122))
        return
    if late:
        reject(step, a.frame, Fault("reject", SENDING_TIME))
        logout(step, "", f"rejected {a.seq}: OrigSendingTime behind SendingTime")


def reset(step: Emitter, a: Arrival) -> None:
    """SequenceReset-Reset: its own number means nothing, the new one may not be lower (rule 1)."""
    a.record(step, COPY)
    state = step.state
    fault = number_fault(a.frame, 36)
    to = number_of(a.frame, 36) or 0
    if fault is None and to < state.next_in:
        fault = Fault("reject", OUT_OF_RANGE)
    if fault is not None:
        reject(step, a.frame, fault)
        return
    step.supersede(list(state.queue), f"SequenceReset to {to}")
    if to > state.next_in:
        step.emit(InboundMoved(state.next_in, to, "SequenceReset"))
    if state.gap != "none":
        step.emit(GapChanged("filled", "none", f"the peer goes on at {to}"))


def in_sequence(step: Emitter, a: Arrival) -> None:
    """The expected number: it moves, whatever the message is."""
    if a.msg_type not in SESSION_TYPES:
        number = a.record(step, CONSUMED | DELIVER)
        step.effect(Deliver(number, a.seq, a.frame))
        return
    a.record(step, CONSUMED)
    if a.msg_type == LOGOUT:
        logon.logout_received(step, a)
    elif a.msg_type == TEST_REQUEST:
        _answer_test(step, a)
    elif a.msg_type == HEARTBEAT:
        if step.state.logon == "probing" and a.frame.get(112) == RESET_ID:
            logon.probe_answered(step)
    elif a.msg_type == SEQUENCE_RESET:
        _gap_fill(step, a)
    elif a.queued:
        pass  # Logon, ResendRequest and Reject were taken when they came
    elif a.msg_type == RESEND_REQUEST:
        answer_resend_request(step, a.frame)
    elif a.msg_type == REJECT:
        note_reject(step, a)


def test_id(a: Arrival) -> list[tuple[int, bytes]]:
    value = a.frame.get(112)
    return [(112, value)] if value else []


def _answer_test(step: Emitter, a: Arrival) -> None:
    value = a.frame.get(112)
    if value:
        step.write(HEARTBEAT, [(112, value)])
    else:
        reject(step, a.frame, Fault("reject", MISSING if value is None else NO_VALUE, 112))


def _gap_fill(step: Emitter, a: Arrival) -> None:
    """GapFill with the expected number: queued frames that it jumps over are dropped (rule 2)."""
    state = step.state
    fault = number_fault(a.frame, 36)
    to = number_of(a.frame, 36) or 0
    if fault is None and to <= a.seq:
        fault = Fault("reject", OUT_OF_RANGE, 36)
    if fault is not None:
        reject(step, a.frame, fault)
        return
    jumped = sorted(seq for seq in state.queue if seq < to)
    step.supersede(jumped, f"GapFill from {a.seq} to {to}")
    if to > state.next_in:
        step.emit(InboundMoved(state.next_in, to, f"GapFill {a.seq}"))


def settle(step: Emitter) -> None:
    """Close the gap if it is filled, and take what is next in the queue."""
    state = step.state
    while state.link == "up":
        if state.gap != "none" and state.next_in > state.gap_end:
            step.emit(GapChanged("filled", "none", f"expecting {state.next_in}"))
        entry = state.queue.get(state.next_in)
        if entry is None:
            return
        source, frame = entry
        kind = frame.msg_type
        in_sequence(step, Arrival(frame, state.next_in, kind, source, "gap filled", queued=True))


def note_reject(step: Emitter, a: Arrival) -> None:
    text = (a.frame.get(58) or b"").decode("utf-8", "replace")
    about = (a.frame.get(45) or b"?").decode("ascii", "replace")
    step.emit(Noted("peer-reject", text, number_of(a.frame, 45) or 0))
    step.alert("peer-reject", f"the peer rejected our message {about}: {text}")
