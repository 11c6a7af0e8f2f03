"""Which actors a node has, by name, and who makes them. Buckets go to shards by number, the same for every venue."""

from collections.abc import Iterable

from actors.contract import Actor
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters

REGISTRY = "registry"
ORACLE = "oracle"
COORDINATOR = "coordinator"
_SHARD = "shard/"
_POOL = "pool/"
_BOOK = "book/"
_BACKSTOP = "backstop/"


def shard_name(shard: int) -> str:
    """The name of a shard."""
    return f"{_SHARD}{shard}"


def pool_name(venue: int) -> str:
    """The desk of a Twilight venue."""
    return f"{_POOL}{venue}"


def book_name(venue: int, market: int) -> str:
    """The order book of a market."""
    return f"{_BOOK}{venue}/{market}"


def backstop_name(venue: int) -> str:
    """The backstop of a Margin Trade venue: vault shares, insurance fund, fees, shortfall."""
    return f"{_BACKSTOP}{venue}"


def desk_names(venues: Iterable[parameters.VenueParameters], markets: Iterable[tuple[int, int]]) -> list[str]:
    """Every desk of these venues; `markets` are (venue, market)."""
    names = []
    listed = sorted(markets)
    for venue in sorted(venues, key=lambda one: one.venue):
        if venue.rulebook == common.RULEBOOK_TWILIGHT:
            names.append(pool_name(venue.venue))
        else:
            names.append(backstop_name(venue.venue))
            names += [book_name(*market) for market in listed if market[0] == venue.venue]
    return names


def is_shard(name: str) -> bool:
    """Whether the name is a shard's: its part of a cut is spread over all shards there are now."""
    return name.startswith(_SHARD)


def standing_actors(shards: int) -> list[str]:
    """Actors there are from the first block on; desks come with their venues and markets."""
    return [REGISTRY, ORACLE, COORDINATOR, *(shard_name(shard) for shard in range(shards))]


def build(name: str, shards: int, scalar: bool = False) -> Actor:
    """A new, empty actor. Raises ValueError for a name that is none.

    Each mind is imported where it is built: in a process of its own an actor loads only itself, and Numba, half a
    second and 20 MB, only where there are positions.
    """
    if name == REGISTRY:
        from actors.registry import Registry

        return Registry()
    if name == ORACLE:
        from actors.oracle import Oracle

        return Oracle()
    if name == COORDINATOR:
        from actors.liquidation_coordinator import LiquidationCoordinator

        return LiquidationCoordinator()
    if name.startswith(_SHARD):
        from actors.position_book import PositionBook

        return PositionBook(int(name.removeprefix(_SHARD)), shards, scalar)
    if name.startswith(_POOL):
        from actors.pool import Pool

        return Pool(int(name.removeprefix(_POOL)))
    if name.startswith(_BACKSTOP):
        from actors.backstop import Backstop

        return Backstop(int(name.removeprefix(_BACKSTOP)))
    if name.startswith(_BOOK):
        from actors.order_book import OrderBook

        return OrderBook(*map(int, name.removeprefix(_BOOK).split("/")))
    raise ValueError(f"no actor is called {name}")
