"""One simulation from the command line: what a failing test prints.

python -m tests.simulation --fsync interval --seed 7 [--deaths 20] [--loss torn,mixed]
[--sabotage fdatasync]
"""

from __future__ import annotations

import argparse
import logging

from durafix.journal.siminode import Loss

from .judge import judge
from .world import Scenario, live


def main() -> None:
    """Run it and print the counts."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--fsync", choices=("always", "interval", "never"), default="always")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--deaths", type=int, default=Scenario("always", 0).deaths)
    parser.add_argument("--loss", default=",".join(loss.value for loss in Loss))
    parser.add_argument("--sabotage", default="")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)  # each death is a critical line
    losses = tuple(Loss(name) for name in given.loss.split(","))
    scenario = Scenario(given.fsync, given.seed, given.deaths, losses, given.sabotage)
    for name, count in sorted(judge(live(scenario)).items()):
        print(f"{count:8} {name}")


if __name__ == "__main__":
    main()
