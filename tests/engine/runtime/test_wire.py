"""Both wires keep the same promises: batches, backpressure, and an end that loses nothing."""

import contextlib
from collections.abc import AsyncIterator, Sequence

import anyio
import pytest
from anyio.abc import SocketStream

from durafix.engine.runtime.clock import SystemClock
from durafix.engine.runtime.host import current_host
from durafix.engine.runtime.network import TcpNetwork
from durafix.engine.runtime.wire import WRITE_BYTES_HIGH, WRITE_BYTES_MAX, Wire
from durafix.engine.wire import Frame, Garbled, encode

from .kit import until

pytestmark = pytest.mark.anyio
FRAME = encode(b"FIX.4.4", [(35, b"0"), (34, b"1"), (112, b"x" * 100)])


class Ear:
    """Remembers what a wire tells."""

    def __init__(self) -> None:
        self.batches: list[list[Frame | Garbled]] = []
        self.ends: list[str] = []
        self.writable_calls = 0

    def received(self, items: Sequence[Frame | Garbled]) -> None:
        """Remember."""
        self.batches.append(list(items))

    def lost(self, cause: str) -> None:
        """Remember."""
        self.ends.append(cause)

    def writable(self) -> None:
        """Count."""
        self.writable_calls += 1

    @property
    def frames(self) -> int:
        """How many frames came."""
        return sum(len(batch) for batch in self.batches)


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[Wire, Ear, SocketStream]]:
    """A wire over TCP, what it tells, and the other end as a plain stream."""
    crashes: list[BaseException] = []
    host = current_host(SystemClock(), crashes.append)
    network = TcpNetwork(1 << 16)
    ear = Ear()
    wires: list[Wire] = []

    def accept(wire: Wire) -> None:
        wire.receiver = ear
        wires.append(wire)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(host.run)
        listener = await network.listen(host, tasks, "127.0.0.1", 0, accept)
        async with await anyio.connect_tcp("127.0.0.1", listener.port) as stream:
            await until(lambda: bool(wires))
            yield wires[0], ear, stream
        wires[0].abort()
        await until(lambda: bool(ear.ends))
        listener.close()
        tasks.cancel_scope.cancel()
    assert crashes == []
    assert len(ear.ends) == 1


async def test_all_frames_of_one_read_come_in_one_batch() -> None:
    """A batch is what one read gave, in order."""
    async with connected() as (_, ear, stream):
        await stream.send(FRAME * 50)
        await until(lambda: ear.frames == 50)
        assert len(ear.batches) < 50


async def test_a_peer_that_does_not_read_congests_the_wire_until_it_does() -> None:
    """Above the high mark a wire says so, and says when it is over."""
    async with connected() as (wire, ear, stream):
        total = 0
        while not wire.congested:
            wire.write(FRAME * 100)
            total += len(FRAME) * 100
            assert total < WRITE_BYTES_MAX
            await anyio.sleep(0)
        assert total > WRITE_BYTES_HIGH
        while total:
            total -= len(await stream.receive())
        await until(lambda: ear.writable_calls == 1)
        assert not wire.congested


async def test_a_peer_that_never_reads_is_cut() -> None:
    """A bound that is only a request is none (P11)."""
    async with connected() as (wire, ear, _):
        for _ in range(40):
            wire.write(b"x" * (1 << 20))
        await until(lambda: bool(ear.ends))


async def test_a_paused_wire_reads_nothing() -> None:
    """What was read before may still come; then silence until resume."""
    async with connected() as (wire, ear, stream):
        await stream.send(FRAME)
        await until(lambda: ear.frames == 1)
        wire.pause()
        await anyio.sleep(0.01)
        await stream.send(FRAME * 10)
        await anyio.sleep(0.03)
        before = ear.frames
        wire.resume()
        await until(lambda: ear.frames == 11)
        assert before <= 11


async def test_close_sends_what_is_left_and_hears_nothing_more() -> None:
    """The last frame arrives although the peer goes on sending; what it sends is for nobody."""
    async with connected() as (wire, ear, stream):
        wire.write(FRAME)
        wire.close(1)
        wire.write(b"too late")
        await stream.send(FRAME * 100)
        received = b""
        with contextlib.suppress(anyio.EndOfStream):
            while True:
                received += await stream.receive()
        assert received == FRAME
        assert ear.frames == 0


async def test_a_peer_that_stays_after_our_close_is_dropped() -> None:
    """Lingering ends (session rule 19)."""
    async with connected() as (wire, ear, _):
        wire.close(0.05)
        await until(lambda: bool(ear.ends))
