"""Heartbeats, test requests and timeouts on a clock in the hand, and large resends."""

import anyio
import pytest

from durafix.engine import Engine, Message
from durafix.engine.testing import FakeClock, FakeHost, Machine, MemoryNetwork, configs
from durafix.engine.testing import settle as settled

from .kit import Exchange, Recorder, until

pytestmark = pytest.mark.anyio
NAME = "BUYER->SELLER"


def host_of(engine: Engine) -> FakeHost:
    """The timers of an engine on a fake clock."""
    host = engine.host
    assert isinstance(host, FakeHost)
    return host


async def at_rest(*engines: Engine) -> None:
    """Wait until the journals cover what was appended and nothing moves any more: the clock in the
    hand must not run ahead of the writers' threads."""

    def covered() -> bool:
        now = [engine.metrics() for engine in engines]
        return all(one["covered_event"] == one["last_event"] for one in now)

    for _ in range(3):
        await settled()
        await until(covered)


class Admin(Recorder):
    """Sees session messages."""

    def __init__(self) -> None:
        super().__init__()
        self.types: list[str] = []

    def from_admin(self, session: object, message: Message) -> None:
        """Remember."""
        self.types.append(message.type)


async def test_heartbeats_come_when_nothing_else_does() -> None:
    """After HeartBtInt without a message each side sends one."""
    network, clock, desk = MemoryNetwork(), FakeClock(), Admin()
    theirs, ours = configs(heartbeat_s=10)
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, Exchange, network, clock=clock)
        buyer = Machine(tasks, ours, lambda: desk, network, clock=clock)
        selling, buying = await seller.start(), await buyer.start()
        await until(lambda: desk.types == ["A"])
        hosts = [host_of(selling), host_of(buying)]
        for _ in range(31):
            for host in hosts:
                host.fire()
            clock.advance(1)
            await at_rest(selling, buying)
        assert desk.types.count("0") >= 3
        assert buying.sessions[NAME].is_logged_on
        tasks.cancel_scope.cancel()


async def test_a_silent_peer_is_asked_and_then_given_up() -> None:
    """TestRequest after 1.2 heartbeats, the end after 2.4, and a new connection after it."""
    network, clock, desk = MemoryNetwork(), FakeClock(), Recorder()
    theirs, ours = configs(heartbeat_s=10)
    frozen = FakeClock()
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, Exchange, network, clock=frozen)
        buyer = Machine(tasks, ours, lambda: desk, network, clock=clock)
        await seller.start()
        buying = await buyer.start()
        session = buying.sessions[NAME]
        await session.wait_logged_on()
        network.hold()
        ends = []
        for second in range(40):
            host_of(buying).fire()
            clock.advance(1)
            await at_rest(buying)
            if not session.is_logged_on:
                ends.append(second)
                break
        assert 23 <= ends[0] <= 26
        await until(lambda: desk.told[-1] == "logout")
        tasks.cancel_scope.cancel()


async def test_a_large_resend_comes_in_batches_and_in_order() -> None:
    """Thousands of stored frames and gaps: complete, in order, in bounded pieces (rule 14)."""
    network, desk = MemoryNetwork(), Recorder()
    theirs, ours = configs(fsync="never")
    names = [f"c{n}" for n in range(2500)]
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, lambda: desk, network)
        buyer = Machine(tasks, ours, Recorder, network)
        await seller.start()
        session = (await buyer.start()).sessions[NAME]
        await session.wait_logged_on()
        for name in names:
            await session.send(Message("D", {11: name, 58: "x" * 250}))
        await until(lambda: desk.reports == names)
        await buyer.stop()
        back = seller.engine.sessions["SELLER->BUYER"]
        await back.set_numbers(next_in=1, who="test", why="as if nothing had come")
        desk.messages.clear()
        session = (await buyer.start()).sessions[NAME]
        await until(lambda: desk.reports == names)
        assert all(message.poss_dup for message in desk.messages)
        now = buyer.engine.metrics()
        assert now["frames_resent"] == 2500 and now["resend_batches"] >= 2
        await until(lambda: back.state.gap is None)
        await buyer.stop()
        await seller.stop()
