"""Everything the session core can learn: one frozen value per kind of input (session rule 21).

Inputs carry facts, never objects with behaviour: a frame that came in, a verdict, a command, a
tick. Those that are no frames and no handler results are journaled as INPUT records through
``JournaledInput``; the others are rebuilt from the first record of their step. A tick that changes
nothing leaves no trace.

Must not know: how an input came to be (sockets, clocks, threads).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from .settings import SessionSettings

if TYPE_CHECKING:
    from ..wire.framing import Frame


class At(NamedTuple):
    """When a step happened: UTC nanoseconds for the wire and the audit, monotonic nanoseconds for
    timers.
    """

    utc_ns: int
    mono_ns: int


class Input(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of all inputs."""


class Configure(Input, frozen=True, tag="configure"):
    """These settings hold from now on. The first opens epoch 1; equal ones yield nothing."""

    settings: SessionSettings


class Start(Input, frozen=True, tag="start"):
    """The engine started on this state: a link that was up is lost, and the numbers go on.

    ``clean``: the last stop was clean. ``number_from_bound``: the journal may have lost its end (a
    cut, or an unclean stop without fsync per event), so outbound numbers go on behind the
    reservation.
    """

    clean: bool
    number_from_bound: bool


class LinkUp(Input, frozen=True, tag="link-up"):
    """A connection belongs to this session now; ``peer`` is its address, for the audit."""

    peer: str


class LinkDown(Input, frozen=True, tag="link-down"):
    """The connection ended by itself. Not to be reported for one that the core closed with
    ``Close``.
    """

    reason: str


class Received(Input, frozen=True, tag="received"):
    """A whole frame with right BodyLength and CheckSum.

    ``stored`` is only set by a re-run: the bytes as they were journaled, secrets masked.
    """

    frame: Frame
    stored: bytes = b""


class Authenticated(Input, frozen=True, tag="authenticated"):
    """The verdict on the Logon of the last ``AskAuthentication``."""

    ok: bool
    reason: str = ""


class Send(Input, frozen=True, tag="send"):
    """An application message to number and send.

    ``fields``: tag and value bytes in the order to write; header fields among them are moved into
    the header. ``cause``: event number of the message whose handler sends this, 0 for none.
    ``key``: idempotency key, b"" for none.
    """

    msg_type: bytes
    fields: list[tuple[int, bytes]]
    cause: int = 0
    key: bytes = b""


class Tick(Input, frozen=True, tag="tick"):
    """Time passed; send one when ``next_deadline`` is reached."""


class HandlerDone(Input, frozen=True, tag="handler-done"):
    """The application is done with a delivered message (its event number and MsgSeqNum).

    "refused" is answered on the wire with ``reason`` as text and ``code`` as BusinessRejectReason
    (380); an empty reason with code 3 takes the version's own words. "parked" gives the message up
    and alerts.
    """

    event: int
    seq: int
    result: Literal["done", "refused", "parked"]
    reason: str = ""
    code: int = 0


class ResendRuns(Input, frozen=True, tag="resend-runs"):
    """The answer to ``FetchResend``, or the next part of it: what to send for ``begin`` to ``end``.

    ``runs`` cover the range without overlap, in order: (first, last, "s" stored frames or "g" gap
    fill), as ``resend.plan`` makes them. ``last``: the range that was asked for is finished.
    ``epoch`` 0 is not checked.
    """

    begin: int
    end: int
    runs: tuple[tuple[int, int, str], ...]
    last: bool
    epoch: int = 0


class LogoutCommand(Input, frozen=True, tag="logout"):
    """Log out in order; ``text`` goes into 58 unless empty."""

    text: str = ""


class ResetCommand(Input, frozen=True, tag="reset"):
    """An operator opens a new epoch, over the wire if the session is logged on."""

    who: str
    why: str


class SetNumbers(Input, frozen=True, tag="set-numbers"):
    """An operator sets the next numbers (0 leaves one as it is). Refused while the link is up."""

    next_out: int
    next_in: int
    who: str
    why: str


class Stop(Input, frozen=True, tag="stop"):
    """The engine stops in order: the unused part of the reservation is given back."""


JournaledInput = (
    Configure
    | Start
    | LinkUp
    | LinkDown
    | Authenticated
    | Tick
    | ResendRuns
    | LogoutCommand
    | ResetCommand
    | SetNumbers
    | Stop
)
"""Inputs that become an INPUT record of their own."""


def readable(inp: Input) -> Input:
    """The same input with text that UTF-8 can hold, so that it can always be journaled.

    Lone surrogates (bad bytes of a command line or an exception) become question marks.
    """
    for name in inp.__struct_fields__:
        value = getattr(inp, name)
        if type(value) is str and not value.isascii():
            plain = value.encode("utf-8", "replace").decode()
            if plain != value:
                inp = msgspec.structs.replace(inp, **{name: plain})
    return inp
