"""What the two sides do: a desk that sends orders in order, an exchange that answers each twice.

Owns the applications and what they remember across their own deaths: the notebooks are the world's
memory, not the engine's, and the judge compares them with the journals. Both applications do what
the documentation tells people to do: a key for each send, and an order is sent again until its
receipt was durable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

import anyio

from durafix.engine import Application, Message, NotLoggedOn, Receipt, SendTimeout, Session
from durafix.tools.demo.reconcile import Accepted

QUANTITY = 100


class Told(NamedTuple):
    """One send that got a number: the name that it has for ever, and what its receipt said."""

    name: str
    event: int
    seq: int


class Heard(NamedTuple):
    """One call of ``on_message``: in which life, about what, and how it was marked.

    ``event`` is the message's; the step that delivered it, later if the message waited behind a
    gap, is not behind ``reach``.
    """

    life: int
    name: str
    order: str
    event: int
    reach: int
    marked: bool


@dataclass(slots=True)
class Notebook:
    """What one side's application was told in all its lives."""

    told: list[Told] = field(default_factory=list)
    """Sends since the last recovery."""
    heard: list[Heard] = field(default_factory=list)
    settled: int = 0
    """So many of ``heard`` were there at the last recovery, or are counted as forgotten."""
    lost: dict[str, int] = field(default_factory=dict)
    """Sends that were covered and that a power cut took, by name and how often."""
    forgotten: dict[str, int] = field(default_factory=dict)
    """The same for messages that were heard, by the order that they are about."""
    undelivered: dict[str, set[int]] = field(default_factory=dict)
    """Events of messages that are still there, but whose delivery may have been lost."""
    covered: Callable[[], int] = field(default=lambda: 0)
    """The last event that is covered now."""
    accepted: dict[str, Accepted] = field(default_factory=dict)
    """Orders whose receipt was durable."""


class Exchange(Application):
    """Acknowledges and fills each order. The names of reports are unique across lives, so that the
    judge can tell one that was made twice from one that was sent twice.
    """

    def __init__(self, life: int, notes: Notebook, dice: Random) -> None:
        self.life = life
        self.notes = notes
        self.dice = dice

    async def on_message(self, session: Session, message: Message) -> None:
        """Two reports, sometimes with time to die between them."""
        event, order = message.event_number, message[11]
        note(self.notes, self.life, order, message)
        for kind, filled in (("0", 0), ("F", QUANTITY)):
            if self.dice.random() < 0.2:
                await anyio.sleep(self.dice.uniform(0, 0.004))
            name = f"{kind}.{self.life}.{event}"
            report = Message(
                "8",
                {
                    37: f"o{event}", 11: order, 17: name, 150: kind, 39: "2" if filled else "0",
                    55: message[55], 54: message[54], 38: message[38], 32: filled, 31: 1,
                    151: QUANTITY - filled, 14: filled, 6: Decimal(1),
                },
            )  # fmt: skip
            receipt = await session.send(report, key=f"{kind}-{event}")
            if not receipt.duplicate:
                self.notes.told.append(Told(name, receipt.event_number, receipt.seq_num))


class Desk(Application):
    """Remembers the reports; ``send_orders`` sends."""

    def __init__(self, life: int, notes: Notebook, dice: Random) -> None:
        self.life = life
        self.notes = notes
        self.dice = dice

    async def on_message(self, session: Session, message: Message) -> None:
        """Remember, sometimes slowly."""
        note(self.notes, self.life, message[17], message)
        if self.dice.random() < 0.1:
            await anyio.sleep(self.dice.uniform(0, 0.004))


def note(notes: Notebook, life: int, name: str, message: Message) -> None:
    """Write down that a message was heard."""
    reach, marked = notes.covered(), message.redelivered
    notes.heard.append(Heard(life, name, message[11], message.event_number, reach, marked))


def name_of(number: int) -> str:
    """ClOrdID of an order."""
    return f"c{number}"


def number_of(name: str) -> int:
    """The other way round."""
    return int(name[1:])


class Sender:
    """The desk's orders, from the first that has no durable receipt on, in order.

    ``enough`` is set when no more are wanted: what was begun is made durable, and ``done`` set.
    """

    def __init__(self, notes: Notebook, dice: Random) -> None:
        self.notes = notes
        self.dice = dice
        self.sent = 0
        """The highest order that was ever begun."""
        self.enough = False
        self.done = False

    async def run(self, session: Session) -> None:
        """One life of it."""
        number = len(self.notes.accepted)
        waiting: list[tuple[str, Receipt]] = []
        while not self.enough or number < self.sent:
            number += 1
            self.sent = max(self.sent, number)
            waiting.append((name_of(number), await self._send(session, number)))
            if self.dice.random() < 0.25:
                await self._accept(waiting)
            await anyio.sleep(self.dice.choice((0, 0, 0.001, 0.004)))
        await self._accept(waiting)
        self.done = True

    async def _send(self, session: Session, number: int) -> Receipt:
        name = name_of(number)
        values: dict[int, Any] = {
            11: name,
            21: "1",
            55: "MSFT",
            54: "1",
            38: QUANTITY,
            40: "1",
            60: "20260101-00:00:00",
        }
        message = Message("D", {**values, 58: "x" * (number * 37 % 300 + 1)})
        while True:
            await session.wait_logged_on()
            try:
                receipt = await session.send(message, key=name)
            except (NotLoggedOn, SendTimeout):
                await anyio.sleep(0.005)
                continue
            self.notes.told.append(Told(name, receipt.event_number, receipt.seq_num))
            return receipt

    async def _accept(self, waiting: list[tuple[str, Receipt]]) -> None:
        for name, receipt in waiting:
            await receipt.durable()
            self.notes.accepted[name] = Accepted(name, receipt.event_number, receipt.seq_num)
        waiting.clear()
