"""Phases settle to pay out: legs, funding, what is taken first, scan and ladder, withdrawals."""

from actors.rulebooks import twilight
from breakwater.v1 import events_pb2
from tests.engine.state import (
    CLAIM,
    DONE,
    LIMIT,
    PAYOUT,
    REDEMPTION,
    RELEASE,
    STOP_LOSS,
    TAKE_PROFIT,
    Account,
    Block,
    Command,
    Order,
    Position,
    R,
    Refusal,
    State,
    stamp,
    usable,
)

TAKE = 6


def settle(state: State, block: Block) -> None:
    """Legs in the order (venue, class, command, leg). It cannot refuse."""
    for leg in sorted(state.outbox, key=lambda leg: (leg.venue, leg.rank, leg.command, leg.leg)):
        account = state.accounts[leg.venue, leg.account]
        account.free += leg.free
        account.held += leg.held
        if leg.position is not None:
            state.positions[leg.position.number] = leg.position
        if leg.kind in (PAYOUT, CLAIM, REDEMPTION, RELEASE):
            credited = events_pb2.Credited(kind=leg.kind, amount_atoms=leg.free, reference=leg.reference)
            block.say(
                (4, leg.venue << 8 | leg.rank, leg.command, leg.leg), leg.venue, 0, leg.account, credited=credited
            )
    state.outbox = []


def fund(state: State, block: Block) -> None:
    """At a boundary: the rate from the totals the desk left, payments from the margin held (TW-08)."""
    for key, mark in sorted(block.marks.items()):
        if not mark.funding_boundary_ms or key[0] not in state.pools:
            continue
        pool, rules = state.pools[key[0]], state.venues[key[0]].twilight
        totals = pool.totals.get(key[1])
        long, short = (totals.long_size, totals.short_size) if totals else (0, 0)
        rate = twilight.funding_rate_e9(long, short, rules.psi)
        state.rates[key] = rate
        net = 0
        for position in _of_market(state, key):
            payment = twilight.funding_payment_atoms(position.side, position.size, mark.mark_ticks, rate)
            position.margin_held -= payment
            net += payment
            paid = events_pb2.FundingPaid(
                position=position.number, payment_atoms=payment, margin_held_atoms=position.margin_held
            )
            at = (5, key[0] << 32 | key[1], position.number, 0)
            block.say(at, *key, position.account, funding_paid=paid)
        block.funding.append((key, net))
        applied = events_pb2.FundingApplied(
            rate_e9=rate,
            boundary_ms=mark.funding_boundary_ms,
            mark=stamp(mark),
            net_atoms=net,
            total_long=long,
            total_short=short,
        )
        block.say((5, key[0] << 32 | key[1], -1, 0), *key, 0, funding_applied=applied)


def take(state: State, block: Block) -> None:
    """Accounts opened, deposits, decisions, freezes, cancels; each class in command order."""
    for command in block.of("open_accounts"):
        state.accounts[command.venue, command.account] = Account(command.venue, command.account)
        opened = events_pb2.AccountOpened()
        block.say((TAKE, 0, command.index, 0), command.venue, 0, command.account, account_opened=opened)
        block.answer(command, DONE, reference=command.account)
    for command in block.of("deposits"):
        account, amount = state.accounts[command.venue, command.account], command["amount_atoms"]
        account.free += amount
        account.deposited += amount
        deposited = events_pb2.Deposited(amount_atoms=amount)
        block.say((TAKE, 1, command.index, 0), command.venue, 0, command.account, deposited=deposited)
        block.answer(command, DONE, reference=command.account, amount=amount)
    for command in block.of("withdrawal_decisions"):
        _decide(state, block, command)
    for command in block.of("freeze_accounts"):
        state.accounts[command.venue, command.account].frozen = command["frozen"] == 1
        frozen = events_pb2.AccountFrozen(frozen=command["frozen"] == 1)
        block.say((TAKE, 3, command.index, 0), command.venue, 0, command.account, account_frozen=frozen)
        block.answer(command, DONE, reference=command.account)
    for venue, number in block.cancel_all:
        if venue not in state.pools:
            continue
        _cancel_all(state, block, venue, number, -1)
    for command in block.of("cancel_orders"):
        _cancel(state, block, command)


def _decide(state: State, block: Block, command: Command) -> None:
    account, number = state.accounts[command.venue, command.account], command["withdrawal"]
    key = (TAKE, 2, command.index, 0)
    if number not in account.withdrawals:
        block.refuse(key, command, Refusal(R.REFUSAL_UNKNOWN_WITHDRAWAL, 1, number))
        return
    amount, confirmed = account.withdrawals.pop(number), command["confirm"] == 1
    if confirmed:
        account.withdrawn += amount
    else:
        account.free += amount
    decided = events_pb2.WithdrawalDecided(withdrawal=number, amount_atoms=amount, confirmed=confirmed)
    block.say(key, command.venue, 0, command.account, withdrawal_decided=decided)
    block.answer(command, DONE, reference=number, amount=amount)


def _cancel(state: State, block: Block, command: Command) -> None:
    number, kind = command["order"], command["kind"]
    key = (TAKE, 4, command.index, number * 8 + kind)
    owner = (command.venue, command.account)
    if number == 0 and kind == 0:
        amount = _cancel_all(state, block, *owner, command.index)
        block.answer(command, DONE, reference=0, amount=amount)
        return
    if kind == 0:
        order = state.orders.get(number)
        if order is None or (order.venue, order.account) != owner:
            block.refuse(key, command, Refusal(R.REFUSAL_UNKNOWN_ORDER, 1, number))
            return
        _cancel_order(state, block, order, command.index)
        block.answer(command, DONE, reference=number, amount=order.margin)
        return
    position = state.positions.get(number)
    if position is None or (position.venue, position.account) != owner:
        block.refuse(key, command, Refusal(R.REFUSAL_UNKNOWN_POSITION, 1, number))
    elif kind not in position.levels:
        block.refuse(key, command, Refusal(R.REFUSAL_UNKNOWN_ORDER, 1, number))
    else:
        _take_off(block, position, kind, command.index)
        block.answer(command, DONE, reference=number)


def _cancel_all(state: State, block: Block, venue: int, account: int, index: int) -> int:
    """Every resting order and every level of the account; answers what was released."""
    released = 0
    for order in [order for order in state.orders.values() if (order.venue, order.account) == (venue, account)]:
        _cancel_order(state, block, order, index)
        released += order.margin
    for position in state.positions.values():
        if (position.venue, position.account) == (venue, account):
            for kind in (LIMIT, STOP_LOSS, TAKE_PROFIT):
                if kind in position.levels:
                    _take_off(block, position, kind, index)
    return released


def _cancel_order(state: State, block: Block, order: Order, index: int) -> None:
    del state.orders[order.number]
    account = state.accounts[order.venue, order.account]
    account.held -= order.margin
    account.free += order.margin
    cancelled = events_pb2.OrderCancelled(order=order.number, released_atoms=order.margin)
    key = (TAKE, 4, index, order.number * 8)
    block.say(key, order.venue, order.market, order.account, order_cancelled=cancelled)


def _take_off(block: Block, position: Position, kind: int, index: int) -> None:
    del position.levels[kind]
    level = events_pb2.LevelSet(position=position.number, kind=kind, level_ticks=0)
    key = (TAKE, 4, index, position.number * 8 + kind)
    block.say(key, position.venue, position.market, position.account, level_set=level)


def positions_below(state: State, block: Block) -> list[Position]:
    """All whose threshold the mark meets, by (venue, market, threshold, position): TW-10, TW-13."""
    candidates = []
    for position in state.positions.values():
        mark = block.marks[position.venue, position.market]
        if usable(mark) and liquidatable(state, position, mark.mark_ticks):
            candidates.append((position.venue, position.market, threshold(state, position), position.number))
    return [state.positions[number] for *_, number in sorted(candidates)]


def close_at_mark(state: State, block: Block, position: Position, sequence: int) -> None:
    """Closed whole (TW-11)."""
    del state.positions[position.number]
    event, deficit = liquidated(state, block, position, 1)
    block.seizures.append(position)
    block.deficits[position.number] = deficit
    block.say((7, 1, sequence, 0), position.venue, position.market, position.account, position_liquidated=event)


def maintenance_e9(state: State, position: Position) -> int:
    rules = state.venues[position.venue].twilight
    paid = twilight.funding_paid_e9(position.side, state.rates.get((position.venue, position.market), 0))
    return twilight.maintenance_margin_e9(
        position.side,
        position.entry_value,
        position.initial_margin,
        rules.maintenance_ratio_e9,
        rules.taker_fee_e9,
        paid,
    )


def liquidatable(state: State, position: Position, mark_ticks: int) -> bool:
    return twilight.is_liquidatable(
        position.side,
        mark_ticks,
        position.size,
        position.entry_value,
        position.margin_held,
        maintenance_e9(state, position),
    )


def threshold(state: State, position: Position) -> int:
    return twilight.liquidation_threshold_ticks(
        position.side, position.size, position.entry_value, position.margin_held, maintenance_e9(state, position)
    )


def liquidated(
    state: State, block: Block, position: Position, round_: int
) -> tuple[events_pb2.PositionLiquidated, int]:
    """The event of a liquidation at the mark, and the deficit to count."""
    mark = block.marks[position.venue, position.market]
    needed = maintenance_e9(state, position)
    side, size, value, held = position.side, position.size, position.entry_value, position.margin_held
    terms = twilight.liquidation_terms(side, size, value, held, mark.mark_ticks, needed)
    upnl = twilight.upnl_floor_atoms(side, size, value, mark.mark_ticks)
    event = events_pb2.PositionLiquidated(
        position=position.number,
        side=side_name(side),
        mark=stamp(mark),
        entry_ticks=position.entry_ticks,
        entry_value_atoms=value,
        position_size=size,
        initial_margin_atoms=position.initial_margin,
        margin_held_atoms=held,
        equity_atoms=terms.equity_atoms,
        maintenance_atoms=terms.maintenance_atoms,
        deficit_atoms=terms.deficit_atoms,
        threshold_ticks=threshold(state, position),
        funding_rate_e9=state.rates.get((position.venue, position.market), 0),
        rung=1,
        round=round_,
        outcome=_outcome(upnl, terms.equity_atoms),
        parameters_version=state.venues[position.venue].version,
    )
    return event, terms.deficit_atoms


def _outcome(upnl: int, equity: int) -> int:
    """The row of the seed's outcome table (TW-11)."""
    if equity < 0:
        return events_pb2.LIQUIDATION_OUTCOME_LOSS_ABOVE_MARGIN
    if upnl > 0:
        return events_pb2.LIQUIDATION_OUTCOME_HAD_PROFIT
    return events_pb2.LIQUIDATION_OUTCOME_LOSS_BELOW_MARGIN


def side_name(side: int) -> int:
    """1 is long, 2 is short, where an event names a side."""
    return 1 if side > 0 else 2


def pay_out(state: State, block: Block) -> None:
    for command in block.of("withdrawals"):
        if command.venue not in state.pools and command.venue not in state.perennial:
            continue
        account, amount, number = state.accounts[command.venue, command.account], command["amount_atoms"], 0
        key = (8, command.index, 0, 0)
        if account.frozen:
            block.refuse(key, command, Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, command.account))
        elif account.free < amount:
            block.refuse(key, command, Refusal(R.REFUSAL_INSUFFICIENT_BALANCE, amount, account.free))
        else:
            number = block.number(command)
            account.free -= amount
            account.withdrawals[number] = amount
            requested = events_pb2.WithdrawalRequested(withdrawal=number, amount_atoms=amount)
            block.say(key, command.venue, 0, command.account, withdrawal_requested=requested)
            block.answer(command, DONE, reference=number, amount=amount)


def _of_market(state: State, key: tuple[int, int]) -> list[Position]:
    return [position for position in state.positions.values() if (position.venue, position.market) == key]
