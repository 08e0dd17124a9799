"""Heartbeats, test requests, timeouts: what is due when."""

from __future__ import annotations

import pytest

from durafix.engine.session.inputs import LinkUp, LogoutCommand, ResetCommand, Tick
from durafix.engine.session.timers import next_deadline

from .kit import NS, Core, acceptor, initiator


def test_no_timer_runs_while_the_link_is_down() -> None:
    """Nothing to wake up for."""
    assert next_deadline(acceptor().state) is None


def test_a_tick_that_finds_nothing_due_leaves_no_trace() -> None:
    """Rule 21: no event, no record, no number."""
    core = acceptor().logged_on()
    before = core.number
    assert core.tell(Tick()) == []
    assert core.number == before


def test_a_heartbeat_goes_out_when_nothing_else_did() -> None:
    """4a: HeartBtInt after the last frame sent, again and again while the peer is there."""
    core = acceptor().logged_on("98=0|108=6|")
    assert core.pass_time(5.9) == []
    assert core.pass_time(0.1) == ["35=0|34=2|"]
    core.receive("0", 2)
    assert core.pass_time(5.9) == []
    assert core.pass_time(0.1) == ["35=0|34=3|"]


def test_what_is_sent_postpones_the_heartbeat() -> None:
    """Any frame tells the peer that we live."""
    core = acceptor().logged_on("98=0|108=6|")
    core.pass_time(5)
    core.receive("1", 2, "112=x|")
    assert core.pass_time(5.9) == []
    assert core.pass_time(0.2) == ["35=0|34=3|"]


def test_silence_is_answered_with_a_test_request_and_then_the_end() -> None:
    """6: TestRequest at 1.2, close at 2.4 times HeartBtInt; no Heartbeat in between, no Logout."""
    core = acceptor().logged_on("98=0|108=6|")
    assert core.pass_time(7.1) == ["35=0|34=2|"]
    assert core.pass_time(0.2) == ["35=1|34=3|112=TEST|"]
    assert core.pass_time(7) == []
    assert core.pass_time(0.2) == [
        "alert peer-silent", "logged out", "close: no answer to our TestRequest",
    ]  # fmt: skip


def test_a_heartbeat_in_answer_goes_on_as_before() -> None:
    """6: the next Heartbeat counts from our last frame."""
    core = acceptor().logged_on("98=0|108=6|")
    core.pass_time(7.2)
    core.receive("0", 2, "112=TEST|")
    assert core.pass_time(5.9) == []
    assert core.pass_time(0.2) == ["35=0|34=4|"]


def test_heartbeats_can_be_off() -> None:
    """108=0: no Heartbeat, no TestRequest, for ever."""
    core = acceptor().logged_on("98=0|108=0|")
    assert next_deadline(core.state) is None
    assert core.pass_time(100_000) == []


def test_the_factors_are_settings() -> None:
    """test_request_factor and dead_factor."""
    core = acceptor(test_request_factor=2.0, dead_factor=3.0).logged_on("98=0|108=10|")
    assert core.pass_time(20)[-1] == "35=1|34=3|112=TEST|"
    assert core.pass_time(10)[-1].startswith("close")


def link_only(core: Core) -> None:
    core.tell(LinkUp("peer"))


def asked(core: Core) -> None:
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=0|")


def probing(core: Core) -> None:
    core.logged_on("98=0|108=0|").tell(ResetCommand("ann", "x"))


def resetting(core: Core) -> None:
    probing(core)
    core.receive("0", 2, "112=RESET|")


@pytest.mark.parametrize("prepare", [link_only, asked, probing, resetting])
def test_a_logon_that_does_not_end_is_closed(prepare: object) -> None:
    """LogonTimeout, 10 s, for each way to be half on."""
    core = acceptor()
    prepare(core)  # type: ignore[operator]
    assert core.pass_time(9.9) == []
    assert core.pass_time(0.2)[-1].startswith("close: ")


def test_a_logon_without_a_reply_is_closed() -> None:
    """The initiator's side of the same."""
    core = initiator()
    core.tell(LinkUp("peer"))
    assert core.pass_time(10)[-1] == "close: no reply to our Logon in time"


def test_a_gap_without_progress_is_asked_for_again_and_then_ends_the_session() -> None:
    """A lost ResendRequest does not stall the session: retries, then a Logout with the number."""
    core = acceptor(resend_tries_max=2).logged_on("98=0|108=0|")
    core.receive("D", 5, "11=a|")
    assert core.pass_time(30) == ["35=2|34=3|7=2|16=0|"]
    assert core.pass_time(30) == [
        "alert gap-stalled", "35=5|34=4|58=ResendRequest not answered, still expecting 2|",
    ]  # fmt: skip


def test_progress_restarts_the_patience() -> None:
    """The timer counts from the last frame that moved the number."""
    core = acceptor().logged_on("98=0|108=0|")
    core.receive("D", 5, "11=a|")
    core.pass_time(20)
    core.receive("D", 2, "11=b|", t43="Y")
    assert core.pass_time(29) == []
    assert core.pass_time(2) == ["35=2|34=3|7=3|16=0|"]


def test_timers_follow_from_state_alone() -> None:
    """A replayed state has the same deadline as the live one."""
    core = acceptor().logged_on()
    core.pass_time(12)
    core.receive("0", 2)
    assert next_deadline(core.replayed().sessions[1]) == next_deadline(core.state)
    core.tell(LogoutCommand())
    assert next_deadline(core.state) == core.clock.at.mono_ns + 2 * NS
