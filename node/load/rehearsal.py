"""A replay without a node: the same driver on a replica in this process, for tests and to compile every kernel."""

import time
from collections.abc import Sequence
from typing import Any

from actors.columns import sort_rows, split_by
from breakwater.v1 import admin_pb2, batches_pb2, liquidation_pb2
from breakwater.v1 import answers_pb2 as ans
from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import events_pb2 as evt
from cluster.commit import BlockResult
from cluster.replica import Replica
from node.flow.compiling import compile_flow
from node.load.driver import Driver, Events, Standings
from node.load.options import VENUES, ReplayOptions, plan_of
from node.load.wide_blocks import run_wide_blocks

PRINCIPAL = 1
_WARM_POINTS = 160
_WARM_TRADERS = 80


class ReplicaSealer:
    """Seals blocks on a replica. It keeps no journal and forgets everything with the process."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._events: Sequence[evt.Event] = ()
        self._result: BlockResult | None = None

    def seal(self, request: admin_pb2.SealBlockRequest) -> admin_pb2.SealBlockResponse:
        """Run the block as a node in driver mode would."""
        state = self.replica.state
        block = cmd.BlockInput(
            height=state.height + 1,
            block_time_ms=request.block_time_ms,
            batches=request.batches,
            previous_events_root=state.events_root,
            previous_state_root=state.state_root,
            root=request.root,
        )
        for batch in block.batches:
            batch.principal = PRINCIPAL
        result = self._result = self.replica.apply(block)
        result.events.facts()  # what a node's archive and feeds ask of every block
        self._events = [evt.Event.FromString(event) for event in result.events]
        return admin_pb2.SealBlockResponse(
            height=result.height,
            outcomes=_by_batch(result),
            header=result.header,
            outbox_pending=result.outbox_rows > 0,
        )

    def events_later(self, height: int) -> Events:
        """The events of the block sealed last."""
        assert height == self.replica.state.height, "a replica remembers its last block only"
        events = self._events
        return lambda: events

    def standings_later(self, venue: int, height: int) -> Standings:
        """What bots of a venue are told of the block sealed last."""
        result = self._result
        assert result is not None and result.height == height, "a replica remembers its last block only"
        return lambda: standings_of(result, venue)


class ReplicaReader:
    """Reads what a driver asks for at the end from a replica."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def accounts(self, venue: int, accounts: Sequence[int]) -> list[batches_pb2.AccountView]:
        """These accounts, in this order."""
        return list(self._replica.accounts(venue, accounts).accounts)

    def pool(self, venue: int) -> batches_pb2.PoolView:
        """The pool of a Twilight venue."""
        return self._replica.pool(venue)

    def backstop(self, venue: int) -> batches_pb2.BackstopView:
        """The vault and the funds of a Margin Trade venue."""
        return self._replica.backstop(venue)

    def insurance(self, venue: int) -> liquidation_pb2.GetInsuranceResponse:
        """The fund of a Spin venue, as the node tells it."""
        sums = self._replica.insurance(venue).sums
        return liquidation_pb2.GetInsuranceResponse(
            height=self._replica.state.height,
            fund_atoms=sums.fund_atoms,
            shortfall_atoms=sums.shortfall_atoms,
            deposited_atoms=sums.deposited_atoms,
            fees_atoms=sums.fees_atoms,
        )

    def versions(self, venue: int, market: int) -> batches_pb2.VersionView:
        """A market of a Perennial venue at its desk."""
        return self._replica.versions(venue, market, everyone=True)


def standings_of(result: BlockResult, venue: int) -> liquidation_pb2.StreamStandingsResponse:
    """A block as the stream of standings tells it: rows by (account, market, kind)."""
    rows = split_by(result.standings, "venue").get((venue,), batches_pb2.StandingRows())
    return liquidation_pb2.StreamStandingsResponse(
        height=result.height,
        block_time_ms=result.block_time_ms,
        rows=sort_rows(rows, "account", "market", "kind"),
        marks=[mark for mark in result.marks if mark.venue == venue],
        versions=[record for record in result.versions if record.venue == venue],
    )


def rehearse() -> dict[str, Any]:
    """Drive short synthetic crashes through a replica, one a venue: every kernel is compiled and cached afterwards."""
    began = time.monotonic()
    blocks = commands = 0
    for venue in VENUES:
        plan = plan_of(ReplayOptions(venue, None, _WARM_TRADERS, 1, 1, "inline", 4))
        # The fast part of the fall, where everything happens.
        driver = Driver([plan.part(40, 40 + _WARM_POINTS)], ReplicaSealer(Replica()), lambda _: None)
        driver.run()
        blocks, commands = blocks + driver.blocks, commands + driver.tally.commands
    blocks += run_wide_blocks()
    compile_flow()
    return {
        "blocks": blocks,
        "commands": commands,
        "venues": list(VENUES),
        "wall_s": round(time.monotonic() - began, 3),
    }


def _by_batch(result: BlockResult) -> list[ans.BatchOutcome]:
    """The outcomes of the block, which are sorted by command, cut into its batches."""
    columns = {
        field.name: list(getattr(result.outcomes, field.name)) for field in batches_pb2.Outcomes.DESCRIPTOR.fields
    }
    cut, start = [], 0
    for rows in result.batch_rows:
        part = {name: column[start : start + rows] for name, column in columns.items()}
        cut.append(ans.BatchOutcome(height=result.height, **part))
        start += rows
    return cut
