"""Masking: what leaves, what stays."""

from __future__ import annotations

import pytest

from durafix.engine.session.secrets import has_secrets, mask, sealed, secret_tags
from durafix.engine.wire.encode import encode
from durafix.engine.wire.framing import Frame, parse


def logon(*more: tuple[int, bytes], kind: bytes = b"A") -> Frame:
    """A Logon with these fields."""
    return parse(encode(b"FIX.4.4", [(35, kind), (34, b"1"), *more]))


@pytest.mark.parametrize("tag", [554, 925, 1402, 1404])
def test_these_are_secret_in_every_message(tag: int) -> None:
    """Rule 30."""
    frame = logon((tag, b"x"), kind=b"D")
    assert secret_tags(frame) == [tag] and has_secrets(frame)


def test_raw_data_is_secret_where_it_carries_credentials() -> None:
    """96 in Logon and UserRequest only: elsewhere it is the application's."""
    fields = ((95, b"3"), (96, b"a\x01b"))
    assert secret_tags(logon(*fields)) == secret_tags(logon(*fields, kind=b"BE")) == [96]
    assert has_secrets(logon(*fields)) and has_secrets(logon(*fields, kind=b"BE"))
    assert secret_tags(logon(*fields, kind=b"D")) == []
    assert not has_secrets(logon(*fields, kind=b"D"))


def test_values_are_masked_and_the_shape_stays() -> None:
    """Every occurrence, data fields included; lengths, 9 and 10 stay as they were."""
    frame = logon((108, b"30"), (554, b"30"), (95, b"3"), (96, b"a\x01b"), (554, b"p"), (58, b"p"))
    stored = mask(frame, secret_tags(frame))
    assert len(stored) == len(frame.raw) and stored[-7:] == frame.raw[-7:]
    read = sealed(stored)
    assert read.fields()[4:-1] == [
        (108, b"30"), (554, b"**"), (95, b"3"), (96, b"***"), (554, b"*"), (58, b"p"),
    ]  # fmt: skip
    assert mask(read, secret_tags(read)) == read.raw, "masking twice is masking once"
