"""The liquidation ladder as one table: (rulebook, rung, verdict) -> action, next rung. The documentation prints it."""

from enum import IntEnum
from typing import NamedTuple

from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters

# Rounds one block may take on a Twilight venue; who is left goes first in the next block.
MAX_ROUNDS = 4


class Verdict(IntEnum):
    """What the scan says of an account or position at its rung."""

    BELOW = 1
    RECOVERED = 2


class Action(IntEnum):
    """What the shard is asked to do. Values are what the `action` column of LadderOrders holds."""

    NONE = 0
    FULL_CLOSE_AT_MARK = 1
    REDUCE_INTO_BOOK = 2
    TAKEOVER_BY_VAULT = 3
    DELEVERAGE = 4
    WRITE_OFF = 5


# A cross account offered in an earlier round of the block and still below zero: nobody can carry its loss.
WRITE_OFF_RUNG = 4


class Step(NamedTuple):
    """One row's answer; next rung 0 leaves the ladder."""

    action: Action
    next_rung: int
    rule: str


LADDER: dict[tuple[int, int, Verdict], Step] = {
    (common.RULEBOOK_TWILIGHT, 1, Verdict.BELOW): Step(Action.FULL_CLOSE_AT_MARK, 0, "TW-11"),
    (common.RULEBOOK_TWILIGHT, 1, Verdict.RECOVERED): Step(Action.NONE, 0, "TW-10"),
    (common.RULEBOOK_MARGIN_TRADE, 1, Verdict.BELOW): Step(Action.REDUCE_INTO_BOOK, 2, "MT-12"),
    (common.RULEBOOK_MARGIN_TRADE, 1, Verdict.RECOVERED): Step(Action.NONE, 0, "MT-11"),
    (common.RULEBOOK_MARGIN_TRADE, 2, Verdict.BELOW): Step(Action.TAKEOVER_BY_VAULT, 3, "MT-13"),
    (common.RULEBOOK_MARGIN_TRADE, 2, Verdict.RECOVERED): Step(Action.NONE, 0, "MT-11"),
    (common.RULEBOOK_MARGIN_TRADE, 3, Verdict.BELOW): Step(Action.DELEVERAGE, 4, "MT-15"),
    (common.RULEBOOK_MARGIN_TRADE, 3, Verdict.RECOVERED): Step(Action.NONE, 0, "MT-15"),
    (common.RULEBOOK_MARGIN_TRADE, 4, Verdict.BELOW): Step(Action.WRITE_OFF, 0, "MT-16"),
    (common.RULEBOOK_MARGIN_TRADE, 4, Verdict.RECOVERED): Step(Action.NONE, 0, "MT-15"),
}


def step(rulebook: int, rung: int, verdict: Verdict) -> Step:
    """The table's row. Raises KeyError for a rung the rulebook does not have."""
    return LADDER[rulebook, rung, verdict]


def rounds_of(venue: parameters.VenueParameters) -> int:
    """Rounds the venue's ladder may take in one block."""
    if venue.rulebook == common.RULEBOOK_MARGIN_TRADE:
        return venue.margin_trade.ladder_rounds
    return MAX_ROUNDS


def as_markdown() -> str:
    """The table as the documentation shows it."""
    lines = ["| rulebook | rung | verdict | action | next rung | rule |", "|---|---|---|---|---|---|"]
    for (rulebook, rung, verdict), row in LADDER.items():
        name = common.Rulebook.Name(rulebook).removeprefix("RULEBOOK_").replace("_", " ").title()
        action = row.action.name.lower().replace("_", " ")
        after = row.next_rung or "leaves"
        lines.append(f"| {name} | {rung} | {verdict.name.lower()} | {action} | {after} | {row.rule} |")
    return "\n".join(lines)


def liquidation_outcome(equity_atoms: int, margin_held_atoms: int) -> "events.LiquidationOutcome":
    """Which row of the seed's outcome table a liquidation is, from equity (floor) and the margin held (TW-11)."""
    if equity_atoms < 0:
        return events.LIQUIDATION_OUTCOME_LOSS_ABOVE_MARGIN
    if equity_atoms > margin_held_atoms:
        return events.LIQUIDATION_OUTCOME_HAD_PROFIT
    return events.LIQUIDATION_OUTCOME_LOSS_BELOW_MARGIN
