"""A Perennial venue on a shard by hand: accounts and one market, legs and commands in, replies read back by name."""

from typing import Any

from actors.ledger.table import StagingLog
from actors.ledger.versioned_positions import VersionedPosition
from actors.sinks import AnswerSink, EventSink
from actors.venue_rows import VenueCommands
from actors.versioned.book import VersionedBook
from actors.versioned.phases import VersionedPhases
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.calling import pending_list, table

VENUE, MARKET = 7, 2
ACCOUNTS = (1, 2, 3, 1025)
CASH = 1_000_000_000
UNIT = 10**6
MAKER, LONG, SHORT = events.POSITION_KIND_MAKER, events.POSITION_KIND_LONG, events.POSITION_KIND_SHORT
MOVED, RELEASE, REWARD, SETTLED, REPAID = (
    batches.VERSION_LEG_KIND_MOVED,
    batches.VERSION_LEG_KIND_RELEASE,
    batches.VERSION_LEG_KIND_REWARD,
    batches.VERSION_LEG_KIND_SETTLED,
    batches.VERSION_LEG_KIND_REPAID,
)
STAGED = (batches.SHARD_PHASE_PAY_OUT, batches.SHARD_PHASE_ADMIT)

ROWS = {
    "opened": batches.AccountRows,
    "deposits": batches.AmountRows,
    "freezes": batches.AccountRows,
    "withdrawals": batches.AmountRows,
    "changes": batches.ChangeRows,
    "forced_closes": batches.ForcedCloseRows,
    "repayments": batches.RepaymentRows,
}


def terms(venue: int = VENUE) -> parameters.VenueParameters:
    """A Perennial venue."""
    return parameters.VenueParameters(venue=venue, rulebook=common.RULEBOOK_PERENNIAL, version=1)


def market(number: int = MARKET, venue: int = VENUE) -> parameters.MarketParameters:
    """A market at 20% maintenance, 5 atoms at least."""
    rules = parameters.PerennialMarket(maintenance_ppm=200_000, min_maintenance_atoms=5)
    return parameters.MarketParameters(venue=venue, market=number, perennial=rules)


def record(price: int, values: tuple[int, int, int], version_ms: int = 1, number: int = MARKET) -> Any:
    """What the desk settled last."""
    maker, long, short = values
    return batches.VersionRecord(
        venue=VENUE,
        market=number,
        version_ms=version_ms,
        price_ticks=price,
        maker_value_e6=maker,
        long_value_e6=long,
        short_value_e6=short,
    )


def op_leg(
    account: int, kind: int, collateral: int = 0, free: int = 0, held: int = 0, other: int = 0, command: int = 0
) -> tuple[int, ...]:
    """A leg of class 0."""
    return (0, command, MARKET, 0, VENUE, account, kind, collateral, free, held, *([0] * 10), other)


def version_leg(
    account: int,
    sizes: tuple[int, int, int],
    values: tuple[int, int, int],
    fees: tuple[int, int] = (0, 0),
    flags: int = 5,
    slot: int = 0,
    number: int = MARKET,
) -> tuple[int, ...]:
    """A leg of class 1: an order of the account has settled."""
    head = (1, slot, number, 0, VENUE, account, SETTLED, 0, 0, 0, 1_000 + slot)
    return (*head, *sizes, *values, *fees, flags, 0)


class Shard:
    """One book and its staging log, block after block."""

    def __init__(self) -> None:
        self.log = StagingLog()
        self.book = VersionedBook(VENUE, self.log)
        self.book.set_terms(terms())
        self.book.set_market(market())
        self.height = 0
        self.events: list[tuple[tuple[int, ...], Any]] = []
        self.answers: list[tuple[int, ...]] = []
        self.block(
            opened=[(account, VENUE, account, 0) for account in ACCOUNTS],
            deposits=[(100 + account, VENUE, account, CASH) for account in ACCOUNTS],
        )

    def block(self, legs: Any = (), versions: Any = (), staged: bool = True, **rows: Any) -> batches.ShardReply:
        """The first call of the next block."""
        self.height += 1
        first = (batches.SHARD_PHASE_SETTLE, batches.SHARD_PHASE_MARK, batches.SHARD_PHASE_TAKE)
        self.log.keep()
        return self._call((*first, batches.SHARD_PHASE_SCAN), staged, legs, versions, rows)

    def again(self, **rows: Any) -> batches.ShardReply:
        """A second call of the block that drops what the first staged."""
        self.log.roll_back()
        return self._call((), True, (), (), rows)

    def _call(self, phases: Any, staged: bool, legs: Any, versions: Any, rows: dict[str, Any]) -> batches.ShardReply:
        commands = batches.ShardCommands(**{name: table(ROWS[name], *row) for name, row in rows.items()})
        call = batches.ShardCall(
            version_legs=table(batches.VersionLegs, *legs), versions=list(versions), commands=commands
        )
        call.header.height = self.height
        reply, sink = batches.ShardReply(), EventSink()
        answers = AnswerSink(sink)
        work = VersionedPhases({VENUE: self.book}, call, VenueCommands(commands, [VENUE]), reply)
        for phase in phases:
            work.run(phase, sink, answers)
        if staged:
            self.log.open()
            work.stage((batches.SHARD_PHASE_PAY_OUT, batches.SHARD_PHASE_ADMIT), sink, answers)
        work.finish()
        told, given = sink.message(), answers.message()
        keys = zip(told.phase, told.a, told.b, told.c, strict=True)
        self.events = [(key, events.Event.FromString(body)) for key, body in zip(keys, pending_list(told), strict=True)]
        self.answers = list(zip(given.command, given.refusal, given.required, given.actual, strict=True))
        return reply

    def row(self, account: int, number: int = MARKET) -> VersionedPosition:
        """The account's row in the market."""
        return self.book.positions.read(account, number)

    def hold(self, account: int, kind: int, lots: int, collateral: int, basis: int = 0) -> None:
        """The account has this position, before the next block begins."""
        self.log.keep()
        self.book.positions.write(VersionedPosition(account, MARKET, collateral, kind, lots, basis))

    def money(self, account: int) -> tuple[int, int]:
        """(free, held)."""
        row = self.book.accounts.table.row(account)
        return row[2], row[3]
