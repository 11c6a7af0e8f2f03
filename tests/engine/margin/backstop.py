"""The backstop: dues, offers against the vault's limits, the fund, LP shares (MT-13 to MT-16a)."""

from actors.units import PPM
from breakwater.v1 import batches_pb2, events_pb2
from breakwater.v1.common_pb2 import DELEVERAGE_PRICE_PREVIOUS_MARK
from tests.engine.margin.health import cumulative_shares
from tests.engine.margin.state import VAULT, CrossLeg, Sight
from tests.engine.state import DONE, HALTED, NONE, TRIPPED, Command, R, Refusal, usable

D = batches_pb2
L = events_pb2
DESK, LADDER_PHASE, ACCOUNT = 10, 7, 11
BACKSTOP_PLACE = 1 << 51
TOTAL_BOUND = 1 << 60
INT64_MAX = (1 << 63) - 1
BOOTSTRAP = 1
"""A micro-share an atom."""

Demands = list[tuple[int, int, int, int, int]]
"""(sequence, market, account, lots, quote)."""


class Desk:
    """One call of the backstop; `count` numbers its events, `legs` their own."""

    def __init__(self, sight: Sight, round_: int) -> None:
        self.sight = sight
        self.round_ = round_
        self.own = sight.own.backstop
        self.count = 0
        self.legs: list[CrossLeg] = []
        self.demands: Demands = []

    def key(self) -> tuple[int, int, int, int]:
        place, self.count = self.count, self.count + 1
        venue = self.sight.venue
        return (
            (LADDER_PHASE, self.round_, BACKSTOP_PLACE + venue, place) if self.round_ else (DESK, venue << 32, place, 0)
        )

    def say(self, account: int, **body: object) -> None:
        self.sight.say(self.key(), account, **body)

    def leg(self, rank: int, command: int, account: int, kind: int, amount: int = 0, **more: int) -> None:
        market = more.pop("market", 0)
        self.legs.append(
            CrossLeg(rank, command, market, len(self.legs), account, kind, amount=amount, **more)  # type: ignore[arg-type]
        )

    # ------------------------------------------------------------------ money

    def book_dues(self) -> None:
        dues, self.own.dues = self.own.dues, {}
        self.own.fees += dues.get(D.CROSS_DUE_KIND_TRADING_FEES, 0)
        self.move_fund(dues.get(D.CROSS_DUE_KIND_LIQUIDATION_FEES, 0), L.INSURANCE_REASON_LIQUIDATION_FEES)
        self.move_fund(dues.get(D.CROSS_DUE_KIND_FUNDING, 0), L.INSURANCE_REASON_FUNDING_RESIDUE)
        written_off = dues.get(D.CROSS_DUE_KIND_WRITE_OFF, 0)
        if written_off:
            self.own.shortfall += written_off
            body = L.ShortfallRecorded(amount_atoms=written_off, shortfall_atoms=self.own.shortfall)
            self.say(0, shortfall_recorded=body)

    def move_fund(self, amount: int, reason: int, account: int = 0) -> None:
        if amount:
            self.own.fund += amount
            assert self.own.fund >= 0, "the fund is below zero"
            body = L.InsuranceMoved(amount_atoms=amount, reason=reason, fund_atoms=self.own.fund)
            self.say(account, insurance_moved=body)

    def insurance(self, command: Command) -> None:
        amount = command["amount_atoms"]
        total = self.own.deposited + amount
        if total >= TOTAL_BOUND:
            self.sight.block.refuse(self.key(), command, Refusal(R.REFUSAL_VENUE_TOTAL, TOTAL_BOUND, total))
            return
        self.own.deposited = total
        self.move_fund(amount, L.INSURANCE_REASON_OPERATOR)
        self.sight.block.answer(command, DONE, amount=amount)

    # ------------------------------------------------------------------ offers

    def take_offers(self, offers: list["Offered"]) -> None:
        """By sequence; what is accepted counts for the next."""
        equity = self.own.vault.equity_atoms
        lots = {held.market: held.lots for held in self.own.vault.positions}
        for offer in offers:
            if not offer.lots and offer.account != VAULT:
                self._pay_deficit(offer)
                continue
            after = {market: lots.get(market, 0) + moved for market, moved in offer.lots.items()}
            refused = self._why_not(offer, equity + offer.equity, {**lots, **after})
            if refused:
                self._refuse(offer, *refused)
            else:
                equity, lots = equity + offer.equity, {**lots, **after}
                self._take(offer)

    def _why_not(self, offer: "Offered", equity: int, lots: dict[int, int]) -> tuple[int, int, int] | None:
        if offer.account == VAULT:
            return L.TAKEOVER_LIMIT_VAULT, offer.maintenance, offer.equity
        limit, loss = self.sight.rules.vault_max_leverage_hundredths, self.sight.rules.vault_loss_limit_ppm
        gross = sum(abs(held) * self.sight.mark(market) * self.sight.k(market) for market, held in lots.items())
        if equity <= 0:
            return L.TAKEOVER_LIMIT_LEVERAGE, limit, INT64_MAX
        if gross * 100 > limit * equity:
            return L.TAKEOVER_LIMIT_LEVERAGE, limit, min(INT64_MAX, -(-gross * 100 // equity))
        lowest = -(-self.own.high * (PPM - loss) // PPM)
        return (L.TAKEOVER_LIMIT_LOSS, lowest, equity) if equity < lowest else None

    def _take(self, offer: "Offered") -> None:
        body = L.TakenOver(equity_atoms=offer.equity, maintenance_atoms=offer.maintenance, round=self.round_)
        quotes = {market: lots * self.sight.mark(market) * self.sight.k(market) for market, lots in offer.lots.items()}
        for market, lots in offer.lots.items():
            body.positions.add(market=market, lots=lots, mark_ticks=self.sight.mark(market), quote_atoms=quotes[market])
        self.say(offer.account, taken_over=body)
        self.leg(2, offer.sequence, offer.account, L.CROSS_LEG_KIND_TAKEN, sum(quotes.values()) - offer.equity)
        for market, lots in offer.lots.items():
            kind = L.CROSS_LEG_KIND_TAKEOVER
            self.leg(2, offer.sequence, VAULT, kind, market=market, lots=lots, quote=quotes[market])
        self.leg(2, offer.sequence, VAULT, L.CROSS_LEG_KIND_CASH, offer.equity)

    def _refuse(self, offer: "Offered", limit: int, required: int, actual: int) -> None:
        """The fund first, all or nothing; then a demand a market at its bankruptcy quote."""
        body = L.TakeoverRefused(
            equity_atoms=offer.equity,
            maintenance_atoms=offer.maintenance,
            limit=limit,
            required=required,
            actual=actual,
            round=self.round_,
        )
        self.say(offer.account, takeover_refused=body)
        equity = offer.equity
        if equity < 0 and self._pay_deficit(offer):
            equity = 0
        if offer.lots:
            shares = cumulative_shares(equity, list(offer.required.values()))
            for (market, lots), share in zip(offer.lots.items(), shares, strict=True):
                quote = lots * self.sight.mark(market) * self.sight.k(market) - share
                if self.sight.rules.deleverage_price == DELEVERAGE_PRICE_PREVIOUS_MARK:
                    quote = lots * (self.own.marks.get(market) or self.sight.mark(market)) * self.sight.k(market)
                self.demands.append((offer.sequence, market, offer.account, lots, quote))

    def _pay_deficit(self, offer: "Offered") -> bool:
        """Whole or not at all."""
        if self.own.fund < -offer.equity:
            return False
        self.move_fund(offer.equity, L.INSURANCE_REASON_DEFICIT, offer.account)
        self.leg(2, offer.sequence, offer.account, L.CROSS_LEG_KIND_CASH, -offer.equity)
        return True

    # ------------------------------------------------------------------ LP moves

    def liquidity(self, command: Command) -> None:
        deposits = command.body == "liquidity_deposits"
        why = self._mint(command) if deposits else self._redeem(command)
        if why is None:
            return
        self.sight.block.refuse(self.key(), command, why)
        if deposits:
            kind, number = L.CROSS_LEG_KIND_RELEASE, self.sight.block.number(command)
            self.leg(3, command.index, command.account, kind, command["amount_atoms"], reference=number)

    def _mint(self, command: Command) -> Refusal | None:
        amount, nav, total = command["amount_atoms"], self.own.vault.equity_atoms, self.own.total_shares
        if (why := self._why_not_priced()) is not None:
            return why
        if total and nav <= 0:
            return Refusal(R.REFUSAL_POOL_INSOLVENT, 1, nav)
        minted = amount * total // nav if total else amount * BOOTSTRAP
        if not minted:
            return Refusal(R.REFUSAL_NO_SHARES_MINTED, 1, 0)
        if total + minted >= TOTAL_BOUND:
            return Refusal(R.REFUSAL_VENUE_TOTAL, TOTAL_BOUND, min(total + minted, INT64_MAX))
        free_ms = self.sight.block.time_ms + self.sight.rules.vault_lock_ms
        self.own.shares.setdefault(command.account, []).append((free_ms, minted))
        self._move_vault(amount)
        self.own.high += amount
        body = L.SharesMinted(
            amount_atoms=amount, micro_shares=minted, nav_atoms=nav, total_micro_shares=total + minted
        )
        self.say(command.account, shares_minted=body)
        number = self.sight.block.number(command)
        self.leg(3, command.index, command.account, L.CROSS_LEG_KIND_MINTED, amount, reference=number)
        self.leg(3, command.index, VAULT, L.CROSS_LEG_KIND_CASH, amount, reference=number)
        self.sight.block.answer(command, DONE, reference=minted, amount=amount)
        return None

    def _redeem(self, command: Command) -> Refusal | None:
        shares, nav, total = command["micro_shares"], self.own.vault.equity_atoms, self.own.total_shares
        why = self._why_not_priced() or self._why_not_free(command.account, shares)
        if why is not None:
            return why
        amount = shares * nav // total if nav > 0 else 0
        if amount <= 0:
            return Refusal(R.REFUSAL_POOL_INSOLVENT, 1, min(nav, amount))
        initial = self.own.vault.initial_margin_atoms
        if nav - amount < initial:
            return Refusal(R.REFUSAL_VAULT_BELOW_MARGIN, initial, nav - amount)
        self.own.high -= self.own.high * shares // total
        self._burn(command.account, shares)
        self._move_vault(-amount)
        body = L.SharesRedeemed(
            amount_atoms=amount, micro_shares=shares, nav_atoms=nav, total_micro_shares=total - shares
        )
        self.say(command.account, shares_redeemed=body)
        number = self.sight.block.number(command)
        self.leg(3, command.index, command.account, L.CROSS_LEG_KIND_REDEMPTION, amount, reference=number)
        self.leg(3, command.index, VAULT, L.CROSS_LEG_KIND_CASH, -amount, reference=number)
        self.sight.block.answer(command, DONE, reference=shares, amount=amount)
        return None

    def _why_not_priced(self) -> Refusal | None:
        """The inventory stands in a market whose mark may not be used."""
        for held in self.own.vault.positions:
            mark = self.sight.block.marks[self.sight.venue, held.market]
            if usable(mark):
                continue
            if mark.state == NONE:
                return Refusal(R.REFUSAL_NO_MARK, 1, 0)
            code = {HALTED: R.REFUSAL_MARKET_HALTED, TRIPPED: R.REFUSAL_MARKET_TRIPPED}
            return Refusal(code.get(mark.state, R.REFUSAL_MARKET_REDUCE_ONLY), 0, mark.age_ms)
        return None

    def _why_not_free(self, account: int, shares: int) -> Refusal | None:
        """Enough shares, and so many of them unlocked."""
        lots, now_ms = sorted(self.own.shares.get(account, [])), self.sight.block.time_ms
        if sum(amount for _, amount in lots) < shares:
            return Refusal(R.REFUSAL_INSUFFICIENT_SHARES, shares, sum(amount for _, amount in lots))
        reached = 0
        for free_ms, amount in lots:
            reached += amount
            if reached >= shares:
                return Refusal(R.REFUSAL_SHARES_LOCKED, free_ms, now_ms) if free_ms > now_ms else None
        return None

    def _burn(self, account: int, shares: int) -> None:
        """Those first that were free first."""
        left: list[tuple[int, int]] = []
        for free_ms, amount in sorted(self.own.shares[account]):
            gone = min(shares, amount)
            shares -= gone
            if amount > gone:
                left.append((free_ms, amount - gone))
        self.own.shares[account] = left

    def _move_vault(self, amount: int) -> None:
        self.own.vault.cash_atoms += amount
        self.own.vault.equity_atoms += amount

    def publish(self) -> None:
        own = self.own
        figures = L.VaultUpdated(
            nav_marked_atoms=own.vault.equity_atoms,
            cash_atoms=own.vault.cash_atoms,
            gross_notional_atoms=own.vault.gross_notional_atoms,
            maintenance_atoms=own.vault.maintenance_atoms,
            micro_shares=own.total_shares,
            fund_atoms=own.fund,
            shortfall_atoms=own.shortfall,
            fees_atoms=own.fees,
            positions=len(own.vault.positions),
        )
        if figures != own.published:
            own.published = figures
            self.sight.say((ACCOUNT, self.sight.venue, 0, 0), 0, vault_updated=figures)


class Offered:
    """An account that goes to the vault whole: lots and requirement by market, in market order."""

    def __init__(
        self, sequence: int, account: int, equity: int, required: dict[int, int], lots: dict[int, int]
    ) -> None:
        self.sequence = sequence
        self.account = account
        self.equity = equity
        self.required = required
        self.lots = lots

    @property
    def maintenance(self) -> int:
        return sum(self.required.values())


def account_for_block(sight: Sight, moves: list[Command]) -> list[CrossLeg]:
    """M(h): dues, the high, deposits into the fund, LP moves, figures."""
    desk = Desk(sight, 0)
    desk.book_dues()
    desk.own.high = max(desk.own.high, desk.own.vault.equity_atoms)
    for command in sight.block.of("insurance_deposit"):
        if command.venue == sight.venue:
            desk.insurance(command)
    for command in sorted(moves, key=lambda command: command.index):
        desk.liquidity(command)
    desk.publish()
    desk.own.marks = {market: sight.mark(market) for market in sight.markets}
    return desk.legs
