"""`order`, `amend`, `cancel`, `leverage`, `estimate`: orders on the books of a Margin Trade venue."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import steps
from node.cli.connection import (
    BOOK_VENUE,
    DEFAULT_DATA,
    AccountOption,
    AddressOption,
    ApiKeyOption,
    BookVenueOption,
    DataOption,
    MarketOption,
    connected,
)
from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_facts, put_json
from node.cli.trading import put_outcome

if TYPE_CHECKING:
    from breakwater.v1 import orders_pb2, parameters_pb2
    from node.client.order_requests import TriggerWord
    from node.client.requests import SideWord

# By OutcomeStatus.
_TITLES = {3: "Filled", 4: "Rests on the book", 6: "Filled in part", 7: "Waits for its trigger", 8: "Expired"}


class Trade(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"


class Lifetime(StrEnum):
    """How long an order lives."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class SelfTrade(StrEnum):
    """What happens when an account would trade with itself."""

    EXPIRE_MAKER = "expire-maker"
    EXPIRE_TAKER = "expire-taker"
    EXPIRE_BOTH = "expire-both"


# The side under which the client knows a trade.
_SIDES: "dict[Trade, SideWord]" = {Trade.BUY: "long", Trade.SELL: "short"}

ClientIdOption = Annotated[int, typer.Option("--client-id", help="Your own number of the order; 0: none.")]


def order(
    trade: Annotated[Trade, typer.Argument(help="buy or sell.")],
    size: Annotated[str, typer.Argument(help="In the base unit, as 0.25.")],
    account: AccountOption,
    limit: Annotated[str | None, typer.Option(help="Limit price; without it: a market order.")] = None,
    lifetime: Annotated[Lifetime, typer.Option("--tif", help="gtc, ioc or fok.")] = Lifetime.GTC,
    post_only: Annotated[bool, typer.Option("--post-only", help="Refused if it would trade at once.")] = False,
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Never opens or turns a position.")] = False,
    stop: Annotated[str | None, typer.Option(help="Waits until the mark is this bad.")] = None,
    take_profit: Annotated[str | None, typer.Option(help="Waits until the mark is this good.")] = None,
    self_trade: Annotated[SelfTrade, typer.Option(help="Against an order of the same account.")] = (
        SelfTrade.EXPIRE_MAKER
    ),
    client_id: ClientIdOption = 0,
    market: MarketOption = 1,
    venue: BookVenueOption = BOOK_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Place an order on a book: market or limit, at once or when the mark meets a trigger."""
    if stop is not None and take_profit is not None:
        raise Refusal("give one of --stop and --take-profit", EXIT_USAGE)
    trigger: TriggerWord | None = "stop" if stop is not None else "take-profit" if take_profit is not None else None
    with connected(address, api_key, data) as client:
        outcome = client.place_order(
            account,
            _SIDES[trade],
            size,
            limit,
            market,
            time_in_force=lifetime.value,
            post_only=post_only,
            reduce_only=reduce_only,
            trigger=trigger,
            trigger_price=stop if stop is not None else take_profit,
            self_trade=self_trade.value,
            client_order_id=client_id,
            venue=venue,
        )
        title = _TITLES.get(outcome.status, "Taken")
        put_outcome(title, outcome, as_json, account=account, order=outcome.reference)


def amend(
    account: AccountOption,
    number: Annotated[int, typer.Argument(metavar="[ORDER]", help="Number of the order; or --client-id.")] = 0,
    size: Annotated[str | None, typer.Option(help="New total, the filled part included.")] = None,
    limit: Annotated[str | None, typer.Option(help="New price.")] = None,
    client_id: ClientIdOption = 0,
    venue: BookVenueOption = BOOK_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Change size or price of a live order; only a smaller size at the same price keeps its place in the queue."""
    if size is None and limit is None:
        raise Refusal("give --size, --limit or both", EXIT_USAGE)
    with connected(address, api_key, data) as client:
        outcome = client.amend_order(account, number, size, limit, client_id, venue)
        put_outcome("Amended", outcome, as_json, account=account, order=outcome.reference or number)


def cancel(
    account: AccountOption,
    number: Annotated[int, typer.Argument(metavar="[ORDER]", help="Number of the order; without it all of them.")] = 0,
    client_id: ClientIdOption = 0,
    market: Annotated[int, typer.Option("--market", min=0, help="Of all of them only those of this market.")] = 0,
    venue: BookVenueOption = BOOK_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Cancel an order, or all orders and triggers of an account."""
    with connected(address, api_key, data) as client:
        outcome = client.cancel_orders(account, number, client_id, market, venue)
        put_outcome("Cancelled", outcome, as_json, account=account, order=number)


def leverage(
    chosen: Annotated[int, typer.Argument(metavar="LEVERAGE", help="A whole number, from 1.")],
    account: AccountOption,
    market: MarketOption = 1,
    venue: BookVenueOption = BOOK_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Choose the leverage of an account in a market."""
    with connected(address, api_key, data) as client:
        outcome = client.set_leverage(account, chosen, market, venue)
        put_outcome("Leverage set", outcome, as_json, account=account, leverage=chosen)


def estimate(
    trade: Annotated[Trade, typer.Argument(help="buy or sell.")],
    size: Annotated[str, typer.Argument(help="In the base unit, as 0.25.")],
    account: AccountOption,
    price: Annotated[str | None, typer.Option(help="Filled at this price; without it: at the book's depth.")] = None,
    chosen: Annotated[int, typer.Option("--leverage", min=0, help="0: what the account has chosen.")] = 0,
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="As an order that only reduces.")] = False,
    market: MarketOption = 1,
    venue: BookVenueOption = BOOK_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """What an order would do to the account now, and why it would be refused. Nothing is sent to a block."""
    from node.report.plain import plain

    with connected(address, api_key, data) as client:
        answer = client.estimate_position(account, _SIDES[trade], size, price, market, chosen, reduce_only, venue)
        if as_json:
            put_json(plain(answer))
            return
        _put_estimate(answer, steps.market_of(client, venue, market))


def _put_estimate(answer: "orders_pb2.EstimatePositionResponse", market: "parameters_pb2.MarketParameters") -> None:
    from node.client.errors import refusal_name

    verdict = "taken"
    if answer.refusal:
        verdict = f"{refusal_name(answer.refusal)}: required {answer.required:,}, actual {answer.actual:,}"
    rows = [
        ("verdict", verdict),
        ("mark", steps.price(answer.mark_ticks, market)),
        ("filled", f"{steps.size(answer.filled_lots, market)} of {steps.size(answer.size_lots, market)}"),
        ("average price", steps.price(answer.average_price_ticks, market)),
        ("fee", steps.usdc(answer.fee_atoms)),
        ("added hold", f"{steps.usdc(answer.hold_atoms)} of {steps.usdc(answer.free_margin_atoms)} free"),
        ("position after", steps.size(answer.position_lots, market)),
        ("equity after", steps.usdc(answer.equity_atoms)),
        ("initial margin after", steps.usdc(answer.initial_margin_atoms)),
        ("maintenance after", steps.usdc(answer.maintenance_atoms)),
        ("free margin after", steps.usdc(answer.free_margin_after_atoms)),
        ("liquidation price", steps.price(answer.liquidation_ticks, market)),
    ]
    put_facts(f"Estimate at height {answer.height}", rows)
