"""Phase 6: which accounts are below which rung on the new marks, and which of them stay quiet (MT-11, MT-12).

Every account is looked at, those without positions too: cash below zero alone is below every rung.
"""

import numpy as np

from actors.columns import RowGatherer
from actors.cross.book import VAULT, CrossBook
from actors.cross.ladder_rows import LadderRow, read_rows, refreshed, write_rows
from actors.cross.settle import PARTIAL_FILLED
from actors.cross.standings import columns_of_markets, position_columns, standings
from actors.risk.cross_scan import standing_of
from actors.rulebooks import margin_trade
from actors.rulebooks.margin_trade import Rung
from actors.sinks import LADDER, LADDER_QUEUED, LADDER_SETTLE, EventSink
from actors.ways import in_turn
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events

VAULT_RUNG = 3


def scan(book: CrossBook, candidates: RowGatherer[batches.Candidates], ladder_round: int, sink: EventSink) -> None:
    """Adds everybody the ladder is to act on, by account; tells who waits for a market it may not act in."""
    below = {account: (equity, maintenance) for account, equity, maintenance in accounts_below(book)}
    memory = _remember(book)
    everywhere = all(book.is_usable(market) for market in book.markets)
    changed = []
    for account, (equity, maintenance) in below.items():
        rung = rung_of(book, account, equity, maintenance)
        row = memory.get(account)
        waiting = not everywhere and _waits(book, account, rung)
        if waiting:
            if row is None or not row.waiting:
                _tell_waiting(book, account, rung, equity, maintenance, ladder_round, sink)
                changed.append((row or LadderRow(account))._replace(waiting=1))
            continue
        if row is not None:
            if row.waiting:
                changed.append(row._replace(waiting=0))
            if rung == Rung.LIQUIDATABLE and _is_quiet(book, row, equity, maintenance):
                continue
        ratio = margin_trade.ratio_floor_q30(equity, maintenance)
        candidates.add(book.venue, 0, account, 0, rung, 0, equity, maintenance, ratio)
    changed += [row._replace(waiting=0) for account, row in memory.items() if row.waiting and account not in below]
    write_rows(book, changed)


def accounts_below(book: CrossBook) -> list[tuple[int, int, int]]:
    """(account, equity, maintenance margin) of everybody with equity < MM, by account; atoms (MT-11)."""
    accounts = book.accounts.table
    changed = accounts.slots_of(book.unscanned.take())
    if book.way.liquidates_by_row:
        return _checked_below(book)
    # An account without a row was opened while staging, and dropped.
    book.zones.touch(changed[changed >= 0])
    found = book.zones.scan(
        accounts.column("free")[: accounts.slots_made],
        position_columns(book),
        columns_of_markets(book),
        book.positions.chains(),
    )
    found[:, 0] = accounts.index.keys_at(found[:, 0])
    return [(account, equity, maintenance) for account, equity, maintenance in sorted(found.tolist())]


def _checked_below(book: CrossBook) -> list[tuple[int, int, int]]:
    """As a validator does it: no zone is skipped, and the scalar rulebook judges everybody who is below.

    It also goes through the others, a part of them in every block; where it disagrees with the columns the block stops.
    """
    book.zones.forget()
    accounts = book.accounts.table
    made = accounts.slots_made
    columns = standing_of(accounts.column("free")[:made], position_columns(book), columns_of_markets(book))
    numbers = accounts.column("account")[:made]
    looked_at = columns.equity_atoms < columns.maintenance_atoms
    looked_at |= in_turn(numbers, book.height)
    slots = np.flatnonzero(looked_at)
    slots = slots[np.argsort(numbers[slots])]
    looked = numbers[slots].tolist()
    found = []
    for slot, account, standing in zip(slots.tolist(), looked, standings(book, looked), strict=True):
        equity, maintenance = standing.equity_atoms, standing.maintenance_atoms
        by_columns = (int(columns.equity_atoms[slot]), int(columns.maintenance_atoms[slot]))
        assert (equity, maintenance) == by_columns, f"account {account}: {(equity, maintenance)}, not {by_columns}"
        if equity < maintenance:
            found.append((account, equity, maintenance))
    return found


def rung_of(book: CrossBook, account: int, equity_atoms: int, maintenance_atoms: int) -> int:
    """The rung due, 0 for none; the vault skips the first two (MT-11, MT-14)."""
    if account == VAULT:
        return VAULT_RUNG if equity_atoms < maintenance_atoms else Rung.HEALTHY
    rules = book.rules
    return margin_trade.rung_due(equity_atoms, maintenance_atoms, rules.backstop_numerator, rules.backstop_denominator)


def vault_state(book: CrossBook) -> batches.VaultState:
    """The vault's account as the backstop sees it, at the marks in force."""
    health = book.health(VAULT)
    holdings = standings(book, [VAULT])[0].holdings if book.positions.of_account(VAULT) else []
    return batches.VaultState(
        venue=book.venue,
        cash_atoms=book.accounts.free(VAULT),
        equity_atoms=health.equity,
        initial_margin_atoms=health.initial_margin,
        maintenance_atoms=health.maintenance,
        gross_notional_atoms=sum(held.notional_atoms for held in holdings),
        positions=[
            batches.VaultPosition(
                market=held.market,
                lots=held.lots,
                mark_ticks=book.mark_ticks(held.market),
                quote_atoms_per_tick_lot=book.k(held.market),
            )
            for held in holdings
        ],
    )


def _remember(book: CrossBook) -> dict[int, LadderRow]:
    """The ladder's rows, first brought up to this block and to the legs that have just settled."""
    rows = read_rows(book)
    sent = [account for account, row in rows.items() if row.partial_pending]
    after_partial = dict(zip(sent, standings(book, sent), strict=True))
    changed: dict[int, LadderRow] = {}
    for account, before in rows.items():
        row = refreshed(before, book.height, book.block_time_ms)
        if row.partial_pending == PARTIAL_FILLED:
            # MT-12: the pair is that of right after the partial; one that filled nothing starts no cooldown.
            standing = after_partial[account]
            until = book.block_time_ms + book.rules.cooldown_ms
            row = row._replace(
                cooldown_until_ms=until,
                kept_equity=standing.equity_atoms,
                kept_maintenance=standing.maintenance_atoms,
            )
        if row.partial_pending:
            row = row._replace(partial_pending=0)
        if row is not before:
            changed[account] = row
    write_rows(book, list(changed.values()))
    return rows | changed


def _held_markets(book: CrossBook, account: int) -> list[int]:
    return [market for market in book.positions.of_account(account) if book.positions.lots(account, market)]


def _waits(book: CrossBook, account: int, rung: int) -> bool:
    """No market may be acted in; or the whole account would have to move, and in one of them nothing may."""
    usable = [book.is_usable(market) for market in _held_markets(book, account)]
    return not all(usable) and (rung > Rung.LIQUIDATABLE or not any(usable))


def _is_quiet(book: CrossBook, row: LadderRow, equity_atoms: int, maintenance_atoms: int) -> bool:
    """In a cooldown without being worse off than right after the partial, or tried in vain in this block (MT-12)."""
    in_cooldown = row.cooldown_until_ms and book.rules.partial_liquidation
    if in_cooldown and equity_atoms * row.kept_maintenance >= row.kept_equity * maintenance_atoms:
        return True
    if row.acted_height != book.height:
        return False
    usable = [market for market in _held_markets(book, row.account) if book.is_usable(market)]
    return all(book.positions.get(row.account, market, "tried_height") == book.height for market in usable)


def _tell_waiting(
    book: CrossBook, account: int, rung: int, equity: int, maintenance: int, ladder_round: int, sink: EventSink
) -> None:
    market = next(market for market in _held_markets(book, account) if not book.is_usable(market))
    body = events.LadderQueued(
        rung=rung, reason=events.QUEUE_REASON_MARKET, equity_atoms=equity, maintenance_atoms=maintenance
    )
    event = events.Event(venue=book.venue, market=market, account=account, ladder_queued=body)
    sink.emit((LADDER, LADDER_QUEUED, LADDER_SETTLE + account, book.venue << 8 | ladder_round), event)
