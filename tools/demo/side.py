"""One side of the demo as a process: the desk that sends orders, or the exchange that matches them.

Run by the supervisor: ``python -m durafix.tools.demo.side JOB``. It may be killed at any moment and
is started again with the first order that nobody has a receipt for. Both sides are safe against
doing a thing twice: an order's key is its ClOrdID, a report's key comes from the event number of
its order.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from typing import Any

import anyio
import msgspec

from ...engine import Application, Engine, Message, NotLoggedOn, Receipt, Session, utc_now
from ..samples.match import MatchingApplication
from .link import Ask, Job, Told, ask_of, tell_line
from .plan import order, order_number

METRICS_S = 0.25
COVER_POLL_S = 0.001
RETRY_S = 0.005
KEPT = ("frames_in", "frames_out", "frames_resent", "gap_fills", "redelivered", "handler_errors")


def tell(told: Told) -> None:
    """One line to the supervisor, at once."""
    sys.stdout.buffer.write(tell_line(told) + b"\n")
    sys.stdout.buffer.flush()


class Exchange(MatchingApplication):
    """The sample exchange, and a word to the supervisor about the link."""

    async def on_logon(self, session: Session) -> None:
        """Reports that waited go out first."""
        tell(Told("on"))
        await super().on_logon(session)

    def on_logout(self, session: Session, reason: str) -> None:
        """The link is gone."""
        tell(Told("off", text=reason))


class Desk(Application):
    """Takes the reports; sending is the task ``send_orders``. ``first``: the first order that this
    process sends.
    """

    def __init__(self, first: int) -> None:
        self.acked = 0
        self._first = first
        self.changed = anyio.Event()

    def wake(self) -> None:
        """Something that the sender may wait for has happened."""
        self.changed.set()
        self.changed = anyio.Event()

    async def on_logon(self, session: Session) -> None:
        """The sender goes on by itself."""
        tell(Told("on"))

    async def on_logout(self, session: Session, reason: str) -> None:
        """Sends are refused from now on."""
        tell(Told("off", text=reason))

    async def on_message(self, session: Session, message: Message) -> None:
        """Count acknowledgements; trades need nothing."""
        if message.type == "8" and message.get(150) in ("0", "8"):
            # Those of an earlier life must not widen the window of this one.
            self.acked += order_number(message[11]) >= self._first
            tell(Told("acked", name=message[11]))
            self.wake()


class Granted:
    """How far the supervisor lets the desk go."""

    def __init__(self) -> None:
        self.upto = 0

    async def listen(self, wake: Any) -> None:
        """Read lines until the supervisor stops us or is gone. No thread: one that waits for a line
        would keep a process alive whose engine has failed.
        """
        rest = b""
        while True:
            await anyio.wait_readable(sys.stdin.fileno())
            data = os.read(sys.stdin.fileno(), 1 << 16)
            *lines, rest = (rest + data).split(b"\n")
            asks = [ask_of(line) for line in lines] if data else [Ask(stop=True)]
            self.upto = max(self.upto, *(ask.upto for ask in asks), 0)
            wake()
            if any(ask.stop for ask in asks):
                return


async def send_orders(session: Session, desk: Desk, granted: Granted, job: Job) -> None:
    """Send every order from ``job.first`` on, in order, as far as granted; tell each one that is
    covered.
    """
    receipts: deque[tuple[str, Receipt]] = deque()
    started, sent = time.monotonic(), 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell_accepted, receipts, desk)
        for number in range(job.first, job.orders + 1):
            while number > granted.upto or sent - desk.acked >= job.window:
                await desk.changed.wait()
            if job.rate:
                await anyio.sleep(started + sent / job.rate - time.monotonic())
            receipts.append(await send_one(session, job.seed, number))
            sent += 1


async def send_one(session: Session, seed: int, number: int) -> tuple[str, Receipt]:
    """Send one order, however often the link goes away meanwhile. The key makes a second try
    harmless.
    """
    new = order(seed, number)
    message = Message(
        "D",
        {
            11: new.cl_ord_id, 21: "1", 55: new.symbol, 54: new.side, 38: new.quantity,
            40: "2", 44: new.price, 59: "0", 60: utc_now(),
        },
    )  # fmt: skip
    while True:
        await session.wait_logged_on()
        try:
            return new.cl_ord_id, await session.send(message, key=new.cl_ord_id)
        except NotLoggedOn:
            await anyio.sleep(RETRY_S)  # the loop must turn, or the session never gets on again


async def tell_accepted(receipts: deque[tuple[str, Receipt]], desk: Desk) -> None:
    """Tell the supervisor of each order once the policy covers it, in order."""
    while True:
        while receipts and receipts[0][1].state != "numbered":
            name, receipt = receipts.popleft()
            tell(Told("accepted", name=name, event=receipt.event_number, seq=receipt.seq_num))
        await anyio.sleep(COVER_POLL_S)


async def tell_metrics(engine: Engine) -> None:
    """The counters so far, again and again: a killed process cannot tell them at its end."""
    while True:
        tell(Told("metrics", metrics=metrics_of(engine)))
        await anyio.sleep(METRICS_S)


def metrics_of(engine: Engine) -> dict[str, int]:
    """The few numbers that the report shows, as plain integers."""
    snapshot: dict[str, Any] = engine.metrics()
    metrics = {name: int(snapshot.get(name, 0)) for name in KEPT}
    fsync = snapshot["fsync_ns"]
    return metrics | {f"fsync_{name}": fsync[name] for name in ("count", "mean", "p99", "max")}


async def run(job: Job) -> None:
    """The life of a side, from recovery to a stop in order."""
    application = Desk(job.first) if job.role == "desk" else Exchange(job.journal)
    granted = Granted()
    async with Engine.open(job.config, application) as engine:
        tell(Told("up"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tell_metrics, engine)
            if isinstance(application, Desk):
                session = engine.sessions[job.session]
                tasks.start_soon(send_orders, session, application, granted, job)
                await granted.listen(application.wake)
            else:
                await granted.listen(lambda: None)
            tasks.cancel_scope.cancel()
        tell(Told("metrics", metrics=metrics_of(engine)))
    tell(Told("stopped"))


if __name__ == "__main__":
    anyio.run(run, msgspec.json.decode(sys.argv[1], type=Job))
