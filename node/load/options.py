"""What a replay is asked to do, and the plan that follows: venue, markets and prices by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from breakwater.v1 import parameters_pb2
from node.load.bars import QUOTE_E18, Bar, PriceFileError, read_bars
from node.load.crash import crash_bars
from node.load.driver import ReplayError
from node.load.plan import Plan
from node.load.price_path import PricePoint, price_path
from node.margin_presets import MARGIN_TRADE_VENUE, SCALES, Scale, margin_trade_market, margin_trade_venue
from node.presets import twilight_venue

VENUES = ("twilight", "margin-trade")
_BAR_FILES = ("*.csv", "*.csv.gz")
# Significant digits a price is quoted with where the asset is not listed. An atom is 1e-6: no step is smaller, and with
# fewer digits than the least a step is no price.
_DIGITS = 5
_MOST_DECIMALS = 6
_LEAST_TICKS = 100


@dataclass(frozen=True)
class ReplayOptions:
    """What a replay is asked to do. prices None: the seeded crash; a folder: one market for each file in it."""

    venue: str
    prices: Path | None
    traders: int
    seed: int
    shards: int
    transport: str
    ticks_per_bar: int
    rules: str = "safe"


def plan_of(options: ReplayOptions) -> Plan:
    """Venue, markets, prices and people. Raises ReplayError, or PriceFileError for what is wrong in a file."""
    if options.venue == "twilight":
        if options.prices is not None and options.prices.is_dir():
            raise PriceFileError(f"{options.prices}: a folder; Twilight has one market, name one of its files")
        venue, markets = twilight_venue(options.rules)
        bars = crash_bars(options.seed) if options.prices is None else read_bars(options.prices)
        paths = [price_path(bars, options.ticks_per_bar, markets[0].tick_size_e9)]
        return Plan(venue, markets, paths, options.seed, options.traders)
    if options.venue == "margin-trade":
        return _book_plan(options)
    raise ReplayError(f"no venue is named {options.venue!r}; there is {', '.join(VENUES)}")


def _book_plan(options: ReplayOptions) -> Plan:
    histories = _histories(options)
    markets, paths = [], []
    for number, (asset, bars) in enumerate(sorted(histories.items()), 1):
        market = _market(number, asset, bars)
        markets.append(market)
        paths.append(price_path(bars, options.ticks_per_bar, market.tick_size_e9))
    return Plan(margin_trade_venue(), markets, _aligned(paths), options.seed, options.traders)


def _histories(options: ReplayOptions) -> dict[str, list[Bar]]:
    """Bars by asset."""
    if options.prices is None:
        return {"BTC": crash_bars(options.seed)}
    if not options.prices.is_dir():
        return {_asset(options.prices): read_bars(options.prices)}
    files = sorted(file for pattern in _BAR_FILES for file in options.prices.glob(pattern))
    if not files:
        raise PriceFileError(f"{options.prices}: holds no file of bars ({', '.join(_BAR_FILES)})")
    by_asset: dict[str, Path] = {}
    for file in files:
        other = by_asset.setdefault(_asset(file), file)
        if other is not file:
            raise PriceFileError(f"{options.prices}: {other.name} and {file.name} both are bars of {_asset(file)}")
    return {asset: read_bars(file) for asset, file in by_asset.items()}


def _asset(file: Path) -> str:
    """BTCUSDT_20251010.csv and BTC-PERP_1m.csv.gz are BTC."""
    symbol = file.name.split("_")[0].split(".")[0].split("-")[0].upper()
    return symbol.removesuffix("USDT").removesuffix("USDC").removesuffix("USD") or "ASSET"


def _market(number: int, asset: str, bars: Sequence[Bar]) -> parameters_pb2.MarketParameters:
    """The listed market of the asset; another asset is quoted with five digits of its first price."""
    if asset in SCALES:
        return margin_trade_market(number, asset, MARGIN_TRADE_VENUE)
    price = bars[0].open_e18
    decimals = _MOST_DECIMALS
    while decimals and price * 10**decimals >= QUOTE_E18 * 10**_DIGITS:
        decimals -= 1
    if price * 10**decimals < QUOTE_E18 * _LEAST_TICKS:
        raise PriceFileError(
            f"{bars[0].place}: {asset} is quoted in steps of 0.000001, its price is too small for that"
        )
    return margin_trade_market(number, asset, MARGIN_TRADE_VENUE, Scale(decimals, price / QUOTE_E18))


def _aligned(paths: Sequence[Sequence[PricePoint]]) -> list[list[PricePoint]]:
    """The steps that every market has a price for. Raises PriceFileError where there is none."""
    times = set.intersection(*({point.time_ms for point in path} for path in paths))
    if not times:
        raise PriceFileError("the files have no minute in common")
    return [[point for point in path if point.time_ms in times] for path in paths]
