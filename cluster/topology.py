"""Which actors a node has, by name, and who makes them. Buckets go to shards by number, the same for every venue."""

from actors.contract import Actor

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
    if name.startswith(_DESK):
        from actors.pool import Pool

        return Pool(int(name.removeprefix(_DESK)))
    raise ValueError(f"no actor is called {name}")
