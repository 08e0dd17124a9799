"""Handlers run in order, one at a time, on the loop or in a thread, and may use the loop's
tools.
"""

import asyncio
import threading
import time
from typing import Any

import anyio
import pytest

from durafix.engine import Application, BlockingSession, Message, Refuse, Session
from durafix.engine.testing import pair

from .kit import Recorder, order, until

pytestmark = pytest.mark.anyio
NAME = "BUYER->SELLER"


async def trade(app: Application, names: list[str], **session: Any) -> Recorder:
    """Send orders to an application and give them time to be handled."""
    desk = Recorder()
    async with pair(app, desk, **session) as (selling, buying):
        mine = buying.sessions[NAME]
        await mine.wait_logged_on()
        for name in names:
            await mine.send(order(name))
        theirs = selling.sessions["SELLER->BUYER"]
        await until(lambda: theirs.state.next_in == len(names) + 2 and not theirs.state.unfinished)
    return desk


class Sleepy(Application):
    """Suspends in every handler, each time for less long."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.pause_s = 0.03

    async def on_message(self, session: Session, message: Message) -> None:
        """Begin, sleep, end."""
        self.log.append(f"begin {message[11]}")
        self.pause_s /= 2
        await anyio.sleep(self.pause_s)
        self.log.append(f"end {message[11]}")


async def test_a_handler_that_suspends_holds_back_the_next() -> None:
    """The order of messages is the order of calls, suspended or not."""
    app = Sleepy()
    await trade(app, ["a", "b", "c"])
    assert app.log == ["begin a", "end a", "begin b", "end b", "begin c", "end c"]


class Scoped(Application):
    """Uses timeouts and cancel scopes from the first line on."""

    def __init__(self) -> None:
        self.timed_out: list[str] = []

    async def on_message(self, session: Session, message: Message) -> None:
        """Time out."""
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep_forever()
        if scope.cancelled_caught:
            self.timed_out.append(message[11])


async def test_timeouts_work_inside_handlers() -> None:
    """The first stretch of a handler runs in the caller, but under the task that carries the
    rest.
    """
    app = Scoped()
    await trade(app, ["a", "b"])
    assert app.timed_out == ["a", "b"]


class AsyncioTools(Application):
    """Uses what asyncio itself offers."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def on_message(self, session: Session, message: Message) -> None:
        """A timeout of asyncio, and a task of its own."""
        first = asyncio.current_task()
        assert first is not None
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(10)
        except TimeoutError:
            self.seen.append("timeout")
        assert asyncio.current_task() is first
        await asyncio.create_task(asyncio.sleep(0))
        self.seen.append(message[11])


async def test_asyncio_tools_work_inside_handlers(
    anyio_backend: tuple[str, dict[str, object]],
) -> None:
    """asyncio.timeout, tasks, and one current task from the first line to the last."""
    if anyio_backend[0] != "asyncio":
        pytest.skip("tools of asyncio")
    app = AsyncioTools()
    await trade(app, ["a", "b"])
    assert app.seen == ["timeout", "a", "timeout", "b"]


class Blocking(Application):
    """``def`` handlers: they may block, and get a session whose verbs block."""

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.log: list[str] = []

    def on_logon(self, session: Any) -> None:
        """In the same order as the messages."""
        self.log.append("logon")

    def on_message(self, session: Any, message: Message) -> None:
        """Block, then answer, and wait for the disk."""
        assert isinstance(session, BlockingSession)
        self.threads.add(threading.current_thread().name)
        time.sleep(0.005)
        assert session.is_logged_on and session.name == "FIX.4.4:SELLER->BUYER"
        receipt = session.send(Message("8", {11: message[11]}), durable=True)
        assert receipt.is_durable
        self.log.append(message[11])


async def test_def_handlers_run_in_one_thread_in_order() -> None:
    """One ordered worker thread per session; a send from it reaches the peer."""
    app = Blocking()
    desk = await trade(app, ["a", "b", "c"])
    assert app.log == ["logon", "a", "b", "c"]
    assert len(app.threads) == 1 and threading.current_thread().name not in app.threads
    assert desk.reports == ["a", "b", "c"]


class Causes(Application):
    """Answers with two messages."""

    async def on_message(self, session: Session, message: Message) -> None:
        """One at once, one from behind a suspension, then fail the first time."""
        if message.redelivered:
            assert [sent.seq_num for sent in message.earlier_sends] == [2, 3]
            return
        await session.send(Message("8", {11: "1"}))
        await anyio.sleep(0.001)
        await session.send(Message("8", {11: "2"}))
        raise OSError("the first time")


async def test_sends_of_a_handler_record_their_cause() -> None:
    """The retry sees what the failed attempt had sent, before and after it suspended (rule 23)."""
    desk = await trade(Causes(), ["a"], handler_retry_s=0.001)
    assert desk.reports == ["1", "2"]


class Slow(Application):
    """Takes its time."""

    def __init__(self) -> None:
        self.seen = 0

    async def on_message(self, session: Session, message: Message) -> None:
        """Sleep."""
        await anyio.sleep(0.001)
        self.seen += 1


async def test_a_slow_handler_stops_the_reading_at_a_bound_and_loses_nothing() -> None:
    """Above handler_queue_max the engine stops reading (rule 26); everything arrives in the end."""
    app = Slow()
    await trade(app, [f"c{n}" for n in range(300)], handler_queue_max=5)
    assert app.seen == 300


class Vetoes(Recorder):
    """Stops its own sends and looks at session messages."""

    def __init__(self) -> None:
        super().__init__()
        self.admin: list[str] = []

    def to_app(self, session: Session, message: Message) -> None:
        """Nothing in IBM today."""
        if message.get(55) == "IBM":
            raise Refuse("not allowed")

    def to_admin(self, session: Session, message: Message) -> None:
        """Look."""
        self.admin.append(f">{message.type}")

    def from_admin(self, session: Session, message: Message) -> None:
        """Look, and make a mistake."""
        self.admin.append(f"<{message.type}")
        raise ValueError("an onlooker's mistake must not matter")


async def test_to_app_may_stop_a_send_and_onlookers_see_session_messages() -> None:
    """The equivalents of toApp, toAdmin and fromAdmin."""
    desk = Vetoes()
    async with pair(Recorder(), desk) as (_, buying):
        session = buying.sessions[NAME]
        await session.wait_logged_on()
        with pytest.raises(Refuse):
            await session.send(Message("D", {11: "c1", 55: "IBM"}))
        assert session.state.next_out == 2
        await session.logout("bye")
        assert not session.is_logged_on
    assert desk.admin[:4] == [">A", "<A", ">5", "<5"]


async def test_a_key_that_was_sent_gives_the_first_receipt() -> None:
    """Idempotent sends, within a run and after it."""
    async with pair(Recorder(), Recorder()) as (selling, buying):
        session = buying.sessions[NAME]
        await session.wait_logged_on()
        first = await session.send(order("c1"), key="k")
        again = await session.send(order("c1"), key="k")
        assert again.duplicate and not first.duplicate
        assert (again.seq_num, again.event_number) == (first.seq_num, first.event_number)
        assert session.state.next_out == 3
        await until(lambda: len(selling.application.messages) == 1)  # type: ignore[attr-defined]


async def test_sessions_are_found_by_short_names() -> None:
    """Canonical, short while unique, else an error with the candidates (session rule 28)."""
    async with pair(Recorder(), Recorder()) as (_, buying):
        sessions = buying.sessions
        assert sessions["FIX.4.4:BUYER->SELLER"] is sessions["BUYER->SELLER"] is sessions["BUYER"]
        assert list(sessions) == ["FIX.4.4:BUYER->SELLER"] and len(sessions) == 1
        assert "NOBODY" not in sessions and "SELLER" in sessions
        with pytest.raises(KeyError, match="no session fits"):
            sessions["NOBODY"]


async def test_receipts_say_how_far_a_message_is() -> None:
    """Under ``never`` a receipt is covered at once, and durable once it was asked for."""
    async with pair(Recorder(), Recorder(), fsync="never") as (_, buying):
        session = buying.sessions[NAME]
        await session.wait_logged_on()
        receipt = await session.send(order("c1"))
        assert str(receipt.state) in ("numbered", "covered") and not receipt.is_durable
        with anyio.fail_after(5):
            await receipt.durable()
        assert receipt.state == "durable"
