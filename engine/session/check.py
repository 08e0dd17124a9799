"""What must be right with a frame before its number counts, without a dictionary.

Owns the checks of BeginString, the session's own header fields, SendingTime and CompIDs, in the
order that is expected of an engine; the reject reasons and their words; and the one hook for
validation by a dictionary. It answers with a ``Fault`` and touches nothing.

A validator is a function of the frame alone: the same frame must always give the same verdict, or a
re-run of the journal would differ.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from ..wire.framing import Frame
from .settings import SessionSettings
from .state import Names

REASON_TEXTS = {
    0: "Invalid tag number",
    1: "Required tag missing",
    2: "Tag not defined for this message type",
    3: "Undefined tag",
    4: "Tag specified without a value",
    5: "Value is incorrect (out of range) for this tag",
    6: "Incorrect data format for value",
    9: "CompID problem",
    10: "SendingTime accuracy problem",
    11: "Invalid MsgType",
    13: "Tag appears more than once",
    14: "Tag specified out of required order",
    15: "Repeating group fields out of order",
    16: "Incorrect NumInGroup count for repeating group",
}
"""SessionRejectReason (373) and the words that go with it."""

MISSING, NO_VALUE, OUT_OF_RANGE, BAD_FORMAT, COMP_ID, SENDING_TIME, REPEATED = 1, 4, 5, 6, 9, 10, 13


class Violation(NamedTuple):
    """What a validator found: SessionRejectReason, the tag it is about, words of its own or ""."""

    reason: int
    ref_tag: int | None = None
    text: str = ""


class Validator(Protocol):
    """The hook for dictionary validation; runs behind the BeginString check, ahead of the rest."""

    def __call__(self, frame: Frame) -> Violation | None:
        """The first violation of the frame, or None."""
        ...


class Fault(NamedTuple):
    """What is wrong and how it is answered.

    "reject": Reject. "reject-logout": Reject, then Logout without text. "logout": Logout with
    ``text``, wait for the reply. "fatal": Logout with ``text``, close at once (a frame that cannot
    be numbered).
    """

    answer: Literal["reject", "reject-logout", "logout", "fatal"]
    reason: int = 0
    tag: int | None = None
    text: str = ""


WRONG_BEGIN_STRING = Fault("logout", text="Incorrect BeginString")
NO_SEQ_NUM = Fault("fatal", MISSING, 34, "MsgSeqNum missing or no number")
WRONG_COMP_ID = Fault("reject-logout", COMP_ID)
WRONG_TIME = Fault("reject-logout", SENDING_TIME)


def fault_of(
    frame: Frame,
    names: Names,
    settings: SessionSettings,
    utc_ns: int,
    validator: Validator | None = None,
) -> Fault | None:
    """The first fault of a frame, or None. ``utc_ns`` is the time of the step."""
    if frame.begin_string != names.begin_string:
        return WRONG_BEGIN_STRING
    if validator is not None and (violation := validator(frame)) is not None:
        if frame.seq_num >= 0:
            return Fault("reject", *violation)
        return NO_SEQ_NUM
    get, count = frame.get, frame.count
    sender, target, text = get(49), get(56), get(52)
    if not (sender and target and text) or frame.seq_num < 0:
        return _incomplete(frame)
    if count(34) > 1 or count(49) > 1 or count(52) > 1 or count(56) > 1:
        return _repeated(frame)
    try:
        apart_ns = utc_ns - names.seconds(text)
    except ValueError:
        return Fault("reject", BAD_FORMAT, 52)
    latency_ns = names.latency_ns
    if latency_ns and not -latency_ns <= apart_ns <= latency_ns:
        return WRONG_TIME
    if (sender != names.target or target != names.sender) and settings.check_comp_id:
        return WRONG_COMP_ID
    return None


def _incomplete(frame: Frame) -> Fault:
    """A session field of the header is missing, empty or no number."""
    if frame.seq_num < 0:
        return NO_SEQ_NUM
    for tag in (49, 56, 52):
        value = frame.get(tag)
        if not value:
            return Fault("reject", MISSING if value is None else NO_VALUE, tag)
    raise AssertionError("nothing is missing")


def _repeated(frame: Frame) -> Fault:
    """A session field of the header stands there twice."""
    tag = next(tag for tag in (34, 49, 52, 56) if frame.count(tag) > 1)
    return Fault("reject", REPEATED, tag)


def number_of(frame: Frame, tag: int) -> int | None:
    """Value of a numeric session field: -1 if it is no plain number, None if it is absent."""
    text = frame.get(tag)
    if text is None:
        return None
    return int(text) if text.isdigit() and len(text) <= 18 else -1


def number_fault(frame: Frame, *tags: int) -> Fault | None:
    """A Fault if one of these fields is missing, empty or no plain number."""
    for tag in tags:
        value = frame.get(tag)
        if value is None:
            return Fault("reject", MISSING, tag)
        if not value:
            return Fault("reject", NO_VALUE, tag)
        if number_of(frame, tag) == -1:
            return Fault("reject", BAD_FORMAT, tag)
    return None
