"""What does a session cost? Round trip and one-way rate over loopback, against QuickFIX's binding.

    python bench/session.py [--rounds 5] [--count 3000] [--oneway 20000] [--json FILE] [ROW ...]

Two processes a row: an acceptor that answers each NewOrderSingle with an ExecutionReport, and an
initiator that sends the next order from the callback that got the report before (round trip), or
orders as fast as it can until the report on the last one is back (one way). Both journal or store
every message; rows are named ENGINE-FSYNC-LOOP. QuickFIX uses its FileStore, which never syncs, so
``never`` is the like-for-like row. ``quickfix-reuse`` sends prepared message objects, which no real
application can; ``quickfix`` builds each message, as ours does.

All rows run in each round, one after the other, so that a noisy minute hits all of them; medians
over the rounds are shown, with the ratio to ``quickfix``. Pass ``--cpu same`` to pin both processes
to one CPU, ``--cpu own`` to give each its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

ROWS = (
    "quickfix", "quickfix-reuse",
    "durafix-never-asyncio", "durafix-never-uvloop",
    "durafix-interval-asyncio", "durafix-interval-uvloop",
    "durafix-always-asyncio", "durafix-always-uvloop",
)  # fmt: skip
WARM_UP = 300
QUICKFIX = """[DEFAULT]
ConnectionType={role}
SocketAcceptPort={port}
SocketConnectHost=127.0.0.1
SocketConnectPort={port}
SocketNodelay=Y
SocketReuseAddress=Y
ReconnectInterval=1
StartTime=00:00:00
EndTime=00:00:00
HeartBtInt=30
UseDataDictionary=N
FileStorePath={folder}/{role}
[SESSION]
BeginString=FIX.4.4
SenderCompID={ours}
TargetCompID={theirs}
"""


class Clock:
    """Times of the round trips of one run, in ns; the first ones are not counted."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken: list[int] = []
        self.sent_ns = 0

    def start(self) -> None:
        """An order leaves."""
        self.sent_ns = time.perf_counter_ns()

    def stop(self) -> bool:
        """Its report is here; whether that was the last one."""
        self.taken.append(time.perf_counter_ns() - self.sent_ns)
        return len(self.taken) >= self.count + WARM_UP

    def result(self) -> dict[str, float]:
        """Percentiles in us."""
        taken = sorted(self.taken[WARM_UP:])
        return {
            "p50_us": taken[len(taken) // 2] / 1000,
            "p99_us": taken[len(taken) * 99 // 100] / 1000,
        }


# -- durafix ---------------------------------------------------------------------------------------


def durafix(role: str, fsync: str, loop: str, port: int, folder: str, mode: str, count: int) -> Any:
    """One side of a durafix row; returns the initiator's result."""
    import anyio

    from durafix.engine import Application, Engine, Message, utc_now
    from durafix.engine.config import AcceptorConfig, Config, JournalConfig, SessionConfig

    def order(name: str) -> Message:
        return Message(
            "D",
            {11: name, 21: "1", 55: "MSFT", 54: "1", 38: 100, 40: "2", 44: "12.50", 60: utc_now()},
        )

    class Exchange(Application):
        async def on_message(self, session: Any, message: Message) -> None:
            name = message[11]
            if mode == "oneway" and name != "last":
                return
            n = message.event_number
            report = {
                37: f"o{n}", 11: name, 17: f"e{n}", 150: "0", 39: "0", 55: message[55],
                54: message[54], 38: message[38], 151: message[38], 14: 0, 6: Decimal(0),
            }  # fmt: skip
            await session.send(Message("8", report))

    class Desk(Application):
        def __init__(self) -> None:
            self.done = anyio.Event()
            self.clock = Clock(count)

        async def on_message(self, session: Any, message: Message) -> None:
            if mode == "oneway" or self.clock.stop():
                self.done.set()
                return
            self.clock.start()
            await session.send(order(f"c{len(self.clock.taken)}"))

    async def sell() -> None:
        sessions = [SessionConfig(role="acceptor", sender="SELLER", target="BUYER")]
        config = Config(journal=journal, session=sessions, acceptor=AcceptorConfig(port=port))
        async with Engine.open(config, Exchange()):
            print("ready", flush=True)
            await anyio.to_thread.run_sync(sys.stdin.readline)

    async def buy() -> dict[str, float]:
        desk = Desk()
        sessions = [
            SessionConfig(
                role="initiator", sender="BUYER", target="SELLER", host="127.0.0.1", port=port
            )
        ]
        async with Engine.open(Config(journal=journal, session=sessions), desk) as engine:
            session = engine.sessions["BUYER->SELLER"]
            await session.wait_logged_on()
            began, cpu = time.perf_counter(), time.process_time()
            if mode == "oneway":
                for n in range(count - 1):
                    await session.send(order(f"c{n}"))
                await session.send(order("last"))
                await desk.done.wait()
                return {"per_s": count / (time.perf_counter() - began)}
            desk.clock.start()
            await session.send(order("c0"))
            await desk.done.wait()
            return spent(desk.clock.result(), cpu, count + WARM_UP)

    journal = JournalConfig(path=f"{folder}/{role}", fsync=fsync)  # type: ignore[arg-type]
    options = {"use_uvloop": loop == "uvloop"}
    return anyio.run(sell if role == "acceptor" else buy, backend_options=options)


# -- QuickFIX --------------------------------------------------------------------------------------


def quickfix(role: str, reuse: bool, port: int, folder: str, mode: str, count: int) -> Any:
    """One side of a QuickFIX row; returns the initiator's result."""
    import threading

    import quickfix as fix

    def build(kind: str, fields: dict[int, str]) -> Any:
        message = fix.Message()
        message.getHeader().setField(fix.BeginString("FIX.4.4"))
        message.getHeader().setField(fix.MsgType(kind))
        for tag, text in fields.items():
            message.setField(fix.StringField(tag, text))
        return message

    def order(name: str) -> Any:
        now = time.strftime("%Y%m%d-%H:%M:%S.000", time.gmtime())
        return build(
            "D",
            {11: name, 21: "1", 55: "MSFT", 54: "1", 38: "100", 40: "2", 44: "12.50", 60: now},
        )

    def value(message: Any, tag: int) -> str:
        field = fix.StringField(tag)
        message.getField(field)
        return str(field.getValue())

    class Peer(fix.Application):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.logged_on, self.done = threading.Event(), threading.Event()
            self.clock = Clock(count)
            self.session: Any = None
            self.prepared: Any = None
            self.n = 0

        def onCreate(self, session: Any) -> None:
            self.session = session

        def onLogon(self, session: Any) -> None:
            self.logged_on.set()

        def onLogout(self, session: Any) -> None:
            pass

        def toAdmin(self, message: Any, session: Any) -> None:
            pass

        def fromAdmin(self, message: Any, session: Any) -> None:
            pass

        def toApp(self, message: Any, session: Any) -> None:
            pass

        def fromApp(self, message: Any, session: Any) -> None:
            if role == "acceptor":
                self.answer(message)
            elif mode == "oneway" or self.clock.stop():
                self.done.set()
            else:
                self.clock.start()
                self.send_order(f"c{len(self.clock.taken)}")

        def answer(self, message: Any) -> None:
            name = value(message, 11)
            if mode == "oneway" and name != "last":
                return
            if not (reuse and self.prepared):
                self.n += 1
                n, size = self.n, value(message, 38)
                self.prepared = build(
                    "8",
                    {
                        37: f"o{n}", 11: name, 17: f"e{n}", 150: "0", 39: "0",
                        55: value(message, 55), 54: value(message, 54), 38: size, 151: size,
                        14: "0", 6: "0",
                    },
                )  # fmt: skip
            fix.Session.sendToTarget(self.prepared, self.session)

        def send_order(self, name: str) -> None:
            if not (reuse and self.prepared and name != "last"):
                self.prepared = order(name)
            fix.Session.sendToTarget(self.prepared, self.session)

    ours, theirs = ("SELLER", "BUYER") if role == "acceptor" else ("BUYER", "SELLER")
    path = Path(folder, f"{role}.cfg")
    text = QUICKFIX.format(role=role, port=port, folder=folder, ours=ours, theirs=theirs)
    path.write_text(text)
    settings = fix.SessionSettings(str(path))
    peer = Peer()
    kind = fix.SocketAcceptor if role == "acceptor" else fix.SocketInitiator
    engine = kind(peer, fix.FileStoreFactory(settings), settings)
    engine.start()
    if role == "acceptor":
        print("ready", flush=True)
        sys.stdin.readline()
        engine.stop()
        return None
    peer.logged_on.wait(20)
    began, cpu = time.perf_counter(), time.process_time()
    if mode == "oneway":
        for n in range(count - 1):
            peer.send_order(f"c{n}")
        peer.send_order("last")
    else:
        peer.clock.start()
        peer.send_order("c0")
    peer.done.wait(60)
    took = time.perf_counter() - began
    if mode == "oneway":
        result = {"per_s": count / took}
    else:
        result = spent(peer.clock.result(), cpu, count + WARM_UP)
    engine.stop()
    return result


# -- rounds ----------------------------------------------------------------------------------------


def side(row: str, role: str, port: int, folder: str, mode: str, count: int) -> Any:
    """Run one side in this process."""
    engine, *rest = row.split("-")
    if engine == "quickfix":
        return quickfix(role, rest == ["reuse"], port, folder, mode, count)
    return durafix(role, rest[0], rest[1], port, folder, mode, count)


def measure(row: str, mode: str, count: int, port: int, cpu: str) -> dict[str, float]:
    """Run one row once, in two processes."""
    with tempfile.TemporaryDirectory(prefix="durafix-bench-") as folder:
        command = [sys.executable, __file__, "--side", row, str(port), folder, mode, str(count)]
        environment = os.environ | {"BENCH_CPU": cpu}
        acceptor = subprocess.Popen(
            [*command, "acceptor"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment,
        )  # fmt: skip
        assert acceptor.stdout is not None and acceptor.stdin is not None
        try:
            assert acceptor.stdout.readline() == "ready\n", f"{row}: the acceptor did not start"
            done = subprocess.run(
                [*command, "initiator"], capture_output=True, text=True, timeout=120,
                env=environment,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
            return result
        finally:
            acceptor.stdin.close()
            acceptor.wait(20)
            acceptor.stdout.close()


def spent(result: dict[str, float], began_cpu: float, count: int) -> dict[str, float]:
    """The result with this process's CPU time a message, which a busy machine disturbs least."""
    return result | {"cpu_us": (time.process_time() - began_cpu) / count * 1e6}


def pin(role: str) -> None:
    """Place this process on a CPU, if asked to."""
    cpu = os.environ.get("BENCH_CPU", "any")
    if cpu != "any":
        cpus = sorted(os.sched_getaffinity(0))
        index = 0 if cpu == "same" or role == "acceptor" else 1
        os.sched_setaffinity(0, {cpus[index % len(cpus)]})


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=3000, help="round trips a run")
    parser.add_argument("--oneway", type=int, default=20000, help="orders a one-way run; 0: none")
    parser.add_argument("--cpu", choices=["any", "same", "own"], default="any")
    parser.add_argument("--json", metavar="FILE")
    given = parser.parse_args()
    rows = given.rows or list(ROWS)
    found: dict[str, list[dict[str, float]]] = {row: [] for row in rows}
    port = 20000 + os.getpid() % 20000
    for number in range(given.rounds):
        for row in rows:
            port += 1
            result = measure(row, "trip", given.count, port, given.cpu)
            if given.oneway:
                port += 1
                result |= measure(row, "oneway", given.oneway, port, given.cpu)
            found[row].append(result)
            print(f"round {number + 1} {row}: {result}", file=sys.stderr)
    report(found, given.json)


def report(found: dict[str, list[dict[str, float]]], path: str | None) -> None:
    """The table, and the same as JSON."""
    medians = {
        row: {key: statistics.median(r[key] for r in results) for key in results[0]}
        for row, results in found.items()
    }
    base = medians.get("quickfix")
    heads = f"{'p50 us':>8} {'p99 us':>8} {'cpu us':>8} {'one way /s':>11}"
    print(f"{'row':26} {heads}   ratio to quickfix")
    for row, m in medians.items():
        ratio = f"p50 {m['p50_us'] / base['p50_us']:.2f}" if base else ""
        if base and "per_s" in m:
            ratio += f", rate {m['per_s'] / base['per_s']:.2f}"
        rate = f"{m['per_s']:11,.0f}" if "per_s" in m else " " * 11
        print(f"{row:26} {m['p50_us']:8.1f} {m['p99_us']:8.1f} {m['cpu_us']:8.1f} {rate}   {ratio}")
    if path:
        data = {"schema": "bench-session/1", "medians": medians, "rounds": found}
        Path(path).write_text(json.dumps(data, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        pin(sys.argv[7])
        outcome = side(
            sys.argv[2], sys.argv[7], int(sys.argv[3]), sys.argv[4], sys.argv[5], int(sys.argv[6])
        )
        if outcome is not None:
            print(json.dumps(outcome))
    else:
        main()
