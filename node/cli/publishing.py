"""`publish`: prices from a file or from the seeded crash into a running node, at the pace of the clock."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.connection import (
    DEFAULT_DATA,
    AddressOption,
    ApiKeyOption,
    DataOption,
    MarketOption,
    VenueOption,
    connected,
)
from node.cli.output import JsonOption, Refusal, errors, put_facts, put_json

if TYPE_CHECKING:
    from breakwater.v1 import answers_pb2, parameters_pb2
    from node.client import Client
    from node.load.price_path import PricePoint

_SAY_EVERY = 60


def publish(
    prices: Annotated[Path | None, typer.Option(help="CSV of one-minute bars; without it a synthetic crash.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the synthetic crash.")] = 1,
    speed: Annotated[float, typer.Option(min=0.01, help="Minutes of the file in a minute of the clock.")] = 1.0,
    ticks_per_bar: Annotated[int, typer.Option(min=4, max=120, help="Prices a bar.")] = 12,
    publisher: Annotated[list[int] | None, typer.Option(help="Publish as this one; default: every publisher.")] = None,
    points: Annotated[int | None, typer.Option(min=1, help="Stop after so many prices.")] = None,
    again: Annotated[bool, typer.Option("--repeat", help="Begin again at the end, until interrupted.")] = False,
    venue: VenueOption = 1,
    market: MarketOption = 1,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Publish prices into a running node, so that it has a mark."""
    from node.load.bars import read_bars
    from node.load.crash import crash_bars
    from node.load.price_path import price_path

    bars = crash_bars(seed) if prices is None else read_bars(prices)
    with connected(address, api_key, data) as client:
        rules = _market(client, venue, market)
        path = price_path(bars, ticks_per_bar, rules.tick_size_e9)
        publishers = publisher or [source.publisher for source in rules.oracle.sources]
        paced = _paced(path, speed, points, again, time.monotonic, time.sleep)
        facts = _publish(client, venue, market, publishers, paced)
    if as_json:
        put_json(facts)
    else:
        put_facts("Published", [(name.replace("_", " "), str(value)) for name, value in facts.items()])


def _market(client: "Client", venue: int, market: int) -> "parameters_pb2.MarketParameters":
    for rules in client.list_markets(venue):
        if rules.market == market:
            return rules
    raise Refusal(f"venue {venue} has no market {market}")


def _paced(
    path: Sequence["PricePoint"],
    speed: float,
    points: int | None,
    again: bool,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Iterator[int]:
    """Prices in ticks, each when it is due: the times of the path, `speed` times as fast."""
    waits_s = [(after.time_ms - before.time_ms) / 1000 / speed for before, after in pairwise(path)]
    # A path that begins again waits at its end as long as it did before its end.
    steps = list(zip((point.price_ticks for point in path), [*waits_s, waits_s[-1]], strict=True))
    due_s = clock()
    for number, (price_ticks, wait_s) in enumerate(chain.from_iterable(repeat(steps) if again else [steps])):
        if points is not None and number >= points:
            return
        ahead_s = due_s - clock()
        if ahead_s > 0:
            sleep(ahead_s)
        yield price_ticks
        due_s += wait_s


def _publish(
    client: "Client", venue: int, market: int, publishers: Sequence[int], prices_ticks: Iterator[int]
) -> dict[str, Any]:
    from breakwater.v1 import oracle_pb2
    from node.client.errors import refusal_name
    from node.client.requests import publish as request_of

    sent = refused = 0
    reasons: Counter[str] = Counter()
    last = {"price_ticks": 0}

    def requests() -> Iterator[oracle_pb2.PublishTicksRequest]:
        for price_ticks in prices_ticks:
            last["price_ticks"] = price_ticks
            now_ms = time.time_ns() // 1_000_000
            yield request_of(venue, [(market, publisher, price_ticks, now_ms) for publisher in publishers], None)

    said = errors()
    answers: Iterator[answers_pb2.BatchOutcome] = client.publish_stream(requests())
    try:
        for number, outcome in enumerate(answers):
            sent += len(outcome.status)
            reasons.update(refusal_name(reason) for reason in outcome.refusal if reason)
            refused = sum(reasons.values())
            if number % _SAY_EVERY == 0:
                said.print(f"price {last['price_ticks']:,} at height {outcome.height:,}, {refused:,} refused")
    except KeyboardInterrupt:
        said.print("interrupted")
    return {
        "venue": venue,
        "market": market,
        "publishers": list(publishers),
        "ticks": sent,
        "accepted": sent - refused,
        "refused": refused,
        "refused_by_reason": dict(reasons),
        "last_price_ticks": last["price_ticks"],
    }
