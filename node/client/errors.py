"""Refusals as the client sees them: the name, and the two numbers that decided."""

from __future__ import annotations

from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from breakwater.v1 import answers_pb2, refusals_pb2

# Trailing metadata that carries a serialised RefusalDetail beside the gRPC status.
REFUSAL_KEY: Final = "breakwater-refusal-bin"


class RefusedError(Exception):
    """The node refused. `refusal` is the name without its prefix, as INSUFFICIENT_BALANCE; refusals.proto says what
    `required` and `actual` count. `code` is the gRPC status it came with."""

    def __init__(self, refusal: str, required: int, actual: int, field: str, code: grpc.StatusCode) -> None:
        """The parts of a RefusalDetail."""
        subject = f" ({field})" if field else ""
        super().__init__(f"{refusal}{subject}: required {required}, actual {actual}")
        self.refusal = refusal
        self.required = required
        self.actual = actual
        self.field = field
        self.code = code


def refused_of(error: grpc.RpcError) -> RefusedError | None:
    """The refusal a gRPC error carries; None for an error of the way, such as a lost connection."""
    trailing: Any = error.trailing_metadata()
    for name, value in trailing or ():
        if name == REFUSAL_KEY:
            try:
                detail = answers_pb2.RefusalDetail.FromString(value)
            except DecodeError:
                return None
            return RefusedError(
                refusal_name(detail.refusal), detail.required, detail.actual, detail.field, error.code()
            )
    return None


def refusal_name(refusal: int) -> str:
    """INSUFFICIENT_BALANCE for its number, as outcomes and events hold it; unknown numbers are shown as such."""
    known = refusals_pb2.Refusal.DESCRIPTOR.values_by_number.get(refusal)
    return known.name.removeprefix("REFUSAL_") if known is not None else f"REFUSAL_{refusal}"


def may_ask_again(error: grpc.RpcError) -> bool:
    """Whether the same request may succeed a moment later: the node is away, or not yet serving."""
    refused = refused_of(error)
    if refused is not None:
        return refused.refusal in ("UNAVAILABLE", "RESUMING", "READ_ONLY", "FENCED")
    return error.code() == grpc.StatusCode.UNAVAILABLE
