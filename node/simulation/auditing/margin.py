"""Margin Trade: who may be liquidated and how, by equity and maintenance worked out anew (MT-01 to MT-16a)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil
from typing import Final

from breakwater.v1 import events_pb2, parameters_pb2
from node.simulation.auditing.capped import margin_needed_atoms
from node.simulation.auditing.cross import VAULT, CrossBook, Due, Terms
from node.simulation.auditing.deleveraging import DeleverageBook
from node.simulation.auditing.seen import E9, MILLION, Seen, ceil_div
from node.simulation.auditing.vault import VaultBook

_FEES: Final = events_pb2.INSURANCE_REASON_LIQUIDATION_FEES
_OPERATOR: Final = events_pb2.INSURANCE_REASON_OPERATOR
_DEFICIT: Final = events_pb2.INSURANCE_REASON_DEFICIT
_RESIDUE: Final = events_pb2.INSURANCE_REASON_FUNDING_RESIDUE


class MarginBook(CrossBook):
    """One Margin Trade venue."""

    def __init__(self, venue: int) -> None:
        super().__init__(venue)
        self.fees_rule = "MT-05, MT-16a"
        self.vault = VaultBook()
        self._deleveraging = DeleverageBook(self)
        self._rules = parameters_pb2.MarginTradeParameters()
        self._markets: dict[int, parameters_pb2.MarginTradeMarket] = {}
        self._cooldown_ms: dict[int, int] = {}
        # Of the block's ladder orders: bankruptcy quote and size; until when a partial one keeps its account cool.
        self._quotes: dict[int, tuple[int, int]] = {}
        self._partial: dict[int, int] = {}
        self._named: set[int] = set()
        self._offered: set[int] = set()
        self._owed_to_fund: Counter[int] = Counter()
        # Who fails margin in this block, as far as it was asked.
        self._failing: dict[int, bool] = {}

    def read_terms(self, seen: Seen) -> dict[int, Terms]:
        """Of every market."""
        self._rules = seen.venues[self.venue].margin_trade
        self._markets = {key[1]: one.margin_trade for key, one in seen.markets.items() if key[0] == self.venue}
        return {
            number: Terms(one.quote_atoms_per_tick_lot, one.maker_fee_e9, one.taker_fee_e9, one.liquidation_fee_e9)
            for number, one in self._markets.items()
        }

    def begin(self, seen: Seen) -> list[str]:
        """Everything settled, nothing acted on."""
        self._named, self._offered, self._owed_to_fund = set(), set(), Counter()
        self._quotes, self._partial, self._failing = {}, {}, {}
        return []

    def fails_margin(self, seen: Seen, number: int) -> bool:
        """MT-02, at this block's marks and with the orders from before it; what was filled of them holds nothing."""
        if number not in self._failing:
            orders = {
                market: [order for order in book.of(number) if order.height < seen.height]
                for market, book in self.resting.items()
            }
            lots = {market: held.lots for market, held in self.account(number).holdings.items()}
            needed = margin_needed_atoms(seen, self.venue, lots, orders)
            self._failing[number] = self.equity_atoms(seen, number) < needed
        return self._failing[number]

    def maintenance_atoms(self, seen: Seen, number: int) -> int:
        """MM over all markets, each rounded up (MT-03)."""
        notional = self.notional_atoms(seen, number)
        return sum(maintenance_atoms(value, self._markets[market].tiers) for market, value in notional.items())

    def rule(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """The ladder, funding, the vault, the fund."""
        match event.WhichOneof("body"):
            case "funding_paid":
                return self._fund(seen, event)
            case "liquidation_ordered":
                return self._ordered(seen, event)
            case "taken_over":
                return self._taken_over(seen, event)
            case "takeover_refused":
                self._named.add(event.account)
                self._offered.add(event.account)
                body = event.takeover_refused
                return self._stands(seen, event.account, body.equity_atoms, body.maintenance_atoms, rung=2)
            case "ladder_queued":
                self._named.add(event.account)
            case "deleverage_run" | "deleveraged":
                self._named.add(event.account)
                return self._deleveraging.take(seen, event)
            case "shortfall_recorded":
                return self._written_off(seen, event)
            case "insurance_moved":
                return self._insured(seen, event)
            case "shares_minted" | "shares_redeemed":
                return self._lent(seen, event)
        return []

    def _fund(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """MT-10: rate * notional at the oracle price, the payer rounded up, the receiver down."""
        body, mark = event.funding_paid, seen.marks[self.venue, event.market]
        account, k = self.account(event.account), self.terms[event.market].k
        payment = ceil_div(account.lots(event.market) * mark.index_ticks * k * mark.funding_rate_e9, E9)
        account.cash_atoms -= body.payment_atoms
        self._owed_to_fund[_RESIDUE] += body.payment_atoms
        if body.payment_atoms == payment:
            return []
        return [f"MT-10: account {event.account} paid {body.payment_atoms} atoms of funding, not {payment}"]

    def _stands(self, seen: Seen, number: int, equity: int, maintenance: int, rung: int) -> list[str]:
        """The numbers that decided are the account's, and they say so: MM on rung 1, 2/3 of it on rung 2 (MT-11)."""
        ours = (self.equity_atoms(seen, number), self.maintenance_atoms(seen, number))
        faults = []
        if (equity, maintenance) != ours:
            faults.append(f"MT-11: account {number} was seen with equity, MM {(equity, maintenance)}, not {ours}")
        rules = self._rules
        behind = ours[0] * rules.backstop_denominator < ours[1] * rules.backstop_numerator or ours[0] < 0
        below = ours[0] < ours[1] if number == VAULT or rung == 1 else behind
        if not below:
            faults.append(f"MT-11: account {number} was acted on at equity {ours[0]}, MM {ours[1]}, rung {rung}")
        if rung == 1 and behind:
            faults.append(f"MT-11: account {number} is for the vault at equity {ours[0]}, MM {ours[1]}")
        return faults

    def _ordered(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """MT-12: an order for a part of a large position, else for all of it, in the market of the largest MM."""
        body, number, rules = event.liquidation_ordered, event.account, self._rules
        lots = self.account(number).lots(event.market)
        notional = abs(lots) * seen.mark_ticks(self.venue, event.market) * self.terms[event.market].k
        in_cooldown = seen.now_ms < self._cooldown_ms.get(number, 0)
        partial = rules.partial_liquidation and notional > rules.partial_threshold_atoms and not in_cooldown
        wanted = ceil_div(abs(lots) * rules.partial_fraction_ppm, MILLION) if partial else abs(lots)
        faults = self._stands(seen, number, body.equity_atoms, body.maintenance_atoms, rung=1)
        if (abs(body.lots), body.is_partial, abs(body.position_lots)) != (wanted, partial, abs(lots)):
            told = (abs(body.lots), body.is_partial, body.position_lots)
            faults.append(f"MT-12: account {number} sends (lots, partial, of) {told}, not {(wanted, partial, lots)}")
        if not seen.is_usable(self.venue, event.market):
            faults.append(f"MT-12: account {number} was liquidated at a mark that may not be used")
        if partial:
            self._partial[body.order] = seen.now_ms + rules.cooldown_ms
        self._quotes[body.order] = (body.bankruptcy_quote_atoms, wanted)
        self._named.add(number)
        return faults

    def liquidation_fee_atoms(self, event: events_pb2.Event, side: int, quote_atoms: int) -> int:
        """MT-16a: rounded up, only from what the fill is better than its part of the bankruptcy quote."""
        order = event.order_filled.order
        bankruptcy, size = self._quotes.get(order, (0, 1))
        if order in self._partial:
            # MT-12: a partial that fills nothing starts no cooldown.
            self._cooldown_ms[event.account] = self._partial[order]
        better = -side * quote_atoms - ceil_div(bankruptcy * event.order_filled.lots, size)
        rate_e9 = self.terms[event.market].liquidation_fee_e9
        fee = max(0, min(ceil_div(quote_atoms * rate_e9, E9), better))
        self._owed_to_fund[_FEES] += fee
        return fee

    def _taken_over(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """MT-13: everything moves to the vault at the marks, and the vault stays within its limits (MT-14)."""
        body, account, vault = event.taken_over, self.account(event.account), self.account(VAULT)
        faults = self._stands(seen, event.account, body.equity_atoms, body.maintenance_atoms, rung=2)
        held = {market: one.lots for market, one in account.holdings.items() if one.lots}
        if {one.market: one.lots for one in body.positions} != held:
            faults.append(f"MT-13: {list(body.positions)} of account {event.account} were taken over, not {held}")
        equity = self.equity_atoms(seen, event.account)
        for market, lots in held.items():
            value = lots * seen.mark_ticks(self.venue, market) * self.terms[market].k
            account.move(market, -lots, -value)
            vault.move(market, lots, value)
        account.cash_atoms -= equity
        vault.cash_atoms += equity
        self._named.add(event.account)
        after, gross = self.equity_atoms(seen, VAULT), sum(self.notional_atoms(seen, VAULT).values())
        limit = self._rules.vault_max_leverage_hundredths
        if after <= 0 or gross * 100 > limit * after:
            faults.append(f"MT-14: the vault took {gross} atoms on equity {after}, {limit} hundredths are allowed")
        return faults + self.vault.holds_loss_limit(after, self._rules.vault_loss_limit_ppm)

    def _written_off(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """MT-16: the debts of accounts nobody took, no more and no less; they stand at zero after it."""
        body, owed = event.shortfall_recorded, 0
        for number in sorted(self._offered):
            debt = max(0, -self.equity_atoms(seen, number))
            self.account(number).cash_atoms += debt
            owed += debt
        self.shortfall_atoms += owed
        told, ours = (body.amount_atoms, body.shortfall_atoms), (owed, self.shortfall_atoms)
        return [] if told == ours else [f"MT-16: written off, and in all, are {told} atoms, not {ours}"]

    def _insured(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """MT-16a: what the fund is told to get is what accounts paid; a deficit is paid to its account, whole, once."""
        body, faults = event.insurance_moved, self.fund_moved(event)
        if body.reason != _DEFICIT:
            self._owed_to_fund[body.reason] -= body.amount_atoms
            return faults
        deficit = max(0, -self.equity_atoms(seen, event.account))
        if -body.amount_atoms != deficit:
            faults.append(f"MT-16a: the fund paid {-body.amount_atoms} atoms of account {event.account}'s {deficit}")
        self.account(event.account).cash_atoms -= body.amount_atoms
        return faults

    def _lent(self, seen: Seen, event: events_pb2.Event) -> list[str]:
        """MT-14: shares at the vault's equity of the scan, with what went in and out before."""
        vault, nav = self.account(VAULT), self.equity_atoms(seen, VAULT) + self.vault.moved_atoms
        vault_market = [market for market in vault.holdings if vault.lots(market)]
        faults = []
        if not all(seen.is_usable(self.venue, market) for market in vault_market):
            faults.append("MT-14: shares were priced while a market of the vault may not be used")
        if event.HasField("shares_minted"):
            amount = event.shares_minted.amount_atoms
            faults += self.vault.mint(event, nav, seen.now_ms + self._rules.vault_lock_ms)
            self.due += [Due(event.account, cash_atoms=-amount), Due(VAULT, cash_atoms=amount)]
            return faults
        amount = event.shares_redeemed.amount_atoms
        faults += self.vault.redeem(event, nav, seen.now_ms)
        self.due += [Due(event.account, cash_atoms=amount), Due(VAULT, cash_atoms=-amount)]
        needed = 2 * self.maintenance_atoms(seen, VAULT)
        if nav - amount < needed:
            faults.append(f"MT-14: a redemption left the vault {nav - amount} atoms, its inventory needs {needed}")
        return faults

    def paid_out(self, seen: Seen, account: int) -> list[str]:
        """MT-04: what is left is 10% of the notional and twice the maintenance at least."""
        equity, notional = self.equity_atoms(seen, account), sum(self.notional_atoms(seen, account).values())
        least = max(ceil_div(notional, 10), 2 * self.maintenance_atoms(seen, account))
        if equity >= least:
            return []
        return [f"MT-04: account {account} took money out and has {equity} atoms of equity, {least} must stay"]

    def end(self, seen: Seen) -> list[str]:
        """Nobody below a rung is left without a word; the fund got what was paid; the desk's sums are ours."""
        self.vault.end_block(self.equity_atoms(seen, VAULT))
        for _, columns, _, _ in seen.taken("insurance_deposit", self.venue):
            self._owed_to_fund[_OPERATOR] += columns.amount_atoms
        faults = [*self._left(seen), *self._deleveraging.end(), *self.unbalanced()]
        for reason, amount in sorted(self._owed_to_fund.items()):
            if amount:
                name = events_pb2.InsuranceReason.Name(reason)
                faults.append(f"MT-16a: {amount} atoms of {name} did not reach the fund")
        for sums in seen.result.backstops:
            if sums.venue == self.venue:
                told = (sums.fees_atoms, sums.fund_atoms, sums.shortfall_atoms)
                ours = (self.fees_atoms, self.fund_atoms, self.shortfall_atoms)
                faults += [] if told == ours else [f"the backstop has fees, fund, shortfall {told}, not {ours}"]
        return faults

    def _left(self, seen: Seen) -> Iterator[str]:
        """MT-11, invariants 7 and 8."""
        rules = self._rules
        for number, account in sorted(self.accounts.items()):
            equity, maintenance = self.equity_atoms(seen, number), self.maintenance_atoms(seen, number)
            markets = [market for market in account.holdings if account.lots(market)]
            waits = not all(seen.is_usable(self.venue, market) for market in markets)
            if equity >= maintenance or number in self._named or waits:
                continue
            behind = equity * rules.backstop_denominator < maintenance * rules.backstop_numerator
            if behind or number == VAULT or seen.now_ms >= self._cooldown_ms.get(number, 0):
                yield f"MT-11: account {number} was left at equity {equity}, MM {maintenance}"

    def compare_venue(self, seen: Seen, brought_atoms: int) -> list[str]:
        """Conservation by these books, the vault's own row, its shares."""
        faults = []
        for vault in seen.view.accounts(self.venue, [VAULT]).accounts:
            faults += self.compare(seen, vault)
        deposits = seen.view.backstop(self.venue).sums.deposited_atoms
        holds = self.in_all_atoms() + self.fees_atoms + self.fund_atoms - self.shortfall_atoms
        if holds != brought_atoms + deposits:
            faults.append(f"{holds} atoms are held, {brought_atoms} and {deposits} of operators were brought")
        return faults + self.vault.compare(seen.view.backstop(self.venue, self.vault.owners()))


def maintenance_atoms(notional_atoms: int, tiers: Sequence[parameters_pb2.MarginTier]) -> int:
    """MT-03: half the initial margin at the tier's leverage, less what the tiers below ask less, rounded up."""
    needed, before = Fraction(0), Fraction(0)
    for tier in tiers:
        if notional_atoms < tier.lower_notional_atoms:
            break
        rate = Fraction(1, 2 * tier.max_leverage)
        before += tier.lower_notional_atoms * (rate - needed)
        needed = rate
    return ceil(notional_atoms * needed - before)
