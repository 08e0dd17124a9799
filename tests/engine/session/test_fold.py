"""State = fold(events): digests, re-runs, and that both notice a change."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from durafix.engine.session.fold import EngineFold, EngineState, canonical
from durafix.engine.session.inputs import LinkDown, ResendRuns, ResetCommand, Send, Stop
from durafix.engine.session.state import State
from durafix.journal.record import Draft, Flag, Kind, Record

from .kit import Core, acceptor, roster_draft, split
from .test_records import record_of


def busy() -> Core:
    """A session with something in each field of its state."""
    core = acceptor().logged_on()
    core.receive("D", 2, "11=a|")
    core.feed(Send(b"8", split("37=x|97=Y|"), core.number - 1, b"key"))
    core.receive("D", 9, "11=b|")
    core.receive("2", 3, "7=1|16=0|")
    core.pass_time(40)
    return core


def steps(core: Core) -> list[list[Record]]:
    """The records, step by step."""
    out: list[list[Record]] = [[]]
    for record in core.records:
        out[-1].append(record)
        if record.flags & Flag.LAST:
            out.append([])
    return out[:-1]


def test_the_fold_from_zero_is_the_live_state() -> None:
    """P3."""
    core = busy()
    assert core.fold.digest(core.replayed()) == core.fold.digest(core.live)
    assert canonical(core.replayed().sessions[1]) == canonical(core.state)


def test_a_state_can_be_copied() -> None:
    """A snapshot goes its own way."""
    core = busy()
    snapshot = copy.deepcopy(core.live)
    before = core.fold.digest(core.live)
    core.receive("0", 4)
    assert core.fold.digest(snapshot) == before != core.fold.digest(core.live)


def test_the_digest_sees_every_field() -> None:
    """A field that it did not see could differ after a restart unnoticed."""
    core = busy()
    fold, before = core.fold, core.fold.digest(core.live)
    other = busy().state
    frame = core.state.frames[next(iter(core.state.frames))]
    changed: dict[type, Callable[[Any], Any]] = {
        int: lambda v: v + 1, str: lambda v: v + "x", list: lambda v: [*v, (7, 8)],
    }  # fmt: skip
    for name in State.__struct_fields__:
        if name == "names":
            continue
        live = copy.deepcopy(core.live)
        state = live.sessions[1]
        value = getattr(state, name)
        if name in ("queue", "held", "frames", "waiting"):
            new = {
                "queue": {**state.queue, 77: (1, frame)}, "held": [(1, frame)],
                "frames": {**state.frames, 77: frame}, "waiting": (1, frame),
            }[name]  # fmt: skip
        elif name == "pending":
            new = {**value, 77: []}
        elif name == "keys":
            new = {**value, b"other": (1, 1)}
        elif name == "settings":
            new = msgspec.structs.replace(value, heart_bt_int_s=999)
        else:
            new = changed[type(value)](value)
        setattr(state, name, new)
        assert fold.digest(live) != before, name
    assert other is not core.state


def test_the_digest_does_not_see_the_order_of_sessions() -> None:
    """Roster numbers decide, not who was folded first."""
    a, b = State(next_out=5), State(next_out=7)
    fold = EngineFold()
    one = EngineState({1: a, 2: b}, {1: "x", 2: "y"})
    two = EngineState({2: b, 1: a}, {2: "y", 1: "x"})
    assert fold.digest(one) == fold.digest(two)
    assert fold.digest(one) != fold.digest(EngineState({1: b, 2: a}, {1: "x", 2: "y"}))


def test_a_roster_creates_sessions_and_its_copies_change_nothing() -> None:
    """Session ids come from ROSTER events; every segment opens with a copy."""
    fold, state = EngineFold(), EngineFold().initial()
    fold.apply(state, record_of(roster_draft("FIX.4.4:A->B")))
    fresh = state.sessions[1]
    made = roster_draft("FIX.4.4:A->B")._replace(flags=Flag.COPY)
    fold.apply(state, record_of(made))
    assert state.sessions[1] is fresh and state.roster == {1: "FIX.4.4:A->B"}


@pytest.mark.parametrize("kind", [Kind.CLOCK, Kind.REPAIR, Kind.HASH, Kind.MARK, Kind.PAD])
def test_records_of_the_house_change_no_session(kind: Kind) -> None:
    """They are folded over and given back by a re-run."""
    core = busy()
    before = core.fold.digest(core.live)
    record = record_of(Draft(kind, 0, 0, 0, 0, b"\0" * 32))
    core.fold.apply(core.live, record)
    assert core.fold.rerun(core.live, [record]) == [record.draft]
    assert core.fold.digest(core.live) == before


def test_a_rerun_from_zero_gives_every_record_again() -> None:
    """The inputs in the journal are enough to compute all of it."""
    core = busy()
    core.feed(ResendRuns(1, 2, ((1, 2, "g"),), True))
    core.tell(LinkDown("x"))
    core.feed(ResetCommand("ann", "x"))
    core.feed(Stop())
    fold, state = EngineFold(), EngineFold().initial()
    for records in steps(core):
        assert fold.rerun(state, records) == [record.draft for record in records]
    assert fold.digest(state) == core.fold.digest(core.live)


def test_a_changed_record_is_noticed_by_the_rerun() -> None:
    """A frame, a time or an event that was altered gives other drafts or another state."""
    core = acceptor().logged_on()
    core.receive("1", 2, "112=x|")
    *before, last = steps(core)
    changes: list[Callable[[Record], Record]] = [
        lambda r: r._replace(payload=r.payload.replace(b"112=x", b"112=y")),
        lambda r: r._replace(utc_ns=r.utc_ns + 10**9),
    ]
    for change in changes:
        fold, state = EngineFold(), EngineFold().initial()
        for records in before:
            fold.rerun(state, records)
        altered = [change(last[0]), *last[1:]]
        try:
            again = fold.rerun(state, altered)
        except Exception:  # the frame's own checksum speaks first
            continue
        assert again != [record.draft for record in altered]


def test_a_planted_change_of_evolve_is_noticed() -> None:
    """The check of each step in these tests is not vacuous: another state, another digest."""
    core = acceptor().logged_on()
    core.live.sessions[1].next_in += 1
    with pytest.raises(AssertionError, match="another state|other events"):
        core.receive("D", 3, "11=a|")
