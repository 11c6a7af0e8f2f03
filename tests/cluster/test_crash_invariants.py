"""A short crash of people and bots on all four venues: nothing a validator would not sign, block after block."""

from collections import Counter

from actors.validator import judge
from actors.ways import Way
from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import commands_pb2 as commands
from cluster.invariants import check_after_block
from cluster.replica import Replica
from node.load.rehearsal import PRINCIPAL
from tests.building import parsed
from tests.load.replicas import run_all, short_plans

TRADERS, SHARDS = 30, 3


def test_nothing_is_found_in_a_crash_of_four_venues() -> None:
    played = run_all(short_plans(TRADERS))
    replica, told = Replica(SHARDS, way=Way.BY_ROW), Counter[str]()
    for serialised in played.requests:
        request = admin.SealBlockRequest.FromString(serialised)
        block = commands.BlockInput(
            height=replica.state.height + 1,
            block_time_ms=request.block_time_ms,
            root=request.root,
            batches=request.batches,
        )
        for batch in block.batches:
            batch.principal = PRINCIPAL
        result, state = replica.apply(block), replica.state
        faults = check_after_block(replica, result)
        faults += judge(result.header, result.header, result.events, state.venues, state.markets)
        assert faults == [], block.height
        told.update(str(event.WhichOneof("body")) for event in parsed(result))
    assert replica.state.state_root == played.replica.state.state_root
    assert told["account_liquidated"] > 10 and told["takeover_reserved"] > told["account_liquidated"]
    assert told["position_locked"] > 3 and told["version_settled"] > 10
    assert told["position_liquidated"] > 3 and told["liquidation_ordered"] > 0
