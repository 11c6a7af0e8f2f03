"""The options of `load`."""

from pathlib import Path
from typing import Annotated

import typer

Rate = Annotated[str, typer.Option(help="Commands a second over all processes, or max.")]
Seconds = Annotated[float, typer.Option(min=0.5, max=86_400, help="How long.")]
Processes = Annotated[int, typer.Option(min=1, max=64, help="Processes that send.")]
Accounts = Annotated[int, typer.Option(min=8, max=1_000_000, help="Accounts opened for it.")]
Markets = Annotated[int, typer.Option(min=1, max=1_000, help="The first so many markets of the venue.")]
Mode = Annotated[str, typer.Option(help="columns (batches) or orders (a call each).")]
Batch = Annotated[int, typer.Option(min=1, max=10_000, help="Rows a batch aims at.")]
InFlight = Annotated[
    int | None, typer.Option(min=1, help="Batches (16) or calls (64) of a process on their way at once.")
]
Seed = Annotated[int, typer.Option(min=0, max=(1 << 32) - 1, help="Of prices, people and orders.")]
Branching = Annotated[float, typer.Option(min=0.0, max=0.95, help="Part of the arrivals that others bring about.")]
Blind = Annotated[bool, typer.Option("--blind", help="Cancel by client order ids: nothing sent depends on an answer.")]
Prepare = Annotated[int, typer.Option(min=0, max=20_000_000, help="Rows each process makes before the clock starts.")]
Prices = Annotated[
    Path | None, typer.Option(help="CSV of one-minute bars, or a folder of them; else a jump-diffusion.")
]
Speed = Annotated[float, typer.Option(min=0.01, help="Minutes of the file in a minute of the clock.")]
Publish = Annotated[bool, typer.Option("--publish/--no-publish", help="Publish prices while it runs.")]
MetricsUrl = Annotated[str, typer.Option("--metrics", help="URL of the node's metrics, for the report.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the report; default runs/load-<UTC time>.")]
NotLoopback = Annotated[
    bool, typer.Option("--not-loopback", help="The target may be another machine, named once more below.")
]
YesIMayLoad = Annotated[
    list[str] | None, typer.Option(metavar="HOST:PORT", help="Such a target that is yours to load; repeat.")
]
