"""What a reader sees of a Spin account and of the insurance desk between blocks, and whether it all adds up."""

from collections import Counter
from math import ceil

from actors.rulebooks.spin import liquidation_price_estimate_ticks
from actors.units import E9
from breakwater.v1 import batches_pb2, events_pb2
from tests.engine.book import side_name
from tests.engine.margin.state import BookOrder
from tests.engine.spin.health import (
    INT64_MAX,
    Standing,
    closable,
    collateral_of,
    reaches_one,
    reserved_lots,
    standing,
    upnl,
    worse_than_the_mark,
)
from tests.engine.spin.state import SpinSight

CASH = (events_pb2.CROSS_LEG_KIND_CASH, events_pb2.CROSS_LEG_KIND_TRANSFER, events_pb2.CROSS_LEG_KIND_LIQUIDATED)


def ratio_account_view(sight: SpinSight, number: int) -> batches_pb2.AccountView:
    """The account as its shard shows it."""
    account = sight.account(number)
    return batches_pb2.AccountView(
        venue=sight.venue,
        account=number,
        exists=True,
        frozen=account.frozen,
        free_atoms=account.free,
        held_atoms=account.held,
        pending_withdrawal_atoms=sum(account.withdrawals.values()),
        deposited_atoms=account.deposited,
        withdrawn_atoms=account.withdrawn,
        withdrawals=[
            batches_pb2.PendingWithdrawal(withdrawal=withdrawal, amount_atoms=amount)
            for withdrawal, amount in sorted(account.withdrawals.items())
        ],
        ratio=_ratio_view(sight, number),
    )


def _ratio_view(sight: SpinSight, number: int) -> batches_pb2.RatioView:
    now, cash = standing(sight, number), sight.account(number).free
    tier = now.tier if now.tier >= 2 else int(not reaches_one(now.equity, now.collateral))
    shut = sight.account(number).frozen or any(not sight.usable(market) for market, _ in sight.held(number))
    spare = now.equity - sum(worse_than_the_mark(sight, number).values()) - ceil(now.collateral)
    return batches_pb2.RatioView(
        cash_atoms=cash,
        equity_atoms=now.equity,
        position_collateral_atoms=ceil(now.positions),
        order_collateral_atoms=ceil(now.orders),
        ratio_e9=_ratio_e9(now, with_orders=True),
        ratio_without_orders_e9=_ratio_e9(now, with_orders=False),
        tier=tier,
        withdrawable_atoms=0 if shut else max(0, min(cash, spare)),
        accrued_funding_atoms=now.accrued,
        reserved_atoms=ceil(now.reserved),
        positions=[_position_view(sight, number, market, now) for market, _ in sight.held(number)],
        orders=[_order_view(order) for order in sight.own.orders_of(number)],
    )


def _ratio_e9(now: Standing, with_orders: bool) -> int:
    needed = now.collateral if with_orders else now.positions
    if not needed:
        return INT64_MAX
    return max(-INT64_MAX, min(INT64_MAX, now.equity * E9 // needed))


def _position_view(sight: SpinSight, number: int, market: int, now: Standing) -> batches_pb2.RatioPositionView:
    held, mark = sight.own.positions[number, market], sight.mark(market)
    positions_e9 = int(now.positions * E9)
    price = liquidation_price_estimate_ticks(
        held.lots, mark, sight.k(market), now.equity, positions_e9, sight.ratio_e9(market)
    )
    return batches_pb2.RatioPositionView(
        market=market,
        lots=held.lots,
        cost_atoms=held.cost,
        mark_ticks=mark,
        notional_atoms=abs(held.lots) * mark * sight.k(market),
        upnl_atoms=upnl(sight, market, held),
        collateral_atoms=ceil(collateral_of(sight, market, held.lots, mark)),
        accrued_funding_atoms=sight.accrued(number, market),
        liquidation_ticks=price or 0,
        liquidatable_lots=closable(sight, number, market) if sight.usable(market) else 0,
        reserved_lots=reserved_lots(sight, number, market),
    )


def _order_view(order: BookOrder) -> batches_pb2.CrossOrderView:
    return batches_pb2.CrossOrderView(
        order=order.number,
        client_order_id=order.client_id,
        market=order.market,
        side=side_name(order.side),
        limit_ticks=order.limit,
        size_lots=order.size,
        remaining_lots=order.remaining,
        time_in_force=order.time_in_force,
        flags=order.flags,
        trigger=order.trigger,
        trigger_ticks=order.trigger_ticks,
    )


def insurance_view(sight: SpinSight) -> batches_pb2.InsuranceView:
    own = sight.own.insurance
    return batches_pb2.InsuranceView(
        height=sight.block.height,
        sums=batches_pb2.InsuranceSums(
            venue=sight.venue,
            fees_atoms=own.fees,
            fund_atoms=own.fund,
            shortfall_atoms=own.shortfall,
            deposited_atoms=own.deposited,
            funding_atoms=own.funding,
            unpaid_rewards_atoms=own.unpaid_rewards,
        ),
        rewards_atoms=own.rewards,
        deficits_atoms=own.deficits,
        shares_atoms=own.shares,
    )


def ratio_breaches(sight: SpinSight) -> list[str]:
    """The venue's equation, longs that are shorts, a fund not below zero, reservations that are all on their way."""
    own, found = sight.own, []
    accounts = [sight.account(number) for number in sight.accounts()]
    held = sum(account.free + account.held + sum(account.withdrawals.values()) for account in accounts)
    cost = sum(position.cost for position in own.positions.values())
    coming = sum((leg.amount if leg.kind in CASH else 0) - leg.quote for leg in own.outbox)
    funds = own.insurance.fees + own.insurance.fund + own.insurance.funding - own.insurance.shortfall
    brought = sum(account.deposited - account.withdrawn for account in accounts) + own.insurance.deposited
    if off := held - cost + coming + funds - brought:
        found.append(f"{off} atoms off")
    net: Counter[int] = Counter()
    for (_, market), position in own.positions.items():
        net[market] += position.lots
    for leg in own.outbox:
        net[leg.market] += leg.lots
    found += [f"market {market} is {lots} lots long" for market, lots in net.items() if lots]
    if own.insurance.fund < 0:
        found.append(f"the fund is below zero: {own.insurance}")
    ends = (events_pb2.CROSS_LEG_KIND_LIQUIDATED, events_pb2.CROSS_LEG_KIND_UNRESERVED)
    if sorted(own.reservations) != sorted(leg.reference for leg in own.outbox if leg.kind in ends):
        found.append(f"reservations {sorted(own.reservations)} have no end")
    resting = {order.order: order.lots for book in own.books.values() for order in book.matching.everything()}
    known = {order.number: order.remaining for order in own.orders.values() if order.rests}
    for leg in own.outbox:
        if leg.kind == events_pb2.CROSS_LEG_KIND_FILL and leg.order in known:
            known[leg.order] -= abs(leg.lots)
        elif leg.kind == events_pb2.CROSS_LEG_KIND_GONE:
            known.pop(leg.order, None)
    if {number: lots for number, lots in known.items() if lots > 0} != resting:
        found.append(f"orders known {known}, resting {resting}")
    return [f"venue {sight.venue}: {breach}" for breach in found]
