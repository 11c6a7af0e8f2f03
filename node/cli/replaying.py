"""`replay`: a crash, real or synthetic, through a node of its own: one venue, or all of them at once."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from node.cli.output import EXIT_NO, EXIT_USAGE, JsonOption, Refusal, end, errors, put_facts, put_json, put_line

if TYPE_CHECKING:
    from node.load.driver import Progress
    from node.load.options import ReplayOptions

_SHOW_EVERY_BLOCKS = 8
# Where nobody watches a terminal, so many lines a replay.
_LINES = 10
# Where nothing is said: of one venue, and of each of all at once, so that it takes minutes at the most.
_TRADERS = 2_000
_TRADERS_OF_ALL = 500


def replay(
    venue: Annotated[str, typer.Option(help="twilight, margin-trade, spin, perennial, or all at once.")] = "twilight",
    prices: Annotated[
        Path | None,
        typer.Option(help="CSV of one-minute bars, or a folder of them, a market each; none: a synthetic crash."),
    ] = None,
    traders: Annotated[
        int | None, typer.Option(min=1, max=200_000, help="Simulated traders; default 2000, of all 500 each.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the people, and of the synthetic crash.")] = 1,
    shards: Annotated[int, typer.Option(min=1, max=1_024, help="Shards of the node.")] = 2,
    transport: Annotated[str, typer.Option(help="ray, lane or inline.")] = "ray",
    ticks_per_bar: Annotated[int, typer.Option(min=1, max=120, help="Prices (blocks) a bar; 1: its close.")] = 12,
    rules: Annotated[str, typer.Option(help="Preset of the venue: safe or seed.")] = "safe",
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/<UTC time>.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data directory; default <run folder>/data.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Replay a crash through a node: prices, traders, LPs, in accelerated time. Leaves a run folder."""
    from cluster.transport import TRANSPORTS
    from node.load.options import ALL, ReplayOptions, plans_of
    from node.load.replay import replay as run
    from node.presets import RULES
    from node.report.dated_folder import new_dated_dir
    from node.report.run_folder import write_run
    from node.report.summary import summary_lines

    if transport not in TRANSPORTS:
        raise Refusal(f"transport is one of {', '.join(TRANSPORTS)}, not {transport!r}", EXIT_USAGE)
    if rules not in RULES:
        raise Refusal(f"rules is {' or '.join(RULES)}, not {rules!r}", EXIT_USAGE)
    if venue not in ("twilight", ALL) and rules != "safe":
        raise Refusal(f"--rules names a preset of Twilight; {venue} has one", EXIT_USAGE)
    people = traders or (_TRADERS_OF_ALL if venue == ALL else _TRADERS)
    options = ReplayOptions(venue, prices, people, seed, shards, transport, ticks_per_bar, rules)
    plans = plans_of(options)  # before the folder is made: prices that cannot be read leave none
    run_dir = _made(out) if out is not None else new_dated_dir(Path("runs"))
    with _bar() as bar:
        show = _bar_shown(bar, len(plans[0].points) + 4) if errors().is_terminal else _lines_shown()
        result = run(options, plans, data or run_dir / "data", run_dir / "node.log", show)
    facts = write_run(run_dir, result, _command(options, out, data))
    if as_json:
        put_json(facts)
    else:
        put_facts("Replay of all venues" if venue == ALL else f"Replay of venue {venue}", summary_lines(facts))
        put_line(f"\n{run_dir}/: summary.txt, summary.json, picture.png, receipts/, data/")
    if not facts["conserved"] or facts.get("unexplained_bad_debt_atoms"):
        end(EXIT_NO)


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _command(options: "ReplayOptions", out: Path | None, data: Path | None) -> list[str]:
    """The command that gives the same journal again."""
    command = ["breakwater", "replay", "--venue", options.venue]
    if options.prices is not None:
        command += ["--prices", str(options.prices)]
    numbers: dict[str, Any] = {
        "rules": options.rules if options.venue in ("twilight", "all") else None,
        "traders": options.traders,
        "seed": options.seed,
        "shards": options.shards,
        "transport": options.transport,
        "ticks-per-bar": options.ticks_per_bar,
        "out": out,
        "data": data,
    }
    for name, value in numbers.items():
        if value is not None:
            command += [f"--{name}", str(value)]
    return command


def _bar() -> Bar:
    return Bar(
        TextColumn("[bold]replay"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}"),
        console=errors(),
        transient=True,
        disable=not errors().is_terminal,
    )


def _bar_shown(bar: Bar, blocks: int) -> Callable[["Progress"], None]:
    task = bar.add_task("starting the node", total=blocks)

    def watch(progress: "Progress") -> None:
        if progress.block % _SHOW_EVERY_BLOCKS == 0:
            bar.update(task, completed=progress.block, description=_words(progress))

    return watch


def _lines_shown() -> Callable[["Progress"], None]:
    console = errors()

    def watch(progress: "Progress") -> None:
        if progress.block % max(1, progress.blocks // _LINES) == 0:
            console.print(f"block {progress.block:,} of {progress.blocks:,}  {_words(progress)}", soft_wrap=True)

    return watch


def _words(progress: "Progress") -> str:
    return f"{progress.price}  {progress.words()}"
