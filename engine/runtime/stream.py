"""The other wire: a connection over any anyio byte stream, for trio and for pairs in memory.

Owns two tasks per connection, one that reads and one that writes, and gives the session the same
callbacks as the fast wire does (wire.py): the code above does not know which one it has. Slower by
a task switch a message, otherwise equal in what it promises.
"""

from __future__ import annotations

import anyio
from anyio.abc import ByteStream, TaskGroup

from ..wire import Decoder
from .host import Host
from .wire import GRACE_S, READ_BYTES, WRITE_BYTES_HIGH, WRITE_BYTES_LOW, WRITE_BYTES_MAX, Receiver


class StreamWire:
    """A connection over ``stream``; ``run`` carries it until its end. See ``Wire`` for the public
    part.
    """

    def __init__(self, host: Host, stream: ByteStream, decoder: Decoder, peer: str) -> None:
        self.receiver: Receiver
        self.peer = peer
        self._host = host
        self._stream = stream
        self._decoder = decoder
        self._out = bytearray()
        self._congested = False
        self._closing = False
        self._linger_s: float = 0
        self._more = anyio.Event()
        self._read_on = anyio.Event()
        self._read_on.set()
        self._scope = anyio.CancelScope()

    # -- what the session calls --------------------------------------------------------------------

    @property
    def congested(self) -> bool:
        """See ``Wire``."""
        return self._congested

    def write(self, data: bytes) -> None:
        """See ``Wire``."""
        if self._closing:
            return
        self._out += data
        self._more.set()
        self._congested = self._congested or len(self._out) > WRITE_BYTES_HIGH
        if len(self._out) > WRITE_BYTES_MAX:
            self.abort()

    def pause(self) -> None:
        """See ``Wire``."""
        if self._read_on.is_set() and not self._closing:
            self._read_on = anyio.Event()

    def resume(self) -> None:
        """See ``Wire``."""
        self._read_on.set()

    def close(self, linger_s: float = GRACE_S) -> None:
        """See ``Wire``."""
        if not self._closing:
            self._closing = True
            self._linger_s = linger_s
            self._more.set()
            self._read_on.set()

    def abort(self) -> None:
        """See ``Wire``."""
        self._closing = True
        self._scope.cancel()

    # -- the tasks ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read and write until the connection ends, then say so to the receiver, once."""
        cause = "closed"
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._write_all, tasks)
                    cause = await self._read_all()
                    tasks.cancel_scope.cancel()
        finally:
            self._closing = True
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                await anyio.aclose_forcefully(self._stream)
            try:
                self.receiver.lost(cause)
            except BaseException as error:
                self._host.crash(error)

    async def _read_all(self) -> str:
        while True:
            await self._read_on.wait()
            try:
                data = await self._stream.receive(READ_BYTES)
            except anyio.EndOfStream:
                return "end of stream"
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                return str(error.__cause__ or "connection broken")
            if self._closing:
                continue
            try:
                items = self._decoder.feed(data)
                if items:
                    self.receiver.received(items)
            except Exception as error:
                self._host.crash(error)
                return "crashed"

    async def _write_all(self, tasks: TaskGroup) -> None:
        try:
            while True:
                await self._more.wait()
                self._more = anyio.Event()
                while self._out:
                    data = bytes(self._out)
                    self._out.clear()
                    await self._stream.send(data)
                    self._relax()
                if self._closing:
                    await self._stream.send_eof()
                    await anyio.sleep(self._linger_s)
                    tasks.cancel_scope.cancel()
                    return
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._closing = True  # the reader sees the end by itself

    def _relax(self) -> None:
        if self._congested and len(self._out) <= WRITE_BYTES_LOW:
            self._congested = False
            try:
                self.receiver.writable()
            except Exception as error:
                self._host.crash(error)
