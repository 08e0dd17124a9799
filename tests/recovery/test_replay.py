"""Replay: the same state, the same events; a planted change is found."""

from __future__ import annotations

from collections.abc import Sequence

from durafix.journal.reader import Reader
from durafix.journal.record import Draft, Record
from durafix.journal.simdisk import SimDisk
from durafix.recovery.replay import ReplayReport, replay

from .toys import ROOT, Machine, Toy, ToyFold, new_disk


def journal(steps: int = 60) -> tuple[SimDisk, Machine]:
    """Two reigns, a kill in between, a state hash every 10 steps."""
    disk = new_disk()
    machine = Machine(disk)
    for reign in range(2):
        if reign:
            machine = Machine(disk := disk.kill(), ticker=machine.ticker)
        for i in range(steps // 2):
            machine.feed(f"t{i % 4}")
            if i % 10 == 9:
                machine.hash()
    machine.writer.close()
    return disk, machine


def codes(report: ReplayReport[Toy]) -> list[str]:
    return [found.code for found in report.findings if found.severity != "note"]


def test_replay_meets_every_state_hash_and_no_step_diverges() -> None:
    """And its last state is the live one."""
    disk, machine = journal()
    live = machine.fold.digest(machine.state)
    report = replay(disk, ROOT, ToyFold(), expected_digest=live)
    assert (report.verdict, codes(report)) == ("clean", [])
    assert report.hashes == 6 and report.reruns == 60
    assert report.digest == live and report.last_event == machine.writer.durable


def test_the_state_as_of_an_event_or_a_time() -> None:
    """Each prefix that ends a step has the digest that the live process had there."""
    disk, machine = journal()
    times = {r.event: r.utc_ns for r in Reader(disk, ROOT).records() if r.numbered}
    for event, digest in list(machine.digests.items())[:-1]:
        assert replay(disk, ROOT, ToyFold(), until_event=event).digest == digest
        report = replay(disk, ROOT, ToyFold(), until_ns=times[event], index=False)
        assert (report.last_event, report.digest) == (event, digest)


class WrongStep(ToyFold):
    """Yields another frame for one count."""

    def drafts(self, state: Toy, text: str, session: int = 1) -> list[Draft]:
        drafts = super().drafts(state, text, session)
        if drafts[1].payload == b"t2=5":
            drafts[1] = drafts[1]._replace(payload=b"t2=50")
        return drafts


class ForgetsAStep(ToyFold):
    """Yields one event too few."""

    def drafts(self, state: Toy, text: str, session: int = 1) -> list[Draft]:
        return super().drafts(state, text, session)[:2]


class WrongEvolve(ToyFold):
    """Counts what was not there."""

    def apply(self, state: Toy, record: Record) -> None:
        super().apply(state, record)
        if record.payload == b"t2=5":
            state.counts["a ghost"] = 1


class Fails(ToyFold):
    """Cannot take one event."""

    def apply(self, state: Toy, record: Record) -> None:
        super().apply(state, record)
        if record.payload == b"t2=5":
            raise ValueError("planted")


class WrongOrder(ToyFold):
    """Runs a step again and forgets half of its own events."""

    def rerun(self, state: Toy, records: Sequence[Record]) -> list[Draft]:
        return [record.draft for record in records[:1]]


def test_a_planted_change_in_step_is_found_with_both_sides() -> None:
    """The event, what was journaled, and what comes out now."""
    disk, _ = journal()
    report = replay(disk, ROOT, WrongStep())
    assert report.verdict == "damaged" and "diverged" in codes(report)
    found = next(f for f in report.findings if f.code == "diverged")
    record = Reader(disk, ROOT).at(Reader(disk, ROOT).seek_event(found.event))
    assert record.payload == b"t2=5" and found.position == record.position
    assert "t2=5'" in str(found.evidence["journaled"]) and "t2=50" in str(found.evidence["now"])


def test_a_step_that_yields_too_few_or_forgets_its_state_is_found() -> None:
    """Missing events are shown as nothing; a lost state fails the next hash."""
    disk, _ = journal()
    report = replay(disk, ROOT, ForgetsAStep())
    assert any(f.evidence.get("now") == "nothing" for f in report.findings)
    assert "diverged" in codes(replay(disk, ROOT, WrongOrder()))


def test_a_planted_change_in_evolve_fails_the_next_state_hash() -> None:
    """Found at the first hash behind it, though every step yields what it did."""
    disk, machine = journal()
    report = replay(disk, ROOT, WrongEvolve())
    assert report.verdict == "damaged"
    found = next(f for f in report.findings if f.code == "hash-differs")
    assert found.event and found.evidence["replayed"] != found.evidence["journaled"]
    live = machine.fold.digest(machine.state)
    assert "state-differs" in codes(replay(disk, ROOT, WrongEvolve(), expected_digest=live))


def test_a_changed_state_hash_in_the_journal_is_found() -> None:
    """A live process that had another state than its events say."""
    disk = new_disk()
    machine = Machine(disk)
    machine.feed("t0")
    machine.state.counts["t0"] += 1  # a bug of the live process
    machine.hash()
    assert codes(replay(disk.kill(), ROOT, ToyFold())) == ["hash-differs"]


def test_a_fold_that_fails_is_a_finding_and_no_traceback() -> None:
    """The event is named, and the replay ends there."""
    disk, _ = journal()
    report = replay(disk, ROOT, Fails())
    found = next(f for f in report.findings if f.code == "fold-failed")
    assert "planted" in found.message and found.event == report.last_event + 1


def test_replay_stops_at_damage_and_says_so() -> None:
    """What is before it is replayed; the verdict is not clean."""
    disk, _ = journal()
    place = Reader(disk, ROOT).seek_event(50)
    disk.flip(f"{ROOT}/segments/{place.segment:08d}.seg", place.offset + 65)
    report = replay(disk, ROOT, ToyFold())
    assert report.verdict == "damaged" and report.last_event == 49
    assert "record-payload" in codes(report)


def test_a_torn_tail_ends_a_replay_and_fails_none() -> None:
    """A live journal may be in the middle of a write."""
    disk, _ = journal()
    machine = Machine(disk.kill())
    machine.feed("t0")
    dead = machine.disk.kill()
    path = max(path for path in dead.paths() if path.endswith(".seg"))
    end = -(-len(dead.content(path).rstrip(b"\0")) // 512) * 512
    dead.poke(path, end, b"torn")
    report = replay(dead, ROOT, ToyFold())
    assert report.verdict == "clean" and report.last_event == machine.writer.durable
    assert [f.code for f in report.findings if f.code == "torn-tail"] == ["torn-tail"]
    assert report.state.counts == machine.state.counts
