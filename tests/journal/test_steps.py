"""``Packer.steps``: a whole batch in one call, the same bytes as step by step."""

from types import ModuleType

import pytest

from durafix.journal.record import Draft, Kind

STEPS = [
    [Draft(Kind.IN, 1, 0, 1, n, b"x" * (n * 13 + k)) for k in range(1 + n % 3)] for n in range(9)
]


def batch(core: ModuleType) -> list[tuple[int, int, list[Draft], int]]:
    """The steps as the writer queues them."""
    numbered, first = [], 1
    for drafts in STEPS:
        numbered.append((first, 1000 + first, drafts, core.step_bytes(drafts)))
        first += len(drafts)
    return numbered


def test_a_batch_is_the_same_bytes_as_its_steps(journal_core: ModuleType) -> None:
    one, many = (journal_core.Packer(7, 1, 8192) for _ in range(2))
    steps = batch(journal_core)
    for first, utc_ns, drafts, _ in steps:
        one.step(first, utc_ns, 0, drafts)
    assert many.steps(steps, 0, 1 << 30) == (len(steps), one.pending)
    assert many.take() == one.take()
    assert (many.offset, many.prev_header_crc) == (one.offset, one.prev_header_crc)
    assert many.tree.root() == one.tree.root()


def test_it_stops_before_the_step_that_does_not_fit(journal_core: ModuleType) -> None:
    steps = batch(journal_core)
    room = sum(size for *_, size in steps[:4])
    for less, count in ((0, 4), (1, 3), (room, 0)):
        packer = journal_core.Packer(7, 1, 8192)
        taken, size = packer.steps(steps, 0, room - less)
        assert (taken, size) == (count, sum(s[3] for s in steps[:count]))
        assert packer.pending == size


def test_a_bad_draft_leaves_the_steps_before_it(journal_core: ModuleType) -> None:
    steps = [*batch(journal_core)[:2], (4, 1, [Draft(Kind.PAD, 0, 0, 0, 0, b"")], 64)]
    packer = journal_core.Packer(7, 1, 8192)
    with pytest.raises(AssertionError):
        packer.steps(steps, 0, 1 << 30)
    assert packer.pending == steps[0][3] + steps[1][3]
