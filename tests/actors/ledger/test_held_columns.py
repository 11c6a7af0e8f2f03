"""What held orders lose at the marks, by column, is what they lose one by one."""

import random

import numpy as np
import pytest

from actors.ledger.held_columns import HeldColumns, HeldOrder

POSITIONS, MARKETS = 9, 4


def naive(orders: dict[int, HeldOrder], marks: list[int], k: list[int], moved: set[int]) -> tuple[list[int], list[int]]:
    """Order by order, in Python integers."""
    sums = {1: [0] * POSITIONS, -1: [0] * POSITIONS}
    for position, market, side, limit, lots in orders.values():
        if market in moved:
            sums[side][position] += max(0, side * (limit - marks[market])) * lots * k[market]
    return sums[1], sums[-1]


@pytest.mark.parametrize("largest", [50, 1 << 30])
def test_sums_follow_orders_that_come_change_and_go(largest: int) -> None:
    draw, held = random.Random(largest), HeldColumns()
    orders: dict[int, HeldOrder] = {}
    for _ in range(60):
        changed: dict[int, HeldOrder | None] = {}
        for _ in range(draw.randint(0, 80)):
            row = (draw.randrange(POSITIONS), draw.randrange(MARKETS), draw.choice((1, -1)))
            order = draw.randint(1, 3_000)
            changed[order] = (*row, draw.randint(1, largest), draw.randint(1, largest)) if draw.random() < 0.7 else None
        held.update(changed)
        orders.update({order: row for order, row in changed.items() if row})
        for order in (order for order, row in changed.items() if row is None):
            orders.pop(order, None)
        marks, k = [draw.randint(1, largest) for _ in range(MARKETS)], [draw.randint(1, 9) for _ in range(MARKETS)]
        moved = {market for market in range(MARKETS) if draw.random() < 0.6}
        columns = np.array(marks), np.array(k), np.array([market in moved for market in range(MARKETS)])
        buys, sells = held.adverse_atoms(*columns, POSITIONS)
        assert (buys.tolist(), sells.tolist()) == naive(orders, marks, k, moved)
