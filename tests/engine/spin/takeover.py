"""Owners give up what liquidators reserved, command by command, or nothing (SP-05 to SP-09)."""

from fractions import Fraction
from math import ceil, floor

from actors.units import E9
from breakwater.v1 import batches_pb2, events_pb2
from tests.engine.book import side_name
from tests.engine.margin.books import cancel_op
from tests.engine.margin.state import CrossLeg
from tests.engine.spin.health import TARGET, Standing, closable, increasing_parts, live_orders, price_of, standing
from tests.engine.spin.payout import why_closed
from tests.engine.spin.settle import claim_deficit, move_position, pay_accrued
from tests.engine.spin.state import Claim, SpinSight, spin_sights
from tests.engine.state import LIQUIDATED, Block, Command, R, Refusal, State, stamp

ADMIT, TAKEOVER, LAST = 9, -2, 1 << 40
SHARE = batches_pb2.INSURANCE_CLAIM_KIND_SHARE
REWARD = batches_pb2.INSURANCE_CLAIM_KIND_REWARD


def take_over(state: State, block: Block) -> None:
    """In command order over all that was reserved."""
    for sight in spin_sights(state, block):
        for command in sorted(sight.own.asked, key=lambda command: command.index):
            _work(sight, command)


def _work(sight: SpinSight, command: Command) -> None:
    account, market = command["target"], command["market"]
    now, most = standing(sight, account), closable(sight, account, market)
    why = why_closed(sight, market)
    if why is None and (now.tier < 2 or not sight.lots(account, market)):
        why = Refusal(R.REFUSAL_NOT_LIQUIDATABLE, ceil(TARGET * now.positions), now.equity)
    elif why is None and command["lots"] > most:
        why = Refusal(R.REFUSAL_ABOVE_LIQUIDATABLE, most, command["lots"])
    if why is not None:
        sight.block.refuse((ADMIT, TAKEOVER, command.index, LAST), command, why, market)
        _leg(sight, command, events_pb2.CROSS_LEG_KIND_UNRESERVED, 0, 0, 0)
        return
    _take(sight, command, now, most)


def _leg(sight: SpinSight, command: Command, kind: int, lots: int, quote: int, amount: int) -> None:
    sight.own.shard_legs.append(
        CrossLeg(
            0,
            command.index,
            command["market"],
            0,
            command.account,
            kind,
            lots=lots,
            quote=quote,
            amount=amount,
            reference=sight.block.number(command),
        )
    )


def _take(sight: SpinSight, command: Command, now: Standing, most: int) -> None:
    account, market, lots = command["target"], command["market"], command["lots"]
    lots = lots if sight.lots(account, market) > 0 else -lots
    value = lots * sight.mark(market) * sight.k(market)
    cancelled = _cancel_increasing(sight, command, now.tier)
    _pay_funding(sight, command)
    realised = move_position(sight, account, market, -lots, -value)
    owed = floor(Fraction(abs(value) * sight.rules.liquidator_reward_e9, E9))
    both_e9 = sight.rules.liquidator_reward_e9 + sight.rules.insurance_share_e9
    share_owed = ceil(Fraction(abs(value) * both_e9, E9)) - owed
    reward = min(owed, max(0, now.equity))
    share = min(share_owed, max(0, now.equity) - reward)
    sight.account(account).free -= reward + share
    _leg(sight, command, events_pb2.CROSS_LEG_KIND_LIQUIDATED, lots, value, reward)
    index, claims = command.index, sight.own.claims
    claims.append(Claim(index, 0, account, market, SHARE, share, account))
    claims.append(Claim(index, 1, command.account, market, REWARD, owed - reward, account))
    claim_deficit(sight, account, index, 2)
    left = sight.lots(account, market)
    # What still rests here may only close what is left, in this block already.
    if any(order.rests and order.market == market for order in sight.own.orders_of(account)):
        sight.own.added_caps[market, account] = (left, 1)
    sight.own.liquidated[account] = now.tier
    body = events_pb2.AccountLiquidated(
        liquidator=command.account,
        lots=lots,
        mark=stamp(sight.block.marks[sight.venue, market]),
        value_atoms=abs(value),
        equity_atoms=now.equity,
        collateral_atoms=ceil(now.positions),
        liquidatable_lots=most,
        remaining_lots=left,
        reward_atoms=reward,
        insurance_atoms=share,
        owed_reward_atoms=owed - reward,
        tier=now.tier,
        cash_atoms=sight.account(account).free,
        cancelled_orders=cancelled,
        realised_atoms=realised,
    )
    sight.say((ADMIT, TAKEOVER, index, LAST), account, market, account_liquidated=body)
    mark = sight.mark(market)
    sight.block.answer(command, LIQUIDATED, reference=account, price_ticks=mark, amount=reward, filled=abs(lots))


def _pay_funding(sight: SpinSight, command: Command) -> None:
    account, market = command["target"], command["market"]
    payment = pay_accrued(sight, account, market)
    body = events_pb2.FundingSettled(
        payment_atoms=payment, index_e9=sight.index_e9(market), cash_atoms=sight.account(account).free
    )
    if payment:
        sight.say((ADMIT, TAKEOVER, command.index, 0), account, market, funding_settled=body)


def _cancel_increasing(sight: SpinSight, command: Command, tier: int) -> int:
    """Orders of which any part increases, in all markets (SP-05); returns how many."""
    account, gone = command["target"], []
    for market in sight.markets:
        orders = live_orders(sight, account, market)
        prices = {order.number: price_of(sight, order) for order in orders}
        parts = increasing_parts(sight, sight.lots(account, market), orders, prices)
        gone += [order for order in orders if parts[order.number]]
    for count, order in enumerate(sorted(gone, key=lambda order: order.number), 1):
        del sight.own.orders[order.number]
        sight.own.ops.append(cancel_op(order, command.index))
        done = events_pb2.OrderDone(
            order=order.number,
            side=side_name(order.side),
            price_ticks=order.limit,
            remaining_lots=order.remaining,
            was_resting=True,
            refusal=R.REFUSAL_BEING_LIQUIDATED,
            actual=tier,
        )
        sight.say((ADMIT, TAKEOVER, command.index, count), account, order.market, order_done=done)
    return len(gone)
