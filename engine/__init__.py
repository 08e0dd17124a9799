"""durafix.engine: FIX sessions on a journal.

What an application needs, in one place:

    from durafix.engine import Application, Engine, Message, Refuse, utc_now

    class Desk(Application):
        async def on_message(self, session, message):
            print(message.type, message.get(39), message.redelivered)

    async with Engine.open("desk.toml", Desk()) as engine:
        session = engine.sessions["BUYER->SELLER"]
        await session.wait_logged_on()
        receipt = await session.send(Message("D", {...}))
        await receipt.durable()

Names load on first use: importing a pure part (``durafix.engine.session``) passes through this
module and must not load a loop, sockets or LMDB with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..journal.errors import DiskFull, Error
    from .config import Config
    from .errors import (
        ConfigError,
        EngineError,
        EngineStopped,
        ListenFailed,
        NotLoggedOn,
        OutcomeUnknown,
        SendRefused,
        SendTimeout,
        UnknownSession,
    )
    from .runtime.application import Application, Refuse, Sent
    from .runtime.blocking import BlockingSession
    from .runtime.clock import utc_now
    from .runtime.engine import Engine
    from .runtime.session import Receipt, Session, SessionState
    from .wire import Message, MissingTag

_HOMES = {
    "Application": ".runtime.application",
    "BlockingSession": ".runtime.blocking",
    "Config": ".config",
    "ConfigError": ".errors",
    "DiskFull": ".errors",
    "Engine": ".runtime.engine",
    "EngineError": ".errors",
    "EngineStopped": ".errors",
    "Error": ".errors",
    "ListenFailed": ".errors",
    "Message": ".wire",
    "MissingTag": ".wire",
    "NotLoggedOn": ".errors",
    "OutcomeUnknown": ".errors",
    "Receipt": ".runtime.session",
    "Refuse": ".runtime.application",
    "SendRefused": ".errors",
    "SendTimeout": ".errors",
    "Sent": ".runtime.application",
    "Session": ".runtime.session",
    "SessionState": ".runtime.session",
    "UnknownSession": ".errors",
    "utc_now": ".runtime.clock",
}

__all__ = [
    "Application",
    "BlockingSession",
    "Config",
    "ConfigError",
    "DiskFull",
    "Engine",
    "EngineError",
    "EngineStopped",
    "Error",
    "ListenFailed",
    "Message",
    "MissingTag",
    "NotLoggedOn",
    "OutcomeUnknown",
    "Receipt",
    "Refuse",
    "SendRefused",
    "SendTimeout",
    "Sent",
    "Session",
    "SessionState",
    "UnknownSession",
    "utc_now",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home, __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
