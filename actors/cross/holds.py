"""What an order adds to its account's holds, in plain integers; and the free margin accounts have while orders come in.

The arithmetic is that of `rulebooks/margin_trade` (the tests hold the two together), written for the hot path: terms of
a market are bound once a block, the side that does not change is computed only where it can decide.
"""

from collections.abc import Callable
from typing import NamedTuple

from actors.cross.book import CrossBook
from actors.ledger.cross_positions import CrossPosition
from actors.orders.carried import FIRST as FREE
from actors.orders.carried import CarriedColumns
from actors.risk.tiers import Tiers
from actors.risk.tradable import is_usable
from actors.units import E9, LONG, SHORT


class MarginTerms(NamedTuple):
    """What requirements in one market are made from: k is `quote_atoms_per_tick_lot`, first_leverage the default.

    A gain at a mark that is not usable counts as zero.
    """

    mark_ticks: int
    k: int
    tiers: Tiers
    first_leverage: int
    taker_fee_e9: int
    usable: bool


def margin_terms(book: CrossBook, market: int) -> MarginTerms:
    """The market's terms in force; a market that never had a mark counts at 0."""
    tiers, rules, mark = book.tiers[market], book.markets[market].margin_trade, book.marks.get(market)
    ticks, usable = (mark.mark_ticks, is_usable(mark)) if mark else (0, False)
    leverage = tiers.max_leverages[0]
    return MarginTerms(ticks, rules.quote_atoms_per_tick_lot, tiers, leverage, rules.taker_fee_e9, usable)


class TermsOfMarkets(dict[int, MarginTerms]):
    """`margin_terms` by market, bound at the first question."""

    def __init__(self, book: CrossBook) -> None:
        super().__init__()
        self._book = book

    def __missing__(self, market: int) -> MarginTerms:
        terms = self[market] = margin_terms(self._book, market)
        return terms


def initial_margin_ceil_atoms(notional: int, leverage: int, tiers: Tiers) -> int:
    """max(ceil(notional / leverage), 2 * MM) of a notional in atoms (MT-02)."""
    lowers = tiers.lowers_atoms
    tier = 0
    # From below: most notionals are of the lowest tier.
    for lower in lowers[1:]:
        if lower >= notional:
            break
        tier += 1
    doubled = -2 * ((tiers.deductions[tier] - notional * tiers.rates[tier]) // tiers.divisor)
    by_leverage = -(-notional // leverage)
    return by_leverage if by_leverage > doubled else doubled


def side_hold_ceil_atoms(
    position_lots: int, side: int, lots: int, value: int, adverse: int, leverage: int, terms: MarginTerms
) -> int:
    """What the resting orders of one side hold: lots, value and adverse are its sums; 0 while they only reduce."""
    opposite = -side * position_lots
    increase = lots - opposite if opposite > 0 else lots
    if increase <= 0:
        return 0
    mark_ticks, k, tiers, _, taker_fee_e9, _ = terms
    per_lot = mark_ticks * k
    before = abs(position_lots) * per_lot
    added = initial_margin_ceil_atoms(before + increase * per_lot, leverage, tiers)
    if before:
        added -= initial_margin_ceil_atoms(before, leverage, tiers)
    return added - (-value * taker_fee_e9 // E9) + adverse


def market_hold_ceil_atoms(row: CrossPosition, terms: MarginTerms) -> int:
    """The hold of all resting orders of a row: the larger side (MT-02)."""
    leverage = row.leverage or terms.first_leverage
    buys = sells = 0
    if row.buy_lots:
        buys = side_hold_ceil_atoms(row.lots, LONG, row.buy_lots, row.buy_value, row.buy_adverse, leverage, terms)
    if row.sell_lots:
        sells = side_hold_ceil_atoms(row.lots, SHORT, row.sell_lots, row.sell_value, row.sell_adverse, leverage, terms)
    return max(buys, sells)


def with_order(row: CrossPosition, side: int, limit_ticks: int, lots: int, terms: MarginTerms) -> CrossPosition:
    """The row with the lots of an order on its side; lots below zero take them off again."""
    value = lots * limit_ticks * terms.k
    adverse = lots * max(0, side * (limit_ticks - terms.mark_ticks)) * terms.k
    if side == LONG:
        return row._replace(
            buy_lots=row.buy_lots + lots, buy_value=row.buy_value + value, buy_adverse=row.buy_adverse + adverse
        )
    return row._replace(
        sell_lots=row.sell_lots + lots, sell_value=row.sell_value + value, sell_adverse=row.sell_adverse + adverse
    )


def added_hold_atoms(row: CrossPosition, side: int, limit_ticks: int, lots: int, terms: MarginTerms) -> int:
    """By how much the market's hold rises when an order that is not reduce-only joins its side; never negative."""
    _, _, held, _, chosen, buys, buy_value, buy_adverse, sells, sell_value, sell_adverse, *_ = row
    own, other = (buys, buy_value, buy_adverse), (sells, sell_value, sell_adverse)
    if side != LONG:
        own, other = other, own
    mark_ticks, k, _, first_leverage, _, _ = terms
    leverage = chosen or first_leverage
    resting, value, adverse = own
    per_tick, gap = lots * k, side * (limit_ticks - mark_ticks)
    value += limit_ticks * per_tick
    if gap > 0:
        adverse += gap * per_tick
    after = side_hold_ceil_atoms(held, side, resting + lots, value, adverse, leverage, terms)
    if after == 0:
        return 0
    # All of it is new where neither side has an order: the usual case.
    before = side_hold_ceil_atoms(held, side, *own, leverage, terms) if resting else 0
    if other[0] and before < after:
        opposite = side_hold_ceil_atoms(held, -side, *other, leverage, terms)
        before = opposite if opposite > before else before
    return after - before if after > before else 0


def increasing_atoms(row: CrossPosition, terms: MarginTerms) -> int:
    """Notional at the mark of what the row's resting orders, both sides, would open or add (MT-04)."""
    buys = max(0, row.buy_lots - max(0, -row.lots))
    sells = max(0, row.sell_lots - max(0, row.lots))
    return (buys + sells) * terms.mark_ticks * terms.k


def free_margin_atoms(book: CrossBook, account: int, terms_of: Callable[[int], MarginTerms]) -> int:
    """equity - sum of IM - sum of holds, atoms; below zero the account fails margin (MT-02)."""
    positions = book.positions
    free = book.accounts.free(account)
    for market in positions.of_account(account):
        row, terms = positions.read(account, market), terms_of(market)
        if row.lots:
            value = row.lots * terms.mark_ticks * terms.k
            upnl = value - row.cost
            leverage = row.leverage or terms.first_leverage
            free += upnl if terms.usable else min(0, upnl)
            free -= initial_margin_ceil_atoms(abs(value), leverage, terms.tiers)
        if row.buy_lots or row.sell_lots:
            free -= market_hold_ceil_atoms(row, terms)
    return free


class CarriedAtoms:
    """An amount by account: computed when first needed, then carried along with every change admission makes.

    `columns` is where runs of a kernel carry it, in this column.
    """

    def __init__(
        self,
        book: CrossBook,
        terms_of: Callable[[int], MarginTerms],
        compute: Callable[[CrossBook, int, Callable[[int], MarginTerms]], int],
        columns: CarriedColumns,
        column: int,
    ) -> None:
        self._book = book
        self._terms_of = terms_of
        self._compute = compute
        self._columns = columns
        self._column = column
        self._atoms: dict[int, int] = {}

    def of(self, account: int) -> int:
        """The account's amount as it stands, atoms."""
        if not self.knows(account):
            self._atoms[account] = self._compute(self._book, account, self._terms_of)
        return self._atoms[account]

    def knows(self, account: int) -> bool:
        """It is carried already."""
        if account in self._atoms:
            return True
        atoms = self._columns.take_over(self._column, account)
        if atoms is not None:
            self._atoms[account] = atoms
        return atoms is not None

    def take(self, account: int, atoms: int) -> None:
        """It fell by so much; told with every change."""
        if self.knows(account):
            self._atoms[account] -= atoms

    def lend(self) -> None:
        """Hands all amounts to the columns, which a kernel is about to work on."""
        lend, column = self._columns.lend, self._column
        self._atoms = {account: atoms for account, atoms in self._atoms.items() if not lend(column, account, atoms)}


class FreeMargins(CarriedAtoms):
    """Free margin by account (MT-02)."""

    def __init__(self, book: CrossBook, terms_of: Callable[[int], MarginTerms], columns: CarriedColumns) -> None:
        super().__init__(book, terms_of, free_margin_atoms, columns, FREE)
