"""`statement`, `liquidations`: what an account did, for people, CSV or Parquet; and what the ladder did to whom."""

import csv
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.connection import (
    BOOK_VENUE,
    DEFAULT_DATA,
    AccountOption,
    AddressOption,
    ApiKeyOption,
    DataOption,
    VenueOption,
    connected,
)
from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_facts, put_json, put_line
from node.cli.watching import line

if TYPE_CHECKING:
    from breakwater.v1 import history_pb2
    from node.client.order_requests import HistoryWord

_ROWS_A_GROUP = 10_000
# By Rulebook: Margin Trade and Spin have an insurance fund.
_WITH_FUND = (2, 4)


class Format(StrEnum):
    """How rows are written."""

    CSV = "csv"
    PARQUET = "parquet"


class Kind(StrEnum):
    """Which rows."""

    FILL = "fill"
    FUNDING = "funding"
    TRANSFER = "transfer"
    PNL = "pnl"


def statement(
    account: AccountOption,
    written: Annotated[Format | None, typer.Option("--format", help="csv or parquet: write the rows to --out.")] = None,
    out: Annotated[Path | None, typer.Option(help="File for the rows.")] = None,
    kinds: Annotated[list[Kind] | None, typer.Option("--kind", help="Only rows of this kind; may be repeated.")] = None,
    from_height: Annotated[int, typer.Option(min=0, help="From this height on.")] = 0,
    to_height: Annotated[int, typer.Option(min=0, help="Up to this height; 0: up to now.")] = 0,
    venue: VenueOption = BOOK_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Totals of an account's fills, fees, funding, transfers and profit; with --format its rows into a file."""
    from node.report.plain import plain

    if (written is None) != (out is None):
        raise Refusal("--format and --out belong together", EXIT_USAGE)
    with connected(address, api_key, data) as client:
        totals = client.statement(account, from_height, to_height, venue)
        facts: dict[str, Any] = {"venue": venue, "account": account, **plain(totals)}
        if written is not None and out is not None:
            words: list[HistoryWord] = [kind.value for kind in kinds or ()]
            rows = client.account_history(account, words, from_height, totals.to_height, venue)
            facts |= {"file": str(out), "rows": _write(written, out, rows)}
    if as_json:
        put_json(facts)
    else:
        put_facts("Statement", [(name.replace("_", " "), _shown(value)) for name, value in facts.items()])


def liquidations(
    account: Annotated[int, typer.Option("--account", min=0, help="Only this account; 0: every one.")] = 0,
    market: Annotated[int, typer.Option("--market", min=0, help="Only this market; 0: every one.")] = 0,
    from_height: Annotated[int, typer.Option(min=0, help="From this height on.")] = 0,
    venue: VenueOption = BOOK_VENUE,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Liquidations so far: orders, takeovers, deleveraging, closes, insurance, shortfall, each with its numbers."""
    from node.report.plain import plain

    with connected(address, api_key, data) as client:
        events = [plain(event) for event in client.list_liquidations(account, market, from_height, venue)]
        rulebook = next((one.rulebook for one in client.venues() if one.venue == venue), 0)
        funds = plain(client.insurance(venue)) if rulebook in _WITH_FUND else {}
    if as_json:
        put_json({"venue": venue, "events": events, "insurance": funds})
        return
    for event in events:
        put_line(line(event))
    if funds:
        put_facts("Insurance", [(name.replace("_", " "), f"{value:,}") for name, value in funds.items()])


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _write(written: Format, out: Path, entries: "Iterable[history_pb2.HistoryEntry]") -> int:
    """Writes the rows and answers how many there were. Beside the file first, so that none is left half written."""
    beside = out.with_name(f"{out.name}.part")
    try:
        count = _write_csv(beside, entries) if written is Format.CSV else _write_parquet(beside, entries)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    return count


def _rows(entries: "Iterable[history_pb2.HistoryEntry]") -> Iterator[dict[str, Any]]:
    from node.report.plain import plain

    return map(plain, entries)


def _columns() -> dict[str, str]:
    """Name and kind of every column: text, or a whole number."""
    from breakwater.v1 import history_pb2

    fields = history_pb2.HistoryEntry.DESCRIPTOR.fields
    return {
        field.name: "text" if field.enum_type is not None or field.type == field.TYPE_STRING else "integer"
        for field in fields
    }


def _write_csv(path: Path, entries: "Iterable[history_pb2.HistoryEntry]") -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(_columns()))
        writer.writeheader()
        for row in _rows(entries):
            writer.writerow(row)
            count += 1
    return count


def _write_parquet(path: Path, entries: "Iterable[history_pb2.HistoryEntry]") -> int:
    from itertools import islice

    import pyarrow
    from pyarrow import parquet

    kinds = {"text": pyarrow.string(), "integer": pyarrow.int64()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in _columns().items()])
    count = 0
    rows = _rows(entries)
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, _ROWS_A_GROUP)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema))
            count += len(group)
    return count
