"""Batches as rows: how many commands a batch is, what refuses it whole, what refuses one of its rows."""

from collections.abc import Callable, Iterator

from actors.units import BALANCE_BOUND, PRICE_BOUND
from breakwater.v1 import commands_pb2, common_pb2
from tests.engine.margin.rows import BOOK_COLUMNS, price_bound, waits_for_validator, why_not_book_row
from tests.engine.perennial.rows import POSITION_COLUMNS, why_not_position_row
from tests.engine.state import LIMIT, MARKET, TAKE_PROFIT, Command, R, Refusal, State

MAX_KEY_BYTES = 64
MAX_BATCH_ROWS = 50_000
DAY_MS = 24 * 3_600_000
RowCheck = Callable[[State, Command], Refusal | None]
EXPIRY_HORIZON_MS = DAY_MS
MAX_VALIDATOR_LAG_BLOCKS = 1_000

COLUMNS = {
    "deposits": ("account", "amount_atoms"),
    "withdrawals": ("account", "amount_atoms"),
    "withdrawal_decisions": ("account", "withdrawal", "confirm"),
    "open_positions": ("account", "market", "side", "kind", "margin_atoms", "leverage_hundredths", "limit_ticks"),
    "close_positions": ("account", "position", "kind", "level_ticks"),
    "cancel_orders": ("account", "order", "kind"),
    "liquidity_deposits": ("account", "amount_atoms"),
    "liquidity_withdrawals": ("account", "micro_shares"),
    "ticks": ("market", "publisher", "price_ticks", "published_ms"),
    "freeze_accounts": ("account", "frozen"),
    "cancel_all_after": ("account", "after_ms"),
    **BOOK_COLUMNS,
    **POSITION_COLUMNS,
}
WITHOUT_VENUE = ("create_venue", "validator_progress", "void_command")
TWILIGHT, MARGIN_TRADE = common_pb2.RULEBOOK_TWILIGHT, common_pb2.RULEBOOK_MARGIN_TRADE
PERENNIAL, SPIN = common_pb2.RULEBOOK_PERENNIAL, common_pb2.RULEBOOK_SPIN
# Bodies that not every rulebook knows; the first is named where another meets them.
RULEBOOKS = {
    **dict.fromkeys(("open_positions", "close_positions", "cancel_orders"), (TWILIGHT,)),
    **dict.fromkeys(("liquidity_deposits", "liquidity_withdrawals"), (TWILIGHT, MARGIN_TRADE)),
    **dict.fromkeys((*BOOK_COLUMNS, "insurance_deposit"), (MARGIN_TRADE, SPIN)),
    "set_leverage": (MARGIN_TRADE,),
    "cancel_all_after": (TWILIGHT, MARGIN_TRADE, SPIN),
    **dict.fromkeys(("change_positions", "shortfall_repayments"), (PERENNIAL,)),
    "liquidations": (PERENNIAL, SPIN),
    **dict.fromkeys(("transfers", "open_subaccounts"), (SPIN,)),
}
LAGGED = ("open_positions", "withdrawals", "change_positions")


def row_count(batch: commands_pb2.CommandBatch) -> int:
    """Rows the batch brings, by its longest column; a body without columns is one row."""
    body = batch.WhichOneof("body")
    if body is None:
        return 0
    if body == "open_accounts":
        return batch.open_accounts.count
    if body in COLUMNS:
        return max(len(getattr(getattr(batch, body), name)) for name in COLUMNS[body])
    return 1


def commands_of(batch: commands_pb2.CommandBatch, first: int, count: int) -> Iterator[Command]:
    """The batch's rows, numbered from `first`."""
    body = batch.WhichOneof("body") or ""
    for row in range(count):
        values = {name: getattr(getattr(batch, body), name)[row] for name in COLUMNS.get(body, ())}
        if body == "insurance_deposit":
            values["amount_atoms"] = batch.insurance_deposit.amount_atoms
        yield Command(first + row, batch.venue, body, values)


def batch_refusal(state: State, batch: commands_pb2.CommandBatch, height: int, time_ms: int) -> Refusal | None:
    """The first reason to refuse the batch whole, in the order of docs/block.md."""
    length = len(batch.request_key)
    if not 1 <= length <= MAX_KEY_BYTES:
        return Refusal(R.REFUSAL_BAD_REQUEST_KEY, MAX_KEY_BYTES, length)
    if (known := state.keys.get((batch.principal, batch.request_key))) is not None:
        return Refusal(R.REFUSAL_REQUEST_KEY_REUSED, 0, known[1])
    if batch.expires_ms < time_ms:
        return Refusal(R.REFUSAL_EXPIRED, time_ms, batch.expires_ms)
    if batch.expires_ms > time_ms + EXPIRY_HORIZON_MS:
        return Refusal(R.REFUSAL_EXPIRY_TOO_FAR, time_ms + EXPIRY_HORIZON_MS, batch.expires_ms)
    return body_refusal(state, batch)


def body_refusal(state: State, batch: commands_pb2.CommandBatch) -> Refusal | None:
    """What is wrong with the batch's shape, its venue or the venue's rulebook."""
    if (why := shape_refusal(batch)) is not None:
        return why
    body = batch.WhichOneof("body")
    if body in WITHOUT_VENUE:
        return None
    if batch.venue not in state.venues:
        return Refusal(R.REFUSAL_UNKNOWN_VENUE, len(state.venues), batch.venue)
    rulebook = state.venues[batch.venue].rulebook
    known = RULEBOOKS.get(str(body), (rulebook,))
    return None if rulebook in known else Refusal(R.REFUSAL_WRONG_RULEBOOK, known[0], rulebook)


def shape_refusal(batch: commands_pb2.CommandBatch) -> Refusal | None:
    """What is wrong with the batch's shape; such a batch counts as one command."""
    body, rows = batch.WhichOneof("body"), row_count(batch)
    if rows == 0:
        return Refusal(R.REFUSAL_EMPTY_BATCH, 1, 0)
    if rows > MAX_BATCH_ROWS:
        return Refusal(R.REFUSAL_BATCH_TOO_LARGE, MAX_BATCH_ROWS, rows)
    lengths = [len(getattr(getattr(batch, body), name)) for name in COLUMNS.get(body, ())]
    odd = [length for length in lengths if length != lengths[0]]
    return Refusal(R.REFUSAL_RAGGED_COLUMNS, lengths[0], odd[0]) if odd else None


def row_refusal(state: State, command: Command, height: int) -> Refusal | None:
    """The first reason to refuse one row: names, side, kind, sign, bound, leverage, cap, lag."""
    checks: tuple[RowCheck, ...] = CHECKS
    if command.body in BOOK_COLUMNS:
        checks = (_unknown_account, why_not_book_row)
    elif command.body in POSITION_COLUMNS:
        checks = (_unknown_account, why_not_position_row)
    for check in checks:
        if (why := check(state, command)) is not None:
            return why
    lag = height - (state.validated_height or 0)
    if (
        (command.body in LAGGED or waits_for_validator(command))
        and state.validated_height is not None
        and lag > MAX_VALIDATOR_LAG_BLOCKS
    ):
        return Refusal(R.REFUSAL_VALIDATOR_LAGGING, MAX_VALIDATOR_LAG_BLOCKS, lag)
    return None


def _unknown_account(state: State, command: Command) -> Refusal | None:
    following = state.next_account.get(command.venue, 0)
    for name in ("account", "owner", "target", "debtor", "to_account"):
        if name in command.values and not 1 <= command[name] < following:
            return Refusal(R.REFUSAL_UNKNOWN_ACCOUNT, following, command[name])
    return None


def _unknown_market(state: State, command: Command) -> Refusal | None:
    if "market" in command.values and (command.venue, command["market"]) not in state.markets:
        markets = sum(venue == command.venue for venue, _ in state.markets)
        return Refusal(R.REFUSAL_UNKNOWN_MARKET, markets, command["market"])
    return None


def _bad_side(state: State, command: Command) -> Refusal | None:
    if "side" in command.values and command["side"] not in (1, -1):
        return Refusal(R.REFUSAL_BAD_SIDE, 1, command["side"])
    return None


def _bad_kind(state: State, command: Command) -> Refusal | None:
    if "kind" not in command.values:
        return None
    highest = LIMIT if command.body == "open_positions" else TAKE_PROFIT
    allowed = set(range(MARKET, highest + 1))
    if command.body == "cancel_orders":
        allowed = {0, *range(LIMIT, TAKE_PROFIT + 1)}
    return None if command["kind"] in allowed else Refusal(R.REFUSAL_BAD_ORDER_KIND, highest, command["kind"])


def _bounded(command: Command) -> list[tuple[str, int, int]]:
    """(column, least, bound) of what the row's numbers must keep: least <= number < bound."""
    bounds = {
        "amount_atoms": (1, BALANCE_BOUND),
        "micro_shares": (1, BALANCE_BOUND),
        "margin_atoms": (1, BALANCE_BOUND),
        "price_ticks": (1, 1 << 63),
        "published_ms": (1, 1 << 63),
        "after_ms": (0, DAY_MS + 1),
    }
    if command.body == "open_positions" and command["kind"] == LIMIT:
        bounds["limit_ticks"] = (1, PRICE_BOUND)
    if command.body == "close_positions" and command["kind"] != MARKET:
        bounds["level_ticks"] = (1, PRICE_BOUND)
    return [(name, *bounds[name]) for name in command.values if name in bounds]


def _not_positive(state: State, command: Command) -> Refusal | None:
    for name, least, _ in _bounded(command):
        if command[name] < least:
            return Refusal(R.REFUSAL_NOT_POSITIVE, least, command[name])
    return None


def _no_flag(state: State, command: Command) -> Refusal | None:
    """Decisions and freezes carry a flag; a payout is confirmed only after its block was validated."""
    flag = command.values.get("confirm", command.values.get("frozen", 0))
    if flag not in (0, 1):
        return Refusal(R.REFUSAL_MALFORMED, 0, 0)
    height, validated = command.values.get("withdrawal", 0) >> 20, state.validated_height or 0
    if command.values.get("confirm") == 1 and height > validated:
        return Refusal(R.REFUSAL_NOT_VALIDATED, height, validated)
    return None


def _overflow(state: State, command: Command) -> Refusal | None:
    for name, _, bound in _bounded(command):
        if command[name] >= bound:
            return Refusal(R.REFUSAL_OVERFLOW, bound, command[name])
    if command.body == "ticks":
        bound = price_bound(state.markets[command.venue, command["market"]])
        if command["price_ticks"] >= bound:
            return Refusal(R.REFUSAL_OVERFLOW, bound, command["price_ticks"])
    if command.body in ("deposits", "insurance_deposit"):
        total = state.deposited.get(command.venue, 0) + command["amount_atoms"]
        if total >= BALANCE_BOUND:
            return Refusal(R.REFUSAL_OVERFLOW, BALANCE_BOUND, total)
    return None


def _leverage(state: State, command: Command) -> Refusal | None:
    if "leverage_hundredths" not in command.values:
        return None
    rules, leverage = state.venues[command.venue].twilight, command["leverage_hundredths"]
    if leverage < rules.min_leverage_hundredths:
        return Refusal(R.REFUSAL_LEVERAGE_OUT_OF_RANGE, rules.min_leverage_hundredths, leverage)
    if leverage > rules.max_leverage_hundredths:
        return Refusal(R.REFUSAL_LEVERAGE_OUT_OF_RANGE, rules.max_leverage_hundredths, leverage)
    return None


def _margin_cap(state: State, command: Command) -> Refusal | None:
    if command.body == "open_positions":
        cap = state.venues[command.venue].twilight.margin_cap_atoms
        if command["margin_atoms"] > cap:
            return Refusal(R.REFUSAL_ABOVE_MARGIN_CAP, cap, command["margin_atoms"])
    return None


CHECKS = (
    _unknown_account,
    _unknown_market,
    _bad_side,
    _bad_kind,
    _not_positive,
    _overflow,
    _leverage,
    _margin_cap,
    _no_flag,
)
