"""A crowd below its rungs at one tick: every rung in one block, conserved, the same over shards and rulebooks."""

from collections import Counter
from functools import cache

from actors.ways import Way
from breakwater.v1 import events_pb2 as events
from breakwater.v1.commands_pb2 import BlockInput
from cluster.commit import BlockResult
from cluster.invariants import check_after_block
from cluster.replica import Replica
from node.bench.crowd import CROWD, DEBT_ATOMS, FUND_ATOMS, KINDS, VAULT_ATOMS, Crowd
from node.margin_presets import MARGIN_TRADE_VENUE

FEW = 400
FALL_ATOMS = 30_000  # a lot


@cache
def fallen(accounts: int) -> tuple[Crowd, BlockInput, BlockInput, dict[str, bytes], BlockResult]:
    """The crowd after its fall; the two blocks, the cut before them, and what the second came to."""
    crowd = Crowd(accounts)
    crowd.gather()
    cut = crowd.replica.cut()
    debt, fall = crowd.debt_and_fall()
    crowd.replica.apply(debt)
    return crowd, debt, fall, cut, crowd.replica.apply(fall)


def told(result: BlockResult) -> list[events.Event]:
    return [events.Event.FromString(event) for event in result.events]


def test_ten_thousand_accounts_climb_every_rung_in_one_block() -> None:
    """Conservation, and longs against shorts, are checked in every block; nobody is left below a rung unaccounted."""
    crowd, _, _, _, result = fallen(CROWD)
    assert check_after_block(crowd.replica, result) == []
    listed = told(result)
    kinds = Counter(event.WhichOneof("body") for event in listed)
    assert kinds["liquidation_ordered"] == CROWD // 2
    assert kinds["taken_over"] + kinds["takeover_refused"] == CROWD // 2
    assert kinds["deleverage_run"] == kinds["takeover_refused"] > 0 < kinds["taken_over"]
    assert kinds["ladder_queued"] == 0
    partial = [event.liquidation_ordered.is_partial for event in listed if event.HasField("liquidation_ordered")]
    assert Counter(partial) == {True: CROWD // 4, False: CROWD // 4}
    written_off = [event.shortfall_recorded.amount_atoms for event in listed if event.HasField("shortfall_recorded")]
    assert written_off == [DEBT_ATOMS] == [result.backstops[0].shortfall_atoms]


def test_who_pays_for_the_crowd_adds_up() -> None:
    """The fund pays whole deficits in the order of the ratios until the next is too large for it."""
    crowd, _, _, _, result = fallen(FEW)
    lots, cash_a_lot = KINDS[3]
    deficit = lots * (FALL_ATOMS - cash_a_lot)
    moved = [event.insurance_moved for event in told(result) if event.HasField("insurance_moved")]
    paid = [-body.amount_atoms for body in moved if body.reason == events.INSURANCE_REASON_DEFICIT]
    assert set(paid) == {deficit}
    assert sum(paid) <= FUND_ATOMS < sum(paid) + deficit
    vault = crowd.replica.backstop(MARGIN_TRADE_VENUE).vault
    taken = [event for event in told(result) if event.HasField("taken_over")]
    assert vault.equity_atoms == VAULT_ATOMS - len(taken) * deficit
    assert vault.positions[0].lots == len(taken) * lots


def test_the_same_over_two_and_four_shards_and_by_the_scalar_rulebook() -> None:
    _, debt, fall, cut, result = fallen(FEW)
    for shards, way in ((2, Way.BY_COLUMNS), (4, Way.LIQUIDATIONS_BY_ROW), (1, Way.BY_ROW)):
        # A cut is read back over any number of shards.
        replica = Replica(shards, way)
        replica.restore(cut)
        replica.apply(debt)
        assert replica.apply(fall).state_root == result.state_root, f"{shards} shards, {way}"
