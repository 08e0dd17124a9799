"""The fields of a message that is built: checked, as bytes, in the order in which they go out.

It owns the order (header extras, body, trailer; groups inline behind their count; a data field
behind its length) and what a caller may set. It knows no message types: which member comes first in
a group is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, cast

from .datafields import DATA_OF_LENGTH, LENGTH_OF_DATA
from .errors import BadType, BadValue, ReservedTag
from .limits import GROUP_DEPTH_MAX, TAG_DIGITS_MAX
from .tags import HEADER_TAGS, SESSION_TAGS, TRAILER_TAGS
from .values import Value, to_bytes

FieldValue: TypeAlias = "Value | Sequence[Mapping[int, FieldValue]]"
"""A value, or the instances of a repeating group."""

Items: TypeAlias = Iterable[tuple[int, FieldValue]]
Pair = tuple[int, bytes]
_LAST = 10**TAG_DIGITS_MAX


def build(fields: Mapping[int, FieldValue] | Items, *, ascending: bool) -> list[Pair]:
    """Header extras by ascending tag, then the body (ascending or as given), then 93 and 89.

    Raises ReservedTag, BadValue, BadType; ``where`` names the tag. With ``ascending`` no tag may
    repeat; as given it may, so that a group can be written out by hand.
    """
    blocks = _blocks(fields, 0)
    if ascending:
        seen: set[int] = set()
        for block in blocks:
            tag = block[0][0]
            if tag in seen:
                hint = "write a repeating group as a list"
                raise BadValue("a tag appears twice", where=f"tag {tag}", hint=hint)
            seen.add(tag)
    blocks.sort(key=_place_ascending if ascending else _place_given)
    return [pair for block in blocks for pair in block]


def _place_given(block: list[Pair]) -> tuple[int, int]:
    tag = block[0][0]
    if tag in HEADER_TAGS:
        return (0, tag)
    return (2 if tag in TRAILER_TAGS else 1, 0)


def _place_ascending(block: list[Pair]) -> tuple[int, int]:
    section, _ = _place_given(block)
    return (section, block[0][0])


def _blocks(fields: Mapping[int, FieldValue] | Items, depth: int) -> list[list[Pair]]:
    """What must stay together: one field, a length with its data, or a count with all its
    instances.
    """
    items = list(cast(Items, fields.items() if isinstance(fields, Mapping) else fields))
    present = {tag for tag, _ in items}
    lengths: dict[int, list[FieldValue]] = {}
    blocks: list[list[Pair]] = []
    for tag, value in items:
        _check_tag(tag)
        try:
            if isinstance(value, list | tuple):
                blocks.append(_group(tag, value, depth + 1))
            elif tag in LENGTH_OF_DATA:
                blocks.append(_data(tag, to_bytes(_plain(value), data=True)))
            elif DATA_OF_LENGTH.get(tag) in present:
                lengths.setdefault(tag, []).append(value)
            else:
                blocks.append([(tag, to_bytes(_plain(value)))])
        except (BadValue, BadType) as error:
            error.where = error.where or f"tag {tag}"
            raise
    for tag, given in lengths.items():
        written = [int(text) for block in blocks for at, text in block[:1] if at == tag]
        if given != written:
            raise BadValue(
                "the length of a data field is counted here, and yours is another",
                where=f"tag {tag}",
                hint="leave it out",
            )
    return blocks


def _plain(value: FieldValue) -> Value:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        raise BadType("a repeating group is a list of mappings")
    return value


def _data(tag: int, value: bytes) -> list[Pair]:
    return [(LENGTH_OF_DATA[tag], b"%d" % len(value)), (tag, value)]


def _group(tag: int, instances: Sequence[Mapping[int, FieldValue]], depth: int) -> list[Pair]:
    """The count and all instances, their members in the order given."""
    if depth > GROUP_DEPTH_MAX:
        raise BadValue(f"groups nest at most {GROUP_DEPTH_MAX} deep")
    pairs = [(tag, b"%d" % len(instances))]
    for instance in instances:
        if not isinstance(instance, Mapping):
            raise BadType("an instance of a repeating group is a mapping of tags to values")
        if not instance:
            raise BadValue("an instance of a repeating group has at least its first member")
        pairs += [pair for block in _blocks(instance, depth) for pair in block]
    return pairs


def _check_tag(tag: object) -> None:
    if not isinstance(tag, int) or isinstance(tag, bool):
        raise BadType(f"a tag is an int, not {type(tag).__name__}")
    if not 0 < tag < _LAST:
        raise BadValue(f"{tag} is no tag number")
    why = SESSION_TAGS.get(tag)
    if why is not None:
        raise ReservedTag(f"tag {tag} cannot be set in a message: {why}", where=f"tag {tag}")
