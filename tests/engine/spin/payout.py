"""Who fails the ratio before the books work; withdrawals and transfers; what liquidators set aside (SP-04, SP-07)."""

from math import ceil

from breakwater.v1 import common_pb2, events_pb2
from tests.engine.margin.state import CrossLeg
from tests.engine.spin.health import (
    collateral_of,
    fails,
    live_orders,
    reaches_one,
    reserved_lots,
    standing,
    worse_than_the_mark,
)
from tests.engine.spin.state import Reservation, SpinSight, spin_sights
from tests.engine.state import DONE, Block, Command, R, Refusal, State, market_refusal

PAY_OUT, TRANSFERS = 8, 4
REDUCING = common_pb2.MARK_STATE_REDUCE_ONLY


def scan_and_pay_out(state: State, block: Block) -> None:
    """Caps, then withdrawals and transfers in command order together, then reservations."""
    for sight in spin_sights(state, block):
        _cap(sight)
        rows = [one for body in ("withdrawals", "transfers") for one in block.of(body) if one.venue == sight.venue]
        for command in sorted(rows, key=lambda command: command.index):
            why = _why_not_paid(sight, command.account, command["amount_atoms"])
            if why is not None:
                block.refuse((PAY_OUT, command.index, 0, 0), command, why)
            elif command.body == "withdrawals":
                _withdraw(sight, command)
            else:
                _transfer(sight, command)
        sight.own.asked = []
        for command in block.of("liquidations"):
            if command.venue == sight.venue:
                _reserve(sight, command)


def _cap(sight: SpinSight) -> None:
    """Of failing accounts a row a market with orders, of others where they have reduce-only ones."""
    sight.own.caps = {}
    live = [order for order in sight.own.orders.values() if order.rests]
    for account in sorted({order.account for order in live}):
        failing = fails(sight, account)
        for market in sight.markets:
            mine = [order for order in live if (order.account, order.market) == (account, market)]
            if any(failing or order.reduces_only for order in mine):
                sight.own.caps[market, account] = (sight.lots(account, market), int(failing))


def why_closed(sight: SpinSight, market: int) -> Refusal | None:
    """What a market that may not be used says; REDUCE_ONLY too."""
    mark = sight.block.marks[sight.venue, market]
    if mark.state == REDUCING:
        return Refusal(R.REFUSAL_MARKET_REDUCE_ONLY, 0, mark.age_ms)
    return market_refusal(sight.state, mark)


def _why_not_paid(sight: SpinSight, account: int, amount: int) -> Refusal | None:
    if sight.account(account).frozen:
        return Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, account)
    for market, _ in sight.held(account):
        if (why := why_closed(sight, market)) is not None:
            return why
    now, cash = standing(sight, account), sight.account(account).free
    left = now.equity - sum(worse_than_the_mark(sight, account).values()) - amount
    if left < 0 or not reaches_one(left, now.collateral):
        return Refusal(R.REFUSAL_MARGIN_RATIO, ceil(now.collateral), left)
    return Refusal(R.REFUSAL_INSUFFICIENT_BALANCE, amount, cash) if amount > cash else None


def _withdraw(sight: SpinSight, command: Command) -> None:
    account, amount, number = sight.account(command.account), command["amount_atoms"], sight.block.number(command)
    account.free -= amount
    account.withdrawals[number] = amount
    body = events_pb2.WithdrawalRequested(withdrawal=number, amount_atoms=amount)
    sight.say((PAY_OUT, command.index, 0, 0), command.account, withdrawal_requested=body)
    sight.block.answer(command, DONE, reference=number, amount=amount)


def _transfer(sight: SpinSight, command: Command) -> None:
    account, to, amount = sight.account(command.account), command["to_account"], command["amount_atoms"]
    account.free -= amount
    kind = events_pb2.CROSS_LEG_KIND_TRANSFER
    sight.own.shard_legs.append(
        CrossLeg(TRANSFERS, command.index, 0, 0, to, kind, amount=amount, reference=command.account)
    )
    body = events_pb2.Transferred(counterparty=to, amount_atoms=-amount, cash_atoms=account.free)
    sight.say((PAY_OUT, command.index, 0, 0), command.account, transferred=body)
    sight.block.answer(command, DONE, reference=to, amount=amount)


def _reserve(sight: SpinSight, command: Command) -> None:
    """What passes goes to the owners; the answer is theirs."""
    account, market, lots = command.account, command["market"], command["lots"]
    key = (PAY_OUT, command.index, 1, 0)
    why = _why_not_asked(sight, command)
    if why is None:
        now = standing(sight, account)
        needed = now.collateral + collateral_of(sight, market, lots, sight.mark(market))
        # What its orders may lose it does not stake a second time.
        equity = now.equity - sum(worse_than_the_mark(sight, account).values())
        if not equity > needed:
            why = Refusal(R.REFUSAL_LIQUIDATOR_RATIO, ceil(needed), equity)
    if why is not None:
        sight.block.refuse(key, command, why, market)
        return
    sight.own.reservations[sight.block.number(command)] = Reservation(account, market, command["target"], lots)
    sight.own.asked.append(command)
    body = events_pb2.TakeoverReserved(
        target=command["target"], lots=lots, equity_atoms=equity, collateral_atoms=ceil(needed)
    )
    sight.say(key, account, market, takeover_reserved=body)


def _why_not_asked(sight: SpinSight, command: Command) -> Refusal | None:
    account, market, lots = command.account, command["market"], command["lots"]
    if sight.account(account).frozen:
        return Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, account)
    if (why := why_closed(sight, market)) is not None:
        return why
    rules = sight.rules_of(market)
    if not lots or lots % rules.step_lots:
        return Refusal(R.REFUSAL_BELOW_STEP, rules.step_lots, lots)
    held, orders = sight.lots(account, market), live_orders(sight, account, market)
    buys, sells = (sum(order.remaining for order in orders if order.side == side) for side in (1, -1))
    largest = max(held + buys, sells - held) + reserved_lots(sight, account, market) + lots
    if largest > rules.max_position_lots:
        return Refusal(R.REFUSAL_POSITION_CAP, rules.max_position_lots, largest)
    return None
