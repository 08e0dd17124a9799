"""Which steps have an input, so that they can be run again."""

import pytest

from durafix.journal.position import Position
from durafix.journal.record import Flag, Kind, Record
from durafix.recovery.fold import has_input


@pytest.mark.parametrize(
    ("kind", "flags", "answer"),
    [
        (Kind.IN, 0, True),
        (Kind.OUT, Flag.COMMAND, True),
        (Kind.OUT, 0, False),
        (Kind.CURSOR, 0, True),
        (Kind.INPUT, 0, True),
        (Kind.STATE, 0, False),
        (Kind.ROSTER, 0, False),
        (Kind.HASH, 0, False),
        (Kind.REPAIR, 0, False),
    ],
)
def test_a_step_has_an_input_if_its_first_record_is_one(
    kind: Kind, flags: int, answer: bool
) -> None:
    """A frame, a command, a finished handler, another input; the house's own steps have none."""
    first = Record(Position(1, 8192), 1, 0, 0, 1, kind, 0, flags, 1, 0, b"")
    state = first._replace(event=2, kind=Kind.STATE)
    assert has_input([first, state]) is answer
