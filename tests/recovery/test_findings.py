"""The closed list of codes, and the page that explains it."""

from pathlib import Path

import pytest

from durafix.journal.position import Position
from durafix.recovery.findings import CODES, Severity, finding, verdict
from durafix.recovery.plan import REMEDIES, SALVAGE, TOLERATED

PAGE = (Path(__file__).parents[2] / "docs" / "recovery.md").read_text()


def test_every_code_is_explained_in_the_docs_as_in_the_code() -> None:
    """Same codes, severities and lines, in the same order."""
    shown = [
        tuple(cell.strip().strip("`") for cell in line.strip("|").split("|"))
        for line in PAGE.splitlines()
        if line.startswith("| `") and line.count("|") == 4
    ]
    assert shown == [(code, severity.value, line) for code, (severity, line) in CODES.items()]


def test_remedies_and_salvage_speak_of_known_codes() -> None:
    """No remedy for a finding that is never made."""
    assert set(REMEDIES) | TOLERATED | set(SALVAGE) <= set(CODES)
    assert not set(REMEDIES) & (TOLERATED | set(SALVAGE))


def test_damage_outweighs_doubt_and_doubt_outweighs_a_note() -> None:
    """The verdict is that of the worst finding, in any order."""
    note, doubt, damage = finding("unsealed"), finding("end-unknown"), finding("torn-tail")
    assert verdict([]) == verdict([note]) == "clean"
    assert verdict([doubt, note]) == "cannot-tell"
    assert verdict([note, doubt, damage]) == verdict([damage, doubt]) == "damaged"


def test_a_finding_says_what_it_knows_and_leaves_out_the_rest() -> None:
    """Its text is for people, its fields for programs."""
    found = finding("record-payload", position=Position(3, 8192), event=7, session=1, seq=42)
    assert str(found).endswith("(3:8192, event 7, session 1, MsgSeqNum 42)")
    assert found.severity is Severity.DAMAGE
    assert "(" not in str(finding("unsealed"))


def test_an_unknown_code_is_our_bug() -> None:
    """The list is closed."""
    with pytest.raises(KeyError):
        finding("something-else")
