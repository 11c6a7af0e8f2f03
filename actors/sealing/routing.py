"""Routing: the rows of a sound batch to the actor that decides them, those that are not sound refused here."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from actors.columns import RowGatherer, add_row, among, array, extend, field_names, join, kind_of, matrix, row_count
from actors.risk.mark_price import price_bound_ticks
from actors.sealing.book_rows import (
    check_amend_orders,
    check_cancel_book_orders,
    check_place_orders,
    check_set_leverage,
)
from actors.sealing.bounds import DAY_MS
from actors.sealing.changes import Changes
from actors.sealing.directory import Directory, Venue
from actors.sealing.position_rows import (
    check_change_positions,
    check_forced_closes,
    check_shortfall_repayments,
    check_takeovers,
    check_transfers,
)
from actors.sealing.rows import RowChecks, market_numbers
from actors.sinks import REGISTRY, AnswerSink, EventSink, Refused
from actors.units import BALANCE_BOUND, PRICE_BOUND
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

_MARKET, _LIMIT = common.ORDER_KIND_MARKET, common.ORDER_KIND_LIMIT
_STOP_LOSS, _TAKE_PROFIT = common.ORDER_KIND_STOP_LOSS, common.ORDER_KIND_TAKE_PROFIT


def check_open_positions(body: commands.OpenPositions, venue: Venue, lag: int) -> RowChecks:
    """TW-01, TW-02, TW-18: accounts, markets, sides, margins, leverage."""
    rules = venue.terms.twilight
    margin, leverage, limit = array(body.margin_atoms), array(body.leverage_hundredths), array(body.limit_ticks)
    is_limit = array(body.kind) == _LIMIT
    checks = RowChecks(len(margin))
    checks.known_account(array(body.account), venue)
    checks.known_market(array(body.market), venue)
    side = array(body.side)
    checks.refuse_where(np.abs(side) != 1, refusals.REFUSAL_BAD_SIDE, 1, side)
    checks.one_of(array(body.kind), (_MARKET, _LIMIT), refusals.REFUSAL_BAD_ORDER_KIND)
    checks.positive(margin)
    checks.positive(limit, is_limit)
    checks.below(margin, BALANCE_BOUND)
    checks.below(limit, PRICE_BOUND, is_limit)
    for bad, bound in (
        (leverage < rules.min_leverage_hundredths, rules.min_leverage_hundredths),
        (leverage > rules.max_leverage_hundredths, rules.max_leverage_hundredths),
    ):
        checks.refuse_where(bad, refusals.REFUSAL_LEVERAGE_OUT_OF_RANGE, bound, leverage)
    cap = rules.margin_cap_atoms
    checks.refuse_where(margin > cap, refusals.REFUSAL_ABOVE_MARGIN_CAP, cap, margin)
    checks.validator_keeps_up(lag)
    return checks


def check_close_positions(body: commands.ClosePositions, venue: Venue, _lag: int) -> RowChecks:
    """TW-14: kinds and levels."""
    kind, level = array(body.kind), array(body.level_ticks)
    checks = RowChecks(len(kind))
    checks.known_account(array(body.account), venue)
    checks.one_of(kind, (_MARKET, _LIMIT, _STOP_LOSS, _TAKE_PROFIT), refusals.REFUSAL_BAD_ORDER_KIND)
    checks.positive(level, kind != _MARKET)
    checks.below(level, PRICE_BOUND, kind != _MARKET)
    return checks


def check_cancel_orders(body: commands.CancelOrders, venue: Venue, _lag: int) -> RowChecks:
    """Kinds only: what there is to cancel the shard knows."""
    checks = RowChecks(len(body.account))
    checks.known_account(array(body.account), venue)
    checks.one_of(array(body.kind), (0, _LIMIT, _STOP_LOSS, _TAKE_PROFIT), refusals.REFUSAL_BAD_ORDER_KIND)
    return checks


def check_amounts(body: Any, venue: Venue, _lag: int) -> RowChecks:
    """Accounts and amounts of LP moves."""
    amount = array(body.micro_shares if "micro_shares" in field_names(body) else body.amount_atoms)
    checks = RowChecks(len(amount))
    checks.known_account(array(body.account), venue)
    checks.positive(amount)
    checks.below(amount, BALANCE_BOUND)
    return checks


def count_deposits(checks: RowChecks, amounts: np.ndarray, venue: Venue) -> None:
    """The venue's lifetime total, counted in command order over the rows that stand."""
    rows = checks.accepted()
    whole = venue.deposited_atoms + sum(amounts[rows].tolist())
    if whole < BALANCE_BOUND:
        venue.deposited_atoms = whole
        return
    for row in rows.tolist():
        total = venue.deposited_atoms + int(amounts[row])
        if total < BALANCE_BOUND:
            venue.deposited_atoms = total
            continue
        checks.refusal[row], checks.required[row], checks.actual[row] = refusals.REFUSAL_OVERFLOW, BALANCE_BOUND, total


def check_withdrawals(body: commands.Withdrawals, venue: Venue, lag: int) -> RowChecks:
    """Amounts; none leave while the validator is far behind."""
    checks = check_amounts(body, venue, lag)
    checks.validator_keeps_up(lag)
    return checks


def check_flags(account: Sequence[int], flag: Sequence[int], venue: Venue) -> RowChecks:
    """Accounts and a flag of 0 or 1."""
    checks = RowChecks(len(flag))
    checks.known_account(array(account), venue)
    checks.refuse_where(~among(array(flag), (0, 1)), refusals.REFUSAL_MALFORMED, 0, 0)
    return checks


def check_ticks(body: commands.Ticks, venue: Venue, _lag: int) -> RowChecks:
    """Markets, prices, times; who may publish and when the oracle knows."""
    market, price, published = array(body.market), array(body.price_ticks), array(body.published_ms)
    checks = RowChecks(len(price))
    checks.known_market(market, venue)
    checks.positive(price)
    checks.positive(published)
    checks.below(price, market_numbers(market, venue, price_bound_ticks))
    return checks


def are_sound_ticks(body: commands.Ticks, venue: Venue) -> bool:
    """Whether `check_ticks` refuses none of them. Prices come with most blocks, too few at a time for arrays."""
    for market, price, published in zip(body.market, body.price_ticks, body.published_ms, strict=True):
        listed = venue.markets.get(market)
        if listed is None or published <= 0 or not 0 < price < price_bound_ticks(listed):
            return False
    return True


# body -> (check, field of the routed message, its columns in the batch by the name the routed column has)
ROUTES: dict[str, tuple[Any, str, dict[str, str]]] = {
    "deposits": (check_amounts, "deposits", {}),
    "withdrawals": (check_withdrawals, "withdrawals", {}),
    "open_positions": (check_open_positions, "opens", {}),
    "close_positions": (check_close_positions, "closes", {}),
    "cancel_orders": (check_cancel_orders, "cancels", {}),
    "liquidity_deposits": (check_amounts, "liquidity", {"amount": "amount_atoms"}),
    "liquidity_withdrawals": (check_amounts, "liquidity", {"amount": "micro_shares"}),
    "place_orders": (check_place_orders, "orders", {}),
    "amend_orders": (check_amend_orders, "amends", {}),
    "cancel_book_orders": (check_cancel_book_orders, "book_cancels", {}),
    "set_leverage": (check_set_leverage, "leverages", {}),
    "change_positions": (check_change_positions, "changes", {}),
    "shortfall_repayments": (check_shortfall_repayments, "repayments", {}),
    "transfers": (check_transfers, "transfers", {}),
}
# What Liquidate becomes: an order pinned to a version (PE-07), or lots taken over (SP-07).
LIQUIDATION_ROUTES: dict["common.Rulebook", tuple[Callable[..., RowChecks], str, dict[str, str]]] = {
    common.RULEBOOK_PERENNIAL: (check_forced_closes, "forced_closes", {"account": "target", "liquidator": "account"}),
    common.RULEBOOK_SPIN: (check_takeovers, "takeovers", {}),
}
DIRECTIONS = {"liquidity_deposits": 1, "liquidity_withdrawals": -1}


class Router:
    """Routes the batches of one block into the registry's reply."""

    def __init__(
        self,
        directory: Directory,
        reply: batches.RegistryReply,
        changes: Changes,
        sink: EventSink,
        answers: AnswerSink,
        voided: frozenset[int],
    ) -> None:
        self._directory = directory
        self._reply = reply
        self._changes = changes
        self._sink = sink
        self._answers = answers
        self._voided = voided
        self._run: list[tuple[commands.CommandBatch, int]] = []

    def route(self, batch: commands.CommandBatch, first: int) -> None:
        """Routes one batch whose commands are numbered from `first`.

        Column batches of one kind that follow each other are read as one: single orders come in such runs, and a check
        of a column costs the same for one row as for thirty. `end` routes the last run.
        """
        kind: Any = batch.WhichOneof("body")
        if self._run and (kind, batch.venue) != (self._run[0][0].WhichOneof("body"), self._run[0][0].venue):
            self.end()
        if kind in ROUTES or kind == "liquidations":
            self._run.append((batch, first))
        else:
            getattr(self, f"_{kind}")(batch, getattr(batch, kind), first)

    def end(self) -> None:
        """Routes the run that is gathered."""
        if not self._run:
            return
        run, self._run = self._run, []
        kind: Any = run[0][0].WhichOneof("body")
        bodies = [getattr(batch, kind) for batch, _ in run]
        numbers = [np.arange(first, first + row_count(body)) for (_, first), body in zip(run, bodies, strict=True)]
        body = bodies[0] if len(bodies) == 1 else join(type(bodies[0])(), bodies)
        self._columns(kind, run[0][0].venue, RowGatherer(type(body), matrix(body)), np.concatenate(numbers))

    def _void(self, checks: RowChecks, numbers: np.ndarray) -> None:
        """A voided command has no effect, so it is struck out before anything is counted."""
        for row in np.flatnonzero(np.isin(numbers, sorted(self._voided))).tolist() if self._voided else ():
            checks.refusal[row], checks.required[row], checks.actual[row] = refusals.REFUSAL_VOIDED, 0, 0

    def _stand(self, checks: RowChecks, venue: int, first: int, accounts: Sequence[int] | None = None) -> np.ndarray:
        """Strikes out what is voided, answers the rows refused; returns those that stand, numbered from `first`."""
        numbers = np.arange(first, first + len(checks.refusal))
        self._void(checks, numbers)
        return self._checked(checks, venue, numbers, accounts)

    def _checked(
        self, checks: RowChecks, venue: int, numbers: np.ndarray, accounts: Sequence[int] | None
    ) -> np.ndarray:
        """Answers the rows the checks refused; returns those that stand."""
        refused = checks.refused()
        if len(refused):
            command, nothing = numbers[refused], np.zeros(len(refused), dtype=np.int64)
            account = nothing if accounts is None else np.maximum(array(accounts)[refused], 0)
            why = (checks.refusal[refused], checks.required[refused], checks.actual[refused])
            keys = np.stack((np.full(len(refused), REGISTRY), command, nothing, nothing))
            self._answers.refuse_rows(keys, command, *why, venue=venue, market=nothing, account=account)
        return checks.accepted()

    def _columns(self, kind: str, venue_number: int, body: RowGatherer[Any], numbers: np.ndarray) -> None:
        """Checks a run of rows and hands those that stand on, column by column."""
        venue = self._directory.venues[venue_number]
        route = LIQUIDATION_ROUTES[venue.terms.rulebook] if kind == "liquidations" else ROUTES[kind]
        check, target_name, names = route
        target = getattr(self._reply.commands, target_name)
        checks = check(body, venue, self._directory.validator_lag(self._reply.height))
        self._void(checks, numbers)
        if kind_of(body) is commands.Deposits:
            count_deposits(checks, array(body.amount_atoms), venue)
        keep = self._checked(checks, venue_number, numbers, body.account)
        given: dict[str, Any] = dict(zip(field_names(body), body.matrix(), strict=True))
        given |= {"command": numbers, "venue": venue_number, "direction": DIRECTIONS.get(kind)}
        routed = np.empty((len(field_names(target)), len(keep)), dtype=np.int64)
        for row, field in enumerate(field_names(target)):
            column = given[names.get(field, field)]
            is_whole = len(keep) == len(numbers) or isinstance(column, int)
            routed[row] = column if is_whole else column[keep]
        extend(target, routed)

    def _open_accounts(self, batch: commands.CommandBatch, body: commands.OpenAccounts, first: int) -> None:
        venue = self._directory.venues[batch.venue]
        checks = RowChecks(body.count)
        keep = self._stand(checks, batch.venue, first)
        numbers = np.arange(venue.next_account, venue.next_account + len(keep))
        nothing = np.zeros(len(keep), dtype=np.int64)
        extend(self._reply.commands.opened, np.stack((keep + first, nothing + batch.venue, numbers, nothing)))
        venue.next_account += len(keep)

    def _open_subaccounts(self, batch: commands.CommandBatch, body: commands.OpenSubaccounts, first: int) -> None:
        """Accounts as any others, whose owner only the registry knows; a subaccount's is its owner's (SP-01)."""
        venue = self._directory.venues[batch.venue]
        checks = RowChecks(len(body.owner))
        checks.known_account(array(body.owner), venue)
        for row in self._stand(checks, batch.venue, first, body.owner).tolist():
            account, owner = venue.next_account, venue.owner_of(body.owner[row])
            venue.next_account, venue.owners[account] = account + 1, owner
            add_row(self._reply.commands.opened, first + row, batch.venue, account, owner)
            told = events.SubaccountOpened(owner=owner)
            event = events.Event(venue=batch.venue, account=account, subaccount_opened=told)
            self._sink.emit((REGISTRY, first + row, batch.venue, 0), event)

    def _withdrawal_decisions(
        self, batch: commands.CommandBatch, body: commands.WithdrawalDecisions, first: int
    ) -> None:
        venue = self._directory.venues[batch.venue]
        checks = check_flags(body.account, body.confirm, venue)
        height = array(body.withdrawal) >> 20
        validated = self._directory.validated_height
        too_early = (array(body.confirm) == 1) & (height > validated)
        checks.refuse_where(too_early, refusals.REFUSAL_NOT_VALIDATED, height, validated)
        for row in self._stand(checks, batch.venue, first, body.account).tolist():
            decision = (batch.venue, body.account[row], body.withdrawal[row], body.confirm[row])
            add_row(self._reply.commands.decisions, first + row, *decision)

    def _freeze_accounts(self, batch: commands.CommandBatch, body: commands.FreezeAccounts, first: int) -> None:
        checks = check_flags(body.account, body.frozen, self._directory.venues[batch.venue])
        for row in self._stand(checks, batch.venue, first, body.account).tolist():
            add_row(self._reply.commands.freezes, first + row, batch.venue, body.account[row], body.frozen[row])

    def _cancel_all_after(self, batch: commands.CommandBatch, body: commands.CancelAllAfter, first: int) -> None:
        after = array(body.after_ms)
        checks = RowChecks(len(after))
        checks.known_account(array(body.account), self._directory.venues[batch.venue])
        checks.refuse_where(after < 0, refusals.REFUSAL_NOT_POSITIVE, 0, after)
        checks.below(after, DAY_MS + 1)
        for row in self._stand(checks, batch.venue, first, body.account).tolist():
            account, after_ms = body.account[row], body.after_ms[row]
            deadline = self._directory.block_time_ms + after_ms if after_ms else 0
            if deadline:
                self._directory.dead_men[batch.venue, account] = deadline
            else:
                self._directory.dead_men.pop((batch.venue, account), None)
            event = events.Event(
                venue=batch.venue, account=account, cancel_all_armed=events.CancelAllArmed(deadline_ms=deadline)
            )
            self._sink.emit((REGISTRY, first + row, batch.venue, 0), event)
            self._answers.answer(first + row, common.OUTCOME_STATUS_DONE, reference=account)

    def _insurance_deposit(self, batch: commands.CommandBatch, body: commands.InsuranceDeposit, first: int) -> None:
        """On to the backstop, which answers; counted with the venue's deposits, whose bound covers all money in it."""
        venue, amount = self._directory.venues[batch.venue], array([body.amount_atoms])
        checks = RowChecks(1)
        checks.positive(amount)
        checks.below(amount, BALANCE_BOUND)
        self._void(checks, array([first]))
        count_deposits(checks, amount, venue)
        if len(self._checked(checks, batch.venue, array([first]), None)):
            add_row(self._reply.insurance, first, batch.venue, body.amount_atoms)

    def _ticks(self, batch: commands.CommandBatch, body: commands.Ticks, first: int) -> None:
        venue = self._directory.venues[batch.venue]
        ticks, count = self._reply.ticks, len(body.market)
        if not self._voided and are_sound_ticks(body, venue):
            ticks.command.extend(range(first, first + count))
            ticks.venue.extend([batch.venue] * count)
            for name in ("market", "publisher", "price_ticks", "published_ms"):
                getattr(ticks, name).extend(getattr(body, name))
            return
        for row in self._stand(check_ticks(body, venue, 0), batch.venue, first, None).tolist():
            tick = (body.market[row], body.publisher[row], body.price_ticks[row], body.published_ms[row])
            add_row(ticks, first + row, batch.venue, *tick)

    def _create_venue(self, batch: commands.CommandBatch, body: commands.CreateVenue, first: int) -> None:
        self._single(batch, first, lambda: self._changes.create_venue(first, body))

    def _create_market(self, batch: commands.CommandBatch, body: commands.CreateMarket, first: int) -> None:
        self._single(batch, first, lambda: self._changes.create_market(first, batch.venue, body))

    def _set_parameters(self, batch: commands.CommandBatch, body: commands.SetParameters, first: int) -> None:
        self._single(batch, first, lambda: self._changes.set_parameters(first, batch.venue, body))

    def _halt_market(self, batch: commands.CommandBatch, body: commands.HaltMarket, first: int) -> None:
        self._single(batch, first, lambda: self._changes.halt_market(first, batch.venue, body))

    def _validator_progress(self, batch: commands.CommandBatch, body: commands.ValidatorProgress, first: int) -> None:
        self._single(batch, first, lambda: self._advance_validator(body, first))

    def _void_command(self, batch: commands.CommandBatch, body: commands.VoidCommand, first: int) -> None:
        self._single(batch, first, lambda: self._note_void(body, first))

    def _single(self, batch: commands.CommandBatch, command: int, change: Any) -> None:
        checks = RowChecks(1)
        if not len(self._stand(checks, batch.venue, command)):
            return
        result = change()
        if isinstance(result, Refused):
            self._answers.refuse((REGISTRY, command, 0, 0), command, result, batch.venue)
        else:
            self._answers.answer(command, common.OUTCOME_STATUS_DONE, reference=result)

    def _advance_validator(self, body: commands.ValidatorProgress, command: int) -> Refused | int:
        directory = self._directory
        if not directory.validated_height <= body.validated_height < self._reply.height:
            return Refused(refusals.REFUSAL_MALFORMED, 0, 0)
        directory.validated_height, directory.has_validator = body.validated_height, True
        told = events.ValidatorAdvanced(validated_height=body.validated_height)
        self._sink.emit((REGISTRY, command, 0, 0), events.Event(validator_advanced=told))
        return int(body.validated_height)

    def _note_void(self, body: commands.VoidCommand, command: int) -> int:
        told = events.CommandVoided(voided_height=body.height, voided_index=body.index)
        self._sink.emit((REGISTRY, command, 0, 0), events.Event(command_voided=told))
        return int(body.height)
