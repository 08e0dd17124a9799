"""A port under attack: strangers and logged-on peers send whatever they like, and meanwhile an
innocent session on the same port trades on; afterwards the journal is clean and replays.

Raw sockets against an engine of its own loop in a thread, its journal on a real disk; all seeded,
bounded in time, on loopback only.
"""

from __future__ import annotations

import contextlib
import random
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import anyio
import pytest

from durafix.engine import Application, Engine, Message, Session
from durafix.engine.config import AcceptorConfig, Config, JournalConfig, SessionConfig
from durafix.engine.session.fold import EngineFold
from durafix.engine.wire import Decoder, Frame, utc_timestamp
from durafix.journal.disk import RealDisk
from durafix.recovery.replay import replay
from durafix.recovery.verify import verify

Fields = Sequence[tuple[int, bytes]]
PATIENCE_S = 10.0
LATENCY_MAX_S = 5.0
"""What a busy machine of two cores may add; normal is a few milliseconds."""
NUMBERS = (b"99999999999999999999", b"9" * 18, b"18446744073709551616", b"-1", b"", b"abc", b"1.5",
           b"+1", b"1\0", b"0" * 30 + b"1", b"9" * 5000)  # fmt: skip
"""What a numeric field should never hold."""


class Echo(Application):
    """Sends application messages back; MALLORY needs a password."""

    async def on_message(self, session: Session, message: Message) -> None:
        await session.send(message, key=f"echo-{message.event_number}")

    def authenticate(self, session: Session, logon: Message) -> bool:
        return session.id.target != "MALLORY" or logon.get(554) == "sesame"


def config(root: Path) -> Config:
    """Three sessions behind one port."""
    return Config(
        journal=JournalConfig(path=str(root), fsync="interval", segment_bytes=1 << 22),
        acceptor=AcceptorConfig(port=0, logon_timeout_s=2, pending_max=64),
        session=[
            SessionConfig(role="acceptor", sender="SELLER", target=target, logout_timeout_s=1)
            for target in ("INNOCENT", "EVE", "MALLORY")
        ],
        message_bytes_max=1 << 18,
    )


class Running:
    """The engine in a thread."""

    def __init__(self, root: Path) -> None:
        self.port = 0
        self.metrics: dict[str, int] = {}
        self._root = root
        self._up, self._stop = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        try:
            anyio.run(self._serve)
        except BaseException as error:
            self._error = error
        finally:
            self._up.set()

    async def _serve(self) -> None:
        async with Engine.open(config(self._root), Echo()) as engine:
            self.port = engine.port
            self._up.set()
            while not self._stop.is_set():
                self.metrics = dict(engine.metrics())
                await anyio.sleep(0.02)

    def __enter__(self) -> Running:
        self._thread.start()
        self._up.wait(PATIENCE_S)
        assert self.port, self._error
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "it does not stop"
        if self._error is not None:
            raise self._error


def frame(fields: Fields, *, length: bytes = b"", check: bytes = b"") -> bytes:
    """A message; its length and checksum may be lies."""
    body = b"".join(b"%d=%b\x01" % field for field in fields)
    raw = b"8=FIX.4.4\x019=%b\x01" % (length or b"%d" % len(body)) + body
    return raw + b"10=%b\x01" % (check or b"%03d" % (sum(raw) % 256))


class Peer:
    """A counterparty that says anything."""

    def __init__(self, port: int, name: bytes = b"EVE", *, window: int = 0) -> None:
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name, self.seq = name, 1
        self._decoder, self._heard = Decoder(), list[Frame]()

    def message(self, kind: bytes, fields: Fields = (), seq: bytes | int = 0) -> bytes:
        """With the next number, unless another one is given."""
        number = seq if isinstance(seq, bytes) else b"%d" % (seq or self.seq)
        self.seq += not seq and seq != b""
        stamp = utc_timestamp(time.time_ns(), 3)
        header = [(35, kind), (49, self.name), (56, b"SELLER"), (34, number), (52, stamp)]
        return frame([*header, *fields])

    def send(self, kind: bytes, fields: Fields = (), seq: bytes | int = 0) -> None:
        """One message."""
        self.socket.sendall(self.message(kind, fields, seq))

    def logon(self, *, interval: bytes = b"30", more: Fields = (), reset: bool = True) -> None:
        """Ask to be let in, in a new epoch."""
        fields = [(98, b"0"), (108, interval), *([(141, b"Y")] if reset else []), *more]
        self.send(b"A", fields)

    def hear(self, seconds: float = PATIENCE_S) -> Frame | None:
        """The next frame; None at the end of the connection or of the patience."""
        until = time.monotonic() + seconds
        while not self._heard:
            self.socket.settimeout(max(0.001, until - time.monotonic()))
            try:
                data = self.socket.recv(1 << 16)
            except OSError:
                return None
            if not data:
                return None
            self._heard += [item for item in self._decoder.feed(data) if isinstance(item, Frame)]
        return self._heard.pop(0)

    def answers(self, test: bytes = b"alive?") -> bool:
        """Whether a TestRequest is answered, whatever comes before."""
        self.send(b"1", [(112, test)])
        while (heard := self.hear()) is not None:
            if heard.msg_type == b"0" and heard.get(112) == test:
                return True
        return False

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class Innocent(threading.Thread):
    """Trades through all of it, one order at a time, and remembers how long each answer took."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.latencies: list[float] = []
        self.fault = ""
        self.over = threading.Event()
        self._peer = Peer(port, b"INNOCENT")

    def run(self) -> None:
        with self._peer as peer:
            peer.logon(interval=b"5")
            if (first := peer.hear()) is None or first.msg_type != b"A":
                self.fault = "no logon"
                return
            while not self.over.is_set():
                began, name = time.monotonic(), b"c%d" % len(self.latencies)
                peer.send(b"D", [(11, name)])
                while (heard := peer.hear()) is not None and heard.get(11) != name:
                    if heard.msg_type == b"1":
                        peer.send(b"0", [(112, heard[112])])
                    elif heard.msg_type != b"0":
                        self.fault = f"heard {heard.raw!r}"
                if heard is None:
                    self.fault = f"no answer to {name!r}"
                    return
                self.latencies.append(time.monotonic() - began)
                time.sleep(0.01)
            peer.send(b"5")
            peer.hear()


def memory_mb() -> int:
    """Most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@contextlib.contextmanager
def under_attack(root: Path) -> Iterator[Running]:
    """An engine with an innocent session; afterwards it must be as if nothing had been."""
    before = memory_mb()
    with Running(root) as engine:
        innocent = Innocent(engine.port)
        innocent.start()
        try:
            yield engine
        finally:
            innocent.over.set()
            innocent.join(PATIENCE_S)
        assert not innocent.fault
        assert innocent.latencies and max(innocent.latencies) < LATENCY_MAX_S
    assert memory_mb() - before < 200
    disk = RealDisk()
    report = verify(disk, str(root))
    assert (report.verdict, [f for f in report.findings if f.severity != "note"]) == ("clean", [])
    again = replay(disk, str(root), EngineFold())
    assert (again.verdict, again.findings) == ("clean", ())
    for state in again.state.sessions.values():
        assert (state.link, state.gap) == ("down", "none")


def closed_in_silence(port: int, data: bytes, *, half: bool = False) -> bool:
    """Whether the port says nothing to these bytes and hangs up."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as one:
        try:
            one.sendall(data)
            if half:
                one.shutdown(socket.SHUT_WR)
            return one.recv(1) == b""
        except ConnectionError:
            return True


def strangers(dice: random.Random) -> Iterator[bytes]:
    """What comes from connections that never say who they are."""
    stamp = utc_timestamp(time.time_ns(), 3)
    logon = [(35, b"A"), (49, b"EVE"), (56, b"SELLER"), (34, b"1"), (52, stamp), (98, b"0"),
             (108, b"30")]  # fmt: skip
    yield from (dice.randbytes(length) for length in (1, 10, 100, 70_000))
    yield from (b"\0" * 70_000, b"\x01" * 70_000, b"8=" * 30_000, b"GET / HTTP/1.1\r\n\r\n")
    yield from (b"8=FIX.4.4\x01" * 5000, b"8=FIX.4.4\x019=" * 5000)
    for length in (b"999999999", b"-1", b"0", b"99999999999999999999", b"1e5", b"5", b"0" * 40):
        yield frame(logon, length=length)
    for check in (b"000", b"999", b"1", b"0001", b"abc"):
        yield frame(logon, check=check)
    for kind in (b"0", b"1", b"2", b"4", b"5", b"D", b"\0", b"A" * 5000):
        yield frame([(35, kind), *logon[1:]])
    for sender, target in ((b"NOBODY", b"SELLER"), (b"EVE", b"X"), (b"\xff" * 300, b"SELLER")):
        yield frame([(35, b"A"), (49, sender), (56, target), *logon[3:]])
    yield frame([(35, b"A"), (49, b"INNOCENT"), *logon[2:], (141, b"Y")])  # it is live


def test_strangers_get_silence(tmp_path: Path) -> None:
    """Garbage, lies, half messages, unknown names, a second Logon for a live session."""
    with under_attack(tmp_path / "j") as engine:
        for data in strangers(random.Random(1)):
            assert closed_in_silence(engine.port, data, half=True), data[:100]
        with Peer(engine.port, b"NOBODY") as nobody:
            whole = nobody.message(b"A", [(98, b"0"), (108, b"30")])
        for length in range(1, len(whole), 9):
            assert closed_in_silence(engine.port, whole[:length], half=True)


def test_a_crowd_that_says_nothing_keeps_nobody_out(tmp_path: Path) -> None:
    """Silent connections, slow ones and long half messages; a peer that speaks gets in at once."""
    with under_attack(tmp_path / "j") as engine, contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(Peer(engine.port)) for _ in range(300)]
        for number, one in enumerate(crowd):
            with contextlib.suppress(OSError):
                one.socket.sendall(b"8=FIX.4.4\x019=200000\x01" + b"x" * (number % 3 * 60_000))
        eve = stack.enter_context(Peer(engine.port))
        eve.logon()
        assert eve.answers()
        slow = stack.enter_context(Peer(engine.port, b"MALLORY"))
        began, data = time.monotonic(), slow.message(b"A", [(98, b"0"), (108, b"30")])
        with contextlib.suppress(OSError):
            for byte in data:
                slow.socket.sendall(bytes([byte]))
                slow.socket.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    if not slow.socket.recv(1):
                        break
        assert time.monotonic() - began < 6


def bad_logons(eve: Callable[..., Peer]) -> None:
    """Numbers that are none, a password that is wrong, again and again."""
    for number in NUMBERS:
        with eve() as one:
            one.send(b"A", [(98, b"0"), (108, b"30"), (141, b"Y")], number)
            one.hear(0.1)
        with eve() as one:
            one.logon(interval=number)
            assert one.hear(1) is None
    for _ in range(100):
        with eve(b"MALLORY") as one:
            one.logon(more=[(554, b"guess")])


def bad_numbers(eve: Callable[..., Peer]) -> None:
    """In every numeric field of the session layer."""
    with eve() as one:
        one.logon()
        for number in NUMBERS:
            one.send(b"2", [(7, number), (16, b"0")])
            one.send(b"2", [(7, b"1"), (16, number)])
            if number != b"9" * 18:  # that one is a number; see below
                one.send(b"4", [(123, b"Y"), (36, number)])
            one.send(b"3", [(45, number)])
            one.send(b"0", [(369, number), (789, number)])
        assert one.answers()
        one.send(b"4", [(36, b"9" * 18)])
        one.send(b"0", seq=b"9" * 18)
        one.send(b"0", seq=b"1" + b"0" * 18)


def bad_fields(eve: Callable[..., Peer]) -> None:
    """Tags without end, data fields that lie about their length, times that are none."""
    bodies: list[Fields] = [
        [(447, b"D")] * 30_000, [(453, b"99999999"), *[(448, b"x")] * 1000], [(0, b"1")],
        [(95, b"999999999"), (96, b"abc")], [(95, b"3"), (96, b"a\x01b")],
        [(95, b"30"), (96, b"a")], [(95, b"-1"), (96, b"a")], [(95, b"9" * 30), (96, b"a")],
        [(90, b"5"), (91, b"10=12")], [(212, b"7"), (213, b"10=000\x01")],
    ]  # fmt: skip
    with eve() as one:
        one.logon()
        for number, body in enumerate(bodies):
            one.send(b"D", [(11, b"b%d" % number), *body])
        assert one.answers()


def floods(eve: Callable[..., Peer]) -> None:
    """Thousands of questions, and the same history asked for again and again."""
    with eve() as one:
        one.logon()
        asked = b"".join(one.message(b"1", [(112, b"t%d" % i)]) for i in range(3000))
        sender = threading.Thread(target=one.socket.sendall, args=(asked,))
        sender.start()
        for number in range(3000):
            while (heard := one.hear()) is not None and heard.msg_type != b"0":
                pass
            assert heard is not None and heard[112] == b"t%d" % number
        sender.join()
        one.socket.sendall(b"".join(one.message(b"D", [(11, b"h%d" % i)]) for i in range(200)))
        one.socket.sendall(b"".join(one.message(b"2", [(7, b"1"), (16, b"0")]) for _ in range(300)))
        assert one.answers()
        one.socket.sendall(b"8=FIX.4.4\x019=" * 20_000)
        assert one.answers(b"after garbage")


def deaf(eve: Callable[..., Peer]) -> None:
    """A peer that asks and does not read, then says goodbye and does not read that either."""
    with eve(window=4096) as one:
        one.logon()
        one.socket.settimeout(0.5)
        with contextlib.suppress(OSError):
            for _ in range(20):
                one.socket.sendall(
                    b"".join(one.message(b"1", [(112, b"x" * 200)]) * 50 for _ in "ab")
                )
                one.socket.sendall(one.message(b"2", [(7, b"1"), (16, b"0")]))
            one.send(b"5")


def leaving(eve: Callable[..., Peer]) -> None:
    """Disconnects in every state, in order and by reset."""
    dice = random.Random(3)
    for number in range(40):
        with eve(dice.choice([b"EVE", b"MALLORY"])) as one, contextlib.suppress(OSError):
            logon = one.message(b"A", [(98, b"0"), (108, b"1"), (141, b"Y"), (554, b"sesame")])
            said = [
                one.message(b"D", [(11, b"s%d" % number)]),
                one.message(b"2", [(7, b"1"), (16, b"0")]),
                one.message(b"D", [(11, b"gap")], seq=one.seq + 5),
                one.message(b"5"),
                one.message(b"A", [(98, b"0"), (108, b"1"), (141, b"Y")]),
            ]
            one.socket.sendall(logon[: dice.choice([len(logon), len(logon), 50])])
            one.socket.sendall(b"".join(said[: dice.randrange(6)]))
            time.sleep(dice.choice([0, 0.01]))
            if number % 3 == 0:
                now = b"\1\0\0\0\0\0\0\0"
                one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)


ATTACKS = (bad_logons, bad_numbers, bad_fields, floods, deaf, leaving)


def test_a_session_that_attacks_hurts_itself_only(tmp_path: Path) -> None:
    """All attacks of a peer whose name is known, one after the other; it may log on at the end."""
    with under_attack(tmp_path / "j") as engine:

        def eve(name: bytes = b"EVE", **options: int) -> Peer:
            return free(engine.port, name, **options)

        for attack in ATTACKS:
            attack(eve)
        with eve() as one:
            one.logon()
            assert one.answers()


def free(port: int, name: bytes, **options: int) -> Peer:
    """A connection once the one before is forgotten, which takes a moment."""
    time.sleep(0.02)
    return Peer(port, name, **options)


@pytest.mark.deep
def test_seeded_attacks(tmp_path: Path, deep_seed: int, deep_seconds: float) -> None:
    """Random order, random garbage between and within messages."""
    dice = random.Random(deep_seed)
    until = time.monotonic() + deep_seconds
    with under_attack(tmp_path / "j") as engine:

        def eve(name: bytes = b"EVE", **options: int) -> Peer:
            return free(engine.port, name, **options)

        while time.monotonic() < until:
            dice.choice(ATTACKS)(eve)
            with eve() as one, contextlib.suppress(OSError):
                one.logon()
                for _ in range(50):
                    data = bytearray(one.message(b"D", [(11, b"x"), (58, dice.randbytes(30))]))
                    data[dice.randrange(len(data))] = dice.randrange(256)
                    one.socket.sendall(data)
