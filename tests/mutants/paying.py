"""Mutants of what moves money: fees, shares, funds, withdrawals."""

from contextlib import ExitStack, contextmanager
from typing import Any

import actors.booking.terms as book_terms
import actors.pooling.work as pooling
from actors.backing import takeovers
from actors.insuring import claims
from actors.ledger import payout
from actors.ledger.accounts import Accounts
from actors.pooling.state import PoolBook
from actors.rulebooks import margin_trade, perennial_orders, twilight
from actors.sealing.routing import Router
from actors.units import E9, div_floor
from tests.mutants.mutant import MARGIN_TRADE, PERENNIAL, SPIN, TWILIGHT, Mutant, constant, instead

_EVERY_HEIGHT = 1 << 62


def _rounded_down(fee_ceil_atoms: Any) -> Any:
    def mutated(position_size: int, price_ticks: int, fee_rate_e9: int) -> int:
        return max(1, div_floor(position_size * fee_rate_e9, price_ticks * E9))

    return mutated


def _an_atom_more(amount: Any) -> Any:
    def mutated(*terms: Any) -> int:
        found: int = amount(*terms)
        return found + 1 if found > 0 else found

    return mutated


def _swapped(numbers: Any) -> Any:
    def mutated(*terms: Any) -> Any:
        made = numbers(*terms)
        return made._replace(maker_fee_e9=made.taker_fee_e9, taker_fee_e9=made.maker_fee_e9)

    return mutated


def _fee_twice(open_terms: Any) -> Any:
    def mutated(*terms: Any) -> Any:
        made = open_terms(*terms)
        twice = 2 * made.fee_atoms
        return made._replace(fee_atoms=twice, margin_held_atoms=made.margin_held_atoms - made.fee_atoms)

    return mutated


def _without_fees(basis: Any) -> Any:
    def mutated(book: PoolBook) -> int:
        found: int = basis(book)
        return max(1, found - book.fees_atoms) if found > 0 else found

    return mutated


def _higher_nav(basis: Any) -> Any:
    return lambda book: max(book.nav_atoms, book.nav_marked_atoms())


def _reward_twice(pay_reward: Any) -> Any:
    return lambda desk, liquidator, market, owed_atoms, target: pay_reward(
        desk, liquidator, market, 2 * owed_atoms, target
    )


def _deficit_twice(pay_deficit: Any) -> Any:
    def mutated(desk: Any, sequence: int, account: int, deficit_atoms: int) -> bool:
        paid: bool = pay_deficit(desk, sequence, account, deficit_atoms)
        if paid and deficit_atoms > 0:
            pay_deficit(desk, sequence, account, deficit_atoms)
        return paid

    return mutated


@contextmanager
def _fund_pays_twice() -> Any:
    with ExitStack() as stack:
        stack.enter_context(instead(claims, "_pay_reward", _reward_twice)())
        stack.enter_context(instead(takeovers, "pay_deficit", _deficit_twice)())
        yield


def _unsigned(decisions: Any) -> Any:
    """A payout is released though the header of its block is not signed yet."""

    def mutated(router: Router, *batch: Any) -> None:
        directory = router._directory
        signed, directory.validated_height = directory.validated_height, _EVERY_HEIGHT
        try:
            decisions(router, *batch)
        finally:
            directory.validated_height = signed

    return mutated


def _paid_and_kept(decide: Any) -> Any:
    """A payout that is confirmed is credited as well."""

    def mutated(accounts: Accounts, withdrawal: int, confirmed: bool) -> int:
        account = accounts.withdrawals.get(withdrawal, "account")
        amount: int = decide(accounts, withdrawal, confirmed)
        if confirmed:
            accounts.post(account, free=amount)
        return amount

    return mutated


def _frozen_too(why_not_spend: Any) -> Any:
    def mutated(accounts: Accounts, account: int, amount_atoms: int) -> Any:
        with constant(Accounts, "is_frozen", lambda accounts, account: False)():
            return why_not_spend(accounts, account, amount_atoms)

    return mutated


PAYING = (
    Mutant(
        "fees",
        "rounded the other way",
        "actors/rulebooks/twilight.py: fee_ceil_atoms",
        "fees are rounded down",
        instead(twilight, "fee_ceil_atoms", _rounded_down),
        (TWILIGHT,),
    ),
    Mutant(
        "fees",
        "rounded up at versions",
        "actors/rulebooks/perennial_orders.py: position_fee_floor_atoms",
        "position fees are an atom higher",
        instead(perennial_orders, "position_fee_floor_atoms", _an_atom_more),
        (PERENNIAL,),
    ),
    Mutant(
        "fees",
        "maker and taker swapped",
        "actors/booking/terms.py: _numbers",
        "who rests pays the taker's rate",
        instead(book_terms, "_numbers", _swapped),
        (MARGIN_TRADE, SPIN),
    ),
    Mutant(
        "fees",
        "charged twice",
        "actors/pooling/opens.py: open_terms",
        "an open pays its fee twice, and the pool gets it twice",
        instead(pooling, "open_terms", _fee_twice),
        (TWILIGHT,),
    ),
    Mutant(
        "shares",
        "minted up",
        "actors/rulebooks/twilight.py: mint_shares_floor",
        "shares of a deposit are rounded up",
        instead(twilight, "mint_shares_floor", _an_atom_more),
        (TWILIGHT,),
    ),
    Mutant(
        "shares",
        "vault shares minted up",
        "actors/rulebooks/margin_trade.py: mint_shares_floor",
        "shares of a deposit are rounded up",
        instead(margin_trade, "mint_shares_floor", _an_atom_more),
        (MARGIN_TRADE,),
    ),
    Mutant(
        "shares",
        "NAV without fees",
        "actors/pooling/state.py: PoolBook.mint_basis_atoms",
        "deposits are priced at a NAV without the fees it earned",
        instead(PoolBook, "mint_basis_atoms", _without_fees),
        (TWILIGHT,),
    ),
    Mutant(
        "shares",
        "redeemed at the wrong NAV",
        "actors/pooling/state.py: PoolBook.redeem_basis_atoms",
        "redemptions are priced at the higher of realised and marked NAV",
        instead(PoolBook, "redeem_basis_atoms", _higher_nav),
        (TWILIGHT,),
    ),
    Mutant(
        "shares",
        "vault redemption rounded up",
        "actors/rulebooks/margin_trade.py: redeem_floor_atoms",
        "LPs who leave get an atom of those who stay",
        instead(margin_trade, "redeem_floor_atoms", _an_atom_more),
        (MARGIN_TRADE,),
    ),
    Mutant(
        "funds",
        "fund pays twice",
        "actors/backing/funds.py: pay_deficit, actors/insuring/claims.py: _pay_reward",
        "a deficit is paid twice, and a liquidator gets twice what the target owed",
        _fund_pays_twice,
        (MARGIN_TRADE, SPIN),
    ),
    Mutant(
        "withdrawals",
        "released before the header is signed",
        "actors/sealing/routing.py: Router._withdrawal_decisions",
        "a payout is confirmed whatever the validator has signed",
        instead(Router, "_withdrawal_decisions", _unsigned),
    ),
    Mutant(
        "withdrawals",
        "doubled",
        "actors/ledger/accounts.py: Accounts.decide_withdrawal",
        "what is paid out is credited, too",
        instead(Accounts, "decide_withdrawal", _paid_and_kept),
    ),
    Mutant(
        "withdrawals",
        "from frozen accounts",
        "actors/ledger/payout.py: why_not_spend",
        "a frozen account withdraws",
        instead(payout, "why_not_spend", _frozen_too),
        (TWILIGHT, PERENNIAL),
    ),
)
