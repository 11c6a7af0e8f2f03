"""dYdX's vector files: their markets and subaccounts, in the integers our rules take."""

from fractions import Fraction
from typing import Any, NamedTuple

from actors.risk import bankruptcy
from actors.risk.tiers import Tiers, tiers_of
from actors.rulebooks import margin_trade
from node.conformance.case import MalformedCase, Row

QUOTE_QUANTUMS_PER_USD = 10**6


class Market(NamedTuple):
    """One perpetual: a lot is as many base quantums as make its value at the oracle price whole quote quantums."""

    quantums_per_lot: int
    mark: int
    tiers: Tiers

    def lots(self, quantums: int) -> int:
        """Base quantums as lots; raises MalformedCase between two lots."""
        if quantums % self.quantums_per_lot:
            raise MalformedCase(f"{quantums} base quantums are no whole number of {self.quantums_per_lot}")
        return quantums // self.quantums_per_lot


class Account(NamedTuple):
    """A subaccount: USDC in quote quantums, and signed base quantums a perpetual in the order of the file."""

    usdc: int
    quantums: dict[int, int]


def markets_of(document: Any, oracle_usd: Fraction | None = None) -> dict[int, Market]:
    """The perpetuals of a file by id; `oracle_usd` replaces the price of perpetual 0. Raises MalformedCase."""
    table = Row(document, "file").row("perpetuals")
    markets = {}
    for name in table.content:
        row = table.row(name)
        price = oracle_usd if oracle_usd is not None and name == "0" else row.number("oracle_usd")
        value = price * QUOTE_QUANTUMS_PER_USD * (1 / row.positive("base_quantums_per_unit"))
        initial = row.ratio("imf")
        if value <= 0 or initial.numerator != 1 or row.ratio("mmf") * 2 != initial or not name.isdecimal():
            raise MalformedCase(f"{row.name}: maintenance is half the initial margin of a whole leverage here")
        leverage = initial.denominator
        markets[int(name)] = Market(value.denominator, value.numerator, tiers_of(((0, leverage),)))
    return markets


def account_of(row: Row, markets: dict[int, Market]) -> Account:
    """One subaccount of a case; raises MalformedCase for a perpetual that is not in the file."""
    positions = {entry.integer("perpetual"): entry.integer("quantums") for entry in row.rows("positions")}
    if not set(positions) <= set(markets):
        raise MalformedCase(f"{row.name}.positions: a perpetual that is not in the file")
    return Account(row.integer("usdc_quantums"), positions)


def health(account: Account, markets: dict[int, Market]) -> margin_trade.Health:
    """Equity and requirements: USDC already has the cost of the positions taken off, so they stand at cost 0."""
    return margin_trade.account_health(
        account.usdc, [_at_mark(markets[market], quantums) for market, quantums in account.quantums.items()]
    )


def bankruptcy_quote(account: Account, markets: dict[int, Market], market: int) -> int:
    """The bankruptcy quote of the account's whole position in a market, quote quantums, signed like the position."""
    lots = {name: markets[name].lots(quantums) for name, quantums in account.quantums.items()}
    maintenance = [
        margin_trade.maintenance_margin_ceil_atoms(abs(size) * markets[name].mark, markets[name].tiers)
        for name, size in lots.items()
    ]
    shares = bankruptcy.equity_shares_atoms(health(account, markets).equity_atoms, maintenance)
    share = shares[list(lots).index(market)]
    return bankruptcy.bankruptcy_quote_atoms(lots[market], markets[market].mark, 1, share)


def bankruptcy_quote_of_part(
    account: Account, markets: dict[int, Market], market: int, delta_quantums: int
) -> int | None:
    """What closing `delta_quantums` at the bankruptcy price brings in; None where the delta closes no part of it."""
    held = account.quantums.get(market, 0)
    if delta_quantums == 0 or margin_trade.closing_lots(held, delta_quantums) != delta_quantums:
        return None
    whole = bankruptcy_quote(account, markets, market)
    return bankruptcy.quote_part_ceil_atoms(whole, 0, abs(delta_quantums), abs(held))


def _at_mark(market: Market, quantums: int) -> margin_trade.PositionAtMark:
    leverage = market.tiers.max_leverages[0]
    return margin_trade.PositionAtMark(market.lots(quantums), 0, market.mark, 1, market.tiers, leverage)
