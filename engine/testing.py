"""What people test their application with: a pair of sessions, a clock in the hand, a disk in
memory.

    async with pair(Exchange(), Desk()) as (exchange, desk):
        session = desk.sessions["BUYER->SELLER"]
        await session.wait_logged_on()

Owns stand-ins for everything that an engine gets from outside: ``FakeHost`` (timers that fire when
the clock is moved), ``MemoryNetwork`` (connections within the process), ``SimDisk``
(journal/simdisk.py, a disk whose power can be cut), and ``Machine``, which is one computer: a disk
that outlives its engines.

Engines here are the real ones, with the real session core, gate and recovery; only the outside is
simulated. It must not be imported by the engine itself.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import anyio
import msgspec
from anyio.abc import ByteStream, TaskGroup, TaskStatus

from ..journal.simdisk import SimDisk
from ..journal.siminode import Loss
from .config import AcceptorConfig, Config, JournalConfig, SessionConfig
from .errors import ListenFailed
from .runtime.application import Application
from .runtime.clock import Clock, FakeClock, SystemClock
from .runtime.engine import Engine
from .runtime.host import Host, Timer, current_host
from .runtime.network import Accept
from .runtime.stream import StreamWire
from .runtime.wire import Wire
from .wire import Decoder

__all__ = ["FakeClock", "FakeHost", "Loss", "Machine", "MemoryNetwork", "SimDisk", "pair"]

PIPE_BYTES = 1 << 16
"""How much a connection in memory holds before the sender has to wait."""


class FakeHost:
    """A host whose timers follow a ``FakeClock``; everything else is the running loop's.

    ``await host.advance(seconds)`` moves the clock from timer to timer and lets the loop settle
    after each, so what a timer starts is done before the next one fires.
    """

    def __init__(self, clock: FakeClock, crash: Callable[[BaseException], None]) -> None:
        self.crash = crash
        self._clock = clock
        self._real = current_host(SystemClock(), crash)
        self._due: list[tuple[int, int, list[Callable[[], None]]]] = []
        self._order = itertools.count()
        self.soon = self._real.soon
        self.post = self._real.post

    def call_at(self, mono_ns: int, call: Callable[[], None]) -> Timer:
        """See ``Host``."""
        due = [call]
        heapq.heappush(self._due, (mono_ns, next(self._order), due))
        return _Cancel(due)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """See ``Host``."""
        return self.call_at(self._clock.mono_ns() + round(seconds * 1e9), call)

    async def run(self) -> None:
        """See ``Host``."""

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        end = self._clock.mono_ns() + round(seconds * 1e9)
        while self._due and self._due[0][0] <= end:
            self._clock.advance(max(0, self._due[0][0] - self._clock.mono_ns()) / 1e9)
            self.fire()
            await settle()
        self._clock.advance((end - self._clock.mono_ns()) / 1e9)
        await settle()

    def fire(self) -> None:
        """Run what is due now. For several engines on one clock: move the clock, fire each host."""
        while self._due and self._due[0][0] <= self._clock.mono_ns():
            for call in heapq.heappop(self._due)[2]:
                call()


class _Cancel:
    def __init__(self, due: list[Callable[[], None]]) -> None:
        self._due = due

    def cancel(self) -> None:
        self._due.clear()


async def settle(turns: int = 20) -> None:
    """Let the loop run until what was started has (most likely) come to rest."""
    for _ in range(turns):
        await anyio.sleep(0)
    await anyio.sleep(0.002)


class MemoryNetwork:
    """Connections within the process, by port number. Give one to all engines that shall meet.

    ``cut()`` breaks every open connection, as a network failure does; ``hold()`` lets nothing
    through any more and says nothing, as a cable that was pulled.
    """

    def __init__(self, message_bytes_max: int = 1 << 20) -> None:
        self._message_bytes_max = message_bytes_max
        self._listening: dict[int, tuple[Host, TaskGroup, Accept]] = {}
        self._open: list[StreamWire] = []
        self._ends: list[_End] = []
        self._ports = itertools.count(1)

    async def listen(
        self, host: Host, tasks: TaskGroup, address: str, port: int, accept: Accept
    ) -> _MemoryListener:
        """See ``network.Network``."""
        port = port or next(self._ports)
        if port in self._listening:
            raise ListenFailed(f"port {port} is taken", where=f"{address}:{port}")
        self._listening[port] = (host, tasks, accept)
        return _MemoryListener(port, lambda: self._listening.pop(port, None))

    async def connect(
        self, host: Host, tasks: TaskGroup, address: str, port: int, accept: Accept
    ) -> Wire:
        """See ``network.Network``."""
        await anyio.sleep(0)
        if port not in self._listening:
            raise ConnectionRefusedError(f"nobody listens on {port}")
        theirs_host, theirs_tasks, theirs_accept = self._listening[port]
        near, far = _pipe()
        self._ends += [near, far]
        self._start(theirs_host, theirs_tasks, theirs_accept, far)
        return self._start(host, tasks, accept, near)

    def _start(self, host: Host, tasks: TaskGroup, accept: Accept, stream: _End) -> StreamWire:
        wire = StreamWire(host, stream, Decoder(self._message_bytes_max), "memory")
        self._open.append(wire)
        accept(wire)
        tasks.start_soon(wire.run)
        return wire

    def cut(self) -> None:
        """Break all connections."""
        wires, self._open = self._open, []
        for wire in wires:
            wire.abort()

    def hold(self) -> None:
        """Let nothing through on the connections that are open now."""
        for end in self._ends:
            end.held = True


class _MemoryListener:
    def __init__(self, port: int, closed: Callable[[], Any]) -> None:
        self.port = port
        self.close = closed


class _End(ByteStream):
    """One end of a connection in memory."""

    def __init__(self) -> None:
        self.other: _End
        self.held = False
        self._waiting = bytearray()
        self._changed = anyio.Event()
        self._eof = False
        self._closed = False

    def _tell(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """See ``ByteStream``."""
        while not self._waiting or self.held:
            if self._closed:
                raise anyio.ClosedResourceError
            if self._eof and not self.held:
                raise anyio.EndOfStream
            await self._changed.wait()
        data = bytes(self._waiting[:max_bytes])
        del self._waiting[:max_bytes]
        self._tell()
        return data

    async def send(self, item: bytes) -> None:
        """See ``ByteStream``."""
        await anyio.sleep(0)
        other = self.other
        if self._closed or other._closed:
            raise anyio.BrokenResourceError
        other._waiting += item
        other._tell()
        while len(other._waiting) > PIPE_BYTES and not other._closed:
            await other._changed.wait()

    async def send_eof(self) -> None:
        """See ``ByteStream``."""
        self.other._eof = True
        self.other._tell()

    async def aclose(self) -> None:
        """See ``ByteStream``."""
        self._closed = True
        self._tell()
        await self.send_eof()


def _pipe() -> tuple[_End, _End]:
    near, far = _End(), _End()
    near.other, far.other = far, near
    return near, far


class Machine:
    """One computer: its disk outlives its engines, and its power can be cut.

    ``await machine.start()`` boots an engine from what is on the disk, as a task of ``tasks``.
    ``kill`` ends it as SIGKILL does (what was written stays), ``cut_power`` loses what was not
    synced as well; both leave the machine ready for the next ``start``. ``application`` makes a new
    application for each boot.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        config: Config,
        application: Callable[[], Application],
        network: MemoryNetwork,
        *,
        disk: SimDisk | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.config = config
        self.disk = disk or SimDisk()
        self.clock = clock or SystemClock()
        self.application: Application
        self.engine: Engine
        self._tasks = tasks
        self._make = application
        self._network = network
        self._end = anyio.Event()
        self._ended = anyio.Event()
        self._ended.set()

    async def start(self) -> Engine:
        """Boot: open the journal, recover, connect."""
        assert self._ended.is_set(), "it runs already"
        self._end, self._ended = anyio.Event(), anyio.Event()
        await self._tasks.start(self._live)
        return self.engine

    async def _live(self, *, task_status: TaskStatus[None]) -> None:
        self.application = self._make()
        clock = self.clock
        host = _fake_host(clock) if isinstance(clock, FakeClock) else current_host
        try:
            async with Engine.open(
                self.config, self.application,
                disk=self.disk, clock=clock, network=self._network, host=host,
            ) as engine:  # fmt: skip
                self.engine = engine
                task_status.started()
                await self._end.wait()
        except Killed:
            pass
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """End in order."""
        self._end.set()
        await self._ended.wait()

    async def kill(self) -> None:
        """SIGKILL: no goodbye, the page cache stays."""
        await self._die(self.disk.kill())

    async def cut_power(self, loss: Loss = Loss.DROP, seed: int = 0) -> None:
        """The power fails: what was not synced is lost, as ``loss`` says."""
        await self._die(self.disk.crash(loss, seed))

    async def _die(self, survives: SimDisk) -> None:
        self.disk.dead = True
        self.engine.crash(Killed("killed"))
        await self._ended.wait()
        self.disk = survives


class Killed(Exception):
    """The end of an engine whose machine was killed."""


def _fake_host(clock: FakeClock) -> Callable[[Clock, Callable[[BaseException], None]], Host]:
    return lambda _, crash: FakeHost(clock, crash)


def configs(
    *,
    fsync: Literal["always", "interval", "never"] = "always",
    port: int = 1,
    **session: Any,
) -> tuple[Config, Config]:
    """Two matching configurations: SELLER accepts on ``port``, BUYER connects. More keys go to
    both.
    """
    journal = JournalConfig(path="/journal", fsync=fsync, segment_bytes=1 << 20)
    common: dict[str, Any] = {"reconnect_min_s": 0.05, "reconnect_max_s": 0.2, **session}
    seller = SessionConfig(role="acceptor", sender="SELLER", target="BUYER", **common)
    buyer = SessionConfig(
        role="initiator", sender="BUYER", target="SELLER", host="memory", port=port, **common
    )
    return (
        Config(journal=journal, session=[seller], acceptor=AcceptorConfig(port=port)),
        Config(journal=journal, session=[buyer]),
    )


@contextlib.asynccontextmanager
async def pair(
    acceptor: Application, initiator: Application, **session: Any
) -> AsyncIterator[tuple[Engine, Engine]]:
    """Two engines that are connected, on disks in memory: SELLER, with the first application,
    and BUYER.
    """
    network = MemoryNetwork()
    theirs, ours = configs(**session)
    selling = Engine.open(theirs, acceptor, disk=SimDisk(), network=network)
    async with selling, Engine.open(ours, initiator, disk=SimDisk(), network=network) as buying:
        yield selling, buying


def replaced(config: Config, **changes: Any) -> Config:
    """A configuration with other top-level values."""
    return msgspec.structs.replace(config, **changes)
