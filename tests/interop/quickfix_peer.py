"""A QuickFIX counterparty as a process of its own: lines on stdin, JSON lines on stdout.

``python quickfix_peer.py ROLE BEGIN_STRING PORT FOLDER HEARTBEAT``; ROLE is ``initiator`` or
``acceptor``. Commands: ``send FIRST LAST`` (NewOrderSingles c1, c2, ...), ``testrequest ID``,
``numbers``, ``stop``. It answers each order with an ExecutionReport; an order that it has seen
before (PossDup or not) is counted, not executed again.

It runs outside of pytest and imports nothing of durafix, so that it can be trusted as a peer.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import quickfix as fix

SETTINGS = """[DEFAULT]
ConnectionType={role}
SocketAcceptPort={port}
SocketConnectHost=127.0.0.1
SocketConnectPort={port}
SocketNodelay=Y
SocketReuseAddress=Y
ReconnectInterval=1
LogonTimeout=10
StartTime=00:00:00
EndTime=00:00:00
HeartBtInt={heartbeat}
UseDataDictionary=N
FileStorePath={folder}/store
PersistMessages=Y
[SESSION]
BeginString={begin}
SenderCompID=QF
TargetCompID=DURAFIX
"""


def say(**event: Any) -> None:
    """One JSON line to the driver."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def value(message: fix.Message, tag: int) -> str:
    """A body field's text."""
    field = fix.StringField(tag)
    message.getField(field)
    return str(field.getValue())


class Peer(fix.Application):  # type: ignore[misc]
    """Answers orders, counts what it gets."""

    def __init__(self, begin_string: str) -> None:
        super().__init__()
        self.begin_string = begin_string
        self.session: fix.SessionID | None = None
        self.seen: set[str] = set()
        self.lock = threading.Lock()

    def onCreate(self, arg0: fix.SessionID) -> None:
        self.session = arg0

    def onLogon(self, arg0: fix.SessionID) -> None:
        say(event="logon")

    def onLogout(self, arg0: fix.SessionID) -> None:
        say(event="logout")

    def toAdmin(self, arg0: fix.Message, arg1: fix.SessionID) -> None:
        pass

    def fromAdmin(self, arg0: fix.Message, arg1: fix.SessionID) -> None:
        kind = fix.MsgType()
        arg0.getHeader().getField(kind)
        if kind.getValue() == "0" and arg0.isSetField(112):
            say(event="heartbeat", id=value(arg0, 112))

    def toApp(self, arg0: fix.Message, arg1: fix.SessionID) -> None:
        pass

    def fromApp(self, arg0: fix.Message, arg1: fix.SessionID) -> None:
        kind = fix.MsgType()
        arg0.getHeader().getField(kind)
        order = value(arg0, 11)
        with self.lock:
            again = order in self.seen
            self.seen.add(order)
        say(event="got", type=kind.getValue(), id=order, again=again)
        if kind.getValue() == "D" and not again:
            self.report(order, arg0)

    def report(self, order: str, message: fix.Message) -> None:
        """Answer an order with a report that accepts it."""
        fields = {
            37: f"o{order}",
            17: f"e{order}",
            20: "0",
            150: "0",
            39: "0",
            11: order,
            55: value(message, 55),
            54: value(message, 54),
            38: value(message, 38),
            151: value(message, 38),
            14: "0",
            6: "0",
        }
        self.send("8", fields)

    def send(self, kind: str, fields: dict[int, str]) -> None:
        """Send one message; QuickFIX stores it when the session is down."""
        message = fix.Message()
        message.getHeader().setField(fix.BeginString(self.begin_string))
        message.getHeader().setField(fix.MsgType(kind))
        for tag, text in fields.items():
            message.setField(fix.StringField(tag, text))
        fix.Session.sendToTarget(message, self.session)

    def order(self, number: int) -> None:
        """Send NewOrderSingle c<number>."""
        fields = {11: f"c{number}", 21: "1", 55: "MSFT", 54: "1", 38: str(100 + number % 900)}
        self.send("D", fields | {40: "2", 44: "12.50", 60: "20260101-12:00:00"})

    def numbers(self) -> None:
        """Tell the next numbers in both directions."""
        session = fix.Session.lookupSession(self.session)
        say(
            event="numbers",
            out=session.getExpectedSenderNum(),
            expected=session.getExpectedTargetNum(),
            logged_on=bool(session.isLoggedOn()),
            unique=len(self.seen),
        )


def main() -> None:
    role, begin_string, port, folder, heartbeat = sys.argv[1:6]
    text = SETTINGS.format(
        role=role, port=port, folder=folder, begin=begin_string, heartbeat=heartbeat
    )
    Path(folder, "peer.cfg").write_text(text)
    settings = fix.SessionSettings(f"{folder}/peer.cfg")
    peer = Peer(begin_string)
    stores = fix.FileStoreFactory(settings)
    kind = fix.SocketInitiator if role == "initiator" else fix.SocketAcceptor
    engine = kind(peer, stores, settings)
    engine.start()
    say(event="ready")
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "send":
            for number in range(int(words[0]), int(words[1]) + 1):
                peer.order(number)
        elif verb == "testrequest":
            peer.send("1", {112: words[0]})
        elif verb == "numbers":
            peer.numbers()
        elif verb == "stop":
            break
    engine.stop()
    say(event="stopped")


if __name__ == "__main__":
    main()
