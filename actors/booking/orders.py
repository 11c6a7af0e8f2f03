"""What shards send to a book, as the kernels take it: operations in their order, caps by account."""

from typing import Final

import numpy as np

from actors.booking.call import Columns
from actors.booking.words import BANKRUPTCY, CLASS, CLIENT, COMMAND
from actors.byte_words import load_u64
from actors.compiling import inlined, kernel
from actors.matching.words import (
    EXPIRE_MAKER,
    GTC,
    LADDER,
    OP_ACCOUNT,
    OP_BUDGET,
    OP_DEPTH_LIMIT,
    OP_DEPTH_PPM,
    OP_EXPECTED,
    OP_FLAGS,
    OP_KIND,
    OP_ORDER,
    OP_PRICE,
    OP_SELF_TRADE,
    OP_SIDE,
    OP_SIZE,
    OP_TIME_IN_FORCE,
    PLACE,
    REDUCE_ONLY,
    VAULT_DEPTH,
    Caps,
)
from actors.row_order import order_of

# Columns of `OrderOps`: those that say the order (class, command, order) come first.
_KEYS: Final = 3
_ORDER: Final = 2
_ACCOUNT: Final = 5
_KIND: Final = 6
_SIDE: Final = 7
_PRICE: Final = 8
_SIZE: Final = 9
_EXPECTED: Final = 10
_TIME_IN_FORCE: Final = 11
_FLAGS: Final = 12
_SELF_TRADE: Final = 13
_CLIENT: Final = 14
_BANKRUPTCY: Final = 15
# Columns of `PositionCaps`: account, position, fails.
_CAP_COLUMNS: Final = (2, 3, 4)
_AS_THEY_STAND: Final = np.empty(0, dtype=np.int64)


def ops_in_order(ops: Columns, unwind_depth_ppm: int, rows: np.ndarray) -> bool:
    """Fills the rows of operations, ordered by (class, command, order); whether some are reduce-only.

    0 is GTC and EXPIRE_MAKER, and only the vault's orders have a share of the depth.
    """
    order = None
    if not _is_in_order(ops.data, ops.begins, ops.rows):
        order = order_of(np.array([ops.column(key) for key in range(_KEYS)]))
    return bool(_read(ops.data, ops.begins, _AS_THEY_STAND if order is None else order, unwind_depth_ppm, rows))


@inlined
def _cell(data: np.ndarray, begin: np.int64, row: np.int64) -> np.int64:
    return np.int64(load_u64(data, begin + 8 * row))


@kernel
def _is_in_order(data: np.ndarray, begins: np.ndarray, count: np.int64) -> bool:
    for row in range(1, count):
        for key in range(_KEYS):
            before, here = _cell(data, begins[key], row - 1), _cell(data, begins[key], row)
            if before < here:
                break
            if before > here:
                return False
    return True


@kernel
def _read(
    data: np.ndarray, begins: np.ndarray, order: np.ndarray, unwind_depth_ppm: np.int64, rows: np.ndarray
) -> np.int64:
    flags_met = np.int64(0)
    for op in range(rows.shape[0]):
        at = order[op] if order.size else np.int64(op)
        rows[op, OP_KIND] = _cell(data, begins[_KIND], at)
        rows[op, OP_ORDER] = _cell(data, begins[_ORDER], at)
        rows[op, OP_ACCOUNT] = _cell(data, begins[_ACCOUNT], at)
        rows[op, OP_SIDE] = _cell(data, begins[_SIDE], at)
        rows[op, OP_PRICE] = _cell(data, begins[_PRICE], at)
        rows[op, OP_SIZE] = _cell(data, begins[_SIZE], at)
        rows[op, OP_EXPECTED] = _cell(data, begins[_EXPECTED], at)
        time_in_force = _cell(data, begins[_TIME_IN_FORCE], at)
        rows[op, OP_TIME_IN_FORCE] = time_in_force if time_in_force != 0 else GTC
        flags = _cell(data, begins[_FLAGS], at)
        flags_met |= flags
        rows[op, OP_FLAGS] = flags
        self_trade = _cell(data, begins[_SELF_TRADE], at)
        rows[op, OP_SELF_TRADE] = self_trade if self_trade != 0 else EXPIRE_MAKER
        rows[op, OP_BUDGET] = 0
        rows[op, OP_DEPTH_PPM] = unwind_depth_ppm if flags & VAULT_DEPTH != 0 else 0
        rows[op, OP_DEPTH_LIMIT] = 0
        rows[op, CLASS] = _cell(data, begins[0], at)
        rows[op, COMMAND] = _cell(data, begins[1], at)
        rows[op, CLIENT] = _cell(data, begins[_CLIENT], at)
        rows[op, BANKRUPTCY] = _cell(data, begins[_BANKRUPTCY], at)
    return flags_met & REDUCE_ONLY


def kernel_caps(caps: Columns, rows: np.ndarray, has_reduce_only: bool) -> Caps:
    """One row an account, ascending. An account told of twice fails if either says so; both know one position.

    A reduce-only order of the ladder or the vault whose account is not among them is its own cap: its shard sized it
    by the position, so it never turns it.
    """
    if not caps.rows and not has_reduce_only:
        return Caps.none()
    told = np.array([caps.column(place) if caps.rows else _AS_THEY_STAND for place in _CAP_COLUMNS])
    if has_reduce_only:
        told = np.concatenate([told, _own_caps(rows, told[0])], axis=1)
    # The last of equal accounts is the one that fails, if one does.
    if not (told[0, 1:] > told[0, :-1]).all():
        told = told[:, np.lexsort((told[2], told[0]))]
        told = told[:, np.append(told[0, 1:] != told[0, :-1], True)]
    return Caps(*told)


def _own_caps(rows: np.ndarray, accounts: np.ndarray) -> np.ndarray:
    """Of desks' reduce-only orders of other accounts: account, position, 0."""
    flags = rows[:, OP_FLAGS]
    is_desks = (rows[:, OP_KIND] == PLACE) & (flags & (LADDER | VAULT_DEPTH) != 0)
    sized = rows[is_desks & (flags & REDUCE_ONLY != 0) & ~np.isin(rows[:, OP_ACCOUNT], accounts)]
    return np.stack([sized[:, OP_ACCOUNT], -sized[:, OP_SIDE] * sized[:, OP_SIZE], np.zeros_like(sized[:, OP_SIZE])])
