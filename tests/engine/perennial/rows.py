"""What one row of a change, liquidation, repayment or transfer is refused for when it is sealed."""

from collections.abc import Iterator

from actors.units import BALANCE_BOUND, ORDER_LOTS_BOUND
from tests.engine.state import Command, R, Refusal, State

KEEP = ALL = -1
EVERYTHING = -(1 << 63)
POSITION_COLUMNS = {
    "change_positions": ("account", "market", "maker_lots", "long_lots", "short_lots", "collateral_atoms"),
    "liquidations": ("account", "target", "market", "lots", "reward_atoms"),
    "shortfall_repayments": ("account", "market", "debtor", "amount_atoms"),
    "transfers": ("account", "to_account", "amount_atoms"),
    "open_subaccounts": ("owner",),
}
SIZES = ("maker_lots", "long_lots", "short_lots")


def why_not_position_row(state: State, command: Command) -> Refusal | None:
    """The first reason, after the accounts are known."""
    market = command.values.get("market")
    if market is not None and (command.venue, market) not in state.markets:
        return Refusal(R.REFUSAL_UNKNOWN_MARKET, sum(venue == command.venue for venue, _ in state.markets), market)
    for name, least, bound in _ranges(state, command):
        if command[name] < least:
            return Refusal(R.REFUSAL_NOT_POSITIVE, least, command[name])
        if bound and command[name] >= bound:
            return Refusal(R.REFUSAL_OVERFLOW, bound, command[name])
    moved = command.values.get("collateral_atoms", 0)
    if moved >= BALANCE_BOUND or (moved <= -BALANCE_BOUND and moved != EVERYTHING):
        return Refusal(R.REFUSAL_OVERFLOW, BALANCE_BOUND if moved > 0 else -BALANCE_BOUND, moved)
    return _why_not_two(state, command)


def _ranges(state: State, command: Command) -> Iterator[tuple[str, int, int]]:
    """(column, least, bound), bound 0 for none; all signs are asked before any bound."""
    if command.body == "change_positions":
        yield from ((name, KEEP, 0) for name in SIZES)
        yield from ((name, KEEP, ORDER_LOTS_BOUND) for name in SIZES)
    elif command.body == "liquidations" and command.venue in state.spin:
        yield "lots", 0, ORDER_LOTS_BOUND
    elif command.body == "liquidations":
        yield "reward_atoms", ALL, BALANCE_BOUND
    elif "amount_atoms" in command.values:
        yield "amount_atoms", 1, BALANCE_BOUND


def _why_not_two(state: State, command: Command) -> Refusal | None:
    """Nobody takes over from itself; a transfer stays with its owner (SP-01, SP-07)."""
    other = {"transfers": "to_account", "liquidations": "target"}.get(command.body)
    if other is None or command.venue not in state.spin:
        return None
    if command.account == command[other]:
        return Refusal(R.REFUSAL_OWN_ACCOUNT, 0, command.account)
    owners = [state.owner_of(command.venue, account) for account in (command.account, command[other])]
    if command.body == "transfers" and owners[0] != owners[1]:
        return Refusal(R.REFUSAL_NOT_SAME_OWNER, *owners)
    return None
