"""The whole simulation: two computers, a network, a seed; power fails until it has failed enough.

Owns the scenario and its end: after the last power cut both sides come to rest, logged on and with
nothing unfinished, are stopped in order, and the judge reads both disks. It must not know how
anything is judged.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Literal

import anyio
import msgspec

from durafix.engine import Application, Config
from durafix.engine.testing import configs
from durafix.journal.simdisk import SimDisk
from durafix.journal.siminode import Loss

from .computer import Computer
from .loop import Broken, SimLoop, run
from .network import SimNetwork
from .trading import Desk, Exchange, Notebook, Sender

Mode = Literal["always", "interval", "never"]
Sabotage = Literal["", "fdatasync", "fsync_dir", "reservation"]
ROOT = "/journal"
ORDERS_MAX = 3000
LIVES_S = 120.0
"""Virtual seconds that all lives together may take."""
REST_S = 60.0
"""Virtual seconds within which both sides must have come to rest."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens, as far as it is not up to the dice. ``deaths`` counts both sides."""

    mode: Mode
    seed: int
    deaths: int = 20
    losses: tuple[Loss, ...] = tuple(Loss)
    sabotage: Sabotage = ""

    @property
    def again(self) -> str:
        """The command that runs this once more."""
        words = f"--fsync {self.mode} --seed {self.seed} --deaths {self.deaths}"
        if self.losses != tuple(Loss):
            words += " --loss " + ",".join(loss.value for loss in self.losses)
        if self.sabotage:
            words += f" --sabotage {self.sabotage}"
        return f"python -m tests.simulation {words}"


@dataclass(slots=True)
class Side:
    """One side after the end."""

    notes: Notebook
    disk: SimDisk
    streams: list[bytes]


@dataclass(slots=True)
class End:
    """Everything that the judge may look at."""

    scenario: Scenario
    desk: Side
    exchange: Side
    counts: Counter[str]
    virtual_s: float


def live(scenario: Scenario) -> End:
    """Run it to the end. ``Broken`` if a promise was not kept on the way."""
    return run(lambda loop: _World(scenario, loop).run())


class _World:
    def __init__(self, scenario: Scenario, loop: SimLoop) -> None:
        self.scenario = scenario
        self.loop = loop
        dice = Random(f"{scenario.mode}/{scenario.seed}")
        self.net = SimNetwork(loop, Random(dice.random()))
        theirs, ours = configs(fsync=scenario.mode, heartbeat_s=1, send_timeout_s=0.5)
        self.sender = Sender(Notebook(), Random(dice.random()))
        self.exchange = self._computer("exchange", theirs, dice, Notebook(), Exchange)
        self.desk = self._computer("desk", ours, dice, self.sender.notes, Desk)
        self.desk.trade = self.sender.run

    def _computer(
        self,
        name: str,
        config: Config,
        dice: Random,
        notes: Notebook,
        application: type[Desk] | type[Exchange],
    ) -> Computer:
        own, sabotage = Random(dice.random()), self.scenario.sabotage
        small = msgspec.structs.replace(config.journal, segment_bytes=1 << 16, interval_ms=10)

        def make(life: int) -> Application:
            return application(life, notes, own)

        computer = Computer(
            name, msgspec.structs.replace(config, journal=small), self.net, own, notes, make,
            lies=frozenset({sabotage} & {"fdatasync", "fsync_dir"}),
            forget_reservations=sabotage == "reservation",
        )  # fmt: skip
        computer.on_break = self._switch_off
        computer.losses = self.scenario.losses
        return computer

    async def run(self) -> End:
        """Until both are at rest."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.exchange.run)
                tasks.start_soon(self.desk.run)
                try:
                    await self._until_dead_often_enough()
                    await self._rest()
                except BaseException:
                    self._switch_off()
                    raise
                # One after the other: two Logouts that cross may leave the last one unread.
                self.desk.stop.set()
                await self.desk.stopped.wait()
                self.exchange.stop.set()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        return End(
            self.scenario,
            self._side(self.desk),
            self._side(self.exchange),
            self.desk.counts + self.exchange.counts,
            self.loop.now_s,
        )

    def _switch_off(self) -> None:
        self.desk.switch_off()
        self.exchange.switch_off()

    def _side(self, computer: Computer) -> Side:
        streams = [bytes(stream) for stream in self.net.streams.get(computer.name, [])]
        return Side(computer.notes, computer.disk, streams)

    async def _until_dead_often_enough(self) -> None:
        sides = self.desk, self.exchange
        with anyio.move_on_after(LIVES_S):
            while sum(side.counts["deaths"] for side in sides) < self.scenario.deaths:
                await anyio.sleep(0.005)
        if sum(side.counts["deaths"] for side in sides) < self.scenario.deaths:
            raise Broken(f"nothing moves: {self._states()}")
        for side in sides:
            side.disarm()
        self.sender.enough = True

    async def _rest(self) -> None:
        with anyio.move_on_after(REST_S):
            while not self._at_rest():
                await anyio.sleep(0.01)
            return
        raise Broken(f"no rest after {REST_S:g} s: {self._states()}")

    def _states(self) -> str:
        states = [s.engine and s.session.state for s in (self.desk, self.exchange)]
        return f"orders {self.sender.sent}, sender done {self.sender.done}, {states}"

    def _at_rest(self) -> bool:
        """Logged on, equal numbers, nothing unfinished, every order answered twice."""
        if not self.sender.done or self.desk.engine is None or self.exchange.engine is None:
            return False
        ours, theirs = self.desk.session.state, self.exchange.session.state
        return (
            ours.logged_on and theirs.logged_on
            and not (ours.gap or theirs.gap or ours.unfinished or theirs.unfinished)
            and (ours.next_out, ours.next_in) == (theirs.next_in, theirs.next_out)
        )  # fmt: skip
