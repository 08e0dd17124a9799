"""Getting on and off: link up, Logon in both roles, its verdict, reset inside the session, Logout.

Owns the order of session rule 16: identity, SendingTime, authentication, only then reset, then
MsgSeqNum. Until the verdict the Logon waits in state and nothing else changes, so a Logon that
fails changes no number and no epoch (P8).

A reset that we start inside a session (rule 17) asks for a Heartbeat first; then the new epoch is
opened and our Logon sent, and until the reply the peer's frames count in the epoch before.
"""

from __future__ import annotations

from typing import NamedTuple

from .answer import (
    LOGON,
    LOGOUT,
    RESET_ID,
    TEST_REQUEST,
    ask_again,
    logout,
    note_evidence,
    start_resend,
    text_field,
)
from .arrival import CONSUMED, COPY, QUEUED, Arrival
from .check import Validator, fault_of, number_of
from .effects import AskAuthentication, LoggedOn
from .emitter import Emitter, Fields
from .events import GapChanged, LinkChanged, LogonChanged
from .inputs import Authenticated

HEART_BT_INT_MAX_S = 86_400
"""A longer interval is no heartbeat; 0 turns them off."""


def connected(step: Emitter, peer: str) -> None:
    """The link is up. An initiator sends its Logon; an acceptor waits for one."""
    step.emit(LinkChanged("connected", "up", peer))
    step.reserve()
    settings = step.settings
    if settings.role == "acceptor":
        return
    if settings.reset_on_logon:
        step.restart_numbers("reset on logon")
    _write_logon(step, settings.heart_bt_int_s, reset=settings.reset_on_logon)
    step.emit(LogonChanged("logon-sent", "sent", "link up"))


def _write_logon(step: Emitter, heart_bt_int_s: int, *, reset: bool) -> None:
    version, settings = step.names.version, step.settings
    body: Fields = [(98, b"0"), (108, b"%d" % heart_bt_int_s)]
    if reset and version.reset_flag:
        body.append((141, b"Y"))
    if settings.send_next_expected and version.next_expected:
        body.append((789, b"%d" % step.state.next_in))
    if version.appl_ver:
        body.append((1137, settings.default_appl_ver_id.encode()))
    step.write(LOGON, body)


def first_frame(step: Emitter, a: Arrival, validator: Validator | None) -> None:
    """A frame before the session is logged on: a Logon, or the end of the connection."""
    state, settings = step.state, step.settings
    fault = fault_of(a.frame, step.names, settings, step.at.utc_ns, validator)
    if a.msg_type == LOGOUT and state.logon == "sent" and fault is None:
        _logon_refused(step, a)
        return
    if a.msg_type != LOGON or (settings.role == "initiator" and state.logon != "sent"):
        a.record(step, COPY)
        step.close("first message is no Logon")
        return
    why = _unusable(step, a) if fault is None else fault.text or f"reason {fault.reason}"
    if why:
        a.record(step, COPY)
        refuse(step, f"Logon refused: {why}")
        return
    a.record(step, COPY | QUEUED)
    if settings.role == "acceptor":
        step.emit(LogonChanged("logon-received", "checking", f"Logon {a.seq}"))
        step.effect(AskAuthentication(a.frame))
    else:
        a.cause = "reply to our Logon"
        _take(step, a)


def _unusable(step: Emitter, a: Arrival) -> str:
    """Why a Logon cannot be taken whoever sent it, or ""."""
    if (a.frame.get(98) or b"0") != b"0":
        return "EncryptMethod is not 0"
    heart_bt_int_s = number_of(a.frame, 108)
    if heart_bt_int_s is None or not 0 <= heart_bt_int_s <= HEART_BT_INT_MAX_S:
        return "HeartBtInt missing or out of range"
    if step.names.version.appl_ver and not a.frame.get(1137):
        return "DefaultApplVerID missing"
    return ""


def _logon_refused(step: Emitter, a: Arrival) -> None:
    """A Logout in answer to our Logon."""
    a.record(step, CONSUMED if a.seq == step.state.next_in else COPY)
    text = (a.frame.get(58) or b"").decode("utf-8", "replace")
    step.alert("logon-refused", f"the peer answered our Logon with a Logout: {text}")
    step.close(f"Logon refused by the peer: {text}")


def refuse(step: Emitter, reason: str) -> None:
    """End a connection whose Logon failed, silently or with a Logout, as configured."""
    step.alert("logon-refused", reason)
    loud = step.settings.logon_refusal == "logout" and step.settings.role == "acceptor"
    if loud:
        step.write(LOGOUT, text_field(reason))
    step.close(reason, drain=loud)


def verdict(step: Emitter, inp: Authenticated) -> None:
    """Authentication of the waiting Logon is done."""
    state = step.state
    assert state.waiting is not None
    source, frame = state.waiting
    if not inp.ok:
        refuse(step, f"authentication failed: {inp.reason}" if inp.reason else "not authenticated")
        return
    _take(step, Arrival(frame, frame.seq_num, LOGON, source, "authenticated"))


class _Numbers(NamedTuple):
    """What a Logon meets once a reset it asks for is done; ``cause`` of that reset, "" for none."""

    next_out: int
    next_in: int
    cause: str


def _numbers(step: Emitter, a: Arrival) -> _Numbers:
    state, settings = step.state, step.settings
    asked = step.names.version.reset_flag and a.frame.get(141) == b"Y"
    if state.logon == "sent":
        if asked and not settings.reset_on_logon:
            # The peer starts at 1; our Logon has its number already and keeps it. What the
            # peer then misses below it, it asks for, and gets as a GapFill.
            return _Numbers(state.next_out, 1, "141=Y in the reply to our Logon")
        return _Numbers(state.next_out, state.next_in, "")
    if asked:
        return _Numbers(1, 1, "141=Y in the peer's Logon")
    if settings.reset_on_logon:
        return _Numbers(1, 1, "reset on logon")
    return _Numbers(state.next_out, state.next_in, "")


def _take(step: Emitter, a: Arrival) -> None:
    """An authenticated Logon: reset if asked, then MsgSeqNum, then the reply and what follows."""
    state, version = step.state, step.names.version
    before = state.logon
    numbers = _numbers(step, a)
    expected = number_of(a.frame, 789) if version.next_expected else None
    if a.seq < numbers.next_in:
        a.record(step, COPY)
        too_low(step, a.seq, numbers.next_in)
        return
    if expected is not None and expected > numbers.next_out:
        _ahead(step, a, expected, numbers.next_out)
        return
    if numbers.cause and (numbers.next_out, numbers.next_in) != (state.next_out, state.next_in):
        step.open_epoch(numbers.next_out, numbers.next_in, numbers.cause)
    high = a.seq > state.next_in
    a.record(step, QUEUED if high else CONSUMED)
    heart_bt_int_s = number_of(a.frame, 108) or 0
    reply_seq = state.next_out
    if before != "sent":
        reset = a.frame.get(141) == b"Y"
        _write_logon(step, heart_bt_int_s, reset=reset)
    step.emit(LogonChanged("accepted", "on", f"Logon {a.seq}", heart_bt_int_s))
    step.sync = True
    if before != "rechecking":
        step.effect(LoggedOn())
    if high:
        _after_high_logon(step, a.seq)
    if expected is not None and 0 < expected < reply_seq:
        start_resend(step, expected, state.next_out - 1, f"789={expected} in Logon {a.seq}")


def _after_high_logon(step: Emitter, seq: int) -> None:
    """Frames are missing ahead of the Logon: ask, or wait for what our 789 asked for (rule 10)."""
    state = step.state
    cause = f"expected {state.next_in}, Logon has {seq}"
    if step.settings.send_next_expected and step.names.version.next_expected:
        step.emit(GapChanged("told", "told", cause, state.next_in, seq - 1, 1))
    else:
        ask_again(step, seq - 1, 1, cause)


def _ahead(step: Emitter, a: Arrival, expected: int, next_out: int) -> None:
    """789 above what we sent: a finding and a Logout (rule 7)."""
    a.record(step, COPY)
    note_evidence(step, expected - 1, f"789={expected}, but the next number is {next_out}")
    text = f"NextExpectedMsgSeqNum too high, expecting {next_out} but received {expected}"
    step.write(LOGOUT, text_field(text))
    step.close(text, drain=True)


def too_low(step: Emitter, seq: int, expected: int = 0) -> None:
    """A number below the expected one without 43=Y: Logout with the numbers, and close at once."""
    text = f"MsgSeqNum too low, expecting {expected or step.state.next_in} but received {seq}"
    if step.state.logon != "leaving":
        step.write(LOGOUT, text_field(text))
    step.alert("seq-too-low", text)
    step.close(text, drain=True)


def inside(step: Emitter, a: Arrival) -> None:
    """A Logon while logged on: a reset (141=Y), the reply to ours, or a mistake."""
    state = step.state
    reset = a.frame.get(141) == b"Y" and step.names.version.reset_flag
    if reset and state.logon == "resetting" and a.seq >= state.next_in:
        high = a.seq > state.next_in
        a.record(step, QUEUED if high else CONSUMED)
        step.emit(LogonChanged("accepted", "on", "reply to our reset", state.heart_bt_int_s))
        step.sync = True
        if high:
            ask_again(step, a.seq - 1, 1, f"expected {state.next_in}, Logon has {a.seq}")
    elif reset and state.logon in ("on", "probing") and not _unusable(step, a):
        a.record(step, COPY | QUEUED)
        step.emit(LogonChanged("logon-received", "rechecking", "141=Y inside the session"))
        step.effect(AskAuthentication(a.frame))
    elif a.seq < state.next_in and a.frame.get(43) != b"Y":
        a.record(step, COPY)
        too_low(step, a.seq)
    else:
        at_number = a.seq == state.next_in and state.logon != "resetting"
        a.record(step, CONSUMED if at_number else COPY)
        if a.frame.get(43) != b"Y":
            logout(step, "Logon while logged on", f"unexpected Logon {a.seq}")


def ask_reset(step: Emitter, cause: str) -> None:
    """Start a reset inside the session: first a TestRequest, so that the line is quiet."""
    step.write(TEST_REQUEST, [(112, RESET_ID)])
    step.emit(LogonChanged("reset-asked", "probing", cause))


def probe_answered(step: Emitter) -> None:
    """The Heartbeat to our TestRequest came: open the epoch and send the Logon with 141=Y.

    Frames still behind a gap would be lost with the epoch, so then the peer is asked once more.
    """
    if step.state.queue:
        step.write(TEST_REQUEST, [(112, RESET_ID)])
        return
    step.open_epoch(1, 1, "reset inside the session")
    _write_logon(step, step.state.heart_bt_int_s, reset=True)
    step.emit(LogonChanged("probe-answered", "resetting", "Heartbeat to our TestRequest"))


def logout_received(step: Emitter, a: Arrival) -> None:
    """The peer says goodbye: answer unless we said it first, then close."""
    state = step.state
    asked = state.logon != "leaving"
    if asked:
        step.write(LOGOUT, [])
    text = (a.frame.get(58) or b"").decode("utf-8", "replace")
    cause = "Logout by the peer" if asked else "Logout answered by the peer"
    cause += f": {text}" if text else ""
    step.emit(LogonChanged("logout-received", "out", cause))
    if step.settings.reset_on_logout:
        step.restart_numbers("reset on logout")
    step.close(cause, drain=True, was_on=True)
