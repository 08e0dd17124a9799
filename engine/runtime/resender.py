"""The resender: carries out what the core decided about a ResendRequest, batch by batch.

Owns one answer at a time: fetch a bounded part of the range, tell the core what it holds
(``ResendRuns``), and when that step is covered send the stored frames with 43=Y and the gap fills
(``Resend``). Between two batches it waits until the peer has read, and lets everything else of the
session have its turn, so heartbeats go out and memory stays flat (session rule 14).

It must not change a frame by itself: ``session/resend.py`` patches, and decides nothing about
numbers. If the connection ends, so does the answer; the peer will ask again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from ...journal.errors import JournalError
from ..observe import log
from ..session import effects as fx
from ..session import inputs as inp
from ..session.resend import STORED, gap_fill, plan, possdup
from .services import Services

if TYPE_CHECKING:
    from .link import Link
    from .loop import Driver


class Resender:
    """Answers for one session."""

    def __init__(self, services: Services, driver: Driver) -> None:
        self._services = services
        self._driver = driver
        self._counts = services.counters.counts
        self._frames: dict[int, bytes] = {}
        self._sent = anyio.Event()
        self._writable = anyio.Event()

    def fetch(self, effect: fx.FetchResend, link: Link | None) -> None:
        """Effect: answer this range."""
        if link is not None:
            self._services.spawn(self._answer, effect, link)

    def resend(self, effect: fx.Resend, link: Link | None) -> None:
        """Effect: this batch is in the journal, send it."""
        frames, self._frames = self._frames, {}
        self._sent.set()
        if link is None:
            return
        names = self._driver.state.names
        assert names is not None, "configured first"
        counts = self._counts
        counts["resend_batches"] += 1
        for first, last, verdict in effect.runs:
            if verdict == STORED:
                for seq in range(first, last + 1):
                    link.send(possdup(frames[seq], effect.sending_time))
                counts["frames_resent"] += last - first + 1
                counts["frames_out"] += last - first + 1
            else:
                link.send(gap_fill(names, first, last + 1, effect.sending_time))
                counts["gap_fills"] += 1
                counts["frames_out"] += 1

    def go_on(self) -> None:
        """The peer reads again."""
        self._writable.set()

    async def _answer(self, effect: fx.FetchResend, link: Link) -> None:
        driver, store = self._driver, self._services.store
        begin = effect.begin
        while begin <= effect.end and driver.link is link:
            try:
                batch = await anyio.to_thread.run_sync(
                    store.frames, driver.number, effect.epoch, begin, effect.end
                )
            except JournalError as error:
                log.journal.error("%s: %s (%s)", driver.id, error, error.where)
                driver.command(inp.LogoutCommand("stored messages cannot be read"))
                return
            if driver.link is not link:
                return
            runs = plan(batch.frames, begin, batch.end, resend_rejects=driver.config.resend_rejects)
            self._frames = {seq: raw for seq, raw in batch.frames if raw is not None}
            self._sent = anyio.Event()
            last = batch.end == effect.end
            outcome = driver.command(inp.ResendRuns(begin, batch.end, runs, last, effect.epoch))
            if not outcome.events:
                return  # the question is not open any more
            begin = batch.end + 1
            if not last:
                await self._sent.wait()
                while link.wire.congested and driver.link is link:
                    self._writable = anyio.Event()
                    with anyio.move_on_after(1):
                        await self._writable.wait()
