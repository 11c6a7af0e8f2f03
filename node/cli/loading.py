"""`load`: synthetic order flow into a running node, in an open loop, with latencies that leave nothing out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.cli import load_options as options
from node.cli.connection import (
    BOOK_VENUE,
    DEFAULT_DATA,
    AddressOption,
    ApiKeyOption,
    DataOption,
    VenueOption,
    addresses,
    connected,
    endpoint,
)
from node.cli.output import EXIT_NO, EXIT_USAGE, JsonOption, Refusal, end, errors, put_aside, put_json, put_line

if TYPE_CHECKING:
    from node.flow.settings import LoadSettings
    from node.flow.stage import Surroundings

_BATCHES, _CALLS = 16, 64
_MOST_RATE = 10_000_000


def load(
    rate: options.Rate = "1000",
    seconds: options.Seconds = 30.0,
    processes: options.Processes = 1,
    accounts: options.Accounts = 1_000,
    venue: VenueOption = BOOK_VENUE,
    markets: options.Markets = 1,
    mode: options.Mode = "columns",
    batch: options.Batch = 1_000,
    in_flight: options.InFlight = None,
    seed: options.Seed = 1,
    branching: options.Branching = 0.8,
    blind: options.Blind = False,
    prepare: options.Prepare = 0,
    prices: options.Prices = None,
    speed: options.Speed = 1.0,
    publish: options.Publish = True,
    metrics: options.MetricsUrl = "",
    out: options.Out = None,
    not_loopback: options.NotLoopback = False,
    yes_i_may_load: options.YesIMayLoad = None,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Load a running node with synthetic order flow, and measure it. Leaves a report folder."""
    from node.flow.display import display
    from node.flow.run import run_load
    from node.flow.settings import LoadSettings, check_targets
    from node.flow.stage import Surroundings, set_stage
    from node.report.dated_folder import new_dated_dir

    where, key = endpoint(address, api_key, data)
    targets = addresses(where)
    check_targets(targets, not_loopback, yes_i_may_load or [])
    settings = LoadSettings(
        addresses=tuple(targets),
        api_key=key,
        venue=venue,
        rate=_rate(rate),
        seconds=seconds,
        processes=processes,
        accounts=accounts,
        seed=seed,
        mode=mode,
        batch=batch,
        in_flight=in_flight or (_CALLS if mode == "orders" else _BATCHES),
        blind=blind,
        prepare=prepare,
        branching=branching,
    )
    settings.check()
    around = Surroundings(markets, prices, speed, publish)
    with connected(where, key, data) as client:
        stage = set_stage(client, settings, around)  # before the folder is made: what cannot be run leaves none
        folder = new_dated_dir(Path("runs"), "load-") if out is None else _made(out)
        with display(errors()) as shown:
            facts = run_load(client, settings, stage, metrics, folder, _command(settings, around), shown.show)
    _say({**facts, "run_dir": str(folder)}, as_json)


def _say(facts: dict[str, Any], as_json: bool) -> None:
    from node.flow.report import report_lines, verdict

    if as_json:
        put_json(facts)
    else:
        put_line("\n".join(report_lines(facts)))
        put_line(f"\n{facts['run_dir']}/: report.txt, report.json, latency.png, rate.png, flow.png, reproduce.txt")
    for sentence in verdict(facts):
        put_aside(sentence)
    if facts["failures"]:
        end(EXIT_NO)


def _rate(text: str) -> float:
    """Commands a second, 0 for max; raises Refusal."""
    if text == "max":
        return 0.0
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 1 <= rate <= _MOST_RATE:
        raise Refusal(f"--rate is max or 1 to {_MOST_RATE:,} commands a second, not {text!r}", EXIT_USAGE)
    return rate


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _command(settings: "LoadSettings", around: "Surroundings") -> list[str]:
    """The command that runs this load again, on the node of the data directory where it is run."""
    numbers = {
        "rate": f"{settings.rate:g}" if settings.rate else "max",
        "seconds": f"{settings.seconds:g}",
        "processes": settings.processes,
        "accounts": settings.accounts,
        "venue": settings.venue,
        "markets": around.markets,
        "mode": settings.mode,
        "batch": settings.batch,
        "in-flight": settings.in_flight,
        "seed": settings.seed,
        "branching": settings.branching,
        "prepare": settings.prepare,
        "speed": around.speed,
    }
    command = ["breakwater", "load"]
    for name, value in numbers.items():
        command += [f"--{name}", str(value)]
    command += ["--blind"] if settings.blind else []
    command += ["--prices", str(around.prices)] if around.prices is not None else []
    return command + ([] if around.publish else ["--no-publish"])
