"""What accounts may ask of a market within its bounds stays in 64 bits: refused with numbers, and no block fails."""

from tests.simulation.perennial.node import PRICE, UNIT, USD, Node

LARGEST = (1 << 40) - 1
COSTLY = 1_048_000 * USD  # just below what a price may be
FREE = {"maintenance_ppm": 0, "min_maintenance_atoms": 0, "min_liquidation_fee_atoms": 0, "maker_limit_lots": LARGEST}


def test_the_largest_requirement_there_is_fits_the_refusal() -> None:
    node = Node(maintenance_ppm=7_000_000, maker_limit_lots=LARGEST)
    node.until(1, COSTLY)
    node.at(node.slot(1) + 1, node.change(1, maker=LARGEST))
    required = 7 * (LARGEST * COSTLY // UNIT)
    assert node.refusals() == [("BELOW_REQUIREMENT", required, 0)] and required < 1 << 63
    node.block(node.change(1, maker=UNIT // 1_000_000, collateral=100 * USD))
    assert node.refusals() == []


def test_a_side_does_not_grow_beyond_what_it_may_be_worth() -> None:
    node = Node(**FREE)
    node.until(1, COSTLY)
    node.at(node.slot(1) + 1, node.change(1, maker=LARGEST), node.change(2, maker=65_000 * UNIT))
    worth = LARGEST * COSTLY // UNIT
    assert node.refusals() == [("OVERFLOW", 1 << 56, worth)]
    node.until(2, COSTLY)
    node.at(node.slot(2) + 1, node.change(3, maker=4_000 * UNIT), node.change(4, long=65_000 * UNIT))
    assert node.refusals() == [("OVERFLOW", 1 << 56, 69_000 * COSTLY)]
    node.until(3, COSTLY)
    assert [node.lots(account) // UNIT for account in (1, 2, 3, 4)] == [0, 65_000, 0, 65_000]


def test_a_market_that_is_owed_too_much_only_shrinks() -> None:
    """Without any requirement two accounts win and lose whatever the price makes of the largest sizes there are."""
    node = Node(**FREE)
    node.now_ms += 1
    node.block(node.change(1, maker=LARGEST), node.change(2, long=LARGEST))
    node.until(1)
    node.until(2, COSTLY)
    lost = -node.collateral(1)
    assert 1 << 59 < lost < 1 << 60 and node.lots(2) == LARGEST
    node.at(node.slot(2) + 1, node.change(2, long=0), node.change(1, maker=0))
    assert node.refusals() == []
    node.until(3, COSTLY)
    node.until(4, PRICE)
    (debt,) = node.market().debts
    node.block(node.change(3, maker=UNIT), node.change(2, maker=1))
    assert node.refusals() == [("OVERFLOW", 1 << 58, debt.amount_atoms)] * 2
    node.block(node.change(3, collateral=5 * USD), node.change(3, collateral=-5 * USD))
    assert node.refusals() == []
