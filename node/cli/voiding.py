"""`void`: takes a command out of a journal whose last block cannot be executed. The node must be stopped."""

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from node.cli.output import EXIT_USAGE, JsonOption, Refusal, put_facts, put_json, put_line


def void(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Data directory of a node that is not running.")],
    height: Annotated[int, typer.Option(min=1, help="The block that cannot be executed: a start names it.")],
    index: Annotated[int, typer.Option(min=0, help="Index of the command in the block.")],
    as_json: JsonOption = False,
) -> None:
    """Let replay treat a command as refused (VOIDED), where its block can be executed in no other way."""
    if not directory.is_dir():
        raise Refusal(f"{directory}: no such directory", EXIT_USAGE)
    from cluster.stores import DirectoryStores
    from cluster.void import void_command

    holder = f"void, pid {os.getpid()} on {socket.gethostname()}"
    frame_height = void_command(DirectoryStores(directory, holder, put_line), height, index)
    facts = {"voided_height": height, "voided_index": index, "frame_height": frame_height}
    if as_json:
        put_json(facts)
    else:
        put_facts("Voided", [(label.replace("_", " "), str(value)) for label, value in facts.items()])
