"""What a test of a Spin venue needs before its own first step: a steady mark, and a long against a short."""

from typing import NamedTuple

from breakwater.v1 import batches_pb2
from node.client import Client
from node.spin_presets import SPIN_VENUE
from tests.api import margin_scene
from tests.api.margin_scene import USDC

VENUE = SPIN_VENUE
BTC = 1
# 100,000 USDC in ticks of 0.1; a lot is 0.0001 BTC and worth ten atoms a tick.
PRICE_TICKS = 1_000_000
LOTS = 10_000
RICH = 1_000_000 * USDC


class Pair(NamedTuple):
    """Who is long by so many units and who is short by them."""

    long: int
    short: int


def steady_mark(client: Client, ticks: int = PRICE_TICKS) -> None:
    """The market's mark is its oracle price and stays what it is."""
    margin_scene.steady_marks(client, {BTC: ticks}, VENUE)


def move_mark(client: Client, ticks: int) -> int:
    """Publishes a price until it is the mark; the height it was at."""
    return margin_scene.move_marks(client, {BTC: ticks}, VENUE)


def funded(client: Client, atoms: int = RICH) -> int:
    """A new account of the venue with that much cash."""
    return margin_scene.funded(client, atoms, VENUE)


def pair(client: Client, long_atoms: int, size: str = "1", price: str = "100000") -> Pair:
    """A long with that much money against a rich short, settled."""
    long, short = funded(client, long_atoms), funded(client)
    client.place_order(short, "short", size, price, venue=VENUE)
    bought = client.place_order(long, "long", size, price, venue=VENUE)
    margin_scene.settled(client, long, bought.height, VENUE)
    return Pair(long, short)


def ratio(client: Client, account: int) -> batches_pb2.RatioView:
    """The account by its ratio."""
    return client.margin(account, VENUE).account.ratio
