"""What a node is told before it starts: a TOML file, overridden by arguments, over defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cluster.machines import PlaceError, Places
from cluster.transport import ON_RAY, TRANSPORTS
from node.guards.bounds import Limits
from node.margin_presets import LISTED, SCALES
from node.perennial_presets import PERENNIAL_LISTED
from node.presets import DEFAULT_ORACLE, DEFAULT_RULES, HALT_AGE_MS, RULES, VenueWithMarkets, default_venues
from node.settings import ConfigError, filled, read_settings
from node.spin_presets import SPIN_LISTED

# As `cluster.standbys.KINDS`, which needs the engine.
STANDBYS = ("none", "shards", "all")
# As `cluster.validation.ROWS_EVERY`, likewise.
VALIDATE_ROWS_EVERY = 64


@dataclass(frozen=True)
class NodeConfig:
    """Everything `breakwater up` needs to know. Port 0 takes a free one; without `metrics_port` nothing is served."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    shards: int = 2
    transport: str = "ray"
    ray_address: str | None = None
    # Stand by: follow the journal of another node, and take over when that one is gone.
    follow: bool = False
    # Where the journal is, a URL; none: a file of the data directory. Whether to take it from a holder that lives.
    journal: str | None = None
    take_over: bool = False
    # Where snapshots are kept, a path or any URL fsspec knows; none: a folder of the data directory.
    snapshots: str | None = None
    driver_mode: bool = False
    dev: bool = False
    validator: bool = True
    # In a process of its own, also where all actors are in this one; every so many blocks it goes wholly row by row.
    validator_process: bool = True
    validate_rows_every: int = VALIDATE_ROWS_EVERY
    metrics_port: int | None = None
    snapshot_every: int = 1_000
    # Blocks of the journal that stay below the oldest snapshot; 0: all of them.
    journal_keep_blocks: int = 0
    block_rows: int = 20_000
    heartbeat_ms: int = 1_000
    max_queue_batches: int = 10_000
    # Which actors have a standby: none, shards, all; and when an actor that does nothing is given up, 0: 5 block times.
    actor_standbys: str = "none"
    stall_ms: int = 0
    # Which actors run where on a Ray cluster: words WHO=RESOURCE (`cluster.machines`).
    place: Sequence[str] = ()
    # What a new node lists itself, by preset; further venues come over the API.
    rules: str = DEFAULT_RULES
    oracle: str = DEFAULT_ORACLE
    # Assets of the markets of the other three venues, in their order; empty: no such venue.
    margin_trade: str = " ".join(LISTED)
    spin: str = " ".join(SPIN_LISTED)
    perennial: str = " ".join(PERENNIAL_LISTED)
    limits: Limits = field(default_factory=Limits)
    venues: list[VenueWithMarkets] = field(default_factory=default_venues)


def load_config(path: Path | None, **overrides: Any) -> NodeConfig:
    """Settings from a TOML file (its table `limits` is Limits), overridden by every argument that is not None.

    Raises ConfigError for a name that does not exist or a value of the wrong kind.
    """
    settings = read_settings(path) if path is not None else {}
    if "venues" in settings:
        raise ConfigError("venues is no setting of a file: list further venues over the API")
    limits = filled(Limits(), settings.pop("limits", {}), "limits.")
    settings.update({name: value for name, value in overrides.items() if value is not None})
    if "data_dir" not in settings:
        raise ConfigError("data_dir is missing: a node needs a directory for its journal")
    config = NodeConfig(data_dir=Path(settings.pop("data_dir")), limits=limits)
    config = filled(config, settings, "")
    if config.transport not in TRANSPORTS:
        raise ConfigError(f"transport is one of {', '.join(TRANSPORTS)}, not {config.transport!r}")
    for name, presets in (("rules", RULES), ("oracle", HALT_AGE_MS), ("actor_standbys", STANDBYS)):
        if getattr(config, name) not in presets:
            raise ConfigError(f"{name} is one of {', '.join(presets)}, not {getattr(config, name)!r}")
    if config.validate_rows_every < 1:
        raise ConfigError(
            f"validate_rows_every is {config.validate_rows_every}: 1 validates every block row by row, N every N-th"
        )
    _check_places(config)
    listed = [_assets(config, name) for name in ("margin_trade", "spin", "perennial")]
    return replace(config, venues=default_venues(config.rules, config.oracle, *listed))


def _check_places(config: NodeConfig) -> None:
    """Raises ConfigError."""
    words = config.place
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        raise ConfigError(f"place is a list of WHO=RESOURCE, not {words!r}")
    try:
        Places(words)
    except PlaceError as error:
        raise ConfigError(f"place: {error}") from error
    if words and config.transport not in ON_RAY:
        raise ConfigError(
            f"place needs the transport {' or '.join(ON_RAY)}: {config.transport} keeps all actors in this process"
        )


def _assets(config: NodeConfig, name: str) -> list[str]:
    """Assets of a venue's markets, by the setting of its name. Raises ConfigError."""
    assets: list[str] = getattr(config, name).split()
    unknown = [asset for asset in assets if asset not in SCALES or assets.count(asset) > 1]
    if unknown:
        raise ConfigError(f"{name} lists assets of {', '.join(SCALES)}, each once, not {unknown[0]!r}")
    return assets
