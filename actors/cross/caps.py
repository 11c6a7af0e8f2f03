"""What the books must know of accounts: who fails margin, and where those with reduce-only orders stand (MT-02).

A resting order is held again at every mark. The book never fills what an account here may not trade: of an account that
fails margin only what reduces its position, of the others that much for their reduce-only orders.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actors.columns import RowGatherer
from actors.cross.book import CrossBook
from actors.cross.holds import MarginTerms, TermsOfMarkets, free_margin_atoms, margin_terms
from actors.cross.margin_kernel import term_cells
from actors.cross.margin_look import look
from actors.cross.margin_zones import Found, Looked
from actors.ledger.account_marks import ascending
from actors.ledger.row_chains import rows_of_owners
from actors.orders import caps as caps_of
from actors.orders.check_kernel import FEE_E9, MARK, MOST_LOTS, RULES, USABLE, K
from actors.units import TOTAL_BOUND
from actors.ways import in_turn
from breakwater.v1 import batches_pb2 as batches

Int64Array = NDArray[np.int64]


class MarginRules(NamedTuple):
    """The markets as the margin kernel reads them, by number: `others` without the mark and what it makes possible."""

    terms: dict[int, MarginTerms]
    cells: Int64Array
    others: Int64Array


def scan_caps(book: CrossBook, caps: RowGatherer[batches.PositionCaps]) -> None:
    """Of who fails margin (free margin below 0) and of reduce-only orders."""
    changed = book.accounts.slots_of(book.touched.fresh())
    if book.way.trades_by_row:
        book.margin_zones.forget()
        caps_of.scan_caps(book, caps, lambda owners: _failing(book, owners))
        return
    # An account without a row was opened while staging, and dropped.
    found = _look_around(book, changed[changed >= 0])
    failing = found.failing
    if found.unsure.size:
        failing = np.concatenate([failing, _failing_of(book, found.unsure)])
    if book.way.liquidates_by_row:
        _judge(book, failing)
    if not failing.size and not found.reducing.size:
        book.capped = set()
        return
    told = ascending(np.concatenate([failing, found.reducing]))
    accounts = book.accounts.table.column("account")[told]
    told = told[np.argsort(accounts)]
    table = book.positions.table
    counts, rows = rows_of_owners(book.positions.chains(), table.index.arrays.keys, told)
    fails = np.repeat(np.isin(told, failing), counts)
    asked = (table.column("resting")[rows] != 0) & (fails | (table.column("reduce_only")[rows] != 0))
    rows, fails = rows[asked], fails[asked]
    book.capped = set(table.index.keys_at(rows).tolist())
    cells = [table.column(name)[rows] for name in ("market", "account", "lots")]
    caps.add_columns(np.stack([np.full(rows.size, book.venue), *cells, fails]).astype(np.int64))


def _failing(book: CrossBook, owners: Int64Array) -> NDArray[np.bool_]:
    """By slot of an account: its free margin is below 0. Asked only of these, by the scalar rulebook."""
    accounts = book.accounts.table
    failing = np.zeros(accounts.slots_made, dtype=np.bool_)
    for slot in owners.tolist():
        failing[slot] = book.health(accounts.key_at(slot)).free_margin < 0
    return failing


def _judge(book: CrossBook, failing: Int64Array) -> None:
    """The scalar rulebook on everybody who fails, and on a part of the others in every block; a difference stops it."""
    accounts, positions = book.accounts.table, book.positions
    in_this_block = np.flatnonzero(in_turn(accounts.column("account")[: accounts.slots_made], book.height))
    told = set(failing.tolist())
    for slot in sorted(told.union(in_this_block.tolist())):
        account = accounts.key_at(slot)
        rests = any(positions.get(account, market, "resting") for market in positions.of_account(account))
        fails = rests and book.health(account).free_margin < 0
        assert fails == (slot in told), f"account {account}: fails margin {fails} by row, {slot in told} by columns"


def _failing_of(book: CrossBook, slots: Int64Array) -> Int64Array:
    """Those of these accounts whose free margin is below 0, in Python's integers."""
    terms_of = TermsOfMarkets(book).__getitem__
    key_at = book.accounts.table.key_at
    fails = [free_margin_atoms(book, key_at(slot), terms_of) < 0 for slot in slots.tolist()]
    return slots[np.array(fails, dtype=np.bool_)]


def _look_around(book: CrossBook, changed: Int64Array) -> Found:
    """Asks the zones, of which the mark and what lots it makes possible are no rules."""
    _, rules, others = _rules_in_force(book)
    positions = book.positions
    cash = book.accounts.table.column("free")
    made = book.accounts.table.slots_made

    def look_at(slots: Int64Array) -> Looked:
        return look(slots, *positions.chains(), cash, positions.table.whole(), rules)

    return book.margin_zones.scan(changed, made, rules[:, MARK].copy(), others, look_at)


def _rules_in_force(book: CrossBook) -> MarginRules:
    """`_rules`, made anew only where a market's terms are others than at the last scan."""
    terms = {market: margin_terms(book, market) for market in book.markets}
    if book.margin_rules is None or terms != book.margin_rules.terms:
        cells = _rules(book)
        others = cells.copy()
        others[:, (MARK, MOST_LOTS)] = 0
        book.margin_rules = MarginRules(terms, cells, others)
    return book.margin_rules


def _rules(book: CrossBook) -> Int64Array:
    """The markets as the margin kernel reads them, by number; what only admission asks is 0."""
    terms = {market: margin_terms(book, market) for market in book.markets}
    deepest = max((len(term_cells(one)) for one in terms.values()), default=0)
    rules = np.zeros((max(terms, default=0) + 1, RULES + deepest), dtype=np.int64)
    for market, one in terms.items():
        mark, k, own = one.mark_ticks, one.k, term_cells(one)
        rules[market, (MARK, K, MOST_LOTS)] = mark, k, (TOTAL_BOUND - 1) // (mark * k) if mark else TOTAL_BOUND
        rules[market, (USABLE, FEE_E9)] = one.usable, one.taker_fee_e9
        rules[market, RULES : RULES + len(own)] = own
    return rules
