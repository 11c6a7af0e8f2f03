"""Every refusal of MT-06 over the channel, each with the two numbers that decided it."""

import time
from collections.abc import Callable, Iterator

import pytest

from actors.units import ORDER_LOTS_BOUND, PRICE_BOUND
from breakwater.v1 import admin_pb2, common_pb2, orders_pb2, refusals_pb2
from node.client import Client
from node.margin_presets import margin_trade_market
from tests.api.margin_scene import (
    BTC,
    ETH,
    FUNDS,
    PRICE_TICKS,
    USDC,
    VENUE,
    clear_book,
    funded,
    move_marks,
    settled,
    steady_marks,
)
from tests.api.refusing import Refusal, refusal_of
from tests.api.test_margin_trade_orders import place_batch

SMALL, AWAY = 7, 8
CAP_LOTS = 1_000


@pytest.fixture(scope="module")
def market(dev: Client) -> int:
    """A market with a mark."""
    steady_marks(dev, {BTC: PRICE_TICKS})
    return BTC


@pytest.fixture(scope="module")
def maker(dev: Client, market: int) -> int:
    """Who offers 0.1 BTC at 100,100 and bids for 0.1 at 99,900."""
    account = funded(dev)
    dev.place_order(account, "short", "0.1", "100100")
    dev.place_order(account, "long", "0.1", "99900")
    return account


@pytest.fixture
def account(dev: Client, market: int) -> Iterator[int]:
    """A funded account, its orders taken off at the end."""
    opened = funded(dev)
    yield opened
    clear_book(dev, [opened])


def request_of(**changes: object) -> orders_pb2.PlaceOrderRequest:
    values: dict[str, object] = {
        "venue": VENUE,
        "market": BTC,
        "side": common_pb2.SIDE_LONG,
        "kind": common_pb2.ORDER_KIND_LIMIT,
        "size": "0.01",
        "limit_price": "90000",
    }
    return orders_pb2.PlaceOrderRequest(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"limit_price": "90000.05"}, Refusal("OFF_TICK", 100_000_000, 90_000_050_000_000, "limit_price")),
        ({"size": "0.000015"}, Refusal("OFF_LOT", 10_000, 15_000, "size")),
        ({"size": "0"}, Refusal("NOT_POSITIVE", 1, 0, "size")),
        ({"size": "-1"}, Refusal("NOT_POSITIVE", 1, -100_000, "size")),
        ({"size": "a lot"}, Refusal("MALFORMED", 0, 0, "size")),
        ({"size": ""}, Refusal("MALFORMED", 0, 0, "size")),
        ({"size": "0.0001", "limit_price": "90000"}, Refusal("MIN_NOTIONAL", 10 * USDC, 9 * USDC, "")),
        ({"limit_price": str((1 << 40) // 10) + ".6"}, Refusal("OVERFLOW", PRICE_BOUND, 1 << 40, "limit_price")),
        ({"size": "175921860.44417"}, Refusal("OVERFLOW", ORDER_LOTS_BOUND, (1 << 44) + 1, "size")),
        ({"size": "1001"}, Refusal("OVERFLOW", 100_000_000, 100_100_000, "")),
        ({"limit_price": "4999.9"}, Refusal("TOO_FAR_FROM_ORACLE", 50_000, 49_999, "")),
        ({"limit_price": "195000.1"}, Refusal("TOO_FAR_FROM_ORACLE", 1_950_000, 1_950_001, "")),
        ({"side": 0}, Refusal("BAD_SIDE", 1, 0, "side")),
        ({"kind": 0}, Refusal("BAD_ORDER_KIND", 2, 0, "kind")),
        ({"kind": 3}, Refusal("BAD_ORDER_KIND", 2, 3, "kind")),
        ({"kind": 1}, Refusal("MALFORMED", 0, 0, "limit_price")),
        ({"limit_price": ""}, Refusal("MALFORMED", 0, 0, "limit_price")),
        ({"time_in_force": 9}, Refusal("MALFORMED", 3, 9, "time_in_force")),
        ({"self_trade": 4}, Refusal("MALFORMED", 3, 4, "self_trade")),
        ({"trigger": 3}, Refusal("MALFORMED", 2, 3, "trigger")),
        ({"trigger_price": "5"}, Refusal("MALFORMED", 0, 0, "trigger_price")),
        ({"trigger": 1}, Refusal("MALFORMED", 0, 0, "trigger_price")),
        ({"client_order_id": -1}, Refusal("NOT_POSITIVE", 0, -1, "")),
        ({"post_only": True, "time_in_force": 2}, Refusal("BAD_ORDER_KIND", 1, 2, "")),
        ({"market": 77}, Refusal("UNKNOWN_MARKET", 3, 77, "market")),
        ({"market": ETH, "limit_price": "3900"}, Refusal("NO_MARK", 1, 0, "")),
        ({"venue": 77}, Refusal("UNKNOWN_VENUE", 4, 77, "venue")),
        ({"venue": 1}, Refusal("WRONG_RULEBOOK", 2, 1, "venue")),
    ],
    ids=str,
)
def test_a_bad_order_is_refused(dev: Client, account: int, changes: dict[str, object], refusal: Refusal) -> None:
    assert refusal_of(lambda: dev.orders.PlaceOrder(request_of(**{"account": account, **changes}))) == refusal
    assert dev.open_orders(account) == []


def test_an_unknown_account_is_refused(dev: Client, account: int) -> None:
    assert refusal_of(lambda: dev.place_order(account + 1, "long", "0.01", "90000")) == Refusal(
        "UNKNOWN_ACCOUNT", account + 1, account + 1, ""
    )


def test_more_than_free_margin_is_refused(dev: Client, market: int) -> None:
    poor = funded(dev, 100 * USDC)
    # 0.05 BTC at 95,000: 4,750 of value at the mark 5,000, initial margin 1/40, taker fee 0.045% of 4,750.
    refusal = refusal_of(lambda: dev.place_order(poor, "long", "0.05", "95000"))
    assert refusal == Refusal("BELOW_INITIAL_MARGIN", 125 * USDC + 2_137_500, 100 * USDC, "")


def test_reduce_only_never_opens_and_never_turns(dev: Client, maker: int, account: int) -> None:
    nothing = refusal_of(lambda: dev.place_order(account, "short", "0.01", reduce_only=True))
    assert nothing == Refusal("REDUCE_ONLY", 0, 1_000, "")
    filled = dev.place_order(account, "long", "0.01")
    settled(dev, account, filled.height)
    turning = refusal_of(lambda: dev.place_order(account, "short", "0.02", "99900", reduce_only=True))
    assert turning == Refusal("REDUCE_ONLY", 1_000, 2_000, "")
    adding = refusal_of(lambda: dev.place_order(account, "long", "0.005", reduce_only=True))
    assert adding == Refusal("REDUCE_ONLY", 0, 500, "")
    closed = dev.place_order(account, "short", "0.01", reduce_only=True)
    assert (closed.status, closed.filled_lots) == (common_pb2.OUTCOME_STATUS_FILLED, 1_000)


def test_post_only_that_would_cross_is_refused(dev: Client, maker: int, account: int) -> None:
    refusal = refusal_of(lambda: dev.place_order(account, "long", "0.01", "100200", post_only=True))
    assert refusal == Refusal("POST_ONLY_WOULD_CROSS", 1_001_000, 1_002_000, "")


def test_ioc_that_meets_nothing_is_refused(dev: Client, maker: int, account: int) -> None:
    refusal = refusal_of(lambda: dev.place_order(account, "long", "0.01", "100000", time_in_force="ioc"))
    assert refusal == Refusal("NOTHING_TO_MATCH", 1_000_000, 1_001_000, "")


def test_fok_that_cannot_be_filled_is_refused(dev: Client, maker: int, account: int) -> None:
    available = dev.depth().asks.lots[0]
    refusal = refusal_of(lambda: dev.place_order(account, "long", "0.2", "100100", time_in_force="fok"))
    assert refusal == Refusal("NOT_FILLABLE", 20_000, available, "")


def test_a_market_order_without_liquidity_is_refused(dev: Client, account: int) -> None:
    move_marks(dev, {3: 200_000})
    refusal = refusal_of(lambda: dev.place_order(account, "long", "1", market=3))
    assert refusal == Refusal("NO_LIQUIDITY", 210_000, 0, "")


@pytest.mark.parametrize(
    ("side", "trigger", "price", "ticks"),
    [
        ("long", "stop", "99000", 990_000),
        ("short", "stop", "101000", 1_010_000),
        ("long", "take-profit", "101000", 1_010_000),
        ("short", "take-profit", "99000", 990_000),
    ],
)
def test_a_trigger_that_would_fire_at_once_is_refused(
    dev: Client, account: int, side: str, trigger: str, price: str, ticks: int
) -> None:
    refusal = refusal_of(lambda: dev.place_order(account, side, "0.01", trigger=trigger, trigger_price=price))
    assert refusal == Refusal("BAD_TRIGGER_PRICE", PRICE_TICKS, ticks, "")


def test_open_interest_ends_at_its_cap(dev: Client, account: int) -> None:
    rules = margin_trade_market(SMALL, "LTC")
    rules.symbol = "SMALL"
    rules.margin_trade.open_interest_cap_lots = rules.margin_trade.max_order_lots = CAP_LOTS
    dev.admin.CreateMarket(admin_pb2.CreateMarketRequest(parameters=rules))
    move_marks(dev, {SMALL: 100_000})
    other = funded(dev)
    for _ in range(2):
        dev.place_order(other, "short", "1", "100", SMALL)
    taken = dev.place_order(account, "long", "1", "100", SMALL)
    assert (taken.filled_lots, taken.remaining_lots) == (CAP_LOTS, 0)
    settled(dev, account, taken.height)
    refusal = refusal_of(lambda: dev.place_order(account, "long", "0.4", "100", SMALL))
    assert refusal == Refusal("OPEN_INTEREST_CAP", CAP_LOTS, CAP_LOTS + 400, "")
    closing = dev.place_order(account, "short", "0.4", "90", SMALL, post_only=True)
    assert closing.status == common_pb2.OUTCOME_STATUS_RESTING


def test_an_account_has_so_many_orders_at_most(dev: Client, account: int) -> None:
    most = dev.venues()[1].margin_trade.max_orders_per_account
    assert not any(dev.submit_batch(place_batch(account=[account] * most)).refusal)
    refusal = refusal_of(lambda: dev.place_order(account, "long", "0.01", "90000"))
    assert refusal == Refusal("TOO_MANY_ORDERS", most, most, "")


def test_a_market_without_its_oracle_only_reduces(dev: Client, account: int) -> None:
    rules = margin_trade_market(AWAY, "AVAX")
    dev.admin.CreateMarket(admin_pb2.CreateMarketRequest(parameters=rules))
    other = funded(dev)
    move_marks(dev, {AWAY: 25_000})
    dev.place_order(other, "short", "10", "25", AWAY)
    filled = dev.place_order(account, "long", "10", "25", AWAY, time_in_force="ioc")
    assert filled.status == common_pb2.OUTCOME_STATUS_FILLED
    rules.oracle.source_fresh_ms = rules.oracle.warn_age_ms = 300
    rules.oracle.reduce_only_age_ms = 600
    dev.admin.ChangeParameters(admin_pb2.ChangeParametersRequest(market=rules, expected_version=1))
    deadline = time.monotonic() + 60
    while dev.mark(AWAY, VENUE).mark.state != common_pb2.MARK_STATE_REDUCE_ONLY:
        assert time.monotonic() < deadline, dev.mark(AWAY, VENUE).mark
        time.sleep(0.1)
    refusal = refusal_of(lambda: dev.place_order(account, "long", "10", "25", AWAY))
    assert (refusal.name, refusal.required) == ("MARKET_REDUCE_ONLY", 0)
    assert refusal.actual > 600
    estimate = dev.estimate_position(account, "long", "10", "25", AWAY)
    assert estimate.refusal == refusals_pb2.REFUSAL_MARKET_REDUCE_ONLY
    closing = dev.place_order(account, "short", "10", "26", AWAY, reduce_only=True)
    assert closing.status == common_pb2.OUTCOME_STATUS_RESTING


def test_a_halted_market_and_a_paused_node_take_no_order(dev: Client, account: int) -> None:
    live = dev.place_order(account, "long", "0.01", "90000")
    halt = admin_pb2.HaltMarketRequest(venue=VENUE, market=BTC, halted=True, reason="a drill")
    dev.admin.HaltMarket(halt)
    refusal = refusal_of(lambda: dev.place_order(account, "long", "0.01", "90000"))
    assert (refusal.name, refusal.required) == ("MARKET_HALTED", 0)
    halt.halted = False
    dev.admin.HaltMarket(halt)
    dev.admin.Pause(admin_pb2.PauseRequest(paused=True))
    try:
        paused = refusal_of(lambda: dev.orders.PlaceOrder(request_of(account=account)))
        cancelled = dev.cancel_orders(account, live.reference)
    finally:
        dev.admin.Pause(admin_pb2.PauseRequest(paused=False))
    assert paused == Refusal("UNAVAILABLE", 0, 0, "")
    assert cancelled.status == common_pb2.OUTCOME_STATUS_DONE


def test_orders_of_others_are_unknown(dev: Client, maker: int, account: int) -> None:
    foreign = dev.open_orders(maker)[0].order
    for call in (
        lambda: dev.cancel_orders(account, foreign),
        lambda: dev.amend_order(account, foreign, size="0.01"),
    ):
        refusal = refusal_of(call)
        assert (refusal.name, refusal.required, refusal.actual) == ("UNKNOWN_ORDER", 1, foreign)
    assert refusal_of(lambda: dev.cancel_orders(account, client_order_id=5)) == Refusal("UNKNOWN_ORDER", 1, 5, "")
    assert refusal_of(lambda: dev.amend_order(account, size="1")) == Refusal("UNKNOWN_ORDER", 1, 0, "order")
    assert foreign in [order.order for order in dev.open_orders(maker)]


def test_an_amend_below_what_is_filled_is_refused(dev: Client, account: int) -> None:
    order = dev.place_order(account, "long", "0.03", "100000").reference
    other = funded(dev)
    sold = dev.place_order(other, "short", "0.02", "100000")
    settled(dev, account, sold.height)
    for size, lots in (("0.01", 1_000), ("0.02", 2_000)):
        refusal = refusal_of(lambda size=size: dev.amend_order(account, order, size=size))
        assert refusal == Refusal("AMEND_BELOW_FILLED", 2_000, lots, "")
    kept = dev.amend_order(account, order, size="0.021")
    assert (kept.status, kept.remaining_lots) == (common_pb2.OUTCOME_STATUS_RESTING, 100)
    assert refusal_of(lambda: dev.amend_order(account, order)).name == "MALFORMED"


def test_a_client_order_id_is_used_once_while_it_lives(dev: Client, account: int) -> None:
    first = dev.place_order(account, "long", "0.01", "90000", client_order_id=7)
    refusal = refusal_of(lambda: dev.place_order(account, "long", "0.01", "90000", client_order_id=7))
    assert refusal == Refusal("CLIENT_ORDER_ID_USED", 0, first.reference, "")
    dev.cancel_orders(account, client_order_id=7)
    assert dev.place_order(account, "long", "0.01", "90000", client_order_id=7).reference > first.reference


@pytest.mark.parametrize(("leverage", "bound"), [(0, 1), (-3, 1), (41, 40), (1 << 40, 40)])
def test_leverage_has_a_range(dev: Client, account: int, leverage: int, bound: int) -> None:
    refusal = refusal_of(lambda: dev.set_leverage(account, leverage))
    assert refusal == Refusal("LEVERAGE_OUT_OF_RANGE", bound, leverage, "")


def test_a_frozen_account_may_cancel_only(dev: Client, account: int) -> None:
    order = dev.place_order(account, "long", "0.01", "90000").reference
    dev.admin.FreezeAccount(admin_pb2.FreezeAccountRequest(venue=VENUE, account=account, frozen=True))
    frozen = Refusal("ACCOUNT_FROZEN", 0, account, "")
    calls: list[Callable[[], object]] = [
        lambda: dev.place_order(account, "long", "0.01", "90000"),
        lambda: dev.amend_order(account, order, size="0.005"),
        lambda: dev.set_leverage(account, 3),
        lambda: dev.withdraw(account, 5, VENUE),
    ]
    assert [refusal_of(call) for call in calls] == [frozen] * len(calls)
    assert dev.cancel_orders(account, order).status == common_pb2.OUTCOME_STATUS_DONE


def test_a_withdrawal_leaves_what_orders_hold(dev: Client, account: int) -> None:
    dev.place_order(account, "long", "1", "90000")
    cross = dev.margin(account).account.cross
    # MT-04: the order would open a position of 100,000 at the mark, a tenth of which must stay.
    must_stay = max(cross.initial_margin_atoms + cross.holds_atoms, 100_000 * USDC // 10)
    assert cross.withdrawable_atoms == FUNDS - must_stay
    refusal = refusal_of(lambda: dev.withdraw(account, cross.withdrawable_atoms + 1, VENUE))
    assert refusal == Refusal("WITHDRAWAL_MARGIN", must_stay, must_stay - 1, "")
    assert dev.withdraw(account, cross.withdrawable_atoms, VENUE).status == common_pb2.OUTCOME_STATUS_DONE
