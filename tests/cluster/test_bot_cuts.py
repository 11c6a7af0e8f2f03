"""Cuts in the middle of things: legs under way, reservations, orders pinned, locks, debts. Any shard count goes on.

And the same by journals: a node that comes back from a snapshot, and an audit that starts from nothing.
"""

from contextlib import closing
from pathlib import Path

import pytest

from actors.columns import row_count
from actors.ways import Way
from breakwater.v1 import events_pb2 as events
from cluster.audit import audit
from cluster.host import Host
from cluster.replica import Replica
from cluster.snapshots import SnapshotStore
from tests.cluster.bot_story import LONGER, PERENNIAL, SPIN, bot_story, replica_at
from tests.cluster.journals import bot_journal
from tests.cluster.story import config, seal, until_validated

MOMENTS = (
    "transfer on its way",
    "orders pinned",
    "first part taken",
    "raced for",
    "locked",
    "repinned",
    "taken whole",
    "half taken",
    "closed below zero",
    "deficit on its way",
    "repaid in part",
)


def goes_on(replica: Replica, blocks: int | None = None) -> list[tuple[bytes, bytes]]:
    """Roots of the rest of the story, or of so many blocks of it."""
    first = replica.state.height
    last = None if blocks is None else first + blocks
    results = [replica.apply(block) for block in bot_story().blocks[first:last]]
    return [(result.events_root, result.state_root) for result in results]


def test_every_moment_of_the_story_is_here() -> None:
    assert list(bot_story().at) == list(MOMENTS)


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize(("shards", "way"), [(2, Way.LIQUIDATIONS_BY_ROW), (5, Way.BY_ROW)])
def test_a_cut_goes_on_with_another_shard_count(name: str, shards: int, way: Way) -> None:
    height = bot_story().at[name]
    assert goes_on(replica_at(height, shards, way), blocks=4) == bot_story().roots[height : height + 4]


def test_a_cut_of_a_cut_of_a_cut() -> None:
    """Every block by another shard count, from the cut of the one before."""
    replica, roots = Replica(1), []
    for height, block in enumerate(bot_story().blocks):
        moved = Replica(1 + height % 4, list(Way)[height % 3])
        if height:
            moved.restore(replica.cut())
        result = moved.apply(block)
        roots.append((result.events_root, result.state_root))
        replica = moved
    assert roots == bot_story().roots


def test_the_cuts_hold_what_is_under_way() -> None:
    def outbox(name: str) -> list[int]:
        return list(replica_at(bot_story().at[name]).state.cross_outbox.kind)

    assert events.CROSS_LEG_KIND_TRANSFER in outbox("transfer on its way")
    assert {events.CROSS_LEG_KIND_LIQUIDATED, events.CROSS_LEG_KIND_UNRESERVED} <= set(outbox("raced for"))
    assert events.CROSS_LEG_KIND_CASH in outbox("taken whole")
    assert events.CROSS_LEG_KIND_FILL in outbox("closed below zero")
    assert row_count(replica_at(bot_story().at["repaid in part"]).state.version_outbox) == 3
    (book,) = replica_at(bot_story().at["raced for"]).ratio_books(SPIN)
    assert len(book.reservations.table) == 2
    (desk,) = replica_at(bot_story().at["repinned"]).version_books(PERENNIAL)
    assert desk.pending.locked_ms(LONGER) == 1_760_001_022_000


@pytest.mark.parametrize("name", ["raced for", "repinned", "taken whole"])
def test_a_node_comes_back_from_a_snapshot_in_the_middle(tmp_path: Path, name: str) -> None:
    """With another shard count, and blocks behind the snapshot to be replayed from the journal."""
    height = bot_story().at[name]
    bot_journal(tmp_path, snapshot_every=height, last=height + 2)
    assert height in SnapshotStore(tmp_path / "snapshots").heights()
    for newer in (tmp_path / "snapshots").glob(f"{height + 2:020d}*"):
        newer.rename(tmp_path / newer.name)
    with closing(Host.open(config(tmp_path, shards=3))) as host:
        assert host.height() == height + 2
        assert host.status().state_root == bot_story().roots[height + 1][1]
        roots = []
        for block in bot_story().blocks[height + 2 :]:
            response = seal(host, block)
            roots.append((response.header.events_root, response.header.state_root))
        assert roots == bot_story().roots[height + 2 :]
        until_validated(host)


def test_an_audit_of_its_journal_finds_nothing(tmp_path: Path) -> None:
    report = audit(bot_journal(tmp_path))
    assert (report.ok, report.violations) == (True, [])
    assert (report.heights, report.signed) == (len(bot_story().blocks), len(bot_story().blocks))
    assert report.final_state_root == bot_story().roots[-1][1].hex()
