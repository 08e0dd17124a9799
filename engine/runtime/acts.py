"""Acts: what is done for each effect of the session core, once its step is covered.

Owns the doing: bytes to the link, messages to the handlers, questions to the authenticator and the
store, words to the log. One function an effect, in one table. It decides nothing: the core said
what, the gate said when.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from ..observe import log
from ..session import effects as fx
from ..session import inputs as inp
from ..wire import Frame, Message, parse
from .application import overridden
from .link import Link
from .resender import Resender
from .services import Services

if TYPE_CHECKING:
    from .loop import Driver

ADMIN = frozenset({b"0", b"1", b"2", b"3", b"4", b"5", b"A"})
"""MsgTypes of the session layer."""


class SeenAdmin(NamedTuple):
    """An effect of the house's own: show a session message of the peer to the application."""

    frame: Frame


class Acts:
    """The effects of one session."""

    def __init__(self, services: Services, driver: Driver, resender: Resender) -> None:
        self._services = services
        self._driver = driver
        self._app = app = services.application
        self._counts = services.counters.counts
        self._shows_admin = overridden(app, "to_admin")
        self._table: dict[type, Callable[[Any, Link | None], None]] = {
            fx.SendBytes: self._send_bytes,
            fx.Deliver: self._deliver,
            fx.AskAuthentication: self._authenticate,
            fx.FetchResend: resender.fetch,
            fx.Resend: resender.resend,
            fx.Close: self._close,
            fx.LoggedOn: self._logged_on,
            fx.LoggedOut: self._logged_out,
            fx.Alert: self._alert,
            SeenAdmin: self._seen_admin,
        }

    def act(self, effect: Any, link: Link | None) -> None:
        """Do one effect; ``link`` is the session's connection at the time of the step."""
        self._table[type(effect)](effect, link)

    def _send_bytes(self, effect: fx.SendBytes, link: Link | None) -> None:
        self._counts["frames_out"] += 1
        if self._shows_admin:
            self._show_admin(effect.frame)
        if link is not None:
            link.send(effect.frame)

    def _deliver(self, effect: fx.Deliver, link: Link | None) -> None:
        self._driver.give(effect.event, effect.frame)

    def _authenticate(self, effect: fx.AskAuthentication, link: Link | None) -> None:
        if not overridden(self._app, "authenticate"):
            self._verdict(link, True)
        else:
            self._services.spawn(self._judge, effect.frame, link)

    async def _judge(self, frame: Frame, link: Link | None) -> None:
        call = self._app.authenticate
        args = (self._driver.handle, Message.from_frame(frame))
        try:
            if inspect.iscoroutinefunction(call):
                ok = await call(*args)
            else:
                ok = await anyio.to_thread.run_sync(call, *args)
        except Exception as error:
            log.app.error("%s: authenticate failed", self._driver.id, exc_info=error)
            ok = False
        self._verdict(link, bool(ok))

    def _verdict(self, link: Link | None, ok: bool) -> None:
        if link is not None and link is self._driver.link:  # else the connection is gone already
            self._driver.command(inp.Authenticated(ok, "" if ok else "refused by the application"))

    def _close(self, effect: fx.Close, link: Link | None) -> None:
        log.net.info("%s: closing: %s", self._driver.id, log.harmless(effect.reason))
        if link is not None:
            link.flush()
            linger_s = self._driver.config.logout_timeout_s if effect.drain else 0
            link.wire.close(linger_s)

    def _logged_on(self, effect: fx.LoggedOn, link: Link | None) -> None:
        self._counts["logons"] += 1
        log.session.info("%s: logged on", self._driver.id)
        if link is not None:
            link.logged_on = True
        self._driver.turned(logged_on=True)
        self._driver.handlers.nudge()
        if overridden(self._app, "on_logon"):
            self._driver.put("on_logon")

    def _logged_out(self, effect: fx.LoggedOut, link: Link | None) -> None:
        self._counts["logouts"] += 1
        log.session.info("%s: logged out: %s", self._driver.id, log.harmless(effect.reason))
        self._driver.turned(logged_on=False)
        if overridden(self._app, "on_logout"):
            self._driver.put("on_logout", effect.reason)

    def _alert(self, effect: fx.Alert, link: Link | None) -> None:
        self._counts["alerts"] += 1
        log.session.warning("%s: %s: %s", self._driver.id, effect.code, log.harmless(effect.text))

    def _seen_admin(self, effect: SeenAdmin, link: Link | None) -> None:
        self._guarded(self._app.from_admin, Message.from_frame(effect.frame))

    def _show_admin(self, raw: bytes) -> None:
        frame = parse(raw)
        if frame.msg_type in ADMIN:
            self._guarded(self._app.to_admin, Message.from_frame(frame))

    def _guarded(self, look: Callable[[Any, Message], None], message: Message) -> None:
        """An onlooker's mistake is logged; it must not stop the session."""
        try:
            look(self._driver.handle, message)
        except Exception as error:
            log.app.error("%s: %s failed", self._driver.id, look.__name__, exc_info=error)
