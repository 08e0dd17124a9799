"""Application messages out, and handlers that finished."""

from __future__ import annotations

import pytest

from durafix.engine.session.effects import SendBytes
from durafix.engine.session.events import Cursor, Out, Reserved
from durafix.engine.session.fold import EngineFold, EngineState
from durafix.engine.session.identity import SessionId
from durafix.engine.session.inputs import HandlerDone, LinkUp, LogoutCommand, Send
from durafix.engine.session.settings import SessionSettings
from durafix.engine.wire.framing import parse
from durafix.journal.record import Flag, Record

from .kit import Core, acceptor, initiator, split


def send(core: Core, body: str = "11=a|", **more: object) -> list[str]:
    """An order."""
    return core.tell(Send(b"D", split(body), **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("role", [acceptor, initiator])
def test_a_message_is_numbered_journaled_and_sent(role: object) -> None:
    """One OUT record is the input and the event of its step."""
    core = role().logged_on()  # type: ignore[operator]
    number = core.number
    assert send(core) == ["35=D|34=2|11=a|"]
    event = core.events(Out)[0]
    assert (event.seq, event.flags, event.msg_type) == (2, Flag.COMMAND, b"D")
    assert core.records[number - 1].flags & Flag.COMMAND
    assert len(core.records) == number


@pytest.mark.parametrize(
    ("version", "digits"), [("FIX.4.0", 0), ("FIX.4.1", 0), ("FIX.4.2", 4), ("FIX.4.4", 4)]
)
def test_sending_time_has_the_precision_of_the_version(version: str, digits: int) -> None:
    """None for 4.0 and 4.1, milliseconds from 4.2."""
    core = acceptor(version).logged_on()
    core.feed(Send(b"D", split("11=a|")))
    effect = core.last.effects[0]
    assert isinstance(effect, SendBytes)
    assert len(parse(effect.frame)[52]) == 17 + digits


def test_header_fields_of_the_caller_go_into_the_header_in_order() -> None:
    """Rule 29: 50, 57, 97, 115 ... may be set by a caller and stand ascending behind 35."""
    core = acceptor().logged_on()
    core.feed(Send(b"D", split("11=a|97=Y|115=JCD|50=desk|58=x|")))
    effect = core.last.effects[0]
    assert isinstance(effect, SendBytes)
    assert parse(effect.frame).tags() == [8, 9, 35, 34, 49, 50, 52, 56, 97, 115, 11, 58, 10]


def test_sub_and_location_ids_are_written_and_may_be_replaced() -> None:
    """50, 57, 142, 143 from the session's id."""
    session = SessionId("FIX.4.4", "ISLD", "TW", "SUB", "LOC", "TSUB", "TLOC")
    core = Core(SessionSettings(session, "acceptor")).logged_on()
    core.feed(Send(b"D", split("11=a|50=other|")))
    effect = core.last.effects[0]
    assert isinstance(effect, SendBytes)
    frame = parse(effect.frame)
    assert frame.tags() == [8, 9, 35, 34, 49, 50, 52, 56, 57, 142, 143, 11, 10]
    assert (frame[50], frame[57], frame[142]) == (b"other", b"TSUB", b"LOC")


@pytest.mark.parametrize("tag", [8, 9, 10, 34, 35, 43, 49, 52, 56, 122, 369])
def test_fields_of_the_session_are_refused(tag: int) -> None:
    """Rule 29."""
    core = acceptor().logged_on()
    send(core, f"11=a|{tag}=1|")
    assert core.last.refusal is not None and core.last.refusal.code == "forbidden-field"


def test_no_message_goes_out_while_logged_out() -> None:
    """Rule 25: refused with NotLoggedOn, not queued."""
    core = acceptor()
    send(core)
    assert core.last.refusal is not None and core.last.refusal.code == "not-logged-on"
    core.logged_on().tell(LogoutCommand())
    send(core)
    assert core.last.refusal is not None and core.last.refusal.code == "not-logged-on"


def test_a_message_waits_while_the_logon_is_not_finished() -> None:
    """The runtime parks it and tries again."""
    core = initiator()
    core.tell(LinkUp("peer"))
    send(core)
    assert core.last.refusal is not None and core.last.refusal.code == "wait"


def test_a_known_key_gives_the_first_receipt() -> None:
    """Rule 23: a redelivered order is not executed twice; across a restart too."""
    core = acceptor().logged_on()
    number = core.number
    send(core, key=b"ack-1")
    send(core, key=b"ack-1")
    assert core.last.refusal is not None
    assert core.last.refusal.code == "duplicate"
    assert (core.last.refusal.event, core.last.refusal.seq) == (number, 2)
    core.restart()
    send(core, key=b"ack-1")
    assert core.last.refusal is not None and core.last.refusal.event == number


def test_keys_are_bounded_first_in_first_out() -> None:
    """P11: the oldest key is forgotten."""
    core = acceptor(keys_max=2).logged_on()
    for key in (b"a", b"b", b"c"):
        send(core, key=key)
    assert list(core.state.keys) == [b"b", b"c"]


def test_what_a_handler_sent_is_kept_with_its_message_until_it_is_done() -> None:
    """Rule 23: message.earlier_sends after a crash; cursor order is the order of delivery."""
    core = acceptor().logged_on()
    core.receive("D", 2, "11=a|")
    first = core.number - 1
    core.receive("D", 3, "11=b|")
    send(core, cause=first)
    assert core.state.pending == {first: [(core.number - 1, 2)], first + 1: []}
    core.restart()
    assert list(core.state.pending) == [first, first + 1]
    assert core.state.frames[first][11] == b"a"
    core.tell(HandlerDone(first, 2, "done"))
    assert list(core.state.pending) == [first + 1]


def test_a_finished_handler_is_an_event_of_its_own() -> None:
    """The cursor is durable progress; done twice, or for nothing, is nothing."""
    core = acceptor().logged_on()
    core.receive("D", 2, "11=a|")
    event = core.number - 1
    core.tell(HandlerDone(event, 2, "done"))
    assert core.events() == [Cursor(event, 2, "done")]
    core.tell(HandlerDone(event, 2, "done"))
    assert not core.last.events


@pytest.mark.parametrize(
    ("version", "answer"),
    [
        ("FIX.4.4", "35=j|34=2|45=2|58=Unsupported Message Type|372=8|380=3|"),
        ("FIX.4.2", "35=j|34=2|45=2|58=Unsupported Message Type|372=8|380=3|"),
        ("FIX.4.1", "35=3|34=2|45=2|58=Unsupported message type|"),
        ("FIX.4.0", "35=3|34=2|45=2|58=Unsupported message type|"),
    ],
)
def test_a_refusal_is_answered_as_the_version_has_it(version: str, answer: str) -> None:
    """2r and rule 24: BusinessMessageReject from 4.2, else Reject."""
    core = acceptor(version).logged_on()
    core.receive("8", 2, "37=id|")
    assert core.tell(HandlerDone(core.number - 1, 2, "refused", code=3)) == [answer]


def test_a_refusal_in_the_callers_own_words() -> None:
    """Refuse(reason): 58 as given, 380=0."""
    core = acceptor().logged_on()
    core.receive("D", 2, "11=a|", t115="JCD")
    shown = core.tell(HandlerDone(core.number - 1, 2, "refused", "no credit"))
    assert shown == ["35=j|34=2|128=JCD|45=2|58=no credit|372=D|380=0|"]


def test_a_refusal_while_logged_out_is_not_sent_but_said() -> None:
    """The cursor moves; a person learns of it."""
    core = acceptor().logged_on()
    core.receive("D", 2, "11=a|")
    event = core.number - 1
    core.receive("5", 3)
    assert core.tell(HandlerDone(event, 2, "refused", "no")) == ["alert refusal-unsent"]


def test_a_parked_message_is_given_up_with_an_alert() -> None:
    """Rule 24."""
    core = acceptor().logged_on()
    core.receive("D", 2, "11=a|")
    event = core.number - 1
    assert core.tell(HandlerDone(event, 2, "parked", "database")) == ["alert parked"]
    assert not core.state.pending


@pytest.mark.parametrize("block", [1, 2, 10])
def test_a_number_is_reserved_before_it_is_used(block: int) -> None:
    """P5: each number lies within the bound at the start of its step, and the refill is fsynced."""
    core = acceptor(reservation_block=block).logged_on()
    for _ in range(25):
        assert core.state.next_out <= core.state.reserved
        send(core)
        assert core.last.sync == bool(core.events(Reserved))


def test_a_refusal_on_fixt_names_the_application_version() -> None:
    """1137 with the BusinessMessageReject."""
    core = acceptor("FIXT.1.1", default_appl_ver_id="9").logged_on("98=0|108=30|1137=9|")
    core.receive("8", 2, "37=id|")
    shown = core.tell(HandlerDone(core.number - 1, 2, "refused", code=3))
    assert shown == ["35=j|34=2|45=2|58=Unsupported Message Type|372=8|380=3|1137=9|"]


def test_a_password_that_we_send_is_on_the_wire_and_not_in_the_journal() -> None:
    """Rule 30, outbound: the journal has asterisks, flagged so that the frame is never resent."""
    core = acceptor().logged_on()
    core.feed(Send(b"BE", split("923=u1|924=1|553=me|554=hunter2|95=3|96=abc|")))
    effect = core.last.effects[0]
    assert isinstance(effect, SendBytes)
    assert parse(effect.frame)[554] == b"hunter2" and parse(effect.frame)[96] == b"abc"
    assert b"hunter2" not in b"".join(record.payload for record in core.records)
    stored = next(record for record in core.records if record.flags & Flag.REDACTED)
    head = int.from_bytes(stored.payload[:2], "little")
    kept = parse(stored.payload[head:])
    assert (kept[553], kept[554], kept[96]) == (b"me", b"*******", b"***")
    assert EngineFold().rerun(before(core, stored), [stored]) == [stored.draft]


def before(core: Core, stop: Record) -> EngineState:
    """The state folded from everything ahead of one record."""
    fold, state = EngineFold(), EngineFold().initial()
    for record in core.records:
        if record.event >= stop.event:
            break
        fold.apply(state, record)
    return state
