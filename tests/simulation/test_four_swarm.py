"""The swarm on Spin and Perennial venues: what holds after every block; crashes, cuts and other shard counts beside the
two older rulebooks; and what bots are told, block by block, is what there is."""

from copy import deepcopy

import pytest

from breakwater.v1.batches_pb2 import StandingRows
from breakwater.v1.events_pb2 import CROSS_LEG_KIND_FILL, CROSS_LEG_KIND_LIQUIDATED
from cluster.replica import Replica
from tests.engine.perennial.invariants import Locks
from tests.engine.perennial.state import version_sights
from tests.engine.perennial.views import version_breaches
from tests.engine.spin.health import fails, standing
from tests.engine.spin.invariants import takeover_breaches
from tests.engine.spin.settle import Settling
from tests.engine.spin.state import SpinSight, spin_sights
from tests.properties.perennial_acts import PerennialActs
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


# 328 found asks that the mark had run away from: filled, they took an account from 100 USDC to 581 below zero.
@pytest.mark.parametrize("seed", [20, 21, 24, 26, 328])
def test_sp04_fills_at_standing_marks_leave_nobody_below_zero_who_could_open(seed: int) -> None:
    stream, fills = SpinStream(seed), 0
    for play in stream.play(BLOCKS):
        for sight in spin_sights(stream.engine.state, stream.engine.block):
            open_to = [account for account in sight.accounts() if not fails(sight, account)]
            state, block = deepcopy((stream.engine.state, stream.engine.block))
            then, legs = SpinSight(state, block, sight.venue), sight.own.outbox
            Settling(then).run(legs)
            fills += sum(leg.kind == CROSS_LEG_KIND_FILL for leg in legs)
            below = [account for account in open_to if standing(then, account).equity < 0]
            assert not below, f"seed {seed} height {play.block.height}: {below}"
            # SP-07: who took something over keeps Mr > 1, unless its own orders were filled as well.
            busy = {leg.account for leg in legs if leg.kind == CROSS_LEG_KIND_FILL}
            for account in {leg.account for leg in legs if leg.kind == CROSS_LEG_KIND_LIQUIDATED} - busy:
                now = standing(then, account)
                assert now.equity > now.collateral, f"seed {seed} height {play.block.height}: {account} is {now}"
    assert fills


@pytest.mark.parametrize("seed", range(20, 40))
def test_every_invariant_of_perennial_holds_after_every_block(seed: int) -> None:
    stream = PerennialStream(seed)
    locks = Locks(exact=any(acts.mood.exact for acts in stream.every_acts if isinstance(acts, PerennialActs)))
    for play in stream.play(2 * BLOCKS):
        where = f"seed {seed} height {play.block.height}"
        assert not locks.breaches(play.result.events), where
        for sight in version_sights(stream.engine.state, stream.engine.block):
            assert not version_breaches(sight), where


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
