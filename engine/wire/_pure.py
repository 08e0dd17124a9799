"""The codec in Python: the same names and the same answers as ``_codec.pyx``, without a compiler.

It owns the format ``8=..|9=..|35=..|...|10=ddd|`` and nothing above it: it knows no message types,
no session, no clock. A differential test compares it with the compiled twin on valid, mutated and
split input; whatever is decided here (what is garbled, why, how much is dropped) is decided there
in the same order.

How a stream is cut, and why:
- ``measure`` looks at one candidate from the left and says *needs more bytes*, *fails for this
  reason*, or its length. A verdict on a prefix never changes when more bytes come, so the result
  does not depend on how the network cut the stream; and it is O(1), so a hostile length cannot make
  it look at the same bytes again and again.
- If the trailer stands where BodyLength says, the frame is whole: a wrong checksum or a bad tag
  drops exactly that frame. Nothing inside a dropped frame is ever taken for a message.
- Otherwise the length lies, and the search for the next ``8=FIX`` goes on where the trailer should
  have stood. A length that is too long takes the good message into which it points along, as the
  acceptance scripts of the field want it (2m); the gap in the numbers brings that one back. When
  the first three fields are wrong, the search goes on behind the first byte.
- The first field that starts the next message is not required to follow a delimiter: a peer that
  lost one still gets its next message through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn, final, overload

from .datafields import DATA_OF_LENGTH
from .errors import Garbled, Malformed, Reason
from .limits import (
    BEGIN_STRING_BYTES_MAX,
    EXCERPT_BYTES_MAX,
    LENGTH_DIGITS_MAX,
    MESSAGE_BYTES_DEFAULT,
    MESSAGE_BYTES_MAX,
    MESSAGE_BYTES_MIN,
    TAG_DIGITS_MAX,
)
from .values import parse_int

SOH = 1
PREFIX = b"8=FIX"
TRAILER_BYTES = 7  # 10=ddd and the delimiter
TAG_MAX = 10**TAG_DIGITS_MAX - 1


def _any_of(texts: list[str]) -> str:
    """A pattern for any of the texts; it branches on one character at a time and so fails early."""
    branches: dict[str, list[str]] = {}
    for text in texts:
        branches.setdefault(text[:1], []).append(text[1:])
    return "(?:" + "|".join(c + _any_of(rest) if c else "" for c, rest in branches.items()) + ")"


_BEGIN = rb"FIX[!-<>-~]{0,%d}" % (BEGIN_STRING_BYTES_MAX - 3)  # visible ASCII without "="
_BEGIN_STRING = re.compile(_BEGIN)
_PART_OF_BEGIN = re.compile(b"8=" + _BEGIN)
_HEAD = re.compile(rb"8=%b\x019=([0-9]{1,9})\x0135=" % _BEGIN)
_TAIL = re.compile(rb"\x0110=[0-9]{3}\x01")
_FIELD = re.compile(rb"(-?[0-9]{1,9})=([^\x01]*)\x01")
_ALL_FIELDS = re.compile(rb"(?:-?[0-9]{1,9}=[^\x01]*+\x01)*+")
_A_LENGTH = re.compile(rb"\x010*%b=" % _any_of([str(tag) for tag in DATA_OF_LENGTH]).encode())


def checksum(data: bytes | bytearray | memoryview) -> int:
    """Sum of the bytes modulo 256, as CheckSum (10) wants it over all bytes in front of ``10=``."""
    _check_buffer(data, "checksum")
    return sum(data.cast("B") if isinstance(data, memoryview) else data) & 0xFF


def _check_buffer(data: object, who: str) -> None:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"{who}() takes bytes, not {type(data).__name__}")
    if isinstance(data, memoryview) and not data.c_contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")


@final
class Frame:
    """One message as it was on the wire: immutable, its fields found on request. Made by ``parse``
    and ``Decoder``.

    ``frame[tag]`` is the value (bytes) of the first field with that tag.
    """

    __slots__ = ("_map", "_pairs", "_raw")
    _raw: bytes
    _pairs: list[tuple[int, bytes]] | None
    _map: dict[int, bytes] | None

    def __init__(self, *_: object) -> None:
        raise TypeError("a Frame is made by parse() or Decoder.feed()")

    @property
    def raw(self) -> bytes:
        """The whole message, from ``8=`` up to the delimiter behind 10."""
        return self._raw

    @property
    def begin_string(self) -> bytes:
        """Value of BeginString (8)."""
        return self._raw[2 : self._raw.index(SOH)]

    @property
    def msg_type(self) -> bytes:
        """Value of MsgType (35), the third field; may be empty."""
        start = self._raw.index(SOH, self._raw.index(SOH) + 1) + 4
        return self._raw[start : self._raw.index(SOH, start)]

    @property
    def seq_num(self) -> int:
        """MsgSeqNum (34), or -1 if it is absent or no plain number of at most 18 digits."""
        text = self.get(34)
        return int(text) if text is not None and text.isdigit() and len(text) <= 18 else -1

    def fields(self) -> list[tuple[int, bytes]]:
        """All fields in wire order, 8, 9 and 10 included."""
        return list(self._all())

    def tags(self) -> list[int]:
        """The tag of each field, in wire order."""
        return [tag for tag, _ in self._all()]

    def count(self, tag: int) -> int:
        """How many fields have this tag."""
        return self.tags().count(tag)

    def span(self, tag: int) -> tuple[int, int] | None:
        """(offset of ``tag=``, offset behind its delimiter) in ``raw`` of the first such field, or
        None.
        """
        for found, start, _, end in walk(self._raw):
            if found == tag:
                return (start, end + 1)
        return None

    def int_(self, tag: int) -> int:
        """Value as a FIX int. KeyError if absent, ValueError (BadValue) if it is none."""
        return parse_int(self[tag])

    @overload
    def get(self, tag: int) -> bytes | None: ...
    @overload
    def get(self, tag: int, default: bytes) -> bytes: ...
    @overload
    def get(self, tag: int, default: None) -> bytes | None: ...
    def get(self, tag: int, default: bytes | None = None) -> bytes | None:
        """Value of the first field with this tag, or ``default``."""
        return self._index().get(tag, default)

    def __getitem__(self, tag: int) -> bytes:
        return self._index()[tag]

    def __contains__(self, tag: int) -> bool:
        return tag in self._index()

    def __iter__(self) -> NoReturn:
        raise TypeError("iterate over frame.fields() or frame.tags()")

    def __len__(self) -> int:
        return len(self._all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frame) and self._raw == other._raw

    def __hash__(self) -> int:
        return hash(self._raw)

    def __repr__(self) -> str:
        # No values: a Logon holds a password.
        kind, begin = self.msg_type.decode("latin-1"), self.begin_string.decode("latin-1")
        return f"<Frame {begin} {kind} 34={self.seq_num} {len(self._raw)} bytes>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (parse, (self._raw,))

    def _all(self) -> list[tuple[int, bytes]]:
        if self._pairs is None:  # no data field in it: _judge has looked
            self._pairs = [(int(tag), value) for tag, value in _FIELD.findall(self._raw)]
        return self._pairs

    def _index(self) -> dict[int, bytes]:
        if self._map is None:
            self._map = dict(reversed(self._all()))  # the last put in wins: the first on the wire
        return self._map


def walk(raw: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield (tag, start, start of value, its end) of each field; ValueError at a bad one.

    The exact rule, data fields included: a field that directly follows its length field has that
    many bytes, if a delimiter stands behind them; else it ends at the first delimiter. ``raw`` must
    end with a delimiter.
    """
    start, size, last = 0, len(raw), len(raw) - 1
    data_tag, data_bytes = 0, 0
    while start < size:
        equals = raw.find(b"=", start, start + TAG_DIGITS_MAX + 2)
        text = raw[start:equals] if equals >= 0 else b""
        digits = text[1:] if text[:1] == b"-" else text
        if not digits.isdigit() or len(digits) > TAG_DIGITS_MAX:
            raise ValueError(start)
        tag, value = int(text), equals + 1
        end = value + data_bytes
        if not (data_tag and tag == data_tag and end <= last and raw[end] == SOH):
            end = raw.index(SOH, value)
        data_tag = DATA_OF_LENGTH.get(tag, 0)
        if data_tag:
            length = raw[value:end]
            if length.isdigit() and len(length) <= LENGTH_DIGITS_MAX:
                data_bytes = int(length)
            else:
                data_tag = 0
        yield tag, start, value, end
        start = end + 1


def measure(buf: bytes | bytearray, start: int, end: int, limit: int) -> int | Reason:
    """Length of the frame that begins at ``start``; 0 if it needs more bytes; or why it is none."""
    head = _HEAD.match(buf, start, end)
    if head is not None:  # the common case at C speed: the whole frame is there and well formed
        total = head.end() - 3 - start + int(head[1]) + TRAILER_BYTES
        tail = start + total - TRAILER_BYTES - 1
        if total <= limit and _TAIL.match(buf, tail, end):
            return total
    return _explain(buf, start, end, limit)


def _explain(buf: bytes | bytearray, start: int, end: int, limit: int) -> int | Reason:
    """``measure``, step by step."""
    at = _announced(buf, start, end, limit)
    if isinstance(at, Reason) or at == 0:
        return at
    return _check_trailer(buf, start, end, at + TRAILER_BYTES - start)


def _resume(buf: bytes | bytearray, start: int, end: int, limit: int) -> int:
    """Where the search for the next message goes on after a verdict of ``measure``: where the
    trailer should have stood, if it got that far, else behind the first byte.
    """
    at = _announced(buf, start, end, limit)
    return start + 1 if isinstance(at, Reason) or at == 0 else at - 1


def _announced(buf: bytes | bytearray, start: int, end: int, limit: int) -> int | Reason:
    """Offset of the trailer that BodyLength announces, or as ``measure`` answers."""
    at = start + len(PREFIX)
    if buf[start : min(end, at)] != PREFIX[: end - start]:
        return Reason.NOT_BEGIN_STRING
    begin = _PART_OF_BEGIN.match(buf, start, end)
    if begin is None or begin.end() == end:
        return 0
    at = begin.end()
    if buf[at] != SOH:
        return Reason.NOT_BEGIN_STRING
    at += 1
    if buf[at : min(end, at + 2)] != b"9="[: end - at]:
        return Reason.ORDER_OF_FIRST_THREE
    if end < at + 2:
        return 0
    body = _read_length(buf, at + 2, end)
    if not isinstance(body, tuple):
        return body
    length, at = body
    total = at - start + length + TRAILER_BYTES
    if total > limit:
        return Reason.TOO_LONG
    if length < 4:  # not even 35= and its delimiter
        return Reason.BODY_LENGTH
    if buf[at : min(end, at + 3)] != b"35="[: end - at]:
        return Reason.ORDER_OF_FIRST_THREE
    return at + length


def _read_length(buf: bytes | bytearray, at: int, end: int) -> tuple[int, int] | Reason | int:
    """(BodyLength, offset of the body), or as ``measure`` answers."""
    stop = min(end, at + LENGTH_DIGITS_MAX + 1)
    text = buf[at:stop]
    digits, delimiter, _ = text.partition(b"\x01")
    if not digits.isdigit() and (digits or delimiter):
        return Reason.BODY_LENGTH
    if delimiter:
        return int(digits), at + len(digits) + 1
    return Reason.TOO_LONG if len(digits) > LENGTH_DIGITS_MAX else 0


def _check_trailer(buf: bytes | bytearray, start: int, end: int, total: int) -> int | Reason:
    """``total`` if the delimiter and ``10=ddd`` stand at the announced end, or as ``measure``
    answers.
    """
    at = start + total - TRAILER_BYTES - 1
    seen = buf[at : min(end, start + total)]
    want = b"\x0110="
    if seen[:4] != want[: len(seen)]:
        return Reason.BODY_LENGTH
    digits, delimiter = seen[4:7], seen[7:8]
    if (digits and not digits.isdigit()) or delimiter not in (b"", b"\x01"):
        return Reason.NO_TRAILER
    return total if delimiter else 0


def _judge(raw: bytes) -> Frame | Reason:
    """The frame, if checksum and tags are right. ``measure`` has seen to the rest."""
    if sum(raw[:-TRAILER_BYTES]) & 0xFF != int(raw[-4:-1]):
        return Reason.CHECKSUM
    if _A_LENGTH.search(raw):
        try:
            pairs = [(tag, raw[value:end]) for tag, _, value, end in walk(raw)]
        except ValueError:
            return Reason.BAD_TAG
    elif not _ALL_FIELDS.fullmatch(raw):
        return Reason.BAD_TAG
    else:
        pairs = None
    frame = Frame.__new__(Frame)
    frame._raw, frame._pairs, frame._map = raw, pairs, None
    return frame


def parse(data: bytes) -> Frame:
    """Read exactly one message, as ``Decoder`` would. Raises Malformed with the reason; TypeError
    if not bytes.
    """
    if type(data) is not bytes:
        raise TypeError(f"parse() takes bytes, not {type(data).__name__}")
    total = measure(data, 0, len(data), MESSAGE_BYTES_MAX)
    if isinstance(total, Reason):
        raise Malformed(total)
    if total == 0 or total != len(data):
        raise Malformed(Reason.BODY_LENGTH)
    frame = _judge(data)
    if isinstance(frame, Reason):
        raise Malformed(frame)
    return frame


@final
class Decoder:
    """Cuts a byte stream into messages, whatever the network did to it. One per connection, one
    owner.

    What is fed is either in a returned Frame, in ``pending``, or counted in ``bytes_dropped``: no
    byte is lost silently. Memory is bounded by ``max_message_bytes`` and the size of one feed.
    ValueError for a limit outside 64 bytes .. 256 MiB.
    """

    __slots__ = ("_buf", "_bytes_dropped", "_garbled", "_limit", "_skipping")

    def __init__(self, max_message_bytes: int = MESSAGE_BYTES_DEFAULT) -> None:
        if not MESSAGE_BYTES_MIN <= max_message_bytes <= MESSAGE_BYTES_MAX:
            allowed = f"{MESSAGE_BYTES_MIN}..{MESSAGE_BYTES_MAX}"
            raise ValueError(f"max_message_bytes must be {allowed}, not {max_message_bytes}")
        self._limit = max_message_bytes
        self._buf = bytearray()
        self._skipping = (
            False  # the bytes up to the next candidate belong to a Garbled already reported
        )
        self._bytes_dropped = 0
        self._garbled = 0

    @property
    def pending(self) -> int:
        """Bytes of an unfinished message that are buffered."""
        return len(self._buf)

    @property
    def bytes_dropped(self) -> int:
        """Bytes skipped so far."""
        return self._bytes_dropped

    @property
    def garbled(self) -> int:
        """How many Garbled were reported so far."""
        return self._garbled

    def feed(self, data: bytes | bytearray | memoryview) -> list[Frame | Garbled]:
        """Take what was received; give the messages that are now whole, and what was skipped, in
        order.
        """
        _check_buffer(data, "feed")
        out: list[Frame | Garbled] = []
        if self._buf:
            self._buf += data
            used = self._cut(self._buf, out)
            del self._buf[:used]
        else:
            whole = bytes(data)
            used = self._cut(whole, out)
            self._buf += whole[used:]
        return out

    def _cut(self, buf: bytes | bytearray, out: list[Frame | Garbled]) -> int:
        """Cut what can be cut and say how many bytes were used up."""
        at, end = 0, len(buf)
        if self._skipping:
            at = self._skip(buf, 0, end)
            self._bytes_dropped += at
        while at < end and not self._skipping:
            total = measure(buf, at, end, self._limit)
            if total == 0:
                break
            if isinstance(total, Reason):
                found = self._skip(buf, _resume(buf, at, end, self._limit), end)
                self._report(total, buf, at, found, out)
                at = found
                continue
            raw = bytes(buf[at : at + total])
            frame = _judge(raw)
            if isinstance(frame, Reason):
                self._report(frame, raw, 0, total, out)
            else:
                out.append(frame)
            at += total
        return at

    def _skip(self, buf: bytes | bytearray, at: int, end: int) -> int:
        """Offset of the next candidate, or of what may become one at the end of the buffer, or the
        end.
        """
        found = buf.find(PREFIX, at)
        self._skipping = found < 0
        if found >= 0:
            return found
        for size in range(min(len(PREFIX) - 1, end - at), 0, -1):
            if buf.endswith(PREFIX[:size]):
                return end - size
        return end

    def _report(
        self, reason: Reason, buf: bytes | bytearray, at: int, to: int, out: list[Frame | Garbled]
    ) -> None:
        out.append(Garbled(reason, bytes(buf[at : min(to, at + EXCERPT_BYTES_MAX)]), to - at))
        self._garbled += 1
        self._bytes_dropped += to - at


def encode(begin_string: bytes, fields: list[tuple[int, bytes]]) -> bytes:
    """The message with 8, 9, the given fields in their order (35 first is the caller's duty) and
    10.

    Values go out as they are: to keep delimiters out of them is the duty of who made them
    (values.py). TypeError for other types than (int, bytes), ValueError for a tag of more than nine
    digits or a message beyond 256 MiB.
    """
    if type(begin_string) is not bytes or type(fields) is not list:
        raise TypeError("encode() takes bytes and a list of (int, bytes)")
    if not _BEGIN_STRING.fullmatch(begin_string):
        raise ValueError(f"{begin_string!r} is no BeginString")
    parts: list[bytes] = []
    for field in fields:
        if type(field) is not tuple or len(field) != 2:
            raise TypeError("a field is a tuple (tag, value)")
        tag, value = field
        if not isinstance(tag, int) or type(value) is not bytes:
            raise TypeError("a field is (int, bytes)")
        if not -TAG_MAX <= tag <= TAG_MAX:
            raise ValueError(f"a tag has at most {TAG_DIGITS_MAX} digits: {tag}")
        parts.append(b"%d=%b\x01" % (tag, value))
    body = b"".join(parts)
    if len(body) > MESSAGE_BYTES_MAX - MESSAGE_BYTES_MIN:
        raise ValueError(f"a message has at most {MESSAGE_BYTES_MAX} bytes")
    text = b"8=%b\x019=%d\x01%b" % (begin_string, len(body), body)
    return b"%b10=%03d\x01" % (text, checksum(text))
