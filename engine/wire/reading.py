"""Typed reading of fields and repeating groups, the same for a whole message and for one instance
of a group.

It knows tags and text, no dictionary: where a group ends cannot always be told from the wire alone,
and ``groups`` says what it does then. A value is converted when it is read, never before, and never
kept: text survives untouched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Sequence
from decimal import Decimal
from typing import TypeVar, overload

from .errors import BadValue, MissingTag
from .tags import TRAILER_TAGS
from .values import (
    parse_bool,
    parse_decimal,
    parse_int,
    parse_utc_timestamp,
    to_text,
)

Pairs = Sequence[tuple[int, bytes]]
T = TypeVar("T")


class Fields(ABC):
    """Fields by tag. Where a tag repeats, the first one counts.

    Reading a tag that is not there raises MissingTag (a KeyError); use ``get`` or ``in`` for an
    optional one. Text of another type than asked for raises BadValue (a ValueError).
    """

    __slots__ = ("_find",)

    _find: Callable[[int], bytes | None]
    """Value of the first field with this tag; a bound method of what holds them, for speed."""

    @abstractmethod
    def fields(self) -> list[tuple[int, bytes]]:
        """All fields in wire order."""

    def bytes_(self, tag: int) -> bytes:
        """Value as it is on the wire."""
        value = self._find(tag)
        if value is None:
            raise MissingTag(tag)
        return value

    def __getitem__(self, tag: int) -> str:
        value = self._find(tag)
        if value is None:
            raise MissingTag(tag)
        return to_text(value)

    @overload
    def get(self, tag: int) -> str | None: ...
    @overload
    def get(self, tag: int, default: str) -> str: ...
    @overload
    def get(self, tag: int, default: None) -> str | None: ...
    def get(self, tag: int, default: str | None = None) -> str | None:
        """Text of the value, or ``default``."""
        value = self._find(tag)
        return default if value is None else to_text(value)

    def __contains__(self, tag: object) -> bool:
        return isinstance(tag, int) and self._find(tag) is not None

    def __iter__(self) -> Iterator[int]:
        """The tags, each once, in the order in which they first appear."""
        return iter(dict.fromkeys(tag for tag, _ in self.fields()))

    def int_(self, tag: int) -> int:
        """Value of a FIX int."""
        return _typed(tag, parse_int, self.bytes_(tag))

    def decimal(self, tag: int) -> Decimal:
        """Value of a FIX float, price or quantity, with the zeros that it came with."""
        return _typed(tag, parse_decimal, self.bytes_(tag))

    def bool_(self, tag: int) -> bool:
        """Value of a FIX boolean."""
        return _typed(tag, parse_bool, self.bytes_(tag))

    def timestamp_ns(self, tag: int) -> int:
        """Nanoseconds since 1970 of a UTCTimestamp."""
        return _typed(tag, parse_utc_timestamp, self.bytes_(tag))

    def groups(self, tag: int, members: Container[int] | None = None) -> list[Group]:
        """The instances of the repeating group whose count field is ``tag``; an empty list if it is
        absent or 0.

        The field behind the count is the first of every instance (FIX demands it). With
        ``members``, all tags that may stand in an instance (those of nested groups too), the end of
        the group is exact. Without, a dictionary-free rule decides where the last instance ends: it
        takes the tags that earlier instances had; and if there is only one instance, all fields up
        to a tag that it already has, or the trailer. So with one instance, or a last one with a tag
        that no earlier one has, pass ``members``.

        BadValue if there are not as many instances as the count says.
        """
        found = self._find(tag)
        if found is None:
            return []
        count = _typed(tag, parse_int, found)
        fields = self.fields()
        start = next(at for at, (seen, _) in enumerate(fields) if seen == tag) + 1
        instances = _split(fields[start:], count, members) if count > 0 else []
        if len(instances) != count:
            raise BadValue(
                f"{count} instances announced, {len(instances)} found", where=f"tag {tag}"
            )
        return [Group(pairs) for pairs in instances]


class Group(Fields):
    """One instance of a repeating group. Reads as a message does."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Pairs) -> None:
        self._pairs = list(pairs)
        self._find = dict(reversed(self._pairs)).get

    def fields(self) -> list[tuple[int, bytes]]:
        return list(self._pairs)

    def __repr__(self) -> str:
        return f"<Group {' '.join(str(tag) for tag, _ in self._pairs)}>"


def _split(fields: Pairs, count: int, members: Container[int] | None) -> list[Pairs]:
    """Instances at the front of ``fields``, at most one more than ``count``, so that a wrong count
    shows.
    """
    if not fields or fields[0][0] in TRAILER_TAGS:
        return []
    first = fields[0][0]
    starts = [at for at, (tag, _) in enumerate(fields) if tag == first]
    if members is not None:
        end = next(
            (at for at, (tag, _) in enumerate(fields) if tag != first and tag not in members),
            len(fields),
        )
        starts = [at for at in starts if at < end][: count + 1]
        return [fields[a:b] for a, b in zip(starts, [*starts[1:], end], strict=True)]
    starts = starts[: count + 1]
    known = {tag for tag, _ in fields[: starts[-1]]}
    end = starts[-1] + 1
    seen = {first}
    for tag, _ in fields[end:]:
        if tag in TRAILER_TAGS or tag == first or (tag not in known if known else tag in seen):
            break
        seen.add(tag)
        end += 1
    return [fields[a:b] for a, b in zip(starts, [*starts[1:], end], strict=True)]


def _typed(tag: int, read: Callable[[bytes], T], value: bytes) -> T:
    """The value as ``read`` has it; its error says which field it was."""
    try:
        return read(value)
    except BadValue as error:
        error.where = error.where or f"tag {tag}"
        raise
