"""After a kill or a power cut: nothing that was acknowledged is lost, nothing is executed twice."""

from typing import Literal

import anyio
import pytest

from durafix.engine import Application, Engine, Message, NotLoggedOn, Refuse, Session
from durafix.engine.runtime.application import Sent
from durafix.engine.testing import Loss, Machine, MemoryNetwork, configs

from .kit import Exchange, Recorder, order, until

pytestmark = pytest.mark.anyio
NAME = "BUYER->SELLER"
BACK = "SELLER->BUYER"


class Stuck(Exchange):
    """Never finishes its first handler, after it has sent something."""

    async def on_message(self, session: Session, message: Message) -> None:
        """Answer and hang."""
        await super().on_message(session, message)
        await anyio.sleep_forever()


async def send(session: Session, name: str) -> None:
    """Send one order durably, over as many connections as it takes."""
    while True:
        await session.wait_logged_on()
        try:
            await (await session.send(order(name), key=name)).durable()
            return
        except NotLoggedOn:
            continue


def all_durable(engine: Engine) -> bool:
    """Whether everything that happened is on disk."""
    now = engine.metrics()
    return bool(now["durable_event"] == now["last_event"])


@pytest.mark.parametrize("end", ["kill", "power"])
async def test_an_unfinished_message_comes_again_marked(end: Literal["kill", "power"]) -> None:
    """After a crash in a handler: ``redelivered``, with what the attempt had sent; the key gives
    the first receipt, so the order is not executed twice.
    """
    network, desk = MemoryNetwork(), Recorder()
    theirs, ours = configs(fsync="always")
    makers = [Stuck, Exchange]
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, lambda: makers.pop(0)(), network)
        buyer = Machine(tasks, ours, lambda: desk, network)
        await seller.start()
        session = (await buyer.start()).sessions[NAME]
        await send(session, "c1")
        await send(session, "c2")
        await until(lambda: desk.reports == ["c1"])
        await until(lambda: seller.engine.sessions[BACK].state.unfinished == 2)
        await until(lambda: all_durable(seller.engine))
        first = seller.application.seen[0]  # type: ignore[attr-defined]
        await (seller.kill() if end == "kill" else seller.cut_power(Loss.DROP))
        await seller.start()
        again = seller.application
        assert isinstance(again, Exchange)
        await until(lambda: len(again.seen) == 2)
        message = again.seen[0]
        assert message.redelivered and message.event_number == first.event_number
        assert [sent.seq_num for sent in message.earlier_sends] == [2]
        assert isinstance(message.earlier_sends[0], Sent)
        await until(lambda: desk.reports == ["c1", "c2"])
        assert again.executed == ["c2"]
        assert again.seen[1].redelivered and not again.seen[1].earlier_sends
        await buyer.stop()
        await seller.stop()


@pytest.mark.parametrize("fsync", ["always", "interval", "never"])
async def test_both_sides_crash_and_meet_again(
    fsync: Literal["always", "interval", "never"],
) -> None:
    """Kills on either side in full flow: each acknowledged order is executed once and reported."""
    network = MemoryNetwork()
    reports: dict[str, set[str]] = {}

    class Desk(Recorder):
        async def on_message(self, session: Session, message: Message) -> None:
            reports.setdefault(message[11], set()).add(message[17])

    theirs, ours = configs(fsync=fsync)
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, Exchange, network)
        buyer = Machine(tasks, ours, Desk, network)
        await seller.start()
        await buyer.start()
        for n in range(36):
            await send(buyer.engine.sessions[NAME], f"c{n}")
            if n % 12 == 5:
                await seller.kill()
                await seller.start()
            if n % 12 == 11:
                await buyer.kill()
                await buyer.start()
        await until(lambda: len(reports) == 36)
        assert {len(executions) for executions in reports.values()} == {1}
        await buyer.stop()
        await seller.stop()


async def test_a_send_without_an_end_is_resent_after_a_power_cut() -> None:
    """What left neither side before the cut is asked for, or asked again, by number."""
    network, desk = MemoryNetwork(), Recorder()
    theirs, ours = configs(fsync="always")
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, Exchange, network)
        buyer = Machine(tasks, ours, lambda: desk, network)
        await seller.start()
        session = (await buyer.start()).sessions[NAME]
        await session.wait_logged_on()
        network.cut()
        for n in range(5):
            await session.send(order(f"c{n}"))  # in the journal; the connection is dead
        await until(lambda: len(desk.messages) == 5)
        assert buyer.engine.metrics()["frames_resent"] == 5
        assert not session.state.gap
        await buyer.stop()
        await seller.stop()


class Fails(Application):
    """Fails as often as it is told to."""

    def __init__(self, errors: list[BaseException]) -> None:
        self.errors = errors
        self.seen: list[tuple[str, bool]] = []

    async def on_message(self, session: Session, message: Message) -> None:
        """Raise the next error."""
        self.seen.append((message[11], message.redelivered))
        if self.errors:
            raise self.errors.pop(0)


async def test_a_failed_handler_is_tried_again_and_then_parked() -> None:
    """A dead database must not reject a real fill: nothing is answered on the wire (rule 24)."""
    network, desk = MemoryNetwork(), Recorder()
    errors: list[BaseException] = [OSError("down")] * 3
    theirs, ours = configs(handler_retries_max=1, handler_retry_s=0.01)
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, lambda: Fails(errors), network)
        buyer = Machine(tasks, ours, lambda: desk, network)
        engine = await seller.start()
        session = (await buyer.start()).sessions[NAME]
        await send(session, "c1")
        await send(session, "c2")
        app = seller.application
        assert isinstance(app, Fails)
        expected = [("c1", False), ("c1", True), ("c2", False), ("c2", True)]
        await until(lambda: app.seen == expected)
        assert engine.metrics()["parked"] == 1
        assert engine.metrics()["handler_errors"] == 3
        assert desk.messages == []
        await buyer.stop()
        await seller.stop()


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (Refuse("no such symbol", 1), "no such symbol", "1"),
        (None, "Required tag missing: 999", "5"),
    ],
)
async def test_a_refusal_is_answered(error: Refuse | None, text: str, code: str) -> None:
    """Refuse and a missing required tag become a BusinessMessageReject (rule 24)."""

    class Picky(Application):
        async def on_message(self, session: Session, message: Message) -> None:
            if error is not None:
                raise error
            message[999]

    network, desk = MemoryNetwork(), Recorder()
    theirs, ours = configs()
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, Picky, network)
        buyer = Machine(tasks, ours, lambda: desk, network)
        await seller.start()
        session = (await buyer.start()).sessions[NAME]
        await send(session, "c1")
        await until(lambda: len(desk.messages) == 1)
        reject = desk.messages[0]
        assert (reject.type, reject[58], reject[380], reject[45]) == ("j", text, code, "2")
        await buyer.stop()
        await seller.stop()


async def test_operators_leave_a_trace_and_open_epochs() -> None:
    """Numbers are set while logged out, a reset works over the wire; both sides agree after it."""
    network, desk = MemoryNetwork(), Recorder()
    theirs, ours = configs()
    async with anyio.create_task_group() as tasks:
        seller = Machine(tasks, theirs, Exchange, network)
        buyer = Machine(tasks, ours, lambda: desk, network)
        await seller.start()
        session = (await buyer.start()).sessions[NAME]
        await send(session, "c1")
        await session.reset(who="ops", why="new day")
        back = seller.engine.sessions[BACK]
        await until(lambda: session.state.epoch == 2 and back.state.epoch == 2)
        await until(lambda: session.is_logged_on)
        await send(session, "c2")
        await until(lambda: "c2" in desk.reports)
        assert session.state.next_out == back.state.next_in == 3
        await buyer.stop()
        await back.set_numbers(next_in=1, next_out=1, who="ops", why="test")
        assert back.state.epoch == 3
        await seller.stop()
