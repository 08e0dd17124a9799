"""The acceptor: many sessions behind one port, and what happens before a session is known.

Owns the listening port and the greeting of each connection: its first frame must be a Logon that
names one of our sessions which is not connected. Then the connection, that frame and whatever came
behind it belong to the session's driver, and the core judges the Logon. Anything else is closed
without a word and counted by cause (session rule 16): an answer would tell a stranger who lives
here.

Nothing that a stranger sends is journaled. What one costs is bounded: a decoder's buffer, one
timer, ``logon_timeout_s`` of patience. Above ``pending_max`` silent connections the oldest is
closed for the newest, so that a flood of them does not keep out a peer that speaks at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..config import AcceptorConfig
from ..observe import log
from ..wire import Frame, Garbled
from .host import Timer
from .network import Listener
from .services import Services
from .wire import Wire

if TYPE_CHECKING:
    from .loop import Driver

LOGON = b"A"
Identity = tuple[bytes, ...]
"""BeginString, our and their CompID, SubID and LocationID as the peer's frame shows them."""


def identity_of(frame: Frame) -> Identity:
    """Whom a Logon is for and from: the peer's target is our sender."""
    return (
        frame.begin_string,
        frame.get(56, b""),
        frame.get(49, b""),
        frame.get(57, b""),
        frame.get(143, b""),
        frame.get(50, b""),
        frame.get(142, b""),
    )


class Acceptor:
    """One port. ``drivers`` are the sessions that wait behind it."""

    def __init__(
        self, services: Services, config: AcceptorConfig, drivers: Sequence[Driver]
    ) -> None:
        self._services = services
        self._config = config
        self._by_identity: dict[Identity, list[Driver]] = {}
        for driver in drivers:
            self._by_identity.setdefault(_identity(driver), []).append(driver)
        self._pending: dict[_Greeting, None] = {}
        self._open = 0
        self._listener: Listener | None = None
        self._stopping = False

    @property
    def port(self) -> int:
        """The port that is open."""
        assert self._listener is not None, "listening"
        return self._listener.port

    async def listen(self) -> None:
        """Open the port; ``ListenFailed`` if it cannot be had."""
        services, config = self._services, self._config
        self._listener = await services.network.listen(
            services.host, services.tasks, config.host, config.port, self._accept
        )
        log.net.info("listening on %s:%d", config.host, self._listener.port)

    def stop(self) -> None:
        """Take no more connections and close those that have not said who they are."""
        self._stopping = True
        if self._listener is not None:
            self._listener.close()
        for greeting in list(self._pending):
            greeting.refuse("stopping")

    # -- what greetings call -----------------------------------------------------------------------

    def find(self, frame: Frame) -> Driver | None:
        """The session that a Logon names; with qualifiers, the first of them that is free."""
        found = self._by_identity.get(identity_of(frame), [])
        free = [driver for driver in found if driver.is_free]
        chosen = free or found
        return chosen[0] if chosen else None

    def forget(self, greeting: _Greeting) -> None:
        """This connection is not pending any more."""
        self._pending.pop(greeting, None)

    def closed(self) -> None:
        """One of our connections ended."""
        self._open -= 1

    def _accept(self, wire: Wire) -> None:
        counters = self._services.counters
        self._open += 1
        greeting = _Greeting(self, self._services, wire, self._config.logon_timeout_s)
        wire.receiver = greeting
        if self._open > self._config.connections_max or self._stopping:
            counters.add("connections_refused")
            greeting.drop()
            return
        self._pending[greeting] = None
        if len(self._pending) > self._config.pending_max:
            next(iter(self._pending)).refuse("pushed")


class _Greeting:
    """A connection that has not said who it is. Receives until the first frame, then hands over."""

    def __init__(
        self, acceptor: Acceptor, services: Services, wire: Wire, timeout_s: float
    ) -> None:
        self._acceptor = acceptor
        self._services = services
        self._wire = wire
        self._over = False
        self._timer: Timer | None = services.host.after(timeout_s, self._silent)

    def received(self, items: Sequence[Frame | Garbled]) -> None:
        """The first frame decides."""
        if self._over:
            return
        first = items[0]
        driver = None
        if not isinstance(first, Frame):
            cause = "garbage"
        elif first.msg_type != LOGON:
            cause = "not_logon"
        else:
            driver = self._acceptor.find(first)
            cause = "unknown_session" if driver is None else "duplicate"
        if driver is None or not driver.is_free:
            self.refuse(cause)
            return
        self._leave()
        driver.attach(self._wire, ended=self._acceptor.closed).received(items)

    def lost(self, cause: str) -> None:
        """The connection ended."""
        if not self._over:
            self._services.counters.refuse_greeting("left")
            self._leave()
        self._acceptor.closed()

    def writable(self) -> None:
        """Nothing was written."""

    def refuse(self, cause: str) -> None:
        """Close without a word, and count why."""
        self._services.counters.refuse_greeting(cause)
        log.net.info("%s: closed before a logon: %s", self._wire.peer, cause)
        self.drop()

    def drop(self) -> None:
        """Close without a word."""
        self._leave()
        self._wire.close()

    def _silent(self) -> None:
        if not self._over:
            self.refuse("silent")

    def _leave(self) -> None:
        self._over = True
        self._acceptor.forget(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _identity(driver: Driver) -> Identity:
    session = driver.id
    parts = (
        session.begin_string, session.sender, session.target, session.sender_sub,
        session.sender_location, session.target_sub, session.target_location,
    )  # fmt: skip
    return tuple(part.encode("latin-1") for part in parts)
