"""`margin`, `vault`: an account with its positions and orders; the backstop vault and the venue's funds."""

from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import steps
from node.cli.bot_margins import put_ratio, put_versioned
from node.cli.connection import (
    BOOK_VENUE,
    DEFAULT_DATA,
    AccountOption,
    AddressOption,
    ApiKeyOption,
    BookVenueOption,
    DataOption,
    VenueOption,
    connected,
)
from node.cli.output import JsonOption, put_facts, put_json, put_table
from node.cli.trading import liquidity_move

if TYPE_CHECKING:
    from breakwater.v1 import accounts_pb2, batches_pb2, parameters_pb2

_POSITION_COLUMNS = (
    "market",
    "size",
    "cost",
    "mark",
    "uPnL",
    "margin",
    "maintenance",
    "leverage",
    "liquidation",
    "ADL rank",
)
_ORDER_COLUMNS = ("order", "client id", "market", "side", "price", "size", "open", "trigger", "kind")


def margin(
    account: AccountOption,
    venue: VenueOption = BOOK_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """An account's margin by its venue's rules: equity, requirements, positions with liquidation price, open orders."""
    from node.report.plain import plain

    with connected(address, api_key, data) as client:
        answer = client.margin(account, venue)
        if as_json:
            put_json(plain(answer))
            return
        markets = {one.market: one for one in client.list_markets(venue)}
    view = answer.account
    if view.HasField("cross"):
        _put_cross(answer, markets)
    elif view.HasField("ratio"):
        put_ratio(answer, markets)
    else:
        put_versioned(answer, markets)
    orders = view.ratio.orders if view.HasField("ratio") else view.cross.orders
    if orders:
        put_table("Open orders", _ORDER_COLUMNS, (_order_row(one, markets[one.market]) for one in orders))


def vault(
    deposit_atoms: Annotated[int | None, typer.Option("--deposit", help="Atoms to put into the vault.")] = None,
    withdraw_shares: Annotated[int | None, typer.Option("--withdraw", help="Micro-shares to take out.")] = None,
    account: Annotated[int | None, typer.Option("--account", min=1, help="Whose shares to show or move.")] = None,
    venue: BookVenueOption = BOOK_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """The backstop vault and the venue's funds; with --deposit or --withdraw an LP's move into or out of it."""
    from node.report.plain import plain

    move = liquidity_move(account, deposit_atoms, withdraw_shares)
    with connected(address, api_key, data) as client:
        if move:
            move(client, venue, as_json)
            return
        view = client.vault([account] if account is not None else [], venue)
        if as_json:
            put_json(plain(view))
        else:
            _put_vault(view)


def _put_cross(answer: "accounts_pb2.GetMarginResponse", markets: "dict[int, parameters_pb2.MarketParameters]") -> None:
    _put_margin(answer)
    ranks = {rank.market: rank for rank in answer.ranks}
    held = [position for position in answer.account.cross.positions if position.lots]
    if held:
        rows = (_position_row(one, markets[one.market], ranks[one.market]) for one in held)
        put_table("Positions", _POSITION_COLUMNS, rows)


def _put_margin(answer: "accounts_pb2.GetMarginResponse") -> None:
    account, cross = answer.account, answer.account.cross
    rung = {0: "healthy", 1: "1, below maintenance", 2: "2, for the vault"}.get(cross.rung, str(cross.rung))
    rows = [
        ("cash", steps.usdc(cross.cash_atoms)),
        ("equity", steps.usdc(cross.equity_atoms)),
        ("initial margin", steps.usdc(cross.initial_margin_atoms)),
        ("maintenance", steps.usdc(cross.maintenance_atoms)),
        ("holds of orders", steps.usdc(cross.holds_atoms)),
        ("free margin", steps.usdc(cross.free_margin_atoms)),
        ("withdrawable", steps.usdc(cross.withdrawable_atoms)),
        ("withdrawing", steps.usdc(account.pending_withdrawal_atoms)),
        ("rung", rung),
        ("frozen", "yes" if account.frozen else "no"),
    ]
    put_facts(f"Account {account.account} of venue {account.venue} at height {answer.height}, USDC", rows)


def _position_row(
    position: "batches_pb2.CrossPositionView",
    market: "parameters_pb2.MarketParameters",
    rank: "accounts_pb2.DeleverageRank",
) -> tuple[str, ...]:
    return (
        market.symbol,
        steps.size(position.lots, market),
        steps.usdc(position.cost_atoms),
        steps.price(position.mark_ticks, market),
        steps.usdc(position.upnl_atoms),
        steps.usdc(position.initial_margin_atoms),
        steps.usdc(position.maintenance_atoms),
        str(position.leverage),
        steps.price(position.liquidation_ticks, market),
        f"{rank.rank} of {rank.positions}" if rank.rank else "-",
    )


def _order_row(order: "batches_pb2.CrossOrderView", market: "parameters_pb2.MarketParameters") -> tuple[str, ...]:
    kinds = [name for flag, name in ((1, "post-only"), (2, "reduce-only"), (4, "market")) if order.flags & flag]
    return (
        str(order.order),
        str(order.client_order_id or "-"),
        market.symbol,
        "buy" if order.side == 1 else "sell",
        steps.price(order.limit_ticks, market),
        steps.size(order.size_lots, market),
        steps.size(order.remaining_lots, market),
        steps.price(order.trigger_ticks, market),
        ", ".join(kinds) or "limit",
    )


def _put_vault(view: "batches_pb2.BackstopView") -> None:
    rows = [
        ("NAV marked", steps.usdc(view.nav_marked_atoms)),
        ("highest NAV", steps.usdc(view.high_nav_atoms)),
        ("cash", steps.usdc(view.vault.cash_atoms)),
        ("inventory, gross", steps.usdc(view.vault.gross_notional_atoms)),
        ("maintenance", steps.usdc(view.vault.maintenance_atoms)),
        ("micro-shares", f"{view.sums.micro_shares:,}"),
        ("insurance fund", steps.usdc(view.sums.fund_atoms)),
        ("shortfall", steps.usdc(view.sums.shortfall_atoms)),
        ("fees", steps.usdc(view.sums.fees_atoms)),
    ]
    put_facts(f"Vault of venue {view.venue} at height {view.height}, USDC", rows)
    if view.holdings:
        columns = ("account", "micro-shares", "locked", "until", "worth")
        put_table("Holdings", columns, map(_holding_row, view.holdings))


def _holding_row(holding: "batches_pb2.VaultHolding") -> tuple[str, ...]:
    from node.report.amounts import utc

    return (
        str(holding.account),
        f"{holding.micro_shares:,}",
        f"{holding.locked_micro_shares:,}",
        utc(holding.locked_until_ms) if holding.locked_micro_shares else "-",
        steps.usdc(holding.value_atoms),
    )
