"""The ladder of all venues together: rounds until nobody is below a rung (docs/block.md, docs/margin-trade.md)."""

from breakwater.v1 import events_pb2
from tests.engine.book import close_at_mark, positions_below
from tests.engine.margin.ladder import Below, Round, scan
from tests.engine.margin.state import sights
from tests.engine.state import Block, Position, State

LADDER_PHASE, QUEUED = 7, 99

Candidates = list[Position | Below]


def ladder(state: State, block: Block) -> None:
    """Isolated positions are closed in the first round; cross accounts take as many as their venue allows."""
    venues = {sight.venue: sight for sight in sights(state, block)}
    offered: set[tuple[int, int]] = set()
    round_ = 0
    found: Candidates = [*positions_below(state, block), *_scan_all(state, block, round_)]
    while found:
        round_ += 1
        work, acted = {venue: Round(sight, round_, offered) for venue, sight in venues.items()}, False
        for sequence, below in enumerate(found):
            if isinstance(below, Position):
                close_at_mark(state, block, below, sequence)
                acted = True
            elif round_ <= venues[below.venue].rules.ladder_rounds:
                work[below.venue].act(sequence, below)
                acted = True
            elif round_ == venues[below.venue].rules.ladder_rounds + 1:
                _queue(block, sequence, below, round_ - 1)
        if not acted:
            return
        for venue in work.values():
            venue.work_desks()
        for venue in work.values():
            venue.deleverage()
        found = _scan_all(state, block, round_)


def _scan_all(state: State, block: Block, round_: int) -> Candidates:
    """By (venue, ratio, account)."""
    found = [below for sight in sights(state, block) for below in scan(sight, round_)]
    return sorted(found, key=lambda below: (below.venue, below.ratio, below.account))


def _queue(block: Block, sequence: int, below: Below, rounds: int) -> None:
    queued = events_pb2.LadderQueued(
        rung=below.rung,
        rounds=rounds,
        reason=events_pb2.QUEUE_REASON_ROUNDS,
        equity_atoms=below.standing.equity,
        maintenance_atoms=below.standing.maintenance,
    )
    block.say((LADDER_PHASE, QUEUED, sequence, 0), below.venue, 0, below.account, ladder_queued=queued)
