"""FIX messages as bytes, both ways: framing, fields, values. Pure: no I/O, no clock, no dictionary,
no session.

    bytes --Decoder.feed--> Frame | Garbled --Message.from_frame--> Message     received
    Message --body_fields--> (session adds its own) --encode--> bytes            sent

``Frame`` is the raw message with its fields found; ``Message`` is what applications use. The codec
exists twice, compiled and in Python, with the same answers (``NATIVE`` says which one runs).
"""

from __future__ import annotations

from .encode import checksum, encode
from .errors import BadType, BadValue, Garbled, Malformed, MissingTag, Reason, ReservedTag
from .framing import NATIVE, Decoder, Frame, parse
from .message import Message
from .reading import Fields, Group
from .values import (
    Stamper,
    parse_bool,
    parse_decimal,
    parse_int,
    parse_utc_timestamp,
    to_bytes,
    to_text,
    utc_timestamp,
)

__all__ = [
    "NATIVE",
    "BadType",
    "BadValue",
    "Decoder",
    "Fields",
    "Frame",
    "Garbled",
    "Group",
    "Malformed",
    "Message",
    "MissingTag",
    "Reason",
    "ReservedTag",
    "Stamper",
    "checksum",
    "encode",
    "parse",
    "parse_bool",
    "parse_decimal",
    "parse_int",
    "parse_utc_timestamp",
    "to_bytes",
    "to_text",
    "utc_timestamp",
]
