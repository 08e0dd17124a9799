"""Answering a ResendRequest with bytes: what to resend, what to gap-fill, and how a stored frame
becomes a copy.

Pure functions that the runtime calls with what the journal holds. A resent frame is the stored one
with header bytes patched (promise P7): its body is never parsed into values and never built again,
so groups, data fields and odd spellings survive. Session rules 11 to 15.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..wire.encode import checksum
from ..wire.framing import Frame, parse
from ..wire.tags import HEADER_TAGS
from .answer import REJECT, SEQUENCE_RESET, SESSION_TYPES
from .emitter import compose
from .state import Names

Run = tuple[int, int, str]
"""(first, last, verdict): "s" the stored frames, "g" one GapFill over all of them."""

STORED, GAP = "s", "g"
_TRAILER_BYTES = 7


def plan(
    frames: Sequence[tuple[int, bytes | None]],
    begin: int,
    end: int,
    *,
    resend_rejects: bool = False,
) -> tuple[Run, ...]:
    """The runs that answer ``begin`` to ``end`` (both included, ``begin`` <= ``end``).

    ``frames``: (MsgSeqNum, stored bytes, or None if they must not be resent, such as redacted
    ones), in any order; what is absent was never sent or is lost. Session messages and None become
    gap fills; stored Rejects are resent only with ``resend_rejects``. Neighbours of one verdict are
    one run.
    """
    assert 0 < begin <= end, "a range has at least one number"
    stored = dict(frames)
    held_back = SESSION_TYPES - {REJECT} if resend_rejects else SESSION_TYPES
    good = sorted(
        seq
        for seq, raw in stored.items()
        if begin <= seq <= end and raw is not None and msg_type_of(raw) not in held_back
    )
    runs: list[Run] = []
    expected = begin
    for seq in good:
        if seq > expected:
            runs.append((expected, seq - 1, GAP))
        if runs and runs[-1][2] == STORED and runs[-1][1] == seq - 1:
            runs[-1] = (runs[-1][0], seq, STORED)
        else:
            runs.append((seq, seq, STORED))
        expected = seq + 1
    if expected <= end:
        runs.append((expected, end, GAP))
    return tuple(runs)


def check_runs(runs: Sequence[Run], begin: int, end: int) -> None:
    """Assert that runs cover ``begin`` to ``end``: contiguous, without overlap, in order."""
    expected = begin
    for first, last, verdict in runs:
        assert first == expected and last >= first and verdict in (STORED, GAP), "runs cover it"
        expected = last + 1
    assert expected == end + 1, "runs cover the whole range"


def msg_type_of(raw: bytes) -> bytes:
    """MsgType (35), the third field, of a whole frame."""
    start = raw.index(b"\x01", raw.index(b"\x01") + 1) + 4
    return raw[start : raw.index(b"\x01", start)]


def gap_fill(names: Names, begin: int, new_seq_no: int, sending_time: bytes) -> bytes:
    """A SequenceReset-GapFill with number ``begin``, 43=Y, that makes ``new_seq_no`` the next
    number.
    """
    return compose(
        names,
        SEQUENCE_RESET,
        begin,
        sending_time,
        [(36, b"%d" % new_seq_no), (123, b"Y")],
        [(43, b"Y"), (122, sending_time)],
    )


def possdup(raw: bytes, sending_time: bytes) -> bytes:
    """The stored frame as a copy: 43=Y, 122 = its 52 verbatim, a new 52, 9 and 10, and nothing else
    changed.

    ``sending_time`` is written unless it is before the stored one (clocks step back): then that
    stays. Fields that are not there yet go in at ascending order among the header fields. ``raw``
    is a whole, valid frame.
    """
    frame = parse(raw)
    original = frame[52]
    time_span = frame.span(52)
    assert time_span is not None
    edits = [
        _set(frame, 43, b"Y"),
        (*time_span, b"52=%b\x01" % max(sending_time, original)),
        _set(frame, 122, original),
    ]
    length_span = frame.span(9)
    assert length_span is not None
    body, at = b"", length_span[1]
    for start, stop, field in sorted(edits, key=lambda edit: edit[0]):
        body += raw[at:start] + field
        at = stop
    body += raw[at:-_TRAILER_BYTES]
    head = b"%b9=%d\x01%b" % (raw[: length_span[0]], len(body), body)
    return b"%b10=%03d\x01" % (head, checksum(head))


def _set(frame: Frame, tag: int, value: bytes) -> tuple[int, int, bytes]:
    """(start, stop, bytes) that replace or insert a header field."""
    field = b"%d=%b\x01" % (tag, value)
    span = frame.span(tag)
    if span is not None:
        return (*span, field)
    at = _place(frame, tag)
    return at, at, field


def _place(frame: Frame, tag: int) -> int:
    """Offset at which a header field goes in: ahead of the first one behind 35 that is higher, or
    of the body.
    """
    for found in frame.tags()[3:]:
        if found > tag or found not in HEADER_TAGS:
            span = frame.span(found)
            assert span is not None
            return span[0]
    return len(frame.raw) - _TRAILER_BYTES
