"""The liquidation coordinator: orders everybody below a rung, round by round. It remembers rungs, never amounts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from actors.columns import add_row, rows, sort_rows
from actors.contract import Actor
from actors.risk.ladder import MAX_ROUNDS, Action, Verdict, step
from actors.sinks import LADDER, LADDER_QUEUED, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import snapshots_pb2 as snapshots


class _Entry(NamedTuple):
    rung: int
    since_height: int
    attempts: int


class LiquidationCoordinator(Actor):
    """Proposes; the shard that owns an account checks again before it acts."""

    call_type = batches.CoordinatorCall

    def __init__(self) -> None:
        super().__init__()
        self._entries: dict[tuple[int, int], _Entry] = {}

    def decide(self, call: Any) -> batches.CoordinatorReply:
        """Orders of one round, by (venue, market, threshold, position): TW-13. After the last round: who is queued."""
        height, ladder_round = call.header.height, call.round
        reply = batches.CoordinatorReply(height=height)
        sink = EventSink()
        rulebooks = {venue.venue: venue.rulebook for venue in call.venues}
        candidates = sort_rows(call.candidates, "venue", "market", "threshold_ticks", "position")
        self._forget_resolved(candidates, ladder_round)
        for sequence, (venue, market, account, position, rung, _) in enumerate(rows(candidates)):
            if ladder_round > MAX_ROUNDS:
                self._queue(venue, market, account, position, rung, height, sequence, sink)
                continue
            decided = step(rulebooks[venue], rung, Verdict.BELOW)
            if decided.action is not Action.NONE:
                order = (sequence, ladder_round, venue, market, account, position, int(decided.action))
                add_row(reply.orders, *order)
        reply.events.CopyFrom(sink.message())
        reply.digest = self.digest()
        return reply

    def _queue(
        self,
        venue: int,
        market: int,
        account: int,
        position: int,
        rung: int,
        height: int,
        sequence: int,
        sink: EventSink,
    ) -> None:
        before = self._entries.get((venue, position), _Entry(rung, height, 0))
        self._entries[venue, position] = _Entry(rung, before.since_height, before.attempts + 1)
        body = events.LadderQueued(position=position, rung=rung, rounds=MAX_ROUNDS)
        event = events.Event(venue=venue, market=market, account=account, ladder_queued=body)
        sink.emit((LADDER, LADDER_QUEUED, sequence, 0), event)

    def _forget_resolved(self, candidates: batches.Candidates, ladder_round: int) -> None:
        """A queued position that is no candidate in the first round of a later block is resolved."""
        if ladder_round == 1 and self._entries:
            still = set(zip(candidates.venue, candidates.position, strict=True))
            self._entries = {key: entry for key, entry in self._entries.items() if key in still}

    def save(self) -> bytes:
        """Entries by (venue, position)."""
        state = snapshots.CoordinatorState()
        for (venue, position), entry in sorted(self._entries.items()):
            state.entries.add(
                venue=venue,
                position=position,
                rung=entry.rung,
                since_height=entry.since_height,
                attempts=entry.attempts,
            )
        return state.SerializeToString(deterministic=True)

    def load(self, bodies: Sequence[bytes]) -> None:
        """Takes what `save` gave."""
        (body,) = bodies
        for entry in snapshots.CoordinatorState.FromString(body).entries:
            self._entries[entry.venue, entry.position] = _Entry(entry.rung, entry.since_height, entry.attempts)
