"""The network: how connections come to be. A constructor argument of the engine, so that tests
bring their own.

Owns listening and connecting over TCP on both loops, and which wire a connection gets: the callback
wire on asyncio and uvloop, the stream wire on trio. It must not know FIX beyond the decoder that
each wire carries.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskGroup

from ..errors import ListenFailed
from ..wire import Decoder
from .host import AsyncioHost, Host
from .stream import StreamWire
from .wire import READ_BYTES, AsyncioWire, Wire

BACKLOG = 512

Accept = Callable[[Wire], None]
"""Called for each new connection; sets ``wire.receiver`` before it returns."""


class Listener(Protocol):
    """An open port."""

    port: int
    """The port that was bound: the one asked for, or the one that the system chose for 0."""

    def close(self) -> None:
        """Take no new connections; those that are open stay."""
        ...


class Network(Protocol):
    """Where connections come from. ``tasks`` carries whatever must run behind a wire."""

    async def listen(
        self, host: Host, tasks: TaskGroup, address: str, port: int, accept: Accept
    ) -> Listener:
        """Open a port; ``ListenFailed`` if it cannot be had."""
        ...

    async def connect(
        self, host: Host, tasks: TaskGroup, address: str, port: int, accept: Accept
    ) -> Wire:
        """Connect and return the wire after ``accept`` was called for it; ``OSError`` if nobody
        answers.
        """
        ...


class TcpNetwork:
    """TCP over the running loop."""

    def __init__(self, message_bytes_max: int) -> None:
        self._message_bytes_max = message_bytes_max
        self._buffer = bytearray(READ_BYTES)

    def _decoder(self) -> Decoder:
        return Decoder(self._message_bytes_max)

    async def listen(
        self, host: Host, tasks: TaskGroup, address: str, port: int, accept: Accept
    ) -> Listener:
        """See ``Network``."""
        try:
            if isinstance(host, AsyncioHost):
                return await self._listen_asyncio(host, address, port, accept)
            return await self._listen_stream(host, tasks, address, port, accept)
        except OSError as error:
            raise ListenFailed(
                f"cannot listen on {address}:{port}: {error.strerror or error}",
                where=f"{address}:{port}",
                hint="choose another port, or stop the process that holds it",
            ) from error

    async def _listen_asyncio(
        self, host: AsyncioHost, address: str, port: int, accept: Accept
    ) -> Listener:
        def factory() -> _AcceptedWire:
            return _AcceptedWire(host, self._buffer, self._decoder(), accept)

        server = await host.loop.create_server(factory, address, port, backlog=BACKLOG)
        return _AsyncioListener(server)

    async def _listen_stream(
        self, host: Host, tasks: TaskGroup, address: str, port: int, accept: Accept
    ) -> Listener:
        listener = await anyio.create_tcp_listener(
            local_host=address, local_port=port, backlog=BACKLOG
        )

        async def handle(stream: SocketStream) -> None:
            await self._stream_wire(host, stream, accept).run()

        bound: int = listener.extra(SocketAttribute.local_port)
        opened = _StreamListener(bound)

        async def serve() -> None:
            with opened.scope:
                async with listener:
                    await listener.serve(handle, tasks)

        tasks.start_soon(serve)
        return opened

    async def connect(
        self, host: Host, tasks: TaskGroup, address: str, port: int, accept: Accept
    ) -> Wire:
        """See ``Network``."""
        if isinstance(host, AsyncioHost):
            _, wire = await host.loop.create_connection(
                lambda: _AcceptedWire(host, self._buffer, self._decoder(), accept), address, port
            )
            return wire
        stream = await anyio.connect_tcp(address, port)
        wire_on_stream = self._stream_wire(host, stream, accept)
        tasks.start_soon(wire_on_stream.run)
        return wire_on_stream

    def _stream_wire(self, host: Host, stream: SocketStream, accept: Accept) -> StreamWire:
        try:
            port = stream.extra(SocketAttribute.remote_port)
            peer = f"{stream.extra(SocketAttribute.remote_address)[0]}:{port}"
        except (OSError, anyio.TypedAttributeLookupError):
            peer = "?"
        wire = StreamWire(host, stream, self._decoder(), peer)
        accept(wire)
        return wire


class _AcceptedWire(AsyncioWire):
    """A fast wire that introduces itself as soon as it is connected."""

    def __init__(self, host: Host, buffer: bytearray, decoder: Decoder, accept: Accept) -> None:
        super().__init__(host, buffer, decoder)
        self._accept = accept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._accept(self)
        except BaseException as error:
            self._host.crash(error)


class _AsyncioListener:
    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        self.port: int = server.sockets[0].getsockname()[1]

    def close(self) -> None:
        self._server.close()


class _StreamListener:
    def __init__(self, port: int) -> None:
        self.port = port
        self.scope = anyio.CancelScope()

    def close(self) -> None:
        self.scope.cancel()
