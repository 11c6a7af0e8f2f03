"""The liquidation coordinator: orders everybody below a rung, round by round. It remembers rungs, never amounts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from actors.columns import RowGatherer, rows, sort_rows
from actors.contract import Actor
from actors.risk.ladder import WRITE_OFF_RUNG, Action, Verdict, rounds_of, step
from actors.sinks import LADDER, LADDER_QUEUED, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import snapshots_pb2 as snapshots

# (venue, position, account): an isolated position is its own, a cross account has position 0.
_Key = tuple[int, int, int]


class _Entry(NamedTuple):
    rung: int
    since_height: int
    attempts: int


class _Candidate(NamedTuple):
    """A row of `Candidates`."""

    venue: int
    market: int
    account: int
    position: int
    rung: int
    threshold_ticks: int
    equity_atoms: int
    maintenance_atoms: int
    ratio_q30: int

    @property
    def key(self) -> _Key:
        """What the coordinator remembers it by."""
        return self.venue, self.position, 0 if self.position else self.account


class LiquidationCoordinator(Actor):
    """Proposes; the shard that owns an account checks again before it acts."""

    call_type = batches.CoordinatorCall

    def __init__(self) -> None:
        super().__init__()
        self._entries: dict[_Key, _Entry] = {}

    def decide(self, call: Any) -> batches.CoordinatorReply:
        """Orders of one round; who is left after a venue's last round is queued.

        Isolated positions by (venue, market, threshold, position): TW-13. Cross accounts by (venue, ratio, account).
        """
        height, ladder_round = call.header.height, call.round
        sink = EventSink()
        venues = {venue.venue: venue for venue in call.venues}
        demanded = set(zip(call.demanded.venue, call.demanded.account, strict=True))
        keys = ("venue", "market", "threshold_ticks", "ratio_q30", "position", "account")
        candidates = [_Candidate(*row) for row in rows(sort_rows(call.candidates, *keys))]
        self._forget_resolved(candidates, ladder_round)
        orders = RowGatherer(batches.LadderOrders)
        for sequence, candidate in enumerate(candidates):
            venue = venues[candidate.venue]
            if ladder_round > rounds_of(venue):
                if ladder_round == rounds_of(venue) + 1:
                    self._queue(candidate, height, sequence, ladder_round - 1, sink)
                continue
            rung = candidate.rung
            if (candidate.venue, candidate.account) in demanded and candidate.equity_atoms < 0:
                rung = WRITE_OFF_RUNG
            action = step(venue.rulebook, rung, Verdict.BELOW).action
            if action is not Action.NONE:
                place = (candidate.venue, candidate.market, candidate.account, candidate.position)
                orders.add(sequence, ladder_round, *place, int(action))
        reply = batches.CoordinatorReply(height=height, orders=orders.message())
        sink.put(reply.events)
        reply.digest = self.digest()
        return reply

    def _queue(self, candidate: _Candidate, height: int, sequence: int, rounds: int, sink: EventSink) -> None:
        before = self._entries.get(candidate.key, _Entry(candidate.rung, height, 0))
        self._entries[candidate.key] = _Entry(candidate.rung, before.since_height, before.attempts + 1)
        is_cross = candidate.position == 0
        body = events.LadderQueued(
            position=candidate.position,
            rung=candidate.rung,
            rounds=rounds,
            reason=events.QUEUE_REASON_ROUNDS if is_cross else events.QUEUE_REASON_UNSPECIFIED,
            equity_atoms=candidate.equity_atoms,
            maintenance_atoms=candidate.maintenance_atoms,
        )
        event = events.Event(
            venue=candidate.venue, market=candidate.market, account=candidate.account, ladder_queued=body
        )
        sink.emit((LADDER, LADDER_QUEUED, sequence, 0), event)

    def _forget_resolved(self, candidates: list[_Candidate], ladder_round: int) -> None:
        """Who was queued and is no candidate in the first round of a later block is resolved."""
        if ladder_round == 1 and self._entries:
            still = {candidate.key for candidate in candidates}
            self._entries = {key: entry for key, entry in self._entries.items() if key in still}

    def save(self) -> bytes:
        """Entries by (venue, position, account)."""
        state = snapshots.CoordinatorState()
        for (venue, position, account), entry in sorted(self._entries.items()):
            state.entries.add(
                venue=venue,
                position=position,
                account=account,
                rung=entry.rung,
                since_height=entry.since_height,
                attempts=entry.attempts,
            )
        return state.SerializeToString(deterministic=True)

    def load(self, bodies: Sequence[bytes]) -> None:
        """Takes what `save` gave."""
        (body,) = bodies
        for entry in snapshots.CoordinatorState.FromString(body).entries:
            key = (entry.venue, entry.position, entry.account)
            self._entries[key] = _Entry(entry.rung, entry.since_height, entry.attempts)
