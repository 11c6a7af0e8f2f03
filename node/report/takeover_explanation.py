"""A Spin account at a block, in words: its ratio with and without orders, its tier, what may be taken, what was."""

from collections.abc import Iterator

from actors.units import INT64_MAX
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals
from cluster.moment import Moment
from node.report.amounts import count

Line = tuple[str, str]
PARTIAL = 2
TIERS = ("may open and withdraw", "no new exposure", "partial liquidation", "complete liquidation")

# What a refusal rests on, where it is a rule of the venue.
RULES: dict[int, str] = {
    refusals.REFUSAL_MARGIN_RATIO: "SP-04",
    refusals.REFUSAL_BELOW_STEP: "SP-07",
    refusals.REFUSAL_ABOVE_LIQUIDATABLE: "SP-06",
    refusals.REFUSAL_NOT_LIQUIDATABLE: "SP-05",
    refusals.REFUSAL_OWN_ACCOUNT: "SP-07",
    refusals.REFUSAL_LIQUIDATOR_RATIO: "SP-07",
    refusals.REFUSAL_POSITION_CAP: "SP-10",
    refusals.REFUSAL_NOT_SAME_OWNER: "SP-01",
    refusals.REFUSAL_BEING_LIQUIDATED: "SP-05",
}
# What an event is called, and its rule.
STEPS: dict[str, tuple[str, str]] = {
    "takeover_reserved": ("set aside for a position it may take over", "SP-07"),
    "account_liquidated": ("part of its position was taken over", "SP-08"),
    "credited": ("the reward of a takeover arrived with its position", "SP-08"),
    "liquidator_paid": ("the part of a reward that the account could not pay", "SP-09"),
    "insurance_moved": ("the insurance fund moved for it", "SP-09"),
    "shortfall_recorded": ("a loss nobody could carry", "SP-09"),
    "funding_settled": ("paid the funding its position had accrued", "SP-11"),
    "transferred": ("collateral to or from an account of the same owner", "SP-01"),
}


def verdict(moment: Moment, steps: list[str]) -> str:
    """One sentence: was it liquidatable, by which numbers, and what came of it."""
    ratio, steps = moment.scanned.ratio, list(dict.fromkeys(steps))
    equity, needed = ratio.equity_atoms, ratio.position_collateral_atoms
    numbers = f"equity {count(equity)}, collateral of positions {count(needed)} atoms, {_of(ratio)}"
    if not ratio.positions:
        return "; ".join(["not liquidatable: it had no position (SP-05)", *steps])
    if ratio.tier < PARTIAL:
        return "; ".join([f"not liquidatable: {numbers}, at least 0.7 (SP-05)", *steps])
    bound = "from 0.3 to below 0.7: in part" if ratio.tier == PARTIAL else "below 0.3: the whole of it"
    taken = any(event.HasField("account_liquidated") for event in moment.events)
    untouched = "nobody took anything over in this block (SP-07)"
    return "; ".join([f"liquidatable: {numbers}, {bound} (SP-04, SP-05)", *steps, *([] if taken else [untouched])])


def _of(ratio: batches.RatioView) -> str:
    return f"Mr {_ratio(ratio.ratio_without_orders_e9)} without orders"


def _ratio(ratio_e9: int) -> str:
    """Mr with six decimals, cut toward minus infinity; nothing needs collateral where it is infinite."""
    if ratio_e9 == INT64_MAX:
        return "infinite"
    micro = ratio_e9 // 1_000
    whole, rest = divmod(abs(micro), 10**6)
    return f"{'-' if micro < 0 else ''}{whole}.{rest:06d}"


def lines(moment: Moment) -> Iterator[Line]:
    """The account as the block found it."""
    ratio = moment.scanned.ratio
    yield "equity", f"{count(ratio.equity_atoms)} atoms = cash {count(ratio.cash_atoms)} + unrealised - funding (SP-02)"
    yield (
        "collateral",
        f"positions {count(ratio.position_collateral_atoms)}, orders {count(ratio.order_collateral_atoms)}, "
        f"set aside {count(ratio.reserved_atoms)} atoms (SP-02, SP-03, SP-07)",
    )
    yield "Mr", f"{_ratio(ratio.ratio_e9)} with orders, {_ratio(ratio.ratio_without_orders_e9)} without (SP-02, SP-05)"
    yield "tier", f"{TIERS[ratio.tier]}; {count(ratio.withdrawable_atoms)} atoms may leave (SP-04)"
    if ratio.accrued_funding_atoms:
        yield "funding", f"{count(ratio.accrued_funding_atoms)} atoms accrued and not yet paid (SP-11)"
    for position in ratio.positions:
        symbol = moment.markets[position.market].symbol
        lots, mark, upnl = count(position.lots), count(position.mark_ticks), count(position.upnl_atoms)
        near = count(position.liquidation_ticks) if position.liquidation_ticks else "none"
        closable = count(position.liquidatable_lots)
        yield symbol, f"{lots} lots at mark {mark}: unrealised {upnl}, liquidation near {near}, may be taken {closable}"


def nearby(moment: Moment) -> Iterator[Line]:
    """What it took over from others."""
    for event in moment.nearby:
        if event.HasField("account_liquidated"):
            taken: events.AccountLiquidated = event.account_liquidated
            lots, mark = count(taken.lots), count(taken.mark.mark_ticks)
            reward, owed = count(taken.reward_atoms), count(taken.owed_reward_atoms)
            told = f"{lots} lots of account {event.account} at {mark}, reward {reward} atoms, owed by the fund {owed}"
            yield "took over (SP-07, SP-08)", told
