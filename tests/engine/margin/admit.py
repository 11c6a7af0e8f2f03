"""Admission: triggers, the vault's unwinding, then commands in their order (MT-02, MT-05, MT-06, MT-14)."""

from actors.units import PPM, PRICE_BOUND
from breakwater.v1 import common_pb2, events_pb2
from tests.engine.book import side_name
from tests.engine.margin.books import order_op
from tests.engine.margin.entry import OrderEntry
from tests.engine.margin.health import hold, initial_ceil, notional, resting, standing
from tests.engine.margin.rows import rules_of
from tests.engine.margin.state import (
    AMEND,
    COMMANDS,
    MARKET_FLAG,
    PLACE,
    REDUCE_ONLY,
    TRIGGERS,
    UNWINDING,
    UNWINDING_FLAG,
    VAULT,
    BookOrder,
    sights,
)
from tests.engine.state import DONE, MARKET, Block, Command, R, Refusal, State

ADMIT = 9
ARMED = common_pb2.OUTCOME_STATUS_ARMED
STOP = common_pb2.TRIGGER_KIND_STOP


def admit(state: State, block: Block) -> None:
    """Phase 9 of every Margin Trade venue."""
    for sight in sights(state, block):
        Admission(sight).run()


class Admission(OrderEntry):
    """One venue's."""

    def run(self) -> None:
        for order in self._met():
            self._fire(order)
        for market, held in self.sight.held(VAULT):
            if self.sight.usable(market):
                self._unwind(market, held.lots)
        handlers = {
            "set_leverage": self._leverage,
            "place_orders": self._place,
            "amend_orders": self._amend,
            "liquidity_deposits": self._deposit,
            "liquidity_withdrawals": self._redeem,
        }
        rows = [command for body in handlers for command in self.block.of(body) if command.venue == self.sight.venue]
        for command in sorted(rows, key=lambda command: command.index):
            why = handlers[command.body](command)
            if why is not None:
                self.block.refuse((ADMIT, command.index, 0, 0), command, why)

    # ------------------------------------------------------------------ triggers and the vault

    def _fires(self, order: BookOrder) -> bool:
        """A stop above (buy) or below (sell), a take-profit the other way round; inclusive."""
        mark, upwards = self.sight.mark(order.market), (order.side > 0) == (order.trigger == STOP)
        return mark >= order.trigger_ticks if upwards else mark <= order.trigger_ticks

    def _met(self) -> list[BookOrder]:
        armed = [order for _, order in sorted(self.own.orders.items()) if order.trigger]
        return [order for order in armed if self.sight.usable(order.market) and self._fires(order)]

    def _fire(self, armed: BookOrder) -> None:
        del self.own.orders[armed.number]
        mark = self.sight.mark(armed.market)
        body = events_pb2.OrderTriggered(order=armed.number, trigger_ticks=armed.trigger_ticks, mark_ticks=mark)
        self.sight.say((ADMIT, -1, 0, 2 * armed.number), armed.account, armed.market, order_triggered=body)
        order = armed.but(trigger=0, trigger_ticks=0)
        if order.is_market:
            order = order.but(limit=self.protection(order.market, order.side))
        may = -order.side * self.sight.lots(order.account, order.market)
        if order.reduces_only and 0 < may < order.remaining:
            order = order.but(size=may, remaining=may)
        entered = self.why_not_trader(order.account) or self.entered(order)
        if isinstance(entered, BookOrder):
            self.enter(entered, TRIGGERS, -1)
            return
        why = entered
        done = events_pb2.OrderDone(
            order=order.number,
            side=side_name(order.side),
            price_ticks=order.limit,
            remaining_lots=order.remaining,
            refusal=why.code,
            required=why.required,
            actual=why.actual,
        )
        self.sight.say((ADMIT, -1, 0, 2 * order.number + 1), order.account, order.market, order_done=done)

    def _unwind(self, market: int, lots: int) -> None:
        """MT-14: the five numbers; the book cuts to its part of the depth."""
        rules, mark, now_ms = self.sight.markets[market].margin_trade, self.sight.mark(market), self.block.time_ms
        if now_ms < self.own.unwound_ms.get(market, 0) + rules.unwind_step_ms:
            return
        size = abs(lots)
        part = size if size <= rules.unwind_full_lots else -(-size * rules.unwind_fraction_ppm // PPM)
        if lots > 0:
            side, limit = -1, max(1, -(-mark * (PPM - rules.unwind_slippage_ppm) // PPM))
        else:
            side, limit = 1, min(PRICE_BOUND - 1, mark * (PPM + rules.unwind_slippage_ppm) // PPM)
        number = (self.block.height << 20) + (1 << 19) - 1 - market
        flags = REDUCE_ONLY | UNWINDING_FLAG
        order = BookOrder(number, VAULT, market, side, limit, part, part, 2, flags, 1, 0)
        self.own.unwound_ms[market] = now_ms
        self.note_reducing(order)
        op = order_op(order, UNWINDING, -1, PLACE)
        self.own.ops.append({**op, "depth_ppm": rules.unwind_depth_ppm})

    # ------------------------------------------------------------------ orders

    def _place(self, command: Command) -> Refusal | None:
        market, side, trigger, flags = command["market"], command["side"], command["trigger"], command["flags"]
        time, limit = command["time_in_force"] or 1, command["limit_ticks"]
        if command["kind"] == MARKET:
            flags, time = flags | MARKET_FLAG, 2
            limit = 0 if trigger else self.protection(market, side)
        order = BookOrder(
            self.block.number(command),
            command.account,
            market,
            side,
            limit,
            command["size_lots"],
            command["size_lots"],
            time,
            flags,
            command["self_trade"] or 1,
            command["client_order_id"],
            trigger,
            command["trigger_ticks"],
        )
        why = self.why_not_new(order)
        if why is not None:
            return why
        if trigger:
            return self._arm(command, order)
        entered = self.entered(order)
        if isinstance(entered, Refusal):
            return entered
        self.enter(entered, COMMANDS, command.index)
        return None

    def _arm(self, command: Command, order: BookOrder) -> Refusal | None:
        why = self.why_not_numbers(order)
        if why is None and self._fires(order):
            why = Refusal(R.REFUSAL_BAD_TRIGGER_PRICE, self.sight.mark(order.market), order.trigger_ticks)
        why = why or self.why_not_reducing(order)
        if why is not None:
            return why
        self.own.orders[order.number] = order
        body = events_pb2.OrderArmed(
            order=order.number,
            client_order_id=order.client_id,
            side=side_name(order.side),
            trigger=order.trigger,
            trigger_ticks=order.trigger_ticks,
            limit_ticks=order.limit,
            size_lots=order.size,
            flags=order.flags,
        )
        self.sight.say((ADMIT, command.index, 0, order.number), order.account, order.market, order_armed=body)
        self._answer_armed(command, order)
        return None

    def _answer_armed(self, command: Command, order: BookOrder) -> None:
        self.block.answer(
            command, ARMED, reference=order.number, price_ticks=order.trigger_ticks, remaining=order.remaining
        )

    def _amend(self, command: Command) -> Refusal | None:
        number, client = command["order"], command["client_order_id"]
        mine = self.own.orders_of(command.account)
        named = [order for order in mine if (order.number == number if number else order.client_id == client)]
        if not named:
            return Refusal(R.REFUSAL_UNKNOWN_ORDER, 1, number or client)
        (before,) = named
        size, filled = command["size_lots"], before.size - before.remaining
        if size <= filled:
            return Refusal(R.REFUSAL_AMEND_BELOW_FILLED, filled, size)
        limit = before.limit if before.is_market else command["limit_ticks"] or before.limit
        after = before.but(size=size, remaining=size - filled, limit=limit)
        why = self.why_not_trader(after.account) or self.why_no_market(after.market)
        most = rules_of(self.sight.markets[after.market]).max_order_lots
        if why is None and size > most:
            why = Refusal(R.REFUSAL_OVERFLOW, most, size)
        why = why or self.why_not_numbers(after) or self.why_not_reducing(after)
        if why is not None:
            return why
        if before.rests:
            bounded = self.amended(before, after)
            if isinstance(bounded, Refusal):
                return bounded
            after = bounded
        self.own.orders[after.number] = after
        if before.rests:
            self.note_amended(before, after)
            self.own.ops.append(order_op(after, COMMANDS, command.index, AMEND, expected=before.remaining))
            return None
        body = events_pb2.OrderAmended(
            order=after.number,
            side=side_name(after.side),
            price_ticks_before=before.limit,
            price_ticks=after.limit,
            remaining_lots_before=before.remaining,
            remaining_lots=after.remaining,
        )
        self.sight.say((ADMIT, command.index, 0, after.number), after.account, after.market, order_amended=body)
        self._answer_armed(command, after)
        return None

    # ------------------------------------------------------------------ leverage and the vault's shares

    def _leverage(self, command: Command) -> Refusal | None:
        sight, account, market, wanted = self.sight, command.account, command["market"], command["leverage"]
        if sight.account(account).frozen:
            return Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, account)
        most = sight.markets[market].margin_trade.tiers[0].max_leverage
        if not 1 <= wanted <= most:
            return Refusal(R.REFUSAL_LEVERAGE_OUT_OF_RANGE, 1 if wanted < 1 else most, wanted)
        lots, orders = sight.lots(account, market), resting(sight, account, market)
        now, then = (
            initial_ceil(sight, market, notional(sight, market, lots), leverage)
            + hold(sight, lots, market, orders, leverage)
            for leverage in (sight.leverage(account, market), wanted)
        )
        why = self.why_too_much(account, then - now)
        if why is not None:
            return why
        self.own.leverages[account, market] = wanted
        body = events_pb2.LeverageSet(leverage=wanted)
        sight.say((ADMIT, command.index, 0, 0), account, market, leverage_set=body)
        self.block.answer(command, DONE, reference=account)
        return None

    def _deposit(self, command: Command) -> Refusal | None:
        account, amount = self.sight.account(command.account), command["amount_atoms"]
        if account.frozen:
            return Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, command.account)
        free = min(standing(self.sight, command.account).free, self.spare_of(command.account))
        if amount > free:
            return Refusal(R.REFUSAL_INSUFFICIENT_BALANCE, amount, free)
        self.take_off(command.account, amount)
        account.free -= amount
        account.held += amount
        self.block.routed.setdefault("admitted vault moves", []).append(command)
        return None

    def _redeem(self, command: Command) -> Refusal | None:
        if self.sight.account(command.account).frozen:
            return Refusal(R.REFUSAL_ACCOUNT_FROZEN, 0, command.account)
        self.block.routed.setdefault("admitted vault moves", []).append(command)
        return None
