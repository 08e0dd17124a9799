"""What will happen in a demo, decided by its seed alone: when who is killed, and what is traded.

Pure. Kills are tied to progress (orders accepted), not to time, so that each one hits full flow on
any machine.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import NamedTuple

SIDES = ("desk", "exchange")
SYMBOLS = ("MSFT", "AAPL", "NVDA", "AMZN")
FIRST_SHARE, LAST_SHARE = 0.03, 0.93
"""Kills lie between these shares of the orders: there is flow before the first and after the last.
"""
DELAY_MS_MAX = 25


class Kill(NamedTuple):
    """Kill ``side`` ``delay_ms`` after the desk has had ``at_order`` orders accepted."""

    at_order: int
    side: str
    delay_ms: float


class NewOrder(NamedTuple):
    """One order of the desk."""

    cl_ord_id: str
    symbol: str
    side: str
    quantity: int
    price: Decimal


def kills(seed: int, orders: int, count: int) -> list[Kill]:
    """``count`` kills in order of progress; with two or more, each side is hit at least once."""
    rng = random.Random(f"kills {seed}")
    width = orders * (LAST_SHARE - FIRST_SHARE) / max(1, count)
    first = orders * FIRST_SHARE
    places = [round(first + (i + rng.uniform(0.1, 0.9)) * width) for i in range(count)]
    sides = [rng.choice(SIDES) for _ in range(count)]
    if count > 1 and len(set(sides)) == 1:
        sides[rng.randrange(count)] = SIDES[1 - SIDES.index(sides[0])]
    delays = [rng.uniform(0, DELAY_MS_MAX) for _ in range(count)]
    return [
        Kill(max(1, at), side, delay) for at, side, delay in zip(places, sides, delays, strict=True)
    ]


def order(seed: int, number: int) -> NewOrder:
    """Order ``number`` (from 1 on): limit orders around one price, so that many of them trade."""
    rng = random.Random(f"order {seed} {number}")
    return NewOrder(
        cl_ord_id=f"c{number}",
        symbol=rng.choice(SYMBOLS),
        side=rng.choice("12"),
        quantity=100 * rng.randint(1, 9),
        price=Decimal(rng.randint(9_950, 10_050)) / 100,
    )


def order_number(cl_ord_id: str) -> int:
    """The inverse of ``order(...).cl_ord_id``."""
    return int(cl_ord_id.removeprefix("c"))
