"""What a load run is asked to do, and what it may not: checked before anything is connected."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

MODES: Final = ("columns", "orders")
LEAST_ACCOUNTS: Final = 8
# A stream of the node's has so many batches on their way, unless it is configured otherwise.
MOST_BATCHES: Final = 32
MOST_CALLS: Final = 512


class LoadError(ValueError):
    """A load that cannot be run as asked; the text says what to change."""


@dataclass(frozen=True)
class Market:
    """What the flow has to know of a market: sizes in 1e-9 units, limits in lots, 0 where the rulebook has none."""

    market: int
    symbol: str
    tick_size_e9: int
    lot_size_e9: int
    quote_atoms_per_tick_lot: float
    most_lots: int


@dataclass(frozen=True)
class LoadSettings:
    """One run. `rate` is commands a second over all processes, 0: as fast as the node takes them."""

    addresses: tuple[str, ...]
    api_key: str
    venue: int = 2
    rate: float = 1_000.0
    seconds: float = 30.0
    processes: int = 1
    accounts: int = 1_000
    seed: int = 1
    mode: str = "columns"
    batch: int = 1_000
    in_flight: int = 16
    # Cancels name orders by client order ids, so that nothing that is sent depends on an answer.
    blind: bool = False
    # Rows made and encoded before the clock starts, in every process.
    prepare: int = 0
    branching: float = 0.8
    # A batch that could not be sent so long after its time is given up, seconds.
    patience_s: float = 1.0

    def check(self) -> None:
        """Raises LoadError."""
        if self.mode not in MODES:
            raise LoadError(f"--mode is columns or orders, not {self.mode!r}")
        if self.accounts < LEAST_ACCOUNTS * self.processes:
            least = LEAST_ACCOUNTS * self.processes
            raise LoadError(
                f"{self.processes} processes need {least} accounts, {LEAST_ACCOUNTS} each, and have {self.accounts}"
            )
        most = MOST_BATCHES if self.mode == "columns" else MOST_CALLS
        if not 1 <= self.in_flight <= most:
            raise LoadError(f"--in-flight is 1 to {most} in mode {self.mode}, not {self.in_flight}")

    @property
    def rate_of_one(self) -> float:
        """Commands a second of one process, 0: as fast as it goes."""
        return self.rate / self.processes

    def facts(self) -> dict[str, Any]:
        """As a report shows them: everything but the key."""
        facts = asdict(self)
        del facts["api_key"]
        return facts


@dataclass(frozen=True)
class Part:
    """What one process is told: its number, its accounts, what every market is like. One JSON line."""

    settings: LoadSettings
    worker: int
    run: str
    rulebook: int
    asset_decimals: int
    markets: tuple[Market, ...]
    accounts: tuple[int, ...]
    # A file of prices, int64[markets, steps] in ticks, every `step_s` seconds.
    prices: str
    step_s: float

    def line(self) -> bytes:
        """The line."""
        return orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def of(cls, line: bytes) -> Part:
        """The other end of the line."""
        content = orjson.loads(line)
        settings = content["settings"]
        content["settings"] = LoadSettings(**{**settings, "addresses": tuple(settings["addresses"])})
        content["markets"] = tuple(Market(**one) for one in content["markets"])
        content["accounts"] = tuple(content["accounts"])
        return cls(**content)


def check_targets(addresses: Sequence[str], not_loopback: bool, allowed: Sequence[str]) -> None:
    """Raises LoadError for a target that is not on this machine and was not named twice."""
    for address in addresses:
        if is_loopback(address):
            continue
        if not not_loopback:
            raise LoadError(
                f"{address} is not on this machine: a load may stop a venue that others use. "
                f"If it is yours to load, say so twice: --not-loopback --yes-i-may-load {address}"
            )
        if address not in allowed:
            named = ", ".join(allowed) or "nothing"
            raise LoadError(f"{address} is not on this machine, and --yes-i-may-load names {named}")


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT is of this machine by its very text: localhost or an address of the loopback."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
