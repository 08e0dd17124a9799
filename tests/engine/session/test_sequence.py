"""The expected number: high, low, in sequence, filled, reset."""

from __future__ import annotations

import pytest

from durafix.engine.session.events import Dequeued, In, Superseded
from durafix.engine.session.inputs import LogoutCommand
from durafix.journal.record import Flag

from .kit import acceptor, initiator


@pytest.mark.parametrize("role", [acceptor, initiator])
def test_messages_in_sequence_are_delivered(role: object) -> None:
    """2a."""
    core = role().logged_on()  # type: ignore[operator]
    assert core.receive("D", 2, "11=a|") == ["deliver 2"]
    assert core.receive("0", 3) == []
    assert core.receive("D", 4, "11=b|") == ["deliver 4"]
    assert core.state.next_in == 5


def test_a_gap_is_asked_for_once_and_the_queue_follows_in_order() -> None:
    """2b: ResendRequest to infinity; queued frames are handled in order when it is filled."""
    core = acceptor().logged_on()
    assert core.receive("D", 4, "11=c|") == ["35=2|34=2|7=2|16=0|"]
    assert core.events(In)[0].flags == Flag.QUEUED
    assert core.receive("1", 5, "112=x|") == []
    assert core.receive("D", 2, "11=a|", t43="Y", t122="20250615-15:06:40") == ["deliver 2"]
    assert core.receive("D", 3, "11=b|", t43="Y", t122="20250615-15:06:40") == [
        "deliver 3", "deliver 4", "35=0|34=3|112=x|",
    ]  # fmt: skip
    assert core.state.next_in == 6
    assert core.state.gap == "none"
    assert [event.seq for event in core.events(Dequeued)] == [4, 5]


@pytest.mark.parametrize(
    ("version", "end"), [("FIX.4.0", 999999), ("FIX.4.1", 999999), ("FIX.4.2", 0), ("FIX.4.4", 0)]
)
def test_infinity_is_written_as_the_version_wants_it(version: str, end: int) -> None:
    """Rule 8."""
    core = acceptor(version).logged_on()
    assert core.receive("0", 9) == [f"35=2|34=2|7=2|16={end}|"]


def test_low_seqnum_without_possdup_logs_out() -> None:
    """2c: Logout with both numbers, then X at once."""
    core = acceptor().logged_on()
    core.receive("0", 2)
    shown = core.receive("0", 2)
    assert shown[0] == "35=5|34=2|58=MsgSeqNum too low, expecting 3 but received 2|"
    assert shown[-1].startswith("close")
    assert core.state.next_in == 3


def test_a_possdup_copy_is_ignored() -> None:
    """2e: decided by number in folded state (rule 3), out of the index."""
    core = acceptor().logged_on()
    core.receive("D", 2, "11=a|")
    assert core.receive("D", 2, "11=a|", t43="Y", t122="20250615-15:06:40") == []
    assert core.events(In)[0].flags == Flag.COPY
    assert core.state.next_in == 3


def test_a_low_possdup_without_origsendingtime_is_rejected() -> None:
    """2g: 371=122, and the number is not consumed."""
    core = acceptor().logged_on()
    core.receive("D", 2, "11=a|")
    assert core.receive("D", 2, "11=a|", t43="Y") == [
        "35=3|34=2|45=2|58=Required tag missing|371=122|372=D|373=1|"
    ]
    assert core.state.next_in == 3


def test_a_possdup_whose_original_is_later_is_rejected_and_logged_out() -> None:
    """2f: S 10, L."""
    core = acceptor().logged_on()
    core.receive("D", 2, "11=a|")
    assert core.receive("D", 2, "11=a|", t43="Y", t122="20250615-15:06:50") == [
        "35=3|34=2|45=2|58=SendingTime accuracy problem|372=D|373=10|", "35=5|34=3|",
    ]  # fmt: skip
    assert core.receive("5", 3)[-1].startswith("close")


def test_a_low_gapfill_with_possdup_needs_no_origsendingtime() -> None:
    """Rule 2, and a copy of a GapFill is no reason to disconnect."""
    core = acceptor().logged_on()
    assert core.receive("4", 1, "36=20|123=Y|", t43="Y") == []
    assert core.state.next_in == 2


def test_a_low_gapfill_without_possdup_logs_out() -> None:
    """10d."""
    core = acceptor().logged_on()
    assert "too low, expecting 2 but received 1" in core.receive("4", 1, "36=20|123=Y|")[0]


def test_a_gapfill_moves_the_number() -> None:
    """10b."""
    core = acceptor().logged_on()
    core.receive("4", 2, "36=20|123=Y|")
    assert core.receive("1", 20, "112=x|") == ["35=0|34=2|112=x|"]


def test_a_high_gapfill_is_asked_for_first() -> None:
    """10a."""
    core = acceptor().logged_on()
    assert core.receive("4", 10, "36=20|123=Y|") == ["35=2|34=2|7=2|16=0|"]
    assert core.receive("1", 20, "112=x|") == []
    assert core.receive("4", 2, "36=10|123=Y|", t43="Y") == ["35=0|34=3|112=x|"]
    assert core.state.next_in == 21


def test_a_gapfill_that_goes_nowhere_is_rejected_and_counts() -> None:
    """10e: NewSeqNo not above MsgSeqNum."""
    core = acceptor().logged_on()
    assert "371=36|372=4|373=5|" in core.receive("4", 2, "36=2|123=Y|")[0]
    assert core.state.next_in == 3
    assert "58=Required tag missing|371=36" in core.receive("4", 3, "123=Y|")[0]


def test_a_gapfill_supersedes_what_it_jumps_over() -> None:
    """Rule 2: a queued message is dropped, journaled as superseded."""
    core = acceptor().logged_on()
    core.receive("D", 4, "11=c|")
    assert core.receive("4", 2, "36=6|123=Y|", t43="Y") == []
    assert core.events(Superseded)[0].seqs == (4,)
    assert core.state.next_in == 6
    assert not core.state.queue and core.state.queue_bytes == 0


@pytest.mark.parametrize("flag", ["", "123=N|"])
def test_a_reset_raises_the_number_whatever_its_own(flag: str) -> None:
    """11a, 11b."""
    core = acceptor().logged_on()
    assert core.receive("4", 0, "36=25|" + flag) == []
    assert core.receive("4", 0, "36=25|" + flag) == []
    assert core.receive("1", 25, "112=x|") == ["35=0|34=2|112=x|"]


def test_a_reset_may_not_lower_the_number() -> None:
    """11c: S 5 without 371, 45 = its own 34."""
    core = acceptor().logged_on()
    assert core.receive("4", 0, "36=1|") == [
        "35=3|34=2|45=0|58=Value is incorrect (out of range) for this tag|372=4|373=5|"
    ]
    assert core.state.next_in == 2


def test_a_reset_ends_the_gap_and_the_queue() -> None:
    """The peer goes on elsewhere: what is queued was sent under numbers that it uses anew."""
    core = acceptor().logged_on()
    core.receive("D", 9, "11=c|")
    core.receive("4", 0, "36=5|")
    assert core.state.gap == "none" and not core.state.queue
    assert core.receive("D", 5, "11=d|") == ["deliver 5"]


@pytest.mark.parametrize("seq", [2, 5, 1])
def test_a_resend_request_is_answered_whatever_its_number(seq: int) -> None:
    """Rules 1, 14: a high one first, then ours; a low one all the same."""
    core = acceptor().logged_on()
    shown = core.receive("2", seq, "7=1|16=0|")
    assert shown[0] == "fetch 1-1 of epoch 1"
    assert shown[1:] == (["35=2|34=2|7=2|16=0|"] if seq == 5 else [])
    assert core.state.next_in == (3 if seq == 2 else 2)


def test_a_high_resend_request_is_not_answered_again_from_the_queue() -> None:
    """Rule 14."""
    core = acceptor().logged_on()
    core.receive("2", 3, "7=1|16=1|")
    assert core.receive("0", 2, t43="Y", t122="20250615-15:06:40") == []
    assert core.state.next_in == 4


@pytest.mark.parametrize("seq", [2, 5, 1])
def test_a_reject_is_taken_whatever_its_number(seq: int) -> None:
    """Rules 1 and 7_ReceiveReject: it is noted, never answered with a Logout or a Reject."""
    core = acceptor().logged_on()
    shown = core.receive("3", seq, "45=1|58=bad|")
    assert shown[0] == "alert peer-reject"
    assert core.state.next_in == (3 if seq == 2 else 2)


def test_a_faulty_reject_is_not_rejected() -> None:
    """Two engines that reject each other's Rejects would never end."""
    core = acceptor().logged_on()
    assert core.receive("3", 2, "45=1|", t52="nonsense") == []
    assert core.state.next_in == 3


def test_the_queue_is_bounded_and_what_found_no_room_is_asked_for_again() -> None:
    """P11: dropped, said so, and the gap stays open until it came."""
    core = acceptor(queue_bytes_max=100).logged_on("98=0|108=0|")
    core.receive("D", 3, "11=b|")
    core.receive("D", 4, "11=c|")
    assert core.shown(core.last) == ["alert queue-full"]
    assert core.events(Superseded)[0].seqs == (4,)
    assert core.receive("D", 2, "11=a|", t43="Y") == ["deliver 2", "deliver 3"]
    assert core.state.gap == "asked" and core.state.next_in == 4
    assert core.pass_time(31) == ["35=2|34=3|7=4|16=0|"]
    assert core.receive("D", 4, "11=c|", t43="Y") == ["deliver 4"]
    assert core.state.gap == "none"


def test_a_frame_that_just_fits_the_queue_is_kept() -> None:
    """The bound is inclusive."""
    size = len(acceptor().peer("D", 4, "11=c|").raw)
    for room, kept in ((size, 1), (size - 1, 0)):
        core = acceptor(queue_bytes_max=room).logged_on()
        core.receive("D", 4, "11=c|")
        assert len(core.state.queue) == kept


def test_a_second_frame_under_a_queued_number_is_a_copy() -> None:
    """Rule 3."""
    core = acceptor().logged_on()
    core.receive("D", 4, "11=c|")
    core.receive("D", 4, "11=c|", t43="Y")
    assert core.events(In)[0].flags == Flag.COPY
    assert len(core.state.queue) == 1


def test_a_queue_is_superseded_when_the_link_goes() -> None:
    """Nothing is dropped silently: it is asked for again at the next logon."""
    core = acceptor().logged_on()
    core.receive("D", 4, "11=c|")
    core.receive("5", 5)
    assert core.events(Superseded)[0].seqs == (4,)


def test_simultaneous_resend_requests() -> None:
    """20: our own is open, the peer's is answered first."""
    core = acceptor().logged_on()
    core.receive("0", 7)
    assert core.receive("2", 8, "7=1|16=1|") == ["fetch 1-1 of epoch 1"]
    assert core.receive("4", 2, "36=9|123=Y|", t43="Y") == []
    assert core.state.next_in == 9


def test_a_gapfill_of_one_number_is_that_number() -> None:
    """36 = 34 + 1: nothing more to move."""
    core = acceptor().logged_on()
    assert core.receive("4", 2, "36=3|123=Y|") == []
    assert len(core.last.events) == 1 and core.state.next_in == 3


def test_a_low_possdup_with_a_malformed_origsendingtime_is_rejected() -> None:
    """2g, 14f."""
    core = acceptor().logged_on()
    assert "58=Incorrect data format for value|371=122|" in core.receive(
        "D", 1, "11=a|", t43="Y", t122="noon"
    )[0]  # fmt: skip


def test_a_low_frame_after_our_logout_closes_without_a_second_one() -> None:
    """One goodbye is enough."""
    core = acceptor().logged_on()
    core.tell(LogoutCommand())
    assert core.receive("0", 1)[0] == "alert seq-too-low"
    assert core.state.link == "down"


def test_nothing_is_asked_for_after_our_logout() -> None:
    """The gap is asked for at the next logon (rule 2)."""
    core = acceptor().logged_on()
    core.tell(LogoutCommand())
    assert core.receive("D", 5, "11=a|") == []
