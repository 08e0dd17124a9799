"""One computer: a disk that outlives its engines, a fuse that ends each of them, and its promises.

Owns the lives of one side. Each life boots an engine from what is on the disk, trades, and ends
when the fuse blows: before some operation of the disk, during recovery as well, or at some write to
the network. Then the process is gone with all its state, the disk is what the power cut left of it,
and the next life begins. It must not know what the judge makes of it.

Invariant: at the start of each life what the policy promised to the life before is there. It is
checked by number, against what the writer had said until the moment of death.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, cast

import anyio

from durafix.engine import Application, Config, Engine, Session
from durafix.engine.session.fold import EngineFold, EngineState
from durafix.engine.testing import Killed
from durafix.journal.record import Kind, Record
from durafix.journal.simdisk import SimDisk
from durafix.journal.simfile import SimCrash
from durafix.journal.siminode import Loss
from durafix.journal.writer import Writer
from durafix.recovery.resume import OpenReport

from ..interop.wirecheck import frames
from .loop import Broken, SimClock
from .network import Nic, SimNetwork
from .trading import Notebook

PUMP_S = 0.003
"""How often a writer without a thread is asked what time has made due."""
FUSES = "operation", "operation", "fdatasync", "before-write", "after-write"
"""What is counted until the power fails: operations of the disk, syncs of the journal, writes to
the network.
"""
LATE = 0.5
"""In so many lives the disk is slower than the session."""
KILLED = 0.1
"""How often it is only the process that ends."""


class WatchingFold(EngineFold):
    """Notes the last event that recovery found, its own REPAIR events apart."""

    def __init__(self) -> None:
        super().__init__()
        self.found = 0

    def apply(self, state: EngineState, record: Record) -> None:
        """See ``Fold``."""
        super().apply(state, record)
        if record.kind != Kind.REPAIR:
            self.found = record.event


class LateWriter:
    """The writer, but a commit is carried out a little later, as the writer's thread does it.

    Meanwhile steps run ahead of the disk, and one sync covers many: the power cut in between is
    what the gate is there for.
    """

    def __init__(self, writer: Writer, later: Callable[[], None]) -> None:
        self.commit = later
        self._writer = writer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


class SimEngine(Engine):
    """The engine as it is; ``forget_reservations`` plants the fault that rule 20 is there for.

    ``commit_after`` says how many seconds a commit takes; None: it is through at once.
    """

    forget_reservations = False
    commit_after: Callable[[], float] | None = None
    _commit_booked = False
    on_open: Callable[[int, OpenReport], None]
    """Told the last event of the lives before that recovery accepted, before anything happens."""

    def _open_journal(self) -> None:
        watching = self._fold = WatchingFold()
        super()._open_journal()
        assert self._resumed is not None
        self.on_open(watching.found, self._resumed.report)
        if self.forget_reservations:
            self._resumed = dataclasses.replace(self._resumed, bound_sessions=frozenset())
        if self.commit_after is not None:
            late = cast("Writer", LateWriter(self._resumed.writer, self._commit_later))
            self._resumed = dataclasses.replace(self._resumed, writer=late)

    def _commit_later(self) -> None:
        if not self._commit_booked and self.commit_after is not None:
            self._commit_booked = True
            self.host.after(self.commit_after(), self._committed)

    def _committed(self) -> None:
        self._commit_booked = False
        self.pump()

    def hash_now(self) -> None:
        """Journal a state hash before its time, so that replay meets one in each life."""
        self._append_hash()

    def pump(self) -> None:
        """Let the writer do what time has made due, and tell the gate."""
        self._gate.writer.pump()
        self._gate.flush()
        self._moved()

    def progress(self) -> tuple[int, int]:
        """(covered, durable) as the writer said last; zeros before there is a writer."""
        if self._resumed is None:
            return 0, 0
        return self._resumed.writer.covered, self._resumed.writer.durable


class Computer:
    """See the module. ``trade`` is a task of each life; ``make`` a new application for each."""

    def __init__(
        self,
        name: str,
        config: Config,
        net: SimNetwork,
        dice: Random,
        notes: Notebook,
        make: Callable[[int], Application],
        *,
        lies: frozenset[str] = frozenset(),
        forget_reservations: bool = False,
    ) -> None:
        self.name = name
        self.config = config
        self.net = net
        self.dice = dice
        self.notes = notes
        self.disk = SimDisk(dice.randrange(1 << 30), lies=lies)
        self.life = 0
        self.engine: SimEngine | None = None
        self.counts: Counter[str] = Counter()
        self.losses: tuple[Loss, ...] = tuple(Loss)
        self.armed = True
        """Whether fuses are set; else this life is the last one."""
        self.stop = anyio.Event()
        self.stopped = anyio.Event()
        self.trade: Callable[[Session], Coroutine[Any, Any, None]] | None = None
        self.on_break: Callable[[], None] = lambda: None
        """Called before ``Broken`` is raised, so that nobody goes on alone."""
        self._make = make
        self._forget = forget_reservations
        self._dead = False
        self._fuse: tuple[str, int] | None = None
        self._nic: Nic
        self._booting: SimEngine | None = None
        self._next_disk: SimDisk
        self._covered = self._durable = self._promised = 0
        self._highest_seq = 0

    # -- lives -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Life after life, until ``stop`` ends one in order."""
        while True:
            self.life += 1
            self._dead = False
            self._set_fuse()
            with anyio.CancelScope() as scope:
                self._scope = scope
                try:
                    await self._live()
                except BaseException as error:
                    if not self._dead:
                        self.on_break()
                        raise Broken(f"{self.name}, life {self.life}: {_causes(error)}") from error
            if not self._dead or self.stop.is_set():
                self.stopped.set()
                return
            self.engine = None
            self.disk = self._next_disk
            await anyio.sleep(self.dice.uniform(0, 0.05))
            if self.stop.is_set():
                self.stopped.set()
                return

    async def _live(self) -> None:
        loop = self.net.loop
        clock = SimClock(loop, self.dice.uniform(-2, 2), self.dice.uniform(0, 1000))
        self._nic = Nic(self.net, self.name, self._on_write)
        self.disk.on_operation = self._on_operation
        engine = SimEngine.open(
            self.config, self._make(self.life),
            disk=self.disk, clock=clock, network=self._nic, threaded=False,
        )  # fmt: skip
        assert isinstance(engine, SimEngine)
        engine.forget_reservations = self._forget
        if self.dice.random() < LATE:
            engine.commit_after = lambda: self.dice.uniform(0.0001, 0.003)
        engine.on_open = self._check_promises
        self._booting = engine
        self.notes.covered = lambda: engine.progress()[0]
        async with anyio.create_task_group() as tasks:
            async with engine:
                tasks.start_soon(self._pump, engine)
                self._check_number(engine)
                self.engine = engine
                if self.dice.random() < 0.5:
                    engine.hash_now()
                if self.trade is not None:
                    tasks.start_soon(self.trade, self.session)
                await self.stop.wait()
            tasks.cancel_scope.cancel()
        self.disk.on_operation = None

    async def _pump(self, engine: SimEngine) -> None:
        while True:
            await anyio.sleep(PUMP_S)
            engine.pump()

    @property
    def session(self) -> Session:
        """The one session of the engine that runs."""
        assert self.engine is not None
        (session,) = self.engine.sessions.values()
        return session

    def disarm(self) -> None:
        """No more deaths, from now on."""
        self.armed = False
        self._fuse = None

    # -- death -------------------------------------------------------------------------------------

    def _set_fuse(self) -> None:
        self._fuse = None
        if self.armed:
            kind = self.dice.choice(FUSES)
            far = self.dice.choice((12, 60, 300)) if kind == "operation" else 30
            self._fuse = kind, self.dice.randrange(1, far)

    def _burn(self, kind: str) -> bool:
        if self._fuse is None or self._fuse[0] != kind or self._dead:
            return False
        self._fuse = kind, self._fuse[1] - 1
        return self._fuse[1] == 0

    def _on_operation(self, verb: str, path: str) -> None:
        if self._burn("operation") or ("seg" in path and self._burn(verb)):
            self._die(f"{verb} {'journal' if 'seg' in path else path.rsplit('/', 1)[-1]}")

    def _on_write(self, data: bytes) -> None:
        if self._burn("before-write"):
            self._die("before a write")
        if self._burn("after-write"):  # the next one never leaves, this one is on its way
            self.net.loop.call_soon(self._die_now, "after a write")
        for frame in frames([data]):
            self._highest_seq = max(self._highest_seq, 0 if frame.poss_dup else frame.number)

    def _die(self, where: str) -> None:
        self._die_now(where)
        raise SimCrash(where)

    def switch_off(self) -> None:
        """End at once, for good; nobody will ask for this disk again."""
        self._die_now("switched off")
        self.stop.set()

    def _die_now(self, where: str) -> None:
        """The power fails, or the process is killed: what the next life will find is decided here,
        and nothing that this one still tries has an effect.
        """
        if self._dead:
            return
        self._dead = True
        engine = self._booting
        covered, durable = engine.progress() if engine is not None else (0, 0)
        self._covered = max(self._covered, covered)
        self._durable = max(self._durable, durable)
        killed = self.dice.random() < KILLED
        if killed:
            self._promised = max(self._promised, covered)
            self._next_disk = self.disk.kill()
        else:
            self._promised = self._durable
            loss = self.dice.choice(self.losses)
            self._next_disk = self.disk.crash(loss, self.dice.randrange(1 << 30))
            self.counts[f"power cut, {loss.value}"] += 1
        self.counts["deaths"] += 1
        self.counts["kills"] += killed
        self.counts["deaths while recovering"] += self.engine is None
        self.disk.dead = True
        self.net.power_off(self._nic)
        self.net.loop.call_soon(self._bury, engine, self._scope)

    def _bury(self, engine: SimEngine | None, scope: anyio.CancelScope) -> None:
        if engine is self.engine and engine is not None:
            engine.crash(Killed("the power failed"))
        scope.cancel()

    # -- promises ----------------------------------------------------------------------------------

    def _check_promises(self, found: int, report: OpenReport) -> None:
        """What was durable (or covered, after kills only) is there."""
        settled = report.settled
        there = report.events - (settled is not None and settled.repair_written)
        if there < self._promised:
            raise Broken(
                f"event {self._promised} was promised, recovery found {there} ({report.because})"
            )
        self._note_losses(found)
        self.counts["torn tails"] += report.cut
        self.counts["from the bound"] += report.from_bound
        self._covered = self._durable = self._promised = report.events

    def _check_number(self, engine: SimEngine) -> None:
        """No number that was on the wire comes again."""
        (session,) = engine.sessions.values()
        if session.state.next_out <= self._highest_seq:
            raise Broken(
                f"MsgSeqNum {self._highest_seq} was on the wire, "
                f"the session goes on with {session.state.next_out}"
            )

    def _note_losses(self, found: int) -> None:
        """What was only covered and is gone: the judge forgives its consequences, nothing else."""
        notes = self.notes
        for told in notes.told:
            if found < told.event <= self._covered:
                notes.lost[told.name] = notes.lost.get(told.name, 0) + 1
        for heard in notes.heard[notes.settled :]:
            if found < heard.event:
                notes.forgotten[heard.order] = notes.forgotten.get(heard.order, 0) + 1
            elif found < heard.reach:
                notes.undelivered.setdefault(heard.order, set()).add(heard.event)
        notes.settled = len(notes.heard)
        notes.told.clear()


def _causes(error: BaseException) -> str:
    """A group of errors in one line."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_causes(one) for one in error.exceptions)
    if isinstance(error, Broken):
        return str(error)
    return f"{type(error).__name__}: {error}"
