"""Real shards and the real desk, block after block: the equations of docs/perennial.md hold whatever accounts do."""

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.columns import join, rows, split_by_shard
from actors.ledger.bucket_digests import BucketDigester
from actors.ledger.table import StagingLog
from actors.sinks import AnswerSink, EventSink
from actors.venue_rows import VenueCommands
from actors.version_desk import VersionDesk
from actors.versioned.book import VersionedBook
from actors.versioned.phases import VersionedPhases
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from cluster.conservation import check_markets, check_versioned_venues
from cluster.placement import even
from tests.actors.calling import Caller, pending_list, table
from tests.actors.versioning.market import MARKET, PRICE, SLOT_MS, START_MS, UNIT, USD, VENUE, market_terms, venue_terms

ACCOUNTS = (1, 2, 3, 4)
FEES = {"taker_fee_ppm": 3_001, "maker_fee_ppm": 1_003, "settlement_fee_atoms": 7, "position_fee_ppm": 300_000}


class Venue:
    """So many shards and a desk; what shards say goes to the desk, what the desk owes to the shards a block later."""

    def __init__(self, shards: int) -> None:
        self.shards = shards
        self.logs = [StagingLog() for _ in range(shards)]
        self.books = [VersionedBook(VENUE, log) for log in self.logs]
        self.desk = Caller(VersionDesk(VENUE, MARKET), batches.VersionReply)
        self.venue, self.market = venue_terms(), market_terms(**FEES)
        for account in ACCOUNTS:
            book = self.books[account % shards]
            book.set_terms(self.venue)
            book.set_market(self.market)
            book.accounts.open(account)
            book.accounts.post(account, free=10_000 * USD, deposited=10_000 * USD)
        self.last = batches.VersionReply()
        self.records: list[batches.VersionRecord] = []
        self.digests: dict[int, bytes] = {}
        self.told: set[tuple[int, int, int, bytes]] = set()
        self._digesters = [BucketDigester() for _ in range(shards)]
        self.height = 0

    def block(self, now_ms: int, price_ticks: int, commands: batches.ShardCommands, is_redone: bool) -> None:
        """One block; `is_redone`: what shards staged is dropped and staged again."""
        self.height += 1
        legs = split_by_shard(self.last.legs, even(self.shards).array, self.shards)
        replies = [self._shard(shard, legs[shard], commands, is_redone) for shard in range(self.shards)]
        holdings = join(batches.VersionHoldings(), (reply.version_holdings for reply in replies))
        if self.last.height:
            check_markets({(VENUE, MARKET): self.last.sums}, holdings)
        mark = common.Mark(
            venue=VENUE, market=MARKET, mark_ticks=price_ticks, published_ms=now_ms, state=common.MARK_STATE_FRESH
        )
        if not price_ticks:
            mark = common.Mark(venue=VENUE, market=MARKET, state=common.MARK_STATE_NONE)
        self.last = self.desk.block(
            now_ms=now_ms,
            venue=self.venue,
            market=self.market,
            mark=mark,
            ops=join(batches.VersionOps(), (reply.version_ops for reply in replies)),
            debts=join(batches.VersionDebts(), (reply.version_debts for reply in replies)),
        )
        self.records = [self.last.record] if self.last.HasField("record") else []
        sums = batches.VenueSums(**{name: [0] * self.shards for name in _sum_names()})
        for place, book in enumerate(self.books):
            for name, value in zip(_sum_names(), book.sums(), strict=True):
                getattr(sums, name)[place] = value
        check_versioned_venues(sums, self.last.legs, [self.last.sums])

    def _shard(
        self, shard: int, legs: batches.VersionLegs, commands: batches.ShardCommands, is_redone: bool
    ) -> batches.ShardReply:
        book, log = self.books[shard], self.logs[shard]
        fields = {field.name: getattr(commands, field.name) for field in commands.DESCRIPTOR.fields}
        mine = batches.ShardCommands(
            **{
                name: split_by_shard(rows_of, even(self.shards).array, self.shards)[shard]
                for name, rows_of in fields.items()
            }
        )
        call = batches.ShardCall(version_legs=legs, versions=self.records, commands=mine)
        call.header.height = self.height
        sink = EventSink()
        answers = AnswerSink(sink)
        log.keep()
        for attempt in range(1 + is_redone):
            reply = batches.ShardReply()
            work = VersionedPhases({VENUE: book}, call, VenueCommands(mine, [VENUE]), reply)
            if attempt == 0:
                work.run(batches.SHARD_PHASE_SETTLE, sink, answers)
                debts = reply.version_debts
            log.roll_back()
            log.open()
            work.stage((batches.SHARD_PHASE_PAY_OUT, batches.SHARD_PHASE_ADMIT), sink, answers)
            work.finish()
        reply.version_debts.CopyFrom(debts)
        told = sink.message()
        self.told |= {(*key, body) for *key, body in zip(told.a, told.b, told.c, pending_list(told), strict=True)}
        self.digests |= self._digesters[shard].changed({VENUE: book})
        return reply


def _sum_names() -> list[str]:
    return [field.name for field in batches.VenueSums.DESCRIPTOR.fields]


accounts = st.sampled_from(ACCOUNTS)
sizes = st.sampled_from(
    [
        (-1, -1, -1),
        (30 * UNIT, 0, 0),
        (7 * UNIT + 1, 0, 0),
        (0, 5 * UNIT, 0),
        (0, 3, 0),
        (0, 0, 2 * UNIT + 77),
        (0, 0, 0),
    ]
)
collateral = st.sampled_from([0, 0, 1_000 * USD + 1, 333, -(1 << 63), -50 * USD])
changes = st.tuples(st.just("change"), accounts, sizes, collateral)
closes = st.tuples(st.just("close"), accounts, accounts, st.sampled_from([-1, 0, USD]))
repayments = st.tuples(st.just("repay"), accounts, accounts, st.integers(1, 40 * USD))
withdrawals = st.tuples(st.just("withdraw"), accounts, st.integers(1, 4_000 * USD))
blocks = st.tuples(
    st.sampled_from([0, 0, 0, 2_000, SLOT_MS // 2]),
    st.sampled_from([0, PRICE, PRICE + 17, PRICE * 7 // 10, PRICE // 3, PRICE * 3 // 2]),
    st.lists(st.one_of(changes, changes, closes, repayments, withdrawals), max_size=4),
    st.booleans(),
)


def sealed(asked: list[tuple]) -> batches.ShardCommands:
    """The rows of one block's commands."""
    made: dict[str, list[tuple[int, ...]]] = {}
    for command, (what, account, *rest) in enumerate(asked):
        if what == "change":
            made.setdefault("changes", []).append((command, VENUE, account, MARKET, *rest[0], rest[1]))
        elif what == "withdraw":
            made.setdefault("withdrawals", []).append((command, VENUE, account, rest[0]))
        else:
            name = "forced_closes" if what == "close" else "repayments"
            made.setdefault(name, []).append((command, VENUE, account, MARKET, *rest))
    kinds = {
        "changes": batches.ChangeRows,
        "withdrawals": batches.AmountRows,
        "forced_closes": batches.ForcedCloseRows,
        "repayments": batches.RepaymentRows,
    }
    return batches.ShardCommands(**{name: table(kinds[name], *rows_of) for name, rows_of in made.items()})


OPENING = [
    ("change", 1, (100 * UNIT, 0, 0), 5_000 * USD),
    ("change", 2, (0, 20 * UNIT + 3, 0), 500 * USD),
    ("change", 3, (0, 0, 10 * UNIT + 1), 300 * USD + 5),
]
BEGINNING = [(0, PRICE, [], False), (0, PRICE, OPENING, True)]


@settings(max_examples=80)
@given(st.lists(blocks, min_size=3, max_size=14))
def test_equations_hold_and_the_shard_count_cannot_show(path):
    one, three = Venue(1), Venue(3)
    for place, (late_ms, price_ticks, asked, is_redone) in enumerate([*BEGINNING, *path, (0, PRICE, [], False)]):
        now_ms = START_MS + place * SLOT_MS + late_ms
        for venue in (one, three):
            venue.block(now_ms, price_ticks, sealed(asked), is_redone)
        assert list(rows(one.last.legs)) == list(rows(three.last.legs))
        assert one.digests == three.digests and one.told == three.told
        assert sum(book.dust_e6.get(MARKET, 0) for book in three.books) == one.books[0].dust_e6.get(MARKET, 0)


def test_a_liquidation_a_debt_and_its_repayment():
    venue, now_ms = Venue(2), START_MS
    script = [
        [("change", 1, (100 * UNIT, 0, 0), 5_000 * USD), ("change", 2, (0, 10 * UNIT, 0), 250 * USD)],
        [],
        [],
        [("close", 2, 3, -1)],
        [],
        [],
        [("repay", 4, 2, 100 * USD)],
        [],
    ]
    prices = [PRICE, PRICE, PRICE * 8 // 10, PRICE * 5 // 10, PRICE * 5 // 10, PRICE * 5 // 10, PRICE, PRICE]
    owed = []
    for asked, price_ticks in zip([[], *script], [PRICE, *prices], strict=True):
        now_ms += SLOT_MS
        venue.block(now_ms, price_ticks, sealed(asked), is_redone=True)
        owed.append(venue.books[0].positions.read(2, MARKET).collateral)
    reward = venue.books[1].accounts.free(3) - 10_000 * USD
    assert reward > 0 and min(owed) < -100 * USD and owed[-1] - min(owed) == 100 * USD
    assert venue.books[0].accounts.free(4) == 9_900 * USD and venue.last.sums.shortfall_atoms == -owed[-1]
