"""Versions of a market that a block settles, valid or not, and what becomes of the orders at them (PE-04 to PE-06)."""

from typing import TYPE_CHECKING

from actors.rulebooks import perennial_versions
from breakwater.v1 import events_pb2
from tests.engine.perennial.state import KINDS, NOTHING, SIDES, Pinned, VersionLeg

if TYPE_CHECKING:
    from tests.engine.perennial.desk import Desk

VALID, LIQUIDATION, LAST = 1, 2, 4
VALUE_BOUND = 1 << 62


def settle_versions(desk: "Desk") -> None:
    """Slot by slot after the last one settled: valid, invalid, or the desk waits and so does all that comes after."""
    market, width_ms, grace_ms = desk.market, desk.terms.version_ms, desk.terms.grace_ms
    published_ms, now_ms = desk.sight.published_ms(desk.number), desk.block.time_ms
    seen = min(published_ms, now_ms)
    # Slots nobody asked for can only be the ones this block's price is for.
    slots = {slot for slot in range(seen // width_ms * width_ms, published_ms - grace_ms - 1, -width_ms) if slot > 0}
    settled = 0
    for slot_ms in sorted(slot for slot in slots | set(market.requested) if slot > market.settled_ms):
        if slot_ms <= seen and published_ms <= slot_ms + grace_ms:
            _settle(desk, settled, slot_ms, valid=True)
        elif now_ms > slot_ms + grace_ms:
            if slot_ms not in market.requested:
                continue
            _settle(desk, settled, slot_ms, valid=False)
        else:
            return
        settled += 1


def _settle(desk: "Desk", number: int, slot_ms: int, valid: bool) -> None:
    """One version: the interval before it, then the sizes of its orders."""
    market, before = desk.market, desk.market.totals
    price = desk.block.marks[desk.sight.venue, desk.number].mark_ticks if valid else market.price
    orders = sorted((one for one in market.pinned if one.version_ms == slot_ms), key=lambda order: order.account)
    moving = [] if valid else [order for order in orders if order.is_liquidation]
    settling = [order for order in orders if order not in moving]
    if valid:
        for order in settling:
            market.sizes[order.account] = order.sizes
    market.pinned = [order for order in market.pinned if order not in settling]
    settlement_fees = sum(order.settlement_fee for order in settling)
    step = perennial_versions.accumulate(
        perennial_versions.Accumulators(*market.values),
        perennial_versions.Controller(market.rate, market.skew),
        before,
        market.totals,
        sum(order.fee for order in settling) if valid else 0,
        perennial_versions.Interval(
            market.price if market.settled_ms else price, price, slot_ms - market.settled_ms if market.settled_ms else 0
        ),
        desk.rules,
        desk.risk,
    )
    split = perennial_versions.split_fees(step.market_fee_atoms, settlement_fees, desk.rules, desk.sight.protocol)
    market.fees = [old + new for old, new in zip(market.fees, split, strict=True)]
    # Fees of a great order on a maker of a lot: what no value can hold is dust.
    values = [max(-VALUE_BOUND, min(VALUE_BOUND, value)) for value in step.accumulators]
    beyond = sum((all_of - kept) * lots for all_of, kept, lots in zip(step.accumulators, values, before, strict=True))
    market.dust_e6 += step.residue_e12 + beyond
    market.values, (market.rate, market.skew) = (values[0], values[1], values[2]), step.controller
    market.settled_ms, market.price = slot_ms, price
    market.valid_ms = slot_ms if valid else market.valid_ms
    for leg, order in enumerate(settling):
        _post(desk, number, leg, order, valid)
    _say(desk, valid, step, settlement_fees, len(settling))
    for order in moving:
        order.version_ms = desk.slot_ms
        body = events_pb2.PositionRepinned(version_ms=slot_ms, next_version_ms=desk.slot_ms)
        desk.say(order.account, position_repinned=body)


def _post(desk: "Desk", number: int, leg: int, order: Pinned, valid: bool) -> None:
    """Carried out, or void at the cost of the settlement fee."""
    market = desk.market
    flags = VALID * valid | LIQUIDATION * (valid and order.is_liquidation) | LAST * (not market.of(order.account))
    desk.sight.own.outbox.append(
        VersionLeg(
            1,
            number,
            desk.number,
            leg,
            order.account,
            KINDS.VERSION_LEG_KIND_SETTLED,
            version_ms=market.settled_ms,
            sizes=market.sizes.get(order.account, NOTHING),
            values=market.values,
            fee=order.fee if valid else 0,
            settlement_fee=order.settlement_fee,
            flags=flags,
        )
    )


def _say(desk: "Desk", valid: bool, step: perennial_versions.VersionStep, settlement_fees: int, settled: int) -> None:
    market, parts = desk.market, step.breakdown
    totals = market.totals
    assert len(totals) == SIDES
    body = events_pb2.VersionSettled(
        version_ms=market.settled_ms,
        valid=valid,
        price_ticks=market.price,
        maker_lots=totals.maker_lots,
        long_lots=totals.long_lots,
        short_lots=totals.short_lots,
        maker_value_e6=market.values[0],
        long_value_e6=market.values[1],
        short_value_e6=market.values[2],
        funding_rate_ppm=market.rate,
        position_fee_atoms=parts.position_fee_atoms,
        funding_fee_atoms=parts.funding_fee_atoms,
        interest_fee_atoms=parts.interest_fee_atoms,
        settlement_fee_atoms=settlement_fees,
        maker_pnl_atoms=parts.pnl.maker_atoms,
        long_pnl_atoms=parts.pnl.long_atoms,
        short_pnl_atoms=parts.pnl.short_atoms,
        settled=settled,
    )
    desk.say(0, version_settled=body)
