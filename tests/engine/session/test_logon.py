"""Getting on and off, in both roles."""

from __future__ import annotations

from typing import Any

import pytest

from durafix.engine.session.events import EpochOpened, Reserved
from durafix.engine.session.inputs import (
    Authenticated,
    LinkDown,
    LinkUp,
    LogoutCommand,
    ResetCommand,
)

from .kit import Core, acceptor, initiator

VERSIONS = ("FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4")


def numbers(core: Core) -> tuple[int, int, int]:
    """(epoch, next out, next in)."""
    return core.state.epoch, core.state.next_out, core.state.next_in


@pytest.mark.parametrize("version", VERSIONS)
def test_an_acceptor_answers_a_logon_with_the_peers_heartbeat_interval(version: str) -> None:
    """Logon reply: 98=0, 108 as received, 141 only if received."""
    core = acceptor(version)
    core.tell(LinkUp("peer"))
    assert core.receive("A", 1, "98=0|108=7|") == ["ask"]
    assert core.tell(Authenticated(True)) == ["35=A|34=1|98=0|108=7|", "logged on"]
    assert numbers(core) == (1, 2, 2)
    assert core.state.heart_bt_int_s == 7


@pytest.mark.parametrize("version", VERSIONS)
def test_an_initiator_sends_a_logon_and_is_on_with_the_reply(version: str) -> None:
    """1B a, b, c: connect, send Logon, take a valid reply."""
    core = initiator(version, heart_bt_int_s=20)
    assert core.tell(LinkUp("peer")) == ["35=A|34=1|98=0|108=20|"]
    assert core.receive("A", 1, "98=0|108=20|") == ["logged on"]
    assert numbers(core) == (1, 2, 2)


def test_fixt_logons_carry_and_need_the_default_application_version() -> None:
    """Rule 9: 1137 on FIXT; a Logon without it is closed without a message."""
    core = acceptor("FIXT.1.1", default_appl_ver_id="9")
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|1137=9|")
    assert core.tell(Authenticated(True))[0] == "35=A|34=1|98=0|108=30|1137=9|"
    core.tell(LinkDown("x"))
    core.tell(LinkUp("peer"))
    assert core.receive("A", 2, "98=0|108=30|")[-1].startswith("close: Logon refused")


@pytest.mark.parametrize(
    ("what", "frame"),
    [
        ("SendingTime off", {"time": -121}),
        ("SendingTime off the other way", {"time": 121}),
        ("another sender", {"t49": "WT"}),
        ("another target", {"t56": "DLSI"}),
        ("another BeginString", {"t8": "FIX.4.2"}),
        ("no MsgSeqNum", {"t34": "-"}),
    ],
)
def test_an_invalid_logon_is_closed_without_a_message(what: str, frame: dict[str, object]) -> None:
    """1d, 1c: no Reject, no Logout, nothing consumed."""
    core = acceptor()
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|", **frame)
    assert [text.split(":")[0] for text in core.shown(core.last)] == [
        "alert logon-refused",
        "close",
    ]
    assert numbers(core) == (1, 1, 1)
    assert core.state.link == "down"


@pytest.mark.parametrize(
    "body", ["98=0|", "98=0|108=x|", "98=0|108=-1|", "98=1|108=30|", "108=99999999|"]
)
def test_a_logon_with_unusable_terms_is_refused(body: str) -> None:
    """HeartBtInt must be a number of seconds within a day, EncryptMethod 0."""
    core = acceptor()
    core.tell(LinkUp("peer"))
    assert core.receive("A", 1, body)[-1].startswith("close: Logon refused")
    assert numbers(core) == (1, 1, 1)


def test_a_first_message_that_is_no_logon_ends_the_connection() -> None:
    """2S and 1B e: nothing is answered and nothing moves."""
    for core in (acceptor(), initiator()):
        core.tell(LinkUp("peer"))
        assert core.receive("0", 1) == ["close: first message is no Logon"]
        assert core.state.next_in == 1


@pytest.mark.parametrize("settings", [{}, {"reset_on_logon": True}])
@pytest.mark.parametrize("body", ["98=0|108=30|", "98=0|108=30|141=Y|"])
@pytest.mark.parametrize("seq", [1, 4, 9])
def test_a_failed_logon_changes_no_number_and_no_epoch(
    settings: dict[str, Any], body: str, seq: int
) -> None:
    """P8 and rule 16: not even with 141=Y or ResetOnLogon."""
    core = acceptor(**settings).logged_on()
    core.receive("D", 2, "11=a|")
    core.receive("D", 3, "11=b|")
    core.tell(LinkDown("x"))
    before = numbers(core)
    core.tell(LinkUp("peer"))
    core.receive("A", seq, body)
    assert numbers(core) == before, "nothing moves ahead of the verdict"
    shown = core.tell(Authenticated(False, "bad password"))
    assert shown == ["alert logon-refused", "close: authentication failed: bad password"]
    assert numbers(core) == before


def test_a_refusal_by_logout_uses_and_journals_its_number() -> None:
    """Rule 16: logon_refusal = "logout" sends a Logout whose outbound number is consumed."""
    core = acceptor(logon_refusal="logout")
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|")
    shown = core.tell(Authenticated(False, "no"))
    assert shown[1] == "35=5|34=1|58=authentication failed: no|"
    assert numbers(core) == (1, 2, 1)


def test_a_late_verdict_is_ignored() -> None:
    """The connection went while the password was checked: no Logon is taken."""
    core = acceptor()
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|")
    core.tell(LinkDown("gone"))
    assert core.tell(Authenticated(True)) == []
    assert not core.last.events


def test_frames_behind_a_logon_wait_for_its_verdict() -> None:
    """A peer that does not wait for the reply loses nothing: its frames are judged later."""
    core = acceptor()
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|")
    assert core.receive("D", 2, "11=a|") == []
    assert core.receive("1", 3, "112=x|") == []
    assert core.tell(Authenticated(True)) == [
        "35=A|34=1|98=0|108=30|", "logged on", "deliver 2", "35=0|34=2|112=x|",
    ]  # fmt: skip
    assert numbers(core) == (1, 3, 4)


def test_frames_held_behind_a_logon_are_bounded() -> None:
    """P11: too much ahead of the verdict ends the connection."""
    core = acceptor(queue_bytes_max=200)
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|")
    core.receive("D", 2, "11=a|")
    core.receive("D", 3, "11=b|")
    assert core.receive("D", 4, "11=c|")[-1] == "close: too much before authentication"


def test_a_held_frame_that_ends_the_session_leaves_the_rest_unjudged() -> None:
    """A Logout behind the Logon is answered after the reply; what follows it is dropped."""
    core = acceptor()
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|")
    core.receive("5", 2)
    core.receive("D", 3, "11=a|")
    shown = core.tell(Authenticated(True))
    assert shown[2] == "35=5|34=2|"
    assert shown[-1] == "close: Logout by the peer"
    assert core.state.next_in == 3


def test_a_high_logon_is_answered_and_then_the_gap_is_asked_for() -> None:
    """1a: Logon, then ResendRequest from the expected number to infinity."""
    core = acceptor()
    core.tell(LinkUp("peer"))
    core.receive("A", 5, "98=0|108=30|")
    assert core.tell(Authenticated(True)) == [
        "35=A|34=1|98=0|108=30|", "logged on", "35=2|34=2|7=1|16=0|",
    ]  # fmt: skip
    assert core.state.next_in == 1
    assert core.receive("4", 1, "36=5|123=Y|", t43="Y") == []
    assert core.state.next_in == 6, "the Logon itself counts when its turn comes"


def test_a_high_logon_reply_is_taken_by_the_initiator() -> None:
    """1B c: number too high, ResendRequest."""
    core = initiator()
    core.tell(LinkUp("peer"))
    assert core.receive("A", 3, "98=0|108=30|") == ["logged on", "35=2|34=2|7=1|16=0|"]


@pytest.mark.parametrize("role", ["acceptor", "initiator"])
def test_a_low_logon_gets_a_logout_with_the_numbers(role: str) -> None:
    """10_MsgSeqNumLess at logon: the text says what was expected, and the link closes at once."""
    core = (acceptor if role == "acceptor" else initiator)().logged_on()
    core.receive("0", 2)
    core.tell(LinkDown("x"))
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|")
    if role == "acceptor":
        core.tell(Authenticated(True))
    shown = core.shown(core.last)
    assert "58=MsgSeqNum too low, expecting 3 but received 1|" in shown[0]
    assert shown[-1].startswith("close")
    assert core.state.next_in == 3


def test_reset_on_logon_opens_an_epoch_ahead_of_the_number_check() -> None:
    """Rule 16: only after authentication; a Logon 34=5 is then too high in the new epoch."""
    core = acceptor(reset_on_logon=True).logged_on()
    core.receive("0", 2)
    core.tell(LinkDown("x"))
    core.tell(LinkUp("peer"))
    core.receive("A", 5, "98=0|108=30|")
    assert core.tell(Authenticated(True)) == [
        "35=A|34=1|98=0|108=30|", "logged on", "35=2|34=2|7=1|16=0|",
    ]  # fmt: skip
    assert numbers(core)[0] == 2
    assert core.last.sync, "a new epoch is fsynced under every policy (rule 5)"


def test_an_initiator_that_resets_says_so_and_starts_at_one() -> None:
    """ResetOnLogon: 141=Y from 4.1; in 4.0 both sides know it from their settings."""
    for version, flag in (("FIX.4.0", ""), ("FIX.4.4", "141=Y|")):
        core = initiator(version, reset_on_logon=True).logged_on()
        core.receive("0", 2)
        core.tell(LinkDown("x"))
        assert core.tell(LinkUp("peer")) == [f"35=A|34=1|98=0|108=30|{flag}"]
        assert core.last.sync
        assert core.receive("A", 1, "98=0|108=30|" + flag) == ["logged on"]
        assert numbers(core) == (2, 2, 2), "the reply does not reset again"


def test_an_unasked_reset_in_the_reply_restarts_inbound_and_keeps_our_logons_number() -> None:
    """Rule 17: a new epoch; our Logon keeps its number, and the peer gets a GapFill below it."""
    core = initiator().logged_on()
    core.receive("0", 2)
    core.tell(LinkDown("x"))
    core.tell(LinkUp("peer"))
    assert core.receive("A", 1, "98=0|108=30|141=Y|") == ["logged on"]
    assert numbers(core) == (2, 3, 2)
    assert core.events(EpochOpened)[0].next_out == 3
    assert core.receive("2", 2, "7=1|16=0|") == ["fetch 1-2 of epoch 2"]


def test_both_sides_ask_for_a_reset_at_logon() -> None:
    """Rule 17: 141=Y from both at once is one reset each."""
    core = initiator(reset_on_logon=True)
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|141=Y|")
    assert numbers(core) == (1, 2, 2), "an epoch with no number used is as good as a new one"


def test_a_reset_inside_the_session_is_authenticated_again() -> None:
    """Rule 17 and SessionReset: both numbers to 1, Logon with 141=Y, a new epoch."""
    core = acceptor().logged_on()
    core.receive("0", 2)
    assert core.receive("A", 1, "98=0|108=30|141=Y|") == ["ask"]
    assert core.receive("0", 2) == [], "what follows belongs to the new epoch"
    assert core.tell(Authenticated(True)) == ["35=A|34=1|98=0|108=30|141=Y|"]
    assert numbers(core) == (2, 2, 3)
    assert core.last.sync


def test_a_reset_inside_the_session_that_fails_changes_nothing() -> None:
    """P8: the old epoch stands, and the link closes."""
    core = acceptor().logged_on()
    core.receive("A", 1, "98=0|108=30|141=Y|")
    assert core.tell(Authenticated(False))[-2:] == ["logged out", "close: not authenticated"]
    assert numbers(core) == (1, 2, 2)


def test_our_reset_asks_for_a_heartbeat_first() -> None:
    """Rule 17: TestRequest, Heartbeat, then Logon with 141=Y; the reply does not reset again."""
    core = initiator().logged_on()
    assert core.tell(ResetCommand("ann", "end of day")) == ["35=1|34=2|112=RESET|"]
    assert core.last.sync, "an operator's act is fsynced"
    assert core.receive("0", 2, "112=RESET|") == ["35=A|34=1|98=0|108=30|141=Y|"]
    assert numbers(core) == (2, 2, 1)
    assert core.last.sync
    assert core.receive("A", 1, "98=0|108=30|141=Y|") == []
    assert numbers(core) == (2, 2, 2)
    assert core.state.logon == "on"


def test_frames_in_flight_during_our_reset_belong_to_the_epoch_before() -> None:
    """Rule 17: they are delivered by the old numbers and move nothing of the new epoch."""
    core = initiator().logged_on()
    core.tell(ResetCommand("ann", "end of day"))
    core.receive("0", 2, "112=RESET|")
    assert core.receive("D", 3, "11=late|") == ["deliver 3"]
    assert core.receive("D", 3, "11=again|") == []
    assert core.receive("1", 4, "112=q|") == ["35=0|34=2|112=q|"]
    assert core.state.next_in == 1
    core.receive("A", 1, "98=0|108=30|141=Y|")
    assert core.receive("D", 2, "11=new|") == ["deliver 2"]


def test_a_probe_that_comes_back_ahead_of_a_gap_is_sent_again() -> None:
    """Rule 17: frames behind a gap would be lost with the epoch."""
    core = initiator().logged_on()
    core.tell(ResetCommand("ann", "x"))
    core.receive("D", 4, "11=b|")
    core.receive("0", 2, "112=RESET|")
    assert core.shown(core.last) == ["35=1|34=4|112=RESET|"]
    assert core.state.logon == "probing"


def test_the_peer_may_reset_faster_than_we() -> None:
    """Both sides start a reset: the peer's Logon comes while we wait for the Heartbeat."""
    core = acceptor().logged_on()
    core.tell(ResetCommand("ann", "x"))
    assert core.receive("A", 1, "98=0|108=30|141=Y|") == ["ask"]
    core.tell(Authenticated(True))
    assert core.state.logon == "on"
    assert numbers(core) == (2, 2, 2)


def test_resets_that_cross_on_the_wire_end_with_both_on() -> None:
    """141=Y from both sides at once: each takes the other's Logon for the reply."""
    core = acceptor().logged_on()
    core.tell(ResetCommand("ann", "x"))
    core.receive("0", 2, "112=RESET|")
    core.receive("A", 1, "98=0|108=30|141=Y|")
    assert core.state.logon == "on"
    assert numbers(core) == (2, 2, 2)


def test_no_reset_inside_a_fix40_session() -> None:
    """Rule 9: 141 is from 4.1."""
    core = acceptor("FIX.4.0").logged_on()
    core.tell(ResetCommand("ann", "x"))
    assert core.last.refusal is not None and core.last.refusal.code == "busy"


def test_a_second_logon_without_reset_is_a_mistake() -> None:
    """The peer logs on again while logged on: Logout."""
    core = acceptor().logged_on()
    assert core.receive("A", 2, "98=0|108=30|") == ["35=5|34=2|58=Logon while logged on|"]
    core = acceptor().logged_on()
    assert "too low, expecting 2 but received 1" in core.receive("A", 1, "98=0|108=30|")[0]


@pytest.mark.parametrize("seq", [2, 9, 1])
def test_a_logout_is_answered_whatever_its_number(seq: int) -> None:
    """Rules 1, 2: answered, no ResendRequest, and only the expected number moves."""
    core = acceptor().logged_on()
    shown = core.receive("5", seq, "58=bye|")
    assert shown == ["35=5|34=2|", "logged out", "close: Logout by the peer: bye"]
    assert core.state.next_in == (3 if seq == 2 else 2)


def test_a_gap_left_by_a_high_logout_is_asked_for_at_the_next_logon() -> None:
    """Rule 2."""
    core = acceptor().logged_on()
    core.receive("5", 9)
    core.tell(LinkUp("peer"))
    core.receive("A", 10, "98=0|108=30|")
    assert core.tell(Authenticated(True))[-1] == "35=2|34=4|7=2|16=0|"


def test_our_logout_waits_for_the_reply_and_closes_silently() -> None:
    """12 and 13a."""
    core = initiator().logged_on()
    assert core.tell(LogoutCommand("end of day")) == ["35=5|34=2|58=end of day|"]
    assert core.receive("D", 2, "11=a|") == ["deliver 2"], "still received"
    assert core.receive("5", 3) == ["logged out", "close: Logout answered by the peer"]


def test_our_logout_without_a_reply_closes_after_the_timeout() -> None:
    """12: X after 2 s."""
    core = initiator().logged_on()
    core.tell(LogoutCommand())
    assert core.pass_time(1.9) == []
    assert core.pass_time(0.2) == ["logged out", "close: no reply to our Logout in time"]


def test_a_logout_in_answer_to_our_logon_is_a_refusal() -> None:
    """1B d: the number counts if it was the expected one."""
    core = initiator()
    core.tell(LinkUp("peer"))
    assert core.receive("5", 1, "58=go away|") == [
        "alert logon-refused", "close: Logon refused by the peer: go away",
    ]  # fmt: skip
    assert core.state.next_in == 2


def test_reset_on_logout_and_disconnect() -> None:
    """The next numbers are 1 in a new epoch."""
    core = acceptor(reset_on_logout=True).logged_on()
    core.receive("5", 2)
    assert numbers(core) == (2, 1, 1)
    core = acceptor(reset_on_disconnect=True).logged_on()
    core.tell(LinkDown("x"))
    assert numbers(core) == (2, 1, 1)


def test_numbers_are_reserved_ahead_of_the_first_logon() -> None:
    """P5: the reservation is in the same, fsynced step as the first number it covers."""
    core = initiator(reservation_block=10)
    core.tell(LinkUp("peer"))
    assert core.events(Reserved) == [Reserved(1, 10)]
    assert core.last.sync


def test_a_received_789_below_our_next_number_is_answered_unasked() -> None:
    """Rule 10: retransmit, gap-filling over our Logon."""
    core = acceptor().logged_on()
    core.receive("1", 2, "112=a|")
    core.tell(LinkDown("x"))
    core.tell(LinkUp("peer"))
    core.receive("A", 3, "98=0|108=30|789=2|")
    assert core.tell(Authenticated(True))[-1] == "fetch 2-3 of epoch 1"


def test_a_received_789_equal_to_our_next_number_needs_nothing() -> None:
    """Rule 10."""
    core = acceptor()
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|789=1|")
    assert core.tell(Authenticated(True)) == ["35=A|34=1|98=0|108=30|", "logged on"]


def test_a_received_789_above_our_next_number_is_a_finding_and_a_logout() -> None:
    """Rules 7, 10: evidence of our own loss."""
    core = acceptor()
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|789=7|141=Y|")
    shown = core.tell(Authenticated(True))
    assert shown[0] == "alert peer-ahead"
    assert "58=NextExpectedMsgSeqNum too high, expecting 1 but received 7|" in shown[1]
    assert numbers(core) == (1, 2, 1), "a Logon that fails moves nothing"


def test_789_sent_by_us_waits_instead_of_asking() -> None:
    """Rule 10: no ResendRequest at once, but after a timer; our reply counts the Logon."""
    core = acceptor(send_next_expected=True)
    core.tell(LinkUp("peer"))
    core.receive("A", 3, "98=0|108=0|")
    assert core.tell(Authenticated(True)) == ["35=A|34=1|98=0|108=0|789=1|", "logged on"]
    assert core.pass_time(29) == []
    assert core.pass_time(2) == ["35=2|34=2|7=1|16=0|"]
    core = acceptor(send_next_expected=True)
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=0|")
    assert core.tell(Authenticated(True))[0] == "35=A|34=1|98=0|108=0|789=2|"


def test_789_is_no_field_of_earlier_versions() -> None:
    """Rule 9: 789 from 4.4 and FIXT."""
    core = initiator("FIX.4.2", send_next_expected=True)
    assert core.tell(LinkUp("peer")) == ["35=A|34=1|98=0|108=30|"]


def test_a_verdict_on_a_session_that_says_goodbye_is_ignored() -> None:
    """We logged out while the peer's reset was judged: nothing is reset any more."""
    core = acceptor().logged_on()
    core.receive("A", 1, "98=0|108=30|141=Y|")
    core.tell(LogoutCommand())
    assert core.tell(Authenticated(True)) == []
    assert core.state.epoch == 1
    assert core.receive("5", 2)[-1] == "close: Logout answered by the peer"


def test_a_reset_held_behind_a_logon_is_authenticated_in_its_turn() -> None:
    """Two Logons ahead of the verdict: one verdict each, and what follows waits for the second."""
    core = acceptor()
    core.tell(LinkUp("peer"))
    core.receive("A", 1, "98=0|108=30|")
    core.receive("A", 1, "98=0|108=30|141=Y|")
    core.receive("D", 2, "11=a|")
    assert core.tell(Authenticated(True)) == ["35=A|34=1|98=0|108=30|", "logged on", "ask"]
    assert core.tell(Authenticated(True)) == ["35=A|34=1|98=0|108=30|141=Y|", "deliver 2"]
    assert numbers(core) == (2, 2, 3)


def test_a_reply_to_our_reset_must_start_at_one() -> None:
    """A higher number is a gap; a lower one is an error."""
    for seq, shown in ((3, "35=2|34=2|7=1|16=0|"), (0, "35=5|34=2|58=MsgSeqNum too low")):
        core = initiator().logged_on()
        core.tell(ResetCommand("ann", "x"))
        core.receive("0", 2, "112=RESET|")
        assert core.receive("A", seq, "98=0|108=30|141=Y|")[0].startswith(shown)


def test_a_logout_during_our_reset_ends_it() -> None:
    """The peer's goodbye still belongs to the epoch before; the new one stays."""
    core = initiator().logged_on()
    core.tell(ResetCommand("ann", "x"))
    core.receive("0", 2, "112=RESET|")
    assert core.receive("5", 3)[0] == "35=5|34=2|"
    assert numbers(core) == (2, 3, 1)
    assert core.state.old_in == 0
