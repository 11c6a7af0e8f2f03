"""A Perennial account at a block, in words: collateral at the version, fees, requirement, lock, what settled."""

from collections.abc import Iterator

from actors.risk.perennial_terms import terms_of
from actors.rulebooks.perennial import is_liquidatable
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals
from cluster.moment import Moment
from node.report.amounts import count, utc
from node.report.plain import plain
from node.services.perennial_quotes import Desk, Standing, quote

Line = tuple[str, str]

# What a refusal rests on, where it is a rule of the venue.
RULES: dict[int, str] = {
    refusals.REFUSAL_NOT_SINGLE_SIDED: "PE-01",
    refusals.REFUSAL_POSITION_LOCKED: "PE-08",
    refusals.REFUSAL_LIQUIDATION_PENDING: "PE-08",
    refusals.REFUSAL_COLLATERAL_LOCKED: "PE-08",
    refusals.REFUSAL_BELOW_REQUIREMENT: "PE-03",
    refusals.REFUSAL_NOT_LIQUIDATABLE: "PE-02",
    refusals.REFUSAL_REWARD_ABOVE_LIMIT: "PE-09",
    refusals.REFUSAL_STALE_VERSION: "PE-04",
    refusals.REFUSAL_NO_VERSION: "PE-04",
    refusals.REFUSAL_EFFICIENCY_LIMIT: "PE-13",
    refusals.REFUSAL_MARKET_SOCIALISED: "PE-13",
    refusals.REFUSAL_MAKER_LIMIT: "PE-13",
    refusals.REFUSAL_MARKET_CLOSED: "PE-13",
    refusals.REFUSAL_TOO_MANY_PENDING: "PE-04",
    refusals.REFUSAL_TOO_MANY_PENDING_VERSIONS: "PE-04",
    refusals.REFUSAL_INSUFFICIENT_MARKET_FUNDS: "PE-17",
    refusals.REFUSAL_NOTHING_TO_REPAY: "PE-17",
}
# What an event is called, and its rule.
STEPS: dict[str, tuple[str, str]] = {
    "position_pinned": ("new sizes pinned to a version", "PE-04"),
    "position_locked": ("a liquidation began: locked until its close settles", "PE-07"),
    "position_settled": ("its order of a version settled", "PE-05"),
    "position_repinned": ("the version was invalid: its close waits for the next", "PE-06"),
    "collateral_moved": ("collateral moved", "PE-03"),
    "credited": ("a reward, or what a refused change had held, arrived", "PE-09"),
    "transferred": ("it paid a debt to the market", "PE-17"),
    "shortfall_recorded": ("what it owes the market was recorded", "PE-17"),
    "shortfall_repaid": ("debt was repaid", "PE-17"),
}


def verdict(moment: Moment, steps: list[str]) -> str:
    """One sentence a market: was it liquidatable, by which numbers, and what came of it."""
    held = [row for row in moment.scanned.versioned if row.lots]
    if not held:
        return "; ".join(["not liquidatable: it had no settled position (PE-02)", *dict.fromkeys(steps)])
    return "; ".join([*(_judged(moment, row) for row in held), *dict.fromkeys(steps)])


def _judged(moment: Moment, row: batches.VersionedView) -> str:
    symbol = moment.markets[row.market].symbol
    locks = [event.position_locked for event in moment.events if event.HasField("position_locked")]
    begun = next((lock for lock in locks if lock.lots == row.lots and lock.price_version_ms == row.version_ms), None)
    left, needed = (begun.collateral_atoms, begun.requirement_atoms) if begun else _standing(moment, row)
    numbers = f"{count(left)} atoms after all fees, {count(needed)} required"
    if row.locked_version_ms:
        return f"{symbol} locked until version {utc(row.locked_version_ms)} has settled: {numbers} (PE-08)"
    if not is_liquidatable(left, needed):
        return f"{symbol} not liquidatable: {numbers} (PE-02)"
    told = f"{symbol} liquidatable: {numbers} (PE-02)"
    return told if begun else f"{told}; nobody closed it in this block (PE-07)"


def _standing(moment: Moment, row: batches.VersionedView) -> tuple[int, int]:
    """Collateral less the fees of what is pending and of a close now, and the requirement, atoms (PE-02).

    Of a locked account the close is pending already.
    """
    standing = Standing(moment.scanned.account, row.kind, row.lots, row.collateral_atoms)
    terms = terms_of(moment.venue, moment.markets[row.market])
    found = quote(standing, Desk(moment.desks[row.market], terms, moment.block_time_ms))
    return found.equity_atoms, found.required_atoms


def _fees(row: batches.VersionedView) -> int:
    return sum(order.fee_atoms + order.settlement_fee_atoms for order in row.pending)


def lines(moment: Moment) -> Iterator[Line]:
    """The account as the block found it, market by market."""
    yield "balance", f"{count(moment.scanned.free_atoms)} atoms free, {count(moment.scanned.held_atoms)} held"
    for row in moment.scanned.versioned:
        symbol = moment.markets[row.market].symbol
        kind = plain(row)["kind"].lower() if row.lots else "no position"
        near = f", liquidation near {count(row.liquidation_ticks)}" if row.liquidation_ticks else ""
        at = f"at {count(row.price_ticks)}, version {utc(row.version_ms)}" if row.version_ms else "before any version"
        yield symbol, f"{kind}, {count(row.lots)} lots {at}{near}"
        yield (
            "collateral",
            f"{count(row.collateral_atoms)} atoms at the version, pending fees {count(_fees(row))}, "
            f"requirement {count(row.requirement_atoms)} (PE-01, PE-03)",
        )
        for order in row.pending:
            yield "pending", _order(order)
        if row.locked_version_ms:
            yield "locked", f"until the close of version {utc(row.locked_version_ms)} has settled (PE-08)"


def _order(order: batches.PendingPosition) -> str:
    what = "liquidation" if order.is_liquidation else "change"
    sizes = f"maker {count(order.maker_lots)}, long {count(order.long_lots)}, short {count(order.short_lots)}"
    fees = f"fee {count(order.fee_atoms)}, settlement fee {count(order.settlement_fee_atoms)} atoms"
    return f"{what} to {sizes} at version {utc(order.version_ms)}: {fees} (PE-04)"


def nearby(moment: Moment) -> Iterator[Line]:
    """Versions its markets settled, and whom it liquidated."""
    for event in moment.nearby:
        symbol = moment.markets[event.market].symbol
        if event.HasField("version_settled"):
            version: events.VersionSettled = event.version_settled
            state = "settled (PE-05)" if version.valid else "was invalid (PE-06)"
            yield (
                f"{symbol} version {state}",
                f"{utc(version.version_ms)} at {count(version.price_ticks)}, {version.settled} orders",
            )
        elif event.HasField("position_locked"):
            closed: events.PositionLocked = event.position_locked
            asked = f", {count(closed.reward_asked_atoms)} asked" if closed.reward_asked_atoms else ""
            yield (
                "liquidated another (PE-07, PE-09)",
                f"account {event.account}, {count(closed.lots)} lots at version {utc(closed.version_ms)} "
                f"for {count(closed.reward_atoms)} of at most {count(closed.reward_limit_atoms)} atoms{asked}",
            )
