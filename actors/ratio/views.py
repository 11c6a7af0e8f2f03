"""A Spin venue as readers see it between blocks: accounts, and the standings bots decide on."""

from collections.abc import Iterable, Sequence

import numpy as np

from actors.columns import RowGatherer, array, from_matrix, sorted_columns
from actors.ledger.account_marks import Int64Array
from actors.ledger.account_views import balances_view, cash_columns
from actors.ledger.position_rows import LOTS, MARKET_BITS
from actors.ledger.ratio_positions import RatioPosition
from actors.orders.views import order_view
from actors.ratio.book import RatioBook
from actors.ratio.health import Health, MarketTerms, Terms, accrued_ceil_atoms, health, required_ceil_atoms
from actors.ratio.losses import live_losses_atoms
from actors.rulebooks import spin
from actors.units import E9, INT64_MAX, div_floor
from breakwater.v1 import batches_pb2 as batches

_MARKET_MASK = (1 << MARKET_BITS) - 1


def account_view(book: RatioBook, account: int) -> batches.AccountView:
    """The account as a reader sees it; `exists` is false where there is none. free_atoms is its signed cash.

    The owner is the registry's to say.
    """
    view = balances_view(book, account)
    if view.exists:
        view.ratio.CopyFrom(_ratio_view(book, account))
    return view


def _ratio_view(book: RatioBook, account: int) -> batches.RatioView:
    terms = Terms(book)
    standing = health(book, account, terms)
    view = batches.RatioView(
        cash_atoms=book.accounts.free(account),
        equity_atoms=standing.equity,
        position_collateral_atoms=required_ceil_atoms(standing.positions_e9),
        order_collateral_atoms=required_ceil_atoms(standing.orders_e9),
        ratio_e9=_ratio_floor_e9(standing.equity, standing.collateral_e9),
        ratio_without_orders_e9=_ratio_floor_e9(standing.equity, standing.positions_e9),
        tier=_tier(standing),
        withdrawable_atoms=_withdrawable(book, account, standing),
        accrued_funding_atoms=standing.accrued,
        reserved_atoms=required_ceil_atoms(standing.reserved_e9),
    )
    for market in book.positions.of_account(account):
        row = book.positions.read(account, market)
        if row.lots:
            view.positions.append(_position_view(book, row, standing, terms[market]))
    view.orders.extend(order_view(book, order) for order in book.orders.of_account(account))
    return view


def _ratio_floor_e9(equity: int, collateral_e9: int) -> int:
    """Mr in 1e-9, rounded down; INT64_MAX where nothing needs collateral."""
    if not collateral_e9:
        return INT64_MAX
    return max(-INT64_MAX, min(INT64_MAX, div_floor(equity * E9 * E9, collateral_e9)))


def _tier(standing: Health) -> int:
    """Opening asks with orders, being liquidated without them (SP-04, SP-05)."""
    tier = spin.tier_of(standing.equity, standing.positions_e9)
    if tier >= spin.Tier.PARTIAL:
        return tier
    return spin.Tier.OPEN if standing.is_open else spin.Tier.REDUCE_ONLY


def _withdrawable(book: RatioBook, account: int, standing: Health) -> int:
    """What a withdrawal may take now, and nothing beyond cash (SP-04)."""
    held = [market for market in book.positions.of_account(account) if book.positions.lots(account, market)]
    if book.accounts.is_frozen(account) or not all(book.is_usable(market) for market in held):
        return 0
    staked = sum(live_losses_atoms(book, account, Terms(book)).values())
    may_leave = spin.withdrawable_floor_atoms(standing.equity - staked, standing.collateral_e9)
    return max(0, min(book.accounts.free(account), may_leave))


def _position_view(
    book: RatioBook, row: RatioPosition, standing: Health, terms: MarketTerms
) -> batches.RatioPositionView:
    mark, k, rate, *_ = terms
    worth = (row.lots, mark, k)
    penalty_e9 = book.rules.liquidator_reward_e9 + book.rules.insurance_share_e9
    found = spin.liquidation_price_estimate_ticks(*worth, standing.equity, standing.positions_e9, rate)
    closable = spin.closable_lots(standing.equity, standing.positions_e9, *worth, rate, penalty_e9, terms.step_lots)
    return batches.RatioPositionView(
        market=row.market,
        lots=row.lots,
        cost_atoms=row.cost,
        mark_ticks=mark,
        notional_atoms=spin.notional_atoms(*worth),
        upnl_atoms=spin.upnl_atoms(row.lots, row.cost, mark, k),
        collateral_atoms=required_ceil_atoms(spin.collateral_atoms_e9(*worth, rate)),
        accrued_funding_atoms=accrued_ceil_atoms(row, terms),
        liquidation_ticks=found or 0,
        liquidatable_lots=closable if terms.usable else 0,
        reserved_lots=row.reserved,
    )


def standings(book: RatioBook) -> batches.StandingRows:
    """Every account with a position or lots reserved: its cash, then its positions, by (account, market)."""
    table = book.positions.table
    standing = (table.column("lots") != 0) | (table.column("reserved") != 0)
    slots = np.flatnonzero(standing[: table.slots_made]).tolist()
    accounts = sorted({table.key_at(slot) >> MARKET_BITS for slot in slots})
    held = [key for account in accounts for key in _keys_of(book, account) if table.cells(key)[LOTS]]
    return from_matrix(batches.StandingRows, _told(book, accounts, held))


def changed_standings(book: RatioBook, listed: RowGatherer[batches.StandingRows]) -> None:
    """Accounts whose cash or positions changed since the block began; a position that is gone has no lots."""
    if book.changed:
        moved = [key for key in book.positions.moved if key >> MARKET_BITS in book.changed]
        listed.add_columns(_told(book, sorted(book.changed), moved))


def _keys_of(book: RatioBook, account: int) -> list[int]:
    return [book.positions.key(account, market) for market in book.positions.of_account(account)]


def _told(book: RatioBook, accounts: Sequence[int], keys: Iterable[int]) -> Int64Array:
    """Columns of `StandingRows`: cash of these accounts and their positions under these keys, by (account, market)."""
    told = RowGatherer(batches.StandingRows)
    told.add_columns(cash_columns(book, array(accounts)))
    for key in keys:
        account = key >> MARKET_BITS
        if account in book.accounts:
            row = book.positions.read(account, key & _MARKET_MASK)
            told.add(book.venue, account, row.market, 0, row.lots, row.cost, row.paid_e9)
    return sorted_columns(batches.StandingRows, told.matrix(), "account", "market")
