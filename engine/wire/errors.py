"""What can be wrong with bytes from a peer, and with values from a caller.

Bytes from a peer are judged, never trusted: ``Decoder`` reports what it skipped as a value
(``Garbled``), because a garbled message is ignored and life goes on (FIX session layer, "garbled
message"); ``parse`` takes one message that somebody vouches for and raises ``Malformed``. Both name
the same ``Reason``. The rest are errors of a caller's value or tag. They also derive from the
built-in error that a Python programmer would expect (ValueError, KeyError), so that both habits of
catching work.

    Error
      Malformed         parse() was given something that is not exactly one message
      BadValue          a value that cannot be written, or text of another type (ValueError)
        ReservedTag     a field that only the session may set
      BadType           a Python type that has no FIX text, such as float (TypeError)
      MissingTag        a field that was read is not there (KeyError)
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from ...journal.errors import Error


class Reason(StrEnum):
    """Why bytes are not a message. The order is the order in which the codec looks."""

    NOT_BEGIN_STRING = "not-begin-string"
    """They do not start with ``8=FIX`` and a short version text."""
    ORDER_OF_FIRST_THREE = "order-of-first-three"
    """8 is not followed by 9, or 9 not by 35."""
    BODY_LENGTH = "body-length"
    """9 is no number, or no ``10=`` stands where it says that the body ends."""
    CHECKSUM = "checksum"
    """The sum of the bytes is not what 10 says."""
    NO_TRAILER = "no-trailer"
    """``10=`` is in its place, but without three digits and a delimiter."""
    BAD_TAG = "bad-tag"
    """A field without a number, or without ``=``."""
    TOO_LONG = "too-long"
    """9 announces more than the limit."""


class Garbled(NamedTuple):
    """Bytes that a ``Decoder`` skipped because they are no message. A value: nothing was raised,
    nothing stopped.

    ``excerpt`` is at most 256 bytes from the start; it is what the peer sent, so it may hold a
    password. ``dropped`` is what had been skipped when this was reported. If the next message is
    not in sight yet, more may follow, which only ``Decoder.bytes_dropped`` counts.
    """

    reason: Reason
    excerpt: bytes
    dropped: int


class Malformed(Error):
    """The bytes given to ``parse`` are not exactly one message; ``reason`` says why."""

    code = "malformed"

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"not a FIX message: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[Malformed], tuple[Reason]]:
        return (Malformed, (self.reason,))


class BadValue(Error, ValueError):
    """A value that cannot stand in a FIX field, or text that is not of the type asked for."""

    code = "bad-value"


class ReservedTag(BadValue):
    """A field that only the session may set: it would contradict the session's own."""

    code = "reserved-tag"


class BadType(Error, TypeError):
    """A Python type that has no exact FIX text."""

    code = "bad-type"


class MissingTag(Error, KeyError):
    """A field that was read is not in the message. Uncaught in a handler, the engine answers it on
    the wire.
    """

    code = "missing-tag"

    def __init__(self, tag: int) -> None:
        super().__init__(
            f"Required tag missing: {tag}",
            where=f"tag {tag}",
            hint="use get(tag) if it is optional",
        )
        self.tag = tag

    def __str__(self) -> str:
        return self.message  # KeyError would print the quoted form

    def __reduce__(self) -> tuple[type[MissingTag], tuple[int]]:
        return (MissingTag, (self.tag,))
