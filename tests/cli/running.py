"""Runs `breakwater` in this process."""

import os
from typing import Any

import orjson
from typer.testing import CliRunner, Result

from node.cli.connection import TIMEOUT_NAME
from node.cli.main import app

PATIENCE_S = 60.0


def breakwater(*arguments: object) -> Result:
    """One command, which waits a minute for its node unless the environment says otherwise; stderr is kept apart."""
    patience = {TIMEOUT_NAME: os.environ.get(TIMEOUT_NAME, str(PATIENCE_S))}
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="breakwater", env=patience)


def only_object(result: Result) -> dict[str, Any]:
    """The one JSON object on standard output, keys sorted."""
    (line,) = result.stdout.splitlines()
    content: dict[str, Any] = orjson.loads(line)
    assert line == orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()
    return content
