"""`position`, `repay`, `version`: makers and takers of a Perennial venue, whose positions settle at oracle versions."""

from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import steps
from node.cli.connection import (
    DEFAULT_DATA,
    PERENNIAL_VENUE,
    AccountOption,
    AddressOption,
    ApiKeyOption,
    DataOption,
    MarketOption,
    PerennialVenueOption,
    connected,
)
from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_facts, put_json, put_line, put_table
from node.cli.trading import put_outcome
from node.cli.watching import line, until

if TYPE_CHECKING:
    from breakwater.v1 import batches_pb2, parameters_pb2
    from node.client import Client

# By OutcomeStatus: PENDING.
_TITLES = {9: "Pinned to the next version"}
PENDING_COLUMNS = ("account", "version", "maker", "long", "short", "fees", "liquidation")


def position(
    account: AccountOption,
    maker: Annotated[str | None, typer.Option(help="New size as a maker, in the base unit; 0 closes.")] = None,
    long: Annotated[str | None, typer.Option(help="New size of a long.")] = None,
    short: Annotated[str | None, typer.Option(help="New size of a short.")] = None,
    collateral: Annotated[
        str | None, typer.Option(help="Into the market, in its asset, as 250.5; -250.5 takes out, `all` everything.")
    ] = None,
    market: MarketOption = 1,
    venue: PerennialVenueOption = PERENNIAL_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Change a Perennial position: new sizes from the next version on, collateral in or out. What is not said stays."""
    if maker is long is short is collateral is None:
        raise Refusal("give --maker, --long, --short, --collateral or several of them", EXIT_USAGE)
    with connected(address, api_key, data) as client:
        outcome = client.change_position(account, maker, long, short, collateral, market, venue)
        title = _TITLES.get(outcome.status, "Done")
        put_outcome(title, outcome, as_json, account=account, version_ms=outcome.reference)


def repay(
    amount_atoms: Annotated[int, typer.Argument(metavar="ATOMS", help="What is paid, at most the debt.")],
    account: AccountOption,
    debtor: Annotated[int | None, typer.Option(min=1, help="Whose debt; without it the account's own.")] = None,
    market: MarketOption = 1,
    venue: PerennialVenueOption = PERENNIAL_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Pay what an account owes a Perennial market after its close; anyone may."""
    with connected(address, api_key, data) as client:
        owing = debtor or account
        outcome = client.repay_shortfall(account, owing, amount_atoms, market, venue)
        put_outcome("Repaid", outcome, as_json, account=account, debtor=owing)


def version(
    accounts: Annotated[
        list[int] | None, typer.Option("--account", min=1, help="Its pending orders and debts, too; may be repeated.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="A line a version as they settle.")] = False,
    from_height: Annotated[int, typer.Option(min=0, help="Follow from this height on; 0: from now.")] = 0,
    count: Annotated[int | None, typer.Option(min=1, help="Follow: stop after so many versions.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Follow: stop after so many seconds.")] = None,
    market: MarketOption = 1,
    venue: PerennialVenueOption = PERENNIAL_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """A Perennial market: latest version, requested ones, totals, rates, what it holds and is owed; or its versions."""
    from node.report.plain import plain

    if follow and as_json and count is None and seconds is None:
        raise Refusal("version --follow --json needs --count or --seconds: it prints one object at the end", EXIT_USAGE)
    with connected(address, api_key, data) as client:
        if follow:
            _follow(client, market, venue, from_height, count, seconds, as_json)
            return
        view = client.version_status(market, accounts or [], venue)
        if as_json:
            put_json(plain(view))
            return
        _put_status(view, steps.market_of(client, venue, market))


def _follow(
    client: "Client",
    market: int,
    venue: int,
    from_height: int,
    count: int | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    from node.report.plain import plain

    seen = []
    for message in until(client, client.stream_versions(market, from_height, venue), seconds):
        seen.append(plain(message))
        if not as_json:
            put_line(line(seen[-1]))
        if count is not None and len(seen) >= count:
            break
    if as_json:
        put_json({"venue": venue, "market": market, "versions": seen})


def _put_status(view: "batches_pb2.VersionView", market: "parameters_pb2.MarketParameters") -> None:
    from node.report.amounts import utc

    sums, record = view.sums, view.record
    pending = (view.pending_maker_lots, view.pending_long_lots, view.pending_short_lots)
    rows = [
        ("version", utc(record.version_ms) if record.version_ms else "none yet"),
        ("price", steps.price(record.price_ticks, market)),
        ("next version", utc(view.next_version_ms) if view.next_version_ms else "-"),
        ("requested", ", ".join(map(utc, view.requested_ms)) or "none"),
        ("makers, longs, shorts", _sizes((sums.maker_lots, sums.long_lots, sums.short_lots), market)),
        ("with what is pending", _sizes(pending, market)),
        ("utilisation", f"{view.utilisation_ppm / 10_000:.2f}%"),
        ("efficiency", f"{view.efficiency_ppm / 10_000:.2f}%"),
        ("funding a year", f"{view.funding_rate_ppm / 10_000:.2f}%"),
        ("holds", steps.usdc(sums.balance_atoms)),
        ("fees", steps.usdc(sums.fees_atoms)),
        ("is owed", steps.usdc(sums.shortfall_atoms)),
    ]
    put_facts(f"{market.symbol} at height {view.height}, USDC", rows)
    if view.pending:
        put_table("Pending", PENDING_COLUMNS, (pending_row(order, market) for order in view.pending))
    if view.debts:
        put_table(
            "Debts", ("account", "owes"), ((str(one.account), steps.usdc(one.amount_atoms)) for one in view.debts)
        )


def pending_row(order: "batches_pb2.PendingPosition", market: "parameters_pb2.MarketParameters") -> tuple[str, ...]:
    """An order that waits for its version, as a row of a table."""
    from node.report.amounts import utc

    return (
        str(order.account),
        utc(order.version_ms),
        steps.size(order.maker_lots, market),
        steps.size(order.long_lots, market),
        steps.size(order.short_lots, market),
        steps.usdc(order.fee_atoms + order.settlement_fee_atoms),
        "yes" if order.is_liquidation else "",
    )


def _sizes(lots: tuple[int, int, int], market: "parameters_pb2.MarketParameters") -> str:
    return ", ".join(steps.size(one, market) for one in lots)
