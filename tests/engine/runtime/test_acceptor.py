"""Many sessions on one port, and everything that strangers may do to it."""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from durafix.engine import Engine, Message, Session
from durafix.engine.config import AcceptorConfig, Config, JournalConfig, SessionConfig
from durafix.engine.testing import SimDisk
from durafix.engine.wire import Decoder, Frame, encode, utc_timestamp

from .kit import TIMEOUT_S, Exchange, until

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def acceptor(
    app: Exchange | None = None, targets: tuple[str, ...] = ("BUYER",), **limits: Any
) -> AsyncIterator[Engine]:
    """An acceptor over TCP, its journal on a disk in memory."""
    sessions = [
        SessionConfig(role="acceptor", sender="SELLER", target=target, logout_timeout_s=1)
        for target in targets
    ]
    config = Config(
        journal=JournalConfig(path="/journal", fsync="never", segment_bytes=1 << 20),
        acceptor=AcceptorConfig(port=0, **limits),
        session=sessions,
        message_bytes_max=1 << 16,
    )
    async with Engine.open(config, app or Exchange(), disk=SimDisk()) as engine:
        yield engine


class Peer:
    """A raw counterparty."""

    def __init__(self, stream: SocketStream, name: str) -> None:
        self.stream, self.name = stream, name
        self.decoder = Decoder()
        self.frames: list[Frame] = []
        self.seq = 0

    def frame(self, kind: bytes, fields: list[tuple[int, bytes]], **header: bytes) -> bytes:
        """A message with the next number."""
        self.seq += 1
        return encode(
            b"FIX.4.4",
            [
                (35, kind),
                (34, header.get("seq", b"%d" % self.seq)),
                (49, self.name.encode()),
                (52, utc_timestamp(time.time_ns(), 3)),
                (56, header.get("target", b"SELLER")),
                *fields,
            ],
        )

    async def say(self, kind: bytes, fields: list[tuple[int, bytes]], **header: bytes) -> None:
        """Send one message."""
        await self.stream.send(self.frame(kind, fields, **header))

    async def logon(self, **header: bytes) -> None:
        """Send a Logon."""
        await self.say(b"A", [(98, b"0"), (108, b"30")], **header)

    async def order(self, name: bytes) -> None:
        """Send an order."""
        await self.say(b"D", [(11, name), (55, b"MSFT"), (54, b"1"), (38, b"100")])

    async def hear(self) -> Frame:
        """The next message."""
        with anyio.fail_after(TIMEOUT_S):
            while not self.frames:
                items = self.decoder.feed(await self.stream.receive())
                self.frames += [item for item in items if isinstance(item, Frame)]
        return self.frames.pop(0)

    async def closed(self) -> bool:
        """Whether the other side closes without another word."""
        assert not self.frames
        with anyio.fail_after(TIMEOUT_S):
            try:
                return not await self.stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return True


@contextlib.asynccontextmanager
async def peer(engine: Engine, name: str = "BUYER") -> AsyncIterator[Peer]:
    """A connection to the acceptor."""
    async with await anyio.connect_tcp("127.0.0.1", engine.port) as stream:
        yield Peer(stream, name)


def refusals(engine: Engine) -> dict[str, int]:
    """Connections that never reached a session, by cause, without zeros."""
    found = engine.metrics()["greetings_refused"]
    return {cause: count for cause, count in found.items() if count}


async def test_many_sessions_share_one_port() -> None:
    """Each Logon finds its session, and the numbers of each are its own."""
    names = tuple(f"B{n}" for n in range(12))
    app = Exchange()
    async with acceptor(app, names) as engine, contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(peer(engine, name)) for name in names]
        for one in peers:
            await one.logon()
            assert (await one.hear()).msg_type == b"A"
        for one in reversed(peers):
            await one.order(one.name.encode())
        for one in peers:
            report = await one.hear()
            assert (report[11], report.seq_num) == (one.name.encode(), 2)
        assert len(engine.sessions) == 12
        assert engine.sessions["SELLER->B3"].state.next_in == 3


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"GET / HTTP/1.1\r\n\r\n8=FIX.4.4\x019=5\x0135=0\x0110=000\x01", "garbage"),
        (b"\0" * 5000 + b"8=FIX.4.4\x019=x\x01", "garbage"),
        (b"8=FIX.4.4\x019=99999999999\x0135=A\x01", "garbage"),
        (b"8=FIX.4.4\x019=900000\x0135=A\x01", "garbage"),
    ],
)
async def test_garbage_is_closed_silently(data: bytes, cause: str) -> None:
    """Text, NULs, huge lengths and lengths above the limit: no answer, no crash, counted."""
    async with acceptor() as engine:
        async with peer(engine) as one:
            await one.stream.send(data)
            assert await one.closed()
        assert refusals(engine) == {cause: 1}


async def test_a_first_message_that_is_no_logon_is_closed_silently() -> None:
    """The FIX session protocol wants a Logon first (1e)."""
    async with acceptor() as engine, peer(engine) as one:
        await one.say(b"0", [])
        assert await one.closed()
        assert refusals(engine) == {"not_logon": 1}


async def test_a_wrong_checksum_in_the_first_message_is_closed_silently() -> None:
    """A garbled Logon is none."""
    async with acceptor() as engine, peer(engine) as one:
        good = one.frame(b"A", [(98, b"0"), (108, b"30")])
        await one.stream.send(good[:-4] + b"999\x01" if good[-4:-1] != b"999" else good)
        assert await one.closed()
        assert refusals(engine) == {"garbage": 1}


@pytest.mark.parametrize(("name", "target"), [("NOBODY", b"SELLER"), ("BUYER", b"OTHER")])
async def test_an_unknown_session_is_closed_silently(name: str, target: bytes) -> None:
    """A stranger does not learn who lives here (1c)."""
    async with acceptor() as engine, peer(engine, name) as one:
        await one.logon(target=target)
        assert await one.closed()
        assert refusals(engine) == {"unknown_session": 1}


async def test_a_second_logon_of_a_live_session_is_closed_and_the_first_stays() -> None:
    """A duplicate identity changes nothing for the connection that is there (1b)."""
    async with acceptor() as engine, peer(engine) as one, peer(engine) as two:
        await one.logon()
        await one.hear()
        await two.logon()
        assert await two.closed()
        await one.order(b"c1")
        assert (await one.hear())[11] == b"c1"
        assert refusals(engine) == {"duplicate": 1}


async def test_half_a_logon_is_closed_after_the_logon_timeout() -> None:
    """Silence, and a message that never ends, cost one timer."""
    async with acceptor(logon_timeout_s=1) as engine, peer(engine) as one, peer(engine) as two:
        await one.stream.send(b"8=FIX.4.4\x019=100\x0135=A\x01")
        assert await one.closed()
        assert await two.closed()
        assert refusals(engine) == {"silent": 2}


async def test_a_thousand_silent_connections_do_not_keep_out_a_peer() -> None:
    """The oldest are closed for the newest; who speaks at once logs on, and memory stays
    bounded.
    """
    async with acceptor(pending_max=50) as engine, contextlib.AsyncExitStack() as stack:
        for _ in range(400):
            await stack.enter_async_context(peer(engine))
        async with peer(engine) as one:
            await one.logon()
            assert (await one.hear()).msg_type == b"A"
        await until(lambda: refusals(engine).get("pushed", 0) >= 350)


async def test_connections_above_the_limit_are_closed_at_once() -> None:
    """The limit holds for all connections of the port."""
    async with acceptor(connections_max=3) as engine, contextlib.AsyncExitStack() as stack:
        first = [await stack.enter_async_context(peer(engine)) for _ in range(3)]
        await first[0].logon()
        await first[0].hear()
        async with peer(engine) as more:
            assert await more.closed()
        assert engine.metrics()["connections_refused"] == 1


async def test_garbage_inside_a_session_is_skipped_and_counted() -> None:
    """Wrong checksums and noise between messages are ignored; the session lives on."""
    async with acceptor() as engine, peer(engine) as one:
        await one.logon()
        await one.hear()
        await one.stream.send(b"noise\x01" + b"8=FIX.4.4\x019=12\x0135=0\x0134=2\x0110=000\x01")
        await one.stream.send(b"\0" * 100_000)
        await one.order(b"c1")
        assert (await one.hear())[11] == b"c1"
        assert engine.metrics()["garbled"] >= 2


async def test_a_flood_of_garbage_is_one_line_of_log_a_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A line for each piece would cost ten times the bytes that were sent."""
    caplog.set_level(logging.INFO, "durafix.net")
    async with acceptor() as engine, peer(engine) as one:
        await one.logon()
        await one.hear()
        await one.stream.send(b"8=FIX.4.4\x019=" * 20_000)
        await one.order(b"c1")
        assert (await one.hear())[11] == b"c1"
        assert engine.metrics()["garbled"] >= 19_000
        assert sum("skipped" in record.message for record in caplog.records) < 200


async def test_words_of_a_peer_cannot_forge_a_line_of_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Line breaks and escape sequences of its Text are shown as escapes, and not without end."""
    caplog.set_level(logging.INFO, "durafix")
    async with acceptor() as engine, peer(engine) as one:
        await one.logon()
        await one.hear()
        text = b"no\n2026-01-01 ERROR forged \x1b[31m" + b"x" * 10_000
        await one.stream.send(one.frame(b"3", [(45, b"1"), (58, text)]))
        await one.stream.send(one.frame(b"5", [(58, text)]))
        assert (await one.hear()).msg_type == b"5"
        await until(lambda: any("logged out" in r.message for r in caplog.records))
    said = [record.message for record in caplog.records if "forged" in record.message]
    assert len(said) >= 2
    assert all(line.isprintable() and len(line) < 1000 for line in said)


@pytest.mark.parametrize("size", [1, 7])
async def test_messages_may_come_in_any_pieces(size: int) -> None:
    """A Logon and an order, cut into small pieces."""
    async with acceptor() as engine, peer(engine) as one:
        data = one.frame(b"A", [(98, b"0"), (108, b"30")])
        data += one.frame(b"D", [(11, b"c1"), (55, b"M"), (54, b"1"), (38, b"1")])
        for at in range(0, len(data), size):
            await one.stream.send(data[at : at + size])
        assert (await one.hear()).msg_type == b"A"
        assert (await one.hear())[11] == b"c1"


async def test_our_logout_arrives_although_the_peer_goes_on_sending() -> None:
    """Writing is shut down, reading goes on for a while: no reset eats the Logout (session rule
    19).
    """
    async with acceptor() as engine, peer(engine) as one:
        await one.logon()
        await one.hear()
        noise = one.frame(b"0", [(112, b"x" * 200)]) * 200
        await one.say(b"D", [(11, b"c1")], seq=b"1")  # too low without 43: Logout, then close
        with contextlib.suppress(anyio.BrokenResourceError):
            for _ in range(20):
                await one.stream.send(noise)
        answer = await one.hear()
        assert answer.msg_type == b"5" and b"too low" in answer[58]


async def test_the_session_is_free_at_once_after_a_disconnect() -> None:
    """A peer that broke off may come back without waiting for a timeout."""
    async with acceptor() as engine:
        for n in range(3):
            async with peer(engine) as one:
                one.seq = n
                await one.logon()
                assert (await one.hear()).msg_type == b"A"
            await until(lambda: engine.sessions["BUYER"].state.connected is False)


class Gatekeeper(Exchange):
    """Lets in who knows the word; async and blocking hooks are the same to the session."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.words: list[str | None] = []
        self.error = error

    async def authenticate(self, session: Session, logon: Message) -> bool:
        """Look at the password."""
        await anyio.sleep(0.01)
        if self.error is not None:
            raise self.error
        self.words.append(logon.get(554))
        return logon.get(554) == "sesame"


class BlockingGatekeeper(Exchange):
    """The same as a ``def``."""

    def authenticate(self, session: Session, logon: Message) -> bool:
        """Look at the password, in a thread."""
        time.sleep(0.01)
        return logon.get(554) == "sesame"


@pytest.mark.parametrize("app", [Gatekeeper, BlockingGatekeeper])
async def test_p8_a_logon_that_fails_authentication_changes_nothing(app: type[Exchange]) -> None:
    """Not even with 141=Y; the same number logs on with the right password (P8)."""
    async with acceptor(app()) as engine:
        before = engine.sessions["BUYER"].state
        async with peer(engine) as one:
            await one.say(b"A", [(98, b"0"), (108, b"30"), (141, b"Y"), (554, b"wrong")])
            assert await one.closed()
        after = engine.sessions["BUYER"].state
        assert (after.epoch, after.next_in, after.next_out) == (
            before.epoch, before.next_in, before.next_out,
        )  # fmt: skip
        async with peer(engine) as one:
            await one.say(b"A", [(98, b"0"), (108, b"30"), (554, b"sesame")])
            assert (await one.hear()).msg_type == b"A"


async def test_an_authenticator_that_fails_refuses() -> None:
    """A dead user database lets nobody in."""
    async with acceptor(Gatekeeper(OSError("down"))) as engine, peer(engine) as one:
        await one.logon()
        assert await one.closed()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No test here may log that the engine stops."""
    yield
    assert not [record for record in caplog.records if record.levelname == "CRITICAL"]
