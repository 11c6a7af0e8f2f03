"""One short history of a venue, with the roots it must have, to be played through hosts and transports."""

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import commands_pb2 as commands
from cluster.commit import BlockResult
from cluster.host import Host, HostConfig
from tests.building import LIMIT, LONG, SHORT, STOP_LOSS, Chain

HOUR_MS = 3_600_000
PATIENCE_S = 60


@dataclass(frozen=True)
class Story:
    """Blocks, and what a replica of one shard made of them."""

    blocks: list[commands.BlockInput]
    results: list[BlockResult]

    @property
    def roots(self) -> list[tuple[bytes, bytes]]:
        """(events root, state root) of every block."""
        return [(result.events_root, result.state_root) for result in self.results]


@cache
def story() -> Story:
    """Everything a venue does once: opens, rests, levels, a crash with liquidations, funding, money in and out."""
    chain, results = Chain(), []

    def seal(*batches: commands.CommandBatch, **options: Any) -> None:
        results.append(chain.seal(*batches, **options))

    seal(*chain.genesis())
    seal(chain.ticks(50_000), chain.amounts("liquidity_deposits", a1=5 * 10**8))
    rows = [(account, LONG if account % 2 else SHORT, 10**6, 500 * account) for account in range(2, 9)]
    seal(chain.opens(*rows), chain.rests(3, LONG, 10**6, 1_000, 49_500))
    first = 3 << 20
    seal(chain.closes(3, first + 1, STOP_LOSS, 49_900), chain.closes(5, first + 3, LIMIT, 51_000))
    seal(chain.ticks(50_100), chain.amounts("withdrawals", a2=10**6, a4=10**12))
    seal(chain.ticks(49_800), chain.closes(4, first + 2))
    seal(chain.ticks(49_400), chain.opens((7, LONG, 10**6, 5_000), (8, LONG, 2 * 10**7, 100)))
    seal(chain.ticks(48_200), chain.batch("cancel_orders", account=[3], order=[0], kind=[0]), step_ms=HOUR_MS)
    seal(chain.ticks(45_000), chain.batch("withdrawal_decisions", account=[2], withdrawal=[5 << 20], confirm=[0]))
    seal(chain.batch("liquidity_withdrawals", account=[1], micro_shares=[10**9]))
    seal(chain.ticks(56_000), chain.opens((2, LONG, 10**6, 100)), step_ms=HOUR_MS)
    seal(chain.ticks(55_000), chain.amounts("deposits", a8=5), step_ms=3)
    for step in range(4):
        seal(chain.ticks(54_000 - 900 * step), chain.opens((6, SHORT, 10**5, 1_000)), root=step % 2 == 0)
    seal()
    return Story(chain.blocks, results)


def config(directory: Path, **options: Any) -> HostConfig:
    """A host in this process; a driver brings its blocks unless told otherwise."""
    settings: dict[str, Any] = {"transport": "inline", "driver_mode": True, "shards": 2, "resume_grace_ms": 0}
    return HostConfig(data_dir=directory, **{**settings, **options})


def request(block: commands.BlockInput) -> admin.SealBlockRequest:
    """A driver's order for the block."""
    return admin.SealBlockRequest(block_time_ms=block.block_time_ms, root=block.root, batches=block.batches)


def seal(host: Host, block: commands.BlockInput) -> admin.SealBlockResponse:
    """Has the host seal the block and waits."""
    return host.seal(request(block)).result(PATIENCE_S)


def play(host: Host, first: int = 1, last: int | None = None) -> list[tuple[bytes, bytes]]:
    """Plays the story's blocks from a height to a height; their roots."""
    roots = []
    for block in story().blocks[first - 1 : last]:
        response = seal(host, block)
        assert response.height == block.height
        roots.append((response.header.events_root, response.header.state_root))
    return roots


def step(host: Host) -> None:
    """The next block of the story, whose roots must be the story's."""
    height = host.height() + 1
    assert play(host, height, height) == [story().roots[height - 1]]


def until_validated(host: Host) -> None:
    """The validator signs what was replayed, too."""
    assert host._validator is not None
    assert host._validator.wait_for(host.height(), PATIENCE_S), host._validator.fault


def without_snapshots(directory: Path) -> None:
    shutil.rmtree(directory / "snapshots")
