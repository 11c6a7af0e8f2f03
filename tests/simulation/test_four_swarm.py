"""The swarm on Spin and Perennial venues: what holds after every block; crashes, cuts and other shard counts beside the
two older rulebooks; and what bots are told, block by block, is what there is."""

import pytest

from breakwater.v1.batches_pb2 import StandingRows
from cluster.replica import Replica
from tests.engine.perennial.state import version_sights
from tests.engine.perennial.views import version_breaches
from tests.engine.spin.invariants import takeover_breaches
from tests.engine.spin.state import spin_sights
from tests.properties.perennial_streams import PerennialStream, VenueStream
from tests.properties.perennial_venues import PERENNIAL_VENUE
from tests.properties.spin_streams import FourStream, SpinStream
from tests.properties.spin_venues import SPIN_VENUE
from tests.simulation.test_margin_swarm import Crashing

BLOCKS = 30
FOUR_BLOCKS = 16

Told = dict[tuple[int, int, int], tuple[int, int, int]]
"""(account, market, kind of the desk's rows) -> (lots, cost, basis)."""


@pytest.mark.parametrize("seed", range(20, 26))
def test_every_invariant_of_spin_holds_after_every_block(seed: int) -> None:
    stream = SpinStream(seed)
    for play in stream.play(BLOCKS):
        for sight in spin_sights(stream.engine.state, stream.engine.block):
            assert not takeover_breaches(sight, play.result.events), f"seed {seed} height {play.block.height}"


@pytest.mark.parametrize("seed", range(20, 40))
def test_every_invariant_of_perennial_holds_after_every_block(seed: int) -> None:
    stream = PerennialStream(seed)
    for play in stream.play(2 * BLOCKS):
        for sight in version_sights(stream.engine.state, stream.engine.block):
            assert not version_breaches(sight), f"seed {seed} height {play.block.height}"


@pytest.mark.parametrize("seed", [41])
def test_crashes_and_other_shard_counts_do_not_show(seed: int) -> None:
    node = Crashing(seed)
    for play in FourStream(seed).play(FOUR_BLOCKS):
        node.apply(play, f"seed {seed} crash {node.crashes}")
    assert node.crashes >= 2


def _rows(rows: StandingRows, venue: int) -> Told:
    columns = zip(rows.venue, rows.account, rows.market, rows.kind, rows.lots, rows.cost_atoms, rows.basis, strict=True)
    return {
        (account, market, min(kind, 0)): (lots, cost, basis)
        for owner, account, market, kind, lots, cost, basis in columns
        if owner == venue
    }


@pytest.mark.parametrize(
    ("stream", "venue", "blocks"),
    [(SpinStream(1), SPIN_VENUE, BLOCKS), (PerennialStream(2), PERENNIAL_VENUE, 2 * BLOCKS)],
)
def test_the_changes_of_blocks_add_up_to_the_standings_there_are(stream: VenueStream, venue: int, blocks: int) -> None:
    replica, told, seen = Replica(2), Told(), 0
    for play in stream.play(blocks):
        result = replica.apply(play.block, voided=play.voided)
        told |= _rows(result.standings, venue)
        standing = _rows(replica.standings(venue).rows, venue)
        seen += len(standing)
        for key, row in standing.items():
            # Pending without a fee is nothing to tell.
            assert told.get(key, (0, 0, 0)) == row, (
                f"height {play.block.height}: {key} is {row}, told as {told.get(key)}"
            )
        # Whoever was told to have a position, or pending fees or a lock, is among those there are.
        left = {key for key, (lots, cost, basis) in told.items() if (lots if key[2] == 0 else cost or basis) and key[1]}
        assert left <= set(standing), f"height {play.block.height}: {left - set(standing)} were told and are gone"
    assert seen > 100
