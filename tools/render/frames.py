"""Frames as a person may see them: secrets masked, the delimiter readable, control bytes harmless.

Owns the only way from stored bytes to output. It knows tag=value and
data fields with a length, no more: a garbled frame is shown as well as it can be. It must not know
where the bytes came from.

Invariant: no output of any verb goes past ``masked``. A password must not come to a terminal, a log
of a build or a ticket because somebody looked at a journal (session rule 30).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...engine.session.secrets import ALWAYS, RAW_DATA, RAW_DATA_TYPES
from ...engine.wire.datafields import DATA_OF_LENGTH

SOH = b"\x01"
MASK = b"***"
SECRET_TAGS = frozenset(b"%d" % tag for tag in ALWAYS)
"""The session core masks what comes in before it is journaled; a Logon that we sent is as it left.
"""
SECRET_IN_LOGIN = b"%d" % RAW_DATA
_QUOTED = re.compile(rf"(\|(?:{'|'.join(map(str, (*ALWAYS, RAW_DATA)))})=)[^|]*")
_PRINTABLE = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {1: "|", 9: "\\t", 10: "\\n"}


def fields(frame: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(tag, value) pairs in order; a data field ends where its length field says, if that is
    possible.

    A piece without ``=`` comes as (piece, b""). Never raises, whatever the bytes are.
    """
    at, length_of, length = 0, b"", 0
    while at < len(frame):
        end = frame.find(SOH, at)
        end = len(frame) if end < 0 else end
        equals = frame.find(b"=", at, end)
        if equals < 0:
            yield frame[at:end], b""
            at = end + 1
            continue
        tag = frame[at:equals]
        counted = equals + 1 + length
        if tag == length_of and (counted == len(frame) or frame[counted : counted + 1] == SOH):
            end = counted
        value = frame[equals + 1 : end]
        length_of, length = _announces(tag, value)
        yield tag, value
        at = end + 1


def _announces(tag: bytes, value: bytes) -> tuple[bytes, int]:
    """The data tag and length that a length field announces, or (b"", 0)."""
    if len(tag) > 5 or len(value) > 9 or not tag.isdigit() or not value.isdigit():
        return b"", 0
    data = DATA_OF_LENGTH.get(int(tag))
    return (b"%d" % data, int(value)) if data else (b"", 0)


def message_type(frame: bytes) -> str:
    """Value of tag 35 where every sane frame has it, or an empty string."""
    start = frame.find(b"\x0135=", 0, 64)
    if start < 0:
        return ""
    end = frame.find(SOH, start + 4)
    return frame[start + 4 : end].decode("latin-1") if end > 0 else ""


def masked(frame: bytes) -> bytes:
    """The frame with each secret value replaced by ``***``; the same object when there is none."""
    login = message_type(frame).encode("latin-1") in RAW_DATA_TYPES
    wanted = SECRET_TAGS | {SECRET_IN_LOGIN} if login else SECRET_TAGS
    if not any(tag + b"=" in frame for tag in wanted):
        return frame
    parts = [_hidden(tag, value, tag in wanted) for tag, value in fields(frame)]
    return SOH.join(parts) + (SOH if frame.endswith(SOH) else b"")


def masked_text(text: str) -> str:
    """The same for text that quotes frames with ``|``, cut anywhere: evidence of a finding.

    RawData is masked whatever the type, because the quote may have lost it.
    """
    return _QUOTED.sub(r"\1***", text)


def _hidden(tag: bytes, value: bytes, secret: bool) -> bytes:
    if not value and not tag.isdigit():
        return tag  # a piece without "="
    # The session core's own asterisks stay: they keep the length that BodyLength counts.
    return tag + b"=" + (MASK if secret and value.strip(b"*") else value)


def readable(data: bytes) -> str:
    """Bytes as one line: SOH as ``|``, other control bytes escaped: no terminal obeys them."""
    return data.decode("utf-8", "backslashreplace").translate(_PRINTABLE)
