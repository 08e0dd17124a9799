"""Options that several verbs share, spelt the same everywhere, and the values that they parse into.

Owns the spelling. It must not open a journal: a wrong option is a usage error before any file is
touched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ...journal.position import Position
from ..render.output import FORMATS, Output
from ..render.progress import Progress
from ..render.times import parse_rfc3339

F = TypeVar("F", bound=Callable[..., Any])


class Time(click.ParamType[int]):
    """An RFC 3339 time, as nanoseconds UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """``2026-11-25T09:30:00.5Z`` -> int."""
        try:
            return value if isinstance(value, int) else parse_rfc3339(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Place(click.ParamType["Bound"]):
    """An event number, an RFC 3339 time, or ``segment:offset``."""

    name = "event|time|segment:offset"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Bound:
        """Text -> ("event", n), ("time", ns) or ("position", Position)."""
        if isinstance(value, tuple):
            return value
        text = str(value)
        if text.isdecimal():
            return ("event", int(text))
        try:
            if "-" in text:
                return ("time", parse_rfc3339(text))
            return ("position", Position.parse(text))
        except ValueError:
            self.fail(
                f"{text!r} is no event number, no time like 2026-11-25T09:30:00Z and no "
                "segment:offset",
                param,
                ctx,
            )


Bound = tuple[str, Any]
"""What ``Place`` yields."""


def journal(function: F) -> F:
    """The positional JOURNAL."""
    # Not readable for us is an error of ours (exit 6), not a mistake in the command line.
    path = click.Path(path_type=str, readable=False)
    return click.argument("journal", metavar="JOURNAL", type=path)(function)


def output(*formats: str, default: str = "text") -> Callable[[F], F]:
    """``-o`` with the formats that make sense for a verb."""
    assert set(formats) <= set(FORMATS)
    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats),
        default=default,
        show_default=True,
        help="How results are written to stdout.",
    )


def progress(function: F) -> F:
    """``--progress/--no-progress``; by default only when stderr is a terminal."""
    return click.option(
        "--progress/--no-progress",
        default=None,
        help="Show progress on stderr.  [default: only on a terminal]",
    )(function)


def sink(form: str, *, flush: bool = False) -> Output:
    """The output on stdout."""
    return Output(sys.stdout, form, flush=flush)


Meter = Progress


def meter(what: str, enabled: bool | None) -> Meter:
    """The progress line on stderr."""
    return Progress(sys.stderr, what, enabled=enabled)
