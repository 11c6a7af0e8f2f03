"""Accounts opened and funded by columns leave what they leave one by one: blocks, answers, standings and refusals."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.ledger import account_commands
from breakwater.v1 import commands_pb2 as commands
from cluster.commit import BlockResult
from cluster.replica import Replica
from node.margin_presets import MARGIN_TRADE_VENUE, margin_trade_market, margin_trade_venue
from node.perennial_presets import PERENNIAL_VENUE, perennial_market, perennial_venue
from node.presets import TWILIGHT_VENUE
from node.spin_presets import SPIN_VENUE, spin_market, spin_venue
from tests.building import START_MS, Maker, market, venue

SECOND_TWILIGHT = PERENNIAL_VENUE + 1
VENUES = (TWILIGHT_VENUE, MARGIN_TRADE_VENUE, SPIN_VENUE, PERENNIAL_VENUE, SECOND_TWILIGHT)
# The lifetime deposits of a venue end at 2^60: two of these reach it.
WHALE_ATOMS = 1 << 59
NEVER = 1 << 30


def listing(make: Maker) -> list[commands.CommandBatch]:
    """A venue of every rulebook and a second of Twilight, so that columns of several venues come together."""
    listed = [
        (venue(TWILIGHT_VENUE), [market(1, TWILIGHT_VENUE)]),
        (margin_trade_venue(), [margin_trade_market(1, "BTC")]),
        (spin_venue(), [spin_market(1, "BTC")]),
        (perennial_venue(), [perennial_market(1, "BTC")]),
        (venue(SECOND_TWILIGHT), [market(1, SECOND_TWILIGHT)]),
    ]
    batches = []
    for terms, markets in listed:
        batches.append(make.batch("create_venue", terms.venue, parameters=terms))
        batches += [make.batch("create_market", terms.venue, parameters=market) for market in markets]
    return batches


class Draw:
    """Batches of one block, drawn from a seed: accounts are opened, funded, frozen, and ask for withdrawals."""

    def __init__(self, make: Maker, seed: int, opened: dict[int, int]) -> None:
        self.make = make
        self.random = random.Random(seed)
        self.opened = opened

    def batches(self) -> list[commands.CommandBatch]:
        """A few of every kind, in any order; some rows name nobody, some amounts are none."""
        return [getattr(self, self.random.choice(KINDS))(venue) for venue in self.random.choices(VENUES, k=6)]

    def _accounts(self, venue: int, count: int) -> list[int]:
        """Some more than once, some before the first or beyond the last."""
        last = self.opened.get(venue, 0)
        return [self.random.randint(1, last) if last and self.random.random() < 0.9 else last + 9 for _ in range(count)]

    def opens(self, venue: int) -> commands.CommandBatch:
        count = self.random.randint(1, 40)
        self.opened[venue] = self.opened.get(venue, 0) + count
        return self.make.batch("open_accounts", venue, count=count)

    def deposits(self, venue: int) -> commands.CommandBatch:
        accounts = self._accounts(venue, self.random.randint(1, 40))
        amounts = [self.random.choice((0, -1, 1, 77, 10**12, 10**12, 10**12, WHALE_ATOMS, 1 << 60)) for _ in accounts]
        return self.make.batch("deposits", venue, account=accounts, amount_atoms=amounts)

    def freezes(self, venue: int) -> commands.CommandBatch:
        accounts = self._accounts(venue, 3)
        return self.make.batch("freeze_accounts", venue, account=accounts, frozen=[1, 0, 2])

    def withdrawals(self, venue: int) -> commands.CommandBatch:
        accounts = self._accounts(venue, 5)
        return self.make.batch("withdrawals", venue, account=accounts, amount_atoms=[1, 50, 10**9, 10**12, 1 << 58])


KINDS = ("opens", "opens", "deposits", "deposits", "deposits", "freezes", "withdrawals")


def run(blocks: Sequence[commands.BlockInput], shards: int, few: int) -> tuple[list[BlockResult], dict[str, bytes]]:
    """The blocks with columns from so many rows on, and the cut after them."""
    replica = Replica(shards)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(account_commands, "FEW_ROWS", few)
        return [replica.apply(block) for block in blocks], replica.cut()


@settings(max_examples=25)
@given(st.lists(st.integers(0, 1 << 30), min_size=1, max_size=4), st.sampled_from((1, 3)))
def test_columns_of_accounts_are_their_rows(seeds: list[int], shards: int) -> None:
    make, opened = Maker(), dict[int, int]()
    drawn = [listing(make), *(Draw(make, seed, opened).batches() for seed in seeds)]
    blocks = [
        commands.BlockInput(height=place + 1, block_time_ms=START_MS + 20 * place, batches=batches, root=True)
        for place, batches in enumerate(drawn)
    ]
    (by_row, rows_cut), (by_column, columns_cut) = (run(blocks, shards, few) for few in (NEVER, 1))
    for one, other in zip(by_row, by_column, strict=True):
        assert one.header_bytes == other.header_bytes
        assert list(one.events) == list(other.events)
        assert one.outcomes == other.outcomes and one.standings == other.standings
    assert rows_cut == columns_cut
