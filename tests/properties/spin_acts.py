"""What traders, liquidators and sources do on a Spin venue: Margin Trade's acts on what is seen here, and its own."""

import random

from breakwater.v1.batches_pb2 import AccountView, CrossPositionView
from breakwater.v1.commands_pb2 import CommandBatch
from breakwater.v1.parameters_pb2 import MarginTier, MarketParameters
from tests.engine.naive import NaiveEngine
from tests.engine.spin.health import closable
from tests.engine.spin.state import SpinSight
from tests.engine.spin.views import ratio_account_view
from tests.properties.margin_acts import MAKERS, MarginActs, Sender
from tests.properties.margin_money import Row, columns
from tests.properties.margin_moods import MarginMood
from tests.properties.margin_sight import MarginSight
from tests.properties.spin_operators import spin_operation, spin_parameter_change
from tests.properties.spin_venues import SPIN_VENUE, spin_genesis

OWN_APPETITES = ("liquidators", "transfers")
SIZE = 4


class SpinActs(MarginActs):
    """Draws the batches of one venue, block by block."""

    def __init__(
        self,
        draw: random.Random,
        sender: Sender,
        mood: MarginMood,
        appetite: dict[str, float],
        venue: int = SPIN_VENUE,
    ) -> None:
        drawn = {name: draw.choice((0.0, 0.3, 0.6, 1.0)) for name in OWN_APPETITES}
        # No vault, no leverage: such batches are the other rulebook's.
        none = {"liquidity": 0.0, "leverages": draw.choice((0.0, 0.05))}
        super().__init__(draw, sender, mood, {**none, **appetite}, venue)
        self.appetite = {**drawn, **self.appetite}
        self.seen: SpinSight | None = None

    def genesis(self) -> list[CommandBatch]:
        return spin_genesis(self.random, self.sender, self.mood, self.venue)

    def first_money(self, engine: NaiveEngine) -> list[CommandBatch]:  # type: ignore[override]
        """The second block: prices, deposits, perhaps a fund."""
        sight = self._look(engine)
        accounts = sight.traders
        amounts = [self.random.choice(self.mood.deposits_atoms) for _ in accounts]
        amounts[: len(MAKERS)] = [self.mood.makers_atoms] * len(MAKERS)
        batches = [self._ticks(sight, market) for market in sorted(sight.markets)]
        batches.append(self._send("deposits", account=accounts, amount_atoms=amounts))
        fund = self.random.choice(self.mood.funds_atoms)
        return batches + ([self._send("insurance_deposit", amount_atoms=fund)] if fund else [])

    def batches(self, engine: NaiveEngine) -> list[CommandBatch]:  # type: ignore[override]
        """What one block brings, in no order."""
        sight = self._look(engine)
        assert self.seen is not None
        batches = [self._ticks(sight, market) for market in sorted(sight.markets) if self._publishes(market)]
        batches += self._trading(sight) + self.money.moves(sight) + self._liquidations(sight) + self._transfers(sight)
        if self._wants("operators", 0.25):
            batches.append(spin_operation(self.random, self.sender, self.seen))
        if self._wants("parameters", 0.15):
            batches.append(spin_parameter_change(self.random, self.sender, self.mood, self.seen))
        return batches

    def _look(self, engine: NaiveEngine) -> MarginSight:
        """The venue in Margin Trade's words: free margin is what the ratio leaves, leverage what collateral allows."""
        seen = self.seen = SpinSight(engine.state, engine.block, self.venue)
        marks = {market: mark for (owner, market), mark in engine.block.marks.items() if owner == self.venue}
        markets = {market: _in_margin_words(parameters) for market, parameters in seen.markets.items()}
        accounts = {number: _as_cross(ratio_account_view(seen, number)) for number in seen.accounts()}
        return MarginSight(seen.terms, markets, marks, accounts)

    def _place(self, rows: list[Row]) -> CommandBatch:
        """In whole steps, mostly."""
        assert self.seen is not None
        for row in rows:
            step = self.seen.markets[row[1]].spin.step_lots if row[1] in self.seen.markets else 1
            if self.random.random() < 0.97:
                row[SIZE] = max(step, row[SIZE] // step * step)
        return super()._place(rows)

    def _liquidations(self, sight: MarginSight) -> list[CommandBatch]:
        """Several race for the same lots; quantities at the calculator's edge, and who has no business here."""
        draw, seen, rows = self.random, self.seen, []
        assert seen is not None
        for account, market in sorted(seen.own.positions):
            step, held = seen.markets[market].spin.step_lots, abs(seen.lots(account, market))
            most = closable(seen, account, market)
            ready = sight.accounts[account].ratio.ratio_without_orders_e9 < 720_000_000
            if not (ready and self._wants("liquidators", 0.8)):
                continue
            for _ in range(draw.choice((1, 1, 2, 5))):
                lots = draw.choice((most, most, most, most + step, step, held, max(step, most // 2 // step * step)))
                liquidator = draw.choice(MAKERS) if draw.random() < 0.3 else self._account(sight)
                rows.append([liquidator, account, market, lots, draw.choice((0, -1))])
        if self._wants("liquidators", 0.1) or (rows and self._wants("malformed", 0.3)):
            market = draw.choice([*sorted(sight.markets), 99])
            lots = draw.choice((1, 5, 0, -1, 7, 1 << 40))
            rows.append([self._account(sight), self._account(sight), market, lots, 0])
        draw.shuffle(rows)
        names = ("account", "target", "market", "lots", "reward_atoms")
        return [self._send("liquidations", **columns(names, rows))] if rows else []

    def _transfers(self, sight: MarginSight) -> list[CommandBatch]:
        """Between accounts of an owner, at the edge of what may leave; at times between strangers."""
        draw, seen, rows = self.random, self.seen, []
        assert seen is not None
        if not self._wants("transfers", 0.6):
            return []
        families: dict[int, list[int]] = {}
        for account in seen.accounts():
            families.setdefault(seen.state.owner_of(self.venue, account), []).append(account)
        related = [family for family in families.values() if len(family) > 1]
        for _ in range(draw.choice((1, 2))):
            if related and not self._wants("malformed", 0.2):
                sender, receiver = draw.sample(draw.choice(related), 2)
            else:
                sender, receiver = self._account(sight), self._account(sight)
            view = sight.accounts.get(sender)
            worth = view.ratio.withdrawable_atoms if view else 5
            amount = draw.choice((1, worth // 2, worth, worth, worth + 1))
            rows.append([sender, receiver, amount if self._wants("malformed", 0.1) else max(1, amount)])
        return [self._send("transfers", **columns(("account", "to_account", "amount_atoms"), rows))]


def _in_margin_words(parameters: MarketParameters) -> MarketParameters:
    """What the acts of Margin Trade read of a market."""
    market, rules = MarketParameters(), parameters.spin
    market.CopyFrom(parameters)
    market.margin_trade.tiers.append(MarginTier(max_leverage=max(1, 10**9 // rules.collateral_ratio_e9)))
    market.margin_trade.quote_atoms_per_tick_lot = rules.quote_atoms_per_tick_lot
    market.margin_trade.taker_fee_e9 = rules.taker_fee_e9
    market.margin_trade.max_order_lots = rules.max_order_lots
    market.margin_trade.market_protection_ppm = rules.market_protection_ppm
    return market


def _as_cross(view: AccountView) -> AccountView:
    """What they read of an account."""
    ratio, cross = view.ratio, view.cross
    needed = ratio.position_collateral_atoms + ratio.order_collateral_atoms + ratio.reserved_atoms
    cross.equity_atoms, cross.withdrawable_atoms = ratio.equity_atoms, ratio.withdrawable_atoms
    cross.free_margin_atoms = max(0, ratio.equity_atoms - needed)
    cross.orders.extend(ratio.orders)
    for held in ratio.positions:
        cross.positions.append(
            CrossPositionView(
                market=held.market, lots=held.lots, liquidation_ticks=held.liquidation_ticks, leverage=10**6
            )
        )
    return view
