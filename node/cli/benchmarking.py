"""`bench`: the node in numbers, each beside a bare peer measured in the same run."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import EXIT_NO, EXIT_USAGE, JsonOption, Refusal, end, errors, put_json, put_line

if TYPE_CHECKING:
    from node.bench.table import Row


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer repeats and smaller books.")] = False,
    only: Annotated[list[str] | None, typer.Option(metavar="PIECE", help="Measure this piece only; repeat.")] = None,
    check: Annotated[bool, typer.Option("--check", help="End with 1 where a ratio got 20% worse.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Keep the ratios of this run.")] = False,
    ratios: Annotated[Path, typer.Option(help="File of the ratios that are kept.")] = Path("bench/ratios.json"),
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Measure nothing: look into the processes of a node under the column stream."),
    ] = False,
    transport: Annotated[str, typer.Option(help="Transport of the node that is profiled.")] = "lane",
    scratch: Annotated[Path, typer.Option(help="Folder to measure the disk in; left as it was.")] = Path("runs"),
    as_json: JsonOption = False,
) -> None:
    """Measure the node against the figures to reach. Nothing else should run on the machine meanwhile."""
    from cluster.garbage import collect_rarely
    from node.bench import regression
    from node.bench.run import rows
    from node.bench.table import document

    if profile:
        _profile(scratch, transport, quick, as_json)
        return
    kept = regression.read(ratios, quick) if check else {}
    collect_rarely()  # as a node and its actors do
    begun_s = time.monotonic()
    progress = errors()
    measured = []
    for row in rows(scratch, quick, only or ()):
        measured.append(row)
        progress.print(f"{row.name}: {row.to_text()[1]} {row.unit}", markup=False, soft_wrap=True)
    facts = document(measured, quick, time.monotonic() - begun_s)
    if write:
        regression.write(ratios, measured, quick, whole=not only)
    if as_json:
        put_json(facts)
    else:
        _put_table(measured, facts["wall_s"])
    if check:
        verdict = regression.compare(measured, kept)
        for line in verdict.lines():
            progress.print(line, markup=False, soft_wrap=True)
        if verdict.worse:
            end(EXIT_NO)


def _profile(scratch: Path, transport: str, quick: bool, as_json: bool) -> None:
    from cluster.transport import TRANSPORTS
    from node.bench.profile import profile, write_top

    if transport not in TRANSPORTS:
        raise Refusal(f"transport is one of {', '.join(TRANSPORTS)}, not {transport!r}", EXIT_USAGE)
    out = scratch / time.strftime("profile-%Y%m%dT%H%M%SZ", time.gmtime())
    progress, profiled = errors(), []
    for one in profile(out, transport, 2.0 if quick else 10.0):
        profiled.append(one)
        for line in one.lines():
            progress.print(line, markup=False, soft_wrap=True)
    path = write_top(out, profiled)
    if as_json:
        put_json({"folder": str(out), "processes": [one.to_json() for one in profiled]})
    else:
        put_line(f"{len(profiled)} flame graphs and {path}")


def _put_table(measured: "list[Row]", wall_s: float) -> None:
    from node.bench.table import lines

    for line in lines(measured):
        put_line(line)
    missed = [row.name for row in measured if row.met is False]
    with_reach = sum(row.met is not None for row in measured)
    put_line(f"{with_reach - len(missed)} of {with_reach} figures reached in {wall_s:.0f} s")
