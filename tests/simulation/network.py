"""A network in virtual time that writes down everything: latency, torn streams, dead peers.

Owns connections between computers and the record of what was on the wire. Bytes arrive in order
and late. When a computer loses its power, some of what it had sent last is lost with it, perhaps
in the middle of a frame, and its peer learns of it soon, late, or by its own timers. It must not
know sessions or journals.

Invariant: from the moment a ``Nic`` is dead nothing leaves it and nothing reaches it, whatever the
code behind it still tries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import anyio
from anyio.abc import TaskGroup

from durafix.engine.errors import ListenFailed
from durafix.engine.runtime.host import Host
from durafix.engine.runtime.network import Accept
from durafix.engine.runtime.wire import GRACE_S, Receiver
from durafix.engine.wire import Decoder

from .loop import SimLoop

MESSAGE_BYTES_MAX = 1 << 20
LATENCY_S = 0.0002, 0.001
GAP_S = 1e-6
SILENT = 0.1
"""How often a computer that lost its power just says nothing any more, for seconds."""


class Nic:
    """A computer's way to the network for one boot. ``Network`` of its engine.

    ``on_write`` is called before each write and may raise ``SimCrash``.
    """

    def __init__(self, net: SimNetwork, owner: str, on_write: Callable[[bytes], None]) -> None:
        self.net = net
        self.owner = owner
        self.dead = False
        self.on_write = on_write
        self.wires: list[SimWire] = []

    async def listen(
        self, host: Host, tasks: TaskGroup, address: str, port: int, accept: Accept
    ) -> _Listener:
        """See ``network.Network``."""
        if port in self.net.listening:
            raise ListenFailed(f"port {port} is taken", where=f"{address}:{port}")
        self.net.listening[port] = (self, host, accept)
        return _Listener(self.net, port, self)

    async def connect(
        self, host: Host, tasks: TaskGroup, address: str, port: int, accept: Accept
    ) -> SimWire:
        """See ``network.Network``."""
        net = self.net
        await anyio.sleep(net.latency_s())
        far = net.listening.get(port)
        if far is None or self.dead:
            raise ConnectionRefusedError(f"nobody listens on {port}")
        there, their_host, their_accept = far
        ours, theirs = SimWire(self, host), SimWire(there, their_host)
        ours.other, theirs.other = theirs, ours
        theirs.guarded(their_accept, theirs)
        if not there.dead:
            ours.guarded(accept, ours)
        if there.dead or self.dead:
            raise ConnectionRefusedError("the power failed")
        return ours


class SimNetwork:
    """All connections, and ``streams``: what each owner wrote, one entry a connection."""

    def __init__(self, loop: SimLoop, dice: Random) -> None:
        self.loop = loop
        self.dice = dice
        self.listening: dict[int, tuple[Nic, Host, Accept]] = {}
        self.streams: dict[str, list[bytearray]] = {}

    def latency_s(self) -> float:
        """Of the next packet."""
        return self.dice.uniform(*LATENCY_S)

    def power_off(self, nic: Nic) -> None:
        """This computer is gone, now."""
        nic.dead = True
        for port in [port for port, entry in self.listening.items() if entry[0] is nic]:
            del self.listening[port]
        for wire in nic.wires:
            wire.power_off()


class _Listener:
    def __init__(self, net: SimNetwork, port: int, nic: Nic) -> None:
        self.port = port
        self._net = net
        self._nic = nic

    def close(self) -> None:
        """See ``network.Listener``."""
        entry = self._net.listening.get(self.port)
        if entry is not None and entry[0] is self._nic:
            del self._net.listening[self.port]


class SimWire:
    """One end of a connection. See ``wire.Wire``."""

    def __init__(self, nic: Nic, host: Host) -> None:
        self.receiver: Receiver
        self.peer = "sim"
        self.other: SimWire
        self._nic = nic
        self._loop = nic.net.loop
        self._host = host
        self._decoder = Decoder(MESSAGE_BYTES_MAX)
        self._closing = False
        self._over = False
        self._paused = False
        self._held: list[bytes] = []
        self._clear_at = 0.0
        self._on_its_way: list[tuple[asyncio.TimerHandle, bytes]] = []
        self._stream = bytearray()
        nic.wires.append(self)
        nic.net.streams.setdefault(nic.owner, []).append(self._stream)

    congested = False

    def write(self, data: bytes) -> None:
        """See ``Wire``."""
        if self._closing or self._over or self._nic.dead:
            return
        self._nic.on_write(data)  # the power may fail here, before the first byte
        self._stream += data
        handle = self._later(self.other.arrive, data)
        self._on_its_way.append((handle, data))

    def arrive(self, data: bytes) -> None:
        """Bytes of the other end are here."""
        if self.other._on_its_way:
            del self.other._on_its_way[0]
        if self._closing or self._over or self._nic.dead:
            return
        if self._paused:
            self._held.append(data)
            return
        items = self._decoder.feed(data)
        if items:
            self.guarded(self.receiver.received, items)

    def pause(self) -> None:
        """See ``Wire``."""
        self._paused = True

    def resume(self) -> None:
        """See ``Wire``."""
        self._paused = False
        held, self._held = self._held, []
        for data in held:
            self._loop.call_soon(self.arrive, data)

    def close(self, linger_s: float = GRACE_S) -> None:
        """See ``Wire``."""
        if self._closing or self._over:
            return
        self._closing = True
        self._later(self.other.hang_up, "end of stream")
        if linger_s > 0:
            self._loop.call_later(linger_s, self.hang_up, "closed")
        else:
            self._loop.call_soon(self.hang_up, "closed")

    def abort(self) -> None:
        """See ``Wire``."""
        self.close(0)

    def hang_up(self, cause: str) -> None:
        """The connection is over for this end; the other one learns of it."""
        if self._over or self._nic.dead:
            return
        self._over = self._closing = True
        self._later(self.other.hang_up, "closed by the peer")
        self.guarded(self.receiver.lost, cause)

    def power_off(self) -> None:
        """The computer behind this end is gone: a part of what it sent last still arrives."""
        self._closing = True
        dice, under_way = self._nic.net.dice, self._on_its_way
        kept = dice.randrange(len(under_way) + 1)
        for handle, _ in under_way[kept:]:
            handle.cancel()
        if kept < len(under_way):
            torn = under_way[kept][1]
            torn = torn[: dice.randrange(len(torn))]
            self._on_its_way = [*under_way[:kept], (under_way[kept][0], torn)]
            self._later(self.other.arrive, torn)
        quiet_s = dice.uniform(0.5, 4) if dice.random() < SILENT else dice.uniform(0, 0.005)
        self._clear_at = max(self._clear_at, self._loop.time() + quiet_s)
        self._later(self.other.hang_up, "reset")

    def guarded(self, call: Callable[..., object], *args: object) -> None:
        """As every callback of the runtime: what escapes it ends its engine."""
        try:
            call(*args)
        except BaseException as error:
            self._host.crash(error)

    def _later(self, call: Callable[..., None], *args: object) -> asyncio.TimerHandle:
        """After the latency, and never before what was sent earlier."""
        # Strictly after: the loop does not keep the order of calls that are due at the same time.
        after = self._clear_at + GAP_S
        self._clear_at = max(after, self._loop.time() + self._nic.net.latency_s())
        return self._loop.call_at(self._clear_at, call, *args)
