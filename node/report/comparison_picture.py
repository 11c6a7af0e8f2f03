"""The table of all venues as one picture: who paid above, all figures below. Drawn without a display."""

from pathlib import Path
from typing import Any

from node.load.options import ReplayOptions
from node.report.amounts import count
from node.report.comparison import PAYER_WORDS, PAYERS, comparison_lines

_INK, _QUIET, _PAID, _RECEIVED = "#1f2933", "#9aa5b1", "#b3261e", "#2a7f62"
_THOUSAND_E6 = 1e9
_LABEL = 14


def draw_comparison(path: Path, options: ReplayOptions, facts: dict[str, Any]) -> None:
    """Write the picture as PNG; `facts` is the summary of a replay of all venues."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    style = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": _QUIET}
    table = facts["table"]
    with pyplot.rc_context(style):
        figure = pyplot.figure(figsize=(12, 11.5), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=(4, 7))
        panels = above.subplots(1, len(table), sharex=True, sharey=True)
        for axes, (name, column) in zip(panels, table.items(), strict=True):
            _draw_paid(axes, name, column["paid_usd_e6"])
        panels[0].set_yticks(range(len(PAYERS)), [PAYER_WORDS[payer] for payer in PAYERS])
        panels[0].invert_yaxis()
        _write_table(below, facts)
        figure.suptitle(_title(options, facts), x=0.01, ha="left", fontsize=12, color=_INK)
        figure.savefig(path, dpi=110)
        pyplot.close(figure)


def _title(options: ReplayOptions, facts: dict[str, Any]) -> str:
    source = options.prices.name if options.prices is not None else f"synthetic crash, seed {options.seed}"
    return (
        f"One crash through four rulebooks: {source}\n{count(options.traders)} traders, the same people on every venue"
    )


def _draw_paid(axes: Any, name: str, paid: dict[str, int]) -> None:
    """Bars to the left paid, to the right received."""
    amounts = [paid[payer] / _THOUSAND_E6 for payer in PAYERS]
    colours = [_PAID if amount < 0 else _RECEIVED for amount in amounts]
    axes.barh(range(len(PAYERS)), amounts, color=colours, height=0.7)
    axes.axvline(0, color=_QUIET, linewidth=0.8)
    axes.set_title(name, loc="left", color=_INK)
    axes.set_xlabel("paid and received, 1000 USD")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _write_table(figure: Any, facts: dict[str, Any]) -> None:
    lines = [f"{label:<{_LABEL}}{words}" for label, words in comparison_lines(facts)]
    figure.text(0.02, 0.98, "\n".join(lines), family="monospace", fontsize=11, va="top", color=_INK)
