"""Plain tables: columns as wide as their widest cell, numbers to the right. No colour, no library.

A damaged host must still be able to show what is wrong, so nothing here needs more than text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

CELL_MAX = 120


def cell(value: object) -> str:
    """A value as the text of one cell."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(cell(v) for v in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{k}={cell(v)}" for k, v in value.items()) or "-"
    return str(value)


def lines(rows: Sequence[Mapping[str, object]], columns: Sequence[str] = ()) -> list[str]:
    """A header, a rule and one line a row. ``columns`` chooses and orders; default: the first row's
    keys.
    """
    if not rows:
        return []
    names = list(columns) or list(rows[0])
    texts = [[_short(cell(row.get(name))) for name in names] for row in rows]
    widths = [max(len(name), *(len(t[i]) for t in texts)) for i, name in enumerate(names)]
    right = [all(_number(row.get(name)) for row in rows) for name in names]
    body = [
        "  ".join(
            text.rjust(width) if flush else text.ljust(width)
            for text, width, flush in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in texts
    ]
    head = "  ".join(
        name.rjust(width) if flush else name.ljust(width)
        for name, width, flush in zip(names, widths, right, strict=True)
    )
    return [head.rstrip(), "  ".join("-" * width for width in widths), *body]


def pairs(values: Mapping[str, object], indent: str = "") -> list[str]:
    """``name   value``, one a line, the values aligned."""
    width = max((len(name) for name in values), default=0)
    return [f"{indent}{name.ljust(width)}  {cell(value)}" for name, value in values.items()]


def _number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _short(text: str) -> str:
    return text if len(text) <= CELL_MAX else text[: CELL_MAX - 3] + "..."
