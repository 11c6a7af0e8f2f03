"""`void`: takes a command out of a journal whose last block cannot be executed. The node must be stopped."""

import os
import socket
from typing import Annotated

import typer

from node.cli.backing_up import JournalOption, SnapshotsOption
from node.cli.keeping import StoppedArgument, require_directory
from node.cli.output import JsonOption, put_aside, put_facts, put_json


def void(
    directory: StoppedArgument,
    height: Annotated[int, typer.Option(min=1, help="The block that cannot be executed: a start names it.")],
    index: Annotated[int, typer.Option(min=0, help="Index of the command in the block.")],
    journal: JournalOption = None,
    snapshots: SnapshotsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let replay treat a command as refused (VOIDED), where its block can be executed in no other way."""
    require_directory(directory)
    from cluster.stores import DirectoryStores
    from cluster.void import void_command

    holder = f"void, pid {os.getpid()} on {socket.gethostname()}"
    stores = DirectoryStores(directory, holder, put_aside, journal_url=journal, snapshots_url=snapshots)
    frame_height = void_command(stores, height, index)
    facts = {"voided_height": height, "voided_index": index, "frame_height": frame_height}
    if as_json:
        put_json(facts)
    else:
        put_facts("Voided", [(label.replace("_", " "), str(value)) for label, value in facts.items()])
