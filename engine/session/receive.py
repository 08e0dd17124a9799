"""A frame came in: judge it, move the expected number, answer, deliver.

Owns the order of judgement inside a session: faults, then the number (too high, too low, in
sequence), then the message type. Logons are taken by logon.py. A frame is judged once, now or
later: a fresh one becomes an ``In``, one that was queued behind a gap or held during authentication
becomes a ``Dequeued``; ``Arrival.record`` hides that.

Invariant (session rule 1): the expected number moves only by the message that carries it, by a
GapFill, or by a Reset.
"""

from __future__ import annotations

from ..wire.framing import Frame
from . import logon
from .answer import (
    HEARTBEAT,
    LOGON,
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
    note_evidence,
    reject,
)
from .arrival import CONSUMED, COPY, DELIVER, QUEUED, Arrival
from .check import (
    MISSING,
    OUT_OF_RANGE,
    SENDING_TIME,
    Fault,
    Validator,
    fault_of,
    number_fault,
    number_of,
)
from .effects import Deliver
from .emitter import Emitter
from .events import GapChanged, In, InboundMoved, LivenessChanged, Noted, Superseded
from .inputs import Authenticated, Received
from .secrets import secret_tags
from .table import LOGGED_ON

LATE = frozenset({"checking", "rechecking"})
"""Logon states in which frames are held until the verdict."""


def received(step: Emitter, inp: Received, validator: Validator | None) -> None:
    """Take one frame. Nothing happens while the link is down."""
    state, frame = step.state, inp.frame
    if state.link != "up":
        return
    talking = state.logon in LOGGED_ON or state.logon == "leaving"
    if not talking or state.logon in LATE:
        arrival = Arrival(frame, frame.seq_num, frame.msg_type, stored=inp.stored)
        if state.logon in LATE:
            _hold(step, arrival)
        else:
            logon.first_frame(step, arrival, validator)
        return
    assert state.names is not None and state.settings is not None
    fault = fault_of(frame, state.names, state.settings, step.at.utc_ns, validator)
    seq, msg_type = frame.seq_num, frame.msg_type
    if (
        fault is None
        and seq == state.next_in
        and msg_type not in SESSION_TYPES
        and state.gap == "none"
        and state.logon != "resetting"
        and not secret_tags(frame)
    ):
        number = step.emit(In(seq, CONSUMED | DELIVER, frame))
        step.effects.append(Deliver(number, seq, frame))
        if state.liveness == "asked":
            step.emit(LivenessChanged("frame", "alive", "a frame came in"))
        if 369 in frame:
            _check_processed(step, frame)
        return
    arrival = Arrival(frame, seq, msg_type, stored=inp.stored)
    judge(step, arrival, fault)
    settle(step)
    if state.link == "up" and 369 in frame:
        _check_processed(step, frame)


def authenticated(step: Emitter, inp: Authenticated, validator: Validator | None) -> None:
    """The verdict on the waiting Logon; afterwards what was held meanwhile is judged in order."""
    state = step.state
    if state.waiting is None:
        return
    logon.verdict(step, inp)
    while state.link == "up" and state.held:
        source, frame = state.held[0]
        arrival = Arrival(frame, frame.seq_num, frame.msg_type, source, "held while authenticating")
        if state.logon in LATE:
            return
        assert state.names is not None
        fault = fault_of(frame, state.names, step.settings, step.at.utc_ns, validator)
        judge(step, arrival, fault)
    settle(step)


def _hold(step: Emitter, a: Arrival) -> None:
    """Keep a frame until the Logon ahead of it was judged, up to the bound of the queue."""
    room = step.settings.queue_bytes_max - step.state.held_bytes
    if len(a.frame.raw) > room:
        a.record(step, COPY)
        step.alert("held-too-much", "the peer sends without end while its Logon is checked")
        step.close("too much before authentication")
        return
    a.record(step, COPY | QUEUED)


def judge(step: Emitter, a: Arrival, fault: Fault | None) -> None:
    """Decide about one frame inside a session: fault, Logon, reset on its way, then the number."""
    state = step.state
    if fault is not None:
        _faulty(step, a, fault)
    elif a.msg_type == LOGON:
        logon.inside(step, a)
    elif state.logon == "resetting":
        _in_flight(step, a)
    elif a.msg_type == SEQUENCE_RESET and a.frame.get(123) != b"Y":
        _reset(step, a)
    elif a.seq > state.next_in:
        _too_high(step, a)
    elif a.seq < state.next_in:
        _too_low(step, a)
    else:
        _in_sequence(step, a)


def _consumed(step: Emitter, a: Arrival) -> int:
    """CONSUMED if the frame carries the expected number, else COPY."""
    state = step.state
    if state.logon == "resetting":
        return CONSUMED | COPY if a.seq == state.old_in else COPY
    return CONSUMED if a.seq == state.next_in else COPY


def _faulty(step: Emitter, a: Arrival, fault: Fault) -> None:
    unnumbered = a.msg_type == SEQUENCE_RESET and a.frame.get(123) != b"Y"
    a.record(step, COPY if unnumbered or a.msg_type == LOGON else _consumed(step, a))
    if fault.answer == "fatal":
        logout(step, fault.text, fault.text)
        step.close(fault.text, drain=True)
    elif fault.answer == "logout":
        logout(step, fault.text, fault.text)
    else:
        reject(step, a.frame, fault)
        if fault.answer == "reject-logout":
            logout(step, "", f"rejected {a.seq}: reason {fault.reason}")


def _in_flight(step: Emitter, a: Arrival) -> None:
    """Our reset is on its way: the peer's frames still belong to the epoch before (rule 17)."""
    if a.msg_type == LOGOUT:
        a.record(step, COPY)
        logon.logout_received(step, a)
        return
    flags = _consumed(step, a)
    application = a.msg_type not in SESSION_TYPES and flags & CONSUMED
    number = a.record(step, flags | DELIVER if application else flags)
    if application:
        step.effect(Deliver(number, a.seq, a.frame))
    elif a.msg_type == TEST_REQUEST:
        step.write(HEARTBEAT, _test_id(a))


def _too_high(step: Emitter, a: Arrival) -> None:
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
        _alert_reject(step, a)
    if state.gap == "none" and state.logon != "leaving":
        ask_again(step, a.seq - 1, 1, f"expected {state.next_in}, received {a.seq}")
    if not fits and not known:
        step.emit(Superseded((number,), (a.seq,), "no room in the queue; it is asked for again"))
        step.alert("queue-full", f"{state.queue_bytes} bytes wait behind {state.next_in}")


def _too_low(step: Emitter, a: Arrival) -> None:
    a.record(step, COPY)
    if a.frame.get(43) == b"Y":
        _duplicate(step, a)
    elif a.msg_type == LOGOUT:
        logon.logout_received(step, a)
    elif a.msg_type == RESEND_REQUEST:
        answer_resend_request(step, a.frame)
    elif a.msg_type == REJECT:
        _alert_reject(step, a)
    else:
        logon.too_low(step, a.seq)


def _duplicate(step: Emitter, a: Arrival) -> None:
    """A copy with 43=Y of what we have: ignored, but its 122 must be there and not behind its 52."""
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
        reject(step, a.frame, Fault("reject", 6, 122))
        return
    if late:
        reject(step, a.frame, Fault("reject", SENDING_TIME))
        logout(step, "", f"rejected {a.seq}: OrigSendingTime behind SendingTime")


def _reset(step: Emitter, a: Arrival) -> None:
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


def _in_sequence(step: Emitter, a: Arrival) -> None:
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
            logon.send_reset(step)
    elif a.msg_type == SEQUENCE_RESET:
        _gap_fill(step, a)
    elif a.queued:
        pass  # Logon, ResendRequest and Reject were taken when they came
    elif a.msg_type == RESEND_REQUEST:
        answer_resend_request(step, a.frame)
    elif a.msg_type == REJECT:
        _alert_reject(step, a)


def _test_id(a: Arrival) -> list[tuple[int, bytes]]:
    value = a.frame.get(112)
    return [(112, value)] if value else []


def _answer_test(step: Emitter, a: Arrival) -> None:
    value = a.frame.get(112)
    if value:
        step.write(HEARTBEAT, [(112, value)])
    else:
        reject(step, a.frame, Fault("reject", MISSING if value is None else 4, 112))


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
        _in_sequence(step, Arrival(frame, state.next_in, kind, source, "gap filled", queued=True))


def _alert_reject(step: Emitter, a: Arrival) -> None:
    text = (a.frame.get(58) or b"").decode("utf-8", "replace")
    about = (a.frame.get(45) or b"?").decode("ascii", "replace")
    step.emit(Noted("peer-reject", text, number_of(a.frame, 45) or 0))
    step.alert("peer-reject", f"the peer rejected our message {about}: {text}")


def _check_processed(step: Emitter, frame: Frame) -> None:
    """369: the peer cannot have processed what we never sent (rule 7)."""
    claimed, sent = number_of(frame, 369) or 0, step.state.next_out - 1
    if claimed > sent and step.names.version.last_processed:
        note_evidence(step, claimed, f"the peer processed {claimed}, but only {sent} were sent")
