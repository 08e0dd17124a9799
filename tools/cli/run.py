"""``durafix run``: acceptors and initiators from a TOML file, with a sample application or one's
own.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import signal
import sys
from collections.abc import Iterator

import anyio
import click

from ...engine import Application, Config, Engine
from ...engine.config import load
from ..samples.echo import EchoApplication
from ..samples.match import MatchingApplication
from .exits import Exit


@click.command(short_help="Run acceptors and initiators from a TOML file.")
@click.argument("config", metavar="CONFIG", type=click.Path(readable=False))
@click.option("--application", metavar="MODULE:CLASS", help="Your application; it is called once.")
@click.option("--sample", type=click.Choice(["echo", "match"]), help="An application of ours.")
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what is wrong.")
def command(
    config: str, application: str | None, sample: str | None, verbose: bool, quiet: bool
) -> int:
    """Example:  durafix run exchange.toml --sample match

    Runs until SIGTERM (exit 0) or Ctrl-C (exit 130); both log out in order, let handlers finish and
    seal the journal. Without an application, application messages are refused as unsupported.
    """
    if application and sample:
        raise click.UsageError("give --application or --sample, not both")
    loaded = load(config)
    chosen = choose(loaded, application, sample)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    fast = importlib.util.find_spec("uvloop") is not None
    number = anyio.run(serve, loaded, chosen, quiet, backend_options={"use_uvloop": fast})
    return Exit.INTERRUPTED if number == signal.SIGINT else Exit.OK


async def serve(config: Config, application: Application, quiet: bool) -> int:
    """Run the engine until a signal comes; returns its number once the engine has stopped."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with Engine.open(config, application) as engine:
            for text in () if quiet else announce(config, engine):
                click.echo(text, err=True)
            number = await anext(aiter(signals))
        return int(number)


def announce(config: Config, engine: Engine) -> Iterator[str]:
    """What it does now: one line for the journal, the port and each session."""
    report = engine.report
    found = "new" if report.created else f"{report.events} events, {report.because}"
    yield f"journal {config.journal.path}: {found}; fsync {config.journal.fsync}"
    if config.acceptor:
        yield f"listening on {config.acceptor.host}:{engine.port}"
    for session in config.session:
        if session.role == "acceptor":
            yield f"  {session.id.text}  waits for a logon"
        else:
            yield f"  {session.id.text}  connects to {session.host}:{session.port}"


def choose(config: Config, application: str | None, sample: str | None) -> Application:
    """The application that was asked for."""
    if application:
        return own(application)
    if sample == "match":
        return MatchingApplication(config.journal.path)
    return EchoApplication() if sample == "echo" else Application()


def own(name: str) -> Application:
    """``module:Class`` as an application; modules are found in the current folder too."""
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise click.BadParameter(
            f"{name!r} is not MODULE:CLASS, as in desk:Desk", param_hint="--application"
        )
    sys.path.insert(0, os.getcwd())
    try:
        made = getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError) as error:
        raise click.BadParameter(f"{name}: {error}", param_hint="--application") from error
    if not isinstance(made, Application):
        raise click.BadParameter(
            f"{name} is no durafix.engine.Application; derive from it", param_hint="--application"
        )
    return made
