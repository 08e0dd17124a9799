"""Two engines log on, trade, part and meet again, on every loop."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from durafix.engine import Application, ConfigError, Engine, EngineStopped, NotLoggedOn
from durafix.engine.config import AcceptorConfig, Config, JournalConfig, SessionConfig
from durafix.engine.testing import Machine, MemoryNetwork, SimDisk, configs, pair
from durafix.journal.errors import Locked

from .kit import Exchange, Recorder, order, until

pytestmark = pytest.mark.anyio
NAME = "BUYER->SELLER"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder of its own."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def selling(folder: Path) -> Config:
    """An acceptor over TCP on a port that the system chooses."""
    session = SessionConfig(role="acceptor", sender="SELLER", target="BUYER")
    return Config(
        journal=JournalConfig(path=str(folder / "sell"), segment_bytes=1 << 20),
        session=[session],
        acceptor=AcceptorConfig(port=0),
    )


def buying(folder: Path, port: int) -> Config:
    """The initiator that belongs to it."""
    session = SessionConfig(
        role="initiator", sender="BUYER", target="SELLER", host="127.0.0.1", port=port,
        reconnect_min_s=0.05, reconnect_max_s=0.1,
    )  # fmt: skip
    journal = JournalConfig(path=str(folder / "buy"), segment_bytes=1 << 20)
    return Config(journal=journal, session=[session])


async def test_two_engines_trade_over_tcp(folder: Path) -> None:
    """Orders sent after the logon come back as reports, in order, with the journals on real
    disks.
    """
    desk = Recorder()
    async with Engine.open(selling(folder), Exchange()) as exchange:
        async with Engine.open(buying(folder, exchange.port), desk) as engine:
            session = engine.sessions[NAME]
            await session.wait_logged_on()
            for n in range(50):
                receipt = await session.send(order(f"c{n}"))
                assert receipt.seq_num == n + 2
            last = await session.send(order("c50"))
            await last.durable()
            assert last.state == "durable"
            await until(lambda: len(desk.messages) == 51)
            assert desk.reports == [f"c{n}" for n in range(51)]
            assert engine.metrics()["sends"] == 51
    assert desk.told == ["create", "logon", "logout"]


async def test_a_second_run_goes_on_with_the_numbers(folder: Path) -> None:
    """After a clean stop of both sides the next logon needs no resend."""
    desk = Recorder()
    for run in range(2):
        async with Engine.open(selling(folder), Exchange()) as exchange:
            async with Engine.open(buying(folder, exchange.port), desk) as engine:
                assert engine.report.clean or run == 0
                session = engine.sessions[NAME]
                await session.wait_logged_on()
                await session.send(order(f"r{run}"))
                await until(lambda: f"r{run}" in desk.reports)  # noqa: B023
                assert not session.state.gap
                assert session.state.next_out == 3 + run * 3
                assert engine.metrics()["frames_resent"] == 0


async def test_a_pair_in_memory_needs_no_network() -> None:
    """The pair that users test with is two real engines on simulated disks."""
    desk = Recorder()
    async with pair(Exchange(), desk) as (_, engine):
        session = engine.sessions[NAME]
        await session.wait_logged_on()
        await session.send(order("c1"))
        await until(lambda: desk.reports == ["c1"])


async def test_a_broken_connection_is_made_again() -> None:
    """Both sides resynchronise after the network failed in the middle of a flow."""
    network, desk = MemoryNetwork(), Recorder()
    theirs, ours = configs()
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, Exchange, network)
        buyer = Machine(tasks, ours, lambda: desk, network)
        await seller.start()
        session = (await buyer.start()).sessions[NAME]
        for n in range(60):
            if n % 20 == 10:
                network.cut()
                await until(lambda: not session.is_logged_on)
            await session.wait_logged_on()
            await session.send(order(f"c{n}"))
        await until(lambda: len(desk.messages) == 60)
        assert desk.reports == [f"c{n}" for n in range(60)]
        assert desk.told.count("logon") == 4
        await buyer.stop()
        await seller.stop()


async def test_sending_while_logged_out_is_refused() -> None:
    """Application messages are not queued behind a logon (session rule 25)."""
    _, ours = configs()
    alone = Engine.open(ours, Recorder(), disk=SimDisk(), network=MemoryNetwork())
    async with alone as engine:
        with pytest.raises(NotLoggedOn) as caught:
            await engine.sessions[NAME].send(order("c1"))
        assert "wait_logged_on" in caught.value.hint
        assert engine.metrics()["sends_refused"] == 1


async def test_a_closing_engine_lets_nobody_wait() -> None:
    """Whoever waits for a logon learns that the engine ends."""
    _, ours = configs()
    ended = []

    async def wait(engine: Engine) -> None:
        try:
            await engine.sessions[NAME].wait_logged_on()
        except EngineStopped:
            ended.append(True)

    async with anyio.create_task_group() as tasks:
        alone = Engine.open(ours, Recorder(), disk=SimDisk(), network=MemoryNetwork())
        async with alone as engine:
            tasks.start_soon(wait, engine)
            await anyio.sleep(0.02)
    assert ended == [True]


async def test_an_error_of_the_caller_ends_the_engine_in_order(folder: Path) -> None:
    """What the block raises comes out as it is, after a logout and with a sealed journal."""
    with pytest.raises(ZeroDivisionError):
        async with Engine.open(selling(folder), Exchange()):
            raise ZeroDivisionError
    async with Engine.open(selling(folder), Exchange()) as engine:
        assert engine.report.clean


async def test_an_engine_may_end_while_it_connects(folder: Path) -> None:
    """The end of the block may come at any moment of a connection's making; nothing hangs or
    raises.
    """
    async with Engine.open(selling(folder), Exchange()) as exchange:
        for turns in range(8):
            began = anyio.current_time()
            async with Engine.open(buying(folder, exchange.port), Recorder()):
                for _ in range(turns):
                    await anyio.sleep(0)
            assert anyio.current_time() - began < 2


async def test_one_journal_has_one_engine(folder: Path) -> None:
    """The second engine on a journal is told who holds it, and the first goes on."""
    async with Engine.open(selling(folder), Exchange()):
        with pytest.raises(Locked):
            async with Engine.open(selling(folder), Exchange()):
                pass


async def test_something_else_than_an_application_is_a_config_error() -> None:
    """A class instead of an instance is the usual slip."""
    with pytest.raises(ConfigError, match="not an application"):
        Engine.open("desk.toml", Application)  # type: ignore[arg-type]


async def test_a_cancelled_engine_ends_in_order(folder: Path) -> None:
    """Cancellation from outside, as on Ctrl-C, seals the journal too; in the middle of the start
    as well.
    """
    with anyio.CancelScope() as scope:
        async with Engine.open(selling(folder), Exchange()):
            scope.cancel()
            await anyio.sleep_forever()
    with anyio.move_on_after(0.001):
        async with Engine.open(selling(folder), Exchange()):
            await anyio.sleep_forever()
    async with Engine.open(selling(folder), Exchange()) as engine:
        assert engine.report.clean
