"""Pages of `margin` on venues whose liquidations are left to bots: an account by its ratio, or at oracle versions."""

from typing import TYPE_CHECKING

from node.cli import steps
from node.cli.output import put_facts, put_table
from node.cli.versions import PENDING_COLUMNS, pending_row

if TYPE_CHECKING:
    from breakwater.v1 import accounts_pb2, batches_pb2, parameters_pb2

    Markets = dict[int, parameters_pb2.MarketParameters]

_RATIO_COLUMNS = ("market", "size", "cost", "mark", "uPnL", "collateral", "funding", "liquidation", "may be taken")
_VERSIONED_COLUMNS = ("market", "position", "collateral", "required", "price", "version", "liquidation", "locked until")
_TIERS = {0: "may open", 1: "no new exposure", 2: "may be liquidated in part", 3: "may be liquidated whole"}
_KINDS = {0: "", 1: "maker ", 2: "long ", 3: "short "}
# A ratio without collateral is infinite, and told as the largest number there is.
_INFINITE = (1 << 63) - 1


def put_ratio(answer: "accounts_pb2.GetMarginResponse", markets: "Markets") -> None:
    """An account of a Spin venue with its positions."""
    account, ratio = answer.account, answer.account.ratio
    rows = [
        ("cash", steps.usdc(ratio.cash_atoms)),
        ("equity", steps.usdc(ratio.equity_atoms)),
        ("accrued funding", steps.usdc(ratio.accrued_funding_atoms)),
        ("collateral of positions", steps.usdc(ratio.position_collateral_atoms)),
        ("collateral of orders", steps.usdc(ratio.order_collateral_atoms)),
        ("reserved for takeovers", steps.usdc(ratio.reserved_atoms)),
        ("ratio", _ratio(ratio.ratio_e9)),
        ("ratio without orders", _ratio(ratio.ratio_without_orders_e9)),
        ("tier", _TIERS.get(ratio.tier, str(ratio.tier))),
        ("withdrawable", steps.usdc(ratio.withdrawable_atoms)),
        ("withdrawing", steps.usdc(account.pending_withdrawal_atoms)),
        ("frozen", "yes" if account.frozen else "no"),
    ]
    put_facts(f"Account {account.account} of venue {account.venue} at height {answer.height}, USDC", rows)
    held = [position for position in ratio.positions if position.lots]
    if held:
        put_table("Positions", _RATIO_COLUMNS, (_ratio_row(one, markets[one.market]) for one in held))


def put_versioned(answer: "accounts_pb2.GetMarginResponse", markets: "Markets") -> None:
    """An account of a Perennial venue with its markets and what is pending in them."""
    account = answer.account
    rows = [
        ("free", steps.usdc(account.free_atoms)),
        ("held", steps.usdc(account.held_atoms)),
        ("withdrawing", steps.usdc(account.pending_withdrawal_atoms)),
        ("frozen", "yes" if account.frozen else "no"),
    ]
    put_facts(f"Account {account.account} of venue {account.venue} at height {answer.height}, USDC", rows)
    if account.versioned:
        put_table(
            "Markets", _VERSIONED_COLUMNS, (_versioned_row(one, markets[one.market]) for one in account.versioned)
        )
    pending = [(order, markets[one.market]) for one in account.versioned for order in one.pending]
    if pending:
        put_table("Pending", PENDING_COLUMNS, (pending_row(order, market) for order, market in pending))


def _ratio(ratio_e9: int) -> str:
    return "infinite" if ratio_e9 == _INFINITE else f"{ratio_e9 / 10**9:.4f}"


def _ratio_row(position: "batches_pb2.RatioPositionView", market: "parameters_pb2.MarketParameters") -> tuple[str, ...]:
    return (
        market.symbol,
        steps.size(position.lots, market),
        steps.usdc(position.cost_atoms),
        steps.price(position.mark_ticks, market),
        steps.usdc(position.upnl_atoms),
        steps.usdc(position.collateral_atoms),
        steps.usdc(position.accrued_funding_atoms),
        steps.price(position.liquidation_ticks, market),
        steps.size(position.liquidatable_lots, market),
    )


def _versioned_row(position: "batches_pb2.VersionedView", market: "parameters_pb2.MarketParameters") -> tuple[str, ...]:
    from node.report.amounts import utc

    return (
        market.symbol,
        f"{_KINDS[position.kind]}{steps.size(position.lots, market)}",
        steps.usdc(position.collateral_atoms),
        steps.usdc(position.requirement_atoms),
        steps.price(position.price_ticks, market),
        utc(position.version_ms) if position.version_ms else "-",
        steps.price(position.liquidation_ticks, market),
        utc(position.locked_version_ms) if position.locked_version_ms else "-",
    )
