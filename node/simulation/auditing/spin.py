"""Spin: margin ratios, takeovers, funding by index and the insurance fund worked out anew (SP-02 to SP-11)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

from breakwater.v1 import events_pb2, parameters_pb2
from node.simulation.auditing.cross import CrossBook, Due, Terms
from node.simulation.auditing.seen import E9, Key, Seen, ceil_div, half_away


class SpinBook(CrossBook):
    """One Spin venue."""

    def __init__(self, venue: int) -> None:
        super().__init__(venue)
        self.fees_rule = "SP-10"
        # Funding on its way between positions, and what the index of each market is, was a block ago, was paid up to.
        self.funding_atoms = 0
        self._index_e9: dict[int, int] = {}
        self._index_before_e9: dict[int, int] = {}
        self._paid_e9: dict[Key, int] = {}
        self._accrued: Counter[Key] = Counter()
        self._owners: dict[int, int] = {}
        self._transfers: Counter[tuple[int, int, int]] = Counter()
        # What targets could not pay, by (liquidator, target, market); what the fund paid of a reward just now.
        self._rewards_atoms: dict[tuple[int, int, int], deque[int]] = {}
        self._rewarded_atoms = 0
        self._rules = parameters_pb2.SpinParameters()
        self._markets: dict[int, parameters_pb2.SpinMarket] = {}

    def read_terms(self, seen: Seen) -> dict[int, Terms]:
        """Of every market."""
        self._rules = seen.venues[self.venue].spin
        self._markets = {key[1]: one.spin for key, one in seen.markets.items() if key[0] == self.venue}
        self._index_before_e9 = self._index_e9
        self._index_e9 = {
            number: seen.marks[self.venue, number].funding_index_e9
            for number in self._markets
            if (self.venue, number) in seen.marks
        }
        return {
            number: Terms(one.quote_atoms_per_tick_lot, one.maker_fee_e9, one.taker_fee_e9, 0)
            for number, one in self._markets.items()
        }

    def settle(self, due: Due) -> None:
        """SP-11: before lots change, what they accrued is paid, by the index of the marks before this block's."""
        if due.lots:
            self._pay_accrued(due.account, due.market, self._index_before_e9.get(due.market, 0))
        super().settle(due)

    def _pay_accrued(self, number: int, market: int, index_e9: int) -> None:
        payment = self._accrued_atoms(number, market, index_e9)
        self._paid_e9[number, market] = index_e9
        self.account(number).cash_atoms -= payment
        self.funding_atoms += payment
        if payment:
            self._accrued[number, market] += payment

    def _accrued_atoms(self, number: int, market: int, index_e9: int) -> int:
        """Rounded up: against the account."""
        grown = index_e9 - self._paid_e9.get((number, market), 0)
        return ceil_div(self.account(number).lots(market) * grown * self.terms[market].k, E9)

    def equity_atoms(self, seen: Seen, number: int, held_atoms: int = 0) -> int:
        """SP-02: less what positions accrued."""
        accrued = sum(
            self._accrued_atoms(number, market, self._index_e9.get(market, 0))
            for market, held in self.account(number).holdings.items()
            if held.lots
        )
        return super().equity_atoms(seen, number, held_atoms) - accrued

    def collateral_e9(self, seen: Seen, number: int) -> int:
        """SP-02: of the positions alone, in 1e-9 atoms."""
        notional = self.notional_atoms(seen, number)
        return sum(value * self._markets[market].collateral_ratio_e9 for market, value in notional.items())

    def rule(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """Takeovers, funding, the fund, accounts of one owner."""
        match event.WhichOneof("body"):
            case "funding_index_moved":
                return self._index_moved(event)
            case "funding_settled":
                return self._funding_settled(event)
            case "account_liquidated":
                return self._liquidated(seen, event)
            case "liquidator_paid":
                self.due.append(Due(event.account, cash_atoms=event.liquidator_paid.fund_atoms))
                return self._reward_paid(event)
            case "insurance_moved":
                if event.insurance_moved.reason == events_pb2.INSURANCE_REASON_DEFICIT:
                    self.due.append(Due(event.account, cash_atoms=-event.insurance_moved.amount_atoms))
                if event.insurance_moved.reason == events_pb2.INSURANCE_REASON_REWARD:
                    self._rewarded_atoms -= event.insurance_moved.amount_atoms
                return self.fund_moved(event)
            case "shortfall_recorded":
                self.shortfall_atoms += event.shortfall_recorded.amount_atoms
                self.due.append(Due(event.account, cash_atoms=event.shortfall_recorded.amount_atoms))
            case "subaccount_opened":
                self._owners[event.account] = event.subaccount_opened.owner
            case "transferred":
                return self._transferred(seen, event)
        return []

    def _index_moved(self, event: events_pb2.Event) -> list[str]:
        """SP-11: the rate is the middle over the index, capped; the index grows by rate * price."""
        body, cap = event.funding_index_moved, self._markets[event.market].funding_cap_e9
        rate = half_away((body.average_mid_ticks - body.index_ticks) * E9, body.index_ticks)
        rate = max(-cap, min(cap, rate)) if body.average_mid_ticks else 0
        index = self._index_before_e9.get(event.market, 0) + rate * body.index_ticks
        if (body.rate_e9, body.index_e9) == (rate, index):
            return []
        told = (body.rate_e9, body.index_e9)
        return [f"SP-11: market {event.market} has (rate, index) {told}, not {(rate, index)}"]

    def _funding_settled(self, event: events_pb2.Event) -> list[str]:
        """SP-11: of settling, as worked out then; of a takeover by the index of now."""
        body, key = event.funding_settled, (event.account, event.market)
        if key not in self._accrued:
            self._pay_accrued(*key, self._index_e9.get(event.market, 0))
        payment = self._accrued.pop(key, 0)
        if body.payment_atoms == payment:
            return []
        return [f"SP-11: account {key[0]} market {key[1]} paid {body.payment_atoms} atoms of funding, not {payment}"]

    def _liquidated(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """SP-04 to SP-09: below 0.7, no more than the calculator, at the mark, for reward and share out of equity."""
        body, number, market = event.account_liquidated, event.account, event.market
        account, mark = self.account(number), seen.mark_ticks(self.venue, market)
        # Funding is paid when the position moves, which leaves equity as it is.
        equity, collateral_e9 = self.equity_atoms(seen, number), self.collateral_e9(seen, number)
        lots, value = body.lots, abs(body.lots) * mark * self.terms[market].k
        faults = [*self._standing_faults(seen, event, equity, collateral_e9), *self._size_faults(seen, event)]
        faults += self._paid_faults(body, equity, value)
        owed = value * self._rules.liquidator_reward_e9 // E9 - body.reward_atoms
        if owed:
            self._rewards_atoms.setdefault((body.liquidator, number, market), deque()).append(owed)
        if self._accrued_atoms(number, market, self._index_e9.get(market, 0)) > 0:
            faults.append(f"SP-11: account {number} was taken over without paying what it accrued")
        self._paid_e9[number, market] = self._index_e9.get(market, 0)
        signed = lots * mark * self.terms[market].k
        account.move(market, -lots, -signed)
        account.cash_atoms -= body.reward_atoms + body.insurance_atoms
        self.due.append(Due(body.liquidator, market, lots, signed, body.reward_atoms))
        if body.remaining_lots != account.lots(market) or body.cash_atoms != account.cash_atoms:
            told, ours = (body.remaining_lots, body.cash_atoms), (account.lots(market), account.cash_atoms)
            faults.append(f"SP-08: account {number} is left with (lots, cash) {told}, not {ours}")
        return faults

    def _standing_faults(self, seen: Seen, event: events_pb2.Event, equity: int, collateral_e9: int) -> Iterator[str]:
        body = event.account_liquidated
        if (body.equity_atoms, body.collateral_atoms) != (equity, ceil_div(collateral_e9, E9)):
            told, ours = (body.equity_atoms, body.collateral_atoms), (equity, ceil_div(collateral_e9, E9))
            yield f"SP-02: account {event.account} has (equity, collateral) {told}, not {ours}"
        if equity * 10 * E9 >= 7 * collateral_e9:
            yield f"SP-04: account {event.account} was healthy at {equity} atoms of {collateral_e9} e-9, taken over"
        tier = 3 if equity * 10 * E9 < 3 * collateral_e9 else 2
        if body.tier != tier:
            yield f"SP-04: account {event.account} is in tier {body.tier}, not {tier}"
        if not seen.is_usable(self.venue, event.market) or body.liquidator == event.account:
            yield f"SP-07: account {event.account} was taken over by {body.liquidator} at a mark that may not be used"

    def _size_faults(self, seen: Seen, event: events_pb2.Event) -> Iterator[str]:
        """SP-06, SP-07: whole steps of the position's side, as many as bring Mr back to 0.7, or all."""
        body, rules = event.account_liquidated, self._markets[event.market]
        held = self.account(event.account).lots(event.market)
        if body.lots * held <= 0 or abs(body.lots) > abs(held) or body.lots % rules.step_lots:
            yield f"SP-07: {body.lots} lots of {held} were taken over in steps of {rules.step_lots}"
        bounds = [self._closable(seen, event, off) for off in (1, -1)]
        if not bounds[0] <= body.liquidatable_lots <= bounds[1] or abs(body.lots) > body.liquidatable_lots:
            taken = (abs(body.lots), body.liquidatable_lots)
            yield f"SP-06: lots taken, and allowed, are {taken}; the calculator says {bounds} for {held}"

    def _closable(self, seen: Seen, event: events_pb2.Event, off_atoms: int) -> int:
        """The calculator with so many atoms of equity more: an atom is its rounding's (SP-06)."""
        rules, number = self._markets[event.market], event.account
        size = abs(self.account(number).lots(event.market))
        equity = self.equity_atoms(seen, number) + off_atoms
        collateral_e9 = self.collateral_e9(seen, number)
        if equity * 10 * E9 < 3 * collateral_e9:
            return size
        penalty_e9 = self._rules.liquidator_reward_e9 + self._rules.insurance_share_e9
        per_lot = seen.mark_ticks(self.venue, event.market) * self.terms[event.market].k
        gain = per_lot * (7 * rules.collateral_ratio_e9 - 10 * penalty_e9)
        if gain <= 0:
            return size
        missing = max(0, 7 * collateral_e9 - 10 * E9 * equity)
        return min(size, ceil_div(missing, gain * rules.step_lots) * rules.step_lots)

    def _paid_faults(self, body: events_pb2.AccountLiquidated, equity: int, value: int) -> Iterator[str]:
        """SP-08, SP-09: the reward first, then the fund's share, out of what equity there is."""
        rules = self._rules
        reward = value * rules.liquidator_reward_e9 // E9
        share = ceil_div(value * (rules.liquidator_reward_e9 + rules.insurance_share_e9), E9) - reward
        paid = min(reward, max(0, equity))
        insured = min(share, max(0, equity) - paid)
        told = (body.value_atoms, body.reward_atoms, body.insurance_atoms, body.owed_reward_atoms)
        ours = (value, paid, insured, reward - paid)
        if told != ours:
            yield f"SP-08: value, reward, share, owed are {told}, not {ours}"

    def _reward_paid(self, event: events_pb2.Event) -> list[str]:
        """SP-09: what the target could not pay, once, as far as the fund goes; the rest is nobody's."""
        body, key = event.liquidator_paid, (event.account, event.liquidator_paid.target, event.market)
        waiting = self._rewards_atoms.get(key)
        owed = waiting.popleft() if waiting else 0
        moved, self._rewarded_atoms = self._rewarded_atoms, 0
        paid = min(owed, self.fund_atoms + moved)
        told, ours = (body.fund_atoms, body.shortfall_atoms, moved), (paid, owed - paid, paid)
        if told == ours:
            return []
        return [f"SP-09: liquidator {key[0]} got from the fund, and did not, and the fund paid {told}, not {ours}"]

    def _transferred(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """SP-01, SP-04: between accounts of an owner; it leaves with a block and arrives with the next."""
        body, number = event.transferred, event.account
        if body.amount_atoms > 0:
            key = (body.counterparty, number, body.amount_atoms)
            self._transfers[key] -= 1
            return [] if self._transfers[key] >= 0 else [f"SP-04: a transfer {key} arrived and had never left"]
        self.account(number).cash_atoms += body.amount_atoms
        self.due.append(Due(body.counterparty, cash_atoms=-body.amount_atoms))
        self._transfers[number, body.counterparty, -body.amount_atoms] += 1
        owners = [self._owners.get(one, one) for one in (number, body.counterparty)]
        faults = [] if owners[0] == owners[1] else [f"SP-01: a transfer between owners {owners}"]
        return faults + self.paid_out(seen, number)

    def paid_out(self, seen: Seen, account: int) -> list[str]:
        """SP-04: what is left covers the positions, Mr >= 1; what left was cash."""
        equity, collateral_e9 = self.equity_atoms(seen, account), self.collateral_e9(seen, account)
        if equity * E9 >= collateral_e9 and self.account(account).cash_atoms >= 0:
            return []
        return [f"SP-04: account {account} took money out and has {equity} atoms against {collateral_e9} e-9"]

    def end(self, seen: Seen) -> list[str]:
        """Operators' deposits are in the fund by an event; what was accrued was told; longs are shorts."""
        untold, self._accrued = self._accrued, Counter()
        faults = [f"SP-11: account, market {key}: {atoms} atoms were not paid" for key, atoms in sorted(untold.items())]
        return faults + self.unbalanced()

    def compare_venue(self, seen: Seen, brought_atoms: int) -> list[str]:
        """Conservation by these books, and what the desk says of itself."""
        sums = seen.view.insurance(self.venue).sums
        told = (sums.fees_atoms, sums.fund_atoms, sums.funding_atoms, sums.shortfall_atoms)
        ours = (self.fees_atoms, self.fund_atoms, self.funding_atoms, self.shortfall_atoms)
        faults = [] if told == ours else [f"the desk has fees, fund, funding, shortfall {told}, not {ours}"]
        holds = self.in_all_atoms() + self.fees_atoms + self.fund_atoms + self.funding_atoms - self.shortfall_atoms
        if holds != brought_atoms + sums.deposited_atoms:
            faults.append(
                f"{holds} atoms are held, {brought_atoms} and {sums.deposited_atoms} of operators were brought"
            )
        return faults
