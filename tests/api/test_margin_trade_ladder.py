"""The public feed of the ladder over the channel: every rung with its numbers, by market and account, and what follows.

The vault is empty at first, so that the first account below its backstop is deleveraged; later it takes one over.
"""

import time
from pathlib import Path

import pytest

from actors.chain.receipt import check_receipt
from breakwater.v1 import events_pb2, liquidation_pb2
from cluster.signing import verify
from node.client import Client
from node.server import NodeServer
from tests.api.margin_scene import BTC, ETH, PRICE_TICKS, USDC, VENUE, clear_book, funded, publish_marks, settled
from tests.cli.running import breakwater, only_object
from tests.waiting import wait

FUNDS = 1_000 * USDC
LOTS = 30_000
_STEP_S = 0.2


@pytest.fixture(scope="module")
def maker(dev: Client) -> int:
    """Who sells to everybody, with money enough."""
    hold_price(dev, PRICE_TICKS)
    return funded(dev, 1_000_000 * USDC)


def hold_price(client: Client, ticks: int) -> None:
    """Publishes a price until the mark is near it."""
    deadline = time.monotonic() + 60
    while abs(client.mark(BTC, VENUE).mark.mark_ticks - ticks) > ticks // 1_000:
        assert time.monotonic() < deadline, f"the mark stays at {client.mark(BTC, VENUE).mark.mark_ticks}"
        publish_marks(client, {BTC: ticks})
        time.sleep(_STEP_S)


def long_of(client: Client, maker: int) -> int:
    """A new account with 1,000 USDC and 0.3 BTC bought at 100,000 from the maker: maintenance 375, backstop 250."""
    hold_price(client, PRICE_TICKS)
    account = funded(client, FUNDS)
    client.place_order(maker, "short", "0.3", "100000")
    filled = client.place_order(account, "long", "0.3", "100000", time_in_force="ioc")
    assert filled.filled_lots == LOTS
    settled(client, account, filled.height)
    return account


def fall_until(client: Client, account: int, start_ticks: int, step_ticks: int, kind: str) -> events_pb2.Event:
    """Publishes lower and lower prices until the feed names the account with such an event."""
    ticks = start_ticks
    height = client.depth().height
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        publish_marks(client, {BTC: ticks})
        time.sleep(_STEP_S)
        found = [event for event in client.list_liquidations(account, from_height=height) if event.HasField(kind)]
        if found:
            return found[0]
        ticks -= step_ticks
    raise AssertionError(f"no {kind} down to {ticks}")


def test_without_a_vault_a_takeover_is_refused_and_the_other_side_deleveraged(dev: Client, maker: int) -> None:
    account = long_of(dev, maker)
    refused = fall_until(dev, account, 974_000, 500, "takeover_refused")
    assert refused.takeover_refused.limit != events_pb2.TAKEOVER_LIMIT_UNSPECIFIED
    assert refused.takeover_refused.equity_atoms * 3 < refused.takeover_refused.maintenance_atoms * 2
    of_account = list(dev.list_liquidations(account, from_height=refused.height))
    (run,) = [event for event in of_account if event.HasField("deleverage_run")]
    assert (run.market, run.deleverage_run.needed_lots, run.deleverage_run.taken_lots) == (BTC, LOTS, LOTS)
    counterparties = [event for event in of_account if event.HasField("deleveraged")]
    assert {event.deleveraged.liquidated_account for event in counterparties} == {account}
    assert sum(abs(event.deleveraged.lots) for event in counterparties) == LOTS
    of_maker = [event for event in dev.list_liquidations(maker) if event.HasField("deleveraged")]
    assert of_maker == counterparties
    assert not list(dev.list_liquidations(market=ETH))
    settled(dev, account, refused.height)
    assert not [one for one in dev.margin(account).account.cross.positions if one.lots]


def test_the_first_rung_sends_an_order_to_the_book(dev: Client, maker: int) -> None:
    account = long_of(dev, maker)
    dev.place_order(maker, "long", "1", "97500")
    resting = dev.place_order(account, "long", "0.001", "90000")
    event = fall_until(dev, account, 979_000, 100, "liquidation_ordered")
    ordered = event.liquidation_ordered
    assert (event.market, ordered.position_lots, ordered.lots, ordered.is_partial) == (BTC, LOTS, LOTS, False)
    assert ordered.equity_atoms < ordered.maintenance_atoms
    assert ordered.mark.mark_ticks > ordered.limit_ticks > 900_000
    assert ordered.cancelled_orders == 1
    assert resting.reference not in [order.order for order in dev.open_orders(account)]
    settled(dev, account, event.height)
    cross = dev.margin(account).account.cross
    assert not [one for one in cross.positions if one.lots]
    assert cross.cash_atoms > 0
    trades = [trade for trade in dev.trades(BTC, event.height) if trade.is_liquidation]
    assert sum(trade.lots for trade in trades) == LOTS
    # MT-16a: what the ladder's fills paid is in the fund, and the statement has it.
    totals = dev.statement(account)
    assert totals.liquidation_fee_atoms > 0
    assert totals.change_atoms == cross.cash_atoms
    clear_book(dev, [maker])


def test_a_vault_takes_over_what_is_below_the_backstop(dev: Client, maker: int) -> None:
    lp = funded(dev, 200_000 * USDC)
    minted = dev.deposit_liquidity(lp, 200_000 * USDC, VENUE)
    account = long_of(dev, maker)
    event = fall_until(dev, account, 974_000, 500, "taken_over")
    taken = event.taken_over
    assert taken.equity_atoms * 3 < taken.maintenance_atoms * 2
    assert [(one.market, one.lots) for one in taken.positions] == [(BTC, LOTS)]
    assert taken.positions[0].quote_atoms == taken.positions[0].mark_ticks * LOTS
    settled(dev, account, event.height)
    cross = dev.margin(account).account.cross
    assert (cross.equity_atoms, cross.cash_atoms) == (0, 0)
    totals = dev.statement(account)
    assert (totals.change_atoms, totals.transferred_atoms) == (0, -taken.equity_atoms)
    assert totals.realised_atoms - totals.fee_atoms + FUNDS == taken.equity_atoms
    view = dev.vault([lp])
    assert view.holdings[0].micro_shares == minted.reference
    wait(lambda: bool(dev.vault().vault.positions))


def test_every_rung_can_be_proved(node: NodeServer, dev: Client, maker: int, tmp_path: Path) -> None:
    by_kind = {event.WhichOneof("body"): event for event in dev.list_liquidations()}
    key = dev.validator_key()
    for kind in ("liquidation_ordered", "taken_over", "takeover_refused", "deleverage_run", "deleveraged"):
        event = by_kind[kind]
        wait(lambda event=event: bool(dev.header(event.height).signature))
        receipt = dev.receipt(event.height, event.index)
        assert check_receipt(receipt, key, verify).ok
        assert events_pb2.Event.FromString(receipt.event) == event
    data = ("--venue", VENUE, "--data", node.config.data_dir, "--json")
    fetched = only_object(breakwater("receipt", "--out", tmp_path, *data))
    assert fetched["height"] == by_kind["taken_over"].height
    checked = only_object(breakwater("verify", fetched["file"], "--key", key.hex(), "--json"))
    assert checked["valid"], checked["reason"]


def test_the_feed_is_followed_from_a_height_by_market_and_account(dev: Client, maker: int) -> None:
    everything = list(dev.list_liquidations())
    assert {event.WhichOneof("body") for event in everything} >= {"liquidation_ordered", "taken_over", "deleveraged"}
    keys = [(event.height, event.index) for event in everything]
    assert keys == sorted(set(keys))
    first = everything[0].height
    followed = []
    for event in dev.stream_liquidations(VENUE, first):
        followed.append(event)
        if len(followed) == len(everything):
            break
    assert followed == everything
    ordered = next(event for event in everything if event.HasField("liquidation_ordered"))
    of_account = next(iter(dev.stream_liquidations(VENUE, first, market=BTC, account=ordered.account)))
    assert of_account.account == ordered.account
    page = dev.liquidations.ListLiquidations(liquidation_pb2.ListLiquidationsRequest(venue=VENUE, page_size=2))
    assert list(page.events) == everything[:2]
    assert page.next_page_token == f"{everything[1].height}.{everything[1].index}"
    assert not list(dev.list_liquidations(account=ordered.account, market=ETH))
