"""A Spin venue over a real channel: its books, the calculator, takeovers, subaccounts, what bots and readers see."""

import time
from contextlib import closing
from itertools import islice

import pytest

from breakwater.v1 import commands_pb2, common_pb2, orders_pb2, refusals_pb2
from node.client import Client
from node.client.depth import DepthBook
from node.guards.decimals import size_text
from node.lots import lot_size_e9
from tests.api.margin_scene import USDC, settled
from tests.api.refusing import Refusal, refusal_of
from tests.api.spin_scene import BTC, LOTS, PRICE_TICKS, RICH, VENUE, Pair, funded, move_mark, pair, ratio, steady_mark

THIN = 12_000 * USDC
# 12,000 less the fee covers 10% of 100,000; of 94,000 it covers about 0.63, of 90,000 0.21.
PARTIAL_TICKS, COMPLETE_TICKS = 940_000, 900_000
LIQUIDATED = common_pb2.OUTCOME_STATUS_LIQUIDATED


@pytest.fixture(scope="module", autouse=True)
def steady(dev: Client) -> None:
    steady_mark(dev)


@pytest.fixture
def thin(dev: Client) -> Pair:
    """A long of one unit that a fall of 6% makes liquidatable."""
    move_mark(dev, PRICE_TICKS)
    return pair(dev, THIN)


def units(client: Client, lots: int) -> str:
    return size_text(lots, lot_size_e9(client.list_markets(VENUE)[0]))


def test_orders_rest_fill_and_leave(dev: Client) -> None:
    move_mark(dev, PRICE_TICKS)
    seller, buyer = funded(dev), funded(dev)
    placed = dev.place_order(seller, "short", "0.5", "100100", client_order_id=7, venue=VENUE)
    (resting,) = dev.open_orders(seller, venue=VENUE)
    assert (resting.order, resting.remaining_lots, resting.client_order_id) == (placed.reference, LOTS // 2, 7)
    assert ratio(dev, seller).order_collateral_atoms == 5_005 * USDC
    amended = dev.amend_order(seller, placed.reference, size="0.4", venue=VENUE)
    assert (amended.status, amended.remaining_lots) == (common_pb2.OUTCOME_STATUS_RESTING, LOTS * 4 // 10)
    estimate = dev.estimate_position(buyer, "long", "0.1", venue=VENUE)
    bought = dev.place_order(buyer, "long", "0.1", venue=VENUE)
    assert (bought.filled_lots, bought.price_ticks) == (LOTS // 10, 1_001_000)
    settled(dev, buyer, bought.height, VENUE)
    view = ratio(dev, buyer)
    assert (estimate.refusal, estimate.filled_lots, estimate.fee_atoms) == (0, LOTS // 10, 8_008_000)
    assert (estimate.equity_atoms, estimate.position_lots) == (view.equity_atoms, view.positions[0].lots)
    assert estimate.initial_margin_atoms == view.position_collateral_atoms
    depth = dev.depth(venue=VENUE)
    assert (list(depth.asks.price_ticks), list(depth.asks.lots)) == ([1_001_000], [LOTS * 3 // 10])
    trade = list(dev.trades(venue=VENUE))[-1]
    assert (trade.side, trade.lots) == (common_pb2.SIDE_LONG, LOTS // 10)
    dev.cancel_orders(seller, venue=VENUE)
    assert not dev.open_orders(seller, venue=VENUE)
    assert refusal_of(lambda: dev.set_leverage(buyer, 5, venue=VENUE)) == Refusal("WRONG_RULEBOOK", 2, 4, "venue")
    assert dev.statement(buyer, venue=VENUE).change_atoms == view.cash_atoms


def test_an_estimate_refuses_what_admission_refuses(dev: Client) -> None:
    move_mark(dev, PRICE_TICKS)
    account, other = funded(dev, 5_000 * USDC), funded(dev)
    dev.place_order(other, "short", "1", "100000", venue=VENUE)
    cases = (("1", "100000", False), ("0.1", "150000", False), ("0.1", "100000", True), ("0.49", None, False))
    for size, price, reduce_only in cases:
        estimate = dev.estimate_position(account, "long", size, price, reduce_only=reduce_only, venue=VENUE)
        refusal = refusal_of(
            lambda size=size, price=price, reduce_only=reduce_only: dev.place_order(
                account, "long", size, price, reduce_only=reduce_only, venue=VENUE
            )
        )
        assert (estimate.refusal, estimate.required, estimate.actual) == (
            orders_pb2.EstimatePositionResponse(refusal=f"REFUSAL_{refusal.name}").refusal,
            refusal.required,
            refusal.actual,
        )
    assert dev.estimate_position(account, "long", "0.2", venue=VENUE).refusal == 0
    assert dev.place_order(account, "long", "0.2", venue=VENUE).filled_lots == LOTS // 5
    dev.cancel_orders(other, venue=VENUE)


def test_a_takeover_goes_as_quoted(dev: Client, thin: Pair) -> None:
    liquidator = funded(dev)
    (healthy,) = dev.quote_liquidation(thin.long).quotes
    refused = refusal_of(lambda: dev.liquidate(liquidator, thin.long, "0.1"))
    assert refused == Refusal("NOT_LIQUIDATABLE", healthy.required, healthy.actual, "")
    assert healthy.required == 7_000 * USDC
    move_mark(dev, PARTIAL_TICKS)
    (quote,) = dev.quote_liquidation(thin.long).quotes
    shown = ratio(dev, thin.long)
    assert (quote.tier, quote.liquidatable_lots) == (2, shown.positions[0].liquidatable_lots) == (shown.tier, 1_561)
    assert (quote.equity_atoms, quote.ratio_e9) == (shown.equity_atoms, shown.ratio_without_orders_e9)
    listed = dev.liquidatable()
    assert [(one.account, list(one.quotes)) for one in listed.accounts] == [(thin.long, [quote])]
    above = refusal_of(lambda: dev.liquidate(liquidator, thin.long, units(dev, quote.liquidatable_lots + 1)))
    assert above == Refusal("ABOVE_LIQUIDATABLE", quote.liquidatable_lots, quote.liquidatable_lots + 1, "")
    height = dev.standings().height
    done = dev.liquidate(liquidator, thin.long, units(dev, quote.liquidatable_lots))
    assert (done.status, done.filled_lots, done.price_ticks) == (LIQUIDATED, quote.liquidatable_lots, PARTIAL_TICKS)
    assert done.amount_atoms == quote.reward_atoms
    settled(dev, liquidator, done.height, VENUE)
    after, taken = ratio(dev, thin.long), ratio(dev, liquidator)
    assert after.tier == 1 and 700_000_000 <= after.ratio_without_orders_e9 < 700_100_000
    assert (taken.positions[0].lots, taken.cash_atoms) == (quote.liquidatable_lots, RICH + quote.reward_atoms)
    assert not dev.liquidatable().total
    _told(dev, thin.long, liquidator, height, done.height + 1)
    move_mark(dev, PRICE_TICKS)


def _told(client: Client, target: int, liquidator: int, height: int, last: int) -> None:
    """Standings, feed, statistics and the insurance fund tell the takeover."""
    rows: dict[tuple[int, int], tuple[int, int]] = {}
    for block in islice(client.stream_standings(height + 1), last - height):
        keys = zip(block.rows.account, block.rows.market, strict=True)
        rows.update(dict(zip(keys, zip(block.rows.lots, block.rows.cost_atoms, strict=True), strict=True)))
    assert rows[target, 0][1] == ratio(client, target).cash_atoms
    assert (rows[target, BTC][0], rows[liquidator, BTC][0]) == (LOTS - 1_561, 1_561)
    events = list(client.list_liquidations(liquidator, venue=VENUE))
    assert [event.WhichOneof("body") for event in events] == [*["takeover_reserved"] * 3, "account_liquidated"]
    (won,) = client.liquidators(liquidator).liquidators
    assert (won.liquidations, won.targets, won.reward_atoms) == (1, 1, events[-1].account_liquidated.reward_atoms)
    assert sum(one.count for one in won.refusals) == 2
    assert client.insurance(VENUE).fund_atoms >= events[-1].account_liquidated.insurance_atoms
    paid = [entry for entry in client.account_history(target, ["pnl"], venue=VENUE) if entry.liquidation_fee_atoms]
    assert [entry.reference for entry in paid] == [liquidator]


def test_below_a_third_everything_may_be_taken_and_the_fund_pays_what_is_missing(dev: Client, thin: Pair) -> None:
    dev.deposit_insurance(50_000 * USDC, VENUE)
    liquidator = funded(dev)
    move_mark(dev, 875_000)
    (quote,) = dev.quote_liquidation(thin.long).quotes
    assert (quote.tier, quote.liquidatable_lots, quote.insurance_atoms) == (3, LOTS, 0)
    assert quote.equity_atoms < 0 and quote.reward_atoms == 1_312_500_000
    done = dev.liquidate(liquidator, thin.long, "1")
    assert done.amount_atoms == 0
    settled(dev, liquidator, done.height + 1, VENUE)
    assert ratio(dev, liquidator).cash_atoms == RICH + quote.reward_atoms
    assert ratio(dev, thin.long).cash_atoms == 0
    (won,) = dev.liquidators(liquidator).liquidators
    assert (won.reward_atoms, won.fund_atoms) == (quote.reward_atoms, quote.reward_atoms)
    assert dev.statement(liquidator, venue=VENUE).transferred_atoms == quote.reward_atoms
    move_mark(dev, PRICE_TICKS)


def test_words_and_numbers_of_a_takeover(dev: Client, thin: Pair) -> None:
    liquidator = funded(dev)
    refused = {
        "OFF_LOT": lambda: dev.liquidate(liquidator, thin.long, "0.00001"),
        "OWN_ACCOUNT": lambda: dev.liquidate(thin.long, thin.long, "0.1"),
        "MALFORMED": lambda: dev.liquidate(liquidator, thin.long, "0.1", reward="1"),
        "UNKNOWN_ACCOUNT": lambda: dev.liquidate(liquidator, 1 << 40, "0.1"),
        "UNKNOWN_MARKET": lambda: dev.liquidate(liquidator, thin.long, "0.1", market=99),
    }
    for name, call in refused.items():
        assert refusal_of(call).name == name
    assert refusal_of(lambda: dev.liquidate(liquidator, thin.long)) == Refusal("MALFORMED", 0, 0, "size")


def test_a_liquidator_must_afford_it_and_take_something(dev: Client, thin: Pair) -> None:
    poor = funded(dev, 94 * USDC)
    move_mark(dev, PARTIAL_TICKS)
    # 0.01 at 94,000 needs 94 of collateral, and more than that must be there.
    assert refusal_of(lambda: dev.liquidate(poor, thin.long, "0.01")) == Refusal(
        "LIQUIDATOR_RATIO", 94 * USDC, 94 * USDC, ""
    )
    columns = {"account": [poor], "target": [thin.long], "market": [BTC], "lots": [0], "reward_atoms": [0]}
    batch = commands_pb2.CommandBatch(venue=VENUE, liquidations=commands_pb2.Liquidations(**columns))
    outcome = dev.submit_batch(batch)
    assert (outcome.refusal[0], outcome.required[0], outcome.actual[0]) == (refusals_pb2.REFUSAL_BELOW_STEP, 1, 0)
    assert dev.liquidate(poor, thin.long, "0.0099").filled_lots == 99
    move_mark(dev, PRICE_TICKS)


def test_subaccounts_are_the_keys_own_and_share_collateral(dev: Client, trader: Client) -> None:
    owner, stranger = funded(trader), funded(dev)
    subaccount = trader.open_subaccount(owner)
    moved = trader.transfer(owner, subaccount, 500 * USDC)
    settled(trader, subaccount, moved.height, VENUE)
    view = ratio(trader, subaccount)
    assert (view.cash_atoms, ratio(trader, owner).cash_atoms) == (500 * USDC, RICH - 500 * USDC)
    assert trader.open_subaccount(subaccount) > subaccount
    assert trader.statement(subaccount, venue=VENUE).transferred_atoms == 500 * USDC
    assert trader.statement(owner, venue=VENUE).transferred_atoms == -500 * USDC
    denied = Refusal("NOT_ALLOWED", 0, 0, "account")
    assert refusal_of(lambda: trader.open_subaccount(stranger)) == denied
    assert refusal_of(lambda: trader.transfer(stranger, owner, 1)) == denied
    foreign = refusal_of(lambda: trader.transfer(owner, stranger, 1))
    assert foreign == Refusal("NOT_SAME_OWNER", owner, stranger, "")
    too_much = refusal_of(lambda: trader.transfer(subaccount, owner, 501 * USDC))
    assert too_much.name in ("MARGIN_RATIO", "INSUFFICIENT_BALANCE")
    assert refusal_of(lambda: trader.transfer(owner, subaccount, 0)) == Refusal("NOT_POSITIVE", 1, 0, "amount_atoms")
    assert refusal_of(lambda: trader.transfer(owner, subaccount, 1, venue=2)).name == "WRONG_RULEBOOK"


def test_depth_follows_what_a_takeover_cancels(dev: Client, thin: Pair) -> None:
    liquidator, book = funded(dev), DepthBook()
    with closing(dev.stream_depth(venue=VENUE)) as depth:
        book.apply(next(depth))
        resting = dev.place_order(thin.long, "long", "0.01", "95000", venue=VENUE)
        book.apply(next(depth))
        assert book.bids()[0] == (950_000, LOTS // 100, 1)
        move_mark(dev, PARTIAL_TICKS)
        assert ratio(dev, thin.long).order_collateral_atoms == 95 * USDC
        dev.liquidate(liquidator, thin.long, "0.01")
        book.apply(next(depth))
        assert (950_000, LOTS // 100, 1) not in book.bids()
    shown = dev.depth(venue=VENUE)
    assert [ticks for ticks, _, _ in book.bids()] == list(shown.bids.price_ticks)
    assert resting.reference not in [order.order for order in dev.open_orders(thin.long, venue=VENUE)]
    move_mark(dev, PRICE_TICKS)


def test_columns_stream_and_are_cancelled_on_disconnect(dev: Client) -> None:
    account = funded(dev)
    batch = commands_pb2.CommandBatch(venue=VENUE)
    row = {"account": account, "market": BTC, "side": 1, "kind": common_pb2.ORDER_KIND_LIMIT, "size_lots": 100}
    row |= {"limit_ticks": PRICE_TICKS - 10, "client_order_id": 3}
    for column in batch.place_orders.DESCRIPTOR.fields_by_name:
        getattr(batch.place_orders, column).append(row.get(column, 0))
    with closing(dev.order_stream([batch], [account], VENUE)) as answers:
        answer = next(answers)
        assert list(answer.outcome.status) == [common_pb2.OUTCOME_STATUS_RESTING]
    deadline = time.monotonic() + 60
    while dev.open_orders(account, venue=VENUE) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not dev.open_orders(account, venue=VENUE)


def test_the_next_epoch_of_funding_is_told(dev: Client) -> None:
    answer = dev.mark(BTC, VENUE)
    epoch_ms = dev.list_markets(VENUE)[0].oracle.funding_interval_ms
    assert answer.next_funding_ms % epoch_ms == 0
    assert 0 < answer.next_funding_ms - (answer.mark.published_ms + answer.mark.age_ms) <= epoch_ms
