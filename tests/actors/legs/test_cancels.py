"""Cancels by columns do what cancels one by one do: orders, sums, answers, events and what the books are sent."""

import pytest

from actors.legs.cancels import FEW_CANCELS
from tests.actors.legs.worlds import Twins


@pytest.mark.parametrize("seed", range(10))
def test_random_cancels_are_the_same_by_columns_and_by_rows(seed: int) -> None:
    twins = Twins(seed)
    for _ in range(20):
        twins.begin_block()
        for _ in range(twins.draw.randint(0, 30)):
            twins.place()
        if twins.draw.random() < 0.3:
            twins.choose_leverage()
        twins.settle(twins.legs(twins.draw.randint(0, 10), in_ladder=False), 0)
        twins.cancel(twins.cancels(twins.draw.randint(0, 4 * FEW_CANCELS)))
        twins.assert_equal()
