"""Columns and numbers the kernels of a book's telling share: operations as they came, legs, answers, refusals."""

from typing import Final, NamedTuple

from actors.event_rows import body_number
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

# Columns of an operation's row behind those the matching takes (`actors.matching.words`).
CLASS: Final = 13
COMMAND: Final = 14
CLIENT: Final = 15
BANKRUPTCY: Final = 16
ROW_WORDS: Final = 17

# The class of operations that come from commands; only they are answered.
COMMANDS: Final = 4
# The class of every leg of a book.
LEG_CLASS: Final = 1
LEG_COLUMNS: Final = len(batches.CrossLegs.DESCRIPTOR.fields)
OUTCOME_COLUMNS: Final = len(batches.Outcomes.DESCRIPTOR.fields)

# Columns of the kernel's result rows, in the order of `Results`.
ROW_OP: Final = 0
ROW_TYPE: Final = 1
ROW_ORDER: Final = 2
ROW_ACCOUNT: Final = 3
ROW_MET: Final = 4
ROW_OTHER_ACCOUNT: Final = 5
ROW_SIDE: Final = 6
ROW_PRICE: Final = 7
ROW_LOTS: Final = 8
ROW_REMAINING: Final = 9
ROW_REASON: Final = 10
ROW_FLAGS: Final = 11
TAKER_FLAGS_SHIFT: Final = 8

# Enum values as plain numbers, for the compiled code.
LEG_FILL: Final = int(events.CROSS_LEG_KIND_FILL)
LEG_GONE: Final = int(events.CROSS_LEG_KIND_GONE)
REFUSED: Final = int(common.OUTCOME_STATUS_REFUSED)
FILLED: Final = int(common.OUTCOME_STATUS_FILLED)
RESTING: Final = int(common.OUTCOME_STATUS_RESTING)
PARTIALLY_FILLED: Final = int(common.OUTCOME_STATUS_PARTIALLY_FILLED)
EXPIRED: Final = int(common.OUTCOME_STATUS_EXPIRED)
SIDE_LONG: Final = int(common.SIDE_LONG)
SIDE_SHORT: Final = int(common.SIDE_SHORT)

UNKNOWN_ORDER: Final = int(refusals.REFUSAL_UNKNOWN_ORDER)
WOULD_CROSS_REFUSED: Final = int(refusals.REFUSAL_POST_ONLY_WOULD_CROSS)
NOTHING_TO_MATCH: Final = int(refusals.REFUSAL_NOTHING_TO_MATCH)
NOT_FILLABLE: Final = int(refusals.REFUSAL_NOT_FILLABLE)
NO_LIQUIDITY_REFUSED: Final = int(refusals.REFUSAL_NO_LIQUIDITY)
SELF_TRADE_REFUSED: Final = int(refusals.REFUSAL_SELF_TRADE)
REDUCE_ONLY_REFUSED: Final = int(refusals.REFUSAL_REDUCE_ONLY)
MARGIN_CAPPED: Final = int(refusals.REFUSAL_MARGIN_CAPPED)
OPEN_INTEREST_CAP: Final = int(refusals.REFUSAL_OPEN_INTEREST_CAP)
AMEND_BELOW_FILLED: Final = int(refusals.REFUSAL_AMEND_BELOW_FILLED)
BEING_LIQUIDATED: Final = int(refusals.REFUSAL_BEING_LIQUIDATED)
# What BEING_LIQUIDATED names as actual where a deleveraging cancelled the order.
DELEVERAGE_RUNG: Final = 3

# Numbers of the bodies in `Event`.
PLACED_BODY: Final = body_number("order_placed")
FILLED_BODY: Final = body_number("order_filled")
DONE_BODY: Final = body_number("order_done")
AMENDED_BODY: Final = body_number("order_amended")
REFUSED_BODY: Final = body_number("command_refused")


class MarketTerms(NamedTuple):
    """What telling needs of a market in force; rates are 1e-9 fractions."""

    venue: int
    market: int
    quote_atoms_per_tick_lot: int
    maker_fee_e9: int
    taker_fee_e9: int
    liquidation_fee_e9: int
    version: int
    open_interest_cap_lots: int
