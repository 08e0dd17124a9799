"""A frame came in: judge it, and answer, deliver, hold or refuse it.

Owns the order of judgement inside a session: faults, Logon, a reset on its way, then the number
(sequence.py). A frame is judged once, now or later: a fresh one becomes an ``In``, one that was
queued behind a gap or held during authentication becomes a ``Dequeued``; ``Arrival.record`` hides
that.

The usual case, an application message with the expected number and nothing else going on, is
decided at the top of ``received``; all others take the long way, which gives the same events for
it.
"""

from __future__ import annotations

from ..wire.framing import Frame
from . import logon, sequence
from .answer import (
    HEARTBEAT,
    LOGON,
    LOGOUT,
    REJECT,
    SEQUENCE_RESET,
    SESSION_TYPES,
    TEST_REQUEST,
    logout,
    note_evidence,
    reject,
)
from .arrival import CONSUMED, COPY, DELIVER, QUEUED, Arrival
from .check import Fault, Validator, fault_of, number_of
from .effects import Deliver
from .emitter import Emitter
from .events import In, LivenessChanged, Noted
from .inputs import Authenticated, Received
from .secrets import has_secrets
from .table import LOGGED_ON

TALKING = LOGGED_ON | {"leaving"}
"""Logon states in which the numbers of frames count."""
LATE = frozenset({"checking", "rechecking"})
"""Logon states in which frames are held until the verdict."""


def received(step: Emitter, inp: Received, validator: Validator | None) -> None:
    """Take one frame. Nothing happens while the link is down."""
    state, frame = step.state, inp.frame
    if state.link != "up":
        return
    if state.logon != "on" and (state.logon in LATE or state.logon not in TALKING):
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
        and not has_secrets(frame)
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
    sequence.settle(step)
    if state.link == "up" and 369 in frame:
        _check_processed(step, frame)


def authenticated(step: Emitter, inp: Authenticated, validator: Validator | None) -> None:
    """The verdict on the waiting Logon; afterwards what was held meanwhile is judged in order."""
    state = step.state
    if state.waiting is None or state.logon not in LATE:
        return
    logon.verdict(step, inp)
    while state.link == "up" and state.held:
        if state.logon in LATE:
            return
        source, frame = state.held[0]
        arrival = Arrival(frame, frame.seq_num, frame.msg_type, source, "held while authenticating")
        assert state.names is not None
        fault = fault_of(frame, state.names, step.settings, step.at.utc_ns, validator)
        judge(step, arrival, fault)
    sequence.settle(step)


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
        sequence.reset(step, a)
    elif a.seq > state.next_in:
        sequence.too_high(step, a)
    elif a.seq < state.next_in:
        sequence.too_low(step, a)
    else:
        sequence.in_sequence(step, a)


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
    elif a.msg_type == REJECT and fault.answer == "reject":
        # Two engines that reject each other's Rejects would never end.
        step.emit(Noted("faulty-reject", f"reason {fault.reason}, tag {fault.tag}", max(a.seq, 0)))
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
        step.write(HEARTBEAT, sequence.test_id(a))


def _check_processed(step: Emitter, frame: Frame) -> None:
    """369: the peer cannot have processed what we never sent (rule 7)."""
    claimed, sent = number_of(frame, 369) or 0, step.state.next_out - 1
    if claimed > sent and step.names.version.last_processed:
        note_evidence(step, claimed, f"the peer processed {claimed}, but only {sent} were sent")
