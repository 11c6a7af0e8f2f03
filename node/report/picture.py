"""The one picture of a run: price, pool and liquidations over time, one below the other. Drawn without a display."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node.load.margin_trade.tally import BookTally
from node.load.options import ReplayOptions
from node.load.perennial.tally import VersionedTally
from node.load.result import VenueResult
from node.load.rung_tally import RungTally
from node.load.spin.tally import SpinTally
from node.load.tally import Tally
from node.report.amounts import btc, count, usdc

_BUCKETS = 120
_INK, _QUIET = "#1f2933", "#9aa5b1"
_PRICE, _REALISED, _MARKED, _FALL = "#1f4e79", "#2a7f62", "#c77d0a", "#b3261e"
_BTC_ATOMS = 1e8
_MILLION_USDC_ATOMS = 1e12
_MINUTE_MS = 60_000
_DAY_MS = 1440 * _MINUTE_MS


def draw(path: Path, options: ReplayOptions, result: VenueResult) -> None:
    """Write the picture as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    style = {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": _QUIET,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e4e7eb",
    }
    with pyplot.rc_context(style):
        figure, (price, nav, falls) = pyplot.subplots(
            3, 1, figsize=(11, 8.5), sharex=True, height_ratios=(3, 2, 2), layout="constrained"
        )
        _draw_price(price, result)
        _draw_nav(nav, result)
        _draw_liquidations(falls, result)
        _label_time(falls, result)
        figure.suptitle(_title(options, result), x=0.01, ha="left", fontsize=12, color=_INK)
        figure.savefig(path, dpi=120)
        pyplot.close(figure)


def _title(options: ReplayOptions, result: VenueResult) -> str:
    source = options.prices.name if options.prices is not None else f"synthetic crash, seed {options.seed}"
    tally = result.tally
    if isinstance(tally, RungTally):
        steps = ", ".join(f"{count(number)} {rung}" for rung, number in tally.rung_counts().items())
        ended = f"{steps}, bad debt {usdc(_bad_debt(result))}"
    else:
        assert isinstance(tally, Tally), "a tally counts either rungs or liquidations"
        ended = f"{count(len(tally.liquidations))} liquidations, deficit {btc(result.pool.deficit_atoms)}"
    return f"{options.venue}: {source}, {count(options.traders)} traders\n{ended}"


def _bad_debt(result: VenueResult) -> int:
    views = result.views
    debts = sum(view.sums.shortfall_atoms for view in views.versions)
    return views.backstop.sums.shortfall_atoms + views.insurance.shortfall_atoms + debts


def _draw_price(axes: Any, result: VenueResult) -> None:
    """One market's price, or every market's in per cent of its first."""
    times = [_time(point.time_ms) for point in result.plan.points]
    if len(result.plan.paths) > 1:
        for market, path in zip(result.plan.markets, result.plan.paths, strict=True):
            first = path[0].price_ticks
            axes.plot(times, [point.price_ticks * 100 / first for point in path], linewidth=0.9, label=market.symbol)
        axes.legend(loc="best", frameon=False, ncols=4, fontsize=8)
        axes.set_ylabel("price, % of the first")
        return
    tick = result.plan.markets[0].tick_size_e9 / 1e9
    prices = [point.price_ticks * tick for point in result.plan.points]
    axes.plot(times, prices, color=_PRICE, linewidth=1.2)
    low = min(range(len(prices)), key=prices.__getitem__)
    axes.annotate(
        f"low {prices[low]:,.0f}",
        (times[low], prices[low]),
        textcoords="offset points",
        xytext=(8, 2),
        color=_PRICE,
    )
    axes.set_ylabel("price, USD")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _draw_nav(axes: Any, result: VenueResult) -> None:
    tally = result.tally
    if isinstance(tally, BookTally):
        _draw_vault(axes, result, tally)
        return
    if isinstance(tally, SpinTally):
        _draw_fund(axes, result, tally)
        return
    if isinstance(tally, VersionedTally):
        _draw_sides(axes, tally)
        return
    navs = [point for point in tally.navs if point.time_ms >= result.plan.points[0].time_ms]
    times = [_time(point.time_ms) for point in navs]
    realised = [point.realised_atoms / _BTC_ATOMS for point in navs]
    marked = [point.marked_atoms / _BTC_ATOMS for point in navs]
    axes.plot(times, realised, color=_REALISED, linewidth=1.2, label="realised")
    axes.plot(times, marked, color=_MARKED, linewidth=1.2, label="marked")
    axes.legend(loc="best", frameon=False, ncols=2)
    axes.set_ylabel("pool NAV, BTC")


def _draw_vault(axes: Any, result: VenueResult, tally: BookTally) -> None:
    points = [point for point in tally.vault if point.time_ms >= result.plan.points[0].time_ms]
    times = [_time(point.time_ms) for point in points]
    for label, colour, values in (
        ("NAV, marked", _REALISED, [point.nav_marked_atoms for point in points]),
        ("carried", _MARKED, [point.gross_notional_atoms for point in points]),
    ):
        axes.plot(times, [value / _MILLION_USDC_ATOMS for value in values], color=colour, linewidth=1.2, label=label)
    axes.legend(loc="best", frameon=False, ncols=2)
    axes.set_ylabel("vault, million USDC")


def _draw_fund(axes: Any, result: VenueResult, tally: SpinTally) -> None:
    points = [(time_ms, fund) for time_ms, fund in tally.fund if time_ms >= result.plan.points[0].time_ms]
    times, funds = [_time(time_ms) for time_ms, _ in points], [fund / _MILLION_USDC_ATOMS for _, fund in points]
    axes.step(times, funds, where="post", color=_REALISED, linewidth=1.2)
    axes.set_ylabel("fund, million USDC")


def _draw_sides(axes: Any, tally: VersionedTally) -> None:
    """What makers, longs and shorts hold, of all markets together, version by version of the first one."""
    sums: dict[int, list[int]] = {}
    for points in tally.points.values():
        for point in points:
            sides = sums.setdefault(point.time_ms, [0, 0, 0])
            for place, amount in enumerate((point.maker_atoms, point.long_atoms, point.short_atoms)):
                sides[place] += amount
    times = sorted(sums)
    for place, (label, colour) in enumerate((("makers", _PRICE), ("longs", _REALISED), ("shorts", _FALL))):
        values = [sums[time_ms][place] / _MILLION_USDC_ATOMS for time_ms in times]
        axes.plot([_time(time_ms) for time_ms in times], values, color=colour, linewidth=1.2, label=label)
    axes.legend(loc="best", frameon=False, ncols=3)
    axes.set_ylabel("held, million USDC")


def _draw_liquidations(axes: Any, result: VenueResult) -> None:
    """How many steps of the ladder in an interval; on books one colour a rung, stacked."""
    from matplotlib.dates import date2num

    points = result.plan.points
    span_ms = points[-1].time_ms - points[0].time_ms
    interval_ms = max(_MINUTE_MS, span_ms // _BUCKETS // _MINUTE_MS * _MINUTE_MS)
    width = interval_ms / _DAY_MS * 0.9
    tally, below = result.tally, Counter[int]()
    if isinstance(tally, RungTally):
        series = {rung: [step.time_ms for step in tally.rungs if step.rung == rung] for rung in tally.rung_counts()}
    else:
        series = {"": [point.time_ms for point in tally.liquidations]}
    for (label, times), colour in zip(series.items(), (_FALL, _MARKED, _REALISED, _PRICE), strict=False):
        counts = Counter(time_ms // interval_ms * interval_ms for time_ms in times)
        starts = sorted(counts)
        heights, bottoms = [counts[start] for start in starts], [below[start] for start in starts]
        # As numbers of days: a rung that nobody reached has no time to take the unit from, and is named all the same.
        at = date2num([_time(start) for start in starts])
        axes.bar(at, heights, bottom=bottoms, width=width, align="edge", color=colour, label=label or None)
        below.update(counts)
    if len(series) > 1:
        axes.legend(loc="best", frameon=False, ncols=4, fontsize=8)
    axes.set_ylabel(f"liquidations\nin {interval_ms // _MINUTE_MS} min")
    axes.yaxis.get_major_locator().set_params(integer=True)


def _label_time(axes: Any, result: VenueResult) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    axes.set_xlim(_time(result.plan.points[0].time_ms), _time(result.plan.points[-1].time_ms))
    axes.set_xlabel("UTC")


def _time(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)
