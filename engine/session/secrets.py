"""Secrets leave a frame before it reaches an event: the values are masked, the shape stays (session
rule 30).

Owns which tags are secret and how a value is masked: by asterisks of the same length, so that
BodyLength and the lengths of data fields stay right. The journaled bytes of a received frame keep
the original 9 and 10, so they still tell what was on the wire; those of a sent one have the 10 of
the masked text, because a re-run makes them from nothing else. Neither is ever sent again. The
frame that stays in state is sealed with a checksum that fits its masked bytes, so that it can be
read again.
"""

from __future__ import annotations

from ..wire.encode import checksum
from ..wire.framing import Frame, parse

ALWAYS = (554, 925, 1402, 1404)
"""Password, NewPassword, EncryptedPassword, EncryptedNewPassword."""
RAW_DATA = 96
RAW_DATA_TYPES = frozenset({b"A", b"BE"})
"""Logon and UserRequest: there RawData carries credentials."""
_SEAL_BYTES = 7


def masked_fields(msg_type: bytes, fields: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Fields of a message that we send, with secret values masked; the same list if there are none.

    Masking twice changes nothing, so a re-run from the journaled frame gives the same bytes.
    """
    secret = {*ALWAYS, RAW_DATA} if msg_type in RAW_DATA_TYPES else set(ALWAYS)
    if secret.isdisjoint(dict(fields)):
        return fields
    return [(tag, b"*" * len(value) if tag in secret else value) for tag, value in fields]


def has_secrets(frame: Frame) -> bool:
    """Whether ``secret_tags`` finds any; asked for every frame, so written for speed."""
    return (
        554 in frame
        or 925 in frame
        or 1402 in frame
        or 1404 in frame
        or (RAW_DATA in frame and frame.msg_type in RAW_DATA_TYPES)
    )


def secret_tags(frame: Frame) -> list[int]:
    """Tags of this frame whose values must not be kept."""
    found = [tag for tag in ALWAYS if tag in frame]
    if frame.msg_type in RAW_DATA_TYPES and RAW_DATA in frame:
        found.append(RAW_DATA)
    return found


def mask(frame: Frame, tags: list[int]) -> bytes:
    """The frame's bytes with the values of ``tags`` masked and all else, 9 and 10 included, as it
    was.
    """
    raw = frame.raw
    for tag in tags:
        for found, value in frame.fields():
            if found == tag:
                old, new = b"\x01%d=%b\x01", b"*" * len(value)
                raw = raw.replace(old % (tag, value), old % (tag, new))
    return raw


def sealed(masked: bytes) -> Frame:
    """A readable frame from masked bytes: 10 is made to fit."""
    body = masked[:-_SEAL_BYTES]
    return parse(b"%b10=%03d\x01" % (body, checksum(body)))
