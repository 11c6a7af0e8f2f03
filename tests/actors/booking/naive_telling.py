"""The naive twin of a book's telling: one message object after the other, by the rulebook's own functions."""

from dataclasses import dataclass, field
from typing import Any

from actors.matching import words as w
from actors.rulebooks import margin_trade, spin
from actors.units import div_ceil
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.book_calls import COMMANDS

Row = tuple[int, ...]
REFUSED_WHOLE = {w.WOULD_CROSS, w.IOC_NOTHING, w.FOK_UNFILLED, w.NO_LIQUIDITY, w.OPEN_INTEREST}


@dataclass
class Working:
    """The operation whose rows are told."""

    op: dict[str, int]
    left: int
    lots: int = 0
    quote: int = 0
    status: int = common.OUTCOME_STATUS_FILLED
    why: tuple[int, int, int] = (0, 0, 0)
    remaining: int = 0
    was_amended: bool = False


@dataclass
class NaiveTelling:
    """Tells the rows of one batch; `ops` are in the order in which they were worked."""

    market: parameters.MarketParameters
    ops: list[dict[str, int]]
    open_interest: int
    trades: int = 0
    events: list[bytes] = field(default_factory=list)
    legs: list[Row] = field(default_factory=list)
    outcomes: list[Row] = field(default_factory=list)

    def tell(self, rows: list[Row]) -> None:
        for place, op in enumerate(self.ops):
            mine = [row for row in rows if row[0] == place]
            if op["kind"] == batches.ORDER_OP_KIND_CANCEL or not mine:
                continue
            working = Working(op, op["size_lots"])
            for row in mine:
                {w.FILL: self.fill, w.RESTED: self.rested, w.DONE: self.done}.get(row[1], self.amended)(working, row)
            self.answer(working)

    @property
    def rules(self) -> Any:
        return self.market.spin if self.market.HasField("spin") else self.market.margin_trade

    def fee(self, quote: int, rate_e9: int) -> int:
        rulebook = spin if self.market.HasField("spin") else margin_trade
        return rulebook.trading_fee_ceil_atoms(quote, rate_e9)

    def emit(self, account: int, **body: Any) -> None:
        event = events.Event(venue=self.market.venue, market=self.market.market, account=account, **body)
        self.events.append(event.SerializeToString(deterministic=True))

    def leg(self, command: int, account: int, kind: int, order: int, *money: int) -> None:
        lots, quote, fee, liquidation_fee = money or (0, 0, 0, 0)
        head = (1, command, self.market.market, len(self.legs), self.market.venue, account, kind, order)
        self.legs.append((*head, lots, quote, fee, liquidation_fee, 0, 0))

    def fill(self, working: Working, row: Row) -> None:
        _, _, maker, maker_account, taker, taker_account, maker_side, price, lots, rest, _, both = row
        rules, flags, side = self.rules, both >> 8, -maker_side
        quote = price * lots * rules.quote_atoms_per_tick_lot
        fee, liquidation_fee = self.fee(quote, rules.taker_fee_e9), 0
        if flags & w.LADDER:
            part = div_ceil(working.op.get("bankruptcy_quote_atoms", 0) * lots, working.op["size_lots"])
            rate = rules.liquidation_fee_e9
            fee, liquidation_fee = 0, margin_trade.liquidation_fee_ceil_atoms(-side * quote, part, rate)
        self.open_interest += 0 if flags & w.REDUCE_ONLY else lots
        self.trades += 1
        working.left, working.lots, working.quote = working.left - lots, working.lots + lots, working.quote + quote
        maker_fee = self.fee(quote, rules.maker_fee_e9)
        for is_maker, account, order, way, paid, extra, remaining in (
            (True, maker_account, maker, maker_side, maker_fee, 0, rest),
            (False, taker_account, taker, side, fee, liquidation_fee, working.left),
        ):
            body = events.OrderFilled(
                order=order,
                side=_side(way),
                price_ticks=price,
                lots=lots,
                quote_atoms=quote,
                fee_atoms=paid,
                liquidation_fee_atoms=extra,
                is_maker=is_maker,
                remaining_lots=remaining,
                trade=self.trades,
                is_liquidation=bool(flags & w.LADDER),
                is_unwinding=bool(flags & w.VAULT_DEPTH),
                parameters_version=self.market.version,
            )
            self.emit(account, order_filled=body)
            money = (way * lots, way * quote, paid, extra)
            self.leg(working.op["command"], account, events.CROSS_LEG_KIND_FILL, order, *money)

    def rested(self, working: Working, row: Row) -> None:
        body = events.OrderPlaced(
            order=row[2],
            client_order_id=working.op.get("client_order_id", 0),
            side=_side(row[6]),
            price_ticks=row[7],
            size_lots=working.op["size_lots"],
            remaining_lots=row[9],
            flags=row[11],
        )
        self.emit(row[3], order_placed=body)
        working.remaining = row[9]
        partly = common.OUTCOME_STATUS_PARTIALLY_FILLED
        working.status = partly if working.lots else common.OUTCOME_STATUS_RESTING

    def done(self, working: Working, row: Row) -> None:
        op, reason = working.op, row[10]
        if reason == w.VAULT_DEPTH_CUT and row[9]:
            working.left = row[9]
            return
        is_own = row[2] == op.get("order")
        was_resting = not is_own or (op["kind"] == batches.ORDER_OP_KIND_AMEND and not working.was_amended)
        why = self.why(working, row)
        body = events.OrderDone(
            order=row[2],
            side=_side(row[6]),
            price_ticks=row[7],
            remaining_lots=row[8],
            was_resting=was_resting,
            refusal=why[0],
            required=why[1],
            actual=why[2],
        )
        self.emit(row[3], order_done=body)
        if reason != w.AMENDED_AWAY:
            self.leg(op["command"], row[3], events.CROSS_LEG_KIND_GONE, row[2])
        if is_own:
            working.why, working.status = why, common.OUTCOME_STATUS_EXPIRED
            if working.lots:
                working.status = common.OUTCOME_STATUS_PARTIALLY_FILLED
            elif reason in REFUSED_WHOLE and op["kind"] == batches.ORDER_OP_KIND_PLACE:
                working.status = common.OUTCOME_STATUS_REFUSED

    def why(self, working: Working, row: Row) -> tuple[int, int, int]:
        op, met, price, lots, reason = working.op, row[4], row[7], row[8], row[10]
        if op["kind"] == batches.ORDER_OP_KIND_CANCEL_ACCOUNT:
            return refusals.REFUSAL_BEING_LIQUIDATED, 0, 3
        nothing = refusals.REFUSAL_NO_LIQUIDITY if row[11] & w.MARKET else refusals.REFUSAL_NOTHING_TO_MATCH
        cap = self.rules.open_interest_cap_lots
        return {
            w.IOC_REST: (nothing, price, met),
            w.IOC_NOTHING: (nothing, price, met),
            w.NO_LIQUIDITY: (refusals.REFUSAL_NO_LIQUIDITY, price, met),
            w.VAULT_DEPTH_CUT: (refusals.REFUSAL_NO_LIQUIDITY, price, 0),
            w.WOULD_CROSS: (refusals.REFUSAL_POST_ONLY_WOULD_CROSS, met, price),
            w.FOK_UNFILLED: (refusals.REFUSAL_NOT_FILLABLE, lots, met),
            w.SELF_TRADE: (refusals.REFUSAL_SELF_TRADE, 0, met if row[2] == op["order"] else op["order"]),
            w.NOT_REDUCING: (refusals.REFUSAL_REDUCE_ONLY, 0, lots),
            w.MARGIN: (refusals.REFUSAL_MARGIN_CAPPED, 0, lots),
            w.OPEN_INTEREST: (refusals.REFUSAL_OPEN_INTEREST_CAP, cap, self.open_interest + lots),
            w.AMENDED_AWAY: (
                refusals.REFUSAL_AMEND_BELOW_FILLED,
                op.get("expected_lots", 0) - lots,
                op["size_lots"],
            ),
        }[reason]

    def amended(self, working: Working, row: Row) -> None:
        if row[1] == w.UNKNOWN:
            working.why = (refusals.REFUSAL_UNKNOWN_ORDER, 1, row[2])
            working.status = common.OUTCOME_STATUS_REFUSED
            self.leg(working.op["command"], row[3], events.CROSS_LEG_KIND_GONE, row[2])
            return
        body = events.OrderAmended(
            order=row[2],
            side=_side(row[6]),
            price_ticks_before=row[4],
            price_ticks=row[7],
            remaining_lots_before=row[8],
            remaining_lots=row[9],
            kept_priority=bool(row[10]),
        )
        self.emit(row[3], order_amended=body)
        working.was_amended, working.left = True, row[9]
        if row[10]:
            working.status, working.remaining = common.OUTCOME_STATUS_RESTING, row[9]

    def answer(self, working: Working) -> None:
        op, why = working.op, working.why
        if op["class"] != COMMANDS or op["command"] < 0:
            return
        if working.status == common.OUTCOME_STATUS_REFUSED:
            self.outcomes.append((op["command"], working.status, *why, 0, 0, 0, 0, 0))
            numbers = {"refusal": why[0], "required": why[1], "actual": why[2]}
            self.emit(op["account"], command_refused=events.CommandRefused(command=op["command"], **numbers))
            return
        k = self.rules.quote_atoms_per_tick_lot
        average = working.quote // (working.lots * k) if working.lots else 0
        amounts = (average, working.quote, working.lots, working.remaining)
        self.outcomes.append((op["command"], working.status, *why, op["order"], *amounts))


def _side(side: int) -> int:
    return common.SIDE_LONG if side > 0 else common.SIDE_SHORT
