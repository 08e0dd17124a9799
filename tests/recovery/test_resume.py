"""Opening a journal: what each kind of stop leads to, and that it can be killed and run again."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any, Self, cast

import pytest

from durafix.journal.disk import Disk, File
from durafix.journal.errors import FormatUnknown, IoFailed, JournalError, Locked, Missing
from durafix.journal.reader import Reader
from durafix.journal.record import Kind
from durafix.journal.simdisk import SimDisk
from durafix.journal.simfile import Fault, SimCrash
from durafix.journal.siminode import Loss
from durafix.recovery.errors import Damaged
from durafix.recovery.replay import replay
from durafix.recovery.resume import open_journal
from durafix.recovery.table import Decision

from .toys import ROOT, Machine, Ticker, Toy, ToyFold, new_disk, options, resume

MODES = ("always", "interval", "never")
SEGMENTS = f"{ROOT}/segments"


def fed(disk: SimDisk, steps: int, mode: str = "always") -> Machine:
    """A machine that has taken ``steps`` steps."""
    machine = Machine(disk, mode)
    for i in range(steps):
        machine.feed(f"t{i % 7}")
    return machine


def contents(disk: SimDisk) -> dict[str, bytes]:
    """All files."""
    return {path: disk.content(path) for path in disk.paths()}


def damage_event(disk: SimDisk, event: int) -> None:
    """Flip a bit in the payload of an event."""
    place = Reader(disk, ROOT).seek_event(event)
    disk.flip(f"{SEGMENTS}/{place.segment:08d}.seg", place.offset + 65)


def last_segment(disk: SimDisk) -> str:
    return max(path for path in disk.paths() if path.endswith(".seg"))


def test_a_new_journal_is_made_only_on_request() -> None:
    """Without ``create`` a missing journal is an error, and nothing is made."""
    disk = new_disk()
    with pytest.raises(Missing):
        open_journal(disk, ROOT, ToyFold(), options=options())
    assert disk.paths() == []
    resumed = resume(disk)
    assert resumed.report.created and resumed.report.term == 1 and resumed.clean
    assert resumed.writer.next_event == 1


def test_a_closed_journal_opens_clean_in_a_new_segment_with_the_next_term() -> None:
    """After a clean stop nothing is written to the old segments."""
    disk = new_disk()
    machine = fed(disk, 40)
    machine.writer.close()
    before = contents(disk)
    again = resume(disk)
    assert again.clean and not again.from_bound and again.report.term == 2
    assert machine.fold.digest(again.state) == machine.fold.digest(machine.state)
    assert again.writer.roster == {1: "FIX.4.4:A->B"}
    for path, data in before.items():
        if path.endswith(".seg"):
            assert disk.content(path) == data


def test_a_second_writer_is_locked_out() -> None:
    """The lock is taken before anything is read for writing."""
    disk = new_disk()
    resume(disk)
    with pytest.raises(Locked):
        resume(disk)


def test_a_lock_is_given_back_when_the_opening_fails() -> None:
    """A refused journal can be verified and opened by somebody else."""
    disk = new_disk()
    fed(disk, 200)
    dead = disk.kill()
    damage_event(dead, 5)
    for _ in range(2):
        with pytest.raises(Damaged):
            resume(dead)


@pytest.mark.parametrize("mode", MODES)
def test_after_kill_every_covered_event_is_there(mode: str) -> None:
    """SIGKILL keeps the page cache, so whatever was covered is folded."""
    disk = new_disk()
    machine = fed(disk, 120, mode)
    again = resume(disk.kill(), mode)
    assert not again.clean
    assert again.from_bound == (mode != "always")
    assert machine.fold.digest(again.state) == machine.fold.digest(machine.state)


def check_prefix(machine: Machine, state: Toy, least: int) -> None:
    """The state is that of a whole number of steps, and of at least event ``least``."""
    fold = machine.fold
    known = [event for event, d in machine.digests.items() if d == fold.digest(state)]
    assert known, "the recovered state is that of no whole step"
    assert max(known) >= least


def crash_somewhere(
    mode: str, seed: int, steps: int = 60, lies: frozenset[str] = frozenset()
) -> tuple[SimDisk, Machine | None, int, int]:
    """Run a machine until a random operation of the disk; (disk, machine, covered, durable)."""
    dice = random.Random(f"{mode}/{seed}")
    disk, stop = SimDisk(seed, lies=lies), dice.randrange(1, 160)

    def hook(verb: str, path: str) -> None:
        if disk.operations >= stop:
            raise SimCrash

    disk.on_operation = hook
    machine: Machine | None = None
    try:
        machine = Machine(disk, mode)
        for i in range(steps):
            machine.feed(f"t{i % 7}", commit=dice.random() < 0.7)
            if dice.random() < 0.02:
                machine.hash()
        machine.writer.close()
    except (SimCrash, IoFailed):
        pass
    if machine is None:
        return disk, None, 0, 0
    return disk, machine, machine.writer.covered, machine.writer.durable


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("loss", list(Loss))
def test_a_power_cut_at_any_operation_loses_nothing_that_was_durable(mode: str, loss: Loss) -> None:
    """Every such journal opens; what was durable is there, and no step is half there."""
    for seed in range(25):
        disk, machine, _, durable = crash_somewhere(mode, seed)
        after = disk.crash(loss, seed)
        try:
            again = resume(after, mode)
        except FormatUnknown:
            assert machine is None  # the journal was never finished
            continue
        if machine is not None:
            check_prefix(machine, again.state, durable)
            if again.state.last_event and not again.clean and mode != "always":
                assert again.from_bound or not again.writer.roster


@pytest.mark.deep
@pytest.mark.parametrize("mode", MODES)
def test_a_power_cut_in_a_thousand_states_of_each_policy(mode: str) -> None:
    """The same over more seeds, and with recovery itself cut in the middle."""
    for seed in range(1000, 1170):
        disk, machine, _, durable = crash_somewhere(mode, seed)
        for loss in Loss:
            after = disk.crash(loss, seed)
            stop = after.operations + 1 + seed % 25
            if machine is None:
                continue
            open_until(after, stop, mode)
            again = resume(after.crash(Loss.MIXED, seed), mode)
            check_prefix(machine, again.state, durable)


@pytest.mark.parametrize("lie", ["fdatasync", "fsync_dir"])
def test_a_disk_that_lies_about_syncs_is_noticed_here(lie: str) -> None:
    """Without fdatasync, or without the sync of folders, these tests see acknowledged events go."""
    for seed in range(40):
        disk, machine, _, durable = crash_somewhere("always", seed, lies=frozenset({lie}))
        if machine is None or not durable:
            continue
        try:
            again = resume(disk.crash(Loss.DROP, seed))
            check_prefix(machine, again.state, durable)
        except (AssertionError, JournalError):
            return
    raise AssertionError("nothing was lost")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("power", [False, True])
def test_recovery_killed_at_any_operation_ends_in_the_same_state(mode: str, power: bool) -> None:
    """Stop it at each of its operations, in every way, and run it again (storage rule 28).

    ``power``: the first stop, that of the writer, was a power cut; else a kill, and what recovery
    accepts then is in the page cache only.
    """
    lives = (crash_somewhere(mode, seed) for seed in itertools.count(40))
    full = (life for life in lives if life[1] is not None and life[3] > 20)
    for seed, (disk, machine, covered, durable) in enumerate(itertools.islice(full, 2)):
        assert machine is not None
        base = disk.crash(Loss.MIXED, seed) if power else disk.kill()
        whole = resume(base.kill(), mode)
        check_prefix(machine, whole.state, durable if power else covered)
        for stop in range(1, 60):
            first = base.kill()
            if open_until(first, stop, mode):
                break
            for second in seconds(first, stop):
                again = resume(second, mode)
                check_prefix(machine, again.state, durable)
                assert again.from_bound >= (whole.from_bound and bool(again.writer.roster))
            again = resume(first.kill(), mode)
            assert machine.fold.digest(again.state) == machine.fold.digest(whole.state)
        else:
            raise AssertionError("the opening took more operations than were tried")


def open_until(disk: SimDisk, stop: int, mode: str) -> bool:
    """Open, and stop the world at operation ``stop``; whether it came to its end before."""

    def hook(verb: str, path: str) -> None:
        if disk.operations >= stop:
            raise SimCrash

    disk.on_operation = hook
    try:
        resume(disk, mode)
    except SimCrash:
        return False
    return True


def seconds(disk: SimDisk, seed: int) -> Iterator[SimDisk]:
    """The disk after a power cut in different ways."""
    for loss in (Loss.DROP, Loss.TORN):
        yield disk.crash(loss, seed)
    for toss in range(5):
        yield disk.crash(Loss.MIXED, seed + 100 * toss)


@pytest.mark.parametrize("mode", MODES)
def test_opening_twice_changes_nothing_more(mode: str) -> None:
    """recover(recover(x)) = recover(x): the same events, state and old segments."""
    for seed in range(10):
        disk, machine, _, _ = crash_somewhere(mode, seed + 80)
        if machine is None:
            continue
        once = disk.crash(Loss.MIXED, seed)
        first = resume(once, mode, ticker=Ticker(5))
        twice = once.kill()
        second = resume(twice, mode, ticker=Ticker(5))
        assert machine.fold.digest(second.state) == machine.fold.digest(first.state)
        if not first.clean or mode == "always":
            assert second.state == first.state
            assert second.bound_sessions == first.bound_sessions
        else:  # the reign between the two may have lost events, and a REPAIR says so
            assert second.state.last_event == first.state.last_event + 1
        for path, data in contents(once).items():
            if path.endswith(".seg") and path != last_segment(once):
                assert twice.content(path) == data


def test_a_torn_tail_is_copied_aside_cut_and_told() -> None:
    """The cut bytes are in quarantine under segment, offset and SHA-256; a REPAIR says so."""
    disk = new_disk()
    machine = fed(disk, 30)
    machine.feed("late", commit=False)
    path = last_segment(disk)
    dead = disk.kill()
    end = len(dead.content(path).rstrip(b"\0"))
    end = -(-end // 512) * 512
    dead.poke(path, end, b"half a record that never became one")
    again = resume(dead)
    report = again.report
    assert (report.decision, report.row, report.cut) == (Decision.TORN_TAIL, 8, True)
    assert report.settled is not None and again.from_bound
    name = report.settled.quarantine[-1]
    assert name.startswith(f"{int(path[-12:-4]):08d}-{end}-")
    for after in (dead, dead.crash(Loss.DROP)):
        assert after.content(f"{ROOT}/quarantine/{name}") == b"half a record that never became one"
    assert [f.code for f in report.findings if f.severity == "damage"] == ["torn-tail"]
    records = list(Reader(dead, ROOT).records())
    assert [r.event for r in records if r.kind == Kind.REPAIR] == [machine.writer.durable + 1]


def test_numbers_go_on_from_the_bound_until_each_session_has_an_event() -> None:
    """A second crash before a session's first event must not forget the cut."""
    disk = new_disk()
    fed(disk, 30)
    dead = disk.kill()
    path = last_segment(dead)
    dead.poke(path, -(-len(dead.content(path).rstrip(b"\0")) // 512) * 512, b"torn")
    assert resume(dead).bound_sessions == frozenset({1})
    again = dead.kill()
    machine = Machine(again)
    assert machine.resumed.bound_sessions == frozenset({1}) and not machine.resumed.report.cut
    machine.feed("first event after the cut")
    assert resume(again.kill()).bound_sessions == frozenset()


def test_damage_below_what_was_durable_is_refused_and_nothing_is_touched() -> None:
    """The findings name the place; no byte of the journal has changed."""
    disk = new_disk()
    machine = fed(disk, 30)
    dead = disk.kill()
    damage_event(dead, machine.writer.durable - 20)
    before = contents(dead)
    with pytest.raises(Damaged) as refused:
        resume(dead)
    assert contents(dead) == before
    assert refused.value.findings[-1].code == "events-lost"
    assert refused.value.hint == f"run: durafix verify {ROOT}"
    assert refused.value.where


@pytest.mark.parametrize("mode", MODES)
def test_a_journal_without_any_segment_is_no_new_one_if_a_witness_knows_better(mode: str) -> None:
    """Else all numbers would be given a second time."""
    disk = new_disk()
    machine = fed(disk, 30, mode)
    machine.writer.close(True)
    machine.resumed.index.close()
    for path in disk.paths():
        if path.endswith(".seg"):
            disk.unlink(path)
    before = contents(disk)
    with pytest.raises(Damaged, match="there is no segment"):
        resume(disk, mode)
    assert contents(disk) == before
    report = replay(disk, ROOT, ToyFold())
    assert report.verdict == "damaged" and "events-lost" in {f.code for f in report.findings}


def test_bytes_that_a_failed_fsync_left_in_the_cache_are_not_believed() -> None:
    """After a failed sync the pages count as clean; what the medium holds decides."""
    disk = new_disk()
    machine = fed(disk, 30)
    durable = machine.writer.durable
    disk.faults.append(Fault("fdatasync", path="segments/"))
    machine.feed("never on the medium")
    assert machine.writer.state == "failed"
    dead = disk.kill()
    again = resume(dead)
    assert machine.fold.digest(again.state) == machine.digests[durable]
    after_power = resume(dead.crash(Loss.DROP))
    assert after_power.state == again.state


def test_what_is_accepted_after_kill_survives_a_power_cut() -> None:
    """Under ``never`` the events are in the cache only; opening makes them durable first."""
    disk = new_disk()
    machine = fed(disk, 30, "never")
    dead = disk.kill()
    again = resume(dead, "never")
    assert again.report.settled is not None and again.report.settled.rewritten_bytes > 0
    later = resume(dead.crash(Loss.DROP), "never")
    assert machine.fold.digest(later.state) == machine.fold.digest(machine.state)


class CachedFile:
    """A file on a system without direct reads: they give what the page cache has."""

    def __init__(self, file: File) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, "pread" if name == "pread_direct" else name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class CachedDisk:
    """A disk of such files."""

    def __init__(self, disk: SimDisk) -> None:
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk, name)

    def open(self, path: str, **how: bool) -> CachedFile:
        return CachedFile(self._disk.open(path, **how))


def test_accepted_bytes_in_clean_pages_are_written_again() -> None:
    """Where no direct read can tell that a failed sync left them in the cache only, a sync alone
    would not write them; writing the same bytes does."""
    disk = new_disk()
    machine = fed(disk, 30)
    disk.faults.append(Fault("fdatasync", path="segments/"))
    machine.feed("in clean pages")
    dead = disk.kill()
    first = open_journal(cast(Disk, CachedDisk(dead)), ROOT, ToyFold(), options=options())
    assert machine.fold.digest(first.state) == machine.fold.digest(machine.state)
    later = resume(dead.crash(Loss.DROP))
    assert machine.fold.digest(later.state) == machine.fold.digest(machine.state)
