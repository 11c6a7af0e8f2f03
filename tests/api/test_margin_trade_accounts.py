"""What an account of a Margin Trade venue is shown: margin, ranks, estimates, history and statements, vault, funds."""

from collections.abc import Iterator

import pytest

from breakwater.v1 import common_pb2, history_pb2, liquidity_pb2, markets_pb2, refusals_pb2
from node.client import Client
from node.client.errors import refusal_name
from tests.api.conftest import TIMEOUT_S, ClientOf
from tests.api.margin_scene import (
    BTC,
    ETH,
    ETH_TICKS,
    FUNDS,
    PRICE_TICKS,
    USDC,
    VENUE,
    clear_book,
    funded,
    settled,
    steady_marks,
)
from tests.api.refusing import Refusal, refusal_of


@pytest.fixture(scope="module")
def market(dev: Client) -> int:
    """Two markets with marks."""
    steady_marks(dev, {BTC: PRICE_TICKS, ETH: ETH_TICKS})
    return BTC


@pytest.fixture
def trader(dev: Client, market: int) -> Iterator[int]:
    """A funded account, its orders taken off at the end."""
    account = funded(dev)
    yield account
    clear_book(dev, [account])


@pytest.fixture
def maker(dev: Client, market: int) -> Iterator[int]:
    """Who offers 0.5 BTC at 100,000.1 and 0.5 at 100,100, bids for 1 at 99,900, and trades ETH around 4,000."""
    account = funded(dev, 10 * FUNDS)
    dev.place_order(account, "short", "0.5", "100000.1")
    dev.place_order(account, "short", "0.5", "100100")
    dev.place_order(account, "long", "1", "99900")
    dev.place_order(account, "short", "10", "4000", ETH)
    dev.place_order(account, "long", "10", "3999", ETH)
    yield account
    clear_book(dev, [account])


def test_margin_shows_the_account_as_the_rules_count_it(dev: Client, maker: int) -> None:
    funds = 20_000 * USDC
    trader = funded(dev, funds)
    dev.set_leverage(trader, 10)
    filled = dev.place_order(trader, "long", "0.5")
    settled(dev, trader, filled.height)
    dev.place_order(trader, "long", "1", "3500", ETH)
    answer = dev.margin(trader)
    cross = answer.account.cross
    cost = 1_000_001 * 50_000
    fee = -(-cost * 45 // 100_000)
    notional = PRICE_TICKS * 50_000
    assert cross.cash_atoms == funds - fee
    assert cross.equity_atoms == funds - fee + notional - cost
    assert (cross.initial_margin_atoms, cross.maintenance_atoms) == (notional // 10, notional // 80)
    # One ETH bought at 3,500: initial margin 1/25 of 4,000, taker fee of 3,500.
    assert cross.holds_atoms == 160 * USDC + 1_575_000
    assert cross.free_margin_atoms == cross.equity_atoms - cross.initial_margin_atoms - cross.holds_atoms
    (position,) = [one for one in cross.positions if one.lots]
    assert (position.market, position.lots, position.cost_atoms, position.leverage) == (BTC, 50_000, cost, 10)
    # MT-17: price - (equity - MM) / size / (1 - l), rounded up.
    room, slope = cross.equity_atoms - cross.maintenance_atoms, 50_000 * 79
    assert position.liquidation_ticks == -(-(PRICE_TICKS * slope - room * 80) // slope)
    ((rank),) = answer.ranks
    assert (rank.market, rank.rank) == (BTC, 1)
    clear_book(dev, [trader])
    assert refusal_of(lambda: dev.margin(trader, venue=1)).name == "WRONG_RULEBOOK"


def test_ranks_count_the_positions_of_a_side(dev: Client, maker: int) -> None:
    poor, rich = funded(dev, 2_000 * USDC), funded(dev)
    for account in (rich, poor):
        filled = dev.place_order(account, "short", "1", market=ETH)
    settled(dev, poor, filled.height)
    ranks = {account: dev.margin(account).ranks[0] for account in (poor, rich)}
    assert ranks[poor].rank < ranks[rich].rank <= ranks[rich].positions == ranks[poor].positions
    buying = dev.place_order(poor, "long", "1", market=ETH)
    dev.place_order(rich, "long", "1", market=ETH)
    settled(dev, poor, buying.height)
    assert not dev.margin(poor).ranks


def test_an_estimate_is_what_happens(dev: Client, maker: int, trader: int) -> None:
    dev.set_leverage(trader, 20)
    estimate = dev.estimate_position(trader, "long", "0.8")
    assert estimate.refusal == refusals_pb2.REFUSAL_UNSPECIFIED
    assert dev.open_orders(trader) == []
    filled = dev.place_order(trader, "long", "0.8")
    settled(dev, trader, filled.height)
    cross = dev.margin(trader).account.cross
    quote = 1_000_001 * 50_000 + 1_001_000 * 30_000
    assert (estimate.filled_lots, estimate.quote_atoms) == (80_000, quote)
    assert (estimate.filled_lots, estimate.quote_atoms) == (filled.filled_lots, filled.amount_atoms)
    assert (estimate.average_price_ticks, filled.price_ticks) == (-(-quote // 80_000), quote // 80_000)
    # Two fills, each with its fee rounded up, may cost an atom more than one.
    assert 0 <= estimate.equity_atoms - cross.equity_atoms <= 1
    assert estimate.initial_margin_atoms == cross.initial_margin_atoms
    assert estimate.maintenance_atoms == cross.maintenance_atoms
    assert 0 <= estimate.free_margin_after_atoms - cross.free_margin_atoms <= 1
    (position,) = [one for one in cross.positions if one.lots]
    assert abs(estimate.liquidation_ticks - position.liquidation_ticks) <= 1
    assert estimate.position_lots == position.lots
    turning = dev.estimate_position(trader, "short", "1", "99900")
    assert (turning.position_lots, turning.average_price_ticks) == (-20_000, 999_000)


@pytest.mark.parametrize("leverage", [40, 7])
def test_an_estimated_hold_is_what_admission_holds(dev: Client, maker: int, leverage: int) -> None:
    trader = funded(dev)
    dev.set_leverage(trader, leverage)
    filled = dev.place_order(trader, "short", "0.3")
    settled(dev, trader, filled.height)
    dev.place_order(trader, "short", "0.05", "100500")
    orders = [("long", "0.2", "99000"), ("long", "0.3", "99500"), ("short", "0.9", "101000"), ("long", "0.01", "99000")]
    for side, size, price in orders:
        before = dev.margin(trader).account.cross
        estimate = dev.estimate_position(trader, side, size, price)
        dev.place_order(trader, side, size, price)
        after = dev.margin(trader).account.cross
        assert estimate.hold_atoms == after.holds_atoms - before.holds_atoms
        assert estimate.free_margin_atoms == before.free_margin_atoms
    clear_book(dev, [trader])


@pytest.mark.parametrize(
    ("side", "size", "more"),
    [
        ("long", "0.00001", {"price": "90000"}),
        ("long", "0.01", {"price": "4000"}),
        ("long", "0.01", {"price": "200000"}),
        ("long", "900", {"price": "100000"}),
        ("short", "0.01", {"price": "100000", "reduce_only": True}),
        ("long", "2000", {"price": "100000"}),
        ("long", "1", {"market": 3, "price": "200"}),
    ],
    ids=str,
)
def test_an_estimate_refuses_as_the_order_is_refused(
    dev: Client, trader: int, side: str, size: str, more: dict[str, object]
) -> None:
    estimate = dev.estimate_position(trader, side, size, **more)
    words = {"limit_price": more["price"], "market": more.get("market", BTC)}
    met = refusal_of(lambda: dev.place_order(trader, side, size, reduce_only="reduce_only" in more, **words))
    said = Refusal(refusal_name(estimate.refusal), estimate.required, estimate.actual, "")
    assert said == met


def test_an_estimate_says_what_a_leverage_and_a_thin_book_would_do(dev: Client, maker: int, trader: int) -> None:
    assert dev.estimate_position(trader, "long", "0.5", leverage=1).initial_margin_atoms == PRICE_TICKS * 50_000
    bound = dev.estimate_position(trader, "long", "0.5", leverage=41)
    assert (refusal_name(bound.refusal), bound.required, bound.actual) == ("LEVERAGE_OUT_OF_RANGE", 40, 41)
    thin = dev.estimate_position(trader, "long", "3")
    assert (thin.filled_lots, thin.size_lots) == (100_000, 300_000)
    clear_book(dev, [maker])
    empty = dev.estimate_position(trader, "long", "0.1")
    assert (refusal_name(empty.refusal), empty.required, empty.actual) == ("NO_LIQUIDITY", 1_050_000, 0)


def test_history_is_paged_and_adds_up_to_the_cash(dev: Client, maker: int, trader: int) -> None:
    for side in ("long", "short", "long"):
        filled = dev.place_order(trader, side, "0.1")
    dev.place_order(trader, "short", "2", market=ETH)
    dev.deposit_liquidity(trader, 1_000 * USDC, VENUE)
    gone = dev.withdraw(trader, 50 * USDC, VENUE)
    settled(dev, trader, gone.height + 1)
    rows = list(dev.account_history(trader))
    account = dev.margin(trader).account
    assert sum(row.amount_atoms for row in rows) == account.cross.cash_atoms
    paged = list(dev.account_history(trader, page_size=2))
    assert paged == rows
    fills = list(dev.account_history(trader, ["fill"]))
    assert [(row.market, row.side, row.lots) for row in fills] == [
        (BTC, common_pb2.SIDE_LONG, 10_000),
        (BTC, common_pb2.SIDE_SHORT, 10_000),
        (BTC, common_pb2.SIDE_LONG, 10_000),
        (ETH, common_pb2.SIDE_SHORT, 20_000),
    ]
    transfers = [row.amount_atoms for row in dev.account_history(trader, ["transfer"])]
    assert transfers == [FUNDS, -50 * USDC, -1_000 * USDC] or transfers == [FUNDS, -1_000 * USDC, -50 * USDC]
    totals = dev.statement(trader)
    assert (totals.fills, totals.volume_atoms) == (4, sum(row.quote_atoms for row in fills))
    assert (totals.deposited_atoms, totals.withdrawn_atoms) == (FUNDS, 50 * USDC)
    assert totals.transferred_atoms == -1_000 * USDC
    assert totals.fee_atoms == sum(row.fee_atoms for row in fills)
    # Bought at 100,000.1, sold at 99,900.
    assert totals.realised_atoms == 10_000 * (999_000 - 1_000_001)
    assert totals.change_atoms == account.cross.cash_atoms
    later = dev.statement(trader, from_height=filled.height)
    before = dev.statement(trader, to_height=filled.height - 1)
    assert later.change_atoms + before.change_atoms == totals.change_atoms
    assert (before.fills, later.fills) == (2, 2)


def test_a_page_of_history_has_bounds(dev: Client, trader: int) -> None:
    def page(**words: object) -> history_pb2.ListHistoryRequest:
        return history_pb2.ListHistoryRequest(venue=VENUE, account=trader, **words)

    list_history = dev.history.ListHistory
    too_large = refusal_of(lambda: list_history(page(page_size=1_001)))
    assert too_large == Refusal("MESSAGE_TOO_LARGE", 1_000, 1_001, "page_size")
    assert refusal_of(lambda: list_history(page(page_token="seven"))) == Refusal("MALFORMED", 0, 0, "page_token")
    assert refusal_of(lambda: list_history(page(kinds=[9]))) == Refusal("MALFORMED", 4, 9, "kinds")
    assert not list_history(page(to_height=1)).entries


def test_a_twilight_statement_adds_up_too(dev: Client) -> None:
    from tests.api.scene import PRICE_TICKS as TWILIGHT_TICKS
    from tests.api.scene import fill_pool, funded_account, move_mark
    from tests.api.test_trading import wait_for_position

    move_mark(dev, TWILIGHT_TICKS)
    lp = fill_pool(dev)
    account = funded_account(dev, 10_000_000)
    dev.open_position(account, "long", 1_000_000, "10")
    position = wait_for_position(dev, account).position
    move_mark(dev, TWILIGHT_TICKS + 1_000)
    dev.close_position(account, position)
    dev.open_position(account, "short", 500_000, "5")
    wait_for_position(dev, account)
    view = dev.account(account)
    totals = dev.statement(account, venue=1)
    assert totals.change_atoms == view.free_atoms + view.held_atoms + view.margin_atoms
    assert (totals.fills, totals.deposited_atoms, totals.realised_atoms > 0) == (2, 10_000_000, True)
    dev.withdraw_liquidity(lp, 1_000_000)
    settled_view = dev.account(lp)
    change = dev.statement(lp, venue=1).change_atoms
    assert change == settled_view.free_atoms + settled_view.held_atoms + settled_view.margin_atoms


def test_the_vault_takes_and_locks(dev: Client, trader: int) -> None:
    before = dev.vault()
    minted = dev.deposit_liquidity(trader, 5_000 * USDC, VENUE)
    settled(dev, trader, minted.height)
    view = dev.vault([trader])
    (holding,) = view.holdings
    assert view.sums.micro_shares == before.sums.micro_shares + minted.reference
    assert (holding.account, holding.micro_shares, holding.locked_micro_shares) == (
        trader,
        minted.reference,
        minted.reference,
    )
    assert abs(holding.value_atoms - 5_000 * USDC) <= 1
    locked = refusal_of(lambda: dev.withdraw_liquidity(trader, minted.reference, VENUE))
    assert (locked.name, locked.required) == ("SHARES_LOCKED", holding.locked_until_ms)
    assert locked.actual < holding.locked_until_ms
    more = refusal_of(lambda: dev.withdraw_liquidity(trader, minted.reference + 1, VENUE))
    assert more == Refusal("INSUFFICIENT_SHARES", minted.reference + 1, minted.reference, "")
    broke = refusal_of(lambda: dev.deposit_liquidity(trader, FUNDS, VENUE))
    assert (broke.name, broke.required) == ("INSUFFICIENT_BALANCE", FUNDS)


def test_pool_and_vault_are_of_their_rulebooks(dev: Client, client_of: ClientOf, trader: int) -> None:
    assert refusal_of(lambda: dev.pool(VENUE)) == Refusal("WRONG_RULEBOOK", 1, 2, "venue")
    assert refusal_of(lambda: dev.vault(venue=1)) == Refusal("WRONG_RULEBOOK", 2, 1, "venue")
    assert refusal_of(lambda: dev.insurance(venue=1)) == Refusal("WRONG_RULEBOOK", 2, 1, "venue")
    assert refusal_of(lambda: dev.depth(venue=1)) == Refusal("WRONG_RULEBOOK", 2, 1, "venue")
    assert refusal_of(lambda: dev.depth(9)) == Refusal("UNKNOWN_MARKET", 3, 9, "market")
    assert refusal_of(lambda: dev.depth(BTC, 1_001)) == Refusal("MESSAGE_TOO_LARGE", 1_000, 1_001, "levels")
    estimate = refusal_of(lambda: dev.estimate_liquidation("long", 1_000, "2", venue=VENUE))
    assert estimate == Refusal("WRONG_RULEBOOK", 1, 2, "venue")
    lp = client_of("lp")
    request = liquidity_pb2.GetVaultRequest(venue=VENUE, accounts=[trader])
    assert refusal_of(lambda: lp.liquidity.GetVault(request)) == Refusal("NOT_ALLOWED", 0, 0, "account")


def test_an_operator_pays_into_the_insurance_fund(dev: Client, client_of: ClientOf, market: int) -> None:
    before = dev.insurance()
    done = client_of("market_operator").deposit_insurance(750 * USDC)
    assert done.status == common_pb2.OUTCOME_STATUS_DONE
    after = dev.insurance()
    assert after.fund_atoms - before.fund_atoms == after.deposited_atoms - before.deposited_atoms == 750 * USDC
    moved = [event for event in dev.list_liquidations(from_height=done.height) if event.HasField("insurance_moved")]
    assert [event.insurance_moved.amount_atoms for event in moved] == [750 * USDC]
    assert refusal_of(lambda: dev.deposit_insurance(0)) == Refusal("NOT_POSITIVE", 1, 0, "amount_atoms")
    assert refusal_of(lambda: client_of("trader").deposit_insurance(5)).name == "NOT_ALLOWED"


def test_a_market_shows_its_rules_and_its_next_funding(dev: Client, market: int) -> None:
    btc, eth, _ = dev.list_markets(VENUE)[:3]
    assert (btc.margin_trade.lot_size_e9, btc.tick_size_e9) == (10_000, 100_000_000)
    assert [(tier.lower_notional_atoms, tier.max_leverage) for tier in eth.margin_trade.tiers] == [
        (0, 25),
        (100_000_000 * USDC, 15),
    ]
    answer = dev.mark(BTC, VENUE)
    assert (answer.mark.mark_ticks, answer.mark.index_ticks) == (PRICE_TICKS, PRICE_TICKS)
    interval_ms = btc.oracle.funding_interval_ms
    now = answer.mark.published_ms + answer.mark.age_ms
    assert answer.next_funding_ms % interval_ms == 0
    assert now < answer.next_funding_ms <= now + interval_ms
    rate = answer.predicted_funding_rate_e9
    # MT-10: with the premium P inside the clamp the rate of eight hours is 0.01%, an eighth of it each hour.
    assert rate == 12_500 or answer.mark.average_premium_e9 != 0
    assert (dev.mark(1, 1).next_funding_ms, dev.mark(1, 1).predicted_funding_rate_e9) == (0, 0)
    first = next(dev.markets.StreamMarks(markets_pb2.StreamMarksRequest(venue=VENUE), timeout=TIMEOUT_S))
    assert {mark.market for mark in first.marks} >= {BTC, ETH}
