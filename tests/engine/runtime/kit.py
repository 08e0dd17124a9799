"""Applications and small helpers that the runtime's tests share."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anyio

from durafix.engine import Application, Message, Session, utc_now

TIMEOUT_S = 10
"""No test waits longer for anything."""


class Exchange(Application):
    """Answers each order with one report, at most once per order, as DESIGN.md section 7 does."""

    def __init__(self) -> None:
        self.seen: list[Message] = []
        self.executed: list[str] = []

    async def on_message(self, session: Session, message: Message) -> None:
        """Accept an order."""
        self.seen.append(message)
        n = message.event_number
        report = Message(
            "8",
            {
                37: f"o{n}", 11: message[11], 17: f"e{n}", 150: "0", 39: "0", 55: message[55],
                54: message[54], 38: message[38], 151: message[38], 14: 0, 6: Decimal(0),
            },
        )  # fmt: skip
        receipt = await session.send(report, key=f"ack-{n}")
        if not receipt.duplicate:
            self.executed.append(message[11])


class Recorder(Application):
    """Remembers everything that it is told."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.told: list[str] = []

    async def on_create(self, session: Session) -> None:
        """Remember."""
        self.told.append("create")

    async def on_logon(self, session: Session) -> None:
        """Remember."""
        self.told.append("logon")

    async def on_logout(self, session: Session, reason: str) -> None:
        """Remember."""
        self.told.append("logout")

    async def on_message(self, session: Session, message: Message) -> None:
        """Remember."""
        self.messages.append(message)

    @property
    def reports(self) -> list[str]:
        """ClOrdIDs of the reports that came."""
        return [message[11] for message in self.messages]


def order(name: str, **more: Any) -> Message:
    """A NewOrderSingle."""
    return Message("D", {11: name, 21: "1", 55: "MSFT", 54: "1", 38: 100, 40: "1", 60: utc_now()})


async def until(true: Callable[[], bool], what: str = "") -> None:
    """Wait until something holds."""
    with anyio.move_on_after(TIMEOUT_S):
        while not true():
            await anyio.sleep(0.002)
        return
    raise AssertionError(f"waited in vain: {what or true}")
