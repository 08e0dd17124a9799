"""The journal alone on a disk whose power is cut before every operation, in every way, under every
policy.

The expected verdict comes from the log of acknowledgements: what ``durable`` said before the cut
must be there, in order and unchanged, and nothing that was never appended may be. The same loop
with syncs that lie must fail.
"""

import random
from collections.abc import Iterator

import pytest

from durafix.journal.manifest import create
from durafix.journal.policy import Policy, WriterStart
from durafix.journal.record import Draft, Kind
from durafix.journal.simdisk import SimDisk
from durafix.journal.siminode import Loss
from durafix.journal.writer import Writer

from ..kit.fakes import Counter, FakeClock
from ..kit.readback import highest_witness, read_events

ROOT = "/journal"
UUID = bytes(range(16))
POLICIES = [Policy("always"), Policy("interval", interval_ms=20), Policy("never")]


class Run:
    """One life of a writer on a simulated disk: what it appended and what was promised."""

    def __init__(self, policy: Policy, seed: int, lies: frozenset[str] = frozenset()) -> None:
        self.disk = SimDisk(seed)
        self.policy = policy
        self.dice = random.Random(seed)
        self.clock = FakeClock()
        self.payloads: list[bytes] = []
        self.steps: list[int] = []
        self.covered = self.durable = 0
        create(self.disk, ROOT, uuid=UUID, created_ns=1)
        self.disk.lies = lies

    def work(self, steps: int, pad_bytes: int = 512) -> None:
        """Append, commit, let time pass, register, close: seeded."""
        start = WriterStart(root=ROOT, uuid=UUID, segment_bytes=32 << 10, pad_bytes=pad_bytes)
        writer = Writer(
            self.disk,
            start,
            self.policy,
            clock=self.clock.utc,
            monotonic=self.clock.monotonic,
            salts=Counter(),
            threaded=False,
        )

        def note() -> None:
            self.covered, self.durable = writer.covered, writer.durable

        writer.listen(note)
        for _ in range(steps):
            drafts = [
                Draft(Kind.IN, 1, 0, 1, i + 1, self.dice.randbytes(self.dice.randrange(400)))
                for i in range(self.dice.randrange(1, 4))
            ]
            self.payloads += [draft.payload for draft in drafts]
            writer.append(drafts, self.clock.utc(), sync=self.dice.random() < 0.05)
            self.steps.append(len(self.payloads))
            if self.dice.random() < 0.6:
                writer.commit()
            if self.dice.random() < 0.2:
                self.clock.advance_ms(self.dice.randrange(80))
                writer.pump()
        writer.close()


def judge(disk: SimDisk, run: Run, promised: int) -> list[str]:
    """What is wrong with a journal after a crash; empty if every promise was kept."""
    events = read_events(disk, ROOT)
    wrong: list[str] = []
    if [event.number for event in events] != list(range(1, len(events) + 1)):
        wrong.append("the numbers have a gap")
    if len(events) < promised:
        wrong.append(f"{promised} events were promised, {len(events)} are there")
    if [event.payload for event in events] != run.payloads[: len(events)]:
        wrong.append("an event is not what was appended")
    if len(events) not in (0, *run.steps):
        wrong.append("a step was split")
    if (proven := highest_witness(disk, ROOT)) > len(events):
        wrong.append(f"a witness proves event {proven}, {len(events)} are there")
    return wrong


def crashes(run: Run, seeds: int, steps: int, pad_bytes: int = 512) -> Iterator[list[str]]:
    """Cut the power before each operation of a run, in each way; what was wrong each time."""
    verdicts: list[list[str]] = []

    def cut(verb: str, path: str) -> None:
        for loss in Loss:
            for seed in range(seeds if loss in (Loss.TORN, Loss.MIXED) else 1):
                wrong = judge(run.disk.crash(loss, seed), run, run.durable)
                verdicts.append([f"{loss.value}/{seed} before {verb} {path}: {w}" for w in wrong])
        wrong = judge(run.disk.kill(), run, run.covered)
        verdicts.append([f"kill before {verb} {path}: {w}" for w in wrong])

    run.disk.on_operation = cut
    run.work(steps, pad_bytes)
    run.disk.on_operation = None
    verdicts.append(judge(run.disk.crash(Loss.DROP), run, len(run.payloads)))
    yield from verdicts


def failures(verdicts: Iterator[list[str]]) -> list[str]:
    """All that was wrong."""
    return [wrong for verdict in verdicts for wrong in verdict]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.mode)
@pytest.mark.parametrize("pad_bytes", [512, 4096])
def test_what_was_durable_survives_every_power_cut(policy: Policy, pad_bytes: int) -> None:
    """Every acknowledged event is there, in order, none invented, steps whole, across rotations."""
    run = Run(policy, seed=pad_bytes)
    verdicts = list(crashes(run, seeds=2, steps=45, pad_bytes=pad_bytes))
    assert failures(iter(verdicts)) == []
    assert len(run.disk.listdir(f"{ROOT}/segments")) >= 2
    assert len(verdicts) > 500


@pytest.mark.parametrize("lie", ["fdatasync", "fsync_dir"])
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.mode)
def test_a_sync_that_does_nothing_is_noticed(policy: Policy, lie: str) -> None:
    """The loop above fails when fdatasync, or the fsync of the folder, is taken out."""
    run = Run(policy, seed=1, lies=frozenset({lie}))
    assert failures(crashes(run, seeds=1, steps=40))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.mode)
def test_many_power_cuts(policy: Policy, seed: int) -> None:
    """The same with more seeds."""
    run = Run(policy, seed)
    assert failures(crashes(run, seeds=6, steps=120)) == []
