"""Runs a demo: starts both sides, kills by plan, restarts, waits until all is quiet, stops both in
order.

Owns the course of events and the measurements of it. It judges nothing: its outcome is what
happened and what ``send`` accepted, and ``reconcile`` compares that with the journals.

Invariant: it ends. Every wait has a deadline, and whatever happens no process is left behind.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from . import plan
from .child import Child
from .link import Ask, Job, Told
from .plan import Kill
from .reconcile import Accepted

SESSIONS = {"desk": ("DESK", "EXCHANGE"), "exchange": ("EXCHANGE", "DESK")}
QUIET_S = 0.6
RECOVERY_S_MAX = 60.0
STALL_S_MAX = 60.0
STOP_S_MAX = 30.0
TURN_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a demo is asked for."""

    folder: Path
    orders: int
    kills: int
    seed: int
    fsync: str
    rate: int


class Recovery(NamedTuple):
    """One kill and what followed, in seconds since the kill."""

    kill: Kill
    accepted: int
    up_s: float
    on_s: float


class DemoFailed(Exception):
    """The demo could not be brought to its end; the message says what was waited for."""


@dataclass
class Outcome:
    """What happened, for the report and the judge."""

    accepted: dict[str, Accepted] = field(default_factory=dict[str, Accepted])
    acked: set[str] = field(default_factory=set[str])
    recoveries: list[Recovery] = field(default_factory=list[Recovery])
    metrics: dict[str, list[dict[str, int]]] = field(
        default_factory=lambda: {side: [] for side in plan.SIDES}
    )
    trading_s: float = 0.0


class Supervisor:
    """One demo. ``progress`` is called with (orders acknowledged, orders)."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.settings = settings
        self.outcome = Outcome()
        self._clock = clock
        self._progress = progress
        self._kills = plan.kills(settings.seed, settings.orders, settings.kills)
        self._children: dict[str, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._moved = self._stirred = clock()
        self._granted = 0

    def run(self) -> Outcome:
        """From first start to last stop. ``DemoFailed`` if something does not come in time."""
        write_configs(self.settings)
        try:
            for role in ("exchange", "desk"):
                self._start(role)
            self._until(self._both_on, "both sides to log on", RECOVERY_S_MAX)
            started = self._clock()
            for kill in self._kills:
                self._grant(kill.at_order + max(50, self.settings.orders // 20))
                self._carry_out(kill)
            self._grant(self.settings.orders)
            self._until(self._done, "all orders to be acknowledged", 0)
            self.outcome.trading_s = self._clock() - started
            self._until(self._quiet, "both sides to fall quiet", STALL_S_MAX)
            for role in ("desk", "exchange"):
                self._stop(role)
            return self.outcome
        finally:
            for child in self._children.values():
                child.kill()
            self._selector.close()

    # Steps of the course

    def _carry_out(self, kill: Kill) -> None:
        self._until(lambda: self._both_on() and self._accepted() >= kill.at_order,
                    f"order {kill.at_order}", 0)  # fmt: skip
        self._wait(kill.delay_ms / 1000)
        if not self._both_on():
            self._until(self._both_on, "both sides to log on", RECOVERY_S_MAX)
        accepted, killed = self._accepted(), self._clock()
        child = self._children.pop(kill.side)
        self._selector.unregister(child.fd)
        for told in child.kill():
            self._take(child, told)
        self._start(kill.side)
        up = self._until(
            lambda: self._children[kill.side].up, f"{kill.side} to start", RECOVERY_S_MAX
        )
        on = self._until(self._both_on, f"{kill.side} to log on again", RECOVERY_S_MAX)
        self.outcome.recoveries.append(Recovery(kill, accepted, up - killed, on - killed))

    def _start(self, role: str) -> None:
        ours, theirs = SESSIONS[role]
        settings = self.settings
        job = Job(
            role="desk" if role == "desk" else "exchange",
            config=str(settings.folder / f"{role}.toml"),
            journal=str(settings.folder / role),
            session=f"{ours}->{theirs}",
            seed=settings.seed,
            orders=settings.orders,
            first=self._accepted() + 1,
            rate=settings.rate,
        )
        child = Child(job, settings.folder / f"{role}.log")
        self._children[role] = child
        self.outcome.metrics[role].append({})
        self._selector.register(child.fd, selectors.EVENT_READ, child)
        if role == "desk":
            child.ask(Ask(upto=self._granted))

    def _grant(self, upto: int) -> None:
        self._granted = min(upto, self.settings.orders)
        self._children["desk"].ask(Ask(upto=self._granted))

    def _stop(self, role: str) -> None:
        child = self._children[role]
        child.ask(Ask(stop=True))
        self._until(lambda: child.stopped, f"{role} to stop in order", STOP_S_MAX)
        self._selector.unregister(child.fd)
        del self._children[role]
        if status := child.close():
            raise DemoFailed(f"{role} ended with status {status}; see {self._log(role)}")

    # Waiting

    def _until(self, holds: Callable[[], bool], what: str, seconds: float) -> float:
        """Turn until ``holds``; returns when. ``seconds`` 0: as long as something moves."""
        started = self._clock()
        while not holds():
            now = self._clock()
            if (seconds and now - started > seconds) or now - self._moved > STALL_S_MAX:
                raise DemoFailed(f"waited for {what} and nothing came; see {self.settings.folder}")
            self._turn(TURN_S)
        return self._clock()

    def _wait(self, seconds: float) -> None:
        end = self._clock() + seconds
        while (left := end - self._clock()) > 0:
            self._turn(min(left, TURN_S))

    def _turn(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            child: Child = key.data
            lines = child.read()
            if lines is None and not child.stopped:
                raise DemoFailed(f"{child.role} ended by itself; see {self._log(child.role)}")
            for told in lines or ():
                self._take(child, told)

    def _take(self, child: Child, told: Told) -> None:
        """Keep what a side told. Only what brings the end nearer counts as progress; a link that
        goes up and down for ever does not.
        """
        now, outcome = self._clock(), self.outcome
        match told.what:
            case "metrics":
                runs = outcome.metrics[child.role]
                if _frames(runs[-1]) != _frames(told.metrics):
                    self._stirred = now
                runs[-1] = told.metrics
                return
            case "on" | "off":
                child.on = told.what == "on"
            case "up":
                child.up, self._moved = True, now
            case "stopped":
                child.stopped, self._moved = True, now
            case "accepted":
                if told.name not in outcome.accepted:
                    self._moved = now
                    outcome.accepted[told.name] = Accepted(told.name, told.event, told.seq)
            case "acked":
                if told.name not in outcome.acked:
                    self._moved = now
                    outcome.acked.add(told.name)
                    self._progress(len(outcome.acked), self.settings.orders)
        self._stirred = now

    # What holds

    def _accepted(self) -> int:
        return len(self.outcome.accepted)

    def _both_on(self) -> bool:
        return len(self._children) == 2 and all(child.on for child in self._children.values())

    def _done(self) -> bool:
        return len(self.outcome.acked) >= self.settings.orders and (
            self._accepted() >= self.settings.orders
        )

    def _quiet(self) -> bool:
        return self._both_on() and self._clock() - self._stirred > QUIET_S

    def _log(self, role: str) -> str:
        """Where the side's stderr is, and its last words."""
        path = self.settings.folder / f"{role}.log"
        words = path.read_text(errors="replace").strip().rpartition("\n")[2]
        return f"{path}: {words}" if words else str(path)


def _frames(metrics: dict[str, int]) -> tuple[int, int]:
    return metrics.get("frames_in", 0), metrics.get("frames_out", 0)


def write_configs(settings: Settings) -> None:
    """One configuration file a side, as a person would write it, on a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for role, (ours, theirs) in SESSIONS.items():
        journal = f'[journal]\npath = "{role}"\nfsync = "{settings.fsync}"\n'
        session = f'[[session]]\nsender = "{ours}"\ntarget = "{theirs}"\nheartbeat_s = 5\n'
        if role == "exchange":
            where = f'[acceptor]\nhost = "127.0.0.1"\nport = {port}\n'
            text = f'{journal}\n{where}\n{session}role = "acceptor"\n'
        else:
            there = f'host = "127.0.0.1"\nport = {port}\n'
            retry = "reconnect_min_s = 0.05\nreconnect_max_s = 0.25\n"
            text = f'{journal}\n{session}role = "initiator"\n{there}{retry}'
        (settings.folder / f"{role}.toml").write_text(text)
