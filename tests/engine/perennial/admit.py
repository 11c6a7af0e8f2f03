"""What goes to the version desks: every command with its account's standing; deposits are held on the way."""

from actors.rulebooks import versions
from tests.engine.perennial.state import NOTHING, Op, Row, VersionSight, version_sights
from tests.engine.state import Block, Command, R, Refusal, State

ADMIT = 9
LIQUIDATIONS, CHANGES, REPAYMENTS = range(3)
CLASSES = {"liquidations": LIQUIDATIONS, "change_positions": CHANGES, "shortfall_repayments": REPAYMENTS}
WHOM = {"liquidations": "target", "change_positions": "account", "shortfall_repayments": "debtor"}


def admit(state: State, block: Block) -> None:
    """In command order."""
    for sight in version_sights(state, block):
        rows = [command for body in CLASSES for command in block.of(body) if command.venue == sight.venue]
        for command in sorted(rows, key=lambda command: command.index):
            why = _why_not(sight, command)
            if why is not None:
                block.refuse((ADMIT, command.index, 0, 0), command, why)
                continue
            held = _held(command)
            sight.account(command.account).free -= held
            sight.account(command.account).held += held
            sight.own.ops.append(_op(sight, command))


def _held(command: Command) -> int:
    """What the command brings into the market from the account's balance."""
    if command.body == "change_positions":
        return max(0, command["collateral_atoms"])
    return command["amount_atoms"] if command.body == "shortfall_repayments" else 0


def _why_not(sight: VersionSight, command: Command) -> Refusal | None:
    if command.body == "liquidations":
        return None
    payer, amount = sight.account(command.account), _held(command)
    may_close = versions.in_force(sight.terms) >= 2 and command.body == "change_positions"
    if payer.frozen and not (may_close and command["collateral_atoms"] == 0):
        return Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, command.account)
    if payer.free < amount:
        return Refusal(R.REFUSAL_INSUFFICIENT_BALANCE, amount, payer.free)
    return None


def _op(sight: VersionSight, command: Command) -> Op:
    account, market = command[WHOM[command.body]], command["market"]
    rank = CLASSES[command.body]
    if rank == REPAYMENTS:
        return Op(rank, command.index, market, account, command, NOTHING, 0)
    sizes = sight.own.rows.get((account, market), Row()).sizes
    return Op(rank, command.index, market, account, command, sizes, sight.own.standing(account, market))
