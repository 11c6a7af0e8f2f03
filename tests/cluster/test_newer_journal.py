"""A program older than the journal: it says so and touches nothing, whether it meets a frame or a snapshot first."""

from contextlib import closing
from pathlib import Path

import pytest

from actors.rulebooks import versions
from actors.rulebooks.versions import UnknownLogicVersion
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from cluster.host import Host
from node.presets import perennial_listing
from tests.building import START_MS
from tests.cluster.story import config, seal, without_snapshots

SENTENCE = (
    r"venue 4 \(perennial\) lives under perennial/2, and this program knows perennial up to version 1: "
    "the journal was written by a newer program, which must run it"
)


def newer(directory: Path) -> None:
    """A node with a Perennial venue of version 2, closed with a snapshot."""
    terms, _ = perennial_listing()
    terms.logic_version = 2
    listing = commands.CommandBatch(request_key=b"list", expires_ms=START_MS + 60_000, venue=terms.venue)
    listing.create_venue.parameters.CopyFrom(terms)
    with closing(Host.open(config(directory))) as host:
        seal(host, commands.BlockInput(height=1, block_time_ms=START_MS, batches=[listing], root=True))
        seal(host, commands.BlockInput(height=2, block_time_ms=START_MS + 1))
        host.take_snapshot().result(60)


@pytest.mark.parametrize("from_snapshot", [True, False], ids=["snapshot", "frames"])
def test_an_older_program_does_not_start_on_a_newer_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_snapshot: bool
) -> None:
    newer(tmp_path)
    if not from_snapshot:
        without_snapshots(tmp_path)
    older = tuple(change for change in versions.CHANGES if change.version == 1)
    with monkeypatch.context() as patch:
        patch.setattr(versions, "CHANGES", older)
        assert versions.newest(common.RULEBOOK_PERENNIAL) == 1
        for _ in range(2):  # the lease was let go: the second look finds the same
            with pytest.raises(UnknownLogicVersion, match=SENTENCE):
                Host.open(config(tmp_path))
    with closing(Host.open(config(tmp_path))) as host:
        assert host.height() == 2
        assert [venue.logic_version for venue in host.venues()] == [2]
