"""Fields to bytes, on both codecs."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durafix.engine.wire.datafields import DATA_OF_LENGTH

from .samples import ON_BOTH, ORDER, PARTIES, RAW_DATA, seal


def test_a_golden_message(codec: ModuleType) -> None:
    """Byte for byte; the sum was taken with od and awk."""
    assert (
        codec.encode(b"FIX.4.4", [(35, b"0"), (34, b"2"), (112, b"TEST")])
        == b"8=FIX.4.4\x019=19\x0135=0\x0134=2\x01112=TEST\x0110=193\x01"
    )
    assert codec.encode(b"FIX.4.2", []) == b"8=FIX.4.2\x019=0\x0110=%03d\x01" % (
        sum(b"8=FIX.4.2\x019=0\x01") % 256
    )


@pytest.mark.parametrize("message", [ORDER, PARTIES, RAW_DATA, seal("35=0|34=1|0=a|-1=b|112=|")])
def test_what_was_read_is_written_alike(codec: ModuleType, message: bytes) -> None:
    """parse, then encode what lies between 9 and 10: the same bytes."""
    frame = codec.parse(message)
    assert codec.encode(frame.begin_string, frame.fields()[2:-1]) == message


@pytest.mark.parametrize("size", [9, 10, 95, 99, 100, 101, 995, 999, 1000, 100_000])
def test_the_length_has_as_many_digits_as_it_needs(codec: ModuleType, size: int) -> None:
    """Around each power of ten."""
    message = codec.encode(b"FIX.4.4", [(35, b"B"), (58, b"x" * size)])
    assert message == seal("35=B|58=" + "x" * size + "|")
    assert codec.parse(message)[58] == b"x" * size


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ([(35, "0")], TypeError),
        ([(35, bytearray(b"0"))], TypeError),
        ([("35", b"0")], TypeError),
        ([(35.0, b"0")], TypeError),
        ([(35, b"0", 1)], TypeError),
        ([[35, b"0"]], TypeError),
        ([None], TypeError),
        (((35, b"0"),), TypeError),
        ([(10**9, b"0")], ValueError),
        ([(-(10**9), b"0")], ValueError),
        ([(2**200, b"0")], ValueError),
    ],
)
def test_wrong_fields_are_refused(
    codec: ModuleType, fields: object, error: type[Exception]
) -> None:
    """By type or by value, never written half."""
    with pytest.raises(error):
        codec.encode(b"FIX.4.4", fields)


@pytest.mark.parametrize(
    "begin", [b"", b"FI", b"fix", b"FIX" + b"x" * 30, b"FIX.4 4", b"FIX=", b"FIX\x01", b"FIX\xff"]
)
def test_a_begin_string_is_fix_and_a_version(codec: ModuleType, begin: bytes) -> None:
    """What could not be read back is not written."""
    with pytest.raises(ValueError, match="BeginString"):
        codec.encode(begin, [])
    assert codec.parse(codec.encode(b"FIX" + b"x" * 29, [(35, b"0")]))


def test_checksum_is_the_sum_modulo_256(codec: ModuleType) -> None:
    """Of any kind of buffer."""
    data = bytes(range(256)) * 300
    assert codec.checksum(b"") == 0 and codec.checksum(b"\xff\x02") == 1
    assert (
        codec.checksum(data) == codec.checksum(bytearray(data)) == codec.checksum(memoryview(data))
    )
    assert codec.checksum(data) == sum(data) % 256
    with pytest.raises(TypeError):
        codec.checksum("text")


@settings(ON_BOTH, max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**9) + 1, 10**9 - 1).filter(lambda tag: tag not in DATA_OF_LENGTH),
            st.binary(max_size=20).map(lambda v: v.replace(b"\x01", b"")),
        ),
        max_size=60,
    )
)
def test_round_trip(codec: ModuleType, fields: list[tuple[int, bytes]]) -> None:
    """What is written is read back field by field."""
    fields = [(35, b"D"), *fields]
    frame = codec.parse(codec.encode(b"FIX.4.4", fields))
    assert frame.fields()[2:-1] == fields
