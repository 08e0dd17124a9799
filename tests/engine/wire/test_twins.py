"""The compiled codec and its twin in Python give the same answers to whatever comes."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durafix.engine.wire import _pure as pure
from durafix.engine.wire.errors import Garbled

from .samples import BAD, GOOD, pieces, streams

native = pytest.importorskip("durafix.engine.wire._codec", reason="no native build here")

TAGS = (8, 9, 10, 34, 35, 55, 58, 95, 96, 89, 448, 0, -1, 10**9 - 1, 12345)


def view(item: Any) -> Any:
    """Everything that can be seen of a frame; a Garbled as it is."""
    if isinstance(item, Garbled):
        return item
    looks = [
        (item.get(t), item.count(t), item.span(t), t in item, outcome(item.int_, t)) for t in TAGS
    ]
    head = (item.raw, item.begin_string, item.msg_type, item.seq_num, len(item), repr(item))
    return (*head, item.fields(), item.tags(), looks)


def outcome(call: Any, *args: Any) -> Any:
    """What a call gives, or the class and text of its error (a BufferError's is Python's own)."""
    try:
        value = call(*args)
    except BufferError:
        return BufferError
    except Exception as error:
        return type(error), str(error)
    return view(value) if hasattr(value, "raw") else value


def everything(codec: Any, data: bytes, cuts: list[int], limit: int) -> list[Any]:
    """All that a decoder gives, and its counters after each feed."""
    decoder = codec.Decoder(limit)
    seen: list[Any] = []
    for piece in pieces(data, cuts):
        seen += [view(item) for item in decoder.feed(piece)]
        seen.append((decoder.pending, decoder.bytes_dropped, decoder.garbled))
    return seen


@settings(max_examples=600, deadline=None)
@given(
    data=streams(),
    cuts=st.lists(st.integers(0, 5000), max_size=10),
    limit=st.sampled_from([64, 100, 200, 1 << 20]),
)
def test_decoders_agree(data: bytes, cuts: list[int], limit: int) -> None:
    """Frames with all their fields, Garbled with excerpt and size, counters after each feed."""
    assert everything(native, data, cuts, limit) == everything(pure, data, cuts, limit)


@settings(max_examples=400, deadline=None)
@given(data=streams())
def test_parse_agrees(data: bytes) -> None:
    """The same frame or the same error with the same reason."""
    assert outcome(native.parse, data) == outcome(pure.parse, data)


@pytest.mark.parametrize("data", [*GOOD, *BAD])
def test_every_prefix_and_every_changed_byte_agrees(data: bytes) -> None:
    """The samples, cut at each length and damaged at each place."""
    for at in range(min(len(data), 400)):
        for variant in (
            data[:at],
            *(data[:at] + b + data[at + 1 :] for b in (b"\x01", b"=", b"7", b"-")),
        ):
            assert outcome(native.parse, variant) == outcome(pure.parse, variant)
            assert everything(native, variant, [], 1 << 20) == everything(
                pure, variant, [], 1 << 20
            )


@settings(max_examples=300, deadline=None)
@given(
    begin=st.one_of(
        st.sampled_from([b"FIX.4.4", b"", b"x" * 33, "FIX", bytearray(b"FIX")]),
        st.binary(max_size=40),
    ),
    fields=st.one_of(
        st.lists(st.tuples(st.integers(-(10**10), 10**10), st.binary(max_size=30)), max_size=30),
        st.lists(st.tuples(st.booleans(), st.binary(max_size=3)), max_size=3),
        st.sampled_from(
            [
                (),
                None,
                [1],
                [(1,)],
                [(1, "x")],
                [(1.0, b"")],
                [[1, b""]],
                [(2**70, b"")],
                [(None, b"")],
            ]
        ),
    ),
)
def test_encode_agrees(begin: Any, fields: Any) -> None:
    """The same bytes or the same error."""
    assert outcome(native.encode, begin, fields) == outcome(pure.encode, begin, fields)


@given(data=st.binary(max_size=600))
def test_checksum_agrees(data: bytes) -> None:
    """On any bytes, in any kind of buffer."""
    for kind in (bytes, bytearray, memoryview):
        assert native.checksum(kind(data)) == pure.checksum(kind(data)) == sum(data) % 256
    holes = memoryview(data)[::2]
    assert outcome(native.checksum, holes) == outcome(pure.checksum, holes)


def test_both_have_the_same_names() -> None:
    """What one offers, the other does."""
    for name in ("Frame", "Decoder"):
        assert _public(getattr(native, name)) == _public(getattr(pure, name))
    for name in ("parse", "encode", "checksum"):
        assert inspect.getdoc(getattr(native, name)) == inspect.getdoc(getattr(pure, name))


def _public(cls: type) -> set[str]:
    return {name for name in vars(cls) if not name.startswith("_")}


@pytest.mark.deep
@settings(max_examples=50_000, deadline=None)
@given(
    data=streams(),
    cuts=st.lists(st.integers(0, 5000), max_size=10),
    limit=st.sampled_from([64, 100, 200, 1 << 20]),
)
def test_decoders_agree_for_long(data: bytes, cuts: list[int], limit: int) -> None:
    """The same as above, for as long as a night run has."""
    assert everything(native, data, cuts, limit) == everything(pure, data, cuts, limit)
