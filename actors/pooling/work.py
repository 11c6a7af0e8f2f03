"""One block's work at the pool: what comes in, what it decides, and the legs it leaves in the outbox."""

from collections.abc import Iterable, Sequence
from typing import Any

from actors.columns import RowGatherer, matrix, row_count, rows
from actors.pooling.opens import OpenTerms, open_terms, why_not_open
from actors.pooling.runs import FEW_ROWS, OPENS, PAYOUTS, TRIGGER_CLASS, Says, run_closes, run_opens, runs_by_columns
from actors.pooling.state import Claim, PoolBook
from actors.risk.tradable import why_not_tradable
from actors.rulebooks import twilight
from actors.sinks import ACCOUNT, DESK, FUND, NO_COMMAND, AnswerSink, EventSink, Refused
from actors.units import INT64_MAX, TOTAL_BOUND
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

CLAIMS, LIQUIDITY = 2, 3


class Desk:
    """Works through the columns of one call; `_count` numbers what it does within the block."""

    def __init__(self, book: PoolBook, sink: EventSink, answers: AnswerSink, height: int, way: Way) -> None:
        self._book = book
        self._sink = sink
        self._answers = answers
        self._height = height
        self._count = 0
        self._way = way
        self.legs = RowGatherer(batches.Legs)
        self._says = Says(sink, answers, self.legs)

    def _goes_by_columns(self, count: int) -> bool:
        return not self._way.trades_by_row and count >= FEW_ROWS and runs_by_columns(self._book)

    def fund(self, nets: batches.FundingNets) -> None:
        """TW-08, TW-09: funding enters NAV when applied. Nets of all shards, summed a market."""
        book = self._book
        by_market: dict[tuple[int, int, int], int] = {}
        for venue, market, net, rate, boundary in rows(nets):
            if venue == book.venue:
                key = (market, rate, boundary)
                by_market[key] = by_market.get(key, 0) + net
        for (market, rate, boundary), net in sorted(by_market.items()):
            long_size, short_size = book.sizes(market)
            book.rates_e9[market] = rate
            book.funding_atoms += net
            book.trader_margin_atoms -= net
            body = events.FundingApplied(
                rate_e9=rate,
                boundary_ms=boundary,
                mark=self._stamp(market),
                net_atoms=net,
                total_long=long_size,
                total_short=short_size,
            )
            event = events.Event(venue=book.venue, market=market, funding_applied=body)
            self._sink.emit((FUND, book.venue << 32 | market, -1, 0), event)
            self._move(net)

    def seize(self, seizures: batches.Seizures) -> None:
        """TW-11: the pool receives exactly the margin still held; the deficit is recorded."""
        for row in rows(seizures):
            _, _, market, _, _, side, size, entry_value, margin_held, deficit = row
            self._book.count_position(market, side, size, entry_value, margin_held, -1)
            self._book.deficit_atoms += deficit
            self._move(margin_held)

    def close(self, closes: batches.CloseOps) -> None:
        """TW-15: settlement; the shard's numbers are final, the pool says what of a profit it can pay."""
        left: Iterable[Sequence[Any]] = rows(closes)
        if self._goes_by_columns(row_count(closes)):
            columns = matrix(closes)
            made, self._count = run_closes(self._book, columns, self._count, self._says)
            left = columns[:, made:].T.tolist()
        for row in left:
            (_, _, position, command, _, market, account, side, kind, status, entry_ticks, entry_value, size) = row[:13]
            initial_margin, margin_held, upnl, fee, payout, deficit = row[13:]
            book = self._book
            book.count_position(market, side, size, entry_value, margin_held, -1)
            book.deficit_atoms += deficit
            book.fees_atoms += fee
            claim = 0
            if status == common.OUTCOME_STATUS_FILLED:
                claim = book.outflow(payout - margin_held) if payout > margin_held else 0
                body = events.PositionClosed(
                    position=position,
                    side=_side(side),
                    kind=kind,
                    mark=self._stamp(market),
                    entry_ticks=entry_ticks,
                    entry_value_atoms=entry_value,
                    position_size=size,
                    initial_margin_atoms=initial_margin,
                    margin_held_atoms=margin_held,
                    upnl_atoms=upnl,
                    fee_atoms=fee,
                    payment_atoms=payout - initial_margin,
                    payout_atoms=payout,
                    claim_atoms=claim,
                    parameters_version=book.terms.version,
                )
                self._emit(market, account, position_closed=body)
                self._leg(PAYOUTS, command, account, events.LEG_KIND_PAYOUT, free=payout - claim, reference=position)
            if claim:
                self._record_claim(market, account, position, claim)
            if margin_held > payout or status != common.OUTCOME_STATUS_FILLED:
                self._move(margin_held - payout)
            if command != NO_COMMAND:
                mark = book.marks[market].mark_ticks
                self._answers.answer(command, status, position, mark, payout - claim)

    def _record_claim(self, market: int, account: int, position: int, amount: int) -> None:
        """TW-15a: the pool pays profit only while its TVL > 0."""
        self._book.claims.append(Claim(account, position, amount))
        self._book.claims_atoms += amount
        body = events.ClaimRecorded(position=position, amount_atoms=amount)
        self._emit(market, account, claim_recorded=body)

    def move_liquidity(self, moves: batches.LiquidityOps) -> None:
        """TW-16 to TW-18: after the closes and liquidations, before the opens."""
        for command, _, account, direction, amount in rows(moves):
            refused = (self._mint if direction > 0 else self._redeem)(command, account, amount)
            if refused:
                self._count += 1
                key = (DESK, self._book.venue, self._count, 0)
                self._answers.refuse(key, command, refused, self._book.venue, account=account)
                if direction > 0:
                    move = self._reference(command)
                    self._leg(LIQUIDITY, command, account, events.LEG_KIND_RELEASE, amount, -amount, reference=move)

    def _why_not_move(self) -> Refused | None:
        """`safe` prices shares at the mark, so a mark that may not be acted on prices none."""
        market = self._book.untradable_market() if self._book.terms.twilight.price_shares_marked else None
        if market is None:
            return None
        return why_not_tradable(self._book.marks[market], self._book.halt_age_ms.get(market, 0))

    def _mint(self, command: int, account: int, amount: int) -> Refused | None:
        book = self._book
        basis = book.mint_basis_atoms()
        refused = self._why_not_move()
        if refused:
            return refused
        if book.total_shares and basis <= 0:
            return Refused(refusals.REFUSAL_POOL_INSOLVENT, 1, basis)
        minted = twilight.mint_shares_floor(amount, book.total_shares, basis)
        if not minted:
            return Refused(refusals.REFUSAL_NO_SHARES_MINTED, 1, 0)
        if book.total_shares + minted >= TOTAL_BOUND:
            return Refused(refusals.REFUSAL_VENUE_TOTAL, TOTAL_BOUND, min(book.total_shares + minted, INT64_MAX))
        book.shares[account] = book.shares.get(account, 0) + minted
        book.total_shares += minted
        body = events.SharesMinted(
            amount_atoms=amount, micro_shares=minted, nav_atoms=basis, total_micro_shares=book.total_shares
        )
        self._emit(0, account, shares_minted=body)
        self._leg(LIQUIDITY, command, account, events.LEG_KIND_MINTED, held=-amount, reference=self._reference(command))
        self._answers.answer(command, common.OUTCOME_STATUS_DONE, minted, amount_atoms=amount)
        self._move(amount)
        return None

    def _redeem(self, command: int, account: int, shares: int) -> Refused | None:
        book = self._book
        if book.claims_atoms:
            return Refused(refusals.REFUSAL_CLAIMS_OUTSTANDING, 0, book.claims_atoms)
        refused = self._why_not_move()
        if refused:
            return refused
        held = book.shares.get(account, 0)
        if held < shares:
            return Refused(refusals.REFUSAL_INSUFFICIENT_SHARES, shares, held)
        basis = book.redeem_basis_atoms()
        amount = twilight.redeem_floor_atoms(shares, book.total_shares, basis)
        if amount <= 0:
            return Refused(refusals.REFUSAL_POOL_INSOLVENT, 1, basis if basis <= 0 else amount)
        limit = twilight.withdrawable_atoms(book.nav_atoms, book.trader_margin_atoms)
        if amount > limit:
            return Refused(refusals.REFUSAL_WITHDRAWAL_LIMIT, amount, limit)
        book.nav_atoms -= amount
        book.total_shares -= shares
        book.shares[account] = held - shares
        if held == shares:
            del book.shares[account]
        body = events.SharesRedeemed(
            amount_atoms=amount, micro_shares=shares, nav_atoms=basis, total_micro_shares=book.total_shares
        )
        self._emit(0, account, shares_redeemed=body)
        self._leg(LIQUIDITY, command, account, events.LEG_KIND_REDEMPTION, amount, reference=self._reference(command))
        self._answers.answer(command, common.OUTCOME_STATUS_DONE, shares, amount_atoms=amount)
        return None

    def open(self, opens: batches.OpenOps) -> None:
        """TW-17, TW-19: what needs the pool's exact totals; the fee enters NAV at the fill (TW-09)."""
        left: Iterable[Sequence[Any]] = rows(opens)
        if self._goes_by_columns(row_count(opens)):
            columns = matrix(opens)
            made, self._count = run_opens(self._book, columns, self._count, self._says)
            left = columns[:, made:].T.tolist()
        for row in left:
            work_class, _, order, command, _, market, account, side, kind, margin, leverage, fee_rate = row
            terms = open_terms(self._book.marks[market].mark_ticks, margin, leverage, fee_rate)
            refused = why_not_open(self._book, market, side, terms)
            if refused:
                self._refuse_open(work_class, order, command, market, account, margin, refused)
            else:
                self._fill(order, command, market, account, side, kind, margin, leverage, terms)

    def _fill(
        self,
        order: int,
        command: int,
        market: int,
        account: int,
        side: int,
        kind: "common.OrderKind",
        margin: int,
        leverage: int,
        terms: OpenTerms,
    ) -> None:
        book = self._book
        book.count_position(market, side, terms.position_size, terms.entry_value_atoms, terms.margin_held_atoms, 1)
        book.fees_atoms += terms.fee_atoms
        body = events.PositionOpened(
            position=order,
            side=_side(side),
            kind=kind,
            mark=self._stamp(market),
            initial_margin_atoms=margin,
            leverage_hundredths=leverage,
            entry_value_atoms=terms.entry_value_atoms,
            position_size=terms.position_size,
            fee_atoms=terms.fee_atoms,
            parameters_version=book.terms.version,
        )
        self._emit(market, account, position_opened=body)
        opened = (market, side, terms.entry_ticks, margin, leverage)
        self._leg(
            OPENS,
            command,
            account,
            events.LEG_KIND_OPENED,
            held=-margin,
            margin=terms.margin_held_atoms,
            reference=order,
            opened=opened,
        )
        if command != NO_COMMAND:
            self._answers.answer(command, common.OUTCOME_STATUS_FILLED, order, terms.entry_ticks, margin)
        self._move(terms.fee_atoms)

    def _refuse_open(
        self, work_class: int, order: int, command: int, market: int, account: int, margin: int, refused: Refused
    ) -> None:
        self._leg(OPENS, command, account, events.LEG_KIND_RELEASE, free=margin, held=-margin, reference=order)
        if work_class == TRIGGER_CLASS:
            body = events.OrderCancelled(
                order=order,
                released_atoms=margin,
                refusal=refused.refusal,
                required=refused.required,
                actual=refused.actual,
            )
            self._emit(market, account, order_cancelled=body)
            return
        self._count += 1
        key = (DESK, self._book.venue, self._count, 0)
        self._answers.refuse(key, command, refused, self._book.venue, market, account)

    def publish(self) -> None:
        """Accounts for the block, where its figures differ from the last."""
        figures = self._book.figures()
        if figures != self._book.published:
            self._book.published = figures
            event = events.Event(venue=self._book.venue, pool_updated=figures)
            self._sink.emit((ACCOUNT, self._book.venue, 0, 0), event)

    def _move(self, amount: int) -> None:
        """An inflow pays shortfall and claims first; a negative one is owed by NAV, and by the shortfall beyond it."""
        if amount < 0:
            self._book.shortfall_atoms += self._book.outflow(-amount)
            return
        paid = self._book.inflow(amount)
        outstanding = self._book.claims_atoms + sum(claim.amount_atoms for claim in paid)
        for claim in paid:
            outstanding -= claim.amount_atoms
            body = events.ClaimPaid(
                position=claim.position, amount_atoms=claim.amount_atoms, outstanding_atoms=outstanding
            )
            self._emit(0, claim.account, claim_paid=body)
            self._leg(
                CLAIMS,
                NO_COMMAND,
                claim.account,
                events.LEG_KIND_CLAIM,
                free=claim.amount_atoms,
                reference=claim.position,
            )

    def _reference(self, command: int) -> int:
        """What an LP move is known by."""
        return self._height << 20 | command

    def _stamp(self, market: int) -> events.MarkStamp:
        mark = self._book.marks[market]
        return events.MarkStamp(mark_ticks=mark.mark_ticks, version=mark.version, age_ms=mark.age_ms)

    def _emit(self, market: int, account: int, **body: object) -> None:
        self._count += 1
        event = events.Event(venue=self._book.venue, market=market, account=account, **body)  # type: ignore[arg-type]
        self._sink.emit((DESK, self._book.venue, self._count, 0), event)

    def _leg(
        self,
        leg_class: int,
        command: int,
        account: int,
        kind: int,
        free: int = 0,
        held: int = 0,
        margin: int = 0,
        reference: int = 0,
        opened: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0),
    ) -> None:
        self._count += 1
        head = (leg_class, command, self._count, self._book.venue, account, kind, free, held, margin, reference)
        self.legs.add(*head, *opened)


def _side(side: int) -> "common.Side":
    return common.SIDE_LONG if side > 0 else common.SIDE_SHORT
