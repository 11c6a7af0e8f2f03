"""Withdrawals leave cash as long as what must stay does (MT-04)."""

from breakwater.v1 import common_pb2, events_pb2
from tests.engine.margin.health import must_stay_ceil, standing
from tests.engine.margin.state import Sight, sights
from tests.engine.state import DONE, Block, Command, R, Refusal, State, market_refusal

PAY_OUT = 8
REDUCING = common_pb2.MARK_STATE_REDUCE_ONLY


def pay_out(state: State, block: Block) -> None:
    """MT-04."""
    for sight in sights(state, block):
        for command in block.of("withdrawals"):
            if command.venue == sight.venue:
                _withdraw(sight, command)


def _withdraw(sight: Sight, command: Command) -> None:
    account, amount, key = sight.account(command.account), command["amount_atoms"], (PAY_OUT, command.index, 0, 0)
    why = _why_not_paid(sight, command.account, amount)
    if why is not None:
        sight.block.refuse(key, command, why)
        return
    number = sight.block.number(command)
    account.free -= amount
    account.withdrawals[number] = amount
    body = events_pb2.WithdrawalRequested(withdrawal=number, amount_atoms=amount)
    sight.say(key, command.account, withdrawal_requested=body)
    sight.block.answer(command, DONE, reference=number, amount=amount)


def _why_not_paid(sight: Sight, account: int, amount: int) -> Refusal | None:
    if sight.account(account).frozen:
        return Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, account)
    for market, _ in sight.held(account):
        if not sight.usable(market):
            return _why_closed(sight, market)
    left, required = standing(sight, account).equity - amount, must_stay_ceil(sight, account)
    return Refusal(R.REFUSAL_WITHDRAWAL_MARGIN, required, left) if left < required else None


def _why_closed(sight: Sight, market: int) -> Refusal | None:
    """What a market that may not be used says; REDUCE_ONLY too."""
    mark = sight.block.marks[sight.venue, market]
    if mark.state == REDUCING:
        return Refusal(R.REFUSAL_MARKET_REDUCE_ONLY, 0, mark.age_ms)
    return market_refusal(sight.state, mark)
