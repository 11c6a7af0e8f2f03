"""Rows of changes, liquidations, repayments and transfers: what they can be refused for without an account."""

import numpy as np

from actors.columns import array
from actors.sealing.directory import Venue
from actors.sealing.rows import RowChecks
from actors.units import BALANCE_BOUND, ORDER_LOTS_BOUND
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import refusals_pb2 as refusals

# In the columns of sizes and rewards: keep the size, all that may be asked.
KEEP = ALL = -1
INT64_MIN = -(1 << 63)


def check_change_positions(body: commands.ChangePositions, venue: Venue, lag: int) -> RowChecks:
    """PE-04: names, sizes kept (-1) or below 2^40 lots, collateral within 2^60 atoms or all of it (INT64_MIN).

    Which sides the account would have the desk decides, which knows the sizes that are kept.
    """
    collateral = array(body.collateral_atoms)
    checks = RowChecks(len(collateral))
    checks.known_account(array(body.account), venue)
    checks.known_market(array(body.market), venue)
    sizes = [array(column) for column in (body.maker_lots, body.long_lots, body.short_lots)]
    for size in sizes:
        checks.refuse_where(size < KEEP, refusals.REFUSAL_NOT_POSITIVE, KEEP, size)
    for size in sizes:
        checks.below(size, ORDER_LOTS_BOUND)
    checks.below(collateral, BALANCE_BOUND)
    too_much_out = (collateral <= -BALANCE_BOUND) & (collateral != INT64_MIN)
    checks.refuse_where(too_much_out, refusals.REFUSAL_OVERFLOW, -BALANCE_BOUND, collateral)
    checks.validator_keeps_up(lag)
    return checks


def check_forced_closes(body: commands.Liquidations, venue: Venue, _lag: int) -> RowChecks:
    """PE-07, PE-09: anyone closes anyone, itself too; the reward asked for, -1 for all that may be."""
    reward = array(body.reward_atoms)
    checks = _known_liquidations(body, venue)
    checks.refuse_where(reward < ALL, refusals.REFUSAL_NOT_POSITIVE, ALL, reward)
    checks.below(reward, BALANCE_BOUND)
    return checks


def check_takeovers(body: commands.Liquidations, venue: Venue, _lag: int) -> RowChecks:
    """SP-07: lots are unsigned; whether they are steps the shard says. Nobody takes over from itself."""
    account, target, lots = array(body.account), array(body.target), array(body.lots)
    checks = _known_liquidations(body, venue)
    checks.not_negative(lots)
    checks.below(lots, ORDER_LOTS_BOUND)
    checks.refuse_where(account == target, refusals.REFUSAL_OWN_ACCOUNT, 0, account)
    return checks


def _known_liquidations(body: commands.Liquidations, venue: Venue) -> RowChecks:
    checks = RowChecks(len(body.account))
    checks.known_account(array(body.account), venue)
    checks.known_account(array(body.target), venue)
    checks.known_market(array(body.market), venue)
    return checks


def check_shortfall_repayments(body: commands.ShortfallRepayments, venue: Venue, _lag: int) -> RowChecks:
    """PE-17: anyone pays what anyone owes."""
    amount = array(body.amount_atoms)
    checks = RowChecks(len(amount))
    checks.known_account(array(body.account), venue)
    checks.known_account(array(body.debtor), venue)
    checks.known_market(array(body.market), venue)
    checks.positive(amount)
    checks.below(amount, BALANCE_BOUND)
    return checks


def check_transfers(body: commands.Transfers, venue: Venue, _lag: int) -> RowChecks:
    """SP-01, SP-04: from one account to another of the same owner; what may leave the shard says."""
    account, to_account, amount = array(body.account), array(body.to_account), array(body.amount_atoms)
    checks = RowChecks(len(amount))
    checks.known_account(account, venue)
    checks.known_account(to_account, venue)
    checks.positive(amount)
    checks.below(amount, BALANCE_BOUND)
    checks.refuse_where(account == to_account, refusals.REFUSAL_OWN_ACCOUNT, 0, account)
    owner, to_owner = (_owners(column, venue) for column in (account, to_account))
    checks.refuse_where(owner != to_owner, refusals.REFUSAL_NOT_SAME_OWNER, owner, to_owner)
    return checks


def _owners(accounts: np.ndarray, venue: Venue) -> np.ndarray:
    return array([venue.owner_of(account) for account in accounts.tolist()])
