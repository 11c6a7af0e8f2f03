"""The options of `up`: every one overrides the setting of the configuration file that it names."""

from pathlib import Path
from typing import Annotated

import typer

Host = Annotated[str | None, typer.Option(help="Address to listen on; default 127.0.0.1.")]
Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="0 (the default) takes a free one.")]
Shards = Annotated[int | None, typer.Option(min=1, max=1_024, help="Shards of accounts; default 2.")]
Transport = Annotated[
    str | None,
    typer.Option(
        help="How calls reach actors: ray (default), lane (sockets between the same processes), inline (none)."
    ),
]
Address = Annotated[str | None, typer.Option(help="Ray cluster to join; without it Ray is embedded.")]
Driver = Annotated[bool, typer.Option("--driver", help="Seal no block; a driver does (replays).")]
Dev = Annotated[bool, typer.Option("--dev", help="Make keys and print them, faucet, reflection.")]
MetricsPort = Annotated[int | None, typer.Option(min=0, max=65_535, help="Serve Prometheus metrics.")]
ActorStandbys = Annotated[
    str | None, typer.Option(help="Actors with a standby that takes over at once: none (default), shards or all.")
]
Place = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WHO=RESOURCE", help="Run shard, pool, shard/1, ..., or all where Ray offers the resource; repeat."
    ),
]
Journal = Annotated[
    str | None,
    typer.Option(envvar="BREAKWATER_JOURNAL", help="postgresql://... of the journal; default: a file of --data."),
]
Snapshots = Annotated[
    str | None,
    typer.Option(envvar="BREAKWATER_SNAPSHOTS", help="URL or path of the snapshots; default: a folder of --data."),
]
JournalKeepBlocks = Annotated[
    int | None,
    typer.Option(min=0, help="Prune the journal behind snapshots, but for so many blocks; default 0: never."),
]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Take the journal from a node that holds it and lives; it is fenced.")
]
ValidateRowsEvery = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="The validator re-executes every N-th block wholly row by row, of the others only the liquidations; "
        "default 64, 1: every block.",
    ),
]
Standby = Annotated[
    bool, typer.Option("--standby", help="Follow the journal of another node; take over when that one is gone.")
]
Config = Annotated[Path | None, typer.Option(help="TOML file; options override it.")]
HouseBot = Annotated[
    bool,
    typer.Option("--house-bot/--no-house-bot", help="Liquidate on venues whose liquidations are left to bots."),
]
HouseBotAccount = Annotated[
    list[str] | None, typer.Option(help="VENUE=ACCOUNT of the house bot; in dev mode it opens its own.")
]
HouseBotKey = Annotated[
    str | None, typer.Option(envvar="BREAKWATER_HOUSE_BOT_KEY", help="Its key; in dev mode the key `dev`.")
]
