"""Journals of stopped nodes to look into: the stories, and the crash of a Margin Trade replay."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from cluster.host import Host
from cluster.journal import open_read_only
from cluster.recovery import replay
from cluster.replica import Replica
from tests.cluster.bot_story import bot_story
from tests.cluster.story import PATIENCE_S, config, play, seal, until_validated
from tests.load.replicas import run_on_replica, short_book_plan


def twilight_journal(directory: Path) -> Path:
    """The whole story, without a snapshot."""
    with closing(Host.open(config(directory, snapshot_every=0))) as host:
        play(host)
    return directory


def book_journal(directory: Path, snapshot_every: int) -> Path:
    """The short crash on books, all rungs in it."""
    with closing(Host.open(config(directory, snapshot_every=snapshot_every))) as host:
        for request in run_on_replica(short_book_plan()).requests:
            host.seal(admin.SealBlockRequest.FromString(request)).result(PATIENCE_S)
    return directory


def bot_journal(directory: Path, snapshot_every: int = 0, last: int | None = None) -> Path:
    """The story of four venues, or its blocks up to a height; every one of them signed."""
    with closing(Host.open(config(directory, snapshot_every=snapshot_every))) as host:
        for block in bot_story().blocks[:last]:
            seal(host, block)
        until_validated(host)
    return directory


def events_of(directory: Path) -> Iterator[list[events.Event]]:
    """What happened, block by block from the first."""
    with closing(open_read_only(directory)) as journal:
        for block in replay(journal, Replica(1), 1):
            yield [events.Event.FromString(event) for event in block.result.events]


def end_of(directory: Path, venue: int, accounts: list[int]) -> list[batches.AccountView]:
    """Accounts after the last block."""
    replica = Replica(1)
    with closing(open_read_only(directory)) as journal:
        for _ in replay(journal, replica, 1):
            pass
    return list(replica.accounts(venue, accounts).accounts)
