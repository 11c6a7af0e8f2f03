"""The venue's books at work: matching by the naive book, told one message after the other (MT-05, MT-15)."""

from collections import defaultdict
from collections.abc import Iterable

from actors.matching import words
from actors.risk.adl import Candidate, Deleveraging, Demand, Policy, deleverage
from breakwater.v1 import events_pb2
from tests.actors.booking.naive_telling import NaiveTelling
from tests.engine.margin.rows import rules_of
from tests.engine.margin.state import (
    CANCEL,
    CANCELS,
    LADDER_FLAG,
    PLACE,
    REDUCE_ONLY,
    UNWINDING_FLAG,
    Book,
    BookOrder,
    CrossLeg,
    Op,
    Sight,
)
from tests.engine.state import stamp

DESK, LADDER_PHASE = 10, 7
BOOK_PLACE, DELEVERAGE_PLACE = 1 << 50, 1 << 52


def work_books(sight: Sight, round_: int, every: bool) -> list[CrossLeg]:
    """The books with operations (or all of them) work what was sent; returns their legs."""
    ops, sight.own.ops = sight.own.ops, []
    legs: list[CrossLeg] = []
    for market in sight.markets:
        mine = [op for op in ops if op["market"] == market]
        book = sight.own.books.setdefault(market, Book())
        if mine:
            legs += _match(sight, book, market, mine, round_)
        if mine or every:
            _take_top(sight, book, market)
    return legs


def _match(sight: Sight, book: Book, market: int, ops: list[Op], round_: int) -> list[CrossLeg]:
    ops = sorted(ops, key=lambda op: (op["class"], op["command"], op["order"]))
    interest = sum(held.lots for key, held in sight.own.positions.items() if key[1] == market and held.lots > 0)
    cap = rules_of(sight.markets[market]).open_interest_cap_lots
    rows = book.matching.match(ops, _caps(sight, market, ops), words.Limits(interest, cap))
    telling = NaiveTelling(sight.markets[market], ops, interest, book.trades)
    telling.tell(rows)
    desk = sight.venue << 32 | market
    key = (LADDER_PHASE, round_, BOOK_PLACE + desk) if round_ else (DESK, desk)
    legs = _tell(sight, book, telling, key)
    for command, *answer in telling.outcomes:
        assert command not in sight.block.outcomes, f"command {command} is answered twice"
        sight.block.outcomes[command] = tuple(answer)
    return legs


def _tell(sight: Sight, book: Book, telling: NaiveTelling, key: tuple[int, ...]) -> list[CrossLeg]:
    """Events under their keys; the legs in the engine's words."""
    book.trades = telling.trades
    for place, serialised in enumerate(telling.events):
        full = (*key, place, 0)[:4]
        sight.block.events.append((full, events_pb2.Event.FromString(serialised)))
    return [
        CrossLeg(rank, command, market, leg, account, kind, order, lots, quote, fee, extra)
        for rank, command, market, leg, _, account, kind, order, lots, quote, fee, extra, *_ in telling.legs
    ]


def _caps(sight: Sight, market: int, ops: Iterable[Op]) -> dict[int, tuple[int, int]]:
    """What the scan and admission say; a desk's own reduce-only order is sized by its position."""
    caps = {}
    for (where, account), told in [*sight.own.caps.items(), *sight.own.added_caps.items()]:
        if where == market:
            caps[account] = (told[0], max(told[1], caps.get(account, (0, 0))[1]))
    for op in ops:
        is_desks = op["kind"] == PLACE and op["flags"] & (LADDER_FLAG | UNWINDING_FLAG) and op["flags"] & REDUCE_ONLY
        if is_desks and op["account"] not in caps:
            caps[op["account"]] = (-op["side"] * op["size_lots"], 0)
    return caps


def _take_top(sight: Sight, book: Book, market: int) -> None:
    """What a call leaves for the oracle of the block after next."""
    rules = sight.markets[market].margin_trade
    notional = -(-rules.impact_notional_atoms // sight.k(market))
    bids, asks = (book.matching.sides[side] for side in (words.BUY, words.SELL))
    book.top = (
        bids[0].price if bids else 0,
        asks[0].price if asks else 0,
        book.matching.last_trade,
        book.matching.impact(words.BUY, notional) if notional else 0,
        book.matching.impact(words.SELL, notional) if notional else 0,
    )
    book.called = True


def deleverage_market(
    sight: Sight, market: int, demands: list[tuple[int, int, int, int]], candidates: list[Candidate], round_: int
) -> list[CrossLeg]:
    """Rung 3 in one market: (sequence, account, lots, quote) demands against the other side (MT-15)."""
    demands = sorted(demands, key=lambda demand: demand[:2])
    mark, k = sight.mark(market), sight.k(market)
    policy = Policy(sight.rules.deleverage_policy)
    asked = [Demand(account, lots, quote, max(0, quote - lots * mark * k)) for _, account, lots, quote in demands]
    answers = deleverage(asked, candidates, mark, k, policy)
    book = sight.own.books.setdefault(market, Book())
    touched = sorted({row.account for answer in answers for row in answer.allocations})
    ops: list[Op] = [defaultdict(int, kind=words.CANCEL_ACCOUNT, account=account, command=-1) for account in touched]
    telling = NaiveTelling(sight.markets[market], ops, 0, book.trades)
    telling.tell(book.matching.match(ops, {}, words.Limits()))
    for demand, answer in zip(demands, answers, strict=True):
        _tell_run(sight, telling, market, demand, answer, policy, round_)
    key = (LADDER_PHASE, round_, DELEVERAGE_PLACE + (sight.venue << 32 | market))
    legs = _tell(sight, book, telling, key)
    _take_top(sight, book, market)
    return legs


def _tell_run(
    sight: Sight,
    telling: NaiveTelling,
    market: int,
    demand: tuple[int, int, int, int],
    answer: Deleveraging,
    policy: Policy,
    round_: int,
) -> None:
    sequence, account, lots, _ = demand
    run = events_pb2.DeleverageRun(
        policy=policy.value,
        needed_lots=abs(lots),
        taken_lots=answer.figures.taken_lots,
        needed_atoms=answer.figures.needed_atoms,
        taken_atoms=answer.figures.taken_atoms,
        overshoot_atoms=answer.figures.overshoot_atoms,
        closed_profit_atoms=answer.figures.closed_profit_atoms,
        largest_haircut_ppm=answer.figures.largest_haircut_ppm,
        quote_atoms=answer.quote_atoms,
        mark=stamp(sight.block.marks[sight.venue, market]),
        counterparties=len(answer.allocations),
        round=round_,
    )
    telling.emit(account, deleverage_run=run)
    kind = events_pb2.CROSS_LEG_KIND_DELEVERAGED
    by_rank = sorted(answer.allocations, key=lambda row: row.rank)
    for row in by_rank:
        part = events_pb2.Deleveraged(
            liquidated_account=account,
            lots=row.lots,
            quote_atoms=row.quote_atoms,
            haircut_atoms=row.haircut_atoms,
            rank=row.rank,
        )
        telling.emit(row.account, deleveraged=part)
        telling.leg(sequence, row.account, kind, 0, row.lots, row.quote_atoms, 0, 0)
    if by_rank:
        closed, quote = sum(row.lots for row in by_rank), sum(row.quote_atoms for row in by_rank)
        telling.leg(sequence, account, kind, 0, -closed, -quote, 0, 0)


def cancel_op(order: BookOrder, command: int) -> Op:
    """The book drops an order."""
    return order_op(order, CANCELS, command, CANCEL)


def order_op(order: BookOrder, work_class: int, command: int, kind: int, expected: int = 0, bankruptcy: int = 0) -> Op:
    """One operation for the book of the order's market."""
    return {
        "class": work_class,
        "command": command,
        "order": order.number,
        "market": order.market,
        "account": order.account,
        "kind": kind,
        "side": order.side,
        "price_ticks": order.limit,
        "size_lots": order.remaining,
        "expected_lots": expected,
        "time_in_force": order.time_in_force or words.GTC,
        "flags": order.flags,
        "self_trade": order.self_trade or words.EXPIRE_MAKER,
        "client_order_id": order.client_id,
        "bankruptcy_quote_atoms": bankruptcy,
    }
