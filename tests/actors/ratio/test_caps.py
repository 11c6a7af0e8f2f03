"""Who is told to the books: by columns as by the scalar rulebook, whatever stands in them; SP-03, SP-04."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.columns import RowGatherer
from actors.ledger.book_orders import BookOrder
from actors.ratio.caps import failing_of, scan_caps
from actors.ratio.health import Terms
from actors.ratio.losses import is_failing
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from tests.actors.ratio.venue import (
    ACCOUNTS,
    BUY,
    CERTAIN,
    MARK,
    MARKETS,
    REDUCE_ONLY,
    SELL,
    VENUE,
    Venue,
    fill,
    order,
)

ADMIT = batches.SHARD_PHASE_ADMIT


def caps_of(venue: Venue) -> list[tuple[int, ...]]:
    return venue.settle().rows("caps")


def test_sp04_an_account_below_one_is_capped_in_every_market_of_its_orders() -> None:
    venue = Venue(cash_atoms=3_100_000)
    venue.settle(fill(1, 10), fill(2, -10))
    orders = [order(0, 1, BUY, 10, 9_000), order(1, 1, SELL, 10, 11_000, market=2), order(2, 1, SELL, 4)]
    venue.call((*CERTAIN, ADMIT), orders=orders)
    assert caps_of(venue) == []
    # 900,000 + 1,100,000 for the orders; 10 lots need 995,000 at 9,950 and have lost 50,000.
    venue.book.accounts.post(1, free=-55_000)
    venue.mark(9_950)
    assert caps_of(venue) == []
    venue.book.accounts.post(1, free=-1)
    assert caps_of(venue) == [(VENUE, 1, 1, 10, 1), (VENUE, 2, 1, 0, 1)]


def test_reduce_only_orders_are_told_of_whoever_has_them() -> None:
    venue = Venue()
    venue.settle(fill(1, 10), fill(2, -10))
    orders = [order(0, 1, SELL, 4, flags=REDUCE_ONLY), order(1, 1, BUY, 4, 9_000, market=2)]
    venue.call((*CERTAIN, ADMIT), orders=orders)
    assert caps_of(venue) == [(VENUE, 1, 1, 10, 0)]


def test_an_order_the_mark_ran_away_from_cannot_be_filled_below_what_the_account_has() -> None:
    venue = Venue(cash_atoms=2_000_000)
    venue.call((*CERTAIN, ADMIT), orders=[order(0, 1, BUY, 10, 10_000)])
    assert caps_of(venue) == []
    # 10 lots need 1,000,000; at 9,000 a fill at 10,000 loses the other 1,000,000.
    venue.mark(9_000)
    assert caps_of(venue) == []
    venue.mark(8_999)
    assert caps_of(venue) == [(VENUE, 1, 1, 0, 1)]
    venue.mark(10_000)
    assert caps_of(venue) == []


PRICES = st.integers(9_000, 11_000)
POSITION = st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(MARKETS), st.integers(-50, 50), PRICES)
RESTING = st.tuples(
    st.sampled_from(ACCOUNTS),
    st.sampled_from(MARKETS),
    st.sampled_from((BUY, SELL)),
    st.integers(1, 40),
    PRICES,
    st.sampled_from((0, REDUCE_ONLY)),
)


@settings(max_examples=80)
@given(
    positions=st.lists(POSITION, max_size=10),
    orders=st.lists(RESTING, max_size=14),
    index_e9=st.sampled_from((0, 7, -1_234_567_891, 10**16, -(10**18))),
    ticks=PRICES,
    is_usable=st.booleans(),
    cash=st.lists(st.integers(-2_000_000, 8_000_000), min_size=len(ACCOUNTS), max_size=len(ACCOUNTS)),
)
def test_columns_find_whom_the_scalar_rulebook_finds(
    positions: list[Any], orders: list[Any], index_e9: int, ticks: int, is_usable: bool, cash: list[int]
) -> None:
    venue = Venue(cash_atoms=0)
    venue.settle(*(fill(account, lots, price, market=market) for account, market, lots, price in positions if lots))
    for number, (account, market, side, lots, limit, flags) in enumerate(orders, 1):
        venue.book.add_order(number, BookOrder(account, market, side, limit, lots, lots, 1, flags, 1, 0))
    for account, atoms in zip(ACCOUNTS, cash, strict=True):
        venue.book.accounts.post(account, free=atoms)
    venue.mark(ticks, index_e9=index_e9)
    if not is_usable:
        venue.mark(ticks, market=2, state=common.MARK_STATE_HALTED)
    venue.settle()
    book, slots = venue.book, venue.book.accounts.table.slots()
    found = failing_of(book, slots)
    terms = Terms(book)
    for account in ACCOUNTS:
        assert found[book.accounts.table.slot(account)] == is_failing(book, account, terms)
    told = _caps(venue)
    book.way = Way.BY_ROW
    assert _caps(venue) == told


def _caps(venue: Venue) -> list[tuple[int, ...]]:
    gathered = RowGatherer(batches.PositionCaps)
    scan_caps(venue.book, gathered)
    message = gathered.message()
    columns = [np.array(getattr(message, field.name)).tolist() for field in message.DESCRIPTOR.fields]
    return list(zip(*columns, strict=True))


def test_collateral_of_the_largest_positions_fits() -> None:
    venue = Venue(cash_atoms=0)
    lots = (1 << 59) // (MARK * 100)
    venue.settle(fill(1, lots), fill(2, -lots))
    venue.book.add_order(1, BookOrder(1, 1, BUY, MARK, 1, 1, 1, 0, 1, 0))
    needed = venue.book.health(1).collateral_e9
    venue.book.accounts.post(1, free=-(-needed // 10**9))
    slots = venue.book.accounts.table.slots()
    assert not failing_of(venue.book, slots)[venue.book.accounts.table.slot(1)]
    venue.book.accounts.post(1, free=-1)
    assert failing_of(venue.book, slots)[venue.book.accounts.table.slot(1)]


def test_losses_whose_bound_is_beyond_64_bits_are_exact() -> None:
    venue = Venue(cash_atoms=0)
    venue.book.add_order(1, BookOrder(1, 1, BUY, 1 << 33, 1 << 20, 1 << 20, 1, 0, 1, 0))
    venue.book.add_order(2, BookOrder(2, 1, BUY, MARK + 1, 1 << 39, 1 << 39, 1, 0, 1, 0))
    needed = -(-venue.book.health(2).collateral_e9 // 10**9)
    venue.book.accounts.post(2, free=needed + (1 << 39) * 100)
    slots = venue.book.accounts.table.slots()
    first, second = (venue.book.accounts.table.slot(account) for account in (1, 2))
    assert failing_of(venue.book, slots)[[first, second]].tolist() == [True, False]
    venue.book.accounts.post(2, free=-1)
    assert failing_of(venue.book, slots)[[first, second]].tolist() == [True, True]
