"""``durafix demo``: see it survive. Two processes trade, get killed and recover."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from ...journal.disk import RealDisk
from ..demo import report
from ..demo.check import check
from ..demo.ledger import Ledger
from ..demo.plan import SIDES
from ..demo.reconcile import fold_agrees, reconcile
from ..demo.supervisor import DemoFailed, Outcome, Settings, Supervisor
from ..source import Selection, Source
from . import options
from .exits import Exit


@click.command(short_help="Two processes trade, get killed, recover and are reconciled.")
@click.option("--orders", type=click.IntRange(1, 1_000_000), default=5000, show_default=True)
@click.option("--kills", type=click.IntRange(0, 1000), default=6, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Decides kills and orders.")
@click.option(
    "--fsync",
    type=click.Choice(["always", "interval", "never"]),
    default="always",
    show_default=True,
    help="When an event counts as safe.",
)
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="New folder for journals.")
@click.option("--rate", type=click.IntRange(0), default=0, help="Orders a second; 0: no limit.")
@options.progress
@options.output("text", "json")
def command(
    orders: int,
    kills: int,
    seed: int,
    fsync: str,
    folder: Path | None,
    rate: int,
    progress: bool | None,
    output: str,
) -> int:
    """Example:  durafix demo --orders 20000 --kills 20 --seed 7

    A desk and an exchange trade FIX.4.4 as two processes over loopback TCP. One or the other is
    killed with SIGKILL at moments that the seed decides, is started again, and they resynchronise.
    Then both journals are verified, replayed and reconciled with each other. Exit 0 if nothing is
    wrong, 1 if anything is.
    """
    settings = Settings(
        folder=new_folder(folder),
        orders=orders,
        kills=kills,
        seed=seed,
        fsync=fsync,
        rate=rate,
    )
    meter = options.meter("orders", progress)
    click.echo(f"durafix demo: journals in {settings.folder}", err=True)
    try:
        outcome = Supervisor(settings, progress=meter).run()
    except DemoFailed as error:
        meter.close()
        click.echo(f"durafix: the demo failed: {error}", err=True)
        return Exit.NO
    meter.close()
    return judge(settings, outcome, output)


def judge(settings: Settings, outcome: Outcome, output: str) -> int:
    """Verify, replay and reconcile what is on disk; write the report."""
    roots = {side: str(settings.folder / side) for side in SIDES}
    checked = {side: check(RealDisk(), root) for side, root in roots.items()}
    ledgers = {
        side: Ledger.of(side, Source(root).records(Selection())) for side, root in roots.items()
    }
    problems = reconcile(ledgers["desk"], ledgers["exchange"], outcome.accepted)
    for side in SIDES:
        problems += fold_agrees(ledgers[side], checked[side].numbers)
    document = report.document(settings, outcome, ledgers, checked, problems)
    options.sink(output).report("demo-report/1", document, lambda: report.page(document))
    sys.stdout.flush()
    return Exit.OK if document["verdict"] == "clean" else Exit.NO


def new_folder(folder: Path | None) -> Path:
    """The folder of the demo: a temporary one, or a new or empty one of that name."""
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="durafix-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise click.BadParameter(f"{folder} is not empty; name a new folder", param_hint="--dir")
    return folder.absolute()
