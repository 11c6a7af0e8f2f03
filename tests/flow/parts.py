"""Parts of a load, as a run would make them, for tests without a node."""

import numpy as np

from breakwater.v1 import common_pb2
from node.client.column_bytes import ColumnAnswer
from node.flow.settings import LoadSettings, Market, Part
from node.flow.stream import FlowStream, Parcel

PRICE = 1_000_000
DECIMALS = {common_pb2.RULEBOOK_TWILIGHT: 8}


def settings_of(**changes: object) -> LoadSettings:
    """A load of 20,000 commands a second, blind."""
    known = {"rate": 20_000.0, "blind": True, "accounts": 400, "seconds": 10.0}
    return LoadSettings(("127.0.0.1:1",), "key", **{**known, **changes})


def part_of(
    rulebook: int = common_pb2.RULEBOOK_MARGIN_TRADE, markets: int = 2, worker: int = 0, **changes: object
) -> Part:
    """A process's part with markets in which a lot at a tick is an atom."""
    settings = settings_of(**changes)
    kinds = tuple(Market(number + 1, f"M{number}-PERP", 10**8, 10**4, 1, 10**9) for number in range(markets))
    accounts = tuple(range(1 + 1_000 * worker, 1 + 1_000 * worker + settings.accounts))
    return Part(settings, worker, "abc", rulebook, DECIMALS.get(rulebook, 6), kinds, accounts, "", 0.1)


def stream_of(part: Part) -> FlowStream:
    """At a price that stands."""
    return FlowStream(part, np.full((len(part.markets), 50), PRICE, dtype=np.int64))


def parcels_at(stream: FlowStream, until_s: float, price_s: float = 0.0) -> list[Parcel]:
    """What it sends for what arrived up to a time of the model, cancels before orders."""
    made = stream.next(until_s, stream.most_rows, price_s)
    return [*stream.ended(made.ends), *([made.orders] if made.orders.rows else [])]


def parcels_of(stream: FlowStream, seconds: float, window_s: float = 0.01) -> list[Parcel]:
    """What it makes in so many seconds of the model."""
    windows = range(1, round(seconds / window_s) + 1)
    return [parcel for window in windows for parcel in parcels_at(stream, window * window_s)]


def joined(parcels: list[Parcel], body: str) -> np.ndarray:
    """All rows of a body, columns in the order of its fields."""
    return np.concatenate([one.columns for one in parcels if one.body == body], axis=1)


def answer_to(parcel: Parcel, status: int, first: int = 1, remaining: int = 1) -> ColumnAnswer:
    """Every row with the same status; orders get numbers that count from `first`."""
    rows = parcel.rows
    nothing = np.zeros(rows, dtype=np.int64)
    columns = dict.fromkeys(
        ("command", "refusal", "required", "actual", "price_ticks", "amount_atoms", "filled_lots"), nothing
    )
    columns |= {
        "status": nothing + status,
        "reference": first + np.arange(rows),
        "remaining_lots": nothing + remaining,
    }
    return ColumnAnswer(1, columns)
