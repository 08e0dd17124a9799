"""What is to be done after a step's events are covered: plain values, released in order by the
runtime's gate.

Effects say what, never how. They are not journaled: re-running a step yields them again, and nobody
acts on them. Promise P1 lives in their use: none is acted on before the durability policy covers
the events of its step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from ..wire.framing import Frame


class SendBytes(msgspec.Struct, frozen=True, gc=False):
    """Write one frame to the link; ``seq`` is its MsgSeqNum."""

    frame: bytes
    seq: int


class AskAuthentication(msgspec.Struct, frozen=True):
    """Judge this Logon, secrets in clear, and answer with ``Authenticated``."""

    frame: Frame


class FetchResend(msgspec.Struct, frozen=True):
    """Look up what was sent as ``begin`` to ``end`` in ``epoch``; answer with ``ResendRuns``."""

    begin: int
    end: int
    epoch: int


class Resend(msgspec.Struct, frozen=True):
    """Send these runs: stored frames through ``resend.possdup``, gap fills through
    ``resend.gap_fill``.
    """

    runs: tuple[tuple[int, int, str], ...]
    sending_time: bytes
    begin: int
    end: int
    epoch: int


class Deliver(msgspec.Struct, frozen=True, gc=False):
    """Give the application a message; ``event`` is the number of the IN event that carries it."""

    event: int
    seq: int
    frame: Frame


class Close(msgspec.Struct, frozen=True):
    """Close the connection; the session is free at once, for the core the link is down.

    ``drain``: shut down writing and read on up to the logout timeout, else the peer may lose our
    last frame (session rule 19). The runtime reports no ``LinkDown`` for this connection any more.
    """

    reason: str
    drain: bool


class LoggedOn(msgspec.Struct, frozen=True):
    """The session is logged on."""


class LoggedOut(msgspec.Struct, frozen=True):
    """The session is no longer logged on."""

    reason: str


class Alert(msgspec.Struct, frozen=True):
    """Something that a person should see."""

    code: str
    text: str


Effect = (
    SendBytes
    | AskAuthentication
    | FetchResend
    | Resend
    | Deliver
    | Close
    | LoggedOn
    | LoggedOut
    | Alert
)
