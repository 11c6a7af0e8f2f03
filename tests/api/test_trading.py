"""Isolated positions over the channel: the life of one, and every number that is refused."""

import time

import pytest

from actors.units import BALANCE_BOUND, PRICE_BOUND
from breakwater.v1 import admin_pb2, common_pb2, trading_pb2
from cluster.journal import LeaseHeld
from node.client import Client
from node.guards.refusals import INT64_MAX
from node.server import NodeServer
from tests.api.refusing import Refusal, refusal_of
from tests.api.scene import PRICE_TICKS, fill_pool, funded_account, move_mark

ATOMS = 10_000_000


@pytest.fixture(scope="module")
def market(dev: Client) -> int:
    """A market with a price and a pool behind it."""
    move_mark(dev, PRICE_TICKS)
    fill_pool(dev)
    return 1


@pytest.fixture
def account(dev: Client, market: int) -> int:
    """A funded account."""
    return funded_account(dev, ATOMS)


def request_of(**changes: object) -> trading_pb2.OpenPositionRequest:
    values: dict[str, object] = {
        "venue": 1,
        "market": 1,
        "side": common_pb2.SIDE_LONG,
        "kind": common_pb2.ORDER_KIND_MARKET,
        "margin_atoms": 100_000,
        "leverage": "10",
    }
    return trading_pb2.OpenPositionRequest(**{**values, **changes})


def test_a_position_opens_shows_and_closes(dev: Client, account: int) -> None:
    opened = dev.open_position(account, "long", 100_000, "10")
    assert opened.status == common_pb2.OUTCOME_STATUS_FILLED
    assert opened.price_ticks == PRICE_TICKS
    position = wait_for_position(dev, account)
    assert position.position == opened.reference
    assert (position.initial_margin_atoms, position.leverage_hundredths) == (100_000, 1_000)
    assert (position.entry_value_atoms, position.margin_held_atoms) == (1_000_000, 99_600)  # TW-07: fee 0.04% of 1M
    closed = dev.close_position(account, position.position)
    assert closed.status == common_pb2.OUTCOME_STATUS_FILLED
    assert dev.positions(account) == []


def test_the_estimate_is_what_the_position_shows(dev: Client, account: int) -> None:
    estimate = dev.estimate_liquidation("short", 250_000, "12.5")
    dev.open_position(account, "short", 250_000, "12.5")
    position = wait_for_position(dev, account)
    assert (estimate.entry_ticks, estimate.liquidation_ticks) == (position.entry_ticks, position.liquidation_ticks)
    assert (estimate.maintenance_atoms, estimate.bankruptcy_ticks) == (
        position.maintenance_atoms,
        position.bankruptcy_ticks,
    )
    assert (estimate.entry_value_atoms, estimate.position_size) == (position.entry_value_atoms, position.position_size)
    assert position.margin_held_atoms == 250_000 - estimate.fee_atoms
    assert position.liquidation_ticks > PRICE_TICKS


def test_levels_are_set_replaced_and_taken_off(dev: Client, account: int) -> None:
    dev.open_position(account, "long", 100_000, "5")
    position = wait_for_position(dev, account).position
    dev.set_stop_loss(account, position, "90000")
    dev.set_stop_loss(account, position, "91000")
    dev.set_take_profit(account, position, "110000")
    dev.close_position(account, position, limit_price="120000")
    (shown,) = dev.positions(account)
    assert (shown.stop_loss_ticks, shown.take_profit_ticks, shown.close_limit_ticks) == (91_000, 110_000, 120_000)
    dev.cancel(account, position, kind=common_pb2.ORDER_KIND_STOP_LOSS)
    dev.cancel(account)
    (shown,) = dev.positions(account)
    assert (shown.stop_loss_ticks, shown.take_profit_ticks, shown.close_limit_ticks) == (0, 0, 0)


def test_a_limit_rests_and_is_cancelled(dev: Client, account: int) -> None:
    rested = dev.open_position(account, "long", 100_000, "5", limit_price="50000")
    assert rested.status == common_pb2.OUTCOME_STATUS_RESTING
    assert dev.account(account).held_atoms == 100_000
    dev.cancel(account, rested.reference)
    view = dev.account(account)
    assert (view.held_atoms, view.free_atoms) == (0, ATOMS)
    assert refusal_of(lambda: dev.cancel(account, rested.reference)).name == "UNKNOWN_ORDER"


def test_the_dead_mans_switch_cancels(dev: Client, account: int) -> None:
    dev.open_position(account, "long", 100_000, "5", limit_price="50000")
    dev.cancel_all_after(account, 100)
    deadline = time.monotonic() + 60
    while dev.account(account).orders and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not dev.account(account).orders


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"leverage": "0"}, Refusal("LEVERAGE_OUT_OF_RANGE", 100, 0, "leverage")),
        ({"leverage": "51"}, Refusal("LEVERAGE_OUT_OF_RANGE", 5_000, 5_100, "leverage")),
        ({"leverage": "NaN"}, Refusal("LEVERAGE_OUT_OF_RANGE", 100, -1, "leverage")),
        ({"leverage": ""}, Refusal("LEVERAGE_OUT_OF_RANGE", 100, -1, "leverage")),
        ({"leverage": "12.345"}, Refusal("LEVERAGE_OUT_OF_RANGE", 100, -1, "leverage")),
        ({"leverage": "9" * 3_000}, Refusal("LEVERAGE_OUT_OF_RANGE", 5_000, INT64_MAX, "leverage")),
        ({"margin_atoms": 0}, Refusal("NOT_POSITIVE", 1, 0, "margin_atoms")),
        ({"margin_atoms": -7}, Refusal("NOT_POSITIVE", 1, -7, "margin_atoms")),
        ({"margin_atoms": 1 << 60}, Refusal("OVERFLOW", BALANCE_BOUND, 1 << 60, "margin_atoms")),
        ({"margin_atoms": 10_000_001}, Refusal("ABOVE_MARGIN_CAP", 10_000_000, 10_000_001, "")),
        ({"side": 0}, Refusal("BAD_SIDE", 1, 0, "side")),
        ({"side": 9}, Refusal("BAD_SIDE", 1, 9, "side")),
        ({"kind": 0}, Refusal("BAD_ORDER_KIND", 2, 0, "kind")),
        ({"kind": 3}, Refusal("BAD_ORDER_KIND", 2, 3, "kind")),
        ({"venue": 7}, Refusal("UNKNOWN_VENUE", 4, 7, "venue")),
        ({"market": 5}, Refusal("UNKNOWN_MARKET", 1, 5, "")),
        ({"kind": 2, "market": 5, "limit_price": "1"}, Refusal("UNKNOWN_MARKET", 1, 5, "market")),
        ({"limit_price": "100000"}, Refusal("MALFORMED", 0, 0, "limit_price")),
        ({"kind": 2}, Refusal("MALFORMED", 0, 0, "limit_price")),
        ({"kind": 2, "limit_price": "1e5"}, Refusal("MALFORMED", 0, 0, "limit_price")),
        ({"kind": 2, "limit_price": "0"}, Refusal("NOT_POSITIVE", 1, 0, "limit_price")),
        ({"kind": 2, "limit_price": "-3"}, Refusal("NOT_POSITIVE", 1, -3, "limit_price")),
        ({"kind": 2, "limit_price": "0.5"}, Refusal("OFF_TICK", 1_000_000_000, 500_000_000, "limit_price")),
        ({"kind": 2, "limit_price": str(1 << 40)}, Refusal("OVERFLOW", PRICE_BOUND, 1 << 40, "limit_price")),
        ({"account": 1 << 63}, Refusal("OVERFLOW", INT64_MAX, INT64_MAX, "account")),
    ],
    ids=str,
)
def test_a_bad_open_is_refused(dev: Client, account: int, changes: dict[str, object], refusal: Refusal) -> None:
    assert refusal_of(lambda: dev.trading.OpenPosition(request_of(**{"account": account, **changes}))) == refusal
    assert dev.account(account).free_atoms == ATOMS


def test_an_unknown_account_is_refused_with_the_next_number(dev: Client, account: int) -> None:
    refusal = refusal_of(lambda: dev.trading.OpenPosition(request_of(account=account + 1)))
    assert refusal == Refusal("UNKNOWN_ACCOUNT", account + 1, account + 1, "")
    assert refusal_of(lambda: dev.trading.OpenPosition(request_of(account=0))) == Refusal(
        "UNKNOWN_ACCOUNT", account + 1, 0, ""
    )
    assert refusal_of(lambda: dev.account(account + 1)).name == "UNKNOWN_ACCOUNT"


def test_an_unknown_position_is_refused(dev: Client, account: int) -> None:
    unknown = Refusal("UNKNOWN_POSITION", 1, 12_345, "")
    assert refusal_of(lambda: dev.close_position(account, 12_345)) == unknown
    assert refusal_of(lambda: dev.set_stop_loss(account, 12_345, "90000")) == unknown


@pytest.mark.parametrize(
    ("price", "refusal"),
    [
        ("0.25", Refusal("OFF_TICK", 1_000_000_000, 250_000_000, "price")),
        ("", Refusal("MALFORMED", 0, 0, "price")),
        ("-1", Refusal("NOT_POSITIVE", 1, -1, "price")),
    ],
)
def test_a_bad_level_is_refused(dev: Client, account: int, price: str, refusal: Refusal) -> None:
    assert refusal_of(lambda: dev.set_stop_loss(account, 1, price)) == refusal
    assert refusal_of(lambda: dev.set_take_profit(account, 1, price)) == refusal


def test_more_than_is_free_is_refused(dev: Client, account: int) -> None:
    refusal = refusal_of(lambda: dev.withdraw(account, ATOMS + 1))
    assert refusal == Refusal("INSUFFICIENT_BALANCE", ATOMS + 1, ATOMS, "")


def test_a_frozen_account_may_close_but_not_open(dev: Client, account: int) -> None:
    dev.open_position(account, "long", 100_000, "5")
    position = wait_for_position(dev, account).position
    freeze(dev, account, True)
    refusal = refusal_of(lambda: dev.open_position(account, "long", 100_000, "5"))
    assert refusal == Refusal("ACCOUNT_FROZEN", 0, account, "")
    assert dev.close_position(account, position).status == common_pb2.OUTCOME_STATUS_FILLED
    freeze(dev, account, False)
    assert dev.open_position(account, "long", 100_000, "5").status == common_pb2.OUTCOME_STATUS_FILLED


def freeze(client: Client, account: int, frozen: bool) -> None:
    client.admin.FreezeAccount(admin_pb2.FreezeAccountRequest(venue=1, account=account, frozen=frozen))


def wait_for_position(client: Client, account: int) -> object:
    """The only position of an account; an open is acknowledged one block before it settles."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = client.positions(account)
        if found:
            assert len(found) == 1
            return found[0]
        time.sleep(0.01)
    raise AssertionError("no position after a minute")


def test_a_second_node_of_one_directory_is_refused(node: NodeServer) -> None:
    second = NodeServer(node.config)
    with pytest.raises(LeaseHeld):
        second.start()
