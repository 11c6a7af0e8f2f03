"""Which actors a node has, by name, and who makes them."""

from collections.abc import Callable, Iterable

from actors.contract import Actor
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from cluster.placement import Owners

REGISTRY = "registry"
ORACLE = "oracle"
COORDINATOR = "coordinator"
_SHARD = "shard/"
_POOL = "pool/"
_BOOK = "book/"
_BACKSTOP = "backstop/"
_INSURANCE = "insurance/"
_VERSIONS = "versions/"
# Rulebooks whose markets are order books.
BOOK_RULEBOOKS = (common.RULEBOOK_MARGIN_TRADE, common.RULEBOOK_SPIN)


def shard_name(shard: int) -> str:
    """The name of a shard."""
    return f"{_SHARD}{shard}"


def shard_number(name: str) -> int:
    """Of a shard's name, its number."""
    return int(name.removeprefix(_SHARD))


def pool_name(venue: int) -> str:
    """The desk of a Twilight venue."""
    return f"{_POOL}{venue}"


def book_name(venue: int, market: int) -> str:
    """The order book of a market."""
    return f"{_BOOK}{venue}/{market}"


def backstop_name(venue: int) -> str:
    """The backstop of a Margin Trade venue: vault shares, insurance fund, fees, shortfall."""
    return f"{_BACKSTOP}{venue}"


def insurance_name(venue: int) -> str:
    """The insurance desk of a Spin venue: fund, fees, funding on its way, shortfall."""
    return f"{_INSURANCE}{venue}"


def versions_name(venue: int, market: int) -> str:
    """The version desk of a Perennial market."""
    return f"{_VERSIONS}{venue}/{market}"


def desk_names(venues: Iterable[parameters.VenueParameters], markets: Iterable[tuple[int, int]]) -> list[str]:
    """Every desk of these venues; `markets` are (venue, market)."""
    names = []
    listed = sorted(markets)
    for venue in sorted(venues, key=lambda one: one.venue):
        mine = [market for market in listed if market[0] == venue.venue]
        names += [name(venue.venue) for name in _OF_VENUE.get(venue.rulebook, ())]
        names += [name(*market) for name in _OF_MARKET.get(venue.rulebook, ()) for market in mine]
    return names


# The desks of a venue, and of each of its markets, by rulebook.
_OF_VENUE: dict[int, tuple[Callable[[int], str], ...]] = {
    common.RULEBOOK_TWILIGHT: (pool_name,),
    common.RULEBOOK_MARGIN_TRADE: (backstop_name,),
    common.RULEBOOK_SPIN: (insurance_name,),
}
_OF_MARKET: dict[int, tuple[Callable[[int, int], str], ...]] = {
    common.RULEBOOK_MARGIN_TRADE: (book_name,),
    common.RULEBOOK_SPIN: (book_name,),
    common.RULEBOOK_PERENNIAL: (versions_name,),
}


def is_shard(name: str) -> bool:
    """Whether the name is a shard's: its part of a cut is spread over all shards there are now."""
    return name.startswith(_SHARD)


def is_insurance(name: str) -> bool:
    """Whether the name is an insurance desk's."""
    return name.startswith(_INSURANCE)


def stays(name: str) -> bool:
    """Whether the actor lives in the node's own process, beside the sequencer, where others have one of their own."""
    return name in (REGISTRY, ORACLE) or is_insurance(name)


def standing_actors(shards: int) -> list[str]:
    """Actors there are from the first block on; desks come with their venues and markets."""
    return [REGISTRY, ORACLE, COORDINATOR, *(shard_name(shard) for shard in range(shards))]


def build(name: str, owners: Owners) -> Actor:
    """A new, empty actor; a shard owns its buckets from the start. Raises ValueError for a name that is none.

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

        return PositionBook(owners.buckets(shard_number(name)))
    if name.startswith(_POOL):
        from actors.pool import Pool

        return Pool(int(name.removeprefix(_POOL)))
    if name.startswith(_BACKSTOP):
        from actors.backstop import Backstop

        return Backstop(int(name.removeprefix(_BACKSTOP)))
    if name.startswith(_INSURANCE):
        from actors.insurance import Insurance

        return Insurance(int(name.removeprefix(_INSURANCE)))
    if name.startswith(_VERSIONS):
        from actors.version_desk import VersionDesk

        return VersionDesk(*map(int, name.removeprefix(_VERSIONS).split("/")))
    if name.startswith(_BOOK):
        from actors.order_book import OrderBook

        return OrderBook(*map(int, name.removeprefix(_BOOK).split("/")))
    raise ValueError(f"no actor is called {name}")
