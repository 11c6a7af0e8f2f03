"""What an order book reads of a market's parameters, whichever rulebook they are written in.

The book knows no rulebook: it charges these rates, caps by these limits and shows its depth for this notional. What a
rulebook does not have is 0 here, and 0 switches it off.
"""

from typing import NamedTuple

from actors.booking.words import MarketTerms
from actors.matching.words import NO_OPEN_INTEREST_CAP
from breakwater.v1 import parameters_pb2 as parameters


class BookTerms(NamedTuple):
    """A market in force: what fills are told by, and what only desks' orders and the oracle ask for."""

    market: MarketTerms
    # Part of the depth an unwinding order of the vault may take (MT-14).
    unwind_depth_ppm: int
    # What impact prices are taken at (MT-10).
    impact_notional_atoms: int


def book_terms(market: parameters.MarketParameters) -> BookTerms:
    """The terms of a market on an order book, Spin's or Margin Trade's; of a market not told of yet all rates are 0.

    A market without a cap on open interest gets NO_OPEN_INTEREST_CAP.
    """
    if market.HasField("spin"):
        # Neither ladder nor vault, and a mark without impact prices; a negative maker fee is a rebate (SP-10).
        return BookTerms(_numbers(market, market.spin, 0), 0, 0)
    rules = market.margin_trade
    numbers = _numbers(market, rules, rules.liquidation_fee_e9)
    return BookTerms(numbers, rules.unwind_depth_ppm, rules.impact_notional_atoms)


def _numbers(
    market: parameters.MarketParameters,
    rules: parameters.SpinMarket | parameters.MarginTradeMarket,
    liquidation_fee_e9: int,
) -> MarketTerms:
    return MarketTerms(
        venue=market.venue,
        market=market.market,
        quote_atoms_per_tick_lot=rules.quote_atoms_per_tick_lot,
        maker_fee_e9=rules.maker_fee_e9,
        taker_fee_e9=rules.taker_fee_e9,
        liquidation_fee_e9=liquidation_fee_e9,
        version=market.version,
        open_interest_cap_lots=rules.open_interest_cap_lots or NO_OPEN_INTEREST_CAP,
    )
