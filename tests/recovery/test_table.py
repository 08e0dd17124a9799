"""The opening table over all its facts."""

import itertools
from dataclasses import fields, replace
from pathlib import Path

import pytest

from durafix.recovery.table import TABLE, Decision, Facts, decide

NAMES = [field.name for field in fields(Facts)]
ALL = [
    Facts(**dict(zip(NAMES, bits, strict=True)))
    for bits in itertools.product([False, True], repeat=len(NAMES))
]
NOTHING = ALL[0]

# The table once more, as (fact that decides, decision), in the words of the storage rules.
EXPECTED = {
    1: ("continues", Decision.UNNUMBERED_DAMAGE),
    2: ("proven", Decision.CORRUPTION),
    3: ("closed", Decision.CORRUPTION),
    4: ("short", Decision.CORRUPTION),
    5: ("unreadable", Decision.CANNOT_TELL),
    6: ("zeros", Decision.CLEAN_END),
    7: ("blind", Decision.CANNOT_TELL),
}


def test_every_combination_of_facts_is_decided_by_the_first_fact_that_holds() -> None:
    """128 combinations, each against the plain reading of the rules."""
    assert len(ALL) == 2 ** len(NAMES)
    for facts in ALL:
        row = decide(facts)
        for number, (fact, decision) in EXPECTED.items():
            if getattr(facts, fact):
                assert (row.number, row.decision) == (number, decision), facts
                break
        else:
            assert (row.number, row.decision) == (8, Decision.TORN_TAIL)


def test_the_rows_are_numbered_in_order_and_each_decides_something() -> None:
    """No row is dead, and the numbers are those of the rules."""
    assert [row.number for row in TABLE] == list(range(1, 9))
    assert {decide(facts).number for facts in ALL} == set(range(1, 9))


def test_nothing_proven_durable_is_ever_cut() -> None:
    """Only row 8 cuts, and it never fits where something proves the event durable."""
    for facts in ALL:
        if decide(facts).decision is Decision.TORN_TAIL:
            assert not (facts.proven or facts.closed or facts.short or facts.unreadable)


@pytest.mark.parametrize("missing", ["blind"])
def test_a_missing_witness_weakens_a_verdict_and_never_mends_one(missing: str) -> None:
    """Without index and tail file a verdict may become "cannot tell", never "fine"."""
    fine = {Decision.CLEAN_END, Decision.UNNUMBERED_DAMAGE}
    for facts in ALL:
        if getattr(facts, missing):
            continue
        before, after = decide(facts), decide(replace(facts, **{missing: True}))
        assert after == before or after.decision is Decision.CANNOT_TELL
        assert (after.decision in fine) == (before.decision in fine)


def test_the_docs_show_the_table_that_runs() -> None:
    """docs/recovery.md holds the same rows, facts and decisions, in the same order."""
    text = (Path(__file__).parents[2] / "docs" / "recovery.md").read_text()
    shown = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in text.splitlines()
        if line.startswith("| ") and line[2].isdigit()
    ]
    assert shown == [(str(r.number), r.fact, r.decision.value, r.because) for r in TABLE]
