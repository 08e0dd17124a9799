"""Plans and their execution: what is repaired, what is refused, and that it can be killed."""

from __future__ import annotations

import pytest

from durafix.journal.errors import Locked
from durafix.journal.reader import Reader
from durafix.journal.record import Kind
from durafix.journal.simdisk import SimDisk
from durafix.journal.simfile import SimCrash
from durafix.recovery.errors import Damaged, Undecided
from durafix.recovery.plan import EXIT_CODES, SALVAGE, Outcome, Remedy, RepairPlan, plan
from durafix.recovery.repair import Repaired, apply
from durafix.recovery.verify import Report, verify

from .toys import ROOT, SESSION, Machine, new_disk, resume


def check(disk: SimDisk) -> Report:
    return verify(disk, ROOT, pause=lambda seconds: None)


def repair(disk: SimDisk, planned: RepairPlan) -> Repaired:
    return apply(disk, ROOT, planned, who="ops", why="drill", clock=lambda: 1_700_000_000_000)


def stopped() -> tuple[SimDisk, str]:
    """A journal after ``kill -9``, and its last segment."""
    disk = new_disk()
    machine = Machine(disk)
    for i in range(100):
        machine.feed(f"t{i % 3}")
    dead = disk.kill()
    return dead, max(path for path in dead.paths() if path.endswith(".seg"))


def tear(disk: SimDisk, path: str) -> int:
    """A copy of the last event's record, as an unfinished write, behind the end; returns where."""
    end = -(-len(disk.content(path).rstrip(b"\0")) // 512) * 512
    disk.poke(path, end, b"\xa1\x5e" + bytes(range(1, 200)))
    return end


def test_a_journal_without_damage_needs_no_repair() -> None:
    """Nothing to do is exit code 0."""
    disk, _ = stopped()
    planned = plan(check(disk))
    assert planned.outcome is Outcome.NOTHING and EXIT_CODES[planned.outcome] == 0
    assert planned.lines(ROOT) == ["nothing to repair"]


def test_a_torn_tail_is_cut_by_plan_with_who_and_why() -> None:
    """The plan says what it would do; then the bytes are in quarantine and the journal is clean."""
    disk, path = stopped()
    end = tear(disk, path)
    planned = plan(check(disk))
    assert planned.outcome is Outcome.PLANNED
    assert [a.remedy for a in planned.actions] == [Remedy.CUT_TAIL]
    assert planned.actions[0].cut_bytes == 201
    assert planned.lines(ROOT)[-1] == f"durafix repair {ROOT} --apply"
    done = repair(disk, planned)
    assert done.outcome is Outcome.REPAIRED and EXIT_CODES[done.outcome] == 4
    copy = disk.content(f"{ROOT}/quarantine/{done.quarantine[-1]}")
    assert len(copy) == 201 and disk.content(path)[end : end + 4] != copy[:4]
    assert check(disk).verdict == "clean"
    said = [r for r in Reader(disk, ROOT).records() if r.kind == Kind.REPAIR]
    assert b'"who":"ops"' in said[0].payload and b'"why":"drill"' in said[0].payload
    assert resume(disk).from_bound


def test_the_plan_names_what_would_be_cut() -> None:
    """Records in the tail whose headers are whole, in FIX terms."""
    disk = new_disk()
    machine = Machine(disk, "never")
    for i in range(20):
        machine.feed(f"t{i % 3}")
    dead = disk.kill()
    path = max(path for path in dead.paths() if path.endswith(".seg"))
    out = [r for r in Reader(dead, ROOT).records() if r.kind == Kind.OUT][-1]
    dead.flip(path, out.position.offset + 66)
    planned = plan(check(dead))
    assert planned.outcome is Outcome.PLANNED
    lost = [f for f in planned.lost if f.event == out.event]
    assert [(f.session_name, f.direction, f.seq) for f in lost] == [(SESSION, 2, out.seq)]


def test_a_header_page_is_restored_from_its_other_copy() -> None:
    """In a sealed segment too, whose file may not be written to."""
    for number in (1, 2):
        for offset in (100, 4096 + 100):
            disk, _ = stopped()
            path = f"{ROOT}/segments/{number:08d}.seg"
            whole = disk.content(path)
            disk.flip(path, offset)
            planned = plan(check(disk))
            assert [a.remedy for a in planned.actions] == [Remedy.RESTORE_HEADER]
            repair(disk, planned)
            assert disk.content(path) == whole
            assert check(disk).verdict == "clean"


def test_the_tail_file_is_written_again_from_its_good_slot() -> None:
    """It proves no more than before, and both slots are good."""
    disk, _ = stopped()
    disk.flip(f"{ROOT}/TAIL", 20)
    planned = plan(check(disk))
    assert [a.remedy for a in planned.actions] == [Remedy.REWRITE_TAIL_FILE]
    repair(disk, planned)
    assert check(disk).verdict == "clean"
    resume(disk)


def test_damage_in_the_middle_is_refused_with_what_a_salvage_could_do() -> None:
    """Exit code 5; nothing is touched."""
    disk, path = stopped()
    record = Reader(disk, ROOT).at(Reader(disk, ROOT).seek_event(20))
    disk.flip(f"{ROOT}/segments/{record.position.segment:08d}.seg", record.position.offset + 64)
    tear(disk, path)
    planned = plan(check(disk))
    assert planned.outcome is Outcome.REFUSED and EXIT_CODES[planned.outcome] == 5
    assert {r.salvage for r in planned.refused} >= {SALVAGE["record-payload"]}
    before = {p: disk.content(p) for p in disk.paths()}
    with pytest.raises(Damaged):
        repair(disk, planned)
    assert {p: disk.content(p) for p in disk.paths()} == before


def test_what_cannot_be_told_is_not_repaired() -> None:
    """Exit code 3: the witnesses are gone and bytes would be cut."""
    disk, path = stopped()
    tear(disk, path)
    disk.unlink(f"{ROOT}/TAIL")
    planned = plan(check(disk))
    assert planned.outcome is Outcome.CANNOT_TELL and EXIT_CODES[planned.outcome] == 3
    with pytest.raises(Undecided):
        repair(disk, planned)
    with pytest.raises(Undecided):
        resume(disk)


def test_damaged_padding_is_left_as_it_is() -> None:
    """No event is touched, the journal opens, and nobody rewrites a sealed file for it."""
    disk, _ = stopped()
    pad = next(r for r in Reader(disk, ROOT).records() if r.kind == Kind.PAD)
    disk.flip(f"{ROOT}/segments/00000001.seg", pad.position.offset + 70)
    planned = plan(check(disk))
    assert planned.outcome is Outcome.NOTHING and planned.tolerated
    resume(disk)


def test_a_repair_does_not_run_beside_a_writer_or_on_another_journal_than_was_planned_for() -> None:
    """The lock is the writer's; and a plan is for what a person has seen."""
    disk, path = stopped()
    tear(disk, path)
    planned = plan(check(disk))
    lock = disk.lock(f"{ROOT}/LOCK")
    with pytest.raises(Locked):
        repair(disk, planned)
    lock.release()
    disk.poke(path, len(disk.content(path)) - 600, b"more")
    with pytest.raises(Undecided):
        repair(disk, planned)


def test_a_repair_killed_at_any_operation_can_be_run_again() -> None:
    """Plan, apply, die, plan, apply: at the end the journal is clean and has the same events."""
    base, path = stopped()
    tear(base, path)
    base.flip(f"{ROOT}/segments/00000001.seg", 100)
    base.flip(f"{ROOT}/TAIL", 20)
    whole = base.kill()
    repair(whole, plan(check(whole)))
    expected = resume(whole.kill()).state
    for stop in range(1, 100):
        first = base.kill()

        def hook(verb: str, path: str, first: SimDisk = first, stop: int = stop) -> None:
            if first.operations >= stop:
                raise SimCrash

        first.on_operation = hook
        try:
            repair(first, plan(check(first)))
        except SimCrash:
            pass
        else:
            return
        second = first.kill()
        planned = plan(check(second))
        if planned.actions:
            repair(second, planned)
        assert check(second).verdict == "clean", stop
        assert resume(second).state.counts == expected.counts
