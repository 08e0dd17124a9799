"""The plan of a demo comes from its seed alone."""

import pytest

from durafix.tools.demo.plan import SIDES, kills, order, order_number


def test_the_same_seed_gives_the_same_plan() -> None:
    """And another seed another one."""
    assert kills(7, 20_000, 20) == kills(7, 20_000, 20)
    assert kills(7, 20_000, 20) != kills(8, 20_000, 20)
    assert [order(1, n) for n in range(1, 50)] == [order(1, n) for n in range(1, 50)]
    assert order(1, 5) != order(2, 5)
    assert order_number(order(1, 5).cl_ord_id) == 5


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize(("orders", "count"), [(200, 2), (5000, 6), (50, 10), (20_000, 20)])
def test_kills_are_in_order_inside_the_flow_and_hit_both_sides(
    seed: int, orders: int, count: int
) -> None:
    """Never before the first order or after the last, and nobody is spared."""
    plan = kills(seed, orders, count)
    places = [kill.at_order for kill in plan]
    assert len(plan) == count
    assert places == sorted(places)
    assert places[0] >= 1
    assert places[-1] < orders
    assert {kill.side for kill in plan} == set(SIDES)


def test_no_kills_is_a_plan_too() -> None:
    """Then the demo only trades."""
    assert kills(1, 100, 0) == []
