"""P1: nothing leaves and nothing is told before the journal covers it; P9: a failure latches."""

import errno
import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import anyio
import pytest

from durafix.engine import Application, DiskFull, Engine, Message, OutcomeUnknown, Session
from durafix.engine.runtime.gate import HASH_EVENTS, LAZY_S, Gate, _next_hash
from durafix.engine.runtime.wire import GRACE_S, Receiver, Wire
from durafix.engine.testing import Loss, Machine, MemoryNetwork, SimDisk, configs
from durafix.journal.record import Draft, Kind
from durafix.journal.simfile import Fault

from .kit import Exchange, Recorder, order, until

NAME = "BUYER->SELLER"
Fsync = Literal["always", "interval", "never"]


def survives(disk: SimDisk, fsync: Fsync, data: bytes) -> bool:
    """Whether these bytes are in the journal after the worst that the policy must survive, now."""
    after = disk.crash(Loss.DROP) if fsync == "always" else disk.kill()
    folder = "/journal/segments"
    for name in after.listdir(folder):
        with after.open(f"{folder}/{name}") as file:
            if data in file.pread(0, file.size()):
                return True
    return False


class Witness(MemoryNetwork):
    """A network that looks at the sender's disk at the moment at which bytes are handed to it."""

    def __init__(self, fsync: Fsync) -> None:
        super().__init__()
        self.disks: dict[int, SimDisk] = {}
        self.fsync: Fsync = fsync
        self.frames = 0
        self.early: list[bytes] = []

    def check(self, data: bytes, disk: SimDisk) -> None:
        """Look for each frame on the disk of whoever sends it."""
        for frame in data.split(b"8=FIX")[1:]:
            self.frames += 1
            copy = b"\x0143=Y" in frame  # a resend is journaled as a range, not as bytes
            if not copy and not survives(disk, self.fsync, b"8=FIX" + frame):
                self.early.append(frame)

    async def listen(self, host: Any, tasks: Any, address: str, port: int, accept: Any) -> Any:
        """See ``Network``."""
        watched = functools.partial(self._accept, accept, self.disks[0])
        return await super().listen(host, tasks, address, port, watched)

    async def connect(self, host: Any, tasks: Any, address: str, port: int, accept: Any) -> Any:
        """See ``Network``."""
        watched = functools.partial(self._accept, accept, self.disks[1])
        return await super().connect(host, tasks, address, port, watched)

    def _accept(self, accept: Callable[[Wire], None], disk: SimDisk, wire: Wire) -> None:
        watched = WatchedWire(wire, lambda data: self.check(data, disk))
        accept(cast(Wire, watched))


class WatchedWire:
    """A wire that shows what it is given before it sends it."""

    def __init__(self, wire: Wire, check: Callable[[bytes], None]) -> None:
        self._wire, self._check = wire, check
        self.peer = wire.peer

    @property
    def receiver(self) -> Receiver:
        """See ``Wire``."""
        return self._wire.receiver

    @receiver.setter
    def receiver(self, receiver: Receiver) -> None:
        self._wire.receiver = receiver

    @property
    def congested(self) -> bool:
        """See ``Wire``."""
        return self._wire.congested

    def write(self, data: bytes) -> None:
        """Check, then send."""
        self._check(data)
        self._wire.write(data)

    def pause(self) -> None:
        """See ``Wire``."""
        self._wire.pause()

    def resume(self) -> None:
        """See ``Wire``."""
        self._wire.resume()

    def close(self, linger_s: float = GRACE_S) -> None:
        """See ``Wire``."""
        self._wire.close(linger_s)

    def abort(self) -> None:
        """See ``Wire``."""
        self._wire.abort()


class WatchedExchange(Exchange):
    """Looks at its disk when it is told about a message."""

    def __init__(self, disk: SimDisk, fsync: Fsync) -> None:
        super().__init__()
        self.disk = disk
        self.fsync: Fsync = fsync
        self.early: list[Message] = []

    async def on_message(self, session: Session, message: Message) -> None:
        """Check, then answer."""
        if not survives(self.disk, self.fsync, message.raw):
            self.early.append(message)
        await super().on_message(session, message)


@pytest.mark.anyio
@pytest.mark.parametrize("fsync", ["always", "interval", "never"])
async def test_p1_nothing_leaves_before_the_policy_covers_it(fsync: Fsync) -> None:
    """At the moment at which a frame leaves, or a handler is called, a crash would not lose it."""
    network = Witness(fsync)
    network.disks = {0: SimDisk(), 1: SimDisk()}
    exchange = WatchedExchange(network.disks[0], fsync)
    desk = Recorder()
    theirs, ours = configs(fsync=fsync)
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, lambda: exchange, network, disk=network.disks[0])
        buyer = Machine(tasks, ours, lambda: desk, network, disk=network.disks[1])
        await seller.start()
        session = (await buyer.start()).sessions[NAME]
        await session.wait_logged_on()
        for n in range(12):
            await session.send(order(f"c{n}"))
            if n % 5 == 4:
                await anyio.sleep(0.01)
        await until(lambda: len(desk.messages) == 12)
        await buyer.stop()
        await seller.stop()
    assert network.frames >= 28
    assert network.early == []
    assert exchange.early == []


class Line:
    """A loop that runs what it is given when it is told to."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def soon(self, call: Callable[..., None], *args: Any) -> None:
        """Keep it."""
        self.calls.append(lambda: call(*args))

    post = soon

    def after(self, seconds: float, call: Callable[[], None]) -> object:
        """Keep it."""
        assert seconds == LAZY_S
        self.calls.append(call)
        return None

    def run(self) -> None:
        """Run everything that was kept."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class ToyWriter:
    """A writer whose disk is in the test's hand."""

    def __init__(self) -> None:
        self.next_event, self.covered, self.durable = 1, 0, 0
        self.committed = 0
        self.state = "running"
        self.error = None
        self.has_room = True
        self.inline = False
        self.listener: Callable[[], None] = lambda: None

    def listen(self, listener: Callable[[], None]) -> None:
        """Remember who wants to know."""
        self.listener = listener

    def append(self, drafts: Sequence[Draft], utc_ns: int, *, sync: bool = False) -> int:
        """Number events."""
        first, self.next_event = self.next_event, self.next_event + len(drafts)
        return first

    def commit(self) -> None:
        """Cover at once, or when the test says so."""
        self.committed += 1
        if self.inline:
            self.covered = self.next_event - 1
            self.listener()

    def sync(self) -> None:
        """As commit."""
        self.commit()

    def cover(self) -> None:
        """The disk is done; news come from another thread."""
        self.covered = self.durable = self.next_event - 1
        thread = threading.Thread(target=self.listener)
        thread.start()
        thread.join()


class Bench:
    """A gate on a toy writer, with what came out."""

    def __init__(self) -> None:
        self.line, self.writer = Line(), ToyWriter()
        self.out: list[object] = []
        self.failures: list[BaseException] = []
        self.hashes = 0
        self.gate = Gate(
            self.writer,  # type: ignore[arg-type]
            self.line,
            hash_due=self._hash, moved=lambda: None, failed=self.failures.append,
        )  # fmt: skip

    def _hash(self) -> None:
        self.hashes += 1

    def step(self, *effects: object, events: int = 1, sync: bool = False) -> None:
        """Submit a step."""
        drafts = [Draft(Kind.STATE, 0, 0, 1, 0, b"")] * events
        self.gate.submit(drafts, effects, self._act, "link", utc_ns=0, sync=sync)

    def _act(self, effect: object, link: object) -> None:
        assert link == "link"
        self.out.append(effect)
        if callable(effect):
            effect()


def test_effects_wait_for_the_disk_in_order() -> None:
    """Steps run ahead of the disk; their effects come out in order when it is done, in one go."""
    bench = Bench()
    bench.step("a")
    bench.step("b", "c", events=3)
    bench.gate.flush()
    assert bench.out == [] and bench.writer.committed == 1
    bench.writer.cover()
    bench.line.run()
    assert bench.out == ["a", "b", "c"]


def test_a_commit_within_the_call_needs_no_turn_of_the_loop() -> None:
    """Where the policy is the page cache's, effects act before flush returns."""
    bench = Bench()
    bench.writer.inline = True
    bench.step("a")
    bench.gate.flush()
    assert bench.out == ["a"] and bench.line.calls == []


def test_what_effects_cause_is_committed_in_the_same_flush() -> None:
    """A handler's send is a step of its own; its frame leaves in the same round."""
    bench = Bench()
    bench.writer.inline = True
    bench.step(lambda: bench.step("answer"))
    bench.gate.flush()
    assert bench.out[1] == "answer" and bench.writer.committed == 2


def test_events_without_effects_wait_for_company() -> None:
    """A finished handler alone causes no write at once, but one soon."""
    bench = Bench()
    bench.step()
    bench.gate.flush()
    assert bench.writer.committed == 0
    bench.line.run()
    assert bench.writer.committed == 1


def test_effects_without_events_keep_their_place() -> None:
    """They wait for the events in front of them."""
    bench = Bench()
    bench.step("a")
    bench.step("b", events=0)
    bench.gate.flush()
    assert bench.out == []
    bench.writer.cover()
    bench.line.run()
    assert bench.out == ["a", "b"]


def test_many_sends_in_one_turn_share_commits() -> None:
    """The first leaves at once, the others with the end of the turn."""
    bench = Bench()
    for n in range(10):
        bench.step(n)
        bench.gate.flush_soon()
    assert bench.writer.committed == 1
    bench.line.run()
    assert bench.writer.committed == 2


def test_a_journal_failure_empties_the_line_and_latches() -> None:
    """Nothing leaves behind a failed fsync, and it is told once."""
    bench = Bench()
    bench.step("a")
    bench.gate.flush()
    bench.writer.state = "failed"
    bench.writer.cover()
    bench.writer.covered = 0
    bench.line.run()
    bench.writer.covered = 1
    bench.gate.flush()
    assert bench.out == []
    assert [type(failure) for failure in bench.failures] == [OutcomeUnknown]


def test_a_state_hash_is_due_every_16384_events() -> None:
    """Storage rule 7."""
    bench = Bench()
    for _ in range(6):
        bench.step(events=8000)
    assert bench.hashes == 2


class Silent(Application):
    """Takes everything."""

    async def on_message(self, session: Session, message: Message) -> None:
        """Nothing."""


@pytest.mark.anyio
async def test_p9_a_failed_fsync_stops_the_engine_in_order() -> None:
    """Whoever waits learns that the outcome is unknown, the engine ends, and says why."""
    disk = SimDisk()
    _, ours = configs(fsync="always")

    async def run() -> None:
        async with Engine.open(ours, Silent(), disk=disk, network=MemoryNetwork()) as engine:
            disk.faults.append(Fault("fdatasync", code=errno.EIO))
            with pytest.raises(OutcomeUnknown):
                await engine.sessions[NAME].set_numbers(next_out=7, who="me", why="test")
            await anyio.sleep_forever()

    with pytest.raises(OutcomeUnknown) as caught:
        await run()
    assert "recovery decides" in caught.value.hint


@pytest.mark.anyio
async def test_a_full_disk_refuses_sends_and_passes_by_itself() -> None:
    """DiskFull journals nothing; sends work again when there is space, with no restart (P9)."""
    network, desk = MemoryNetwork(), Recorder()
    theirs, ours = configs(fsync="always")
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, Exchange, network)
        buyer = Machine(tasks, ours, lambda: desk, network)
        await seller.start()
        engine = await buyer.start()
        session = engine.sessions[NAME]
        await session.wait_logged_on()
        buyer.disk.faults.append(Fault("pwrite", count=10_000, code=errno.ENOSPC))

        async def send_until_refused() -> None:
            for n in range(10_000):
                await session.send(order(f"x{n}"))
                await anyio.sleep(0.001)

        with pytest.raises(DiskFull):
            await send_until_refused()
        accepted = engine.metrics()["sends"]
        buyer.disk.faults.clear()
        await until(lambda: engine.metrics()["journal_state"] == "running")
        await session.wait_logged_on()
        await session.send(order("after"))
        await until(lambda: "after" in desk.reports)
        assert len(desk.messages) == accepted + 1
        await buyer.stop()
        await seller.stop()


def test_state_hashes_stand_on_a_grid_that_a_restart_does_not_move() -> None:
    """Storage rule 7: a process that is killed every few thousand events writes them too."""
    starts = (1, 6_000, 12_000, HASH_EVENTS)
    assert {_next_hash(event) for event in starts} == {HASH_EVENTS}
    assert _next_hash(HASH_EVENTS + 1) == 2 * HASH_EVENTS
