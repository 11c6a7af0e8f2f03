"""Why an account was liquidated, left alone or refused at a block: the numbers of the moment and their rules."""

from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from actors.rulebooks import margin_trade, twilight
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals
from cluster.moment import Moment
from node.client.errors import refusal_name
from node.report import takeover_explanation, version_explanation
from node.report.amounts import count, utc
from node.report.plain import plain

Line = tuple[str, str]
VAULT = 0

# What a refusal of an order or a move rests on, where it is a rule of a venue.
RULES: dict[int, str] = {
    refusals.REFUSAL_MIN_NOTIONAL: "MT-06",
    refusals.REFUSAL_BELOW_INITIAL_MARGIN: "MT-02",
    refusals.REFUSAL_REDUCE_ONLY: "MT-05",
    refusals.REFUSAL_POST_ONLY_WOULD_CROSS: "MT-05",
    refusals.REFUSAL_NOTHING_TO_MATCH: "MT-06",
    refusals.REFUSAL_NOT_FILLABLE: "MT-05",
    refusals.REFUSAL_NO_LIQUIDITY: "MT-06",
    refusals.REFUSAL_BAD_TRIGGER_PRICE: "MT-06",
    refusals.REFUSAL_OPEN_INTEREST_CAP: "MT-06",
    refusals.REFUSAL_TOO_FAR_FROM_ORACLE: "MT-06",
    refusals.REFUSAL_MARKET_REDUCE_ONLY: "MT-08",
    refusals.REFUSAL_SELF_TRADE: "MT-05",
    refusals.REFUSAL_MARGIN_CAPPED: "MT-02",
    refusals.REFUSAL_CLIENT_ORDER_ID_USED: "MT-05",
    refusals.REFUSAL_AMEND_BELOW_FILLED: "MT-05",
    refusals.REFUSAL_BEING_LIQUIDATED: "MT-12",
    refusals.REFUSAL_WITHDRAWAL_MARGIN: "MT-04",
    refusals.REFUSAL_SHARES_LOCKED: "MT-14",
    refusals.REFUSAL_VAULT_BELOW_MARGIN: "MT-14",
    refusals.REFUSAL_BELOW_MAINTENANCE_MARGIN: "TW-10",
    refusals.REFUSAL_ABOVE_MARGIN_CAP: "TW-18",
    refusals.REFUSAL_CLAIMS_OUTSTANDING: "TW-15a",
    refusals.REFUSAL_POOL_EMPTY: "TW-17",
    refusals.REFUSAL_UTILISATION_CAP: "TW-17",
    refusals.REFUSAL_POSITION_SIZE_LIMIT: "TW-19",
    refusals.REFUSAL_OPEN_INTEREST_LIMIT: "TW-19",
    refusals.REFUSAL_SKEW_LIMIT: "TW-19",
}
# What an event of the ladder is called, and its rule.
STEPS: dict[str, tuple[str, str]] = {
    "liquidation_ordered": ("rung 1: an order into the book", "MT-12"),
    "taken_over": ("rung 2: everything moved to the vault", "MT-13"),
    "takeover_refused": ("the vault could not take it", "MT-14"),
    "deleverage_run": ("rung 3: closed against the other side", "MT-15"),
    "deleveraged": ("reduced for somebody else's liquidation", "MT-15"),
    "insurance_moved": ("the insurance fund paid its deficit", "MT-16a"),
    "shortfall_recorded": ("a loss nobody could carry", "MT-16"),
    "ladder_queued": ("waits for the ladder", "MT-11"),
    "position_liquidated": ("liquidated", "TW-11"),
}
# Where bots liquidate, by rulebook: what such a venue says of an account.
BOT_RUN: dict[int, ModuleType] = {
    common.RULEBOOK_SPIN: takeover_explanation,
    common.RULEBOOK_PERENNIAL: version_explanation,
}


def verdict(moment: Moment) -> str:
    """One sentence: what became of the account at this block, with the numbers that decided and the rule."""
    if not moment.scanned.exists:
        return "there was no such account at this height"
    if bot_run := BOT_RUN.get(moment.venue.rulebook):
        told: str = bot_run.verdict(moment, [step for step, _ in _steps(moment)])
        return told
    if moment.venue.rulebook == common.RULEBOOK_MARGIN_TRADE:
        return _cross_verdict(moment)
    return _isolated_verdict(moment)


def _cross_verdict(moment: Moment) -> str:
    cross, rules = moment.scanned.cross, moment.venue.margin_trade
    equity, needed = cross.equity_atoms, cross.maintenance_atoms
    rung = margin_trade.rung_due(equity, needed, rules.backstop_numerator, rules.backstop_denominator)
    steps = [step for step, _ in _steps(moment)]
    if not rung:
        holds = any(position.lots for position in cross.positions)
        numbers = f"equity {count(equity)} >= maintenance {count(needed)} atoms" if holds else "it had no position"
        return "; ".join([f"not liquidated: {numbers} (MT-11)", *steps])
    if moment.scanned.account == VAULT:
        below = f"below maintenance, its inventory goes to ADL: equity {count(equity)} < {count(needed)} atoms (MT-14)"
    elif rung == 1:
        below = f"liquidatable: equity {count(equity)} < maintenance {count(needed)} atoms (MT-11)"
    else:
        part = f"{rules.backstop_numerator}/{rules.backstop_denominator}"
        below = f"below the backstop: equity {count(equity)} < {part} of maintenance {count(needed)} atoms (MT-11)"
    return "; ".join([below, *(steps or [_why_not(moment)])])


def _why_not(moment: Moment) -> str:
    """What kept the ladder from an account that is below a rung."""
    until_ms = moment.scanned.cross.cooldown_until_ms
    if len(moment.candidates.account):
        return "nothing was done: by its turn it was not below any more, or it waits for the next block (MT-12)"
    if until_ms > moment.block_time_ms:
        return f"left alone: in cooldown until {utc(until_ms)}, and no worse than its last partial left it (MT-12)"
    return "it waits: a market it stands in may not be acted in (MT-11)"


def _isolated_verdict(moment: Moment) -> str:
    below = len(moment.candidates.position)
    positions = len(moment.scanned.positions)
    if not positions:
        return "not liquidated: it had no position (TW-10)"
    if not below:
        return f"not liquidated: none of its {positions} thresholds was met by the mark (TW-10)"
    return f"liquidated: {below} of its {positions} thresholds met by the mark (TW-10, TW-11)"


def facts(moment: Moment) -> list[Line]:
    """The page for people: the account at the scan, what followed, what was refused."""
    lines = [("height", f"{count(moment.height)}, {utc(moment.block_time_ms)}"), ("verdict", verdict(moment))]
    if moment.scanned.exists:
        lines += _account_lines(moment)
    done = "done" if moment.venue.rulebook in BOT_RUN else "ladder"
    lines += [(done, f"{step}: {numbers}") for step, numbers in [*_steps(moment), *_nearby(moment)]]
    lines += [("refused", line) for line in _refused(moment)]
    return lines


def as_json(moment: Moment) -> dict[str, Any]:
    """The same for programs: sentences beside the messages they were made from."""
    return {
        "height": moment.height,
        "block_time_ms": moment.block_time_ms,
        "venue": moment.venue.venue,
        "venue_name": moment.venue.name,
        "account": moment.scanned.account,
        "verdict": verdict(moment),
        "scanned": plain(moment.scanned),
        "after": plain(moment.after),
        "ladder": [{"step": step, "numbers": numbers} for step, numbers in [*_steps(moment), *_nearby(moment)]],
        "refused": list(_refused(moment)),
        "events": [plain(event) for event in [*moment.events, *moment.nearby]],
    }


def _account_lines(moment: Moment) -> Iterable[Line]:
    if bot_run := BOT_RUN.get(moment.venue.rulebook):
        told: Iterable[Line] = bot_run.lines(moment)
        return told
    return _cross_lines(moment) if moment.scanned.HasField("cross") else _isolated_lines(moment)


def _cross_lines(moment: Moment) -> Iterator[Line]:
    cross = moment.scanned.cross
    yield "equity", f"{count(cross.equity_atoms)} atoms = cash {count(cross.cash_atoms)} + unrealised at the marks"
    yield "maintenance", f"{count(cross.maintenance_atoms)} atoms (MT-03)"
    yield "initial", f"{count(cross.initial_margin_atoms)} atoms, held for orders {count(cross.holds_atoms)} (MT-02)"
    yield "free margin", f"{count(cross.free_margin_atoms)} atoms"
    for position in cross.positions:
        symbol = moment.markets[position.market].symbol
        lots, mark, upnl = count(position.lots), count(position.mark_ticks), count(position.upnl_atoms)
        needed, near = count(position.maintenance_atoms), count(position.liquidation_ticks)
        yield symbol, f"{lots} lots at mark {mark}: unrealised {upnl}, maintenance {needed}, liquidation near {near}"


def _isolated_lines(moment: Moment) -> Iterator[Line]:
    for position in moment.scanned.positions:
        symbol = moment.markets[position.market].symbol
        yield symbol, _isolated_line(position)


def _isolated_line(position: batches.PositionView) -> str:
    side = "long" if position.side == common.SIDE_LONG else "short"
    never = "never" if position.liquidation_ticks in (0, twilight.NEVER_SHORT) else count(position.liquidation_ticks)
    return (
        f"position {position.position}, {side}: mark {count(position.mark_ticks)}, liquidated at {never}; "
        f"equity {count(position.equity_atoms)}, maintenance {count(position.maintenance_atoms)} atoms (TW-04, TW-06)"
    )


def _steps(moment: Moment) -> Iterator[Line]:
    """What was done to the account, in its order."""
    bot_run = BOT_RUN.get(moment.venue.rulebook)
    named = bot_run.STEPS if bot_run else STEPS
    for event in moment.events:
        body = event.WhichOneof("body")
        is_deficit = event.insurance_moved.reason == events.INSURANCE_REASON_DEFICIT
        if body == "insurance_moved" and not bot_run and not is_deficit:
            continue
        if body in named:
            step, rule = named[body]
            yield f"{step} ({rule})", _numbers(getattr(event, body))


def _nearby(moment: Moment) -> Iterable[Line]:
    """What it did to others, and what became of its markets."""
    bot_run = BOT_RUN.get(moment.venue.rulebook)
    told: Iterable[Line] = bot_run.nearby(moment) if bot_run else ()
    return told


def _refused(moment: Moment) -> Iterator[str]:
    """Commands that were refused, and orders that ended before they were filled whole."""
    for event in moment.events:
        if event.HasField("command_refused"):
            body = event.command_refused
            yield f"command {body.command}: {_why(moment, body)}"
        elif event.HasField("order_done") and event.order_done.refusal:
            done = event.order_done
            yield f"order {done.order}, {count(done.remaining_lots)} lots unfilled: {_why(moment, done)}"


def _why(moment: Moment, body: events.CommandRefused | events.OrderDone) -> str:
    bot_run = BOT_RUN.get(moment.venue.rulebook)
    rule = (bot_run.RULES if bot_run else RULES).get(body.refusal, "")
    tag = f" ({rule})" if rule else ""
    return f"{refusal_name(body.refusal)}, required {count(body.required)}, actual {count(body.actual)}{tag}"


def _numbers(message: Any) -> str:
    """The plain fields of an event as `name value`; what is zero is left out."""
    told = plain(message)
    return ", ".join(f"{name} {value}" for name, value in told.items() if value and not isinstance(value, dict | list))
