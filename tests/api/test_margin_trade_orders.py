"""The life of orders on a book over the channel: resting, filled, amended, triggered, cancelled; column batches."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from breakwater.v1 import answers_pb2, commands_pb2, common_pb2, refusals_pb2
from node.client import Client
from tests.api.conftest import ClientOf
from tests.api.margin_scene import (
    BTC,
    ETH,
    ETH_TICKS,
    PRICE_TICKS,
    VENUE,
    clear_book,
    funded,
    move_marks,
    settled,
    steady_marks,
)
from tests.api.refusing import Refusal, refusal_of

FILLED, RESTING = common_pb2.OUTCOME_STATUS_FILLED, common_pb2.OUTCOME_STATUS_RESTING
PARTIALLY, EXPIRED = common_pb2.OUTCOME_STATUS_PARTIALLY_FILLED, common_pb2.OUTCOME_STATUS_EXPIRED
REFUSED = common_pb2.OUTCOME_STATUS_REFUSED


@pytest.fixture(scope="module")
def market(dev: Client) -> int:
    """Two markets with marks."""
    steady_marks(dev, {BTC: PRICE_TICKS, ETH: ETH_TICKS})
    return BTC


@pytest.fixture
def pair(dev: Client, market: int) -> Iterator[tuple[int, int]]:
    """Two funded accounts whose orders are taken off at the end."""
    accounts = funded(dev), funded(dev)
    yield accounts
    clear_book(dev, list(accounts))


def test_an_order_rests_is_filled_in_parts_and_cancelled(dev: Client, pair: tuple[int, int]) -> None:
    buyer, seller = pair
    rested = dev.place_order(buyer, "long", "0.03", "99000", client_order_id=42)
    assert (rested.status, rested.remaining_lots, rested.filled_lots) == (RESTING, 3_000, 0)
    (shown,) = dev.open_orders(buyer)
    assert (shown.order, shown.client_order_id, shown.market) == (rested.reference, 42, BTC)
    assert (shown.side, shown.limit_ticks, shown.remaining_lots) == (common_pb2.SIDE_LONG, 990_000, 3_000)
    assert dev.open_orders(buyer, market=ETH) == []
    taken = dev.place_order(seller, "short", "0.01", "98000", time_in_force="ioc")
    assert (taken.status, taken.price_ticks, taken.filled_lots) == (FILLED, 990_000, 1_000)
    assert taken.amount_atoms == 990_000 * 1_000
    settled(dev, buyer, taken.height)
    assert dev.open_orders(buyer)[0].remaining_lots == 2_000
    assert [position.lots for position in dev.margin(buyer).account.cross.positions] == [1_000]
    gone = dev.cancel_orders(buyer, client_order_id=42)
    assert (gone.reference, gone.remaining_lots) == (rested.reference, 2_000)
    assert dev.open_orders(buyer) == []


def test_what_an_ioc_cannot_fill_is_gone(dev: Client, pair: tuple[int, int]) -> None:
    buyer, seller = pair
    dev.place_order(buyer, "long", "0.01", "99000")
    taken = dev.place_order(seller, "short", "0.04", "99000", time_in_force="ioc")
    assert (taken.status, taken.filled_lots, taken.remaining_lots) == (PARTIALLY, 1_000, 0)
    assert taken.refusal == refusals_pb2.REFUSAL_NOTHING_TO_MATCH
    assert dev.open_orders(seller) == []


def test_a_market_order_stops_at_its_protection_price(dev: Client, pair: tuple[int, int]) -> None:
    buyer, seller = pair
    dev.place_order(seller, "short", "0.01", "101000")
    dev.place_order(seller, "short", "0.01", "105000.1")
    taken = dev.place_order(buyer, "long", "0.02")
    assert (taken.status, taken.filled_lots, taken.price_ticks) == (PARTIALLY, 1_000, 1_010_000)
    assert taken.refusal == refusals_pb2.REFUSAL_NO_LIQUIDITY
    assert (taken.required, taken.actual) == (1_050_000, 1_050_001)


def test_an_amend_keeps_its_place_only_when_it_gets_smaller(dev: Client, pair: tuple[int, int]) -> None:
    buyer, seller = pair
    second = funded(dev)
    first = dev.place_order(buyer, "long", "0.02", "99000").reference
    dev.place_order(second, "long", "0.01", "99000")
    dev.amend_order(buyer, first, size="0.01")
    dev.place_order(seller, "short", "0.005", "99000")
    assert [order.remaining_lots for order in settled_orders(dev, buyer)] == [500]
    dev.amend_order(buyer, first, size="0.02")
    dev.place_order(seller, "short", "0.005", "99000")
    assert [order.remaining_lots for order in settled_orders(dev, second)] == [500]
    assert [order.remaining_lots for order in dev.open_orders(buyer)] == [1_500]
    moved = dev.amend_order(buyer, first, limit_price="98000.5")
    assert (moved.status, moved.remaining_lots) == (RESTING, 1_500)
    assert [order.limit_ticks for order in dev.open_orders(buyer)] == [980_005]
    clear_book(dev, [second])


def settled_orders(client: Client, account: int) -> list[object]:
    """Open orders once everything that has happened is settled."""
    settled(client, account, client.margin(account).height)
    return list(client.open_orders(account))


def test_an_account_never_trades_with_itself(dev: Client, pair: tuple[int, int]) -> None:
    account, _ = pair
    dev.place_order(account, "short", "0.01", "101000")
    taker = dev.place_order(account, "long", "0.01", "101000", self_trade="expire-taker")
    assert (taker.status, taker.refusal) == (EXPIRED, refusals_pb2.REFUSAL_SELF_TRADE)
    maker = dev.place_order(account, "long", "0.01", "101000")
    assert maker.status == RESTING
    assert [order.side for order in settled_orders(dev, account)] == [common_pb2.SIDE_LONG]


def test_a_stop_waits_for_the_mark_and_closes(dev: Client, pair: tuple[int, int]) -> None:
    trader, maker = pair
    dev.place_order(maker, "short", "0.01", "4000", ETH)
    taken = dev.place_order(trader, "long", "0.01", market=ETH)
    settled(dev, trader, taken.height)
    armed = dev.place_order(trader, "short", "0.01", market=ETH, reduce_only=True, trigger="stop", trigger_price="3990")
    assert armed.status == common_pb2.OUTCOME_STATUS_ARMED
    (shown,) = dev.open_orders(trader, ETH)
    assert (shown.trigger, shown.trigger_ticks) == (common_pb2.TRIGGER_KIND_STOP, 399_000)
    assert dev.margin(trader).account.cross.holds_atoms == 0
    dev.place_order(maker, "long", "1", "3980", ETH)
    move_marks(dev, {ETH: 398_500})
    deadline = time.monotonic() + 60
    while any(position.lots for position in dev.margin(trader).account.cross.positions):
        assert time.monotonic() < deadline, "the stop has not closed the position"
        time.sleep(0.02)
    assert dev.open_orders(trader) == []
    move_marks(dev, {ETH: ETH_TICKS})


def test_all_orders_of_a_market_or_of_the_account_go_at_once(dev: Client, pair: tuple[int, int]) -> None:
    account, _ = pair
    for price in ("90000", "91000"):
        dev.place_order(account, "long", "0.01", price)
    dev.place_order(account, "long", "0.1", "3000", ETH)
    dev.place_order(account, "short", "0.1", market=ETH, trigger="stop", trigger_price="3000")
    dev.cancel_orders(account, market=ETH)
    assert [order.market for order in dev.open_orders(account)] == [BTC, BTC]
    dev.cancel_orders(account)
    assert dev.open_orders(account) == []
    assert dev.cancel_orders(account).status == common_pb2.OUTCOME_STATUS_DONE


def test_the_dead_mans_switch_cancels_orders_on_books(dev: Client, pair: tuple[int, int]) -> None:
    account, _ = pair
    dev.place_order(account, "long", "0.01", "90000")
    dev.cancel_all_after(account, 100, VENUE)
    deadline = time.monotonic() + 60
    while dev.open_orders(account):
        assert time.monotonic() < deadline, "the switch did not fire"
        time.sleep(0.05)


def test_leverage_raises_the_requirement(dev: Client, pair: tuple[int, int]) -> None:
    account, _ = pair
    dev.place_order(account, "long", "1", "100000")
    at_40 = dev.margin(account).account.cross.holds_atoms
    dev.set_leverage(account, 4)
    at_4 = dev.margin(account).account.cross.holds_atoms
    notional = PRICE_TICKS * 100_000
    assert at_4 - at_40 == notional // 4 - notional // 40
    refusal = refusal_of(lambda: dev.set_leverage(account, 1))
    added = notional - notional // 4
    assert refusal == Refusal("BELOW_INITIAL_MARGIN", added, dev.margin(account).account.cross.free_margin_atoms, "")


def test_a_batch_is_answered_row_by_row(dev: Client, pair: tuple[int, int]) -> None:
    account, other = pair
    outcome = dev.submit_batch(
        place_batch(
            account=[account, account, account, account, other, account, account],
            market=[BTC, BTC, 77, BTC, BTC, BTC, BTC],
            side=[1, 1, 1, 0, -1, 1, 1],
            size_lots=[1_000, 1_000, 1_000, 1_000, 1_000, (1 << 44) + 1, 1_000],
            limit_ticks=[900_000, 900_000, 900_000, 900_000, 1_100_000, 900_000, 1 << 40],
            client_order_id=[5, 5, 0, 0, 5, 0, 0],
        )
    )
    names = [refusals_pb2.Refusal.Name(number).removeprefix("REFUSAL_") for number in outcome.refusal]
    assert names == [
        "UNSPECIFIED",
        "CLIENT_ORDER_ID_USED",
        "UNKNOWN_MARKET",
        "BAD_SIDE",
        "UNSPECIFIED",
        "OVERFLOW",
        "OVERFLOW",
    ]
    assert [status == REFUSED for status in outcome.status] == [name != "UNSPECIFIED" for name in names]
    first = outcome.reference[0]
    pairs = list(zip(outcome.required, outcome.actual, strict=True))
    assert pairs == [(0, 0), (0, first), (3, 77), (1, 0), (0, 0), (1 << 40, (1 << 44) + 1), (1 << 40, 1 << 40)]
    assert list(outcome.remaining_lots) == [1_000, 0, 0, 0, 1_000, 0, 0]
    assert [order.order for order in dev.open_orders(account)] == [first]


def test_a_batch_with_an_account_of_somebody_else_is_refused_whole(client_of: ClientOf, pair: tuple[int, int]) -> None:
    trader = client_of("trader")
    own = trader.open_account(VENUE)
    batch = place_batch(account=[own, pair[0]])
    assert refusal_of(lambda: trader.submit_batch(batch)) == Refusal("NOT_ALLOWED", 0, 0, "account")
    assert refusal_of(lambda: trader.place_order(pair[0], "long", "1", "90000")).name == "NOT_ALLOWED"
    assert refusal_of(lambda: trader.cancel_orders(pair[0])).name == "NOT_ALLOWED"
    assert refusal_of(lambda: trader.margin(pair[0])) == Refusal("NOT_ALLOWED", 0, 0, "account")
    assert refusal_of(lambda: list(trader.account_history(pair[0]))) == Refusal("NOT_ALLOWED", 0, 0, "account")


def test_batches_of_amends_and_cancels(dev: Client, pair: tuple[int, int]) -> None:
    account, _ = pair
    placed = dev.submit_batch(place_batch(account=[account] * 4, limit_ticks=[900_000, 900_001, 900_002, 900_003]))
    orders = list(placed.reference)
    amends = commands_pb2.AmendOrders(
        account=[account] * 3,
        order=[*orders[:2], 99],
        client_order_id=[0] * 3,
        size_lots=[600] * 3,
        limit_ticks=[0] * 3,
    )
    amended = dev.submit_batch(commands_pb2.CommandBatch(venue=VENUE, amend_orders=amends))
    assert list(amended.refusal) == [0, 0, refusals_pb2.REFUSAL_UNKNOWN_ORDER]
    cancels = commands_pb2.CancelBookOrders(
        account=[account] * 2, market=[0] * 2, order=[orders[3], 99], client_order_id=[0] * 2
    )
    cancelled = dev.submit_batch(commands_pb2.CommandBatch(venue=VENUE, cancel_book_orders=cancels))
    assert list(cancelled.refusal) == [0, refusals_pb2.REFUSAL_UNKNOWN_ORDER]
    assert [order.remaining_lots for order in dev.open_orders(account)] == [600, 600, 1_000]


def test_a_batch_asked_again_is_done_once(dev: Client, pair: tuple[int, int]) -> None:
    account, _ = pair
    batch = place_batch(account=[account] * 3)
    batch.request_key = b"three orders, once"
    first = dev.submit_batch(batch)
    assert dev.submit_batch(batch) == first
    assert len(dev.open_orders(account)) == 3
    assert isinstance(first, answers_pb2.BatchOutcome)


def place_batch(account: list[int], **columns: list[int]) -> commands_pb2.CommandBatch:
    """Limit orders as columns: buys of 0.01 BTC at 90,000 but for what is said."""
    values = {"market": BTC, "side": 1, "kind": common_pb2.ORDER_KIND_LIMIT, "size_lots": 1_000, "limit_ticks": 900_000}
    rows = len(account)
    body = commands_pb2.PlaceOrders(account=account)
    for column in body.DESCRIPTOR.fields[1:]:
        content = columns.get(column.name, np.full(rows, values.get(column.name, 0)).tolist())
        getattr(body, column.name).extend(content)
    return commands_pb2.CommandBatch(venue=VENUE, place_orders=body)
