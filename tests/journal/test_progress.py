"""Numbers are published once, in order, and nobody who waits is forgotten."""

import threading

import pytest

from durafix.journal.errors import Closed, IoFailed
from durafix.journal.probe import NullProbe
from durafix.journal.progress import Bell, Progress


def progress(always: bool = False) -> Progress:
    return Progress(0, always=always, probe=NullProbe())


def test_covered_is_durable_under_always_and_written_otherwise() -> None:
    strict, loose = progress(always=True), progress()
    for p in (strict, loose):
        p.advance(5, 3)
    assert (strict.covered, strict.durable) == (3, 3)
    assert (loose.covered, loose.durable) == (5, 3)


def test_a_step_that_demands_a_sync_holds_back_itself_and_what_follows() -> None:
    p = progress()
    p.demand_sync(4, 6)
    assert not p.advance(3, 0)
    assert p.advance(9, 0)
    assert p.covered == 3
    assert not p.advance(9, 6)
    assert p.covered == 9


def test_numbers_never_go_back() -> None:
    p = progress()
    p.advance(5, 3)
    p.advance(4, 2)
    assert (p.covered, p.durable) == (5, 3)


def test_listeners_hear_of_changes_only() -> None:
    p = progress()
    calls: list[tuple[int, str]] = []
    p.listen(lambda: calls.append((p.covered, p.state)))
    p.advance(1, 0)
    p.advance(1, 0)
    p.turn("disk-full")
    p.turn("disk-full")
    p.turn("running")
    assert calls == [(1, "running"), (1, "disk-full"), (1, "running")]


def test_failed_and_closed_are_for_ever() -> None:
    for last in ("failed", "closed"):
        p = progress()
        p.turn("failed" if last == "failed" else "closed", IoFailed("broken"))
        p.turn("running")
        p.turn("disk-full")
        p.turn("closed")
        assert p.state == last
        assert p.ended


def test_nothing_moves_after_a_failure() -> None:
    p = progress()
    p.advance(3, 2)
    p.turn("failed", IoFailed("broken"))
    p.advance(9, 9)
    assert (p.covered, p.durable) == (3, 2)


def test_a_waiter_gets_what_it_waits_for_a_timeout_or_the_reason() -> None:
    p = progress()
    assert p.wait_until(lambda: True, None)
    assert not p.wait_until(lambda: False, 0.01)
    p.turn("failed", IoFailed("broken", where="there", hint="that"))
    with pytest.raises(IoFailed, match="broken") as caught:
        p.wait_until(lambda: False, None)
    assert (caught.value.where, caught.value.hint) == ("there", "that")
    closed = progress()
    closed.turn("closed")
    with pytest.raises(Closed):
        closed.wait_until(lambda: False, None)


def test_a_waiter_in_another_thread_is_woken() -> None:
    p = progress()
    done: list[bool] = []
    thread = threading.Thread(target=lambda: done.append(p.wait_until(lambda: p.covered > 99, 10)))
    thread.start()
    for number in range(1, 101):
        p.advance(number, 0)
    thread.join(10)
    assert done == [True]


def test_a_bell_remembers_one_ring() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    bell.wait(10)
    bell.wait(0.01)
    threading.Timer(0.01, bell.ring).start()
    bell.wait(10)
