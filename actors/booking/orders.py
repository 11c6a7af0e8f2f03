"""What shards send to a book, as the kernel takes it: operations in their order, caps by account."""

import numpy as np

from actors.booking.words import (
    ACCOUNT,
    EXPECTED,
    FLAGS,
    KIND,
    ORDER,
    PRICE,
    SELF_TRADE_MODE,
    SIDE,
    SIZE,
    TIME_IN_FORCE,
)
from actors.columns import matrix, sorted_columns
from actors.matching.words import (
    EXPIRE_MAKER,
    GTC,
    LADDER,
    PLACE,
    REDUCE_ONLY,
    VAULT_DEPTH,
    Caps,
    Operations,
)
from breakwater.v1 import batches_pb2 as batches

_CAP_COLUMNS = slice(2, 5)


def ops_in_order(ops: batches.OrderOps) -> np.ndarray:
    """The columns of `OrderOps` as a matrix, ordered by (class, command, order)."""
    told = matrix(ops)
    return sorted_columns(batches.OrderOps, told, "class", "command", "order")


def kernel_operations(ops: np.ndarray, unwind_depth_ppm: int) -> Operations:
    """The kernel's columns; 0 is GTC and EXPIRE_MAKER, and only the vault's orders have a share of the depth."""
    nothing = np.zeros(ops.shape[1], dtype=np.int64)
    is_vault = ops[FLAGS] & VAULT_DEPTH != 0
    return Operations(
        kind=ops[KIND],
        order=ops[ORDER],
        account=ops[ACCOUNT],
        side=ops[SIDE],
        price_ticks=ops[PRICE],
        size_lots=ops[SIZE],
        expected_lots=ops[EXPECTED],
        time_in_force=np.where(ops[TIME_IN_FORCE] == 0, GTC, ops[TIME_IN_FORCE]),
        flags=ops[FLAGS],
        self_trade=np.where(ops[SELF_TRADE_MODE] == 0, EXPIRE_MAKER, ops[SELF_TRADE_MODE]),
        budget_atoms=nothing,
        depth_ppm=np.where(is_vault, unwind_depth_ppm, 0),
        depth_limit_ticks=nothing,
    )


def kernel_caps(caps: batches.PositionCaps, ops: np.ndarray) -> Caps:
    """One row an account, ascending. An account told of twice fails if either says so; both know one position.

    A reduce-only order of the ladder or the vault whose account is not among them is its own cap: its shard sized it
    by the position, so it never turns it.
    """
    told = matrix(caps)[_CAP_COLUMNS]
    if not told.shape[1] and not (ops[FLAGS] & REDUCE_ONLY).any():
        return Caps.none()
    is_desks = (ops[KIND] == PLACE) & (ops[FLAGS] & (LADDER | VAULT_DEPTH) != 0)
    sized = is_desks & (ops[FLAGS] & REDUCE_ONLY != 0) & ~np.isin(ops[ACCOUNT], told[0])
    own = np.stack([ops[ACCOUNT, sized], -ops[SIDE, sized] * ops[SIZE, sized], np.zeros(sized.sum(), np.int64)])
    rows = np.concatenate([told, own], axis=1)
    # The last of equal accounts is the one that fails, if one does.
    rows = rows[:, np.lexsort((rows[2], rows[0]))]
    last = np.append(rows[0, 1:] != rows[0, :-1], True) if rows.shape[1] else np.zeros(0, dtype=bool)
    return Caps(*rows[:, last])
