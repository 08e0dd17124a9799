"""Typed reading and repeating groups."""

from __future__ import annotations

from decimal import Decimal

import pytest

from durafix.engine.wire import Message, parse
from durafix.engine.wire.errors import BadValue, MissingTag
from durafix.engine.wire.reading import Group

from .samples import ORDER, PARTIES, seal


def received(body: str) -> Message:
    """A received message with this body."""
    return Message.from_frame(parse(seal("35=D|34=1|" + body)))


def test_values_are_read_as_what_is_asked_for() -> None:
    """Text untouched, numbers exact, time in nanoseconds."""
    message = Message.from_frame(parse(ORDER))
    assert message[38] == "002000.00" and message.bytes_(38) == b"002000.00"
    assert message.decimal(38) == Decimal("2000.00") and str(message.decimal(44)) == "12.50"
    assert message.int_(54) == 1
    assert message.timestamp_ns(60) == 1_709_208_000_000_000_000
    assert received("141=Y|").bool_(141) is True
    assert message.get(39) is None and message.get(39, "0") == "0" and message.get(55) == "MSFT"
    assert 55 in message and 39 not in message and "55" not in message
    assert list(message)[:4] == [8, 9, 35, 34]


def test_bytes_that_are_no_utf8_survive() -> None:
    """As text and back."""
    message = received("58=caf\xe9|")
    assert message.bytes_(58) == b"caf\xe9"
    assert Message("B", {58: message[58]}).bytes_(58) == b"caf\xe9"


def test_a_missing_tag_names_itself() -> None:
    """The engine answers it on the wire, so it carries the tag and the text for 58."""
    message = Message.from_frame(parse(ORDER))
    for read in (
        message.__getitem__,
        message.bytes_,
        message.int_,
        message.decimal,
        message.bool_,
        message.timestamp_ns,
    ):
        with pytest.raises(MissingTag) as caught:
            read(39)
        assert caught.value.tag == 39 and str(caught.value) == "Required tag missing: 39"
        assert isinstance(caught.value, KeyError)


def test_text_of_another_type_names_its_tag() -> None:
    """A peer's fault, so no traceback of ours."""
    message = received("38=ten|60=now|141=1|")
    for read, tag in (
        (message.int_, 38),
        (message.decimal, 38),
        (message.timestamp_ns, 60),
        (message.bool_, 141),
    ):
        with pytest.raises(BadValue) as caught:
            read(tag)
        assert caught.value.where == f"tag {tag}"


def rows(groups: list[Group]) -> list[dict[int, str]]:
    return [{tag: group[tag] for tag in group} for group in groups]


def test_groups_with_members_are_exact() -> None:
    """The last instance takes a member that no earlier one has, and stops at what is none."""
    groups = Message.from_frame(parse(PARTIES)).groups(453, [448, 447, 452])
    assert rows(groups) == [{448: "x", 447: "D"}, {448: "y", 447: "D", 452: "3"}]


def test_groups_without_members_end_at_a_tag_that_no_instance_had() -> None:
    """All that can be told from the wire alone; the documentation says so."""
    assert rows(Message.from_frame(parse(PARTIES)).groups(453)) == [
        {448: "x", 447: "D"},
        {448: "y", 447: "D"},
    ]


def test_one_instance_without_members_takes_all_up_to_a_repeated_tag() -> None:
    """Honest, and the reason to pass members."""
    assert rows(received("453=1|448=x|447=D|58=t|").groups(453)) == [{448: "x", 447: "D", 58: "t"}]
    assert rows(received("453=1|448=x|447=D|58=t|").groups(453, {448, 447})) == [
        {448: "x", 447: "D"}
    ]
    assert rows(received("453=1|448=x|447=D|447=E|58=t|").groups(453)) == [{448: "x", 447: "D"}]
    assert rows(received("453=1|448=x|93=1|89=s|").groups(453)) == [{448: "x"}]


def test_nested_groups_are_read_from_their_instance() -> None:
    """An instance reads as a message does."""
    message = received(
        "453=2|448=x|447=D|802=2|523=a|803=1|523=b|803=2|448=y|447=D|802=1|523=c|803=3|58=t|"
    )
    outer = message.groups(453, [448, 447, 802, 523, 803])
    assert [group[448] for group in outer] == ["x", "y"]
    assert [rows(group.groups(802, [523, 803])) for group in outer] == [
        [{523: "a", 803: "1"}, {523: "b", 803: "2"}],
        [{523: "c", 803: "3"}],
    ]
    assert repr(outer[1]) == "<Group 448 447 802 523 803>"


def test_no_group_and_an_empty_one_are_empty() -> None:
    """454=0 is legal (conformance 21)."""
    message = received("454=0|58=t|")
    assert (
        message.groups(453) == [] and message.groups(454) == [] and message.groups(454, [455]) == []
    )


@pytest.mark.parametrize("members", [None, [448, 447]])
@pytest.mark.parametrize(
    "body",
    [
        "453=3|448=x|448=y|58=t|",
        "453=1|448=x|448=y|58=t|",
        "453=2|",
        "453=-1|448=x|",
        "453=x|448=x|",
        "453=999999999|448=x|",
    ],
)
def test_a_wrong_count_is_an_error(body: str, members: list[int] | None) -> None:
    """Never fewer or more instances than announced, silently."""
    with pytest.raises(BadValue) as caught:
        received(body).groups(453, members)
    assert caught.value.where == "tag 453"
