"""What a test of a Margin Trade venue needs before its own first step: prices, funded accounts, a two-sided book."""

import time

from breakwater.v1 import admin_pb2, common_pb2, markets_pb2
from node.client import Client
from node.margin_presets import MARGIN_TRADE_VENUE, PERP_SOURCES, SPOT_SOURCES
from tests.api.scene import now_ms

VENUE = MARGIN_TRADE_VENUE
BTC, ETH = 1, 2
USDC = 10**6
# 100,000 USD in ticks of 0.1; a lot is 0.00001 BTC and worth one atom a tick.
PRICE_TICKS = 1_000_000
ETH_TICKS = 400_000
FUNDS = 100_000 * USDC
_SOURCES = [number for number, _ in (*SPOT_SOURCES, *PERP_SOURCES)]
_STEP_S = 0.15
_HOUR_MS = 3_600_000


def move_marks(client: Client, ticks_by_market: dict[int, int], venue: int = VENUE) -> int:
    """Publishes a price by every source until it is the mark of each market; the height it was at."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        publish_marks(client, ticks_by_market, venue)
        answers = [client.mark(market, venue) for market in ticks_by_market]
        if all(answer.mark.mark_ticks == ticks_by_market[answer.mark.market] for answer in answers):
            return max(answer.height for answer in answers)
        time.sleep(_STEP_S)
    raise AssertionError(f"the marks did not move to {ticks_by_market}")


def steady_marks(client: Client, ticks_by_market: dict[int, int], venue: int = VENUE) -> None:
    """Markets whose mark is their oracle price and stays what it is, however long a test takes and whatever trades."""
    for rules in client.list_markets(venue):
        if rules.market in ticks_by_market:
            rules.oracle.mark_rule = common_pb2.MARK_RULE_INDEX
            rules.oracle.source_fresh_ms = rules.oracle.warn_age_ms = rules.oracle.reduce_only_age_ms = _HOUR_MS
            change = admin_pb2.ChangeParametersRequest(market=rules, expected_version=rules.version)
            client.admin.ChangeParameters(change)
    move_marks(client, ticks_by_market, venue)


def publish_marks(client: Client, ticks_by_market: dict[int, int], venue: int = VENUE) -> None:
    """One price by every source of each market."""
    rows = [(market, source, ticks, now_ms()) for market, ticks in ticks_by_market.items() for source in _SOURCES]
    client.publish(rows, venue)


def funded(client: Client, atoms: int = FUNDS, venue: int = VENUE) -> int:
    """A new account of the venue with that much cash."""
    account = client.open_account(venue)
    client.faucet(account, atoms, venue)
    return account


def settled(client: Client, account: int, height: int, venue: int = VENUE) -> None:
    """Waits until an account is read at a later height than this one: what happened then has settled."""
    deadline = time.monotonic() + 60
    while client.margin(account, venue).height <= height:
        assert time.monotonic() < deadline, f"nothing follows height {height}"
        time.sleep(0.01)


def clear_book(client: Client, accounts: list[int]) -> None:
    """Takes every order of the accounts off."""
    for account in accounts:
        client.cancel_orders(account)


def levels(message: markets_pb2.StreamDepthResponse) -> tuple[int, int]:
    """How many bids and asks a message of a depth stream names."""
    return len(message.bids.price_ticks), len(message.asks.price_ticks)
