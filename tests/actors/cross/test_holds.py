"""Holds of resting orders: the lean arithmetic and the kept sums equal the scalar rulebook on the orders themselves."""

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.cross.book import CrossBook
from actors.cross.holds import (
    FreeMargins,
    added_hold_atoms,
    free_margin_atoms,
    increasing_atoms,
    initial_margin_ceil_atoms,
    margin_terms,
    market_hold_ceil_atoms,
    with_order,
)
from actors.cross.settle import take_marks
from actors.ledger.cross_positions import CrossPosition
from actors.orders.carried import CarriedColumns
from actors.risk.tiers import tiers_of
from actors.rulebooks import margin_trade
from breakwater.v1 import common_pb2 as common
from tests.actors.cross.entering import (
    ACCOUNTS,
    BUY,
    CASH,
    IOC,
    LIMIT,
    MARK,
    MARKET,
    MARKETS,
    REDUCE_ONLY,
    SELL,
    STOP,
    TAKE_PROFIT,
    TAKER_FEE_E9,
    TIERS,
    VENUE,
    K,
    amend,
    enter,
    entry_book,
    order,
    order_number,
    set_mark,
    state,
)

TIER_SETS = (tiers_of(TIERS), tiers_of(((0, 40), (150_000, 20), (900_000, 10))), tiers_of(((0, 10),)))
commands = st.lists(
    st.tuples(
        st.sampled_from(("order", "order", "order", "reduce", "trigger", "amend", "leverage", "deposit")),
        st.sampled_from(ACCOUNTS[:2]),
        st.sampled_from(MARKETS),
        st.sampled_from((BUY, SELL)),
        st.integers(1, 4_000),
        st.integers(-900, 900),
    ),
    max_size=20,
)
positions = st.lists(st.integers(-3_000, 3_000), min_size=4, max_size=4)


def rulebook_hold(book: CrossBook, account: int, market: int) -> int:
    """The market's hold by the scalar rulebook from the orders themselves, no kept sum read."""
    mark, k, tiers = book.mark_ticks(market), book.k(market), book.tiers[market]
    row = book.positions.read(account, market)
    resting = [book.orders.read(number) for number in book.orders.of_account_in(account, market)]
    holds = []
    for side in (BUY, SELL):
        mine = [one for one in resting if one.side == side and one.is_resting and not one.is_reduce_only]
        lots = sum(one.remaining for one in mine)
        value = sum(margin_trade.notional_atoms(one.remaining, one.limit, k) for one in mine)
        adverse = sum(margin_trade.adverse_atoms(side, one.limit, mark, one.remaining, k) for one in mine)
        leverage = row.leverage or tiers.max_leverages[0]
        terms = (mark, k, leverage, tiers, TAKER_FEE_E9)
        holds.append(margin_trade.side_hold_ceil_atoms(row.lots, side, lots, value, adverse, *terms))
    return margin_trade.market_hold_atoms(*holds)


def rulebook_free(book: CrossBook, account: int) -> int:
    """Free margin of an account by the scalar rulebook alone."""
    at_mark = [
        margin_trade.PositionAtMark(
            row.lots,
            row.cost,
            book.mark_ticks(row.market),
            K,
            book.tiers[row.market],
            row.leverage or TIERS[0][1],
            fresh=book.is_usable(row.market),
        )
        for row in (book.positions.read(account, market) for market in MARKETS)
    ]
    health = margin_trade.account_health(book.accounts.free(account), at_mark)
    holds = sum(rulebook_hold(book, account, market) for market in MARKETS)
    return health.equity_atoms - health.initial_atoms - holds


def command_rows(drawn: list[tuple[str, int, int, int, int, int]]) -> dict[str, list[tuple[int, ...]]]:
    """Rows of one block; amends and cancels name orders of the rows before."""
    made: dict[str, list[tuple[int, ...]]] = {"orders": [], "amends": [], "leverages": [], "liquidity": []}
    for command, (kind, account, market, side, size, gap) in enumerate(drawn):
        if kind in ("order", "reduce", "trigger"):
            cells = {"market": market, "kind": MARKET if size % 5 == 0 else LIMIT}
            if kind == "reduce":
                cells["flags"] = REDUCE_ONLY
            if kind == "trigger":
                cells |= {"trigger": STOP if gap % 2 else TAKE_PROFIT, "trigger_ticks": MARK + gap}
            made["orders"].append(order(command, account, side, size, MARK + gap, **cells))
        elif kind == "amend":
            made["amends"].append(amend(command, order_number(size % (command + 1)), size, MARK + gap, account))
        elif kind == "leverage":
            made["leverages"].append((command, VENUE, account, market, size % 24))
        else:
            made["liquidity"].append((command, VENUE, account, 1, size * 100_000))
    return made


def stand(book: CrossBook, lots: list[int]) -> None:
    """Positions of accounts 1 and 2 in both markets, entered at the mark."""
    for index, amount in enumerate(lots):
        if amount:
            book.positions.move(1 + index // 2, MARKETS[index % 2], amount, amount * MARK * K)


@settings(max_examples=120)
@given(positions, commands, st.integers(-400, 400))
def test_kept_sums_hold_what_the_rulebook_holds_for_the_orders(lots, drawn, gap):
    """MT-02, over random blocks and a mark that moves: row sums, lean arithmetic, scalar rulebook, health agree."""
    book = entry_book()
    stand(book, lots)
    set_mark(book, 2, MARK, common.MARK_STATE_FRESH if gap % 2 else common.MARK_STATE_REDUCE_ONLY)
    enter(book, **command_rows(drawn))
    assert_holds_are_the_rulebooks(book)
    moved = common.Mark(
        venue=VENUE, market=1, mark_ticks=MARK + gap, version=2, state=common.MARK_STATE_FRESH, index_ticks=MARK
    )
    take_marks(book, [moved])
    book.height += 1
    enter(book)
    assert book.orders.triggered(1, MARK + gap) == []
    assert_holds_are_the_rulebooks(book)


def assert_holds_are_the_rulebooks(book: CrossBook) -> None:
    for account in ACCOUNTS[:2]:
        for market in MARKETS:
            row = book.positions.read(account, market)
            assert market_hold_ceil_atoms(row, margin_terms(book, market)) == rulebook_hold(book, account, market)
        free = free_margin_atoms(book, account, lambda market: margin_terms(book, market))
        assert free == rulebook_free(book, account) == book.health(account).free_margin


@settings(max_examples=120)
@given(positions, commands)
def test_a_block_of_orders_rolled_back_was_never_there(lots, drawn):
    book = entry_book()
    stand(book, lots)
    enter(book, orders=[order(900, 1, BUY, 4, flags=0), order(901, 2, SELL, 5, trigger=STOP, trigger_ticks=MARK - 5)])
    set_mark(book, 1, MARK - 6)
    before = state(book)
    book.log.open()
    enter(book, **command_rows(drawn))
    book.log.roll_back()
    assert state(book) == before


@settings(max_examples=120)
@given(positions, commands, st.integers(100_000_000, CASH))
def test_a_block_is_its_commands_one_by_one(lots, drawn, cash):
    """What is remembered inside a block (free margins, terms) is what a fresh look at every command finds."""
    together, alone = entry_book(), entry_book()
    for book in (together, alone):
        stand(book, lots)
        for account in ACCOUNTS[:2]:
            book.accounts.post(account, free=cash - CASH)
    columns = command_rows(drawn)
    told = enter(together, **columns)
    singly = [
        enter(alone, **{name: [row]})
        for row, name in sorted((row, name) for name, given_rows in columns.items() for row in given_rows)
    ]
    assert state(together) == state(alone)
    assert told.ops == [op for one in singly for op in one.ops]
    assert told.answers == {command: answer for one in singly for command, answer in one.answers.items()}


@settings(max_examples=120)
@given(positions, commands)
def test_whatever_raises_a_hold_leaves_free_margin(lots, drawn):
    """MT-02: after every single command an account that was not failing is not failing."""
    book = entry_book()
    stand(book, lots)
    for name, given_rows in command_rows(drawn).items():
        for row in given_rows:
            before = {account: rulebook_free(book, account) for account in ACCOUNTS[:2]}
            told = enter(book, **{name: [row]})
            for account, free in before.items():
                assert rulebook_free(book, account) >= min(free, 0)
            refused = told.answers.get(row[0], (0, 0))
            if refused[1] == common.OUTCOME_STATUS_UNSPECIFIED:
                continue
            assert {account: rulebook_free(book, account) for account in before} == before


@settings(max_examples=200)
@given(st.sampled_from(TIER_SETS), st.integers(0, 1 << 50), st.integers(1, 40))
def test_initial_margin_is_the_rulebooks(tiers, notional, leverage):
    assert initial_margin_ceil_atoms(notional, leverage, tiers) == margin_trade.initial_margin_ceil_atoms(
        notional, leverage, tiers
    )


@settings(max_examples=200)
@given(
    st.integers(-3_000, 3_000),
    st.lists(st.tuples(st.sampled_from((BUY, SELL)), st.integers(1, 2_000), st.integers(9_000, 11_000)), max_size=5),
    st.tuples(st.sampled_from((BUY, SELL)), st.integers(1, 2_000), st.integers(9_000, 11_000)),
)
def test_what_an_order_adds_is_the_difference_of_the_holds(lots, resting, new):
    terms = margin_terms(entry_book(), 1)
    row = CrossPosition(1, 1, lots)
    for side, size, limit in resting:
        row = with_order(row, side, limit, size, terms)
    side, size, limit = new
    after = with_order(row, side, limit, size, terms)
    added = added_hold_atoms(row, side, limit, size, terms)
    assert added == market_hold_ceil_atoms(after, terms) - market_hold_ceil_atoms(row, terms)
    assert with_order(after, side, limit, -size, terms) == row


def test_the_lots_that_close_hold_nothing_and_the_larger_side_counts():
    terms = margin_terms(entry_book(), 1)
    long_ten = CrossPosition(1, 1, 10)
    assert added_hold_atoms(long_ten, SELL, MARK, 10, terms) == 0
    # One lot opens: IM(11) - IM(10) is 1,000,000 / 20; the fee is taken on the whole side (11 lots at 500 ppm).
    assert added_hold_atoms(long_ten, SELL, MARK, 11, terms) == 50_000 + 5_500
    # A buy 100 ticks above the mark loses 10,000 atoms a lot at once, on top of margin and fee.
    bid = added_hold_atoms(long_ten, BUY, MARK + 100, 1, terms)
    assert bid == 50_000 + 505 + 10_000
    both = with_order(long_ten, SELL, MARK, 12, terms)
    assert added_hold_atoms(both, BUY, MARK + 100, 1, terms) == 0


def test_increasing_orders_count_at_the_mark_on_both_sides():
    terms = margin_terms(entry_book(), 1)
    row = with_order(with_order(CrossPosition(1, 1, 10), SELL, MARK + 50, 12, terms), BUY, MARK - 50, 3, terms)
    assert increasing_atoms(row, terms) == (2 + 3) * MARK * K


def test_free_margin_is_carried_along_with_what_admission_takes():
    book = entry_book()
    free = FreeMargins(book, lambda market: margin_terms(book, market), CarriedColumns())
    free.take(1, 5)  # nobody has asked yet, so there is nothing to keep
    assert free.of(1) == CASH
    free.take(1, 5)
    assert free.of(1) == CASH - 5


def test_a_market_order_is_held_at_its_protection_price():
    book = entry_book()
    enter(book, orders=[order(0, 1, BUY, 10, 0, kind=MARKET)])
    placed = book.orders.read(order_number(0))
    assert (placed.limit, placed.time_in_force) == (MARK + 500, IOC)
    assert book.health(1).holds == 10 * 50_000 + 5_250 + 10 * 500 * K
