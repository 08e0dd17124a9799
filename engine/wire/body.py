"""The fields of a message that is built: checked, as bytes, in the order in which they go out.

It owns the order (header extras, body, trailer; groups inline behind their count; a data field
behind its length) and what a caller may set. It knows no message types: which member comes first in
a group is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn, TypeAlias, cast

from .datafields import DATA_OF_LENGTH, LENGTH_OF_DATA
from .errors import BadType, BadValue, ReservedTag
from .limits import GROUP_DEPTH_MAX, TAG_DIGITS_MAX
from .tags import HEADER_TAGS, SESSION_TAGS, TRAILER_TAGS
from .values import Value, to_bytes

FieldValue: TypeAlias = "Value | Sequence[Mapping[int, FieldValue]]"
"""A value, or the instances of a repeating group."""

Items: TypeAlias = Iterable[tuple[int, FieldValue]]
Pair = tuple[int, bytes]
Block = tuple[int, list[Pair]]  # the tag that decides the place, and what stands there
_TAGS_END = 10**TAG_DIGITS_MAX
_GROUP = (list, tuple)  # a constant: building the union for each field costs more than the check
_SPECIAL = frozenset({*SESSION_TAGS, *LENGTH_OF_DATA, *DATA_OF_LENGTH})
_NOT_PLAIN = _SPECIAL | HEADER_TAGS | TRAILER_TAGS
_PLACE = {tag: tag - _TAGS_END for tag in HEADER_TAGS} | dict.fromkeys(TRAILER_TAGS, _TAGS_END)
"""Where header and trailer tags stand; a body tag stands at its number, or where it was given."""


def build(fields: Mapping[int, FieldValue] | Items, *, ascending: bool) -> list[Pair]:
    """Header extras by ascending tag, then the body (ascending or as given), then 93 and 89.

    Raises ReservedTag, BadValue, BadType; ``where`` names the tag. With ``ascending`` no tag may
    repeat; as given it may, so that a group can be written out by hand.
    """
    if ascending and type(fields) is dict:
        plain = _plain(fields)
        if plain is not None:
            return plain
    blocks = _blocks(fields, 0)
    if ascending:
        _refuse_repeats(blocks)
        blocks.sort(key=lambda block: _PLACE.get(block[0], block[0]))
    else:
        blocks.sort(key=lambda block: _PLACE.get(block[0], 0))
    return [pair for _, pairs in blocks for pair in pairs]


def _plain(fields: dict[int, FieldValue]) -> list[Pair] | None:
    """The same for what nearly every message is, three times as fast: str, int and Decimal values
    under body tags. None for everything else, faults included, which the long way then names.
    """
    pairs: list[Pair] = []
    for tag, value in fields.items():
        kind = type(value)
        if kind is str:
            try:
                text = value.encode()  # type: ignore[union-attr]
            except UnicodeEncodeError:
                return None
            if not text or b"\x01" in text:
                return None
        elif kind is int:
            text = b"%d" % value  # type: ignore[str-format]
        elif type(value) in _GROUP or kind is float:
            return None
        else:
            try:
                text = to_bytes(cast(Value, value))
            except (BadValue, BadType):
                return None
        if tag in _NOT_PLAIN or type(tag) is not int or not 0 < tag < _TAGS_END:
            return None
        pairs.append((tag, text))
    pairs.sort()
    return pairs


def _refuse_repeats(blocks: list[Block]) -> None:
    if len({tag for tag, _ in blocks}) == len(blocks):
        return
    seen: set[int] = set()
    for tag, _ in blocks:
        if tag in seen:
            hint = "write a repeating group as a list"
            raise BadValue("a tag appears twice", where=f"tag {tag}", hint=hint)
        seen.add(tag)


def _blocks(fields: Mapping[int, FieldValue] | Items, depth: int) -> list[Block]:
    """What must stay together: one field, a length with its data, or a count with its instances."""
    items = list(cast(Items, fields.items() if isinstance(fields, Mapping) else fields))
    lengths: list[tuple[int, FieldValue]] = []
    blocks: list[Block] = []
    for tag, value in items:
        if type(tag) is not int or not 0 < tag < _TAGS_END:
            _refuse_tag(tag)
        try:
            if isinstance(value, _GROUP):
                _refuse_if_reserved(tag)
                blocks.append((tag, _group(tag, value, depth + 1)))
            elif tag not in _SPECIAL:
                blocks.append((tag, [(tag, to_bytes(cast(Value, value)))]))
            elif tag in DATA_OF_LENGTH:
                lengths.append((tag, value))
            else:
                _refuse_if_reserved(tag)
                blocks.append(_data(tag, to_bytes(cast(Value, value), data=True)))
        except (BadValue, BadType) as error:
            error.where = error.where or f"tag {tag}"
            raise
    return blocks + _spare_lengths(blocks, lengths) if lengths else blocks


def _spare_lengths(blocks: list[Block], lengths: list[tuple[int, FieldValue]]) -> list[Block]:
    """Length fields that a caller gave: those that were counted here must agree, the rest are
    fields.
    """
    counted: dict[int, list[bytes]] = {}
    for tag, pairs in blocks:
        counted.setdefault(tag, []).append(pairs[0][1])
    spare: list[Block] = []
    for tag, value in lengths:
        text = to_bytes(cast(Value, value))
        if tag not in counted:
            spare.append((tag, [(tag, text)]))
        elif not counted[tag] or counted[tag].pop(0) != text:
            raise BadValue(
                "the length of a data field is counted here, and yours is another",
                where=f"tag {tag}",
                hint="leave it out",
            )
    return spare


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
        pairs += [pair for _, block in _blocks(instance, depth) for pair in block]
    return pairs


def _data(tag: int, value: bytes) -> Block:
    length = LENGTH_OF_DATA[tag]
    return length, [(length, b"%d" % len(value)), (tag, value)]


def _refuse_tag(tag: object) -> NoReturn:
    if type(tag) is not int:
        raise BadType(f"a tag is an int, not {type(tag).__name__}")
    raise BadValue(f"{tag} is no tag number")


def _refuse_if_reserved(tag: int) -> None:
    why = SESSION_TAGS.get(tag)
    if why is not None:
        raise ReservedTag(f"tag {tag} cannot be set in a message: {why}", where=f"tag {tag}")
