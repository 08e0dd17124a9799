"""The entry point: finds the verb, loads only its file, and turns every end of a command into an
exit code.

Owns the list of verbs and the one place where errors become output. A verb's module has a click
command ``command`` whose function returns an exit code. It must not know what any verb does.

Invariant: whatever happens, a person gets at most one line of error (what, where, what to do), a
program gets one ``error/1`` object when it asked for JSON, and a traceback means a bug of ours. A
reader that goes away (``| head``) is a quiet end, not an error.
"""

from __future__ import annotations

import importlib
import itertools
import os
import signal
import sys
import warnings
from typing import NoReturn, TextIO

import click

from ...journal.errors import Error
from ..render.output import encode
from .exits import Exit, OsError, exit_of

VERBS: dict[str, str] = {
    "demo": "two processes trade, get killed, recover and are reconciled",
    "run": "run acceptors and initiators from a TOML file",
    "verify": "is the journal sound? one verdict, findings with places",
    "repair": "show the plan that makes a damaged journal usable; --apply does it",
    "replay": "fold the journal from zero and compare with what was journaled",
    "inspect": "segments, seals, index, tail file, quarantine",
    "cat": "records in order, filtered",
    "tail": "the last records; -f follows a live journal",
    "sessions": "sessions with their numbers, epochs, gaps and last activity",
    "explain": "what a finding, an error or an exit code means",
}


class Verbs(click.Group):
    """A group whose commands are loaded one by one: ``--help`` and ``verify`` start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order of a day's work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the verb's file."""
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f".{cmd_name}", __package__).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs without loading them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 clean or done, 1 a definite no, 2 usage, 3 cannot tell, 4 repaired, "
    "5 refused, 6 environment, 130 interrupted (durafix explain exit).",
)
@click.version_option(package_name="durafix", prog_name="durafix")
def root() -> None:
    """Example:  durafix verify JOURNAL

    A durable FIX engine: run sessions on a journal, and verify, repair, replay and read journals.
    Data goes to stdout, everything else to stderr.
    """


def main() -> NoReturn:
    """Run ``durafix`` with the process's arguments and end the process."""
    # A write to a pipe whose reader went away must raise, whatever the parent has set: see invoke.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    warnings.showwarning = _warn
    code = invoke(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
    sys.exit(code)


def invoke(arguments: list[str]) -> int:
    """Run one command line; returns its exit code. Errors are shown on stderr."""
    try:
        # Not root.main(): click would turn a reader that went away into exit 1.
        with root.make_context("durafix", list(arguments)) as context:
            result = root.invoke(context)
            sys.stdout.flush()
        return int(result) if isinstance(result, int) else Exit.OK
    except click.exceptions.Exit as end:  # --help, --version
        return end.exit_code
    except click.UsageError as error:
        if _json_wanted(arguments):
            hint = f"{error.ctx.command_path} --help" if error.ctx else "durafix --help"
            _show_json("usage", error.format_message(), "", hint)
        else:
            error.show()
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return Exit.OK
    except Error as error:
        show(error, as_json=_json_wanted(arguments))
        return exit_of(error)
    except OSError as error:
        show(OsError.of(error), as_json=_json_wanted(arguments))
        return Exit.ENVIRONMENT


def show(error: Error, *, as_json: bool) -> None:
    """An error for a person or a program, on stderr."""
    if as_json:
        _show_json(error.code, error.message, error.where, error.hint)
        return
    where = f" ({error.where})" if error.where else ""
    hint = f" - {error.hint}" if error.hint else ""
    click.echo(f"durafix: {error.message}{where}{hint}", err=True)


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning for a person: one line, without the place in our sources."""
    click.echo(f"durafix: note: {message}", err=True)


def _show_json(code: str, message: str, where: str, hint: str) -> None:
    body = {"schema": "error/1", "code": code, "message": message, "where": where, "hint": hint}
    click.echo(encode(body), err=True)


def _json_wanted(arguments: list[str]) -> bool:
    """Whether ``-o json`` or ``-o ndjson`` was asked for, even when the rest cannot be parsed."""
    joined = [a.partition("=")[2] for a in arguments if a.startswith("--output=")]
    joined += [a[2:] for a in arguments if a.startswith("-o") and len(a) > 2]
    pairs = itertools.pairwise(arguments)
    split = [value for flag, value in pairs if flag in ("-o", "--output")]
    return any(value in ("json", "ndjson") for value in joined + split)


def _drop_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush stays silent."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
