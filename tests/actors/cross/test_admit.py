"""Phase 9 of cross accounts: every refusal with the numbers that decided it, in their order; what goes to the book."""

import pytest

from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.cross.entering import (
    BUY,
    CASH,
    GTC,
    HEIGHT,
    IOC,
    MARK,
    MARKET,
    MARKET_FLAG,
    PLACE,
    POST_ONLY,
    REDUCE_ONLY,
    SELL,
    STOP,
    VENUE,
    K,
    amend,
    enter,
    entry_book,
    market_terms,
    order,
    order_number,
    set_mark,
    state,
)

HELD_A_LOT = 50_000  # IM at 20x of a lot worth 1,000,000 atoms
DEPOSIT, WITHDRAW = 1, -1
ADMIT_PHASE = 9


def leverage(command: int, chosen: int, account: int = 1, market: int = 1) -> tuple[int, ...]:
    return (command, VENUE, account, market, chosen)


def act_on(book, account: int, rung: int, height: int = HEIGHT) -> None:
    """The ladder acted on the account at this height."""
    book.ladder.insert(account, *([0] * len(book.ladder.columns)))
    book.ladder.put(account, "acted_height", height)
    book.ladder.put(account, "acted_rung", rung)


def stand(book, lots: int, account: int = 1, market: int = 1) -> None:
    book.positions.move(account, market, lots, lots * MARK * K)


def test_an_admitted_order_is_in_the_tables_and_on_its_way_without_an_answer():
    book = entry_book()
    told = enter(book, orders=[order(5, 1, BUY, 10, MARK - 7, client_id=77, flags=POST_ONLY)])
    number = order_number(5)
    assert told.ops == [
        (4, 5, number, VENUE, 1, 1, PLACE, BUY, MARK - 7, 10, 0, GTC, POST_ONLY, 1, 77, 0),
    ]
    assert told.answers == {} and told.events == []
    row = book.orders.read(number)
    assert (row.size, row.remaining, row.limit, row.client_id) == (10, 10, MARK - 7, 77)
    assert book.orders.by_client(1, 77) == number
    assert book.health(1).holds == 10 * HELD_A_LOT + -(-10 * (MARK - 7) * K // 2_000)


@pytest.mark.parametrize(("side", "worst"), [(BUY, 10_502), (SELL, 9_500)])
def test_a_market_order_carries_its_protection_price_and_is_ioc(side, worst):
    """MT-05: 10,001 * 1.05 is 10,501.05, up for a buy; 10,001 * 0.95 is 9,500.95, down for a sell."""
    book = entry_book()
    set_mark(book, 1, MARK + 1)
    told = enter(book, orders=[order(0, 1, side, 10, 0, kind=MARKET, time_in_force=0)])
    assert told.ops[0][6:13] == (PLACE, side, worst, 10, 0, IOC, MARKET_FLAG)


def test_a_protection_price_stays_a_price():
    """5% above the highest mark would be no price a book knows."""
    book = entry_book()
    highest = (1 << 40) - 1
    set_mark(book, 1, highest, index=highest)
    book.positions.move(1, 1, -1, -highest * K)
    told = enter(book, orders=[order(0, 1, BUY, 1, 0, kind=MARKET, flags=REDUCE_ONLY)])
    assert told.ops[0][8] == highest


def refused(book, row) -> tuple[int, int, int]:
    """The refusal of one order, told once as an answer and once as an event, and nothing else changed."""
    before = state(book)
    told = enter(book, orders=[row])
    assert (state(book), told.ops, told.caps) == (before, [], [])
    (key, event), command = told.events[0], row[0]
    body = event.command_refused
    assert key[:2] == (ADMIT_PHASE, command) and len(told.events) == 1
    assert (event.venue, event.account, body.command) == (VENUE, row[2], command)
    assert (body.refusal, body.required, body.actual) == told.refusal(command)
    return told.refusal(command)


def test_frozen_and_liquidated_accounts():
    book = entry_book()
    book.accounts.freeze(1, True)
    act_on(book, 1, 1)
    act_on(book, 2, 2)
    act_on(book, 3, 2, HEIGHT - 1)
    assert refused(book, order(0, 1)) == (refusals.REFUSAL_ACCOUNT_FROZEN, 0, 1)
    assert refused(book, order(0, 2)) == (refusals.REFUSAL_BEING_LIQUIDATED, 0, 2)
    stand(book, 5, account=2)
    assert refused(book, order(0, 2, SELL, 5, flags=REDUCE_ONLY)) == (refusals.REFUSAL_BEING_LIQUIDATED, 0, 2)
    assert enter(book, orders=[order(0, 3)]).ops, "the block before is over"


@pytest.mark.parametrize(
    ("mark_state", "expected"),
    [
        (common.MARK_STATE_NONE, (refusals.REFUSAL_NO_MARK, 1, 0)),
        (common.MARK_STATE_HALTED, (refusals.REFUSAL_MARKET_HALTED, 0, 12)),
        (common.MARK_STATE_TRIPPED, (refusals.REFUSAL_MARKET_TRIPPED, 0, 12)),
        (common.MARK_STATE_REDUCE_ONLY, (refusals.REFUSAL_MARKET_REDUCE_ONLY, 0, 12)),
    ],
)
def test_a_market_that_may_not_be_traded(mark_state, expected):
    book = entry_book()
    set_mark(book, 1, state=mark_state)
    assert refused(book, order(0)) == expected


def test_a_market_without_a_mark_is_refused_for_it():
    book = entry_book()
    del book.marks[1]
    assert refused(book, order(0)) == (refusals.REFUSAL_NO_MARK, 1, 0)


def test_a_reduce_only_market_takes_what_only_reduces():
    """MT-08: beside what rests on the side, 10 lots may be sold, not 11; a reduce-only order always."""
    book = entry_book()
    stand(book, 10)
    set_mark(book, 1, state=common.MARK_STATE_REDUCE_ONLY)
    assert refused(book, order(0, 1, SELL, 11)) == (refusals.REFUSAL_MARKET_REDUCE_ONLY, 0, 12)
    assert enter(book, orders=[order(1, 1, SELL, 4), order(2, 1, SELL, 10, flags=REDUCE_ONLY)]).answers == {}
    assert refused(book, order(3, 1, SELL, 7)) == (refusals.REFUSAL_MARKET_REDUCE_ONLY, 0, 12)
    assert enter(book, orders=[order(4, 1, SELL, 6)]).answers == {}


def test_too_many_orders_counts_triggers():
    book = entry_book(max_orders=2)
    told = enter(book, orders=[order(0), order(1, trigger=STOP, trigger_ticks=MARK + 1), order(2), order(3, 2)])
    assert told.refusal(2) == (refusals.REFUSAL_TOO_MANY_ORDERS, 2, 2)
    assert sorted(told.answers) == [1, 2]


def test_a_client_order_id_is_used_once_among_live_orders():
    book = entry_book()
    told = enter(book, orders=[order(0, client_id=9), order(1, client_id=9), order(2, 2, client_id=9)])
    assert told.refusal(1) == (refusals.REFUSAL_CLIENT_ORDER_ID_USED, 0, order_number(0))
    assert [op[2] for op in told.ops] == [order_number(0), order_number(2)]
    book.remove_order(order_number(0))
    assert enter(book, orders=[order(3, client_id=9)]).ops


def test_lots_and_values_stay_in_the_exact_range():
    book = entry_book()
    lots = (1 << 44) - 5
    book.positions.move(1, 1, lots, 0)
    assert refused(book, order(0, 1, SELL, 5)) == (refusals.REFUSAL_OVERFLOW, 1 << 44, 1 << 44)
    # 2**60 / 2 markets is each one's share; only above it the account's markets are counted together.
    fits = (1 << 60) // (MARK * K) - 10
    book.positions.move(1, 1, fits, 0)
    assert refused(book, order(0, 1, SELL, 11)) == (refusals.REFUSAL_OVERFLOW, 1 << 60, (fits + 11) * MARK * K)
    stand(book, 7, market=2)
    assert refused(book, order(0, 1, SELL, 4)) == (refusals.REFUSAL_OVERFLOW, 1 << 60, (fits + 11) * MARK * K)
    assert enter(book, orders=[order(1, 1, SELL, 3)]).ops


def test_minimum_notional_is_taken_at_the_limit_or_the_mark_and_not_of_reduce_only():
    book = entry_book()
    book.set_market(market_terms(1, min_notional_atoms=10 * MARK * K))
    stand(book, 9)
    wanted = (refusals.REFUSAL_MIN_NOTIONAL, 10 * MARK * K)
    assert refused(book, order(0, 1, BUY, 10, MARK - 1)) == (*wanted, 10 * (MARK - 1) * K)
    # A buy's protection price would pass; the mark decides.
    assert refused(book, order(0, 1, BUY, 9, 0, kind=MARKET)) == (*wanted, 9 * MARK * K)
    assert len(enter(book, orders=[order(1, 1, BUY, 10, MARK), order(2, 1, SELL, 9, flags=REDUCE_ONLY)]).ops) == 2


@pytest.mark.parametrize(("side", "outside", "edge"), [(SELL, 501, 502), (BUY, 19_559, 19_558)])
def test_a_limit_outside_the_band_names_the_edge(side, outside, edge):
    """95% around the oracle price of 10,030 is 501.5 to 19,558.5: the edges are the last prices inside."""
    book = entry_book()
    set_mark(book, 1, index=10_030)
    assert refused(book, order(0, 1, side, 5_000, outside)) == (refusals.REFUSAL_TOO_FAR_FROM_ORACLE, edge, outside)
    assert enter(book, orders=[order(0, 1, side, 20, edge)]).answers == {}


def test_without_an_oracle_price_the_band_is_around_the_mark():
    book = entry_book()
    set_mark(book, 1, index=0)
    far = (refusals.REFUSAL_TOO_FAR_FROM_ORACLE, 19_500, 19_501)
    assert refused(book, order(0, 1, BUY, 20, 19_501)) == far


def test_reduce_only_names_the_lots_that_may_be_reduced():
    book = entry_book()
    assert refused(book, order(0, 1, SELL, 3, flags=REDUCE_ONLY)) == (refusals.REFUSAL_REDUCE_ONLY, 0, 3)
    stand(book, 10)
    assert refused(book, order(0, 1, BUY, 3, flags=REDUCE_ONLY)) == (refusals.REFUSAL_REDUCE_ONLY, 0, 3)
    assert refused(book, order(0, 1, SELL, 11, flags=REDUCE_ONLY)) == (refusals.REFUSAL_REDUCE_ONLY, 10, 11)
    holds = book.health(1).holds
    assert enter(book, orders=[order(0, 1, SELL, 10, flags=REDUCE_ONLY)]).ops
    assert book.health(1).holds == holds == 0


def test_margin_is_refused_by_one_atom_and_names_what_it_adds_and_what_is_free():
    book = entry_book()
    added = 10 * HELD_A_LOT + 10 * MARK * K // 2_000
    book.accounts.post(1, free=added - 1 - CASH)
    assert refused(book, order(0, 1, BUY, 10)) == (refusals.REFUSAL_BELOW_INITIAL_MARGIN, added, added - 1)
    book.accounts.post(1, free=1)
    assert enter(book, orders=[order(0, 1, BUY, 10)]).answers == {}
    assert book.health(1).free_margin == 0


def test_what_does_not_raise_the_hold_is_admitted_from_an_account_that_fails_margin():
    book = entry_book()
    stand(book, 10)
    book.accounts.post(1, free=-CASH)
    assert book.health(1).free_margin < 0
    told = enter(book, orders=[order(0, 1, SELL, 10), order(1, 1, SELL, 1), order(2, 1, BUY, 1)])
    assert [op[2] for op in told.ops] == [order_number(0)]
    assert told.refusal(1)[0] == told.refusal(2)[0] == refusals.REFUSAL_BELOW_INITIAL_MARGIN


def test_orders_of_a_block_share_the_free_margin_in_command_order():
    book = entry_book()
    each = 10 * HELD_A_LOT + 10 * MARK * K // 2_000
    book.accounts.post(1, free=2 * each - CASH)
    told = enter(book, orders=[order(8, 1, BUY, 10), order(3, 1, BUY, 10), order(5, 1, SELL, 10, market=2)])
    assert [op[1] for op in told.ops] == [3, 5]
    assert told.refusal(8) == (refusals.REFUSAL_BELOW_INITIAL_MARGIN, each, 0)


def test_refusals_stand_in_their_order():
    """One order with every fault; each repair shows the next one."""
    book = entry_book(max_orders=1)
    enter(book, orders=[order(0, 1, BUY, 10, client_id=4)])
    book.accounts.freeze(1, True)
    act_on(book, 1, 1)
    set_mark(book, 1, state=common.MARK_STATE_HALTED)
    book.accounts.post(1, free=-CASH)
    faulty = order(1, 1, BUY, 1, 400, client_id=4)
    met = [refused(book, faulty)[0]]
    book.accounts.freeze(1, False)
    met.append(refused(book, faulty)[0])
    book.ladder.remove(1)
    met.append(refused(book, faulty)[0])
    set_mark(book, 1, state=common.MARK_STATE_REDUCE_ONLY)
    met.append(refused(book, faulty)[0])
    book.rules.max_orders_per_account = 9
    met.append(refused(book, faulty)[0])
    book.remove_order(order_number(0))
    met.append(refused(book, faulty)[0])
    faulty = order(1, 1, BUY, 100, 400)
    met.append(refused(book, faulty)[0])
    faulty = order(1, 1, BUY, 100, 600)
    met.append(refused(book, faulty)[0])
    set_mark(book, 1)
    met.append(refused(book, faulty)[0])
    assert met == [
        refusals.REFUSAL_ACCOUNT_FROZEN,
        refusals.REFUSAL_BEING_LIQUIDATED,
        refusals.REFUSAL_MARKET_HALTED,
        refusals.REFUSAL_TOO_MANY_ORDERS,
        refusals.REFUSAL_CLIENT_ORDER_ID_USED,
        refusals.REFUSAL_MIN_NOTIONAL,
        refusals.REFUSAL_TOO_FAR_FROM_ORACLE,
        refusals.REFUSAL_MARKET_REDUCE_ONLY,
        refusals.REFUSAL_BELOW_INITIAL_MARGIN,
    ]


class TestLeverage:
    def test_chosen_and_told(self):
        book = entry_book()
        told = enter(book, leverages=[leverage(2, 5)])
        (key, event) = told.events[0]
        assert key == (ADMIT_PHASE, 2, 0, 0) and event.leverage_set.leverage == 5
        assert (event.venue, event.market, event.account) == (VENUE, 1, 1)
        assert told.answers[2][0] == common.OUTCOME_STATUS_DONE
        assert book.positions.get(1, 1, "leverage") == 5

    @pytest.mark.parametrize(("chosen", "bound"), [(0, 1), (-3, 1), (21, 20)])
    def test_out_of_range(self, chosen, bound):
        book = entry_book()
        before = state(book)
        told = enter(book, leverages=[leverage(2, chosen)])
        assert told.refusal(2) == (refusals.REFUSAL_LEVERAGE_OUT_OF_RANGE, bound, chosen)
        assert state(book) == before

    def test_checked_on_the_state_after_it_with_positions_and_orders(self):
        """10 long and a buy of 10 at 20x need 1,000,000 and the fee; at 10x twice the margin."""
        book = entry_book()
        stand(book, 10)
        enter(book, orders=[order(0, 1, BUY, 10)])
        need, fee = 20 * HELD_A_LOT, 10 * MARK * K // 2_000
        book.accounts.post(1, free=2 * need + fee - 1 - CASH)
        told = enter(book, leverages=[leverage(2, 10)])
        assert told.refusal(2) == (refusals.REFUSAL_BELOW_INITIAL_MARGIN, need, need - 1)
        book.accounts.post(1, free=1)
        told = enter(book, leverages=[leverage(2, 10)], orders=[order(3, 1, BUY, 1)])
        assert told.answers[2][0] == common.OUTCOME_STATUS_DONE
        assert told.refusal(3) == (refusals.REFUSAL_BELOW_INITIAL_MARGIN, 2 * HELD_A_LOT + 500, 0)
        assert book.health(1).free_margin == 0

    def test_more_leverage_is_taken_from_an_account_that_fails(self):
        book = entry_book()
        enter(book, leverages=[leverage(1, 5)])
        stand(book, 10)
        book.accounts.post(1, free=-CASH)
        told = enter(book, leverages=[leverage(2, 6), leverage(3, 5)])
        assert told.answers[2][0] == common.OUTCOME_STATUS_DONE
        assert told.refusal(3)[0] == refusals.REFUSAL_BELOW_INITIAL_MARGIN

    def test_a_frozen_account_keeps_its_leverage(self):
        book = entry_book()
        book.accounts.freeze(1, True)
        assert enter(book, leverages=[leverage(2, 5)]).refusal(2) == (refusals.REFUSAL_ACCOUNT_FROZEN, 0, 1)


class TestLiquidity:
    def test_a_deposit_holds_cash_down_to_no_free_margin(self):
        book = entry_book()
        enter(book, orders=[order(0, 1, BUY, 10)])
        free = book.health(1).free_margin
        row = (4, VENUE, 1, DEPOSIT, free + 1)
        told = enter(book, liquidity=[row])
        assert told.refusal(4) == (refusals.REFUSAL_INSUFFICIENT_BALANCE, free + 1, free) and told.liquidity == []
        told = enter(book, liquidity=[(5, VENUE, 1, DEPOSIT, free)], orders=[order(6, 1, SELL, 11)])
        assert told.liquidity == [(5, VENUE, 1, DEPOSIT, free)] and 5 not in told.answers
        assert book.accounts.table.get(1, "held") == free and book.health(1).free_margin == 0
        assert told.refusal(6)[2] == 0, "the order meets what the deposit left"

    def test_a_redemption_goes_to_the_backstop(self):
        told = enter(entry_book(), liquidity=[(4, VENUE, 1, WITHDRAW, 55)])
        assert told.liquidity == [(4, VENUE, 1, WITHDRAW, 55)] and told.answers == {}

    @pytest.mark.parametrize("direction", [DEPOSIT, WITHDRAW])
    def test_a_frozen_account_moves_nothing(self, direction):
        book = entry_book()
        book.accounts.freeze(1, True)
        told = enter(book, liquidity=[(4, VENUE, 1, direction, 5)])
        assert told.refusal(4) == (refusals.REFUSAL_ACCOUNT_FROZEN, 0, 1) and told.liquidity == []


def test_commands_of_all_kinds_are_worked_by_their_index():
    """At 10x, chosen by command 2, the larger buy of command 3 adds 201,000 to what command 1 holds; at 20x half."""
    book = entry_book()
    book.accounts.post(1, free=1_200_000 - CASH)
    orders = [order(3, 1, BUY, 12), order(1, 1, SELL, 10)]
    told = enter(book, orders=orders, leverages=[leverage(2, 10)], amends=[amend(4, order_number(1), 8)])
    assert [op[1] for op in told.ops] == [1, 4]
    assert told.refusal(3) == (refusals.REFUSAL_BELOW_INITIAL_MARGIN, 201_000, 195_000)
