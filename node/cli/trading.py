"""`deposit`, `open`, `close`, `positions`, `pool`: the first five minutes with a node. Amounts are atoms (sats)."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.connection import (
    DEFAULT_DATA,
    AccountOption,
    AddressOption,
    ApiKeyOption,
    DataOption,
    MarketOption,
    VenueOption,
    connected,
)
from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_facts, put_json, put_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from breakwater.v1 import answers_pb2, batches_pb2
    from node.client import Client

# By OutcomeStatus: FILLED, LIQUIDATED (TW-12).
_CLOSE_TITLES = {3: "Closed", 5: "Closed as a liquidation"}


class Direction(StrEnum):
    """Which way a position gains."""

    LONG = "long"
    SHORT = "short"


def deposit(
    amount_atoms: Annotated[int, typer.Argument(metavar="ATOMS", help="What the custodian credits.")],
    account: Annotated[int | None, typer.Option("--account", min=1, help="Without it a new account is opened.")] = None,
    venue: VenueOption = 1,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Credit an account, or a new one (custodian; a trader's key opens the account)."""
    with connected(address, api_key, data) as client:
        opened = account is None
        number = client.open_account(venue) if account is None else account
        outcome = client.deposit(number, amount_atoms, venue)
        put_outcome("Deposited", outcome, as_json, account=number, opened=opened, amount_atoms=amount_atoms)


def open_(
    side: Annotated[Direction, typer.Argument(help="long or short.")],
    margin_atoms: Annotated[int, typer.Option("--margin", help="Initial margin in atoms.")],
    leverage: Annotated[str, typer.Option(help="1 to 50, two decimals at most.")],
    account: AccountOption,
    limit: Annotated[str | None, typer.Option(help="Price of a limit order; without it: at the mark.")] = None,
    venue: VenueOption = 1,
    market: MarketOption = 1,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Open a position at the mark, or rest a limit order."""
    with connected(address, api_key, data) as client:
        outcome = client.open_position(account, side.value, margin_atoms, leverage, limit, market, venue)
        put_outcome("Opened", outcome, as_json, account=account, position=outcome.reference)


def close(
    position: Annotated[int, typer.Argument(help="Number of the position.")],
    account: AccountOption,
    limit: Annotated[str | None, typer.Option(help="Close at this price or better.")] = None,
    stop_loss: Annotated[str | None, typer.Option(help="Set a stop loss instead of closing.")] = None,
    take_profit: Annotated[str | None, typer.Option(help="Set a take profit instead of closing.")] = None,
    venue: VenueOption = 1,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Close a position at the mark, or set one of its levels."""
    if sum(level is not None for level in (limit, stop_loss, take_profit)) > 1:
        raise Refusal("give one of --limit, --stop-loss, --take-profit", EXIT_USAGE)
    with connected(address, api_key, data) as client:
        if stop_loss is not None:
            outcome = client.set_stop_loss(account, position, stop_loss, venue)
        elif take_profit is not None:
            outcome = client.set_take_profit(account, position, take_profit, venue)
        else:
            outcome = client.close_position(account, position, limit, venue)
        put_outcome(
            _CLOSE_TITLES.get(outcome.status, "Level set"), outcome, as_json, account=account, position=position
        )


def positions(
    account: AccountOption,
    venue: VenueOption = 1,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """The account: balances, open positions, resting orders."""
    from node.report.plain import plain

    with connected(address, api_key, data) as client:
        view = client.account(account, venue)
    if as_json:
        put_json(plain(view))
        return
    _put_balances(view)
    if view.positions:
        columns = (
            "position",
            "side",
            "margin",
            "leverage",
            "entry",
            "mark",
            "uPnL",
            "equity",
            "liquidation",
            "stop",
            "take",
        )
        put_table("Positions", columns, map(_position_row, view.positions))
    if view.orders:
        put_table("Resting orders", ("order", "side", "margin", "leverage", "limit"), map(_order_row, view.orders))


def pool(
    deposit_atoms: Annotated[int | None, typer.Option("--deposit", help="Atoms to put into the pool.")] = None,
    withdraw_shares: Annotated[int | None, typer.Option("--withdraw", help="Micro-shares to take out.")] = None,
    account: Annotated[int | None, typer.Option("--account", min=1, help="Whose shares to show or move.")] = None,
    venue: VenueOption = 1,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """The liquidity pool; with --deposit or --withdraw an LP's move into or out of it."""
    from node.report.plain import plain

    move = liquidity_move(account, deposit_atoms, withdraw_shares)
    with connected(address, api_key, data) as client:
        if move:
            move(client, venue, as_json)
            return
        facts = plain(client.pool(venue, [account] if account is not None else []))
        if as_json:
            put_json(facts)
        else:
            _put_pool(facts)


def liquidity_move(
    account: int | None, deposit_atoms: int | None, withdraw_shares: int | None
) -> "Callable[[Client, int, bool], None] | None":
    """An LP's move into or out of a pool or a vault, which shows its answer; None where none is asked for."""
    moves = (deposit_atoms is not None) + (withdraw_shares is not None)
    if not moves:
        return None
    if moves > 1 or account is None:
        raise Refusal("give one of --deposit and --withdraw, and the --account that moves", EXIT_USAGE)

    def move(client: "Client", venue: int, as_json: bool) -> None:
        if deposit_atoms is not None:
            title, outcome = "Shares minted", client.deposit_liquidity(account, deposit_atoms, venue)
        else:
            title, outcome = "Shares redeemed", client.withdraw_liquidity(account, withdraw_shares or 0, venue)
        put_outcome(title, outcome, as_json, account=account, micro_shares=outcome.reference)

    return move


def put_outcome(title: str, outcome: "answers_pb2.CommandOutcome", as_json: bool, **more: Any) -> None:
    """The answer to one command; what is zero is left out of the page, never out of the object."""
    from node.report.plain import plain

    facts = plain(outcome) | more
    if as_json:
        put_json(facts)
        return
    rows = [
        (name.replace("_", " "), str(value)) for name, value in facts.items() if value not in (0, "UNSPECIFIED", False)
    ]
    put_facts(title, rows)


def _put_balances(view: "batches_pb2.AccountView") -> None:
    from node.report.amounts import btc

    rows = [
        ("free", btc(view.free_atoms)),
        ("held", btc(view.held_atoms)),
        ("margin", btc(view.margin_atoms)),
        ("withdrawing", btc(view.pending_withdrawal_atoms)),
        ("frozen", "yes" if view.frozen else "no"),
    ]
    put_facts(f"Account {view.account} of venue {view.venue}", rows)


def _position_row(view: "batches_pb2.PositionView") -> tuple[str, ...]:
    return (
        str(view.position),
        "long" if view.side == 1 else "short",
        f"{view.margin_held_atoms:,}",
        f"{view.leverage_hundredths / 100:g}",
        f"{view.entry_ticks:,}",
        f"{view.mark_ticks:,}",
        f"{view.upnl_atoms:,}",
        f"{view.equity_atoms:,}",
        f"{view.liquidation_ticks:,}",
        f"{view.stop_loss_ticks:,}",
        f"{view.take_profit_ticks:,}",
    )


def _order_row(view: "batches_pb2.OrderView") -> tuple[str, ...]:
    return (
        str(view.order),
        "long" if view.side == 1 else "short",
        f"{view.margin_atoms:,}",
        f"{view.leverage_hundredths / 100:g}",
        f"{view.limit_ticks:,}",
    )


def _put_pool(facts: dict[str, Any]) -> None:
    from node.report.amounts import btc

    rows = []
    for name, value in facts.items():
        if isinstance(value, list):
            rows += [(name, ", ".join(f"{key} {number:,}" for key, number in row.items())) for row in value]
        elif name.endswith("_atoms"):
            rows.append((name.removesuffix("_atoms").replace("_", " "), btc(value)))
        else:
            rows.append((name.replace("_", " "), f"{value:,}"))
    put_facts("Pool", rows)
