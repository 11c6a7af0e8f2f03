"""A Spin venue on one shard by hand: marks, legs and rows of commands in, what came of them out, block by block.

A lot is worth 100 atoms a tick, 1,000,000 atoms at the mark, and needs 100,000 atoms of collateral.
"""

from typing import Any, NamedTuple

from actors.columns import row_count, rows
from actors.ledger.table import StagingLog
from actors.ratio.book import RatioBook
from actors.ratio.phases import RatioPhases
from actors.sinks import AnswerSink, EventSink
from actors.venue_rows import VenueCommands
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.calling import pending_list, table

VENUE, MARKETS, ACCOUNTS = 4, (1, 2), (1, 2, 3, 4, 5)
MARK, K = 10_000, 100
LOT, NEEDED = MARK * K, MARK * K // 10
CASH = 1_000_000_000
STEP_LOTS, MAX_POSITION_LOTS = 5, 10_000
BUY, SELL = 1, -1
MARKET, LIMIT = common.ORDER_KIND_MARKET, common.ORDER_KIND_LIMIT
REDUCE_ONLY = 2
STOP = common.TRIGGER_KIND_STOP
SETTLE, MARK_PHASE, TAKE, SCAN = (
    batches.SHARD_PHASE_SETTLE,
    batches.SHARD_PHASE_MARK,
    batches.SHARD_PHASE_TAKE,
    batches.SHARD_PHASE_SCAN,
)
DROP, PAY_OUT, ADMIT, RESERVE, TAKE_OVER = (
    batches.SHARD_PHASE_DROP,
    batches.SHARD_PHASE_PAY_OUT,
    batches.SHARD_PHASE_ADMIT,
    batches.SHARD_PHASE_RESERVE,
    batches.SHARD_PHASE_TAKE_OVER,
)
CERTAIN = (SETTLE, MARK_PHASE, TAKE, SCAN)
FILL, GONE, CASH_LEG = events.CROSS_LEG_KIND_FILL, events.CROSS_LEG_KIND_GONE, events.CROSS_LEG_KIND_CASH
LIQUIDATED, UNRESERVED = events.CROSS_LEG_KIND_LIQUIDATED, events.CROSS_LEG_KIND_UNRESERVED
TRANSFER = events.CROSS_LEG_KIND_TRANSFER

ROWS = {
    "opened": batches.AccountRows,
    "deposits": batches.AmountRows,
    "freezes": batches.AccountRows,
    "withdrawals": batches.AmountRows,
    "transfers": batches.TransferRows,
    "takeovers": batches.TakeoverRows,
    "orders": batches.OrderRows,
    "amends": batches.AmendRows,
    "book_cancels": batches.BookCancelRows,
}


def market_terms(market: int, **rules: int) -> parameters.MarketParameters:
    """A market as these tests trade it, with these rules altered."""
    made = {
        "quote_atoms_per_tick_lot": K,
        "collateral_ratio_e9": 100_000_000,
        "maker_fee_e9": -400_000,
        "taker_fee_e9": 800_000,
        "step_lots": STEP_LOTS,
        "min_notional_atoms": 1,
        "max_order_lots": 1 << 30,
        "max_position_lots": MAX_POSITION_LOTS,
        "price_band_ppm": 500_000,
        "market_protection_ppm": 50_000,
    }
    return parameters.MarketParameters(venue=VENUE, market=market, spin=parameters.SpinMarket(**(made | rules)))


def order(command: int, account: int, side: int, size: int, limit: int = MARK, **cells: int) -> tuple[int, ...]:
    """A limit order; cells: market, kind, flags, trigger, trigger_ticks, client."""
    head = (command, VENUE, account, cells.get("market", 1), side, cells.get("kind", LIMIT), size, limit)
    tail = (cells.get("trigger", 0), cells.get("trigger_ticks", 0), cells.get("client", 0))
    return (*head, 0, cells.get("flags", 0), 0, *tail)


def fill(account: int, lots: int, price: int = MARK, fee: int = 0, order: int = 0, market: int = 1) -> tuple[int, ...]:
    """What the book owes the account."""
    return (1, 0, market, 0, VENUE, account, FILL, order, lots, lots * price * K, fee, 0, 0, 0)


def gone(account: int, order: int, market: int = 1) -> tuple[int, ...]:
    """The order left the book."""
    return (1, 0, market, 0, VENUE, account, GONE, order, 0, 0, 0, 0, 0, 0)


def cash(account: int, amount: int) -> tuple[int, ...]:
    """The insurance desk pays."""
    return (2, 0, 0, 0, VENUE, account, CASH_LEG, 0, 0, 0, 0, 0, amount, 0)


def takeover(command: int, liquidator: int, target: int, lots: int, market: int = 1) -> tuple[int, ...]:
    """A `Liquidate` command as it reaches the liquidator's shard."""
    return (command, VENUE, liquidator, market, target, lots)


class Answer(NamedTuple):
    """One row of `Outcomes`, without its command."""

    status: int
    refusal: int
    required: int
    actual: int
    reference: int
    price_ticks: int
    amount_atoms: int
    filled_lots: int
    remaining_lots: int

    @property
    def why(self) -> tuple[int, int, int]:
        return self.refusal, self.required, self.actual


class Done(NamedTuple):
    """What one call gave: the reply, events with their keys, answers by command."""

    reply: batches.ShardReply
    events: list[tuple[tuple[int, ...], events.Event]]
    answers: dict[int, Answer]

    def bodies(self, name: str) -> list[Any]:
        """Bodies of the events of this kind."""
        return [getattr(event, name) for _, event in self.events if event.WhichOneof("body") == name]

    def rows(self, name: str) -> list[tuple[int, ...]]:
        """Rows of a field of the reply."""
        return list(rows(getattr(self.reply, name)))


class Venue:
    """The book, and the calls of a block on it. Everybody has CASH unless told otherwise."""

    def __init__(self, way: Way = Way.BY_COLUMNS, cash_atoms: int = CASH, **rules: int) -> None:
        self.log = StagingLog()
        self.book = RatioBook(VENUE, self.log, way)
        spin = parameters.SpinParameters(
            liquidator_reward_e9=15_000_000, insurance_share_e9=10_000_000, max_orders_per_account=50
        )
        self.book.set_terms(
            parameters.VenueParameters(venue=VENUE, version=1, rulebook=common.RULEBOOK_SPIN, spin=spin)
        )
        for market in MARKETS:
            self.book.set_market(market_terms(market, **rules))
        self.height = 0
        self.marks = dict.fromkeys(MARKETS, (MARK, common.MARK_STATE_FRESH, 0))
        deposits = [(100 + account, VENUE, account, cash_atoms) for account in ACCOUNTS if cash_atoms]
        self.call(CERTAIN, opened=[(account, VENUE, account, 0) for account in ACCOUNTS], deposits=deposits)

    def mark(self, ticks: int, market: int = 1, state: int = common.MARK_STATE_FRESH, index_e9: int = 0) -> None:
        """The mark of a market from the next block on."""
        self.marks[market] = (ticks, state, index_e9)

    def call(self, phases: Any, legs: Any = (), reservations: Any = None, **listed: Any) -> Done:
        """One call with these rows of commands; SETTLE begins the next block."""
        self.height += SETTLE in phases
        call = batches.ShardCall(cross_legs=table(batches.CrossLegs, *legs), marks=self._marks())
        call.header.height = self.height
        if reservations is not None:
            call.reservations.CopyFrom(reservations)
        made = {name: table(ROWS[name], *rows_of) for name, rows_of in listed.items()}
        commands = VenueCommands(batches.ShardCommands(**made), [VENUE])
        reply, sink = batches.ShardReply(), EventSink()
        answers = AnswerSink(sink)
        if SETTLE in phases:
            self.log.keep()
        work = RatioPhases({VENUE: self.book}, call, commands, reply)
        for phase in phases:
            if phase == DROP:
                self.log.roll_back()
            work.run(phase, sink, answers)
        staged = [phase for phase in phases if phase in (PAY_OUT, RESERVE, TAKE_OVER, ADMIT)]
        if staged:
            if not self.log.is_open:
                self.log.open()
            work.stage(staged, sink, answers)
        work.finish()
        told = sink.message()
        keys = zip(told.phase, told.a, told.b, told.c, strict=True)
        found = [(key, events.Event.FromString(body)) for key, body in zip(keys, pending_list(told), strict=True)]
        return Done(reply, found, {command: Answer(*rest) for command, *rest in rows(answers.message())})

    def settle(self, *legs: tuple[int, ...]) -> Done:
        """A block in which nothing but these legs and the marks happen."""
        return self.call(CERTAIN, sorted(legs, key=lambda leg: leg[:4]))

    def stage(self, *phases: int, **listed: Any) -> Done:
        """Staged phases of the block that is open."""
        return self.call(phases, **listed)

    def liquidate(self, *asked: tuple[int, ...], **listed: Any) -> tuple[Done, Done]:
        """The two calls of a block with `Liquidate` commands: reserved, then taken over and admitted."""
        first = self.call((RESERVE,), takeovers=asked, **listed)
        return first, self.call((TAKE_OVER, ADMIT), reservations=first.reply.reservations, takeovers=asked, **listed)

    def _marks(self) -> list[common.Mark]:
        return [
            common.Mark(
                venue=VENUE,
                market=market,
                mark_ticks=ticks,
                index_ticks=ticks,
                version=1,
                age_ms=7,
                state=state,
                funding_index_e9=index_e9,
            )
            for market, (ticks, state, index_e9) in self.marks.items()
        ]

    def state(self) -> tuple[Any, ...]:
        """Everything of the book that a roll-back must bring back."""
        book = self.book
        keys = book.positions.table.keys()
        sums = [book.positions.read(*divmod(key, 1 << 16)) for key in keys]
        owners = [
            (
                book.orders.of_account(account),
                book.positions.of_account(account),
                book.reservations.of_account(account),
                book.accounts.withdrawals_of(account),
            )
            for account in ACCOUNTS
        ]
        return (book.dump(), sums, owners, book.sums(), book.open_interest())

    def cash(self, account: int) -> int:
        """The account's signed cash."""
        return self.book.accounts.free(account)

    def lots(self, account: int, market: int = 1) -> int:
        """The account's signed lots."""
        return self.book.positions.lots(account, market)


def number_of(height: int, command: int) -> int:
    """The order, or the reservation, of a command."""
    return height << 20 | command


def is_empty(message: Any) -> bool:
    """A column message without rows."""
    return row_count(message) == 0
