"""`watch`: liquidations, marks, trades, depth, the vault or an account, as they happen."""

import threading
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.connection import (
    DEFAULT_DATA,
    AddressOption,
    ApiKeyOption,
    DataOption,
    VenueOption,
    connected,
)
from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_json, put_line

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from node.client import Client


class Subject(StrEnum):
    """What to watch."""

    LIQUIDATIONS = "liquidations"
    MARKS = "marks"
    ACCOUNT = "account"
    TRADES = "trades"
    DEPTH = "depth"
    VAULT = "vault"


def watch(
    subject: Annotated[
        Subject, typer.Argument(help="liquidations, marks, account; trades, depth or vault of a Margin Trade venue.")
    ],
    account: Annotated[int | None, typer.Option("--account", min=1, help="Which account; for `account`.")] = None,
    from_height: Annotated[
        int, typer.Option(min=0, help="Liquidations and trades from this height on; 0: from now.")
    ] = 0,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many messages.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after so many seconds.")] = None,
    market: Annotated[int, typer.Option(min=1, help="Of which market; for `trades` and `depth`.")] = 1,
    venue: VenueOption = 1,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Follow a stream until it is interrupted. With --json one object at the end, so --count or --seconds is needed."""
    from node.report.plain import plain

    if subject is Subject.ACCOUNT and account is None:
        raise Refusal("watch account needs --account", EXIT_USAGE)
    if as_json and count is None and seconds is None:
        raise Refusal("watch --json needs --count or --seconds: it prints one object at the end", EXIT_USAGE)
    seen: list[dict[str, Any]] = []
    with connected(address, api_key, data) as client:
        for message in until(client, _messages(client, subject, venue, account, from_height, market), seconds):
            facts = plain(message)
            seen.append(facts)
            if not as_json:
                put_line(line(facts))
            if count is not None and len(seen) >= count:
                break
    if as_json:
        put_json({"subject": subject.value, "venue": venue, "messages": seen})


def _messages(
    client: "Client", subject: Subject, venue: int, account: int | None, from_height: int, market: int
) -> Iterator["Message"]:
    if subject is Subject.LIQUIDATIONS:
        return client.stream_liquidations(venue, from_height)
    if subject is Subject.MARKS:
        return client.stream_marks(venue)
    if subject is Subject.TRADES:
        return client.stream_trades(market, from_height, venue)
    if subject is Subject.DEPTH:
        return client.stream_depth(market, venue)
    if subject is Subject.VAULT:
        return client.stream_vault(venue)
    return client.stream_account(account or 0, venue)


def until(client: "Client", messages: Iterator["Message"], seconds: float | None) -> Iterator["Message"]:
    """The messages until the time is over: closing the connection ends a stream that is silent."""
    over = threading.Event()

    def finish() -> None:
        over.set()
        client.close()

    timer = threading.Timer(seconds, finish) if seconds is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield from messages
    except Exception:
        if not over.is_set():
            raise
    finally:
        if timer is not None:
            timer.cancel()


def line(facts: dict[str, Any]) -> str:
    """One line of `name value`, nested objects opened up, zeros left out."""
    return "  ".join(_parts(facts))


def _parts(facts: dict[str, Any]) -> Iterator[str]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield name
            yield from _parts(value)
        elif isinstance(value, list):
            for item in value:
                yield from _parts(item) if isinstance(item, dict) else (f"{name} {item}",)
        elif value not in (0, "", False, "UNSPECIFIED"):
            yield f"{name} {value}"
