"""What a test needs before its own first step: a price, a pool, a funded account."""

import time

import grpc

from breakwater.v1 import markets_pb2
from node.client import Client

PRICE_TICKS = 100_000
POOL_ATOMS = 5_000_000_000
PUBLISHERS = (1, 2, 3)
_TICK_INTERVAL_S = 0.6


def now_ms() -> int:
    """The clock ticks are stamped with."""
    return time.time_ns() // 1_000_000


def move_mark(client: Client, price_ticks: int, market: int = 1) -> int:
    """Publishes a price by every source and waits until it is the mark (TW-20: once in half a second); its height."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        outcome = client.publish([(market, publisher, price_ticks, now_ms()) for publisher in PUBLISHERS])
        if client.mark(market).mark.mark_ticks == price_ticks:
            return outcome.height
        time.sleep(_TICK_INTERVAL_S / 4)
    raise AssertionError(f"the mark did not move to {price_ticks}")


def until_key_is(known: bool, client: Client) -> None:
    """Waits until a running node, which looks at its key file once a second, knows a key, or no longer does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            client.markets.ListVenues(markets_pb2.ListVenuesRequest())
            answered = True
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAUTHENTICATED:
                raise
            answered = False
        if answered == known:
            return
        time.sleep(0.1)
    raise AssertionError(f"the key is {'not' if known else 'still'} known")


def fill_pool(client: Client, atoms: int = POOL_ATOMS) -> int:
    """A liquidity provider with all its atoms in the pool; its account."""
    account = funded_account(client, atoms)
    client.deposit_liquidity(account, atoms)
    return account


def funded_account(client: Client, atoms: int) -> int:
    """A new account with that much free."""
    account = client.open_account()
    client.faucet(account, atoms)
    return account
