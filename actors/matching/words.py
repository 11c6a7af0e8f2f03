"""What is said to a book and what it answers: operations, caps, limits, result rows, and their codes. All int64."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np

BUY: Final = 1
SELL: Final = -1

# Kinds of operation.
PLACE: Final = 1
CANCEL: Final = 2
AMEND: Final = 3
CANCEL_ACCOUNT: Final = 4

# Time in force.
GTC: Final = 1
IOC: Final = 2
FOK: Final = 3

# Flags of an order, as bits.
POST_ONLY: Final = 1
REDUCE_ONLY: Final = 2
MARKET: Final = 4
LADDER: Final = 8
VAULT_DEPTH: Final = 16
FLAGS_BOUND: Final = 32

# Self-trade prevention: what happens when an order would meet one of its own account. The taker's choice counts.
TRADE_WITH_SELF: Final = 0
EXPIRE_MAKER: Final = 1
EXPIRE_TAKER: Final = 2
EXPIRE_BOTH: Final = 3

# Types of result row.
FILL: Final = 1
RESTED: Final = 2
DONE: Final = 3
AMENDED: Final = 4
UNKNOWN: Final = 5

# Why an order is done.
USER: Final = 1
IOC_REST: Final = 2
IOC_NOTHING: Final = 3
FOK_UNFILLED: Final = 4
NO_LIQUIDITY: Final = 5
WOULD_CROSS: Final = 6
SELF_TRADE: Final = 7
NOT_REDUCING: Final = 8
MARGIN: Final = 9
OPEN_INTEREST: Final = 10
AMENDED_AWAY: Final = 11
DUPLICATE: Final = 12
VAULT_DEPTH_CUT: Final = 13

# Wide enough for the price 2**40, which the door refuses and vectors use.
PRICE_TICKS_MAX: Final = 1 << 40
NO_OPEN_INTEREST_CAP: Final = 1 << 62


class Operations(NamedTuple):
    """A batch as columns of equal length, done strictly in their order; what a kind does not use is 0.

    order is positive and unique among orders ever placed while they rest; account >= 0; side is BUY or SELL, for
    CANCEL_ACCOUNT also 0 (both). price_ticks is the limit, for a market order its protection price. size_lots of an
    AMEND is what should remain, expected_lots what its sender saw remaining. budget_atoms (price * lots) only matters
    to FOK: a buy may cost at most, a sell must bring at least so much; 0 is none. depth_ppm and depth_limit_ticks
    only matter to VAULT_DEPTH orders; a depth_limit_ticks of 0 means the order's own price.
    """

    kind: np.ndarray
    order: np.ndarray
    account: np.ndarray
    side: np.ndarray
    price_ticks: np.ndarray
    size_lots: np.ndarray
    expected_lots: np.ndarray
    time_in_force: np.ndarray
    flags: np.ndarray
    self_trade: np.ndarray
    budget_atoms: np.ndarray
    depth_ppm: np.ndarray
    depth_limit_ticks: np.ndarray

    @classmethod
    def of_rows(cls, rows: Iterable[dict[str, int]]) -> "Operations":
        """Columns from rows by name; a missing GTC or expire-maker is filled in, everything else missing is 0."""
        listed = list(rows)
        defaults = {"time_in_force": GTC, "self_trade": EXPIRE_MAKER}
        columns = [[row.get(name, defaults.get(name, 0)) for row in listed] for name in cls._fields]
        return cls(*(np.array(column, dtype=np.int64) for column in columns))


class Caps(NamedTuple):
    """Accounts that fail margin or have reduce-only orders here, ascending, with their position before the batch."""

    account: np.ndarray
    position_lots: np.ndarray
    fails: np.ndarray

    @classmethod
    def none(cls) -> "Caps":
        """Nobody is capped; reduce-only orders then reduce nothing."""
        empty = np.empty(0, dtype=np.int64)
        return cls(empty, empty, empty)


class Limits(NamedTuple):
    """Open interest (sum of the long lots) before the batch, and the most it may become."""

    open_interest_lots: int = 0
    open_interest_cap_lots: int = NO_OPEN_INTEREST_CAP


class Results(NamedTuple):
    """What happened, row by row in the order it happened; columns of one row-major matrix.

    | type | order, account, side | other_order, other_account | lots | remaining_lots | reason |
    |---|---|---|---|---|---|
    | FILL | the maker's | the taker's | filled at price_ticks, the maker's | the maker's rest | 0 |
    | RESTED | the order's | 0 | now resting at price_ticks | the same | 0 |
    | DONE | the order's | what it met, 0 | cancelled, expired or killed | 0 | why |
    | AMENDED | the order's | the price before, 0 | remained before | remain now | 1: priority kept, 0: lost |
    | UNKNOWN | as asked | 0 | 0 | 0 | 0 |

    A taker that is done says what it met: the other order at SELF_TRADE, the lots it could have filled at
    FOK_UNFILLED, else the best opposite price, 0 for none; a resting order that is done met 0.
    A maker with no rest is gone, without a further row; so is a taker filled whole. flags are the order's, of a FILL
    the maker's plus 256 times the taker's. UNKNOWN answers CANCEL and AMEND of an order that does not rest or is
    another account's. CANCEL_ACCOUNT answers one DONE an order, by order number, and no row where there is none.
    """

    op: np.ndarray
    type: np.ndarray
    order: np.ndarray
    account: np.ndarray
    other_order: np.ndarray
    other_account: np.ndarray
    side: np.ndarray
    price_ticks: np.ndarray
    lots: np.ndarray
    remaining_lots: np.ndarray
    reason: np.ndarray
    flags: np.ndarray

    def rows(self) -> list[tuple[int, ...]]:
        """The rows as tuples of Python ints."""
        return list(zip(*(column.tolist() for column in self), strict=True))


# Columns of an operation's row, in the order of `Operations`; a caller's rows may go on behind them.
OP_KIND: Final = 0
OP_ORDER: Final = 1
OP_ACCOUNT: Final = 2
OP_SIDE: Final = 3
OP_PRICE: Final = 4
OP_SIZE: Final = 5
OP_EXPECTED: Final = 6
OP_TIME_IN_FORCE: Final = 7
OP_FLAGS: Final = 8
OP_SELF_TRADE: Final = 9
OP_BUDGET: Final = 10
OP_DEPTH_PPM: Final = 11
OP_DEPTH_LIMIT: Final = 12

RESULT_COLUMNS: Final = len(Results._fields)
TAKER_FLAGS_SHIFT: Final = 8

DUMP_COLUMNS: Final = (
    *("order", "account", "side", "price_ticks", "remaining_lots", "flags", "time_in_force", "self_trade"),
)


def as_matrix(columns: tuple[Any, ...]) -> np.ndarray:
    """Columns one under the other in memory of our own: the kernels take one kind of array, whatever came."""
    count = len(columns[0])
    assert all(len(column) == count for column in columns), "columns of unequal length"
    return np.concatenate(columns, dtype=np.int64).reshape(len(columns), count)


def op_rows(ops: Operations) -> np.ndarray:
    """A batch as the kernels take it: a row an operation, int64[n, columns]."""
    return np.ascontiguousarray(as_matrix(ops).T)
