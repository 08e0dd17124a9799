"""Sessions for other threads: what a ``def`` handler gets, and what ``engine.blocking()`` hands
out.

Owns the hop from a thread to the loop and back. The calls block the calling thread, never the loop.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from ..errors import EngineStopped
from ..session.identity import SessionId
from ..wire import Message
from .runners import CAUSE
from .session import Receipt, Session, SessionState

if TYPE_CHECKING:
    from .services import Services

T = TypeVar("T")


class BlockingSession:
    """A session as seen from a thread that is not the loop's. Same verbs as ``Session``,
    blocking.
    """

    def __init__(self, services: Services, session: Session) -> None:
        self._services = services
        self._session = session

    @property
    def id(self) -> SessionId:
        """Who talks to whom, ours first."""
        return self._session.id

    @property
    def name(self) -> str:
        """The canonical text."""
        return self._session.name

    @property
    def is_logged_on(self) -> bool:
        """Whether application messages can be sent now."""
        return self._session.is_logged_on

    @property
    def state(self) -> SessionState:
        """Numbers, logon and gap as of now."""
        return self._session.state

    def send(
        self,
        message: Message,
        key: str | bytes | None = None,
        *,
        durable: bool = False,
        timeout_s: float | None = None,
    ) -> Receipt:
        """As ``Session.send``; ``durable`` waits until the message is on disk.

        ``TimeoutError`` after ``timeout_s``: the message may still be sent.
        """

        async def send() -> Receipt:
            receipt = await self._session.send(message, key)
            return await receipt.durable() if durable else receipt

        return self._run(send, timeout_s)

    def wait_logged_on(self, timeout_s: float | None = None) -> None:
        """As ``Session.wait_logged_on``."""
        self._run(self._session.wait_logged_on, timeout_s)

    def _run(self, call: Callable[[], Awaitable[T]], timeout_s: float | None) -> T:
        done: concurrent.futures.Future[T] = concurrent.futures.Future()
        cause = CAUSE.get()

        async def run() -> None:
            CAUSE.set(cause)
            try:
                done.set_result(await call())
            except Exception as error:
                done.set_exception(error)
            finally:
                if not done.done():
                    done.set_exception(EngineStopped("the engine is closing", where=self.name))

        self._services.host.post(self._services.spawn, run)
        return done.result(timeout_s)
