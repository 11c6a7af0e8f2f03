"""A short price file for replays: the fall, the low and the rebound of the synthetic crash."""

from pathlib import Path

from node.load.bars import QUOTE_E18
from node.load.crash import crash_bars

FIRST_BAR, LAST_BAR = 40, 52


def write_prices(path: Path) -> Path:
    """Twelve one-minute bars in cents."""
    lines = ["open_time_ms,open,high,low,close"]
    for bar in crash_bars(1)[FIRST_BAR:LAST_BAR]:
        prices = (bar.open_e18, bar.high_e18, bar.low_e18, bar.close_e18)
        cents = (price * 100 // QUOTE_E18 for price in prices)
        lines.append(",".join([str(bar.open_time_ms), *(f"{cent // 100}.{cent % 100:02d}" for cent in cents)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
