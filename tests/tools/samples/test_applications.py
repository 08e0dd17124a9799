"""The samples on real engines over loopback: echo once, match across sessions, remember after a
restart.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from durafix.engine import Application, Engine, Message, Session, utc_now
from durafix.engine.config import loads
from durafix.tools.samples.echo import EchoApplication
from durafix.tools.samples.match import MatchingApplication

EXCHANGE = """
[journal]
path = "exchange"
segment_bytes = 1048576
[acceptor]
port = 0
"""


class Client(Application):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.got: list[Message] = []

    async def on_message(self, session: Session, message: Message) -> None:
        self.got.append(message)

    async def wait(self, count: int) -> list[dict[int, str]]:
        """The messages once there are ``count``, as tag to text."""
        with anyio.fail_after(20):
            while len(self.got) < count:
                await anyio.sleep(0.01)
        return [{tag: value.decode() for tag, value in m.fields()} for m in self.got]


@asynccontextmanager
async def exchange(
    folder: Path, application: Application, *names: str, version: str = "FIX.4.4"
) -> AsyncIterator[Engine]:
    """An acceptor with one session for each client."""
    sessions = "".join(
        f'[[session]]\nrole = "acceptor"\nsender = "EX"\ntarget = "{name}"\n'
        f'begin_string = "{version}"\n'
        for name in names
    )
    async with Engine.open(loads(EXCHANGE + sessions, folder=folder), application) as engine:
        yield engine


@asynccontextmanager
async def client(
    folder: Path, name: str, port: int, version: str = "FIX.4.4"
) -> AsyncIterator[tuple[Client, Session]]:
    """An initiator that is logged on."""
    text = f"""
[journal]
path = "{name}"
segment_bytes = 1048576
[[session]]
role = "initiator"
sender = "{name}"
target = "EX"
host = "127.0.0.1"
port = {port}
begin_string = "{version}"
reconnect_min_s = 0.05
"""
    application = Client()
    async with Engine.open(loads(text, folder=folder), application) as engine:
        session = engine.sessions[f"{name}->EX"]
        with anyio.fail_after(20):
            await session.wait_logged_on()
        yield application, session


def order(name: str, side: str, quantity: int, price: str) -> Message:
    """A limit order."""
    return Message(
        "D",
        {11: name, 21: "1", 55: "MSFT", 54: side, 38: quantity, 40: "2", 44: price, 60: utc_now()},
    )


def said(messages: list[dict[int, str]]) -> list[tuple[str, ...]]:
    """(MsgType, ClOrdID, ExecType, OrdStatus, LeavesQty)."""
    return [tuple(m.get(tag, "") for tag in (35, 11, 150, 39, 151)) for m in messages]


def run(main: Callable[..., Any], folder: Path) -> None:
    """On plain asyncio."""
    anyio.run(main, folder)


def test_an_echo_has_the_same_body(tmp_path: Path) -> None:
    """Whatever the type; what belongs to the session is new."""

    async def main(folder: Path) -> None:
        async with exchange(folder, EchoApplication(), "A") as engine:
            async with client(folder, "A", engine.port) as (application, session):
                await session.send(Message("B", {148: "news", 33: [{58: "line"}]}))
                (message,) = await application.wait(1)
                assert (message[35], message[148], message[58]) == ("B", "news", "line")

    run(main, tmp_path)


def test_a_trade_reports_to_both_sessions(tmp_path: Path) -> None:
    """Buyer and seller are two sessions of one acceptor."""

    async def main(folder: Path) -> None:
        application = MatchingApplication(str(folder / "exchange"))
        async with exchange(folder, application, "A", "B") as engine:
            async with client(folder, "A", engine.port) as (buyer, buying):
                await buying.send(order("b1", "1", 100, "10"))
                await buyer.wait(1)
                async with client(folder, "B", engine.port) as (seller, selling):
                    await selling.send(order("s1", "2", 60, "9.5"))
                    assert said(await seller.wait(2)) == [
                        ("8", "s1", "0", "0", "60"),
                        ("8", "s1", "F", "2", "0"),
                    ]
                    reports = await buyer.wait(2)
                    assert said(reports)[1] == ("8", "b1", "F", "1", "40")
                    assert (reports[1][32], reports[1][31]) == ("60", "10")

    run(main, tmp_path)


def test_the_book_is_there_after_a_restart_and_a_report_waits_for_its_session(
    tmp_path: Path,
) -> None:
    """The buyer is logged out while its order trades; it learns so at its next logon."""

    async def main(folder: Path) -> None:
        journal = str(folder / "exchange")
        async with exchange(folder, MatchingApplication(journal), "A", "B") as engine:
            async with client(folder, "A", engine.port) as (buyer, session):
                await session.send(order("b1", "1", 100, "10"))
                await buyer.wait(1)
        async with exchange(folder, MatchingApplication(journal), "A", "B") as engine:
            async with client(folder, "B", engine.port) as (seller, session):
                await session.send(order("s1", "2", 100, "10"))
                assert said(await seller.wait(2))[1] == ("8", "s1", "F", "2", "0")
        async with exchange(folder, MatchingApplication(journal), "A", "B") as engine:
            async with client(folder, "A", engine.port) as (buyer, session):
                assert said(await buyer.wait(1)) == [("8", "b1", "F", "2", "0")]

    run(main, tmp_path)


def test_cancels_and_what_is_not_understood_are_answered(tmp_path: Path) -> None:
    """In FIX.4.2 words: ExecTransType is there, a fill is ExecType 2."""

    async def main(folder: Path) -> None:
        application = MatchingApplication(str(folder / "exchange"))
        async with exchange(folder, application, "A", version="FIX.4.2") as engine:
            async with client(folder, "A", engine.port, "FIX.4.2") as (one, session):
                await session.send(order("b1", "1", 100, "10"))
                for name in ("x1", "x2"):
                    values = {11: name, 41: "b1", 55: "MSFT", 54: "1"}
                    await session.send(Message("F", values))
                await session.send(Message("V", {262: "r1"}))
                await session.send(order("b2", "1", 10, "10"))
                await session.send(order("s2", "2", 10, "10"))
                messages = await one.wait(8)
                assert said(messages) == [
                    ("8", "b1", "0", "0", "100"),
                    ("8", "x1", "4", "4", "0"),
                    ("9", "x2", "", "8", ""),
                    ("j", "", "", "", ""),
                    ("8", "b2", "0", "0", "10"),
                    ("8", "s2", "0", "0", "10"),
                    ("8", "s2", "2", "2", "0"),
                    ("8", "b2", "2", "2", "0"),
                ]
                assert messages[0][20] == "0"
                assert messages[1][41] == "b1"

    run(main, tmp_path)
