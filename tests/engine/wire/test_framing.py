"""Bytes to frames, on both codecs: what is a message, what is garbled, and how much is dropped."""

from __future__ import annotations

import copy
import pickle
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durafix.engine.wire.errors import Garbled, Malformed, Reason

from .samples import (
    BAD_SUM,
    BAD_TAG,
    EMPTY_VALUE,
    GOOD,
    HEARTBEAT,
    MANY_FIELDS,
    ODD_TAGS,
    ON_BOTH,
    ORDER,
    PARTIES,
    RAW_DATA,
    TOO_FAR,
    TOO_SHORT,
    pieces,
    seal,
    streams,
)


def shape(out: list[Any]) -> list[Any]:
    """What does not depend on the split: the messages and why the rest was dropped."""
    return [item.reason if isinstance(item, Garbled) else item.raw for item in out]


def drip(codec: ModuleType, data: bytes, cuts: list[int]) -> tuple[list[Any], Any]:
    """Everything that a Decoder gives for ``data`` in pieces, and the Decoder."""
    decoder = codec.Decoder()
    return [item for piece in pieces(data, cuts) for item in decoder.feed(piece)], decoder


def test_a_message_is_read_field_by_field(codec: ModuleType) -> None:
    """All fields in wire order, by tag, as numbers, and where they stand."""
    frame = codec.parse(ORDER)
    assert frame.raw == ORDER
    assert (frame.begin_string, frame.msg_type, frame.seq_num) == (b"FIX.4.4", b"D", 7)
    text = [part.split(b"=", 1) for part in ORDER.split(b"\x01")[:-1]]
    assert frame.fields() == [(int(tag), value) for tag, value in text]
    assert frame.tags() == [int(tag) for tag, _ in text]
    assert len(frame) == 18
    assert frame[38] == b"002000.00" and frame.get(55) == b"MSFT" and frame.int_(34) == 7
    assert 11 in frame and 12 not in frame and "11" not in frame and 2**80 not in frame
    assert frame.get(12) is None and frame.get(12, b"-") == b"-" and frame.get(-(2**80)) is None
    start, end = frame.span(55)
    assert ORDER[start:end] == b"55=MSFT\x01"
    assert frame.span(8) == (0, 10) and frame.span(10) == (len(ORDER) - 7, len(ORDER))
    assert frame.span(12) is None
    with pytest.raises(KeyError, match="12"):
        frame[12]
    with pytest.raises(KeyError, match="12"):
        frame.int_(12)


def test_where_a_tag_repeats_the_first_counts(codec: ModuleType) -> None:
    """Lookups give the first occurrence; count says how many there are."""
    frame = codec.parse(PARTIES)
    assert frame[448] == b"x" and frame.count(448) == 2 and frame.count(1) == 0
    start, end = frame.span(448)
    assert PARTIES[start:end] == b"448=x\x01"


def test_more_fields_than_the_slots_of_the_object(codec: ModuleType) -> None:
    """Messages beyond the inline slots read alike."""
    frame = codec.parse(MANY_FIELDS)
    assert len(frame) == 128 and frame.count(270) == 60
    assert frame.fields()[-2] == (270, b"59") and frame[10] == MANY_FIELDS[-4:-1]


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("-5", -5), ("007", 7), ("-0", 0), ("9" * 18, 10**18 - 1), ("9" * 30, 10**30 - 1)],
)
def test_ints(codec: ModuleType, text: str, number: int) -> None:
    """A FIX int has an optional minus and digits."""
    assert codec.parse(seal(f"35=0|34=1|108={text}|")).int_(108) == number


@pytest.mark.parametrize("text", ["", "-", "+5", " 5", "5 ", "5.0", "0x5", "1_0", "--5", "9" * 65])
def test_text_that_is_no_int(codec: ModuleType, text: str) -> None:
    """Nothing else is guessed to be one."""
    with pytest.raises(ValueError, match="FIX int"):
        codec.parse(seal(f"35=0|34=1|108={text}|")).int_(108)


@pytest.mark.parametrize("text", ["", "-3", "x", "3x", "1" * 19, "+1", " 1"])
def test_a_malformed_seqnum_is_minus_one(codec: ModuleType, text: str) -> None:
    """MsgSeqNum that is no plain number is as good as none."""
    assert codec.parse(seal(f"35=0|34={text}|")).seq_num == -1
    assert codec.parse(seal("35=0|49=B|")).seq_num == -1
    assert codec.parse(seal("35=0|34=" + "1" * 18 + "|")).seq_num == int("1" * 18)


def test_zero_and_negative_tags_are_tags(codec: ModuleType) -> None:
    """The dictionary rejects them by number (conformance 14a); they are not garbled."""
    frame = codec.parse(ODD_TAGS)
    assert frame[0] == b"HI" and frame[-1] == b"HI" and frame[999999999] == b"y"
    assert frame[55] == b"x", "leading zeros do not make another tag"


def test_an_empty_value_is_a_value(codec: ModuleType) -> None:
    """The session rejects it by name (conformance 14d); it is not garbled."""
    assert codec.parse(EMPTY_VALUE)[112] == b""
    assert codec.parse(seal("35=|34=1|")).msg_type == b""


def test_data_fields_may_contain_the_delimiter(codec: ModuleType) -> None:
    """Their length field in front of them says where they end."""
    frame = codec.parse(RAW_DATA)
    assert frame[96] == b"a\x0110=123\x01b=" and frame[58] == b"t"
    start, end = frame.span(96)
    assert RAW_DATA[start:end] == b"96=a\x0110=123\x01b=\x01"


@pytest.mark.parametrize("length", ["", "x", "-3", "1", "4", "900", "999999999", "1234567890"])
def test_a_wrong_data_length_falls_back_to_the_delimiter(codec: ModuleType, length: str) -> None:
    """A length that does not end at a delimiter inside the message is not followed."""
    assert codec.parse(seal(f"35=B|34=1|95={length}|96=abc|58=t|")).fields()[4:6] == [
        (95, length.encode()),
        (96, b"abc"),
    ]


def test_a_length_counts_only_for_the_field_behind_it(codec: ModuleType) -> None:
    """A data field elsewhere ends at the first delimiter."""
    frame = codec.parse(seal("35=B|34=1|95=7|58=t|96=abc|1=x|"))
    assert frame[96] == b"abc" and frame[1] == b"x"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.BODY_LENGTH),
        (b"8=FI", Reason.BODY_LENGTH),
        (b"9=5\x018=FIX.4.4\x0135=0\x01", Reason.NOT_BEGIN_STRING),
        (b"\x00" * 40, Reason.NOT_BEGIN_STRING),
        (b"8=FIX" + b"x" * 40, Reason.NOT_BEGIN_STRING),
        (b"8=FIX.4 4\x019=5\x01", Reason.NOT_BEGIN_STRING),
        (b"8=FIX8=FIX.4.4\x019=5\x01", Reason.NOT_BEGIN_STRING),
        (b"8=FIX.4.4\x0135=0\x019=5\x01", Reason.ORDER_OF_FIRST_THREE),
        (b"8=FIX.4.4\x019=5\x0134=1\x01", Reason.ORDER_OF_FIRST_THREE),
        (b"8=FIX.4.4\x019=\x0135=0\x01", Reason.BODY_LENGTH),
        (b"8=FIX.4.4\x019=-5\x0135=0\x01", Reason.BODY_LENGTH),
        (b"8=FIX.4.4\x019=5x\x0135=0\x01", Reason.BODY_LENGTH),
        (b"8=FIX.4.4\x019=3\x0135=0\x01", Reason.BODY_LENGTH),
        (b"8=FIX.4.4\x019=999999999\x01", Reason.TOO_LONG),
        (b"8=FIX.4.4\x019=9999999999", Reason.TOO_LONG),
        (TOO_SHORT, Reason.BODY_LENGTH),
        (TOO_FAR, Reason.BODY_LENGTH),
        (ORDER[:-1], Reason.BODY_LENGTH),
        (ORDER + b"8", Reason.BODY_LENGTH),
        (ORDER + ORDER, Reason.BODY_LENGTH),
        (ORDER[:-3] + b"1\x01", Reason.NO_TRAILER),
        (ORDER[:-4] + b"1x1\x01", Reason.NO_TRAILER),
        (ORDER[:-1] + b"8", Reason.NO_TRAILER),
        (BAD_SUM, Reason.CHECKSUM),
        (BAD_TAG, Reason.BAD_TAG),
        (seal("35=0|34=1||"), Reason.BAD_TAG),
        (seal("35=0|34=1|=x|"), Reason.BAD_TAG),
        (seal("35=0|34=1|-=x|"), Reason.BAD_TAG),
        (seal("35=0|34=1|--1=x|"), Reason.BAD_TAG),
        (seal("35=0|34=1|+1=x|"), Reason.BAD_TAG),
        (seal("35=0|34=1|1234567890=x|"), Reason.BAD_TAG),
        (seal("35=0|34=1|58|"), Reason.BAD_TAG),
        (seal("35=0|34=1|96=a|b|"), Reason.BAD_TAG),
    ],
)
def test_what_is_no_message_says_why(codec: ModuleType, data: bytes, reason: Reason) -> None:
    """Each reason, each with the first thing that is wrong from the left."""
    with pytest.raises(Malformed) as caught:
        codec.parse(data)
    assert caught.value.reason is reason
    assert caught.value.code == "malformed"


def test_parse_takes_bytes_only(codec: ModuleType) -> None:
    """A frame owns its bytes; anything else would have to be copied unseen."""
    for wrong in (bytearray(ORDER), memoryview(ORDER), ORDER.decode(), None):
        with pytest.raises(TypeError):
            codec.parse(wrong)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_any_split_gives_the_same_messages(codec: ModuleType, size: int) -> None:
    """Feeds of one size, and the decoder holds nothing back at the end."""
    data = b"".join(GOOD) * 3
    decoder = codec.Decoder()
    out = [m for at in range(0, len(data), size) for m in decoder.feed(data[at : at + size])]
    assert [frame.raw for frame in out] == list(GOOD) * 3
    assert (decoder.pending, decoder.garbled, decoder.bytes_dropped) == (0, 0, 0)


def test_a_message_is_given_with_its_last_byte(codec: ModuleType) -> None:
    """Not one byte later: the peer may be waiting for the answer."""
    decoder = codec.Decoder()
    assert decoder.feed(ORDER[:-1]) == [] and decoder.pending == len(ORDER) - 1
    assert [frame.raw for frame in decoder.feed(ORDER[-1:])] == [ORDER]
    assert decoder.pending == 0


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_feed_takes_any_buffer_and_keeps_none(codec: ModuleType, kind: type) -> None:
    """The network's buffer may be used again at once."""
    buffer = bytearray(ORDER + HEARTBEAT[:20])
    decoder = codec.Decoder()
    out = decoder.feed(kind(buffer))
    buffer[:] = bytes(len(buffer))
    out += decoder.feed(kind(HEARTBEAT[20:]))
    assert [frame.raw for frame in out] == [ORDER, HEARTBEAT]
    with pytest.raises(TypeError):
        decoder.feed("8=FIX")
    with pytest.raises(BufferError):
        decoder.feed(memoryview(ORDER)[::2])


def test_a_wrong_checksum_drops_one_frame(codec: ModuleType) -> None:
    """The frame is whole, so the next message begins right behind it."""
    out = codec.Decoder().feed(HEARTBEAT + BAD_SUM + ORDER)
    assert out == [
        codec.parse(HEARTBEAT),
        Garbled(Reason.CHECKSUM, BAD_SUM[:256], len(BAD_SUM)),
        codec.parse(ORDER),
    ]


def test_a_message_inside_a_dropped_frame_is_not_taken(codec: ModuleType) -> None:
    """Or text that a third party wrote could become a message of the peer."""
    inner = ORDER.decode("latin-1")
    outer = seal(f"35=B|34=1|95={len(inner)}|96=")[:-7] + ORDER + b"\x01"
    size = len(outer) - outer.index(b"35=B")
    outer = b"8=FIX.4.4\x019=%d\x01" % size + outer[outer.index(b"35=B") :]
    assert codec.parse(outer + b"10=%03d\x01" % (sum(outer) % 256))[96] == ORDER
    out = codec.Decoder().feed(outer + b"10=%03d\x01" % ((sum(outer) + 1) % 256) + HEARTBEAT)
    assert shape(out) == [Reason.CHECKSUM, HEARTBEAT]


@pytest.mark.parametrize("bad", [TOO_SHORT, ORDER[:-3] + b"1\x01", ORDER[:-1]])
def test_the_good_message_behind_a_wrong_length_is_found(codec: ModuleType, bad: bytes) -> None:
    """A length that ends within its own message swallows nothing but that."""
    decoder = codec.Decoder()
    out = decoder.feed(HEARTBEAT + bad + ORDER + HEARTBEAT)
    assert [item.raw for item in out if not isinstance(item, Garbled)] == [
        HEARTBEAT,
        ORDER,
        HEARTBEAT,
    ]
    dropped = sum(item.dropped for item in out if isinstance(item, Garbled))
    assert decoder.bytes_dropped == len(bad) == dropped
    assert decoder.garbled == 1


@pytest.mark.parametrize("bad", [TOO_FAR, ORDER[:50]])
def test_a_length_that_points_into_the_next_message_takes_it_along(
    codec: ModuleType, bad: bytes
) -> None:
    """Conformance 2m: a message that the wrong length reaches is dropped, the one behind is not."""
    decoder = codec.Decoder()
    out = decoder.feed(HEARTBEAT + bad + ORDER + HEARTBEAT)
    assert [item.raw for item in out if not isinstance(item, Garbled)] == [HEARTBEAT, HEARTBEAT]
    assert decoder.bytes_dropped == len(bad + ORDER)


@pytest.mark.parametrize(
    "glue", [b"", b"\r\n", b"\x00", b"8", b"8=", b"8=FI", b"GET / HTTP/1.1\r\n\r\n", b"58=FIX "]
)
def test_garbage_is_skipped_up_to_the_next_begin_string(codec: ModuleType, glue: bytes) -> None:
    """Whatever stands before it, a delimiter or not."""
    decoder = codec.Decoder()
    out = decoder.feed(glue + ORDER + glue + HEARTBEAT)
    assert [item.raw for item in out if not isinstance(item, Garbled)] == [ORDER, HEARTBEAT]
    assert decoder.bytes_dropped == 2 * len(glue)


def test_garbage_is_reported_once_and_at_once(codec: ModuleType) -> None:
    """The session learns of it without waiting; what follows of it is only counted."""
    decoder = codec.Decoder()
    assert decoder.feed(b"GET / HTTP") == [Garbled(Reason.NOT_BEGIN_STRING, b"GET / HTTP", 10)]
    assert decoder.feed(b"/1.1\r\n" * 100) == []
    assert (decoder.garbled, decoder.bytes_dropped, decoder.pending) == (1, 610, 0)
    assert shape(decoder.feed(ORDER)) == [ORDER]


def test_a_long_excerpt_is_cut(codec: ModuleType) -> None:
    """Evidence, not a copy."""
    (garbled,) = codec.Decoder().feed(b"x" * 5000)
    assert garbled.excerpt == b"x" * 256 and garbled.dropped == 5000


@pytest.mark.parametrize("length", [b"9999999", b"999999999", b"9999999999", b"9" * 500])
def test_an_absurd_length_is_refused_at_once(codec: ModuleType, length: bytes) -> None:
    """No byte of the announced body is waited for."""
    decoder = codec.Decoder()
    out = decoder.feed(b"8=FIX.4.4\x019=" + length + b"\x0135=D\x01")
    assert shape(out) == [Reason.TOO_LONG]
    assert decoder.pending == 0
    assert shape(decoder.feed(ORDER)) == [ORDER]


def test_the_limit_is_exact(codec: ModuleType) -> None:
    """A message as long as the limit passes; one byte more does not."""
    assert shape(codec.Decoder(len(ORDER)).feed(ORDER)) == [ORDER]
    assert shape(codec.Decoder(len(ORDER) - 1).feed(ORDER + HEARTBEAT)) == [
        Reason.TOO_LONG,
        HEARTBEAT,
    ]
    for wrong in (-1, 0, 63, (1 << 28) + 1):
        with pytest.raises(ValueError, match="max_message_bytes"):
            codec.Decoder(wrong)


@pytest.mark.parametrize(
    "unit",
    [
        b"8",
        b"8=FIX",
        b"8=FIX.4.4\x019=900\x0135=",
        b"\x00",
        b"8=FIX.4.4\x019=65000\x0135=D\x01",
        b"10=000\x01",
    ],
)
def test_hostile_streams_keep_memory_bounded(codec: ModuleType, unit: bytes) -> None:
    """Never more pending than one message may have, whatever comes."""
    decoder = codec.Decoder(1 << 16)
    data = unit * (1000 // len(unit) + 1)
    fed = 0
    for _ in range(300):
        decoder.feed(data)
        fed += len(data)
        assert decoder.pending < 1 << 16
    assert decoder.pending + decoder.bytes_dropped == fed


def test_frames_are_values(codec: ModuleType) -> None:
    """Equal by bytes, hashable, copied and pickled by bytes, and their text shows no field."""
    frame = codec.parse(ORDER)
    assert frame == codec.parse(bytes(bytearray(ORDER))) != codec.parse(HEARTBEAT)
    assert frame != ORDER
    assert len({frame, codec.parse(ORDER)}) == 1
    assert pickle.loads(pickle.dumps(frame)) == copy.deepcopy(frame) == frame
    assert repr(frame) == f"<Frame FIX.4.4 D 34=7 {len(ORDER)} bytes>"
    with pytest.raises(AttributeError):
        frame.raw = b""
    with pytest.raises(TypeError):
        codec.Frame()
    with pytest.raises(TypeError, match="fields"):
        iter(frame)


@settings(ON_BOTH, max_examples=150)
@given(data=streams(), cuts=st.lists(st.integers(0, 5000), max_size=12))
def test_the_split_does_not_matter(codec: ModuleType, data: bytes, cuts: list[int]) -> None:
    """The same messages and reasons for any split, and every byte is accounted for."""
    whole, at_once = drip(codec, data, [])
    out, decoder = drip(codec, data, cuts)
    assert shape(out) == shape(whole)
    assert decoder.bytes_dropped == at_once.bytes_dropped
    frames = sum(len(item.raw) for item in out if not isinstance(item, Garbled))
    assert frames + decoder.bytes_dropped + decoder.pending == len(data)


@settings(ON_BOTH, max_examples=100)
@given(data=streams())
def test_what_the_decoder_gives_parse_accepts(codec: ModuleType, data: bytes) -> None:
    """The two doors have one rule."""
    for item in codec.Decoder().feed(data):
        if not isinstance(item, Garbled):
            assert codec.parse(item.raw) == item
