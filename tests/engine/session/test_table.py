"""The machines as data: complete, closed, and drawn in the docs as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from durafix.engine.session.table import (
    COUPLED,
    INITIAL,
    LOGGED_ON,
    MACHINES,
    mermaid,
    moved,
    states,
)
from durafix.engine.session.timers import UNFINISHED

DOCS = Path(__file__).parents[3] / "docs" / "session.md"


@pytest.mark.parametrize("machine", MACHINES)
def test_every_pair_of_state_and_trigger_is_decided(machine: str) -> None:
    """Exhaustive: the table's rows move, every other pair is refused."""
    rows = {(row.at, row.trigger): row.to for row in MACHINES[machine]}
    assert len(rows) == len(MACHINES[machine]), "a pair has one row"
    for at in states(machine):
        for trigger in {row.trigger for row in MACHINES[machine]}:
            if (at, trigger) in rows:
                assert moved(machine, at, trigger) == rows[at, trigger]
            else:
                with pytest.raises(AssertionError, match="no transition"):
                    moved(machine, at, trigger)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_can_be_reached_and_left(machine: str) -> None:
    """No dead ends, no islands."""
    rows = MACHINES[machine]
    reached, todo = {INITIAL[machine]}, [INITIAL[machine]]
    while todo:
        at = todo.pop()
        for row in rows:
            if row.at == at and row.to not in reached:
                reached.add(row.to)
                todo.append(row.to)
    assert reached == set(states(machine))
    if rows:
        assert {row.at for row in rows} == reached


def test_couplings_name_states_and_triggers_that_exist_everywhere() -> None:
    """What moves along can move from every state that it may be in."""
    for (machine, state), then in COUPLED.items():
        assert state in states(machine)
        for other, trigger in then:
            if trigger != "logged-on":
                assert all(moved(other, at, trigger) for at in states(other))
            assert all(moved(other, at, trigger) for at in states(other))


def test_every_logon_state_that_is_not_rest_has_a_timer() -> None:
    """A session cannot be half on for ever."""
    assert set(states("logon")) == {*UNFINISHED, "on", "leaving"}
    assert set(states("logon")) >= LOGGED_ON


@pytest.mark.parametrize("machine", MACHINES)
def test_the_diagrams_in_the_docs_are_drawn_from_the_tables(machine: str) -> None:
    """docs/session.md holds what mermaid() gives, word for word."""
    assert f"```mermaid\n{mermaid(machine)}```" in DOCS.read_text()
