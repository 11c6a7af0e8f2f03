"""Runs `breakwater` in this process."""

from typing import Any

import orjson
from typer.testing import CliRunner, Result

from node.cli.main import app


def breakwater(*arguments: object) -> Result:
    """One command; stdout and stderr are kept apart."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="breakwater")


def only_object(result: Result) -> dict[str, Any]:
    """The one JSON object on standard output, keys sorted."""
    (line,) = result.stdout.splitlines()
    content: dict[str, Any] = orjson.loads(line)
    assert line == orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()
    return content
