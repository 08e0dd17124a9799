"""Every limit of the wire format in one place, so that nothing that a peer sends grows without
bound.

The numbers are upper bounds for hostile input, not advice: an honest message stays far below all of
them. Both codec twins read them from here, so they cannot drift apart.
"""

from __future__ import annotations

from typing import Final

MESSAGE_BYTES_DEFAULT: Final = 1 << 20
"""Longest message that a Decoder accepts unless it is told otherwise."""
MESSAGE_BYTES_MIN: Final = 64
"""A Decoder needs room for a header; below this nothing could ever be decided."""
MESSAGE_BYTES_MAX: Final = 1 << 28
"""Longest message at all: offsets inside a message are kept in 32 bits."""
BEGIN_STRING_BYTES_MAX: Final = 32
"""Longest value of BeginString (8). The longest in the standard, ``FIXT.1.1``, has 8."""
LENGTH_DIGITS_MAX: Final = 9
"""Most digits in BodyLength (9) and in the length of a data field. Ten digits are refused at once.
"""
TAG_DIGITS_MAX: Final = 9
"""Most digits in a tag number, so that every tag fits a signed 32-bit integer."""
EXCERPT_BYTES_MAX: Final = 256
"""How much of a garbled message is kept as evidence."""
GROUP_DEPTH_MAX: Final = 8
"""How deep repeating groups may nest in a message that is built. The standard needs 4."""
