"""What one row of a place, amend, cancel or leverage is refused for when it is sealed (MT-05, MT-06)."""

from actors.units import ORDER_LOTS_BOUND, PPM, PRICE_BOUND
from breakwater.v1 import parameters_pb2
from tests.engine.state import LIMIT, MARKET, Command, R, Refusal, State

GTC, IOC, FOK = 1, 2, 3
POST_ONLY, REDUCE_ONLY = 1, 2
BOOK_COLUMNS = {
    "place_orders": (
        "account",
        "market",
        "side",
        "kind",
        "size_lots",
        "limit_ticks",
        "time_in_force",
        "flags",
        "self_trade",
        "trigger",
        "trigger_ticks",
        "client_order_id",
    ),
    "amend_orders": ("account", "order", "client_order_id", "size_lots", "limit_ticks"),
    "cancel_book_orders": ("account", "market", "order", "client_order_id"),
    "set_leverage": ("account", "market", "leverage"),
}


def rules_of(market: parameters_pb2.MarketParameters) -> parameters_pb2.MarginTradeMarket | parameters_pb2.SpinMarket:
    """The rules of a market with an order book."""
    return market.spin if market.HasField("spin") else market.margin_trade


def price_bound(market: parameters_pb2.MarketParameters) -> int:
    """Prices stay below it, so that all the open interest there may be is worth less than 2^60."""
    if market.HasField("perennial"):
        # The makers a market takes, or one position, of which there is no other cap, a lot at a tick 1e-6 of an atom.
        return min(PRICE_BOUND, (1 << 60) * PPM // max(ORDER_LOTS_BOUND, market.perennial.maker_limit_lots))
    if not market.HasField("margin_trade") and not market.HasField("spin"):
        return PRICE_BOUND
    rules = rules_of(market)
    return min(PRICE_BOUND, (1 << 60) // (rules.open_interest_cap_lots * rules.quote_atoms_per_tick_lot))


def waits_for_validator(command: Command) -> bool:
    """Orders that may open wait while the validator is far behind, and all amends."""
    if command.body == "place_orders":
        return not command["flags"] & REDUCE_ONLY
    return command.body == "amend_orders"


def why_not_book_row(state: State, command: Command) -> Refusal | None:
    """The first reason, after the account is known."""
    market = command.values.get("market", 0)
    named = market != 0 or command.body != "cancel_book_orders"
    if "market" in command.values and named and (command.venue, market) not in state.markets:
        return Refusal(R.REFUSAL_UNKNOWN_MARKET, sum(venue == command.venue for venue, _ in state.markets), market)
    if command.body == "place_orders":
        return _why_not_placed(state.markets[command.venue, market], command)
    if command.body == "amend_orders":
        return _why_not_amended(command)
    if command.body == "cancel_book_orders":
        return _negative(command, "order", "client_order_id")
    return None


def _negative(command: Command, *names: str) -> Refusal | None:
    found = [command[name] for name in names if command[name] < 0]
    return Refusal(R.REFUSAL_NOT_POSITIVE, 0, found[0]) if found else None


def _why_not_placed(market: parameters_pb2.MarketParameters, command: Command) -> Refusal | None:
    if command["side"] not in (1, -1):
        return Refusal(R.REFUSAL_BAD_SIDE, 1, command["side"])
    if (why := _bad_words(command)) is not None:
        return why
    prices = [command["limit_ticks"]] if command["kind"] == LIMIT else []
    prices += [command["trigger_ticks"]] if command["trigger"] else []
    for number in (command["size_lots"], *prices):
        if number < 1:
            return Refusal(R.REFUSAL_NOT_POSITIVE, 1, number)
    if (why := _negative(command, "client_order_id")) is not None:
        return why
    for bound in (ORDER_LOTS_BOUND, rules_of(market).max_order_lots + 1):
        if command["size_lots"] >= bound:
            largest = bound if bound == ORDER_LOTS_BOUND else bound - 1
            return Refusal(R.REFUSAL_OVERFLOW, largest, command["size_lots"])
    for price in prices:
        for bound in (PRICE_BOUND, price_bound(market)):
            if price >= bound:
                return Refusal(R.REFUSAL_OVERFLOW, bound, price)
    step = market.spin.step_lots or 1
    return Refusal(R.REFUSAL_BELOW_STEP, step, command["size_lots"]) if command["size_lots"] % step else None


def _bad_words(command: Command) -> Refusal | None:
    """Words that do not exist (the highest that do), then words that do not go together."""
    kind, time, flags = command["kind"], command["time_in_force"], command["flags"]
    words = (
        (kind, 1, LIMIT),
        (time, 0, FOK),
        (flags, 0, POST_ONLY | REDUCE_ONLY),
        (command["self_trade"], 0, 3),
        (command["trigger"], 0, 2),
    )
    for word, lowest, highest in words:
        if not lowest <= word <= highest:
            return Refusal(R.REFUSAL_BAD_ORDER_KIND, highest, word)
    if flags & POST_ONLY and kind == MARKET:
        return Refusal(R.REFUSAL_BAD_ORDER_KIND, LIMIT, kind)
    if flags & POST_ONLY and time in (IOC, FOK):
        return Refusal(R.REFUSAL_BAD_ORDER_KIND, GTC, time)
    if kind == MARKET and time == FOK:
        return Refusal(R.REFUSAL_BAD_ORDER_KIND, IOC, time)
    if kind == MARKET and command["limit_ticks"]:
        return Refusal(R.REFUSAL_BAD_ORDER_KIND, LIMIT, kind)
    stray = not command["trigger"] and command["trigger_ticks"]
    return Refusal(R.REFUSAL_MALFORMED, 0, 0) if stray else None


def _why_not_amended(command: Command) -> Refusal | None:
    if not command["order"] and not command["client_order_id"]:
        return Refusal(R.REFUSAL_MALFORMED, 0, 0)
    if command["size_lots"] < 1:
        return Refusal(R.REFUSAL_NOT_POSITIVE, 1, command["size_lots"])
    if (why := _negative(command, "limit_ticks", "order", "client_order_id")) is not None:
        return why
    for name, bound in (("size_lots", ORDER_LOTS_BOUND), ("limit_ticks", PRICE_BOUND)):
        if command[name] >= bound:
            return Refusal(R.REFUSAL_OVERFLOW, bound, command[name])
    return None
