"""``durafix explain CODE``: what a finding, an error or an exit code means, and what to do."""

from __future__ import annotations

import click

from ...recovery.findings import CODES
from . import options
from .exits import BY_CODE, MEANING, Exit

ERRORS: dict[str, str] = {
    "config": "the configuration has a wrong key or value; the message names it",
    "unknown-session": "no session has that name, or a short name fits several",
    "corrupt": "bytes that were durable are damaged; trading on this journal stops",
    "cannot-tell": "the evidence does not allow a verdict",
    "format-unknown": "not a journal, or one of a format that this version does not know",
    "missing": "a file or folder that is needed is not there",
    "locked": "another process writes this journal",
    "exists": "something is in the way of a new file",
    "disk-full": "no space is left; what was accepted stays queued",
    "io-failed": "a write or fsync failed; the outcome is unknown until recovery decides",
    "permission": "the files belong to somebody else, or the file system is read-only",
    "listen": "the address to listen on cannot be bound",
}


@click.command(short_help="What a code means.")
@click.argument("code", required=False)
@options.output("text", "table", "json", "ndjson")
def command(code: str | None, output: str) -> int:
    """Example:  durafix explain torn-tail

    CODE is the code of a finding (torn-tail), of an error (locked), or ``exit`` for the table of
    exit codes. Without CODE all of them are listed.
    """
    rows = [row for row in _rows() if code in (None, row["code"], row["what"])]
    if not rows:
        raise click.BadParameter(
            f"no such code: {code!r}; durafix explain lists all", param_hint="CODE"
        )
    sink = options.sink(output)
    sink.rows("explain/1", rows, _line, ("what", "code", "meaning", "exit", "do"))
    return Exit.OK


def _rows() -> list[dict[str, object]]:
    exits = [
        {
            "what": "exit",
            "code": str(int(number)),
            "meaning": meaning,
            "exit": int(number),
            "do": do,
        }
        for number, (meaning, do) in MEANING.items()
    ]
    findings = [
        {
            "what": "finding",
            "code": name,
            "meaning": meaning,
            "exit": {"damage": 1, "doubt": 3}.get(severity.value, 0),
            "do": {
                "damage": "durafix repair JOURNAL shows what can be done",
                "doubt": "restore what is missing, or ask again on another machine",
            }.get(severity.value, "nothing"),
        }
        for name, (severity, meaning) in CODES.items()
    ]
    errors = [
        {
            "what": "error",
            "code": name,
            "meaning": meaning,
            "exit": int(BY_CODE[name]),
            "do": MEANING[BY_CODE[name]][1],
        }
        for name, meaning in ERRORS.items()
    ]
    return [*exits, *findings, *errors]


def _line(row: object) -> str:
    assert isinstance(row, dict)
    code = f"exit {row['code']}" if row["what"] == "exit" else f"{row['code']} ({row['what']})"
    return f"{code}: {row['meaning']}. What to do: {row['do']}."
