"""A run of legs by columns leaves what the legs one by one leave: tables, sums, marks of change, events and dues."""

import pytest

from actors.columns import matrix
from actors.legs.runs import FEW_LEGS, split_legs
from breakwater.v1 import batches_pb2 as batches
from tests.actors.calling import table
from tests.actors.legs.worlds import CASH, DELEVERAGED, FILL, GONE, TAKEOVER, VENUE, Twins


@pytest.mark.parametrize("seed", range(12))
def test_a_random_life_is_the_same_by_columns_and_by_rows(seed: int) -> None:
    twins = Twins(seed)
    for _ in range(25):
        twins.begin_block()
        for _ in range(twins.draw.randint(0, 12)):
            twins.place()
        for _ in range(2):
            twins.amend_down()
        if twins.draw.random() < 0.3:
            twins.choose_leverage()
        ladder_round = twins.draw.choice((0, 0, 1))
        if ladder_round:
            twins.arm_partials()
        twins.settle(twins.legs(twins.draw.randint(0, 5 * FEW_LEGS), ladder_round > 0), ladder_round)
        twins.assert_equal()
        twins.move_marks()
        twins.assert_equal()


def test_an_account_with_a_leg_of_a_rare_kind_goes_row_by_row_whole() -> None:
    kinds = (FILL, GONE, TAKEOVER, DELEVERAGED)
    rows = [(1, FILL), (2, FILL), (1, CASH), (3, GONE), (2, DELEVERAGED), (1, GONE)]
    legs = [(1, place, 1, 0, VENUE, account, kind, *([0] * 7)) for place, (account, kind) in enumerate(rows)]
    by_columns, by_rows = split_legs(matrix(table(batches.CrossLegs, *legs)), kinds)
    assert (by_columns.tolist(), by_rows.tolist()) == ([1, 3, 4], [0, 2, 5])
