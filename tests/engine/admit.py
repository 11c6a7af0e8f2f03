"""Phase admit: triggers first (TW-13, TW-14), then commands in command order. What passes goes on to the desk."""

from actors.rulebooks import twilight
from breakwater.v1 import common_pb2, events_pb2
from tests.engine.book import liquidatable, liquidated, maintenance_e9, side_name
from tests.engine.state import (
    DONE,
    LIMIT,
    LIQUIDATED,
    MARKET,
    RESTING,
    STOP_LOSS,
    TAKE_PROFIT,
    Block,
    Close,
    Command,
    Open,
    Order,
    Position,
    R,
    Refusal,
    State,
    market_refusal,
    usable,
)

ADMIT = 9
INT64_MAX = (1 << 63) - 1


def admit(state: State, block: Block) -> None:
    _exits(state, block)
    _resting_opens(state, block)
    handlers = {
        "open_positions": _open,
        "close_positions": _close,
        "liquidity_deposits": _liquidity_deposit,
        "liquidity_withdrawals": _liquidity_withdrawal,
    }
    rows = [command for body in handlers for command in block.of(body) if command.venue in state.pools]
    for command in sorted(rows, key=lambda command: command.index):
        handlers[command.body](state, block, command)


def _exits(state: State, block: Block) -> None:
    """One exit a position: of the levels the mark meets, the smallest (level, kind)."""
    for position in sorted(state.positions.values(), key=lambda position: position.number):
        mark = block.marks[position.venue, position.market]
        if not usable(mark):
            continue
        met = [(level, kind) for kind, level in position.levels.items() if _met(position, kind, level, mark)]
        if met:
            level, kind = min(met)
            rules = state.venues[position.venue].twilight
            rate = rules.maker_fee_e9 if kind == LIMIT else rules.taker_fee_e9
            _exit(state, block, position, kind, level, None, rate)


def _met(position: Position, kind: int, level: int, mark: common_pb2.Mark) -> bool:
    triggers = {
        LIMIT: twilight.close_limit_triggers,
        STOP_LOSS: twilight.stop_loss_triggers,
        TAKE_PROFIT: twilight.take_profit_triggers,
    }
    return triggers[kind](position.side, level, mark.mark_ticks)


def _exit(
    state: State,
    block: Block,
    position: Position,
    kind: int,
    level: int,
    command: Command | None,
    fee_rate_e9: int,
) -> None:
    """The position leaves the columns; below zero it is a liquidation instead (TW-12)."""
    mark = block.marks[position.venue, position.market]
    terms = twilight.close_terms(
        position.side,
        position.size,
        position.entry_value,
        position.initial_margin,
        position.margin_held,
        mark.mark_ticks,
        fee_rate_e9,
    )
    del state.positions[position.number]
    close = Close(
        position, kind, level, command, terms.upnl_atoms, terms.fee_atoms, terms.payment_atoms, terms.payout_atoms,
        terms.is_liquidation, 0,
    )  # fmt: skip
    if terms.is_liquidation:
        event, close.deficit = liquidated(state, block, position, 0)
        key = (ADMIT, command.index, 0, 0) if command else (ADMIT, -1, level, position.number)
        block.say(key, position.venue, position.market, position.account, position_liquidated=event)
        if command:
            block.answer(command, LIQUIDATED, reference=position.number, price_ticks=mark.mark_ticks)
    block.closes.append(close)


def _resting_opens(state: State, block: Block) -> None:
    """Orders whose level is met go to the desk; those that would be liquidatable at once are cancelled."""
    for order in sorted(state.orders.values(), key=lambda order: order.number):
        mark, account = block.marks[order.venue, order.market], state.accounts[order.venue, order.account]
        met = usable(mark) and twilight.open_limit_fills(order.side, order.limit_ticks, mark.mark_ticks)
        if not met or account.frozen:
            continue
        del state.orders[order.number]
        fee_rate = state.venues[order.venue].twilight.maker_fee_e9
        why = _unfit(state, order, mark.mark_ticks, fee_rate)
        if why is None:
            block.opens.append(Open(order, LIMIT, order.limit_ticks, None, fee_rate))
            continue
        account.held -= order.margin
        account.free += order.margin
        cancelled = events_pb2.OrderCancelled(
            order=order.number,
            released_atoms=order.margin,
            refusal=why.code,
            required=why.required,
            actual=why.actual,
        )
        key = (ADMIT, -1, order.limit_ticks, order.number)
        block.say(key, order.venue, order.market, order.account, order_cancelled=cancelled)


def position_of(order: Order, price_ticks: int, fee_rate_e9: int) -> tuple[Position, int]:
    """The position the order becomes when it fills at the price (TW-02, margin less fee: TW-09), and the fee."""
    value = twilight.entry_value_floor_atoms(order.margin, order.leverage)
    size = twilight.position_size(value, price_ticks)
    fee = twilight.fee_ceil_atoms(size, price_ticks, fee_rate_e9)
    position = Position(
        order.number, order.venue, order.market, order.account, order.side, price_ticks, value, size,
        order.margin, order.margin - fee, order.leverage,
    )  # fmt: skip
    return position, fee


def _unfit(state: State, order: Order, price_ticks: int, fee_rate_e9: int) -> Refusal | None:
    """Whether the position would be too large to count, or liquidatable at once."""
    position, _ = position_of(order, price_ticks, fee_rate_e9)
    if position.size >= twilight.POSITION_SIZE_BOUND:
        return Refusal(R.REFUSAL_OVERFLOW, twilight.POSITION_SIZE_BOUND, min(position.size, INT64_MAX))
    if liquidatable(state, position, price_ticks):
        needed = -(-maintenance_e9(state, position) // 10**9)
        return Refusal(R.REFUSAL_BELOW_MAINTENANCE_MARGIN, needed, position.margin_held)
    return None


def _open(state: State, block: Block, command: Command) -> None:
    key, account = (ADMIT, command.index, 0, 0), state.accounts[command.venue, command.account]
    market = (command.venue, command["market"])
    mark, rules = block.marks[market], state.venues[command.venue].twilight
    margin, side, limit = command["margin_atoms"], command["side"], command["limit_ticks"]
    why = None
    if account.frozen:
        why = Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, command.account)
    why = why or market_refusal(state, mark)
    if why is None and account.free < margin:
        why = Refusal(R.REFUSAL_INSUFFICIENT_BALANCE, margin, account.free)
    if why is not None:
        block.refuse(key, command, why)
        return
    resting = command["kind"] == LIMIT and not twilight.open_limit_fills(side, limit, mark.mark_ticks)
    order = Order(block.number(command), *market, command.account, side, margin, command["leverage_hundredths"], limit)
    fee_rate = rules.maker_fee_e9 if resting else rules.taker_fee_e9
    why = _unfit(state, order, mark.mark_ticks, fee_rate)
    if why is not None:
        block.refuse(key, command, why)
        return
    account.free -= margin
    account.held += margin
    if not resting:
        block.opens.append(Open(order, command["kind"], 0, command, fee_rate))
        return
    state.orders[order.number] = order
    rested = events_pb2.OrderRested(
        order=order.number,
        side=side_name(side),
        limit_ticks=limit,
        margin_atoms=margin,
        leverage_hundredths=order.leverage,
    )
    block.say(key, *market, command.account, order_rested=rested)
    block.answer(command, RESTING, reference=order.number, price_ticks=limit, amount=margin)


def _close(state: State, block: Block, command: Command) -> None:
    key, position = (ADMIT, command.index, 0, 0), state.positions.get(command["position"])
    kind, level = command["kind"], command["level_ticks"]
    if position is None or (position.venue, position.account) != (command.venue, command.account):
        block.refuse(key, command, Refusal(R.REFUSAL_UNKNOWN_POSITION, 1, command["position"]))
        return
    mark = block.marks[position.venue, position.market]
    if kind == MARKET and (why := market_refusal(state, mark)) is not None:
        block.refuse(key, command, why)
        return
    # Nothing crosses a mark that may not be acted on: the level is set, as any other.
    if kind == MARKET or (kind == LIMIT and usable(mark) and _met(position, kind, level, mark)):
        _exit(state, block, position, kind, 0, command, state.venues[command.venue].twilight.taker_fee_e9)
        return
    position.levels[kind] = level
    was_set = events_pb2.LevelSet(position=position.number, kind=kind, level_ticks=level)
    block.say(key, position.venue, position.market, position.account, level_set=was_set)
    block.answer(command, DONE, reference=position.number, price_ticks=level)


def _liquidity_deposit(state: State, block: Block, command: Command) -> None:
    key, account = (ADMIT, command.index, 0, 0), state.accounts[command.venue, command.account]
    amount = command["amount_atoms"]
    if account.frozen:
        block.refuse(key, command, Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, command.account))
    elif account.free < amount:
        block.refuse(key, command, Refusal(R.REFUSAL_INSUFFICIENT_BALANCE, amount, account.free))
    else:
        account.free -= amount
        account.held += amount
        block.routed.setdefault("admitted liquidity", []).append(command)


def _liquidity_withdrawal(state: State, block: Block, command: Command) -> None:
    if state.accounts[command.venue, command.account].frozen:
        why = Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, command.account)
        block.refuse((ADMIT, command.index, 0, 0), command, why)
    else:
        block.routed.setdefault("admitted liquidity", []).append(command)
