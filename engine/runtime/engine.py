"""The engine: a configuration and an application become running sessions on one journal.

Owns the order of starting and ending, and who is told when something breaks. It must not know FIX,
bytes or disks: it puts the parts together and takes them apart.

    open    journal (recovery decides about its end) - index - gate - sessions: configure, start -
            unfinished messages again - listen and connect
    close   stop connecting - log out - let handlers finish - stop - state hash - seal - index

It is an async context manager on asyncio, uvloop or trio; start with ``anyio.run``. A failure that
nobody can handle inside (the journal's disk, a bug of ours) ends the ``async with`` block and is
raised from it: an engine that goes on without its journal would trade without memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import anyio

from ...journal import manifest
from ...journal.disk import Disk, RealDisk
from ...journal.errors import JournalError
from ...journal.index import Index
from ...journal.policy import Limits, Policy
from ...journal.record import Draft, Kind
from ...recovery.resume import OpenReport, Options, Resumed, open_journal
from ..config import Config, load
from ..errors import ConfigError, EngineError
from ..observe import Counters, log
from ..session import inputs as inp
from ..session.fold import EngineFold, EngineState
from ..session.state import State
from .acceptor import Acceptor
from .application import Application
from .blocking import BlockingSession
from .clock import Clock, SystemClock
from .gate import Gate
from .host import Host, current_host, pause
from .initiator import Initiator
from .loop import Driver
from .network import Network, TcpNetwork
from .probe import CountingProbe
from .services import Services
from .session import Session, Sessions
from .store import Store
from .tasks import Tasks

FOLLOW_S = 0.25
"""How often the index looks whether it can follow the journal."""
HANDLERS_S = 2.0
"""How long closing waits for handlers; what they do not finish comes again after the next start."""

HostFactory = Callable[[Clock, Callable[[BaseException], None]], Host]


class Engine:
    """Use ``async with Engine.open("desk.toml", Desk()) as engine``.

    ``sessions`` maps names to sessions; ``report`` says what recovery found; ``port`` is the
    acceptor's.
    """

    sessions: Sessions
    report: OpenReport

    def __init__(
        self,
        config: Config,
        application: Application,
        *,
        disk: Disk,
        clock: Clock,
        network: Network,
        host: HostFactory,
        threaded: bool = True,
    ) -> None:
        self.config = config
        self.application = application
        self.counters = Counters()
        self._disk = disk
        self._clock = clock
        self._network = network
        self._host_kind = host
        self._threaded = threaded
        self._failure: BaseException | None = None
        self._ending = False
        self._drivers: list[Driver] = []
        self._initiators: list[Initiator] = []
        self._acceptor: Acceptor | None = None
        self._tasks: Tasks
        self.host: Host
        self._services: Services
        self._gate: Gate
        self._store: Store
        self._resumed: Resumed[EngineState] | None = None
        self._crashed = False
        self._fold = EngineFold()

    @classmethod
    def open(
        cls,
        config: Config | str | os.PathLike[str],
        application: Application,
        *,
        disk: Disk | None = None,
        clock: Clock | None = None,
        network: Network | None = None,
        host: HostFactory = current_host,
        threaded: bool = True,
    ) -> Engine:
        """An engine for a configuration, or for the TOML file that holds one.

        Nothing happens before ``async with``. ``ConfigError`` for a configuration that cannot be
        used. Disk, clock, network and host are the real ones unless given.
        """
        if not isinstance(application, Application):
            raise ConfigError(
                f"not an application: {application!r}",
                hint="derive a class from durafix.engine.Application and pass an instance of it",
            )
        if not isinstance(config, Config):
            config = load(Path(config))
        return cls(
            config,
            application,
            disk=disk or RealDisk(),
            clock=clock or SystemClock(),
            network=network or TcpNetwork(config.message_bytes_max),
            host=host,
            threaded=threaded,
        )

    # -- for the user ------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port that the acceptor listens on."""
        assert self._acceptor is not None, "this configuration has no [acceptor]"
        return self._acceptor.port

    def metrics(self) -> dict[str, Any]:
        """Counters and histograms as of now, with where the journal stands."""
        writer = self._gate.writer
        return {
            **self.counters.snapshot(),
            "journal_state": writer.state,
            "last_event": writer.next_event - 1,
            "covered_event": writer.covered,
            "durable_event": writer.durable,
            "queued_bytes": writer.queued_bytes,
        }

    def blocking(self) -> dict[str, BlockingSession]:
        """The sessions by canonical name, for use from other threads."""
        return {driver.id.text: driver.blocking for driver in self._drivers}

    # -- start -------------------------------------------------------------------------------------

    async def __aenter__(self) -> Engine:
        self.host = self._host_kind(self._clock, self.crash)
        self._tasks = Tasks(self.crash)
        await self._tasks.enter()
        try:
            await self._start()
        except BaseException as error:
            self._abandon()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._close_journal)
            await self._leave(type(error), error, error.__traceback__)
            raise
        return self

    async def _start(self) -> None:
        self._tasks.spawn(self.host.run)
        await anyio.to_thread.run_sync(self._open_journal)
        resumed = self._resumed
        assert resumed is not None
        self.report = resumed.report
        log.journal.info(
            "journal %s: %s, %d events, term %d",
            self.config.journal.path, resumed.report.because, resumed.report.events,
            resumed.report.term,
        )  # fmt: skip
        for finding in resumed.report.findings:
            level = log.journal.info if finding.severity == "note" else log.journal.warning
            level("%s: %s", finding.code, finding.message)
        root = self.config.journal.path
        identity = manifest.load(self._disk, root)
        index = await anyio.to_thread.run_sync(Index.open, self._disk, root, identity.uuid)
        self._store = Store(self._disk, root, index, resumed.writer)
        self._gate = Gate(
            resumed.writer, self.host,
            hash_due=self._append_hash, moved=self._moved, failed=self.crash,
        )  # fmt: skip
        self._make_sessions(resumed)
        self._tasks.spawn(self._follow)
        for driver in self._drivers:
            await self._create(driver)
        for driver in self._drivers:
            driver.redeliver()
        await self._connect()

    def _open_journal(self) -> None:
        """In a thread; what it opened is closed even if nobody waits for it any more."""
        wanted = self.config.journal
        parent = os.path.dirname(wanted.path.rstrip("/"))
        if isinstance(self._disk, RealDisk) and parent:
            os.makedirs(parent, exist_ok=True)
        self._resumed = open_journal(
            self._disk,
            wanted.path,
            self._fold,
            create=True,
            options=Options(
                policy=Policy(wanted.fsync, wanted.interval_ms, wanted.interval_bytes),
                segment_bytes=wanted.segment_bytes,
                limits=Limits(queue_bytes=wanted.queue_bytes_max),
                probe=CountingProbe(self.counters),
                threaded=self._threaded,
                clock=self._clock.utc_ns,
                monotonic=self._clock.mono_ns,
            ),
        )

    def _make_sessions(self, resumed: Resumed[EngineState]) -> None:
        services = self._services = Services(
            clock=self._clock, host=self.host, network=self._network, tasks=self._tasks.group,
            gate=self._gate, store=self._store, counters=self.counters,
            application=self.application, spawn=self._tasks.spawn,
        )  # fmt: skip
        state = resumed.state
        handles = {}
        for config in self.config.session:
            name = config.id.text
            number = resumed.writer.register(name)
            state.roster[number] = name
            known = state.sessions.setdefault(number, State())
            driver = Driver(services, config, number, known)
            driver.handle = handles[config.id] = Session(driver, self._gate)
            driver.blocking = BlockingSession(services, driver.handle)
            self._drivers.append(driver)
            driver.step(inp.Configure(config.settings))
            driver.step(inp.Start(resumed.clean, number in resumed.bound_sessions))
        self.sessions = Sessions(handles)
        self._gate.flush()
        acceptors = [d for d in self._drivers if d.config.role == "acceptor"]
        if self.config.acceptor is not None:
            self._acceptor = Acceptor(services, self.config.acceptor, acceptors)
        for driver in self._drivers:
            if driver.config.role == "initiator":
                seed = hashlib.sha256(driver.id.text.encode()).digest()
                self._initiators.append(
                    Initiator(services, driver, int.from_bytes(seed[:8], "little"))
                )

    async def _create(self, driver: Driver) -> None:
        created = self.application.on_create(driver.handle)
        if created is not None:
            await created

    async def _connect(self) -> None:
        if self._acceptor is not None:
            await self._acceptor.listen()
        for initiator in self._initiators:
            self._tasks.spawn(initiator.run)

    # -- while it runs -----------------------------------------------------------------------------

    def _append_hash(self) -> None:
        """Journal the hash of the whole state: what replay must meet again (storage rule 7)."""
        assert self._resumed is not None
        digest = self._fold.digest(self._resumed.state)
        self._gate.append([Draft(int(Kind.HASH), 0, 0, 0, 0, digest)], self._clock.utc_ns())

    def _moved(self) -> None:
        for driver in list(self._services.waiting):
            driver.admit()

    async def _follow(self) -> None:
        while True:
            await pause(self.host, FOLLOW_S)
            try:
                await anyio.to_thread.run_sync(self._store.follow)
            except JournalError as error:  # the index is disposable (P6)
                log.journal.error("the index cannot follow: %s (%s)", error, error.where)
                await pause(self.host, 10)

    def crash(self, error: BaseException) -> None:
        """Something that nobody can handle inside: stop everything and raise it from the block."""
        self._crashed = True
        if self._failure is None:
            self._failure = error
            log.journal.critical("the engine stops: %s", error, exc_info=error)
        if not self._ending:
            self._abandon()

    # -- end ---------------------------------------------------------------------------------------

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            if self._failure is None:
                try:
                    await self._shut_down()
                except BaseException as problem:
                    self._failure = problem
            self._abandon()
            await anyio.to_thread.run_sync(self._close_journal)
        await self._leave(kind, error, trace)

    async def _leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the tasks, and raise what ended the engine, if something did."""
        await self._tasks.leave(kind, error, trace)
        if self._failure is not None:
            raise self._failure

    async def _shut_down(self) -> None:
        """Log out in order, let handlers finish, and say that this stop was meant."""
        self._ending = True
        for initiator in self._initiators:
            initiator.stop()
        if self._acceptor is not None:
            self._acceptor.stop()
        links = [driver.link for driver in self._drivers if driver.link is not None]
        for driver in self._drivers:
            if driver.link is not None:
                driver.command(inp.LogoutCommand())
        seconds = max((d.config.logout_timeout_s for d in self._drivers), default=0) + 1
        with anyio.move_on_after(seconds):
            for link in links:
                await link.over.wait()
        await self._gate.settled()
        with anyio.move_on_after(HANDLERS_S):
            while any(len(driver.handlers) for driver in self._drivers):
                await anyio.sleep(0.005)
        for driver in self._drivers:
            driver.stop()
            driver.step(inp.Stop())
        self._append_hash()
        await self._gate.settled()

    def _abandon(self) -> None:
        """Stop everything where it is; whoever is connected sees the connection end."""
        self._ending = True
        if self._acceptor is not None:
            self._acceptor.stop()
        for driver in self._drivers:
            if driver.link is not None:
                driver.link.wire.abort()
            driver.stop()
        self._tasks.cancel()

    def _close_journal(self) -> None:
        """Seal the journal after an end in order; leave it as it is after a failure."""
        resumed = self._resumed
        if resumed is None:
            return
        in_order = not self._crashed
        try:
            if hasattr(self, "_store"):
                self._store.close(in_order)
        except BaseException as error:  # the index is disposable (P6), the journal is not
            if in_order:
                log.journal.error("closing the index: %s", error, exc_info=error)
        try:
            resumed.writer.close(in_order)
        except BaseException as error:
            self._failure = self._failure or error
            if in_order:
                log.journal.error("closing the journal: %s", error)


def explain(error: BaseException) -> str:
    """One line for a log: what, where, what to do."""
    if isinstance(error, EngineError):
        return " | ".join(part for part in (error.message, error.where, error.hint) if part)
    return f"{type(error).__name__}: {error}"
