"""Small inputs: settings, start and stop, operators, the journal's answer to a resend."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from durafix.engine.session.effects import Close
from durafix.engine.session.events import (
    Configured,
    EpochOpened,
    LinkChanged,
    NumbersSkipped,
    OperatorSet,
    Resent,
    Reserved,
)
from durafix.engine.session.identity import SessionId
from durafix.engine.session.inputs import (
    At,
    Authenticated,
    Configure,
    HandlerDone,
    Input,
    LinkDown,
    LinkUp,
    LogoutCommand,
    ResendRuns,
    ResetCommand,
    Send,
    SetNumbers,
    Stop,
    Tick,
)
from durafix.engine.session.settings import SessionSettings
from durafix.engine.session.state import State
from durafix.engine.session.step import step
from durafix.journal.record import Kind

from .kit import Core, acceptor, initiator, split

LOST = "the journal may have lost its end"


def test_the_first_settings_open_epoch_one() -> None:
    """The EPOCH event is in the session's first step, and fsynced."""
    core = acceptor()
    assert [type(event) for event in core.last.events] == [Configured, EpochOpened]
    assert core.last.sync
    assert (core.state.epoch, core.state.next_out, core.state.next_in) == (1, 1, 1)


def test_equal_settings_leave_no_trace_and_new_ones_are_an_event() -> None:
    """P10: each change of configuration is journaled."""
    core = acceptor()
    core.feed(Configure(core.settings))
    assert not core.last.events
    core.feed(Configure(SessionSettings(core.settings.session, "acceptor", heart_bt_int_s=5)))
    assert [type(event) for event in core.last.events] == [Configured]
    assert core.state.epoch == 1


def test_settings_of_another_session_are_refused() -> None:
    """A state belongs to one session for ever."""
    core = acceptor()
    core.feed(Configure(SessionSettings(SessionId("FIX.4.4", "X", "Y"), "acceptor")))
    assert core.last.refusal is not None and core.last.refusal.code == "other-session"


def test_nothing_is_taken_without_settings() -> None:
    """The state before the first Configure."""
    outcome = step(State(), Tick(), 1, At(0, 0))
    assert outcome.refusal is not None and outcome.refusal.code == "not-configured"


def test_an_unknown_input_is_a_bug() -> None:
    """Not silently ignored."""
    core = acceptor()
    with pytest.raises(TypeError):
        step(core.state, Input(), 1, At(0, 0))


def test_a_second_link_is_refused() -> None:
    """1b, AlreadyLoggedOn: the first one stays."""
    core = acceptor().logged_on()
    core.feed(LinkUp("another"))
    assert core.last.refusal is not None and core.last.refusal.code == "linked"
    assert core.state.logon == "on"


def test_start_journals_the_lost_link_first() -> None:
    """Rule 21: the session that was up when the process died is logged out."""
    core = acceptor().logged_on()
    core.receive("D", 4, "11=a|")
    core.restart()
    assert core.state.link == "down" and core.state.logon == "out" and core.state.gap == "none"
    assert core.events(LinkChanged)[0].cause.startswith("the engine started")
    assert not core.state.queue
    assert core.records[-3].kind == Kind.INPUT


def test_a_clean_start_leaves_no_trace() -> None:
    """Nothing to say."""
    core = acceptor()
    core.restart(clean=True)
    assert not core.last.events


def test_after_a_cut_numbers_go_on_behind_the_reservation() -> None:
    """Rules 5, 6: possibly used numbers are a finding; with an fsync per event there are none."""
    core = acceptor(reservation_block=10).logged_on()
    core.restart()
    assert core.state.next_out == 2
    core.restart(number_from_bound=True)
    assert core.events(NumbersSkipped)[0] == NumbersSkipped(
        2, 10, "the journal may have lost its end"
    )
    assert core.shown(core.last) == ["alert numbers-skipped"]
    assert core.last.sync
    assert core.state.next_out == 11
    core.feed(LinkUp("peer"))
    assert core.events(Reserved) == [Reserved(1, 20)]


def test_a_clean_stop_gives_the_rest_of_the_reservation_back() -> None:
    """Rule 6: nothing is skipped after it, even if the journal is cut."""
    core = acceptor(reservation_block=10).logged_on()
    core.receive("5", 2)
    core.feed(Stop())
    assert core.events(Reserved) == [Reserved(1, 2)]
    core.feed(Stop())
    assert not core.last.events
    core.restart(number_from_bound=True)
    assert core.state.next_out == 3


def test_a_stop_closes_a_link_that_is_still_up() -> None:
    """In order: the link first, then the reservation."""
    core = acceptor().logged_on()
    assert core.tell(Stop()) == ["logged out", "close: the engine stops"]
    assert core.state.reserved == core.state.next_out - 1


def test_a_lost_link_is_reported_once() -> None:
    """LinkDown of a link that is down changes nothing."""
    core = acceptor().logged_on()
    assert core.tell(LinkDown("cable")) == ["logged out"]
    assert core.tell(LinkDown("cable")) == []
    assert not core.last.events


def test_an_operator_raises_numbers_within_the_epoch() -> None:
    """P10: who, why, before, after; fsynced."""
    core = acceptor()
    core.feed(SetNumbers(20, 30, "ann", "agreed by phone"))
    assert core.last.events == [OperatorSet("ann", "agreed by phone", 1, 1, 20, 30)]
    assert core.last.sync
    assert (core.state.epoch, core.state.next_out, core.state.next_in) == (1, 20, 30)
    assert core.records[-1].kind == Kind.OPERATOR
    core.logged_on(seq=30)
    assert core.state.next_out == 21


@pytest.mark.parametrize(("next_out", "next_in"), [(5, 0), (0, 5), (5, 5), (40, 5)])
def test_lowering_a_number_opens_an_epoch_that_starts_there(next_out: int, next_in: int) -> None:
    """Rule 4."""
    core = acceptor()
    core.feed(SetNumbers(20, 30, "ann", "x"))
    core.feed(SetNumbers(next_out, next_in, "ann", "y"))
    assert core.state.epoch == 2
    assert core.state.next_out == (next_out or 20) and core.state.next_in == (next_in or 30)
    assert core.state.epoch_first_out == core.state.next_out


def test_numbers_are_not_set_under_a_live_link() -> None:
    """Nor to nonsense; and to what they are is nothing."""
    core = acceptor()
    core.feed(SetNumbers(-3, 1, "ann", "x"))
    assert core.last.refusal is not None and core.last.refusal.code == "bad-number"
    core.feed(SetNumbers(1, 1, "ann", "x"))
    assert not core.last.events and core.last.refusal is None
    core.logged_on().feed(SetNumbers(5, 5, "ann", "x"))
    assert core.last.refusal is not None and core.last.refusal.code == "linked"


def test_a_reset_of_a_session_that_is_not_connected_opens_an_epoch() -> None:
    """P10."""
    core = acceptor().logged_on()
    core.tell(LinkDown("x"))
    core.feed(ResetCommand("ann", "new day"))
    assert [type(event) for event in core.last.events] == [OperatorSet, EpochOpened]
    assert core.last.sync and (core.state.epoch, core.state.next_out) == (2, 1)


def test_a_logout_command_ahead_of_the_logon_closes() -> None:
    """And with no link it is nothing."""
    core = initiator()
    assert core.tell(LogoutCommand()) == []
    core.tell(LinkUp("peer"))
    assert core.tell(LogoutCommand())[-1].startswith("close")


def asked_twice(core: Core) -> Core:
    """Numbers 1 to 5 are sent; the peer asks for 1 to 3 and 2 to 5."""
    core.logged_on()
    for _ in range(4):
        core.feed(Send(b"D", split("11=a|")))
    core.receive("2", 2, "7=1|16=3|")
    core.receive("2", 3, "7=2|16=0|")
    return core


def test_a_resend_is_answered_in_batches_one_event_each() -> None:
    """Rules 14, 15: the range is fixed; ranges are answered one after the other."""
    core = asked_twice(acceptor())
    assert core.state.asks == [(1, 3), (2, 5)]
    assert core.tell(ResendRuns(1, 2, ((1, 1, "g"), (2, 2, "s")), False, 1)) == ["resend 1-1g 2-2s"]
    event = core.events(Resent)[0]
    assert event.sending_time == "20250615-15:06:40.000" and not event.last
    assert core.tell(ResendRuns(3, 3, ((3, 3, "s"),), True, 1)) == [
        "resend 3-3s", "fetch 2-5 of epoch 1",
    ]  # fmt: skip
    assert core.tell(ResendRuns(2, 5, ((2, 5, "s"),), True, 1)) == ["resend 2-5s"]
    assert not core.state.answering


def test_application_sends_wait_while_a_resend_is_answered() -> None:
    """Rule 14; Heartbeats and Rejects go out in between."""
    core = asked_twice(acceptor())
    core.feed(Send(b"D", split("11=a|")))
    assert core.last.refusal is not None and core.last.refusal.code == "wait"
    assert core.receive("1", 4, "112=x|") == ["35=0|34=6|112=x|"]
    core.receive("0", 5, t56="")
    assert "35=3|34=7|" in core.shown(core.last)[0]


@pytest.mark.parametrize(
    "stale",
    [
        ResendRuns(2, 3, ((2, 3, "s"),), True, 1),
        ResendRuns(1, 3, ((1, 3, "g"),), True, 7),
    ],
)
def test_an_answer_to_a_question_of_before_is_ignored(stale: ResendRuns) -> None:
    """The link went, or an epoch was opened, while the journal was read."""
    core = asked_twice(acceptor())
    assert core.tell(stale) == []
    assert not core.last.events


def test_an_answer_without_a_question_is_ignored() -> None:
    """The connection ended meanwhile."""
    core = asked_twice(acceptor())
    core.tell(LinkDown("x"))
    core.tell(ResendRuns(1, 3, ((1, 3, "g"),), True, 1))
    assert not core.last.events


def test_an_answer_beyond_the_range_is_our_bug() -> None:
    """Runs stay within what was asked for."""
    core = asked_twice(acceptor())
    with pytest.raises(AssertionError):
        core.feed(ResendRuns(1, 4, ((1, 4, "g"),), True, 1))


def test_resend_requests_are_bounded() -> None:
    """P11: a flood of them is noted and dropped."""
    core = acceptor(resend_asks_max=2).logged_on()
    for seq in (2, 3):
        core.receive("2", seq, "7=1|16=0|")
    assert core.receive("2", 4, "7=1|16=0|") == ["alert resend-flood"]
    assert len(core.state.asks) == 2


@pytest.mark.parametrize(
    ("version", "end", "top"),
    [
        ("FIX.4.4", 0, 3), ("FIX.4.4", 999999, 3), ("FIX.4.2", 999999, 3), ("FIX.4.0", 0, 3),
        ("FIX.4.0", 999999, 3), ("FIX.4.4", 2, 2), ("FIX.4.4", 9, 3),
    ],
)  # fmt: skip
def test_the_end_of_a_resend_request(version: str, end: int, top: int) -> None:
    """Rule 8: 0 everywhere, 999999 up to 4.2; never beyond what was sent."""
    core = acceptor(version).logged_on()
    for _ in range(2):
        core.feed(Send(b"D", split("11=a|")))
    assert core.receive("2", 2, f"7=1|16={end}|") == [f"fetch 1-{top} of epoch 1"]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("16=0|", "58=Required tag missing|371=7|"),
        ("7=1|", "58=Required tag missing|371=16|"),
        ("7=x|16=0|", "58=Incorrect data format for value|371=7|"),
        ("7=0|16=0|", "58=Value is incorrect (out of range) for this tag|371=7|"),
        ("7=2|16=1|", "58=Value is incorrect (out of range) for this tag|371=16|"),
    ],
)
def test_a_bad_resend_request_is_rejected(body: str, answer: str) -> None:
    """Its number counts."""
    core = acceptor().logged_on()
    core.feed(Send(b"D", split("11=a|")))
    assert answer in core.receive("2", 2, body)[0]
    assert core.state.next_in == 3 and not core.state.asks


def test_a_resend_request_above_what_we_sent_is_a_finding() -> None:
    """Rule 7: rejected with 373=5, 371=7, and evidence of our own loss."""
    core = acceptor().logged_on()
    shown = core.receive("2", 2, "7=9|16=0|")
    assert shown[0] == "alert peer-ahead"
    assert "371=7|372=2|373=5|" in shown[1]
    assert core.state.evidence == 8


def test_steps_that_must_be_durable_say_so() -> None:
    """Storage rule 13: a logon result, an epoch, a reservation; a message does not."""
    core = initiator()
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|")
    assert core.last.sync
    core.receive("D", 2, "11=a|")
    assert not core.last.sync


@pytest.mark.parametrize("text", ["\udc80", "caf\u00e9", "a\x01b"])
def test_text_that_no_journal_can_hold_is_written_all_the_same(text: str) -> None:
    """P12: bad bytes of a command line or an exception crash nothing, and the re-run agrees."""
    core = acceptor().logged_on()
    core.receive("D", 2, "11=a|")
    core.tell(HandlerDone(core.number - 1, 2, "refused", text))
    assert core.shown(core.last)[0].startswith("35=j|")
    core.feed(ResetCommand(text, text))
    core.feed(LogoutCommand(text))
    core.tell(LinkDown(text))
    core.feed(SetNumbers(9, 9, text, text))
    core.feed(LinkUp(text))
    core.receive("A", 9, "98=0|108=30|")
    core.feed(Authenticated(False, text))


@pytest.mark.parametrize(
    "session",
    [SessionId("FIX.9.9", "A", "B"), SessionId("FIX.4.4", "\u20ac", "B"),
     SessionId("FIX.4.4", "A", "B", qualifier="\ud800")],
)  # fmt: skip
def test_settings_that_cannot_be_written_are_refused(session: SessionId) -> None:
    """An unknown version, or a CompID beyond Latin-1: nothing changes."""
    outcome = step(State(), Configure(SessionSettings(session, "acceptor")), 1, At(0, 0))
    assert outcome.refusal is not None and outcome.refusal.code == "bad-settings"


def test_a_close_after_a_logout_drains_and_a_silent_one_does_not() -> None:
    """Rule 19: else the connection is reset, and the peer loses our Logout."""
    plays: list[tuple[Callable[[Core], object], bool]] = [
        (lambda core: core.receive("5", 2), True),
        (lambda core: core.receive("0", 0), True),
        (lambda core: core.pass_time(100), False),
    ]
    for play, drain in plays:
        core = acceptor().logged_on()
        play(core)
        closed = [effect for effect in core.last.effects if isinstance(effect, Close)]
        assert [effect.drain for effect in closed] == [drain]
