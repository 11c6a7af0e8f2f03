"""Invariants of a Spin venue after a block: reservations, debts, the fund's account, and what each takeover left.

Columns are looked over for everybody; accounts one by one only where an event of the block names them.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from actors.columns import rows
from actors.ratio.book import RatioBook
from actors.ratio.health import Health, Terms, health, required_ceil_atoms
from actors.rulebooks import spin
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from cluster.conservation import CrossOutbox
from cluster.replica import Replica

# `height << 20 | command` numbers a reservation.
_COMMAND_BITS = 20


def ratio_faults(replica: Replica, venue: int, told: Iterable[events.Event]) -> list[str]:
    """What does not hold; `told` are the events of the block, of all venues."""
    books = replica.ratio_books(venue)
    mine = [event for event in told if event.venue == venue]
    faults = _fund_faults(replica.insurance(venue), mine)
    for book in books:
        faults += _stale_reservations(book)
        faults += _unclaimed_debts(book, replica.state.cross_outbox)
        faults += _takeover_faults(book, mine)
        faults += _liquidator_faults(book, mine)
    return [f"venue {venue} {fault}" for fault in faults]


def _stale_reservations(book: RatioBook) -> list[str]:
    """A reservation is for the block that made it; the legs of the next end it (SP-07)."""
    numbers = book.reservations.table.keys() if len(book.reservations.table) else []
    old = [number for number in numbers if number >> _COMMAND_BITS != book.height]
    return [f"reservation {number} of height {number >> _COMMAND_BITS} outlived its block" for number in old]


def _unclaimed_debts(book: RatioBook, outbox: CrossOutbox) -> list[str]:
    """Nobody without positions is below zero but for what the insurance desk is about to pay (SP-09)."""
    accounts = book.accounts.table
    slots = np.flatnonzero(accounts.column("free")[: accounts.slots_made] < 0).tolist()
    below = sorted(account for account in map(accounts.key_at, slots) if book.positions.is_flat(account))
    if not below:
        return []
    paid = dict.fromkeys(below, 0)
    for leg in rows(outbox):
        _, _, _, _, venue, account, kind, *_, amount, _ = leg
        if venue == book.venue and kind == events.CROSS_LEG_KIND_CASH and account in paid:
            paid[account] += amount
    left = {account: book.accounts.free(account) + paid[account] for account in below}
    return [f"account {account} has {cash} atoms and no position" for account, cash in left.items() if cash < 0]


def _fund_faults(desk: batches.InsuranceView, told: Sequence[events.Event]) -> list[str]:
    """Every atom of the fund has a source, and the events say where each went (SP-08, SP-09)."""
    sums, faults = desk.sums, []
    explained = sums.deposited_atoms + desk.shares_atoms - desk.rewards_atoms - desk.deficits_atoms
    if sums.fund_atoms < 0 or sums.fund_atoms != explained:
        faults.append(f"the fund has {sums.fund_atoms} atoms, {explained} are explained")
    moves = [event.insurance_moved for event in told if event.HasField("insurance_moved")]
    for before, move in pairwise(moves):
        if before.fund_atoms + move.amount_atoms != move.fund_atoms:
            faults.append(f"the fund went from {before.fund_atoms} by {move.amount_atoms} to {move.fund_atoms} atoms")
    if moves and moves[-1].fund_atoms != sums.fund_atoms:
        faults.append(f"the fund has {sums.fund_atoms} atoms, its last move left {moves[-1].fund_atoms}")
    losses = [event.shortfall_recorded for event in told if event.HasField("shortfall_recorded")]
    if losses and losses[-1].shortfall_atoms != sums.shortfall_atoms:
        faults.append(
            f"the shortfall is {sums.shortfall_atoms} atoms, its last event says {losses[-1].shortfall_atoms}"
        )
    return faults


def _takeover_faults(book: RatioBook, told: Sequence[events.Event]) -> list[str]:
    """Each account as its last takeover of the block left it; admission moves neither equity nor positions."""
    taken = {event.account: event for event in told if event.HasField("account_liquidated")}
    terms = Terms(book)
    return [
        f"account {account}: {fault}"
        for account, event in sorted(taken.items())
        if account in book.accounts
        for fault in _after_takeover(book, event, health(book, account, terms), terms)
    ]


def _after_takeover(book: RatioBook, event: events.Event, after: Health, terms: Terms) -> Iterable[str]:
    body, market = event.account_liquidated, terms[event.market]
    paid_atoms = body.reward_atoms + body.insurance_atoms
    if after.equity != body.equity_atoms - paid_atoms:
        yield f"equity {body.equity_atoms} less {paid_atoms} atoms of penalty is not {after.equity} (SP-08)"
    per_lot_e9 = spin.collateral_atoms_e9(1, market.mark_ticks, market.k, market.collateral_e9)
    before_e9 = after.positions_e9 + abs(body.lots) * per_lot_e9
    if required_ceil_atoms(before_e9) != body.collateral_atoms:
        yield f"collateral was {body.collateral_atoms} atoms and is {required_ceil_atoms(after.positions_e9)} (SP-02)"
    is_part = body.liquidatable_lots < abs(body.lots + body.remaining_lots)
    if body.tier != spin.Tier.PARTIAL or not is_part or abs(body.lots) != body.liquidatable_lots:
        return
    if not spin.reaches(after.equity, after.positions_e9, spin.TARGET_TENTHS):
        yield "all that may be taken was taken, and Mr is below 0.7 (SP-08)"
    less = spin.notional_atoms(abs(body.lots) - market.step_lots, market.mark_ticks, market.k)
    rules = book.rules
    penalty = spin.penalty_atoms(less, rules.liquidator_reward_e9, rules.insurance_share_e9)
    paid = spin.payments_of(body.equity_atoms, penalty)
    equity = body.equity_atoms - paid.reward_paid_atoms - paid.fund_paid_atoms
    # An atom of equity is left to the rounding of the penalty: the calculator asks for one less where it must.
    if spin.reaches(equity - 1, after.positions_e9 + market.step_lots * per_lot_e9, spin.TARGET_TENTHS):
        yield "a step less would have brought Mr to 0.7 (SP-06)"


def _liquidator_faults(book: RatioBook, told: Sequence[events.Event]) -> list[str]:
    """Who reserved was above 1 with it, and admission kept everybody at 1 at least (SP-04, SP-07)."""
    reserved = {event.account: event.takeover_reserved for event in told if event.HasField("takeover_reserved")}
    terms, faults = Terms(book), []
    for account, body in sorted(reserved.items()):
        if account not in book.accounts:
            continue
        # Collateral is told rounded up: equity above it before rounding is at least that.
        if body.equity_atoms < body.collateral_atoms or not health(book, account, terms).is_open:
            faults.append(
                f"liquidator {account} reserved at equity {body.equity_atoms}, collateral {body.collateral_atoms} atoms"
            )
    return faults
