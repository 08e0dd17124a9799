"""Messages as an application builds and receives them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from durafix.engine.wire import Message, encode, parse
from durafix.engine.wire.errors import BadType, BadValue, ReservedTag

from .samples import ORDER, PARTIES, seal


def order() -> Message:
    """The order of the design's example."""
    now = datetime(2024, 2, 29, 12, tzinfo=UTC)
    return Message(
        "D",
        {11: "c1", 21: "1", 55: "MSFT", 54: "1", 38: 100, 40: "1", 60: now, 44: Decimal("1.50")},
    )


def test_a_built_message_reads_like_a_received_one() -> None:
    """Before it is sent it has no number and no bytes."""
    message = order()
    assert message.type == "D" and message[38] == "100" and message.decimal(44) == Decimal("1.50")
    assert message.get(39) is None and 55 in message
    assert (message.raw, message.seq_num, message.event_number, message.redelivered) == (
        b"",
        -1,
        0,
        False,
    )
    assert not message.poss_dup and not message.poss_resend and message.earlier_sends == ()
    assert Message("D", {97: True}).poss_resend
    assert Message("D", {453: [{448: "x"}, {448: "y"}]}).groups(453)[1][448] == "y"
    assert Message("0").body_fields() == [] and Message("0")


def test_body_fields_are_what_is_sent() -> None:
    """In the order of the wire, ascending or as given."""
    assert [tag for tag, _ in order().body_fields()] == [11, 21, 38, 40, 44, 54, 55, 60]
    fields = [(60, "t"), (50, "s"), (11, "c")]
    assert Message("D", fields, order="given").body_fields() == [(50, b"s"), (60, b"t"), (11, b"c")]
    assert Message("D", fields).fields() == [(50, b"s"), (11, b"c"), (60, b"t")]


def test_a_message_survives_the_wire() -> None:
    """Built, encoded, parsed, wrapped: the same body."""
    sent = Message(
        "D", {11: "c", 453: [{448: "x", 447: "D"}, {448: "y", 447: "D"}], 96: b"a\x01b", 58: "né"}
    )
    raw = encode(b"FIX.4.4", [(35, b"D"), (34, b"7"), *sent.body_fields()])
    got = Message.from_frame(parse(raw), event_number=12, redelivered=True, earlier_sends=["a"])
    assert got.body_fields() == sent.body_fields()
    assert (got.type, got.raw, got.seq_num) == ("D", raw, 7)
    assert (got.event_number, got.redelivered, got.earlier_sends) == (12, True, ("a",))
    assert got[58] == "né" and got.bytes_(96) == b"a\x01b"


def test_a_received_message_can_be_sent_back() -> None:
    """Without the fields of the session, its texts untouched, its body in the order of the wire."""
    body = "35=D|34=7|43=Y|49=B|56=S|52=20240229-12:00:00|122=20240229-11:00:00|369=3|"
    message = Message.from_frame(parse(seal(body + "97=Y|50=sub|38=002000.00|11=c|453=1|448=x|")))
    assert message.poss_dup and message.poss_resend
    assert message.body_fields() == [
        (50, b"sub"),
        (97, b"Y"),
        (38, b"002000.00"),
        (11, b"c"),
        (453, b"1"),
        (448, b"x"),
    ]


@pytest.mark.parametrize("raw", [ORDER, PARTIES])
def test_a_received_message_shows_every_field(raw: bytes) -> None:
    """The header and the trailer too."""
    assert Message.from_frame(parse(raw)).fields() == parse(raw).fields()


@pytest.mark.parametrize(
    ("type", "error"),
    [
        ("", BadValue),
        ("D\x01", BadValue),
        ("x" * 17, BadValue),
        ("é", BadValue),
        (b"D", BadType),
        (None, BadType),
    ],
)
def test_a_type_is_short_printable_text(type: Any, error: type[Exception]) -> None:
    """It goes into 35 as it is."""
    with pytest.raises(error):
        Message(type)


def test_wrong_arguments_are_refused() -> None:
    """With the built-in error that a Python programmer expects."""
    with pytest.raises(ReservedTag, match="numbers"):
        Message("D", {34: 1})
    with pytest.raises(TypeError, match="float"):
        Message("D", {38: 1.5})  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="order"):
        Message("D", order="sorted")  # type: ignore[arg-type]


def test_its_text_shows_no_field() -> None:
    """Logs are read by more people than messages."""
    assert repr(Message("A", {554: "secret"})) == "<Message A 1 fields>"
    assert repr(Message.from_frame(parse(ORDER))) == "<Message D 34=7>"


def test_messages_take_no_other_attributes() -> None:
    """A misspelt attribute is an error."""
    with pytest.raises(AttributeError):
        order().seqnum = 5  # type: ignore[attr-defined]
