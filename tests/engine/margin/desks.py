"""M(h) of Margin Trade venues: the backstop accounts, the books match; their legs are the next block's."""

from tests.engine.margin.backstop import account_for_block
from tests.engine.margin.books import work_books
from tests.engine.margin.state import sights
from tests.engine.spin.insurance import account_for_claims
from tests.engine.spin.state import spin_sights
from tests.engine.state import Block, State


def match_and_account(state: State, block: Block) -> None:
    """The backstop in every block, books where there is work or a root is taken; then the tops are kept."""
    second = block.time_ms // 1_000
    root = block.input.root or second != state.root_second
    if root:
        state.root_second = second
    for sight in sights(state, block):
        moves = [command for command in block.of("admitted vault moves") if command.venue == sight.venue]
        sight.own.outbox = account_for_block(sight, moves) + work_books(sight, 0, every=root)
    for spin in spin_sights(state, block):
        spin.own.outbox = [*spin.own.shard_legs, *account_for_claims(spin), *work_books(spin, 0, every=root)]
    state.tops_before = dict(state.tops)
    for venue, own in [*state.margin.items(), *state.spin.items()]:
        state.tops.update({(venue, market): book.top for market, book in own.books.items() if book.called})
