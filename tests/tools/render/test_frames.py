"""Secrets never reach an output, and hostile bytes reach it harmless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durafix.tools.render.frames import fields, masked, masked_text, message_type, readable


def fix(text: str) -> bytes:
    """A frame from readable text."""
    return text.replace("|", "\x01").encode()


@pytest.mark.parametrize("tag", ["554", "925", "1402", "1404"])
def test_a_password_is_masked_in_every_message(tag: str) -> None:
    """The value is gone, everything else stays."""
    frame = fix(f"8=FIX.4.4|35=D|553=joe|{tag}=hunter2|10=000|")
    assert masked(frame) == fix(f"8=FIX.4.4|35=D|553=joe|{tag}=***|10=000|")


@pytest.mark.parametrize(("kind", "hidden"), [("A", True), ("BE", True), ("D", False)])
def test_raw_data_is_masked_in_a_logon_and_a_user_request_only(kind: str, hidden: bool) -> None:
    """96 holds the password there, and market text elsewhere."""
    frame = fix(f"8=FIX.4.4|35={kind}|95=6|96=secret|10=000|")
    assert (b"secret" not in masked(frame)) is hidden


def test_a_secret_that_holds_the_delimiter_is_masked_whole() -> None:
    """An encrypted password is a data field: its end is where its length says."""
    frame = fix("8=FIX.4.4|35=A|1401=8|1402=ab|9=x|y|108=30|10=000|")
    assert masked(frame) == fix("8=FIX.4.4|35=A|1401=8|1402=***|108=30|10=000|")


def test_a_frame_without_secrets_is_returned_as_it_is() -> None:
    """No copy, no change: raw output stays byte for byte."""
    frame = fix("8=FIX.4.4|35=0|112=554=|10=000|")
    assert masked(frame) == frame
    plain = fix("8=FIX.4.4|35=0|10=000|")
    assert masked(plain) is plain


def test_a_data_field_hides_what_looks_like_fields() -> None:
    """Only a length field directly in front makes a data field."""
    assert list(fields(fix("95=5|96=a|b=c|58=x|"))) == [
        (b"95", b"5"),
        (b"96", b"a\x01b=c"),
        (b"58", b"x"),
    ]
    assert list(fields(fix("95=99|96=a|58=x|"))) == [(b"95", b"99"), (b"96", b"a"), (b"58", b"x")]


def test_a_quoted_frame_is_masked_too() -> None:
    """Evidence of a finding is text that may start and end anywhere in a frame."""
    quote = "OUT seq=1 'x8=FIX.4.4|35=A|554=hunter2|96=hunter2|108=30|925=hun"
    assert masked_text(quote) == "OUT seq=1 'x8=FIX.4.4|35=A|554=***|96=***|108=30|925=***"


def test_control_bytes_are_escaped() -> None:
    """A terminal must not obey what a peer sent."""
    assert readable(b"58=\x1b[2J\x07\x7f\x01") == "58=\\x1b[2J\\x07\\x7f|"
    assert readable(b"58=\xff\xe9") == "58=\\xff\\xe9"
    assert readable("58=München".encode()) == "58=München"


def test_the_message_type_is_read_without_parsing() -> None:
    """Empty when there is none."""
    assert message_type(fix("8=FIX.4.4|9=5|35=AE|34=1|")) == "AE"
    assert message_type(b"garbage") == ""
    assert message_type(b"") == ""


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    """Whatever is in a journal can be shown, and an unmasked frame keeps its fields."""
    list(fields(data))
    readable(masked(data))


@given(st.lists(st.sampled_from([b"554=pw1", b"58=x", b"35=A", b"96=pw1", b"junk", b""])))
def test_the_secret_is_never_left(parts: list[bytes]) -> None:
    """In any order of pieces."""
    frame = b"8=FIX.4.4\x0135=A\x01" + b"\x01".join(parts) + b"\x01"
    assert b"pw1" not in masked(frame)
