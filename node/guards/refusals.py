"""One table: which gRPC status a refusal has. The refusal itself travels beside it, with the numbers that decided.

Print it with `python -m node.guards.refusals`.
"""

from __future__ import annotations

from typing import Final, cast

import grpc

from breakwater.v1 import answers_pb2, refusals_pb2
from cluster.refused import Refused as HostRefused
from node.client.errors import REFUSAL_KEY, refusal_name

INT64_MIN: Final = -(1 << 63)
INT64_MAX: Final = (1 << 63) - 1

_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_MISSING = grpc.StatusCode.NOT_FOUND
_STATE = grpc.StatusCode.FAILED_PRECONDITION
_FULL = grpc.StatusCode.RESOURCE_EXHAUSTED
_TAKEN = grpc.StatusCode.ALREADY_EXISTS
_AWAY = grpc.StatusCode.UNAVAILABLE

STATUS_OF: Final[dict[str, grpc.StatusCode]] = {
    "BAD_REQUEST_KEY": _INVALID,
    "REQUEST_KEY_REUSED": _TAKEN,
    "EXPIRED": _STATE,
    "EXPIRY_TOO_FAR": _INVALID,
    "BATCH_TOO_LARGE": _INVALID,
    "RAGGED_COLUMNS": _INVALID,
    "UNKNOWN_VENUE": _MISSING,
    "WRONG_RULEBOOK": _INVALID,
    "EMPTY_BATCH": _INVALID,
    "VOIDED": grpc.StatusCode.ABORTED,
    "UNKNOWN_ACCOUNT": _MISSING,
    "UNKNOWN_MARKET": _MISSING,
    "NOT_POSITIVE": _INVALID,
    "OVERFLOW": _INVALID,
    "OFF_TICK": _INVALID,
    "BAD_SIDE": _INVALID,
    "BAD_ORDER_KIND": _INVALID,
    "LEVERAGE_OUT_OF_RANGE": _INVALID,
    "UNKNOWN_VERSION": _STATE,
    "PARAMETER_OUT_OF_BOUNDS": _INVALID,
    "NAME_TAKEN": _TAKEN,
    "MALFORMED": _INVALID,
    "UNKNOWN_PUBLISHER": _MISSING,
    "STALE_TICK": _STATE,
    "FUTURE_TICK": _STATE,
    "ACCOUNT_FROZEN": _STATE,
    "VALIDATOR_LAGGING": _AWAY,
    "MARKET_HALTED": _STATE,
    "NO_MARK": _STATE,
    "MARKET_TRIPPED": _STATE,
    "RESUMING": _AWAY,
    "UNKNOWN_ORDER": _MISSING,
    "UNKNOWN_POSITION": _MISSING,
    "ABOVE_MARGIN_CAP": _STATE,
    "INSUFFICIENT_BALANCE": _STATE,
    "BELOW_MAINTENANCE_MARGIN": _STATE,
    "UNKNOWN_WITHDRAWAL": _MISSING,
    "NOT_VALIDATED": _STATE,
    "OFF_LOT": _INVALID,
    "MIN_NOTIONAL": _INVALID,
    "BELOW_INITIAL_MARGIN": _STATE,
    "REDUCE_ONLY": _STATE,
    "POST_ONLY_WOULD_CROSS": _STATE,
    "NOTHING_TO_MATCH": _STATE,
    "NOT_FILLABLE": _STATE,
    "NO_LIQUIDITY": _STATE,
    "BAD_TRIGGER_PRICE": _INVALID,
    "OPEN_INTEREST_CAP": _STATE,
    "TOO_FAR_FROM_ORACLE": _STATE,
    "MARKET_REDUCE_ONLY": _STATE,
    "SELF_TRADE": _STATE,
    "CLAIMS_OUTSTANDING": _STATE,
    "POOL_EMPTY": _STATE,
    "UTILISATION_CAP": _STATE,
    "POSITION_SIZE_LIMIT": _STATE,
    "OPEN_INTEREST_LIMIT": _STATE,
    "SKEW_LIMIT": _STATE,
    "LIMIT": _STATE,
    "VENUE_TOTAL": _STATE,
    "NO_SHARES_MINTED": _STATE,
    "INSUFFICIENT_SHARES": _STATE,
    "WITHDRAWAL_LIMIT": _STATE,
    "POOL_INSOLVENT": _STATE,
    "SHARES_LOCKED": _STATE,
    "VAULT_BELOW_MARGIN": _STATE,
    "CLIENT_ORDER_ID_USED": _TAKEN,
    "AMEND_BELOW_FILLED": _STATE,
    "BEING_LIQUIDATED": _STATE,
    "TOO_MANY_ORDERS": _FULL,
    "WITHDRAWAL_MARGIN": _STATE,
    "MARGIN_CAPPED": _STATE,
    "RATE_LIMITED": _FULL,
    "NOT_ALLOWED": grpc.StatusCode.PERMISSION_DENIED,
    "UNAUTHENTICATED": grpc.StatusCode.UNAUTHENTICATED,
    "NOT_FOUND": _MISSING,
    "MESSAGE_TOO_LARGE": _FULL,
    "UNAVAILABLE": _AWAY,
    "READ_ONLY": _AWAY,
    "FENCED": _AWAY,
    "INTERNAL": grpc.StatusCode.INTERNAL,
    "WRONG_MODE": _STATE,
    "SLOW_CONSUMER": _FULL,
    "NOT_SINGLE_SIDED": _INVALID,
    "POSITION_LOCKED": _STATE,
    "LIQUIDATION_PENDING": _STATE,
    "COLLATERAL_LOCKED": _STATE,
    "BELOW_REQUIREMENT": _STATE,
    "NOT_LIQUIDATABLE": _STATE,
    "REWARD_ABOVE_LIMIT": _STATE,
    "STALE_VERSION": _STATE,
    "EFFICIENCY_LIMIT": _STATE,
    "MARKET_SOCIALISED": _STATE,
    "MAKER_LIMIT": _STATE,
    "MARKET_CLOSED": _STATE,
    "TOO_MANY_PENDING": _FULL,
    "TOO_MANY_PENDING_VERSIONS": _FULL,
    "INSUFFICIENT_MARKET_FUNDS": _STATE,
    "NOTHING_TO_REPAY": _STATE,
    "FEE_FLOOR_ABOVE_CAP": _INVALID,
    "NO_VERSION": _STATE,
    "MARGIN_RATIO": _STATE,
    "BELOW_STEP": _INVALID,
    "ABOVE_LIQUIDATABLE": _STATE,
    "OWN_ACCOUNT": _INVALID,
    "LIQUIDATOR_RATIO": _STATE,
    "POSITION_CAP": _STATE,
    "NOT_SAME_OWNER": grpc.StatusCode.PERMISSION_DENIED,
}

# A whole batch answered by one of these never had rows of its own.
BATCH_REFUSALS: Final = frozenset(range(refusals_pb2.REFUSAL_BAD_REQUEST_KEY, refusals_pb2.REFUSAL_VOIDED))


class Refused(HostRefused):
    """A refusal of the door, with the field it concerns. Nothing of it reached a block."""

    def __init__(self, refusal: int, required: int = 0, actual: int = 0, field: str = "") -> None:
        """`required` and `actual` count what refusals.proto says; they are cut to 64 bits."""
        super().__init__(cast(refusals_pb2.Refusal, refusal), clamped(required), clamped(actual))
        self.field = field


def clamped(number: int) -> int:
    """The number, or the end of the 64-bit range it lies beyond."""
    return min(max(number, INT64_MIN), INT64_MAX)


def status_of(refusal: int) -> grpc.StatusCode:
    """The gRPC status of a refusal."""
    return STATUS_OF.get(refusal_name(refusal), grpc.StatusCode.FAILED_PRECONDITION)


def detail_of(refused: HostRefused) -> answers_pb2.RefusalDetail:
    """The refusal as it travels in the trailing metadata."""
    return answers_pb2.RefusalDetail(
        refusal=refused.refusal,
        required=clamped(refused.required),
        actual=clamped(refused.actual),
        field=getattr(refused, "field", ""),
    )


def answer_of(refused: HostRefused) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes]]]:
    """Status, text and trailing metadata of a refusal; the text repeats what the metadata says exactly."""
    detail = detail_of(refused)
    subject = f" ({detail.field})" if detail.field else ""
    text = f"{refusal_name(detail.refusal)}{subject}: required {detail.required}, actual {detail.actual}"
    return status_of(detail.refusal), text, ((REFUSAL_KEY, detail.SerializeToString()),)


def documentation() -> str:
    """The table as Markdown."""
    rows = [f"| {name} | {status.name} |" for name, status in STATUS_OF.items()]
    return "\n".join(["| refusal | gRPC status |", "|---|---|", *rows])


if __name__ == "__main__":
    print(documentation())
