"""Judging a frame inside a session: faults, and the order in which they are looked for."""

from __future__ import annotations

import pytest

from durafix.engine.session.check import Violation
from durafix.engine.session.effects import SendBytes
from durafix.engine.session.events import In, LivenessChanged, Noted
from durafix.engine.session.inputs import LinkUp, Received
from durafix.engine.session.step import step
from durafix.engine.wire.framing import Frame
from durafix.journal.record import Flag

from .kit import acceptor, initiator, show


def test_a_frame_without_a_link_leaves_no_trace() -> None:
    """Rule 21: no event, no state, no record."""
    core = acceptor()
    core.receive("0", 1)
    assert not core.last.events and not core.last.effects


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        ({"t56": "-"}, "58=Required tag missing|371=56|372=0|373=1|"),
        ({"t49": "-"}, "58=Required tag missing|371=49|372=0|373=1|"),
        ({"t52": "-"}, "58=Required tag missing|371=52|372=0|373=1|"),
        ({"t49": ""}, "58=Tag specified without a value|371=49|372=0|373=4|"),
        ({"t52": "yesterday"}, "58=Incorrect data format for value|371=52|372=0|373=6|"),
    ],
)
def test_a_bad_header_field_is_rejected_and_the_number_counts(
    frame: dict[str, str], answer: str
) -> None:
    """14b, 14d, 14f for the fields of the session itself."""
    core = acceptor().logged_on()
    assert core.receive("0", 2, **frame) == ["35=3|34=2|45=2|" + answer]
    assert core.state.next_in == 3


@pytest.mark.parametrize(
    "field", ["34=2", "49=TW", "52=20250615-15:06:40", "56=ISLD"], ids=lambda field: field[:2]
)
def test_a_header_field_that_stands_there_twice_is_rejected(field: str) -> None:
    """14h for the fields of the session itself."""
    core = acceptor().logged_on()
    assert core.receive("0", 2, field + "|") == [
        f"35=3|34=2|45=2|58=Tag appears more than once|371={field[:2]}|372=0|373=13|"
    ]


@pytest.mark.parametrize("seq", ["-", "x", "-1", "1" * 19])
def test_a_message_without_a_usable_number_ends_the_session(seq: str) -> None:
    """It can be neither ordered nor asked for again: Logout, close."""
    core = acceptor().logged_on()
    shown = core.receive("0", 2, t34=seq)
    assert shown[0] == "35=5|34=2|58=MsgSeqNum missing or no number|"
    assert shown[-1].startswith("close")
    assert core.state.next_in == 2


@pytest.mark.parametrize("frame", [{"t49": "WT"}, {"t56": "DLSI"}])
@pytest.mark.parametrize(
    ("version", "numbers"),
    [("FIX.4.4", "372=D|373=9|"), ("FIX.4.2", "372=D|373=9|"), ("FIX.4.0", "")],
)
def test_a_wrong_comp_id_is_rejected_and_logged_out(
    frame: dict[str, str], version: str, numbers: str
) -> None:
    """2k: S 9 without 371, Logout without text, X on the reply."""
    core = acceptor(version).logged_on()
    assert core.receive("D", 2, "11=a|", **frame) == [
        f"35=3|34=2|45=2|58=CompID problem|{numbers}", "35=5|34=3|",
    ]  # fmt: skip
    assert core.receive("5", 3)[-1].startswith("close")


def test_comp_ids_are_not_checked_if_so_configured() -> None:
    """CheckCompID=N."""
    core = acceptor(check_comp_id=False).logged_on()
    assert core.receive("D", 2, "11=a|", t49="WT") == ["deliver 2"]


@pytest.mark.parametrize("time", [-121, 121])
def test_a_sending_time_that_is_off_is_rejected_and_logged_out(time: int) -> None:
    """2o: S 10 without 371, Logout without text."""
    core = acceptor().logged_on()
    assert core.receive("0", 2, time=time) == [
        "35=3|34=2|45=2|58=SendingTime accuracy problem|372=0|373=10|", "35=5|34=3|",
    ]  # fmt: skip
    assert core.state.next_in == 3


@pytest.mark.parametrize("time", [-119, 119])
def test_a_sending_time_within_the_latency_is_taken(time: int) -> None:
    """2n."""
    core = acceptor().logged_on()
    assert core.receive("0", 2, time=time) == []


def test_latency_is_not_checked_if_so_configured() -> None:
    """CheckLatency=N is check_latency_s = 0."""
    core = acceptor(check_latency_s=0).logged_on()
    assert core.receive("0", 2, time=-100_000) == []


def test_another_begin_string_is_logged_out() -> None:
    """2i: Logout with text, X on the reply or after 2 s."""
    core = acceptor().logged_on()
    assert core.receive("1", 2, "112=x|", t8="FIX.4.1") == ["35=5|34=2|58=Incorrect BeginString|"]
    assert core.pass_time(2)[-1] == "close: no reply to our Logout in time"


def test_a_test_request_is_answered_with_its_id() -> None:
    """4b."""
    core = initiator().logged_on()
    assert core.receive("1", 2, "112=HELLO|") == ["35=0|34=2|112=HELLO|"]
    assert "58=Required tag missing|371=112" in core.receive("1", 3)[0]


def test_any_frame_answers_our_test_request() -> None:
    """The liveness machine goes back to alive, with an event."""
    for msg_type, body in (("D", "11=a|"), ("0", "")):
        core = acceptor().logged_on()
        core.pass_time(37)
        assert core.state.liveness == "asked"
        core.receive(msg_type, 2, body)
        assert core.events(LivenessChanged)[0].to == "alive"


def test_369_above_what_we_sent_is_noted_once() -> None:
    """Rule 7: evidence of our own loss."""
    core = acceptor().logged_on()
    assert core.receive("0", 2, t369="1") == []
    assert core.receive("D", 3, "11=a|", t369="9") == ["deliver 3", "alert peer-ahead"]
    assert core.events(Noted)[0].value == 9
    assert core.receive("0", 4, t369="9") == []
    assert core.receive("0", 5, t369="10") == ["alert peer-ahead"]


def test_369_is_no_field_of_earlier_versions() -> None:
    """Rule 9: 369 from 4.2."""
    core = acceptor("FIX.4.1").logged_on()
    assert core.receive("D", 2, "11=a|", t369="9") == ["deliver 2"]


def no_orders(frame: Frame) -> Violation | None:
    """A validator that does not like orders."""
    return Violation(5, 40) if frame.msg_type == b"D" else None


@pytest.mark.parametrize("seq", [2, 7])
def test_a_validator_rejects_ahead_of_the_number(seq: int) -> None:
    """A message with a wrong number and a bad field is rejected for the field."""
    core = acceptor().logged_on()
    frame = core.peer("D", seq, "40=w|", t115="JCD", t116="CS")
    outcome = step(core.state, Received(frame), core.number, core.clock.at, no_orders)
    assert [show(effect) for effect in outcome.effects] == [
        f"35=3|34=2|128=JCD|129=CS|45={seq}|58=Value is incorrect (out of range) for this tag|"
        "371=40|372=D|373=5|"
    ]
    assert isinstance(outcome.effects[0], SendBytes)
    assert core.state.next_in == (3 if seq == 2 else 2)


def test_a_password_reaches_no_event_and_no_state() -> None:
    """Rule 30: masked and flagged, 9 and 10 as they were; only the judge sees it in clear."""
    core = acceptor()
    core.tell(LinkUp("peer"))
    frame = core.peer("A", 1, "98=0|108=30|95=3|96=a\x01b|553=bob|554=secret|")
    outcome = core.feed(Received(frame))
    event = core.events(In)[0]
    assert event.flags & Flag.REDACTED
    assert event.stored[-7:] == frame.raw[-7:]
    assert b"553=bob\x01554=******\x01" in event.stored
    assert b"96=***\x01" in event.stored
    journal = b"".join(record.payload for record in core.records)
    assert b"secret" not in journal and b"a\x01b" not in journal
    assert core.state.waiting is not None and b"secret" not in core.state.waiting[1].raw
    assert outcome.effects[0].frame[554] == b"secret"  # type: ignore[union-attr]


def test_a_validators_verdict_on_a_frame_without_a_number_is_fatal() -> None:
    """A Reject needs a number to refer to."""
    core = acceptor().logged_on()
    frame = core.peer("D", 2, "40=w|", t34="x")
    step(core.state, Received(frame), core.number, core.clock.at, no_orders)
    assert core.state.link == "down"


def test_an_empty_field_is_not_a_missing_one() -> None:
    """14d for the fields of session messages."""
    core = acceptor().logged_on()
    assert "58=Tag specified without a value|371=7|" in core.receive("2", 2, "7=|16=0|")[0]
    assert "58=Tag specified without a value|371=112|" in core.receive("1", 3, "112=|")[0]


def test_a_possresend_is_a_message_like_any_other() -> None:
    """Rule 12: 97=Y has a number of its own and is delivered; the application decides."""
    core = acceptor().logged_on()
    assert core.receive("D", 2, "11=a|", t97="Y") == ["deliver 2"]
