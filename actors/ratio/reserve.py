"""Liquidators set aside what they would take over (SP-07), before the owners' shards are asked; refusals here."""

from actors.columns import RowGatherer, rows
from actors.orders.checks import why_market_stops
from actors.ratio.book import RatioBook
from actors.ratio.health import Health, Terms, health, required_ceil_atoms
from actors.ratio.losses import live_losses_atoms
from actors.rulebooks import spin
from actors.sinks import PAY_OUT, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals


def reserve(
    book: RatioBook,
    requests: batches.TakeoverRows,
    reservations: RowGatherer[batches.Reservations],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    """The venue's `Liquidate` commands in their order; what passes goes to the owners' shards."""
    terms = Terms(book)
    for command, _, account, market, target, lots in rows(requests):
        refused = _why_not_asked(book, account, market, target, lots, terms)
        after = _with_reserved(_spare(book, account, terms), market, lots, terms)
        if not refused and not spin.stays_above_one(after.equity, after.collateral_e9):
            required = required_ceil_atoms(after.collateral_e9)
            refused = Refused(refusals.REFUSAL_LIQUIDATOR_RATIO, required, after.equity)
        key = (PAY_OUT, command, 1, 0)
        if refused:
            answers.refuse(key, command, refused, book.venue, market, account)
            continue
        book.reservations.add(book.height << 20 | command, account, market, lots)
        reservations.add(command, book.venue, target, market, account, lots)
        body = events.TakeoverReserved(
            target=target,
            lots=lots,
            equity_atoms=after.equity,
            collateral_atoms=required_ceil_atoms(after.collateral_e9),
        )
        sink.emit(key, events.Event(venue=book.venue, market=market, account=account, takeover_reserved=body))


def _why_not_asked(book: RatioBook, account: int, market: int, target: int, lots: int, terms: Terms) -> Refused | None:
    """ACCOUNT_FROZEN, OWN_ACCOUNT, the market's state, BELOW_STEP, POSITION_CAP."""
    if book.accounts.is_frozen(account):
        return Refused(refusals.REFUSAL_ACCOUNT_FROZEN, 0, account)
    if target == account:
        return Refused(refusals.REFUSAL_OWN_ACCOUNT, 0, account)
    if not book.is_usable(market):
        return why_market_stops(book, market)
    rules = terms[market]
    if lots < rules.step_lots or lots % rules.step_lots:
        return Refused(refusals.REFUSAL_BELOW_STEP, rules.step_lots, lots)
    row = book.positions.read(account, market)
    largest = row.reserved + lots + max(row.lots + row.buy_lots, row.sell_lots - row.lots)
    if largest > rules.max_position_lots:
        return Refused(refusals.REFUSAL_POSITION_CAP, rules.max_position_lots, largest)
    return None


def _spare(book: RatioBook, account: int, terms: Terms) -> Health:
    """The liquidator, what its live orders may still lose against the mark taken off its equity."""
    standing = health(book, account, terms)
    return standing._replace(equity=standing.equity - sum(live_losses_atoms(book, account, terms).values()))


def _with_reserved(standing: Health, market: int, lots: int, terms: Terms) -> Health:
    """The liquidator with lots of a market more set aside. Which side they are is not known: the larger counts."""
    mark_ticks, k, collateral_e9, *_ = terms[market]
    added = spin.collateral_atoms_e9(lots, mark_ticks, k, collateral_e9)
    return standing._replace(reserved_e9=standing.reserved_e9 + added)
