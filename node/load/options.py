"""What a replay is asked to do, and the plan that follows: venue, markets and prices by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from breakwater.v1 import parameters_pb2
from node.load.bars import QUOTE_E18, Bar, PriceFileError, read_bars
from node.load.cast import Cast
from node.load.crash import crash_bars
from node.load.driver import ReplayError
from node.load.perennial.pace import pace
from node.load.plan import Plan
from node.load.price_path import PricePoint, price_path
from node.margin_presets import MARGIN_TRADE_VENUE, SCALES, Scale, margin_trade_market, margin_trade_venue
from node.perennial_presets import perennial_market, perennial_venue
from node.presets import twilight_venue
from node.spin_presets import spin_market, spin_venue

Venue = Callable[[], parameters_pb2.VenueParameters]
Listing = Callable[[int, str, Sequence[Bar]], parameters_pb2.MarketParameters]

VENUES = ("twilight", "margin-trade", "spin", "perennial")
ALL = "all"
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


def plans_of(options: ReplayOptions) -> list[Plan]:
    """Venues, markets, prices and people: one plan, or with ALL one a venue, of the same people; see `plan_of`."""
    if options.venue != ALL:
        return [plan_of(options)]
    if options.prices is not None and options.prices.is_dir():
        raise PriceFileError(f"{options.prices}: a folder; all venues at once take one price, name one of its files")
    plans = [plan_of(replace(options, venue=venue)) for venue in VENUES]
    cast = Cast(options.seed, options.traders, len(plans[0].points))
    return [replace(plan, cast=cast) for plan in plans]


def plan_of(options: ReplayOptions) -> Plan:
    """One venue's. Raises ReplayError, or PriceFileError for what is wrong in a file."""
    if options.venue == "twilight":
        if options.prices is not None and options.prices.is_dir():
            raise PriceFileError(f"{options.prices}: a folder; Twilight has one market, name one of its files")
        venue, markets = twilight_venue(options.rules)
        bars = crash_bars(options.seed) if options.prices is None else read_bars(options.prices)
        paths = [price_path(bars, options.ticks_per_bar, markets[0].tick_size_e9)]
        return Plan(venue, markets, paths, options.seed, options.traders)
    if options.venue in _LISTINGS:
        return _plan_by_asset(options, *_LISTINGS[options.venue])
    raise ReplayError(f"no venue is named {options.venue!r}; there is {', '.join(VENUES)}, {ALL}")


def _plan_by_asset(options: ReplayOptions, venue: Venue, listing: Listing) -> Plan:
    histories = _histories(options)
    markets, paths = [], []
    for number, (asset, bars) in enumerate(sorted(histories.items()), 1):
        market = listing(number, asset, bars)
        markets.append(market)
        paths.append(price_path(bars, options.ticks_per_bar, market.tick_size_e9))
    paths = _aligned(paths)
    for market in markets:
        if market.HasField("perennial"):
            pace(market, paths[0])
    return Plan(venue(), markets, paths, options.seed, options.traders)


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


def _margin_trade_market(number: int, asset: str, bars: Sequence[Bar]) -> parameters_pb2.MarketParameters:
    return margin_trade_market(number, asset, MARGIN_TRADE_VENUE, None if asset in SCALES else _scale(asset, bars))


def _spin_market(number: int, asset: str, bars: Sequence[Bar]) -> parameters_pb2.MarketParameters:
    return spin_market(number, asset, scale=_scale(asset, bars))


def _perennial_market(number: int, asset: str, bars: Sequence[Bar]) -> parameters_pb2.MarketParameters:
    return perennial_market(number, asset, scale=_scale(asset, bars))


def _scale(asset: str, bars: Sequence[Bar]) -> Scale:
    """What limits follow from: the first price, quoted as the asset is listed, or else with five digits."""
    price = bars[0].open_e18
    if asset in SCALES:
        return SCALES[asset]._replace(price_usdc=price / QUOTE_E18)
    decimals = _MOST_DECIMALS
    while decimals and price * 10**decimals >= QUOTE_E18 * 10**_DIGITS:
        decimals -= 1
    if price * 10**decimals < QUOTE_E18 * _LEAST_TICKS:
        raise PriceFileError(
            f"{bars[0].place}: {asset} is quoted in steps of 0.000001, its price is too small for that"
        )
    return Scale(decimals, price / QUOTE_E18)


_LISTINGS: dict[str, tuple[Venue, Listing]] = {
    "margin-trade": (margin_trade_venue, _margin_trade_market),
    "spin": (spin_venue, _spin_market),
    "perennial": (perennial_venue, _perennial_market),
}


def _aligned(paths: Sequence[Sequence[PricePoint]]) -> list[list[PricePoint]]:
    """The steps that every market has a price for. Raises PriceFileError where there is none."""
    times = set.intersection(*({point.time_ms for point in path} for path in paths))
    if not times:
        raise PriceFileError("the files have no minute in common")
    return [[point for point in path if point.time_ms in times] for path in paths]
