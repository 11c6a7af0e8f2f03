"""A cross book with two liquid markets, and phase 9 on it by hand: rows of commands in, what came of them out."""

from typing import Any, NamedTuple

from actors.columns import RowGatherer, add_row, rows
from actors.cross.admit import admit
from actors.cross.book import CrossBook
from actors.cross.caps import scan_caps
from actors.ledger.table import StagingLog
from actors.sinks import AnswerSink, EventSink
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.calling import pending_list

VENUE, MARKETS, ACCOUNTS = 3, (1, 2), (1, 2, 3, 4)
VAULT = 0
HEIGHT, NOW_MS = 7, 1_000_000
MARK, K = 10_000, 100
CASH = 1_000_000_000
BUY, SELL = 1, -1
MARKET, LIMIT = common.ORDER_KIND_MARKET, common.ORDER_KIND_LIMIT
POST_ONLY, REDUCE_ONLY, MARKET_FLAG = 1, 2, 4
GTC, IOC = common.TIME_IN_FORCE_GTC, common.TIME_IN_FORCE_IOC
STOP, TAKE_PROFIT = common.TRIGGER_KIND_STOP, common.TRIGGER_KIND_TAKE_PROFIT
PLACE, AMEND = batches.ORDER_OP_KIND_PLACE, batches.ORDER_OP_KIND_AMEND
# 1,000,000 atoms a lot at the mark: 20x leverage in the first tier, 10x above 2,000 lots.
TIERS = ((0, 20), (2_000_000_000, 10))
TAKER_FEE_E9 = 500_000


def market_terms(market: int, **rules: int) -> parameters.MarketParameters:
    """A market as these tests trade it, with these rules altered."""
    made = {
        "quote_atoms_per_tick_lot": K,
        "taker_fee_e9": TAKER_FEE_E9,
        "min_notional_atoms": 1_000_000,
        "max_order_lots": 1 << 30,
        "open_interest_cap_lots": 1 << 31,
        "price_band_ppm": 950_000,
        "market_protection_ppm": 50_000,
        "unwind_step_ms": 5_000,
        "unwind_fraction_ppm": 100_000,
        "unwind_full_lots": 50,
        "unwind_depth_ppm": 100_000,
        "unwind_slippage_ppm": 20_000,
    }
    tiers = [parameters.MarginTier(lower_notional_atoms=lower, max_leverage=leverage) for lower, leverage in TIERS]
    terms = parameters.MarginTradeMarket(**(made | rules), tiers=tiers)
    return parameters.MarketParameters(venue=VENUE, market=market, margin_trade=terms)


def entry_book(markets: tuple[int, ...] = MARKETS, max_orders: int = 50) -> CrossBook:
    """Four accounts with 1,000 USDC each, the vault, and markets at 10,000 ticks."""
    book = CrossBook(VENUE, StagingLog(), Way.BY_COLUMNS, owns_vault=True)
    book.set_terms(
        parameters.VenueParameters(
            venue=VENUE, version=1, margin_trade=parameters.MarginTradeParameters(max_orders_per_account=max_orders)
        )
    )
    book.height, book.block_time_ms = HEIGHT, NOW_MS
    for market in markets:
        book.set_market(market_terms(market))
        set_mark(book, market)
    for account in ACCOUNTS:
        book.accounts.open(account)
        book.accounts.post(account, free=CASH, deposited=CASH)
    return book


def set_mark(
    book: CrossBook,
    market: int = 1,
    mark: int = MARK,
    state: int = common.MARK_STATE_FRESH,
    index: int = MARK,
    age_ms: int = 12,
) -> None:
    """A mark that is simply there; for books without resting orders, whose adverse sums would move."""
    book.marks[market] = common.Mark(
        venue=VENUE, market=market, mark_ticks=mark, version=1, state=state, index_ticks=index, age_ms=age_ms
    )


def order_number(command: int, height: int = HEIGHT) -> int:
    return height << 20 | command


def order(command: int, account: int = 1, side: int = BUY, size: int = 10, limit: int = MARK, **cells: int) -> Any:
    """A row of `OrderRows`: a GTC limit order unless told otherwise."""
    named = {
        "market": 1,
        "kind": LIMIT,
        "time_in_force": GTC,
        "flags": 0,
        "self_trade": 0,
        "trigger": 0,
        "trigger_ticks": 0,
        "client_id": 0,
    } | cells
    head = (command, VENUE, account, named["market"], side, named["kind"], size, limit)
    return (*head, *(named[name] for name in list(named)[2:]))


def amend(command: int, number: int, size: int, limit: int = 0, account: int = 1, client_id: int = 0) -> Any:
    return (command, VENUE, account, number, client_id, size, limit)


class Entered(NamedTuple):
    """What one phase 9 gave: rows of columns as tuples, events with their keys, answers by command."""

    ops: list[tuple[int, ...]]
    liquidity: list[tuple[int, ...]]
    caps: list[tuple[int, ...]]
    events: list[tuple[tuple[int, ...], events.Event]]
    answers: dict[int, tuple[int, ...]]

    def refusal(self, command: int) -> tuple[int, int, int]:
        """Refusal, required, actual of a command's answer."""
        _, *why = self.answers[command][:4]
        return tuple(why)


def enter(book: CrossBook, scan: bool = False, **columns: Any) -> Entered:
    """Runs phase 9 with these rows of commands, after a scan for caps where it is asked for."""
    commands = batches.ShardCommands()
    for name, given in columns.items():
        for row in given:
            add_row(getattr(commands, name), *row)
    if scan:
        scan_caps(book, RowGatherer(batches.PositionCaps))
    sink = EventSink()
    answers = AnswerSink(sink)
    ops, liquidity = RowGatherer(batches.OrderOps), RowGatherer(batches.LiquidityOps)
    caps = RowGatherer(batches.PositionCaps)
    admit(book, commands, ops, liquidity, caps, sink, answers)
    told = sink.message()
    keys = zip(told.phase, told.a, told.b, told.c, strict=True)
    return Entered(
        list(rows(ops.message())),
        list(rows(liquidity.message())),
        list(rows(caps.message())),
        [(key, events.Event.FromString(body)) for key, body in zip(keys, pending_list(told), strict=True)],
        {command: tuple(rest) for command, *rest in rows(answers.message())},
    )


def state(book: CrossBook) -> tuple[Any, ...]:
    """Everything of the book that a roll-back must bring back."""
    keys = book.positions.table.keys()
    sums = [book.positions.read(*divmod(key, 1 << 16)) for key in keys]
    owners = [(book.orders.of_account(account), book.positions.of_account(account)) for account in (VAULT, *ACCOUNTS)]
    return (book.dump(), sums, owners, dict(book.unwound_ms), book.sums(), book.open_interest())
