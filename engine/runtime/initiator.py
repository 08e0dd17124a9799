"""The initiator: one session that connects, and connects again.

Owns the loop of one outgoing connection: connect with a timeout, belong to the session until the
end, wait, try again. How long to wait is the pure ``backoff``'s answer, seeded, so that a thousand
sessions do not all return in the same second. It must not know FIX: the core sends the Logon once
the link is up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from ..observe import log
from ..session.backoff import Backoff
from .host import pause
from .services import Services
from .wire import Wire

if TYPE_CHECKING:
    from .link import Link
    from .loop import Driver


class Initiator:
    """Keeps one session connected until ``stop``."""

    def __init__(self, services: Services, driver: Driver, seed: int) -> None:
        self._services = services
        self._driver = driver
        config = driver.config
        self._backoff = Backoff(
            first_s=config.reconnect_min_s, longest_s=config.reconnect_max_s, seed=seed
        )
        self._scope = anyio.CancelScope()

    def stop(self) -> None:
        """Do not connect any more. An open connection stays."""
        self._scope.cancel()

    async def run(self) -> None:
        """The task."""
        with self._scope:
            attempt = 0
            while True:
                if await self._once():
                    attempt = 0
                attempt += 1
                await pause(self._services.host, self._backoff.delay_s(attempt))

    async def _once(self) -> bool:
        """One connection from beginning to end; whether it logged on."""
        config, services = self._driver.config, self._services
        driver = self._driver
        link: Link | None = None

        def accept(wire: Wire) -> None:
            nonlocal link
            link = driver.attach(wire)

        try:
            with anyio.fail_after(config.connect_timeout_s):
                await services.network.connect(
                    services.host, services.tasks, config.host, config.port, accept
                )
        except BaseException as error:
            if link is not None:  # a loop that is cancelled here closes without another word
                link.lost("the connection was not finished")
                link.wire.abort()
            if not isinstance(error, OSError | TimeoutError):
                raise
            where = f"{config.host}:{config.port}"
            log.net.info("%s: cannot connect to %s: %s", driver.id, where, error or "timeout")
            return False
        assert link is not None
        await link.over.wait()
        return link.logged_on
