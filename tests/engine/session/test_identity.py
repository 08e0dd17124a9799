"""Names of sessions: text and value, and short forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durafix.engine.session.identity import SessionId, SessionNameError, parse, resolve

ID = st.text(st.characters(codec="latin-1"), max_size=8)
NAME = st.text(st.characters(codec="latin-1"), min_size=1, max_size=8)
SESSIONS = st.builds(SessionId, NAME, NAME, NAME, ID, ID, ID, ID, ID)


def test_the_canonical_text_is_ours_first() -> None:
    """Rule 28: FIX.4.4:BUYER/SUB/LOC->SELLER:QUALIFIER."""
    session = SessionId("FIX.4.4", "BUYER", "SELLER", "SUB", "LOC", qualifier="QUALIFIER")
    assert session.text == str(session) == "FIX.4.4:BUYER/SUB/LOC->SELLER:QUALIFIER"
    assert SessionId("FIX.4.2", "A", "B").text == "FIX.4.2:A->B"
    assert SessionId("FIX.4.2", "A", "B", target_location="L").text == "FIX.4.2:A->B//L"


@given(SESSIONS)
def test_text_and_value_are_one_to_one(session: SessionId) -> None:
    """parse is the inverse of text, whatever characters an id has."""
    assert parse(session.text) == session


@pytest.mark.parametrize(
    "text", ["", "A->B", "FIX.4.4:A", "FIX.4.4:->B", "FIX.4.4:A->", "X:a/b/c/d->e"]
)
def test_other_texts_name_no_session(text: str) -> None:
    """The error says how to write one."""
    with pytest.raises(SessionNameError) as caught:
        parse(text)
    assert "FIX.4.4:SENDER->TARGET" in caught.value.hint


def test_a_short_form_works_while_it_is_unique() -> None:
    """Rule 28."""
    one = SessionId("FIX.4.4", "BUYER", "SELLER", "SUB", qualifier="Q1")
    two = SessionId("FIX.4.2", "BUYER", "OTHER")
    for short in (
        "SELLER",
        "Q1",
        "BUYER->SELLER",
        "FIX.4.4:BUYER->SELLER",
        "BUYER/SUB->SELLER",
        one.text,
    ):
        assert resolve(short, [one, two]) == one
    with pytest.raises(SessionNameError, match="several") as caught:
        resolve("BUYER", [one, two])
    assert one.text in caught.value.hint and two.text in caught.value.hint
    with pytest.raises(SessionNameError, match="no session fits") as caught:
        resolve("NOBODY", [one, two])
    assert one.text in caught.value.hint


def test_the_whole_name_wins_over_a_short_form_of_another() -> None:
    """A session without qualifier stays reachable beside one with."""
    plain = SessionId("FIX.4.4", "A", "B")
    other = SessionId("FIX.4.4", "A", "B", qualifier="X")
    assert resolve(plain.text, [plain, other]) == plain
