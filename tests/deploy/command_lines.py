"""Command lines of deployment files, held against the parsers that will read them: ours, and Ray's own."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from node.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=.*")
_BEFORE = ("exec", "tini", "--")


def shell_commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell line, without what is assigned or said before them."""
    for part in re.split(r"&&|;|\|\|", text):
        words = shlex.split(part)
        while words and (_ASSIGNED.fullmatch(words[0]) or words[0] in _BEFORE):
            words.pop(0)
        if words:
            yield words


def parse(words: list[str]) -> bool:
    """Reads a command with its own parser, without running it; False where it is none of ours or of Ray. Raises
    click's own complaint."""
    program = words[0].rpartition("/")[2]
    if program == "breakwater":
        group = typer.main.get_command(app)
    elif program == "ray":
        from ray.scripts.scripts import cli as group
    else:
        return False
    context: Any = group.make_context(program, [*words[1:2]], resilient_parsing=True)
    command = group.get_command(context, words[1])  # type: ignore[attr-defined]
    assert command is not None, f"{program} has no command {words[1]}"
    command.make_context(words[1], list(words[2:]), parent=context)
    return True
