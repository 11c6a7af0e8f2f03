"""`liquidate`, `quote-liquidation`, `liquidatable`, `liquidators`: venues whose liquidations are left to anyone."""

from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import steps
from node.cli.connection import (
    DEFAULT_DATA,
    SPIN_VENUE,
    AccountOption,
    AddressOption,
    ApiKeyOption,
    BotVenueOption,
    DataOption,
    MarketOption,
    connected,
)
from node.cli.output import JsonOption, put_facts, put_json, put_table
from node.cli.trading import put_outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from breakwater.v1 import liquidation_pb2, parameters_pb2

AnyMarketOption = Annotated[int, typer.Option("--market", min=0, help="Only this market; 0: every one.")]

# By OutcomeStatus: LIQUIDATED, PENDING.
_TITLES = {5: "Taken over", 9: "Closes at the next version"}
_E9 = 10**9
_QUOTE_COLUMNS = (
    "account",
    "market",
    "position",
    "mark",
    "equity",
    "required",
    "covered",
    "may be taken",
    "value",
    "reward",
    "insurance",
    "why not",
)


def liquidate(
    target: Annotated[int, typer.Argument(min=1, help="Whom to liquidate.")],
    account: AccountOption,
    size: Annotated[str | None, typer.Option(help="Spin: how much to take over, in the base unit.")] = None,
    reward: Annotated[
        str | None, typer.Option(help="Perennial: what to ask for, in the venue's asset; without it all that may be.")
    ] = None,
    market: MarketOption = 1,
    venue: BotVenueOption = SPIN_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Liquidate an account: take over part of its position (Spin), or close it at the next version (Perennial)."""
    with connected(address, api_key, data) as client:
        outcome = client.liquidate(account, target, size, market, venue, reward)
        put_outcome(_TITLES.get(outcome.status, "Done"), outcome, as_json, account=account, target=target)


def quote_liquidation(
    account: AccountOption,
    market: AnyMarketOption = 0,
    venue: BotVenueOption = SPIN_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """What of an account may be liquidated now and for what reward, or why nothing may. Nothing is sent to a block."""
    from node.report.plain import plain

    with connected(address, api_key, data) as client:
        answer = client.quote_liquidation(account, market, venue)
        if as_json:
            put_json(plain(answer))
            return
        markets = {one.market: one for one in client.list_markets(venue)}
    if answer.quotes:
        rows = (_quote_row(account, quote, markets[quote.market]) for quote in answer.quotes)
        put_table(f"At height {answer.height}, USDC", _QUOTE_COLUMNS, rows)
    else:
        put_facts(f"At height {answer.height}", [("positions", "none")])


def liquidatable(
    market: AnyMarketOption = 0,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The worst so many.")] = 100,
    venue: BotVenueOption = SPIN_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Accounts that may be liquidated now, the worst first."""
    from node.report.plain import plain

    with connected(address, api_key, data) as client:
        answer = client.liquidatable(market, limit, venue)
        if as_json:
            put_json(plain(answer))
            return
        markets = {one.market: one for one in client.list_markets(venue)}
    title = f"{answer.total:,} liquidatable at height {answer.height}, USDC"
    put_table(title, _QUOTE_COLUMNS, _rows(answer.accounts, markets))


def liquidators(
    account: Annotated[int, typer.Option("--account", min=0, help="Only this liquidator; 0: every one.")] = 0,
    from_height: Annotated[int, typer.Option(min=0, help="From this height on.")] = 0,
    to_height: Annotated[int, typer.Option(min=0, help="Up to this height; 0: up to now.")] = 0,
    venue: BotVenueOption = SPIN_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """What liquidators won and what they were refused, most rewarded first."""
    from node.client.errors import refusal_name
    from node.report.plain import plain

    with connected(address, api_key, data) as client:
        answer = client.liquidators(account, from_height, to_height, venue)
    if as_json:
        put_json(plain(answer))
        return
    columns = ("account", "liquidations", "targets", "value", "reward", "of it the fund", "refused")
    rows = (
        (
            str(one.account),
            f"{one.liquidations:,}",
            f"{one.targets:,}",
            steps.usdc(one.value_atoms),
            steps.usdc(one.reward_atoms),
            steps.usdc(one.fund_atoms),
            ", ".join(f"{refusal_name(refused.refusal)} {refused.count:,}" for refused in one.refusals),
        )
        for one in answer.liquidators
    )
    put_table(f"Liquidators, heights {answer.from_height} to {answer.to_height}, USDC", columns, rows)


def _rows(
    accounts: "Iterable[liquidation_pb2.LiquidatableAccount]", markets: "dict[int, parameters_pb2.MarketParameters]"
) -> "Iterable[tuple[str, ...]]":
    for one in accounts:
        for quote in one.quotes:
            yield _quote_row(one.account, quote, markets[quote.market])


def _quote_row(
    account: int, quote: "liquidation_pb2.LiquidationQuote", market: "parameters_pb2.MarketParameters"
) -> tuple[str, ...]:
    from node.client.errors import refusal_name

    why_not = ""
    if quote.refusal:
        why_not = f"{refusal_name(quote.refusal)}: required {quote.required:,}, actual {quote.actual:,}"
    covered = quote.equity_atoms / quote.required_atoms if quote.required_atoms else None
    return (
        str(account),
        market.symbol,
        f"{_KINDS[quote.kind]}{steps.size(quote.lots, market)}",
        steps.price(quote.mark_ticks, market),
        steps.usdc(quote.equity_atoms),
        steps.usdc(quote.required_atoms),
        "-" if covered is None else f"{covered:.4f}",
        steps.size(quote.liquidatable_lots, market),
        steps.usdc(quote.value_atoms),
        steps.usdc(quote.reward_atoms),
        steps.usdc(quote.insurance_atoms),
        why_not,
    )


# By PositionKind; Spin's sizes are signed instead.
_KINDS = {0: "", 1: "maker ", 2: "long ", 3: "short "}
