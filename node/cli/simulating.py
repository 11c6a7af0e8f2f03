"""`simulate`: whole nodes in one thread, seed by seed, with everything going wrong that can be made to."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.output import EXIT_INTERRUPTED, EXIT_NO, EXIT_USAGE, JsonOption, Refusal, errors, put_json, put_line

if TYPE_CHECKING:
    from node.simulation.campaign import Campaign

_NEWS_EVERY_S = 15.0


def simulate(
    seeds: Annotated[int, typer.Option(min=0, max=1_000_000, help="How many seeds, one after the other.")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="The first seed; alone, the only one.")] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=1_000, help="Simulated hours with faults a seed; otherwise 12 to 34 seconds of them."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for what was found: one a failing seed, and of a single seed always.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the whole node in one thread under injected faults; a failing seed prints the line that reproduces it."""
    from cluster.garbage import collect_rarely
    from node.simulation.campaign import Campaign

    if out is not None and out.exists() and not out.is_dir():
        raise Refusal(f"{out}: not a directory", EXIT_USAGE)
    collect_rarely()
    first = seed if seed is not None else 1
    count = seeds or (1 if seed is not None else 150)
    campaign = Campaign(hours, out)
    interrupted = _run(campaign, first, count)
    if as_json:
        put_json(campaign.facts())
    else:
        for line in campaign.summary():
            put_line(line)
    if campaign.failed or interrupted:
        raise typer.Exit(EXIT_NO if campaign.failed else EXIT_INTERRUPTED)


def _run(campaign: "Campaign", first: int, count: int) -> bool:
    """The seeds, with news on standard error; whether they were broken off (what was done counts all the same)."""
    progress: Any = errors()
    said_s = time.monotonic()
    for seed in range(first, first + count):
        try:
            failure = campaign.run(seed, always_written=count == 1)
        except KeyboardInterrupt:
            return True
        if failure:
            progress.print(failure, markup=False, soft_wrap=True)
        if time.monotonic() - said_s > _NEWS_EVERY_S:
            said_s = time.monotonic()
            progress.print(campaign.so_far(), markup=False, soft_wrap=True)
    return False
