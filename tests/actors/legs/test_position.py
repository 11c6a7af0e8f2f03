"""The kernel that moves a position equals the function that says what a move is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.legs.position import position_after as compiled
from actors.orders.moves import position_after

LOTS = st.integers(-(1 << 44) + 1, (1 << 44) - 1)
FEW = st.integers(-30, 30)
ATOMS = st.integers(-(1 << 60), 1 << 60)
PRICES = st.integers(1, 1 << 15)


@settings(max_examples=400)
@given(held=LOTS | FEW, cost=ATOMS, moved=LOTS | FEW, price=PRICES)
def test_a_move_at_one_price(held: int, cost: int, moved: int, price: int) -> None:
    assert compiled(held, cost, moved, moved * price) == tuple(position_after(held, cost, moved, moved * price))


@settings(max_examples=200)
@given(held=LOTS | FEW, cost=ATOMS, share=st.integers(1, 1 << 44), quote=ATOMS)
def test_a_move_that_only_closes_may_be_at_any_quote(held: int, cost: int, share: int, quote: int) -> None:
    if not held:
        return
    moved = -(share % abs(held) + 1) * (1 if held > 0 else -1)
    assert compiled(held, cost, moved, quote) == tuple(position_after(held, cost, moved, quote))


def test_a_turning_move_at_two_prices_is_refused_by_both() -> None:
    for move in (position_after, compiled):
        with pytest.raises(AssertionError, match="not at one price"):
            move(3, 300, -5, -501)
