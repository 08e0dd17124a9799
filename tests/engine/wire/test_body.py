"""The fields of a message that is built: order, groups, data fields, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from durafix.engine.wire.body import build
from durafix.engine.wire.errors import BadType, BadValue, ReservedTag
from durafix.engine.wire.tags import SESSION_TAGS


def text(fields: Any, *, ascending: bool = True) -> str:
    """What build gives, in the notation with ``|``."""
    return b"".join(b"%d=%b|" % pair for pair in build(fields, ascending=ascending)).decode(
        "latin-1"
    )


def test_ascending_order_puts_the_header_first() -> None:
    """Header extras ascending, body ascending, signature last."""
    fields = {60: "t", 11: "c", 129: "h", 50: "s", 1128: "9", 89: b"sig", 5001: "u", 1: "a"}
    assert text(fields) == "50=s|129=h|1128=9|1=a|11=c|60=t|5001=u|93=3|89=sig|"


def test_given_order_keeps_the_body_as_it_is() -> None:
    """The header is sorted all the same: it has to come first."""
    fields = [(60, "t"), (129, "h"), (11, "c"), (50, "s"), (1, "a")]
    assert text(fields, ascending=False) == "50=s|129=h|60=t|11=c|1=a|"


def test_groups_are_inline_behind_their_count() -> None:
    """Members in the order given, nested groups too, the whole at the place of the count."""
    fields = {
        58: "end",
        453: [{448: "x", 447: "D", 802: [{523: "s", 803: 1}]}, {448: "y"}],
        454: [],
        11: "c",
    }
    assert text(fields) == "11=c|58=end|453=2|448=x|447=D|802=1|523=s|803=1|448=y|454=0|"


def test_a_group_may_be_written_out_by_hand_in_given_order() -> None:
    """Tags may repeat then."""
    fields: Any = [(453, 2), (448, "x"), (447, "D"), (448, "y"), (447, "D")]
    assert text(fields, ascending=False) == "453=2|448=x|447=D|448=y|447=D|"
    with pytest.raises(BadValue, match="twice") as caught:
        build(fields, ascending=True)
    assert caught.value.where == "tag 448"


def test_a_data_field_gets_its_length_in_front() -> None:
    """At the place of the length, in groups too, in the header too."""
    assert text({96: b"a\x01b", 58: "t", 1: "a"}) == "1=a|58=t|95=3|96=a\x01b|"
    assert text({146: [{55: "x", 349: "né"}]}) == "146=1|55=x|348=3|349=n\xc3\xa9|"
    assert text({213: "<x/>", 50: "s"}) == "50=s|212=4|213=<x/>|"
    assert text({96: b""}) == "95=0|96=|"


def test_a_length_that_is_given_must_be_right() -> None:
    """It is written once, directly in front of its data."""
    assert text([(95, 3), (58, "t"), (96, b"abc")], ascending=False) == "58=t|95=3|96=abc|"
    with pytest.raises(BadValue, match="length") as caught:
        build({95: 4, 96: b"abc"}, ascending=True)
    assert caught.value.where == "tag 95"
    assert text({95: 4}) == "95=4|"


@pytest.mark.parametrize("tag", sorted(SESSION_TAGS))
def test_fields_of_the_session_are_refused_with_the_reason(tag: int) -> None:
    """In the message and inside a group."""
    for fields in ({tag: "1"}, {tag: [{448: "x"}]}, {453: [{tag: "1"}]}):
        with pytest.raises(ReservedTag) as caught:
            build(fields, ascending=True)
        assert isinstance(caught.value, ValueError)
        assert caught.value.where == f"tag {tag}" and SESSION_TAGS[tag] in str(caught.value)


def test_the_tags_that_a_caller_may_set_are_accepted() -> None:
    """The list of session-rules 29."""
    for tag in (50, 57, 97, 115, 116, 128, 129, 142, 143, 144, 145, 1128):
        assert text({tag: "x"}) == f"{tag}=x|"


@pytest.mark.parametrize(
    ("fields", "error", "where"),
    [
        ({38: 1.5}, BadType, "tag 38"),
        ({58: "a\x01b"}, BadValue, "tag 58"),
        ({58: ""}, BadValue, "tag 58"),
        ({58: None}, BadType, "tag 58"),
        ({0: "x"}, BadValue, ""),
        ({-1: "x"}, BadValue, ""),
        ({10**9: "x"}, BadValue, ""),
        ({"38": "x"}, BadType, ""),
        ({True: "x"}, BadType, ""),
        ({453: [{}]}, BadValue, "tag 453"),
        ({453: ["x"]}, BadType, "tag 453"),
        ({453: range(3)}, BadType, "tag 453"),
        ({453: [{448: 1.5}]}, BadType, "tag 448"),
    ],
)
def test_what_cannot_be_sent_names_the_tag(fields: Any, error: type[Exception], where: str) -> None:
    """So that a caller with forty fields knows which one."""
    with pytest.raises(error) as caught:
        build(fields, ascending=True)
    assert caught.value.where == where  # type: ignore[attr-defined]


def test_groups_do_not_nest_without_end() -> None:
    """A structure that contains itself is an error, not a crash."""
    group: dict[int, Any] = {448: "x"}
    group[453] = [group]
    with pytest.raises(BadValue, match="deep"):
        build({453: [group]}, ascending=True)
