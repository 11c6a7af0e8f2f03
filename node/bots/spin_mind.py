"""How a Spin liquidator decides: the worst first, at most the calculator's, and its own Mr above 1 whatever it takes.

A takeover leaves the liquidator's equity as it is and adds to its collateral (SP-07). What is out or not yet seen
counts as a position of either side already, as it does on the liquidator's shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from actors.rulebooks import spin
from actors.units import E9, LONG, PPM, SHORT, div_floor, mul_div_ceil, mul_div_floor
from breakwater.v1 import answers_pb2, common_pb2, parameters_pb2, refusals_pb2
from node.bots.intents import WHOLE_REWARD, Feed, Intent, Liquidate, Unwind
from node.bots.outstanding import Outstanding
from node.bots.spin_watch import MarketTerms, SpinStanding, SpinWatch

_DONE: Final = (
    common_pb2.OUTCOME_STATUS_LIQUIDATED,
    common_pb2.OUTCOME_STATUS_FILLED,
    common_pb2.OUTCOME_STATUS_PARTIALLY_FILLED,
    common_pb2.OUTCOME_STATUS_DONE,
)
# A position changes on its owner's shard with the block, on the liquidator's with the next.
_LEG_BLOCKS: Final = 1
_HIDDEN_BLOCKS: Final = 64


@dataclass(frozen=True, slots=True)
class SpinSettings:
    """What a liquidator may risk. Its own Mr stays above `least_ratio_e9` by what it takes over.

    It unwinds what is above `hold_atoms` of notional a market, at most `slippage_ppm` from the mark; below
    `pressed_ratio_e9` at any price.
    """

    least_ratio_e9: int = 1_250_000_000
    unwind: bool = True
    hold_atoms: int = 0
    slippage_ppm: int = 10_000
    pressed_ratio_e9: int = 1_100_000_000


class SpinMind:
    """A liquidator's. See `Mind`."""

    def __init__(self, account: int, watch: SpinWatch, settings: SpinSettings | None = None) -> None:
        """`watch` may be shared with other minds of the venue."""
        self.account = account
        self.watch = watch
        self.settings = settings or SpinSettings()
        self.outstanding = Outstanding()
        # Collateral the node counts of this account beyond what the table shows (its resting orders), 1e-9 atoms.
        self._hidden_e9 = 0
        self._hidden_until = 0

    @property
    def height(self) -> int:
        """The newest block it has taken."""
        return self.watch.table.height

    @property
    def below(self) -> int:
        """How many may be liquidated now."""
        return len(self.watch.below)

    def learn_terms(
        self, venue: parameters_pb2.VenueParameters, markets: Sequence[parameters_pb2.MarketParameters]
    ) -> None:
        """Parameters from now on."""
        self.watch.learn_terms(venue, markets)

    def begin(self, listing: Feed) -> None:
        """These are all accounts there are."""
        self.watch.begin(listing)
        self.outstanding.restart(self.height)
        self._hidden_e9 = 0

    def take(self, feed: Feed) -> None:
        """One block more."""
        self.watch.take(feed)
        self.outstanding.came_to(self.height)
        if self.account in feed.rows.account or self.height >= self._hidden_until:
            self._hidden_e9 = 0

    def decide(self, most: int | None = None) -> list[Intent]:
        """Takeovers from the worst account on, as far as own collateral goes, then orders that flatten."""
        self._forget_the_healthy()
        own = self.watch.standing(self.account)
        room = _Room(self, own)
        unwindings = self._unwindings(own) if self.settings.unwind else ()
        intents: list[Intent] = list(islice(chain(self._takeovers(room), unwindings), most))
        for intent in intents:
            self.outstanding.send(intent)
        return intents

    def answered(self, intent: Intent, outcome: answers_pb2.CommandOutcome) -> None:
        """A takeover or a fill counts until the table shows it; a refusal says how much is left, or to wait."""
        was_out = self.outstanding.close(intent)
        height = outcome.height or self.height + 1
        if outcome.status in _DONE:
            if height + _LEG_BLOCKS > self.height:
                self.outstanding.land(intent, outcome.filled_lots, height + _LEG_BLOCKS)
        elif was_out:
            self._learn(intent, outcome, height)

    def _learn(self, intent: Intent, outcome: answers_pb2.CommandOutcome, height: int) -> None:
        most = 0
        if outcome.refusal == refusals_pb2.REFUSAL_ABOVE_LIQUIDATABLE:
            most = max(0, outcome.required)
            if most:
                # Others were faster or the mark moved: something is left, and the next look says how much.
                self.outstanding.forget(intent.concerns)
        elif outcome.refusal == refusals_pb2.REFUSAL_LIQUIDATOR_RATIO:
            # What is missing is not the target's: less is taken over until own rows change, or for a while.
            self._hidden_e9 += max(0, outcome.required - outcome.actual) * E9
            self._hidden_until = height + _HIDDEN_BLOCKS
        self.outstanding.teach(intent.concerns, height, most)

    def _forget_the_healthy(self) -> None:
        """A target that the table shows healthy is a new one when it falls again."""
        for target, market in self.outstanding.taught():
            if target and target not in self.watch.below:
                self.outstanding.forget((target, market))

    def _takeovers(self, room: _Room) -> Iterator[Liquidate]:
        busy = {target for target, _ in self.outstanding.busy()}
        for account in sorted(self.watch.below, key=lambda one: (self.watch.below[one], one)):
            if room.is_full:
                return
            if account != self.account and account not in busy:
                yield from self._takeovers_of(account, room)

    def _takeovers_of(self, account: int, room: _Room) -> Iterator[Liquidate]:
        """Market by market, the largest position first, each on the state that the ones before leave behind."""
        standing = self.watch.standing(account)
        equity, collateral_e9 = standing.equity_atoms, standing.collateral_atoms_e9
        rules = self.watch.rules
        for market, terms in self._by_size(standing):
            lots = spin.closable_lots(
                equity,
                collateral_e9,
                standing.lots[market],
                terms.mark_ticks,
                terms.quote_atoms_per_tick_lot,
                terms.collateral_e9,
                self.watch.penalty_e9,
                terms.step_lots,
            )
            lots = min(lots, self.outstanding.most((account, market), self.height), room.lots(market, terms))
            lots -= lots % terms.step_lots
            if lots <= 0:
                continue
            room.reserve(market, lots)
            value = lots * terms.lot_atoms
            penalty = spin.penalty_atoms(value, rules.liquidator_reward_e9, rules.insurance_share_e9)
            paid = spin.payments_of(equity, penalty)
            equity -= paid.reward_paid_atoms + paid.fund_paid_atoms
            collateral_e9 -= lots * terms.lot_collateral_atoms_e9
            sequence = self.outstanding.next_sequence()
            yield Liquidate(sequence, account, market, lots, WHOLE_REWARD, penalty.reward_atoms)

    def _by_size(self, standing: SpinStanding) -> list[tuple[int, MarketTerms]]:
        found = [(market, self.watch.terms(market)) for market in standing.lots]
        usable = [(market, terms) for market, terms in found if terms is not None and terms.usable]
        return sorted(usable, key=lambda one: (-abs(standing.lots[one[0]]) * one[1].lot_atoms, one[0]))

    def _unwindings(self, own: SpinStanding) -> Iterator[Unwind]:
        """An order a market for what is held above `hold_atoms`."""
        is_pressed = not self._stays_above(own, self.settings.pressed_ratio_e9)
        for market, terms in self._by_size(own):
            concern = (0, market)
            if self.outstanding.is_out(concern) or not self.outstanding.most(concern, self.height):
                continue
            held = own.lots[market]
            kept = div_floor(self.settings.hold_atoms, terms.lot_atoms)
            lots = min(abs(held) - kept, terms.max_order_lots)
            if lots <= 0:
                continue
            side = SHORT if held > 0 else LONG
            slip = side * mul_div_floor(terms.mark_ticks, self.settings.slippage_ppm, PPM)
            limit = 0 if is_pressed else max(1, terms.mark_ticks + slip)
            yield Unwind(self.outstanding.next_sequence(), market, side, lots, limit)

    def _stays_above(self, own: SpinStanding, ratio_e9: int) -> bool:
        scaled_e9 = mul_div_ceil(own.collateral_atoms_e9 + self._hidden_e9, ratio_e9, E9)
        return spin.stays_above_one(own.equity_atoms, scaled_e9)

    @property
    def hidden_collateral_atoms_e9(self) -> int:
        """What LIQUIDATOR_RATIO refusals showed to be needed beyond the table."""
        return self._hidden_e9


class _Room:
    """What a liquidator may still take over: Mr stays above the least ratio, positions below the market's cap."""

    def __init__(self, mind: SpinMind, own: SpinStanding) -> None:
        self._watch, self._own, self._ratio_e9 = mind.watch, own, mind.settings.least_ratio_e9
        self._reserved = mind.outstanding.lots_by_market()
        self._needed_e9 = own.collateral_atoms_e9 + mind.hidden_collateral_atoms_e9
        for market, lots in self._reserved.items():
            terms = self._watch.terms(market)
            self._needed_e9 += lots * terms.lot_collateral_atoms_e9 if terms is not None else 0

    @property
    def is_full(self) -> bool:
        """Not a step more, in any market."""
        return not self._allows(self._watch.smallest_step_atoms_e9)

    def lots(self, market: int, terms: MarketTerms) -> int:
        """The most lots of this market that keep Mr above the least ratio (strictly) and the position below its cap."""
        # The last collateral for which E * 10^9 > C * ratio / 10^9 still holds, by the rulebook's own test.
        limit_e9 = div_floor(max(0, self._own.equity_atoms) * E9 * E9, self._ratio_e9)
        room = max(0, limit_e9 - self._needed_e9)
        lots = div_floor(room, max(1, terms.lot_collateral_atoms_e9))
        if lots and not self._allows(lots * terms.lot_collateral_atoms_e9):
            lots -= 1
        held = abs(self._own.lots.get(market, 0)) + self._reserved.get(market, 0)
        return max(0, min(lots, terms.max_position_lots - held))

    def reserve(self, market: int, lots: int) -> None:
        """These lots are asked for."""
        terms = self._watch.terms(market)
        assert terms is not None, f"nothing is taken over in market {market}, which has no terms"
        self._reserved[market] = self._reserved.get(market, 0) + lots
        self._needed_e9 += lots * terms.lot_collateral_atoms_e9

    def _allows(self, more_e9: int) -> bool:
        scaled_e9 = mul_div_ceil(self._needed_e9 + more_e9, self._ratio_e9, E9)
        return self._own.equity_atoms > 0 and spin.stays_above_one(self._own.equity_atoms, scaled_e9)
