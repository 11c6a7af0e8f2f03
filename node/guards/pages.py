"""Pages of a history: how large one may be, and the token that says where the next begins."""

from __future__ import annotations

from typing import Final

from breakwater.v1 import refusals_pb2
from cluster.archive import Cursor
from node.guards import numbers
from node.guards.refusals import Refused

PAGE: Final = 100
LARGEST_PAGE: Final = 1_000
_LONGEST_TOKEN: Final = 40


def page_size(asked: int) -> int:
    """Rows of a page, 0 counting as 100; raises MESSAGE_TOO_LARGE beyond 1000."""
    if asked > LARGEST_PAGE:
        raise Refused(refusals_pb2.REFUSAL_MESSAGE_TOO_LARGE, LARGEST_PAGE, asked, "page_size")
    return asked or PAGE


def cursor(token: str) -> Cursor | None:
    """The event a page begins after, None for the first page; raises MALFORMED."""
    if not token:
        return None
    height, dot, index = token.partition(".")
    if len(token) > _LONGEST_TOKEN or not (dot and height.isdecimal() and index.isdecimal() and token.isascii()):
        raise Refused(refusals_pb2.REFUSAL_MALFORMED, field="page_token")
    return Cursor(numbers.identity(int(height), "page_token"), numbers.identity(int(index), "page_token"))


def token(height: int, index: int) -> str:
    """What `cursor` reads."""
    return f"{height}.{index}"
