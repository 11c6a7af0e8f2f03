"""A load as it runs: a table that is drawn anew on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from node.flow.sheet import Sheet
from node.flow.watching import Watch

_LINE_S: Final = 5.0
_REASONS: Final = 5


def rows(sheet: Sheet, watch: Watch, now_s: float) -> list[tuple[str, str]]:
    """What is worth watching, label and value."""
    counts, refusals = sheet.counts(), sheet.refusals()
    sent, answered = sheet.rates()
    p50, p99, p999 = sheet.quantiles()
    reasons = ", ".join(f"{name} {count:,}" for name, count in refusals.most_common(_REASONS)) or "none"
    found = [
        ("time", f"{max(0.0, now_s - sheet.start_s):.0f} s"),
        ("commands a second", f"{sent:,.0f} sent, {answered:,.0f} answered"),
        ("commands", f"{counts['sent']:,} sent, {counts['answered']:,} answered, {counts['in_flight']:,} on their way"),
        ("latency", f"p50 {p50:,.1f} ms, p99 {p99:,.1f} ms, p99.9 {p999:,.1f} ms"),
        ("refused", f"{counts['refused']:,}: {reasons}"),
        ("filled at once", f"{counts['filled']:,}"),
        ("liquidations", ", ".join(f"{name} {count:,}" for name, count in watch.liquidations.most_common(4)) or "none"),
    ]
    if watch.nav_atoms is not None:
        found.append(("NAV", f"{watch.nav_atoms:,} atoms"))
    if counts["unsent"] or counts["late"]:
        found.append(("behind", f"{counts['late']:,} sent late, {counts['unsent']:,} not sent"))
    if counts["reconnects"] or counts["never_sequenced"]:
        lost = f"{counts['answered_late']:,} answered late, {counts['never_sequenced']:,} reached no block"
        found.append(("reconnects", f"{counts['reconnects']:,}: {lost}"))
    status = watch.last
    if status is not None:
        behind = status.height - status.validated_height
        found.append(
            ("node", f"height {status.height:,}, queue {status.queued_batches:,}, validator {behind:,} behind")
        )
    return found


class Display:
    """Shows a sheet and a watch whenever `show` is called."""

    def __init__(self, console: Console, live: Live | None) -> None:
        """Without `live` it speaks in lines."""
        self._console, self._live = console, live
        self._said_s = 0.0

    def show(self, sheet: Sheet, watch: Watch) -> None:
        """Draws, or says a line when it is time for one."""
        now_s = time.monotonic()
        if self._live is not None:
            self._live.update(_table(rows(sheet, watch, now_s)), refresh=True)
        elif now_s - self._said_s >= _LINE_S:
            self._said_s = now_s
            line = "; ".join(f"{label} {value}" for label, value in rows(sheet, watch, now_s)[:5])
            self._console.print(line, markup=False, soft_wrap=True)


@contextmanager
def display(console: Console) -> Iterator[Display]:
    """A display for as long as it is entered; on a terminal it goes away at the end."""
    if not console.is_terminal:
        yield Display(console, None)
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield Display(console, live)


def _table(found: list[tuple[str, str]]) -> Table:
    table = Table(title="load", title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for label, value in found:
        table.add_row(label, value)
    return table
