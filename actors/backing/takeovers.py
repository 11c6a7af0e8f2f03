"""Rung 2: the vault takes an account over or refuses, and what a refusal asks of the other side (MT-13, MT-15).

An account accepted moves whole: its positions at the mark, its equity as cash, exactly. One refused is first paid its
deficit by the fund, if the fund can pay all of it; then each of its positions is to be closed at the quote that uses
up its share of the equity (or at the mark of the block before, where the venue says so).
"""

from typing import NamedTuple

from actors.backing.desk import TAKEOVERS, VAULT, BackstopDesk
from actors.backing.funds import pay_deficit
from actors.backing.state import BackstopBook
from actors.columns import row_count, rows
from actors.risk.bankruptcy import equity_shares_atoms
from actors.units import INT64_MAX, PPM, div_ceil, div_floor, mul_div_ceil
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events

_HUNDREDTHS = 100


class OfferedPosition(NamedTuple):
    """One position of an account that is offered; the quote is lots * mark * k, exact."""

    market: int
    lots: int
    mark_quote_atoms: int
    maintenance_atoms: int
    mark_ticks: int

    @property
    def lot_value_atoms(self) -> int:
        """What one lot is worth at the mark, exact."""
        value = div_floor(self.mark_quote_atoms * (1 if self.lots > 0 else -1), abs(self.lots))
        assert value * self.lots == self.mark_quote_atoms, f"{self.mark_quote_atoms} is no value of {self.lots} lots"
        return value


class Inventory:
    """The vault while a call offers it accounts: equity, and lots and value of a lot at mark, by market."""

    def __init__(self, vault: batches.VaultState) -> None:
        self.equity_atoms = vault.equity_atoms
        self._lots = {row.market: row.lots for row in vault.positions}
        self._lot_value_atoms = {row.market: row.mark_ticks * row.quote_atoms_per_tick_lot for row in vault.positions}
        self._gross_atoms = vault.gross_notional_atoms

    def gross_after_atoms(self, offered: list[OfferedPosition]) -> int:
        """Gross notional at mark with these positions netted in, exact."""
        gross = self._gross_atoms
        for row in offered:
            lots = self._lots.get(row.market, 0)
            gross += (abs(lots + row.lots) - abs(lots)) * row.lot_value_atoms
        return gross

    def take(self, offered: list[OfferedPosition], equity_atoms: int) -> None:
        """Nets an accepted account in."""
        self._gross_atoms = self.gross_after_atoms(offered)
        self.equity_atoms += equity_atoms
        for row in offered:
            self._lots[row.market] = self._lots.get(row.market, 0) + row.lots


class Offer(NamedTuple):
    """An account on rung 2, or the vault itself where `direct` is set."""

    sequence: int
    venue: int
    account: int
    equity_atoms: int
    maintenance_atoms: int
    direct: int


def take_offers(desk: BackstopDesk, offers: batches.Offers, positions: batches.OfferPositions) -> None:
    """Accepts or refuses each by sequence; what is accepted counts for the next."""
    if not row_count(offers):
        return
    listed = _positions_by_account(positions)
    inventory = Inventory(desk.book.vault)
    for row in rows(offers):
        offer = Offer(*row)
        if offer.venue != desk.book.venue:
            continue
        offered = listed.get((offer.sequence, offer.account), [])
        if not offered and not offer.direct:
            # Nothing to take over but a debt: that is the fund's, whole, or the shortfall's in the next round (MT-16a).
            pay_deficit(desk, offer.sequence, offer.account, -offer.equity_atoms)
            continue
        refused = _why_not_taken(desk.book, inventory, offer, offered)
        if refused is None:
            inventory.take(offered, offer.equity_atoms)
            _take_over(desk, offer, offered)
        else:
            _refuse(desk, offer, offered, *refused)


def _positions_by_account(positions: batches.OfferPositions) -> dict[tuple[int, int], list[OfferedPosition]]:
    listed: dict[tuple[int, int], list[OfferedPosition]] = {}
    for sequence, _, market, account, lots, mark_quote, maintenance, mark in rows(positions):
        row = OfferedPosition(market, lots, mark_quote, maintenance, mark)
        listed.setdefault((sequence, account), []).append(row)
    for offered in listed.values():
        offered.sort(key=lambda row: row.market)
    return listed


def _why_not_taken(
    book: BackstopBook, inventory: Inventory, offer: Offer, offered: list[OfferedPosition]
) -> tuple["events.TakeoverLimit", int, int] | None:
    """The limit that says no, with what it requires and what would be, on the state after; or None.

    A vault without equity after it has no leverage to name: INT64_MAX.
    """
    if offer.direct:
        return events.TAKEOVER_LIMIT_VAULT, offer.maintenance_atoms, offer.equity_atoms
    rules = book.terms.margin_trade
    equity = inventory.equity_atoms + offer.equity_atoms
    gross, limit = inventory.gross_after_atoms(offered), rules.vault_max_leverage_hundredths
    if equity <= 0:
        return events.TAKEOVER_LIMIT_LEVERAGE, limit, INT64_MAX
    if gross * _HUNDREDTHS > limit * equity:
        leverage = min(div_ceil(gross * _HUNDREDTHS, equity), INT64_MAX)
        return events.TAKEOVER_LIMIT_LEVERAGE, limit, leverage
    lowest = mul_div_ceil(book.high_nav_atoms, PPM - rules.vault_loss_limit_ppm, PPM)
    if equity < lowest:
        return events.TAKEOVER_LIMIT_LOSS, lowest, equity
    return None


def _take_over(desk: BackstopDesk, offer: Offer, offered: list[OfferedPosition]) -> None:
    """MT-13: positions at mark and the whole equity move; what the account's legs lose the vault's gain."""
    body = events.TakenOver(
        equity_atoms=offer.equity_atoms, maintenance_atoms=offer.maintenance_atoms, round=desk.ladder_round
    )
    for row in offered:
        body.positions.add(
            market=row.market, lots=row.lots, mark_ticks=row.mark_ticks, quote_atoms=row.mark_quote_atoms
        )
    desk.emit(offer.account, taken_over=body)
    value = sum(row.mark_quote_atoms for row in offered)
    sequence = offer.sequence
    desk.leg(TAKEOVERS, sequence, offer.account, events.CROSS_LEG_KIND_TAKEN, value - offer.equity_atoms)
    for row in offered:
        kind = events.CROSS_LEG_KIND_TAKEOVER
        desk.leg(TAKEOVERS, sequence, VAULT, kind, market=row.market, lots=row.lots, quote_atoms=row.mark_quote_atoms)
    desk.leg(TAKEOVERS, sequence, VAULT, events.CROSS_LEG_KIND_CASH, offer.equity_atoms)


def _refuse(
    desk: BackstopDesk,
    offer: Offer,
    offered: list[OfferedPosition],
    limit: "events.TakeoverLimit",
    required: int,
    actual: int,
) -> None:
    """The account goes to rung 3: the fund first, then one demand a market."""
    body = events.TakeoverRefused(
        equity_atoms=offer.equity_atoms,
        maintenance_atoms=offer.maintenance_atoms,
        limit=limit,
        required=required,
        actual=actual,
        round=desk.ladder_round,
    )
    desk.emit(offer.account, takeover_refused=body)
    equity = offer.equity_atoms
    if equity < 0 and pay_deficit(desk, offer.sequence, offer.account, -equity):
        equity = 0
    if not offered:
        return
    for row, quote in zip(offered, _closing_quotes(desk.book, equity, offered), strict=True):
        desk.demands.add(offer.sequence, desk.book.venue, row.market, offer.account, row.lots, quote)


def _closing_quotes(book: BackstopBook, equity: int, offered: list[OfferedPosition]) -> list[int]:
    """What closing each position brings in (a short: costs, below zero), in the order of the markets."""
    if book.terms.margin_trade.deleverage_price != common.DELEVERAGE_PRICE_PREVIOUS_MARK:
        shares = equity_shares_atoms(equity, [row.maintenance_atoms for row in offered])
        return [row.mark_quote_atoms - share for row, share in zip(offered, shares, strict=True)]
    return [_at_mark_before(book, row) for row in offered]


def _at_mark_before(book: BackstopBook, row: OfferedPosition) -> int:
    """The position's value at the mark of the block before; at its own where that block had none."""
    before = book.marks[row.market].mark_ticks if row.market in book.marks else 0
    per_tick = div_floor(row.lot_value_atoms, row.mark_ticks)
    return row.lots * (before or row.mark_ticks) * per_tick
