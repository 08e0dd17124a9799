"""What the session layer answers on its own: Reject, Logout, Heartbeat, ResendRequest, and the
start of a resend.

Owns the bodies of these messages, version by version. When they are due is decided elsewhere.
"""

from __future__ import annotations

from ..wire.framing import Frame
from .check import OUT_OF_RANGE, REASON_TEXTS, Fault, number_fault, number_of
from .effects import FetchResend
from .emitter import Emitter, Fields
from .events import GapChanged, LogonChanged, Noted, ResendAsked
from .version import Version

LOGON, HEARTBEAT, TEST_REQUEST, RESEND_REQUEST = b"A", b"0", b"1", b"2"
REJECT, SEQUENCE_RESET, LOGOUT, BUSINESS_REJECT = b"3", b"4", b"5", b"j"
SESSION_TYPES = frozenset(
    {LOGON, HEARTBEAT, TEST_REQUEST, RESEND_REQUEST, REJECT, SEQUENCE_RESET, LOGOUT}
)
"""MsgTypes of the session layer; every other one belongs to the application."""

TEST_ID, RESET_ID = b"TEST", b"RESET"
"""TestReqID (112) of our liveness check, and of the check ahead of a reset inside the session."""
_ROUTES = ((115, 128), (116, 129), (128, 115), (129, 116), (144, 145), (145, 144))


def text_field(text: str) -> Fields:
    """58, or nothing for an empty text; what would break the frame is replaced."""
    clean = text.replace("\x01", "|").encode("utf-8", "surrogateescape")
    return [(58, clean)] if clean else []


def reversed_route(frame: Frame, version: Version) -> Fields:
    """Routing fields of an answer: on-behalf-of becomes deliver-to and back."""
    return [
        (to, value)
        for at, to in _ROUTES
        if (value := frame.get(at)) and (at < 144 or version.locations)
    ]


def reject(step: Emitter, frame: Frame, fault: Fault) -> None:
    """Send a Reject for this frame."""
    version = step.names.version
    text = fault.text or REASON_TEXTS.get(fault.reason, "")
    body: Fields = [(45, b"%d" % max(frame.seq_num, 0))]
    if version.reject_fields:
        body += text_field(text)
        if fault.tag is not None:
            body.append((371, b"%d" % fault.tag))
        body.append((372, frame.msg_type))
        if fault.reason <= version.reject_reason_max:
            body.append((373, b"%d" % fault.reason))
    else:
        body += text_field(text if fault.tag is None else f"{text} ({fault.tag})")
    step.write(REJECT, body, reversed_route(frame, version))


def refuse_message(step: Emitter, frame: Frame, seq: int, reason: str, code: int) -> None:
    """The application refused a message: BusinessMessageReject from 4.2, a plain Reject before."""
    version = step.names.version
    text = reason or (version.unsupported if code == 3 else "")
    body: Fields = [(45, b"%d" % seq), *text_field(text)]
    if not version.business_reject:
        step.write(REJECT, body, reversed_route(frame, version))
        return
    body += [(372, frame.msg_type), (380, b"%d" % code)]
    if version.appl_ver:
        body.append((1137, step.settings.default_appl_ver_id.encode()))
    step.write(BUSINESS_REJECT, body, reversed_route(frame, version))


def logout(step: Emitter, text: str, cause: str) -> None:
    """Send a Logout and wait for the peer's; nothing if one was sent already."""
    if step.state.logon != "leaving":
        step.write(LOGOUT, text_field(text))
        step.emit(LogonChanged("logout-sent", "leaving", cause))


def ask_again(step: Emitter, end: int, tries: int, cause: str) -> None:
    """Send a ResendRequest from the expected number to infinity; we wait for ``end``."""
    begin = step.state.next_in
    step.emit(GapChanged("too-high", "asked", cause, begin, end, tries))
    infinity = step.names.version.infinity_out
    step.write(RESEND_REQUEST, [(7, b"%d" % begin), (16, infinity)])


def answer_resend_request(step: Emitter, frame: Frame) -> None:
    """Take a ResendRequest: fix the range and have it fetched, or reject it (session rules 7, 8,
    14).
    """
    fault = number_fault(frame, 7, 16)
    if fault is not None:
        reject(step, frame, fault)
        return
    begin, end = number_of(frame, 7) or 0, number_of(frame, 16) or 0
    top = step.state.next_out - 1
    if begin > top:
        note_evidence(step, begin - 1, f"ResendRequest from {begin}, but only {top} were sent")
        reject(step, frame, Fault("reject", OUT_OF_RANGE, 7))
        return
    if end in step.names.version.infinity_in or end > top:
        end = top
    if begin < 1 or end < begin:
        reject(step, frame, Fault("reject", OUT_OF_RANGE, 7 if begin < 1 else 16))
        return
    start_resend(step, begin, end, f"ResendRequest {frame.seq_num}")


def start_resend(step: Emitter, begin: int, end: int, cause: str) -> None:
    """Queue a range to be sent again; the first in the queue is fetched."""
    asks = step.state.asks
    if len(asks) >= step.settings.resend_asks_max:
        text = f"{cause} for {begin} to {end}: {len(asks)} others are not answered yet"
        step.emit(Noted("resend-flood", text, begin))
        step.alert("resend-flood", text)
        return
    step.emit(ResendAsked(begin, end, cause))
    if len(asks) == 1:
        step.effect(FetchResend(begin, end, step.state.epoch))


def note_evidence(step: Emitter, claimed: int, text: str) -> None:
    """The peer knows numbers that we do not remember to have sent: a finding, once per number (rule
    7).
    """
    if claimed > step.state.evidence:
        step.emit(Noted("peer-ahead", text, claimed))
        step.alert("peer-ahead", text)
