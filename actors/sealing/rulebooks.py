"""One rulebook a venue: which part of the parameters it reads, and which bodies belong to it."""

from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters

_TWILIGHT, _MARGIN_TRADE = common.RULEBOOK_TWILIGHT, common.RULEBOOK_MARGIN_TRADE
_PERENNIAL, _SPIN = common.RULEBOOK_PERENNIAL, common.RULEBOOK_SPIN

# The field of `VenueParameters` and of `MarketParameters` with the rulebook's own rules; a Twilight market has none.
PARTS: dict["common.Rulebook", str] = {
    _TWILIGHT: "twilight",
    _MARGIN_TRADE: "margin_trade",
    _PERENNIAL: "perennial",
    _SPIN: "spin",
}
MARKET_PARTS = {rulebook: part for rulebook, part in PARTS.items() if rulebook != _TWILIGHT}
# Venues with order books: their oracle has a median of three, their dead man's switch cancels orders of books.
WITH_BOOKS = (_MARGIN_TRADE, _SPIN)

# Bodies that not every rulebook knows, the one they are named after in a refusal first.
RULEBOOKS_OF: dict[str, tuple["common.Rulebook", ...]] = {
    "open_positions": (_TWILIGHT,),
    "close_positions": (_TWILIGHT,),
    "cancel_orders": (_TWILIGHT,),
    "liquidity_deposits": (_TWILIGHT, _MARGIN_TRADE),
    "liquidity_withdrawals": (_TWILIGHT, _MARGIN_TRADE),
    # Perennial has nothing that rests: what is pinned to a version settles at it.
    "cancel_all_after": (_TWILIGHT, _MARGIN_TRADE, _SPIN),
    "place_orders": WITH_BOOKS,
    "amend_orders": WITH_BOOKS,
    "cancel_book_orders": WITH_BOOKS,
    "insurance_deposit": WITH_BOOKS,
    "set_leverage": (_MARGIN_TRADE,),
    "change_positions": (_PERENNIAL,),
    "shortfall_repayments": (_PERENNIAL,),
    "liquidations": (_PERENNIAL, _SPIN),
    "transfers": (_SPIN,),
    "open_subaccounts": (_SPIN,),
}


def stray_part_of_venue(terms: parameters.VenueParameters) -> "common.Rulebook | None":
    """The rulebook whose rules stand where those of a Perennial or Spin venue are missing; None where they are not."""
    if terms.rulebook not in PARTS:
        return _TWILIGHT
    if terms.rulebook in (_TWILIGHT, _MARGIN_TRADE) or terms.HasField(PARTS[terms.rulebook]):
        return None
    return next((rulebook for rulebook, part in PARTS.items() if terms.HasField(part)), _TWILIGHT)


def stray_part_of_market(market: parameters.MarketParameters, rulebook: "common.Rulebook") -> "common.Rulebook | None":
    """The rulebook of whose kind the market is, where that is another than its venue's; None where it is that one."""
    kinds = [kind for kind, part in MARKET_PARTS.items() if market.HasField(part)]
    wanted = [rulebook] if rulebook in MARKET_PARTS else []
    if kinds == wanted:
        return None
    return next((kind for kind in kinds if kind != rulebook), _TWILIGHT)
