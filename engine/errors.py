"""Errors that the engine raises at its callers: the branch of the tree in journal/errors.py that
knows FIX.

    Error
      EngineError
        ConfigError        a configuration that cannot be used: unknown key, wrong type ...
        ListenFailed       the acceptor's address cannot be bound
        UnknownSession     no session has that name, or a short name fits several
        SendRefused        nothing was journaled and nothing will be sent
          NotLoggedOn      application messages need a logged-on session
          SendTimeout      the engine had no room for the message within the send's deadline
          EngineStopped    the engine is closing or was closed
        OutcomeUnknown     the journal failed behind an accepted message; recovery decides

``DiskFull`` (journal/errors.py) is what a send gets while the disk is full: nothing was journaled,
try again later. The difference between ``SendRefused`` and ``OutcomeUnknown`` matters: the first
may be sent again without a thought, the second may not (storage rule 16).
"""

from __future__ import annotations

from ..journal.errors import DiskFull, Error

__all__ = [
    "ConfigError",
    "DiskFull",
    "EngineError",
    "EngineStopped",
    "Error",
    "ListenFailed",
    "NotLoggedOn",
    "OutcomeUnknown",
    "SendRefused",
    "SendTimeout",
    "UnknownSession",
]


class EngineError(Error):
    """Something that a caller of the engine can act on."""

    code = "engine"


class ConfigError(EngineError):
    """A configuration that cannot be used; ``where`` is ``FILE: key.path``."""

    code = "config"


class ListenFailed(EngineError):
    """The acceptor's address cannot be bound: in use, not ours, or not permitted."""

    code = "listen"


class UnknownSession(EngineError, KeyError):
    """No session of that name; ``hint`` lists the candidates."""

    code = "unknown-session"

    def __str__(self) -> str:
        return self.message


class SendRefused(EngineError):
    """The message was not accepted: it is not in the journal and will never be sent."""

    code = "send-refused"


class NotLoggedOn(SendRefused):
    """The session is not logged on, and application messages are not queued (session rule 25)."""

    code = "not-logged-on"


class SendTimeout(SendRefused):
    """The disk or the peer was too slow: no room for the message within the send's deadline."""

    code = "send-timeout"


class EngineStopped(SendRefused):
    """The engine is closing, was closed, or stopped after a failure."""

    code = "stopped"


class OutcomeUnknown(EngineError):
    """The journal failed while the message waited for the disk. It may or may not be there (storage
    rule 16).
    """

    code = "outcome-unknown"
