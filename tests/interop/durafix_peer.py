"""Our side as a process of its own, with the same commands and events as ``quickfix_peer.py``.

``python durafix_peer.py ROLE BEGIN_STRING PORT FOLDER HEARTBEAT FSYNC``. After a kill it is started
with the same words: everything that it knows is in its journal. Orders carry a key, so ``send 1
100`` may be told again after a restart.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from durafix.engine import Application, Engine, Message, NotLoggedOn, utc_now

JOURNAL = """[journal]
path = "{folder}/journal"
fsync = "{fsync}"

[[session]]
role = "{role}"
begin_string = "{begin}"
sender = "DURAFIX"
target = "QF"
heartbeat_s = {heartbeat}
"""
INITIATOR = """host = "127.0.0.1"
port = {port}
reconnect_min_s = 0.1
reconnect_max_s = 0.5
"""
ACCEPTOR = """
[acceptor]
port = {port}
"""


def say(**event: Any) -> None:
    """One JSON line to the driver."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class Peer(Application):
    """Answers orders once each, and tells what it gets."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    async def on_logon(self, session: Any) -> None:
        say(event="logon")

    async def on_logout(self, session: Any, reason: str = "") -> None:
        say(event="logout")

    async def on_message(self, session: Any, message: Message) -> None:
        order = message[11]
        say(event="got", type=message.type, id=order, again=order in self.seen)
        self.seen.add(order)
        if message.type == "D":
            fields: dict[int, str | int] = {
                37: f"o{order}",
                17: f"e{order}",
                20: "0",
                150: "0",
                39: "0",
                11: order,
                55: message[55],
                54: message[54],
                38: message[38],
                151: message[38],
                14: 0,
                6: 0,
            }
            await session.send(Message("8", fields), key=f"report-{order}")


async def send(session: Any, first: int, last: int) -> None:
    """Send NewOrderSingles c<first> to c<last>, each at most once over all restarts."""
    for number in range(first, last + 1):
        fields: dict[int, Any] = {11: f"c{number}", 21: "1", 55: "MSFT", 54: "1"}
        fields |= {38: 100 + number % 900, 40: "2", 44: "12.50", 60: utc_now()}
        order = Message("D", fields)
        while True:
            await session.wait_logged_on()
            try:
                receipt = await session.send(order, key=f"c{number}")
                break
            except NotLoggedOn:
                continue
        say(event="sent", id=f"c{number}", seq=receipt.seq_num)


async def main() -> None:
    role, begin_string, port, folder, heartbeat, fsync = sys.argv[1:7]
    config = Path(folder, "durafix.toml")
    text = JOURNAL + (INITIATOR if role == "initiator" else ACCEPTOR)
    config.write_text(
        text.format(
            role=role,
            begin=begin_string,
            port=port,
            folder=folder,
            heartbeat=heartbeat,
            fsync=fsync,
        )
    )
    async with Engine.open(str(config), Peer()) as engine:
        session = engine.sessions["DURAFIX->QF"]
        say(event="ready")
        async with anyio.create_task_group() as tasks:
            while True:
                line = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
                verb, *words = line.split() or ["stop"]
                if verb == "send":
                    tasks.start_soon(send, session, int(words[0]), int(words[1]))
                elif verb == "numbers":
                    state = session.state
                    say(
                        event="numbers",
                        out=state.next_out,
                        expected=state.next_in,
                        logged_on=state.logged_on,
                    )
                elif verb == "stop":
                    tasks.cancel_scope.cancel()
                    break
    say(event="stopped")


if __name__ == "__main__":
    anyio.run(main)
