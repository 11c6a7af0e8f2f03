"""Which actors a node has, by name, and who makes them. Buckets go to shards by number, the same for every venue."""

from actors.contract import Actor
from actors.liquidation_coordinator import LiquidationCoordinator
from actors.oracle import Oracle
from actors.pool import Pool
from actors.position_book import PositionBook
from actors.registry import Registry

REGISTRY = "registry"
ORACLE = "oracle"
COORDINATOR = "coordinator"
_SHARD = "shard/"
_DESK = "pool/"


def shard_name(shard: int) -> str:
    """The name of a shard."""
    return f"{_SHARD}{shard}"


def desk_name(venue: int) -> str:
    """The name of a venue's desk."""
    return f"{_DESK}{venue}"


def is_shard(name: str) -> bool:
    """Whether the name is a shard's: its part of a cut is spread over all shards there are now."""
    return name.startswith(_SHARD)


def standing_actors(shards: int) -> list[str]:
    """Actors there are from the first block on; desks come with their venues."""
    return [REGISTRY, ORACLE, COORDINATOR, *(shard_name(shard) for shard in range(shards))]


def build(name: str, shards: int, scalar: bool = False) -> Actor:
    """A new, empty actor. Raises ValueError for a name that is none."""
    if name == REGISTRY:
        return Registry()
    if name == ORACLE:
        return Oracle()
    if name == COORDINATOR:
        return LiquidationCoordinator()
    if name.startswith(_SHARD):
        return PositionBook(int(name.removeprefix(_SHARD)), shards, scalar)
    if name.startswith(_DESK):
        return Pool(int(name.removeprefix(_DESK)))
    raise ValueError(f"no actor is called {name}")
