"""What can happen to a session: every event of the session core, the only things that change its
state.

``In``, ``Out``, ``Cursor``, ``EpochOpened`` and ``Reserved`` have record kinds of their own;
``OperatorSet`` is an OPERATOR record, all others are STATE records with a JSON payload
(records.py). Each event carries its cause, so that a person who reads the journal sees why
something changed, not only that it did.

Invariant: an event holds everything that ``evolve`` needs besides the state, its number and the
step's time. Nothing is derived from configuration or clock at replay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from .settings import SessionSettings

if TYPE_CHECKING:
    from ..wire.framing import Frame


class In(msgspec.Struct, frozen=True, gc=False):
    """A frame came in; ``flags`` (journal.record.Flag) say how it was judged.

    CONSUMED moved the expected number; DELIVER goes to the application; QUEUED waits behind a gap;
    COPY is kept out of the index: a duplicate, a refused or unnumbered frame, or one whose
    judgement comes with a later ``Dequeued``. CONSUMED with COPY belongs to the epoch before, while
    a reset is on its way. ``frame`` has its secrets masked;
    ``stored`` are the masked bytes with the original 10, if anything was masked.
    """

    seq: int
    flags: int
    frame: Frame
    stored: bytes = b""


class Out(msgspec.Struct, frozen=True, gc=False):
    """A frame with a new number is to be sent. COMMAND: an application message, with its cause and
    key.
    """

    seq: int
    flags: int
    msg_type: bytes
    frame: bytes
    cause: int = 0
    key: bytes = b""


class Cursor(msgspec.Struct, frozen=True, gc=False):
    """The application finished the message of ``event``: "done", "refused" or "parked"."""

    event: int
    seq: int
    result: str
    reason: str = ""
    code: int = 0


class EpochOpened(msgspec.Struct, frozen=True):
    """A new run of numbers starts, in both directions, at these. Nothing is reserved in it yet."""

    epoch: int
    next_out: int
    next_in: int
    cause: str


class Reserved(msgspec.Struct, frozen=True):
    """Outbound numbers up to ``through`` may be used in this epoch from now on."""

    epoch: int
    through: int


class StateEvent(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of the events with a JSON payload."""


class Configured(StateEvent, frozen=True, tag="configured"):
    """These settings are in force."""

    settings: SessionSettings


class LinkChanged(StateEvent, frozen=True, tag="link"):
    """The link machine moved. Down ends logon, gap, liveness, what waits and what is queued or
    being resent.
    """

    trigger: str
    to: str
    cause: str


class LogonChanged(StateEvent, frozen=True, tag="logon"):
    """The logon machine moved. ``heart_bt_int_s`` is what both sides agreed on, with "on" only."""

    trigger: str
    to: str
    cause: str
    heart_bt_int_s: int = 0


class GapChanged(StateEvent, frozen=True, tag="gap"):
    """The gap machine moved: we wait for ``begin`` to ``end``, asked for ``tries`` times."""

    trigger: str
    to: str
    cause: str
    begin: int = 0
    end: int = 0
    tries: int = 0


class LivenessChanged(StateEvent, frozen=True, tag="liveness"):
    """The liveness machine moved."""

    trigger: str
    to: str
    cause: str


class InboundMoved(StateEvent, frozen=True, tag="inbound-moved"):
    """The expected inbound number is ``to`` by a GapFill or a Reset, and by nothing else."""

    before: int
    to: int
    cause: str


class NumbersSkipped(StateEvent, frozen=True, tag="numbers-skipped"):
    """Outbound ``begin`` to ``end`` may have been used before the stop and are not used again."""

    begin: int
    end: int
    cause: str


class Dequeued(StateEvent, frozen=True, tag="dequeued"):
    """The frame of an earlier IN ``event`` (queued, held, or waiting for authentication) was judged
    now.

    ``flags`` as in ``In``; from now on it counts as received.
    """

    event: int
    seq: int
    flags: int
    cause: str


class Superseded(StateEvent, frozen=True, tag="superseded"):
    """Queued frames were dropped: a GapFill or Reset jumped over them, or there was no room."""

    events: tuple[int, ...]
    seqs: tuple[int, ...]
    cause: str


class ResendAsked(StateEvent, frozen=True, tag="resend-asked"):
    """The peer asked for ``begin`` to ``end``; the range is fixed from now on."""

    begin: int
    end: int
    cause: str


class Resent(StateEvent, frozen=True, tag="resent"):
    """One batch of an answer: ``runs`` of ``begin`` to ``end`` went out with this 52."""

    begin: int
    end: int
    epoch: int
    sending_time: str
    runs: tuple[tuple[int, int, str], ...]
    last: bool


class OperatorSet(StateEvent, frozen=True, tag="numbers-set"):
    """An operator changed the next numbers, or asked for a reset (all equal to what they were)."""

    who: str
    why: str
    before_out: int
    before_in: int
    next_out: int
    next_in: int


class Noted(StateEvent, frozen=True, tag="noted"):
    """Protocol evidence that a person may need later; ``value`` is the number it is about."""

    code: str
    text: str
    value: int = 0


JsonEvent = (
    Configured
    | LinkChanged
    | LogonChanged
    | GapChanged
    | LivenessChanged
    | InboundMoved
    | NumbersSkipped
    | Dequeued
    | Superseded
    | ResendAsked
    | Resent
    | OperatorSet
    | Noted
)
Event = In | Out | Cursor | EpochOpened | Reserved | JsonEvent
