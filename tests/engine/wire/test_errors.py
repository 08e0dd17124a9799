"""Errors of the wire: stable codes, picklable, caught by the built-in names too."""

from __future__ import annotations

import copy
import pickle

import pytest

from durafix.engine.wire.errors import (
    BadType,
    BadValue,
    Garbled,
    Malformed,
    MissingTag,
    Reason,
    ReservedTag,
)
from durafix.journal.errors import Error


@pytest.mark.parametrize(
    ("error", "code", "builtin"),
    [
        (Malformed(Reason.CHECKSUM), "malformed", Exception),
        (BadValue("x"), "bad-value", ValueError),
        (ReservedTag("x"), "reserved-tag", ValueError),
        (BadType("x"), "bad-type", TypeError),
        (MissingTag(55), "missing-tag", KeyError),
    ],
)
def test_errors_have_a_code_and_a_builtin_base(
    error: Error, code: str, builtin: type[Exception]
) -> None:
    """Both habits of catching work, and they cross process borders."""
    assert error.code == code and isinstance(error, builtin) and isinstance(error, Error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) == error.message
    assert vars(copy.copy(error)) == vars(error)


def test_reasons_are_their_text() -> None:
    """Metrics and logs show them as they are."""
    assert f"{Reason.NOT_BEGIN_STRING}" == "not-begin-string"
    assert str(Malformed(Reason.TOO_LONG)) == "not a FIX message: too-long"
    assert Garbled(Reason.CHECKSUM, b"x", 1).reason == "checksum"
