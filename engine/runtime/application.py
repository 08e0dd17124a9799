"""The application's side of the border: the class that people derive from, and what its handlers
may raise.

Owns the seven moments at which a FIX application is asked or told, and nothing else. Beside
QuickFIX's names:

    QuickFIX     here           when
    onCreate     on_create      once per session, before anything connects
    onLogon      on_logon       the session is logged on
    onLogout     on_logout      it no longer is
    toAdmin      to_admin       one of our session messages leaves (to look at)
    fromAdmin    from_admin     one of the peer's session messages was taken (to look at)
                 authenticate   a peer's Logon is to be judged, secrets in clear
    toApp        to_app         an application message is about to be sent; ``Refuse`` stops it
    fromApp      on_message     an application message came; in order, at least once

``on_create``, ``on_logon``, ``on_logout``, ``on_message`` and ``authenticate`` may be ``async def``
(they run on the loop) or ``def`` (they run in one worker thread per session, in order, and get a
``BlockingSession``). ``to_app``, ``to_admin`` and ``from_admin`` are plain functions on the loop
and must not block.

At least once, in order: the next message of a session is given when the handler of the one before
has returned. Its progress is journaled; after a crash the unfinished messages come again, with
``message.redelivered`` true and ``message.earlier_sends`` naming what the unfinished attempt had
sent. Under ``fsync = "interval"`` or ``"never"`` a power cut can take the journaled progress along,
and a message may come again unmarked (session rule 23).
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, NamedTuple

from ..errors import EngineError
from ..wire import Message

if TYPE_CHECKING:
    from .session import Session


class Refuse(EngineError):
    """Raised by a handler: answer this message with a BusinessMessageReject (a Reject before FIX
    4.2).

    ``reason`` becomes Text (58); ``code`` is BusinessRejectReason (380), 0 "other". Without a
    reason and with code 3 the FIX version's own words are used ("unsupported message type"). Raised
    by ``to_app`` it stops the send.
    """

    code = "refuse"

    def __init__(self, reason: str = "", code: int = 0) -> None:
        super().__init__(reason or "refused")
        self.reason = reason
        self.reject_reason = code


UNSUPPORTED = 3
"""BusinessRejectReason "unsupported message type"."""


class Sent(NamedTuple):
    """One message that an unfinished attempt had already sent; ``message.earlier_sends`` lists
    them.
    """

    event_number: int
    seq_num: int


class Application:
    """Derive from this and override what is needed; every method has a harmless default."""

    def on_create(self, session: Session) -> Awaitable[None] | None:
        """The session exists; nothing is connected yet."""

    def on_logon(self, session: Session) -> Awaitable[None] | None:
        """The session is logged on."""

    def on_logout(self, session: Session, reason: str) -> Awaitable[None] | None:
        """The session is no longer logged on; ``reason`` is for people."""

    def on_message(self, session: Session, message: Message) -> Awaitable[None] | None:
        """An application message. Not overridden, it is refused as unsupported."""
        raise Refuse(code=UNSUPPORTED)

    def authenticate(self, session: Session, logon: Message) -> Awaitable[bool] | bool:
        """Whether this Logon may log on. Until the answer no number, epoch or link of the session
        changes (P8).
        """
        return True

    def to_app(self, session: Session, message: Message) -> None:
        """A message of ours is about to be journaled. Raise ``Refuse`` to stop it."""

    def to_admin(self, session: Session, message: Message) -> None:
        """A session message of ours leaves now."""

    def from_admin(self, session: Session, message: Message) -> None:
        """A session message of the peer is in the journal now."""


def overridden(app: Application, name: str) -> bool:
    """Whether an application has a method of its own under this name."""
    return getattr(type(app), name) is not getattr(Application, name)
