"""The driver of one session: inputs go into the pure core, what comes out goes through the gate,
effects are done here.

    frames, verdicts, commands, ticks -> step -> gate .. covered -> act

Owns one session's state, its connection, its timer and its handlers. It decides nothing about FIX:
every answer is the core's. It does not journal by itself either: the gate does. All of it runs on
the loop's thread, to completion, so a step and the append of its events are never interleaved with
another's.

Invariants: each input is stepped at the moment at which it is known, with one reading of the clock.
All frames of one read are stepped before the first commit, and what they cause leaves in one write.
An effect acts on the connection that the session had when the step was taken, never on a later one.
Once the core closed a connection, nothing that still comes from it is an input.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import anyio

from ..config import SessionConfig
from ..observe import log
from ..session import inputs as inp
from ..session.identity import SessionId
from ..session.records import drafts as drafts_of
from ..session.state import State
from ..session.step import Outcome, step
from ..session.table import LOGGED_ON
from ..session.timers import next_deadline
from ..wire import Frame, Garbled, Message
from .acts import ADMIN, Acts, SeenAdmin
from .application import Application, Sent, overridden
from .handlers import Handlers, Job
from .link import Link
from .resender import Resender
from .runners import runner_for, runs_on_loop
from .services import Services
from .wire import Wire


class Driver:
    """One session at work. ``handle`` is what the application sees of it."""

    def __init__(
        self, services: Services, config: SessionConfig, number: int, state: State
    ) -> None:
        self.config = config
        self.id: SessionId = config.id
        self.number = number
        self.state = state
        self.handle: Any = None
        self.blocking: Any = None
        self.link: Link | None = None
        self.stopping = False
        self._is_on = False
        self._changed = anyio.Event()
        self._services = services
        self._utc_ns = services.clock.utc_ns
        self._mono_ns = services.clock.mono_ns
        self._gate = services.gate
        self._writer = services.gate.writer
        self._counts = services.counters.counts
        self._deadline_ns = 0
        self._paused: Link | None = None
        self._armed_for: tuple[object, ...] | None = None
        self._senders: deque[anyio.Event] = deque()
        self._resender = Resender(services, self)
        self._act = Acts(services, self, self._resender).act
        self._app = app = services.application
        self._sees_admin = overridden(app, "from_admin")
        self._sees_app = overridden(app, "to_app")
        self._on_loop = {
            name: runs_on_loop(getattr(app, name), getattr(Application, name))
            for name in ("on_message", "on_logon", "on_logout")
        }
        runner = runner_for(services.host, services.spawn, self.id.text)
        self.handlers = Handlers(
            runner, self, services.host.after,
            retries_max=config.handler_retries_max, retry_s=config.handler_retry_s,
        )  # fmt: skip

    # -- steps -------------------------------------------------------------------------------------

    def step(self, given: inp.Input, seen: Frame | None = None) -> Outcome:
        """Take one step and queue its effects. The caller ends the batch with ``flush`` or
        ``flush_soon``.

        ``seen``: a frame to show to ``from_admin`` once this step is covered.
        """
        at = inp.At(self._utc_ns(), self._mono_ns())
        outcome = step(self.state, given, self._writer.next_event, at)
        if outcome.events or outcome.effects:
            drafts = drafts_of(given, outcome, self.number, at) if outcome.events else ()
            effects: Sequence[Any] = outcome.effects
            if seen is not None:
                effects = [SeenAdmin(seen), *effects]
            self._gate.submit(
                drafts, effects, self._act, self.link, utc_ns=at.utc_ns, sync=outcome.sync
            )
            if self.state.link == "down" and self.link is not None:
                self.link = None  # the core closed it; its Close effect has it
        return outcome

    def command(self, given: inp.Input) -> Outcome:
        """A step that is no part of a batch."""
        outcome = self.step(given)
        if not self._gate.open:
            self._gate.flush_soon()
        self.arm()
        if self._senders:
            self.admit()
        return outcome

    def arm(self) -> None:
        """Have ``_tick`` called at the core's next deadline. A later deadline than the armed one
        needs no new timer.
        """
        state = self.state
        seen = (state.link, state.logon, state.gap, state.liveness, state.link_mono_ns)
        if seen == self._armed_for:
            return  # while the machines stay where they are, traffic only moves deadlines away
        self._armed_for = seen
        due = next_deadline(state)
        if due is not None and (not self._deadline_ns or due < self._deadline_ns):
            self._deadline_ns = due
            self._services.host.call_at(due, lambda: self._tick(due))

    def _tick(self, armed: int) -> None:
        if armed != self._deadline_ns:
            return  # an earlier timer took over
        self._deadline_ns = 0
        self._armed_for = None
        due = next_deadline(self.state)
        if due is not None and due <= self._mono_ns():
            self.step(inp.Tick())
            self._gate.flush()
        self.arm()

    # -- the connection ----------------------------------------------------------------------------

    @property
    def is_free(self) -> bool:
        """Whether a connection may belong to this session now."""
        return self.link is None and not self.stopping

    def attach(self, wire: Wire, ended: Callable[[], None] | None = None) -> Link:
        """A connection belongs to this session from now on; for the core the link is up.

        ``ended`` is called when the wire is closed, which may be after the session let go of it.
        """
        assert self.link is None, "one connection at a time"
        link = self.link = Link(wire, self, self._gate, ended)
        wire.receiver = link
        self._counts["connections"] += 1
        self.command(inp.LinkUp(wire.peer))
        return link

    def received(self, link: Link, items: Sequence[Frame | Garbled]) -> None:
        """Everything of one read: step it all, then commit once, then write once."""
        counts = self._counts
        sees_admin = self._sees_admin
        skipped: list[Garbled] = []
        for item in items:
            if self.link is not link:
                break  # closed by the core: the rest is for nobody
            if isinstance(item, Frame):
                counts["frames_in"] += 1
                seen = item if sees_admin and item.msg_type in ADMIN else None
                self.step(inp.Received(item), seen)
            else:
                skipped.append(item)
        if skipped:  # one line a read: garbage is cheap to send, a line for each piece is not
            counts["garbled"] += len(skipped)
            dropped = sum(item.dropped for item in skipped)
            log.net.info(
                "%s: skipped %d bytes in %d pieces: %s",
                self.id, dropped, len(skipped), skipped[0].reason,
            )  # fmt: skip
        self._gate.flush()
        self.arm()
        if self._senders:
            self.admit()
        if len(self.handlers) > self.config.handler_queue_max:
            self._paused = link
            link.wire.pause()

    def lost(self, link: Link, cause: str) -> None:
        """A connection ended. If the core had closed it, it knows already."""
        if self.link is link:
            self.command(inp.LinkDown(cause))
            self.link = None

    def writable(self) -> None:
        """The peer reads again."""
        self._resender.go_on()
        self.admit()

    # -- sending -----------------------------------------------------------------------------------

    @property
    def is_logged_on(self) -> bool:
        """Whether the logon is done and covered, and the session did not end since.

        The end counts from its step on, not only once the application was told: else a loop of
        ``wait_logged_on`` and ``send`` would spin in between.
        """
        return self._is_on and self.state.logon in LOGGED_ON

    @property
    def is_full(self) -> bool:
        """Whether the disk or the peer is behind, so that application sends have to wait."""
        link = self.link
        return not self._writer.has_room or (link is not None and link.wire.congested)

    async def turn(self) -> None:
        """Wait until something changed that a waiting send may profit from."""
        turn = anyio.Event()
        self._senders.append(turn)
        self._services.waiting.add(self)
        await turn.wait()

    async def wait_change(self) -> None:
        """Wait until the session logged on or out, or the engine stops."""
        await self._changed.wait()

    def admit(self) -> None:
        """Let waiting sends try again, in order, if there is hope."""
        if self._senders and not self.is_full and (self.stopping or not self.state.asks):
            self._services.waiting.discard(self)
            waiting, self._senders = self._senders, deque()
            for turn in waiting:
                turn.set()

    def sent(self) -> None:
        """Count an accepted send."""
        self._counts["sends"] += 1

    def send_refused(self) -> None:
        """Count a refused one."""
        self._counts["sends_refused"] += 1

    def to_app(self, message: Message) -> None:
        """Show a message to the application before it is journaled; it may raise ``Refuse``."""
        if self._sees_app:
            self._app.to_app(self.handle, message)

    def stop(self) -> None:
        """No further connection, send or handler call. What was delivered and not finished
        stays.
        """
        self.stopping = True
        self.handlers.stop()
        self._announce()
        while self._senders:
            self._senders.popleft().set()

    def turned(self, *, logged_on: bool) -> None:
        """The session logged on or out, and the journal covers it."""
        self._is_on = logged_on
        self._announce()
        self.admit()

    def _announce(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    # -- what the application made of it (handlers.Outcomes) ---------------------------------------

    def handled(self, job: Job, result: str, reason: str = "", code: int = 0) -> None:
        """See ``Outcomes``: the application's progress is an event."""
        message = job.message
        if message is None:
            return
        event = message.event_number
        if result == "parked":
            self._counts["parked"] += 1
        self.step(inp.HandlerDone(event, job.seq, result, reason, code))  # type: ignore[arg-type]
        if not self._gate.open:
            self._gate.flush_soon()
        if self._paused and len(self.handlers) <= self.config.handler_queue_max // 2:
            self._paused.wire.resume()
            self._paused = None

    def handler_failed(self, job: Job, error: BaseException) -> None:
        """See ``Outcomes``."""
        self._counts["handler_errors"] += 1
        log.app.error("%s: handler failed at %r", self.id, job.message, exc_info=error)

    def earlier_sends(self, event: int) -> tuple[Sent, ...]:
        """See ``Outcomes``: what attempts at this message have sent so far."""
        return tuple(Sent(*pair) for pair in self.state.pending.get(event, ()))

    def redeliver(self) -> None:
        """After a restart: give the application what it had not finished, marked."""
        for event in list(self.state.pending):
            self._counts["redelivered"] += 1
            self.give(event, self.state.frames[event], redelivered=True)

    def give(self, event: int, frame: Frame, *, redelivered: bool = False) -> None:
        """Queue a message for the application."""
        sent = self.earlier_sends(event) if redelivered else ()
        message = Message.from_frame(
            frame, event_number=event, redelivered=redelivered, earlier_sends=sent
        )
        self._counts["delivered"] += 1
        self.put("on_message", message, message=message)

    def put(self, name: str, *args: Any, message: Message | None = None) -> None:
        """Queue a call of the application; one that blocks gets a handle that may block."""
        on_loop = self._on_loop[name]
        handle = self.handle if on_loop else self.blocking
        self.handlers.put(Job(getattr(self._app, name), (handle, *args), message, on_loop))
