"""How a host is put together from its settings: stores, transport, standbys, trials, and the start that recovers."""

import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, cast

from cluster.engine_settings import EngineSettings
from cluster.follower import stand_by
from cluster.journal import LeaseHeld
from cluster.machines import PlaceError, Places
from cluster.poison import LocalTrial, Trial
from cluster.recovery import Recovered, Replayed, recover
from cluster.standbys import KINDS, Crew, Standbys
from cluster.stores import DirectoryStores, Stores
from cluster.transport import ON_RAY
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import Carrier, Transport
from cluster.validation import ROWS_EVERY, LocalValidator, Validator, ValidatorHost
from cluster.validator_process import ProcessValidator
from cluster.void import recover_past_poison

if TYPE_CHECKING:
    from cluster.transport.ray import RayTransport

# How long a start waits for the lease of a node that died without letting go.
_LEASE_PATIENCE_S = 6.0
# Longest times between two blocks after which an actor that does nothing is given up.
STALL_BLOCKS = 5
SHORTEST_STALL_MS = 1_000


@dataclass(frozen=True, kw_only=True)
class HostConfig(EngineSettings):
    """How a node's engine is run, and where. None of it is part of the state."""

    data_dir: Path
    # Where the journal is, by URL; none: a file of the directory. Whether to take it from a holder that lives.
    journal: str | None = None
    snapshots: str | None = None
    take_over: bool = False
    shards: int = 2
    transport: str = "ray"
    ray_address: str | None = None
    validator: bool = True
    validator_shards: int = 1
    # Which blocks it re-executes wholly row by row, by their height; off Ray, whether in a process of its own.
    validate_rows_every: int = ROWS_EVERY
    validator_process: bool = False
    # Which actors have a standby (`cluster.standbys.KINDS`); when one that does nothing is given up, 0: 5 block times.
    actor_standbys: str = "none"
    stall_ms: int = 0
    # Whose machine must offer which custom resource: WHO=RESOURCE (`cluster.machines`).
    place: tuple[str, ...] = ()
    # Is shown every block that a start, or a standby, executes again.
    replayed: Callable[[Replayed], None] = lambda replayed: None

    @property
    def stall_s(self) -> float:
        """How long an actor may do nothing while an answer is waited for."""
        return (self.stall_ms or max(STALL_BLOCKS * self.heartbeat_ms, SHORTEST_STALL_MS)) / 1_000


@dataclass(frozen=True)
class Following:
    """A start that waits for another node to be gone: how to end the wait, and who hears of its progress."""

    stop: Event
    followed: Callable[[int], None]


def stores_of(config: HostConfig) -> Stores:
    """Where a node of this configuration keeps what outlives it."""
    holder = f"pid {os.getpid()} on {socket.gethostname()}"
    return DirectoryStores(
        config.data_dir, holder, config.notice, journal_url=config.journal, snapshots_url=config.snapshots
    )


def recover_for(config: HostConfig, following: Following | None) -> Recovered:
    """The state to start from; waits for the lease of whoever died with it. Raises as `recover` and `stand_by` do."""
    stores, give_up_at = stores_of(config), time.monotonic() + _LEASE_PATIENCE_S
    if following is not None:
        settings = (config.shards, config.snapshot_every, config.notice)
        return stand_by(stores, *settings, following.stop, following.followed, config.replayed)
    while True:
        try:
            if not config.void_poison:
                return recover(stores, config.shards, config.take_over, config.replayed)
            return recover_past_poison(
                stores, config.shards, LocalTrial, config.notice, config.take_over, config.replayed
            )
        except LeaseHeld as held:
            # Whoever died without letting go is forgotten in a few seconds; who is alive is seen again meanwhile.
            if held.free_in_ms is None or time.monotonic() > give_up_at:
                raise
            time.sleep(min(held.free_in_ms / 1_000 + 0.05, 1.0))


def trials(config: HostConfig) -> Callable[[], Trial]:
    """Where commands are tried that may take a process with them."""
    if config.transport not in ON_RAY:
        return LocalTrial
    from cluster.transport.replicas import RayTrial

    return lambda: RayTrial(1, config.stall_s)


def make_standbys(config: HostConfig, transport: Carrier) -> Standbys | None:
    """The standbys of actors on Ray, where any are wanted. Raises ValueError."""
    if config.actor_standbys not in KINDS:
        raise ValueError(f"actor_standbys is one of {', '.join(KINDS)}, not {config.actor_standbys!r}")
    if config.actor_standbys == "none" or config.transport not in ON_RAY:
        return None
    return Standbys(config.actor_standbys, cast(Crew, transport), config.notice)


def make_validator(config: HostConfig) -> Validator:
    """A validator where this configuration wants it. Raises ActorLost."""
    arguments = (str(config.data_dir), config.validator_shards, config.validate_rows_every)
    validator: Validator
    if config.transport in ON_RAY:
        from cluster.transport.replicas import RayValidator

        resources = Places(config.place).resources_of("validator")
        validator = RayValidator(ValidatorHost, *arguments, stall_s=config.stall_s, resources=resources)
    elif config.validator_process:
        validator = ProcessValidator(*arguments)
    else:
        return LocalValidator(ValidatorHost, *arguments)
    validator.ask("yield_cpu")
    return validator


def make_transport(config: HostConfig) -> Carrier:
    """Where the actors are, Ray started for it. Raises ValueError, ConnectionError."""
    if config.transport == "inline":
        return InlineTransport(config.shards)
    if config.transport not in ON_RAY:
        raise ValueError(f"no transport is called {config.transport}")
    from cluster.launch import start_ray, stop_ray

    places = Places(config.place)
    start_ray(config.ray_address)
    from cluster.transport.ray import offered_resources

    try:
        places.check(offered_resources)
    except PlaceError:
        stop_ray()
        raise
    return _on_ray(config.transport)(config.shards, places.resources_of, config.stall_s)


def _on_ray(name: str) -> "type[RayTransport]":
    """A transport by its name; ZeroMQ is loaded only where it carries something."""
    if name == "lane":
        from cluster.transport.lane import LaneTransport

        return LaneTransport
    from cluster.transport.ray import RayTransport

    return RayTransport


def end_transport(config: HostConfig, transport: Transport) -> None:
    """Ends the actors, and what `make_transport` started for them."""
    transport.close()
    if config.transport in ON_RAY:
        from cluster.launch import stop_ray

        stop_ray()


def let_go(recovering: "Future[Recovered]") -> None:
    """Closes what a recovery opened, where it came to its end."""
    if recovering.exception() is None:
        recovered = recovering.result()
        recovered.archive.close()
        recovered.journal.close()
