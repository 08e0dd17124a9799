"""Positions: two numbers with a spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durafix.journal.position import Position


@given(st.integers(0, 2**63), st.integers(0, 2**63))
def test_a_position_comes_back_from_its_text(segment: int, offset: int) -> None:
    """``SEGMENT:OFFSET``."""
    position = Position(segment, offset)
    assert Position.parse(str(position)) == position
    assert str(position) == f"{segment}:{offset}"


def test_positions_sort_by_segment_then_offset() -> None:
    """The order of the journal, for segments of more digits too."""
    order = [Position(2, 9000), Position(2, 10000), Position(10, 8192)]
    assert sorted([order[2], order[0], order[1]]) == order


@pytest.mark.parametrize(
    "text", ["", "1", "1:", ":1", "1:x", "-1:2", "1:2:3", " 1:2", "1.0:2", "\u0661:2"]
)
def test_other_texts_are_no_positions(text: str) -> None:
    """The error shows the text and the form."""
    with pytest.raises(ValueError, match="SEGMENT:OFFSET"):
        Position.parse(text)
