"""The message as an application sees it: one that it builds, or one that was received.

``Message`` holds a type and fields; the session adds its own (numbers, identity, times) when it
sends. So a message that is built has no raw bytes yet and no number, and fields that would
contradict the session are refused with the reason. A received one wraps its Frame and converts a
value when it is read. Both read alike. A message never changes: to alter one, build another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from .body import FieldValue, build
from .errors import BadType, BadValue
from .framing import Frame
from .reading import Fields
from .tags import HEADER_TAGS, POSS_DUP_FLAG, POSS_RESEND, SESSION_TAGS
from .values import to_text

MSG_TYPE_BYTES_MAX = 16
Order = Literal["ascending", "given"]


class Message(Fields):
    """``Message("D", {11: "c1", 55: "MSFT", 38: 100})``.

    ``fields`` maps tags to values, or is an iterable of (tag, value). Values: str, bytes, int,
    Decimal, bool, aware datetime; a list of mappings is a repeating group: ``{453: [{448: "x", 447:
    "D"}]}``, members in the order given. A data field gets its length field by itself. ``order`` is
    the order of the body: by ascending tag with groups inline, or as given. Header fields (50, 57,
    97, 115, 116, 128, 129, 142 to 145, 1128 ...) go in front.

    Raises ReservedTag for a field that belongs to the session, BadValue (ValueError) and BadType
    (TypeError) for a value that has no FIX text; ``where`` names the tag.
    """

    __slots__ = (
        "_body",
        "_frame",
        "_type",
        "earlier_sends",
        "event_number",
        "redelivered",
    )

    event_number: int
    """Number of the journal event that holds a received message; 0 for a built one."""
    redelivered: bool
    """True if the application may have seen this message before our restart. Not the same as
    ``poss_dup``.
    """
    earlier_sends: tuple[Any, ...]
    """What an unfinished attempt to handle this message had sent before a crash."""

    def __init__(
        self,
        type: str,
        fields: Mapping[int, FieldValue] | Iterable[tuple[int, FieldValue]] = (),
        *,
        order: Order = "ascending",
    ) -> None:
        if not isinstance(type, str):
            raise BadType("the type of a message is a str, such as 'D'", where="tag 35")
        if not 0 < len(type) <= MSG_TYPE_BYTES_MAX or not type.isascii() or not type.isprintable():
            raise BadValue(f"{type!r} is no message type", where="tag 35")
        if order not in ("ascending", "given"):
            raise BadValue(f"order is 'ascending' or 'given', not {order!r}")
        self._type = type
        self._frame: Frame | None = None
        self._body = build(fields, ascending=order == "ascending")
        self._find = dict(reversed(self._body)).get
        self.event_number, self.redelivered, self.earlier_sends = 0, False, ()

    @classmethod
    def from_frame(
        cls,
        frame: Frame,
        *,
        event_number: int = 0,
        redelivered: bool = False,
        earlier_sends: Iterable[Any] = (),
    ) -> Message:
        """A received message. Nothing is checked again or copied."""
        self = cls.__new__(cls)
        self._type = to_text(frame.msg_type)
        self._frame = frame
        self._body = []
        self._find = frame.get
        self.event_number, self.redelivered = event_number, redelivered
        self.earlier_sends = tuple(earlier_sends)
        return self

    @property
    def type(self) -> str:
        """MsgType (35)."""
        return self._type

    @property
    def raw(self) -> bytes:
        """The received bytes, ``8=`` to the delimiter behind 10; empty for a message that was
        built.
        """
        return b"" if self._frame is None else self._frame.raw

    @property
    def seq_num(self) -> int:
        """MsgSeqNum (34) of a received message; -1 if there is none."""
        return -1 if self._frame is None else self._frame.seq_num

    @property
    def poss_dup(self) -> bool:
        """PossDupFlag (43) is Y: the peer resends what it sent under this number before."""
        return self._find(POSS_DUP_FLAG) == b"Y"

    @property
    def poss_resend(self) -> bool:
        """PossResend (97) is Y: a new message whose content the peer may have sent under another
        number.
        """
        return self._find(POSS_RESEND) == b"Y"

    def fields(self) -> list[tuple[int, bytes]]:
        """All fields in wire order: the whole frame if it was received, else the body."""
        return list(self._body) if self._frame is None else self._frame.fields()

    def body_fields(self) -> list[tuple[int, bytes]]:
        """What a session sends of this message: header extras by ascending tag, then the body in
        its order.

        Of a received message that is everything but the fields of the session itself (8, 9, 10, 34,
        35, 43, 49, 52, 56, 122, 369), so sending it back gives the same body, texts untouched.
        """
        if self._frame is None:
            return list(self._body)
        fields = [field for field in self._frame.fields() if field[0] not in SESSION_TAGS]
        # Stable, so a group of the header keeps its order if it stands alone; the body keeps that
        # of the wire.
        return sorted(fields, key=lambda field: field[0] if field[0] in HEADER_TAGS else 1 << 32)

    def __repr__(self) -> str:
        # No values: a Logon holds a password, an order is somebody's business.
        what = f"34={self.seq_num}" if self._frame is not None else f"{len(self._body)} fields"
        return f"<Message {self._type} {what}>"
