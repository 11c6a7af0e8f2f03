"""The one picture of a run: price, pool and liquidations over time, one below the other. Drawn without a display."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node.load.replay import ReplayResult
from node.report.amounts import btc, count

_BUCKETS = 120
_INK, _QUIET = "#1f2933", "#9aa5b1"
_PRICE, _REALISED, _MARKED, _FALL = "#1f4e79", "#2a7f62", "#c77d0a", "#b3261e"
_BTC_ATOMS = 1e8


def draw(path: Path, result: ReplayResult) -> None:
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
        figure.suptitle(_title(result), x=0.01, ha="left", fontsize=12, color=_INK)
        figure.savefig(path, dpi=120)
        pyplot.close(figure)


def _title(result: ReplayResult) -> str:
    options = result.options
    source = options.prices.name if options.prices is not None else f"synthetic crash, seed {options.seed}"
    return (
        f"{options.venue}: {source}, {count(options.traders)} traders, "
        f"{count(len(result.tally.liquidations))} liquidations, deficit {btc(result.pool.deficit_atoms)}"
    )


def _draw_price(axes: Any, result: ReplayResult) -> None:
    times = [_time(point.time_ms) for point in result.points]
    prices = [point.price_ticks for point in result.points]
    axes.plot(times, prices, color=_PRICE, linewidth=1.2)
    low = min(range(len(prices)), key=prices.__getitem__)
    axes.annotate(
        f"low {count(prices[low])}",
        (times[low], prices[low]),
        textcoords="offset points",
        xytext=(8, 2),
        color=_PRICE,
    )
    axes.set_ylabel("price, USD")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _draw_nav(axes: Any, result: ReplayResult) -> None:
    navs = [point for point in result.tally.navs if point.time_ms >= result.points[0].time_ms]
    times = [_time(point.time_ms) for point in navs]
    realised = [point.realised_atoms / _BTC_ATOMS for point in navs]
    marked = [point.marked_atoms / _BTC_ATOMS for point in navs]
    axes.plot(times, realised, color=_REALISED, linewidth=1.2, label="realised")
    axes.plot(times, marked, color=_MARKED, linewidth=1.2, label="marked")
    axes.legend(loc="best", frameon=False, ncols=2)
    axes.set_ylabel("pool NAV, BTC")


def _draw_liquidations(axes: Any, result: ReplayResult) -> None:
    span_ms = result.points[-1].time_ms - result.points[0].time_ms
    minute_ms = 60_000
    interval_ms = max(minute_ms, span_ms // _BUCKETS // minute_ms * minute_ms)
    starts, counts = result.tally.liquidations_per(interval_ms)
    width = (_time(interval_ms) - _time(0)) * 0.9
    axes.bar([_time(start) for start in starts.tolist()], counts, width=width, align="edge", color=_FALL)
    axes.set_ylabel(f"liquidations\nin {interval_ms // minute_ms} min")
    axes.yaxis.get_major_locator().set_params(integer=True)


def _label_time(axes: Any, result: ReplayResult) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    axes.set_xlim(_time(result.points[0].time_ms), _time(result.points[-1].time_ms))
    axes.set_xlabel("UTC")


def _time(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)
