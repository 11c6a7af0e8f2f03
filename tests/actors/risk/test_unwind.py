"""The vault's unwinding: five numbers, one order or none (MT-14)."""

from hypothesis import given
from hypothesis import strategies as st

from actors.risk.unwind import UnwindOrder, UnwindRules, is_due, limit_ticks, unwind_order
from actors.units import LONG, PRICE_BOUND, SHORT

RULES = UnwindRules(
    step_ms=10_000, fraction_ppm=100_000, full_disposal_lots=5, max_depth_ppm=250_000, slippage_ppm=20_000
)


def test_mt14_a_step_sells_a_fraction_rounded_up_no_more_than_its_part_of_the_depth() -> None:
    assert unwind_order(101, 10_000, 0, 1_000, 10_000, RULES) == UnwindOrder(SHORT, 11, 980)
    assert unwind_order(-101, 10_000, 0, 1_000, 10_000, RULES) == UnwindOrder(LONG, 11, 1_020)
    assert unwind_order(101, 10_000, 0, 1_000, 43, RULES) == UnwindOrder(SHORT, 10, 980)


def test_mt14_up_to_the_full_disposal_size_all_is_sent() -> None:
    assert unwind_order(5, 10_000, 0, 1_000, 10_000, RULES) == UnwindOrder(SHORT, 5, 980)
    assert unwind_order(6, 10_000, 0, 1_000, 10_000, RULES) == UnwindOrder(SHORT, 1, 980)


def test_mt14_there_is_no_order_without_inventory_time_or_depth() -> None:
    assert unwind_order(0, 10_000, 0, 1_000, 10_000, RULES) is None
    assert unwind_order(101, 9_999, 0, 1_000, 10_000, RULES) is None
    assert unwind_order(101, 10_000, 0, 1_000, 3, RULES) is None
    assert is_due(12_000, 2_000, RULES) and not is_due(11_999, 2_000, RULES)


def test_mt14_the_limit_is_rounded_towards_the_mark_and_is_a_price() -> None:
    assert limit_ticks(1, 1_001, RULES) == 981
    assert limit_ticks(-1, 1_001, RULES) == 1_021
    assert limit_ticks(1, 1_000, RULES._replace(slippage_ppm=1_000_000)) == 1
    assert limit_ticks(1, 1_000, RULES._replace(slippage_ppm=2_000_000)) == 1
    assert limit_ticks(-1, PRICE_BOUND - 1, RULES) == PRICE_BOUND - 1


@given(st.integers(-(2**44), 2**44), st.integers(0, 2**44), st.integers(1, 10**6), st.integers(0, 100))
def test_mt14_an_order_only_reduces_and_leaves_most_of_the_depth(
    inventory: int, depth: int, fraction: int, full: int
) -> None:
    rules = RULES._replace(fraction_ppm=fraction, full_disposal_lots=full)
    order = unwind_order(inventory, 10_000, 0, 1_000, depth, rules)
    if order is not None:
        assert order.side * inventory < 0
        assert 0 < order.lots <= abs(inventory)
        assert 4 * order.lots <= depth
