"""Calls that are expected to be refused, looked at as they arrive: status, name, numbers, and that nothing leaks."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
import pytest

from node.client.errors import RefusedError, refused_of
from node.guards.refusals import STATUS_OF

# What would tell a stranger about the inside: classes, modules, files, memory.
LEAKS = re.compile(r"Traceback|Error\b|Exception|File \"|\.py\b|0x[0-9a-f]{6}|node\.|cluster\.|actors\.|sqlite|/")


class Refusal(NamedTuple):
    """The parts of a refusal that tests compare."""

    name: str
    required: int
    actual: int
    field: str


def refusal_of(call: Callable[[], Any]) -> Refusal:
    """The refusal a call meets, after checking that its status is the table's and its text shows nothing internal."""
    with pytest.raises((RefusedError, grpc.RpcError)) as caught:
        call()
    error = caught.value
    refused = error if isinstance(error, RefusedError) else refused_of(error)
    assert refused is not None, f"an error without a refusal: {error}"
    assert refused.code == STATUS_OF[refused.refusal]
    raw = error.__cause__ if isinstance(error, RefusedError) else error
    assert isinstance(raw, grpc.RpcError)
    assert not LEAKS.search(raw.details() or "")
    return Refusal(refused.refusal, refused.required, refused.actual, refused.field)
