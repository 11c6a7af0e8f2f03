"""LP moves: deposits into the vault and redemptions out of it, both at its marked NAV (MT-14).

Refusals of a deposit, in their order: a market of the inventory whose mark may not be used, POOL_INSOLVENT,
NO_SHARES_MINTED, VENUE_TOTAL. Of a redemption: that market, INSUFFICIENT_SHARES, SHARES_LOCKED, POOL_INSOLVENT,
VAULT_BELOW_MARGIN.
"""

from actors.backing.desk import LIQUIDITY, VAULT, BackstopDesk
from actors.backing.state import BackstopBook
from actors.columns import rows
from actors.risk.tradable import is_usable, why_not_tradable
from actors.rulebooks import margin_trade
from actors.sinks import Refused
from actors.units import INT64_MAX, TOTAL_BOUND, mul_div_floor
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals


def move_liquidity(desk: BackstopDesk, moves: batches.LiquidityOps) -> None:
    """In command order; a deposit that is refused goes back to the account's cash."""
    for command, venue, account, direction, amount in rows(moves):
        if venue != desk.book.venue:
            continue
        refused = (_mint if direction > 0 else _redeem)(desk, command, account, amount)
        if refused:
            desk.refuse(command, refused, account)
            if direction > 0:
                move = desk.reference(command)
                desk.leg(LIQUIDITY, command, account, events.CROSS_LEG_KIND_RELEASE, amount, reference=move)


def raise_high_nav(book: BackstopBook) -> None:
    """Once a block: the NAV the loss limit is counted from never falls but with a redemption."""
    book.high_nav_atoms = max(book.high_nav_atoms, book.vault.equity_atoms)


def _mint(desk: BackstopDesk, command: int, account: int, amount: int) -> Refused | None:
    """Shares for a deposit, rounded down in favour of the LPs there."""
    book, holdings = desk.book, desk.book.holdings
    nav = book.vault.equity_atoms
    refused = _why_not_priced(book)
    if refused:
        return refused
    if holdings.total and nav <= 0:
        return Refused(refusals.REFUSAL_POOL_INSOLVENT, 1, nav)
    minted = margin_trade.mint_shares_floor(amount, holdings.total, nav)
    if not minted:
        return Refused(refusals.REFUSAL_NO_SHARES_MINTED, 1, 0)
    if holdings.total + minted >= TOTAL_BOUND:
        return Refused(refusals.REFUSAL_VENUE_TOTAL, TOTAL_BOUND, min(holdings.total + minted, INT64_MAX))
    holdings.add(account, book.now_ms + book.terms.margin_trade.vault_lock_ms, minted)
    _move_vault(book, amount)
    book.high_nav_atoms += amount
    body = events.SharesMinted(
        amount_atoms=amount, micro_shares=minted, nav_atoms=nav, total_micro_shares=holdings.total
    )
    desk.emit(account, shares_minted=body)
    move = desk.reference(command)
    desk.leg(LIQUIDITY, command, account, events.CROSS_LEG_KIND_MINTED, amount, reference=move)
    desk.leg(LIQUIDITY, command, VAULT, events.CROSS_LEG_KIND_CASH, amount, reference=move)
    desk.done(command, minted, amount)
    return None


def _redeem(desk: BackstopDesk, command: int, account: int, shares: int) -> Refused | None:
    """Cash for shares, rounded down in favour of the LPs that stay. The high falls by their part of it, floor."""
    book, holdings = desk.book, desk.book.holdings
    nav = book.vault.equity_atoms
    refused = _why_not_priced(book) or _why_not_free(book, account, shares)
    if refused:
        return refused
    amount = margin_trade.redeem_floor_atoms(shares, holdings.total, nav)
    if amount <= 0:
        return Refused(refusals.REFUSAL_POOL_INSOLVENT, 1, min(nav, amount))
    if nav - amount < book.vault.initial_margin_atoms:
        return Refused(refusals.REFUSAL_VAULT_BELOW_MARGIN, book.vault.initial_margin_atoms, nav - amount)
    book.high_nav_atoms -= mul_div_floor(book.high_nav_atoms, shares, holdings.total)
    holdings.take(account, shares)
    _move_vault(book, -amount)
    body = events.SharesRedeemed(
        amount_atoms=amount, micro_shares=shares, nav_atoms=nav, total_micro_shares=holdings.total
    )
    desk.emit(account, shares_redeemed=body)
    move = desk.reference(command)
    desk.leg(LIQUIDITY, command, account, events.CROSS_LEG_KIND_REDEMPTION, amount, reference=move)
    desk.leg(LIQUIDITY, command, VAULT, events.CROSS_LEG_KIND_CASH, -amount, reference=move)
    desk.done(command, shares, amount)
    return None


def _why_not_free(book: BackstopBook, account: int, shares: int) -> Refused | None:
    held = book.holdings.of_account(account)
    if held < shares:
        return Refused(refusals.REFUSAL_INSUFFICIENT_SHARES, shares, held)
    if book.holdings.free(account, book.now_ms) < shares:
        free_from_ms = book.holdings.free_from_ms(account, shares)
        return Refused(refusals.REFUSAL_SHARES_LOCKED, free_from_ms, book.now_ms)
    return None


def _why_not_priced(book: BackstopBook) -> Refused | None:
    """Gains at a mark that may not be used count as zero: shares priced by such a NAV would be given away."""
    for position in book.vault.positions:
        mark = book.marks.get(position.market)
        if mark is None or is_usable(mark):
            continue
        if mark.state == common.MARK_STATE_REDUCE_ONLY:
            return Refused(refusals.REFUSAL_MARKET_REDUCE_ONLY, 0, mark.age_ms)
        return why_not_tradable(mark, 0)
    return None


def _move_vault(book: BackstopBook, amount: int) -> None:
    book.vault.cash_atoms += amount
    book.vault.equity_atoms += amount
