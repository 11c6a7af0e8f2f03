"""`shards`: which shard owns which buckets of a running node, moved and added while it makes blocks."""

from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.connection import DEFAULT_DATA, AddressOption, ApiKeyOption, DataOption, connected
from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_json, put_line, put_table

if TYPE_CHECKING:
    from breakwater.v1 import admin_pb2
    from cluster.placement import Owners

_BYTES_A_MB = 1_000_000
# Ray's name of a node is 56 digits; as many tell them apart.
_NODE_DIGITS = 12

shards = typer.Typer(help="Shards of a running node: list, move, add.", no_args_is_help=False)


@shards.callback()
def _shards() -> None:
    """Shards of a running node."""


@shards.command("list")
def list_(
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Every shard: its buckets, accounts, state, process and Ray node. An account's bucket is its number mod 1,024."""
    from cluster.placement import ranges

    with connected(address, api_key, data) as client:
        listed = client.shards()
    if as_json:
        from node.report.plain import plain

        put_json(plain(listed))
        return
    rows = [
        (
            str(shard.shard),
            f"{len(shard.buckets):,}",
            f"{shard.accounts:,}",
            f"{shard.state_bytes / _BYTES_A_MB:,.1f}",
            str(shard.pid),
            shard.node[:_NODE_DIGITS],
            _short(ranges(shard.buckets)),
        )
        for shard in listed.shards
    ]
    columns = ("shard", "buckets", "accounts", "state MB", "pid", "Ray node", "which buckets")
    put_table(f"Shards at height {listed.height:,}", columns, rows)


def _short(words: str) -> str:
    return words if len(words) <= 40 else words[:40].rsplit(",", 1)[0] + ",..."


@shards.command("move")
def move(
    to: Annotated[int, typer.Option("--to", min=0, help="The shard that gets them.")],
    buckets: Annotated[str, typer.Argument(metavar="[BUCKETS]", help="Such as 7, 0-99, 0-1022/2 or 1,5-9.")] = "",
    all_of: Annotated[int | None, typer.Option("--all-of", min=0, help="All buckets of this shard instead.")] = None,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Give buckets to another shard, between two blocks. No answer, event or root depends on where a bucket is."""
    from cluster.placement import buckets_in, moved

    if bool(buckets) == (all_of is not None):
        raise Refusal("name the buckets, or with --all-of the shard that gives all of its own", EXIT_USAGE)
    named = buckets_in(buckets)
    with connected(address, api_key, data) as client:
        owners = _owners(client.shards())
        if all_of is not None:
            _check_shard(owners, all_of)
            named = list(owners.buckets(all_of))
        moved(owners, named, to)  # says what is wrong in words
        done = client.move_buckets(named, to)
    _say(
        {"height": done.height, "moved": done.moved, "to_shard": to, "pause_us": done.pause_us},
        f"{_buckets(done.moved)} moved to shard {to} after block {done.height:,}; "
        f"no block was made for {done.pause_us / 1_000:,.1f} ms",
        as_json,
    )


@shards.command("add")
def add(
    count: Annotated[int, typer.Argument(metavar="[COUNT]", min=1, help="How many more.")] = 1,
    empty: Annotated[bool, typer.Option("--empty", help="Without buckets, for `shards move`.")] = False,
    address: AddressOption = None,
    api_key: ApiKeyOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Start more shards while blocks go on, and give them an even part of everybody's buckets, or none."""
    from cluster.placement import with_more

    with connected(address, api_key, data) as client:
        with_more(_owners(client.shards()), count, empty)  # says what is wrong in words
        done = client.add_shards(count, empty)
    _say(
        {"height": done.height, "shards": done.shards, "pause_us": done.pause_us},
        f"{done.shards:,} shards after block {done.height:,}; no block was made for {done.pause_us / 1_000:,.1f} ms. "
        f"Start the node with --shards {done.shards} from now on",
        as_json,
    )


def _owners(listed: "admin_pb2.ListShardsResponse") -> "Owners":
    from actors.columns import BUCKETS
    from cluster.placement import Owners

    of_bucket = [0] * BUCKETS
    for shard in listed.shards:
        for bucket in shard.buckets:
            of_bucket[bucket] = shard.shard
    return Owners(len(listed.shards), tuple(of_bucket))


def _check_shard(owners: "Owners", shard: int) -> None:
    if shard >= owners.shards:
        raise Refusal(f"there is no shard {shard}: they are numbered 0 to {owners.shards - 1}", EXIT_USAGE)
    if not owners.buckets(shard):
        raise Refusal(f"shard {shard} has no buckets", EXIT_USAGE)


def _buckets(count: int) -> str:
    return "1 bucket" if count == 1 else f"{count:,} buckets"


def _say(facts: dict[str, object], sentence: str, as_json: bool) -> None:
    if as_json:
        put_json(facts)
    else:
        put_line(sentence)
