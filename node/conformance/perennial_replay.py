"""One scenario of the contracts on our actors, step by step, as lazily as the contracts settled.

A version nobody settled anything at before the next one came was none for the contracts: what is refused meanwhile is
asked of a copy that has seen the price. An account the contract rounded at an empty order of its own is rounded too.
"""

from typing import Any

from node.conformance.case import CaseResult, Checks, MalformedCase, not_applicable
from node.conformance.perennial_compare import Comparison
from node.conformance.perennial_rules import rules_of
from node.conformance.perennial_rulings import (
    REWARD,
    Drift,
    FileState,
    Played,
    reward_limit_atoms,
    rule_acceptance,
    rule_by_drift,
    rule_refusal,
)
from node.conformance.perennial_stage import EVERYTHING, KEPT, Answer, Stage, Standing
from node.conformance.perennial_steps import Advance, Parameter, Price, Step, Times, Update, changed_rules

APART = "{}: follows from a state that the ruling made another"
EAGER = "PE-05: settlement is eager here, it is no command that could be refused"


class Replay:
    """A scenario as it goes on. Raises perennial_stage.Refused where its market cannot be made."""

    def __init__(self, scenario: dict[str, Any], steps: list[Step], times: Times, exact: bool) -> None:
        self._scenario, self._steps, self._times, self._exact = scenario, steps, times, exact
        self._rules = rules_of(scenario)
        self._numbers = _numbers(steps)
        first = steps[0]
        if not isinstance(first, Price):
            raise MalformedCase("a scenario begins with a price")
        start_ms = times.ms(first.time_s)
        self._stage = Stage(self._rules, len(self._numbers), times.width_ms, start_ms, exact)
        self._drift = Drift()
        self._file = FileState(None)
        self._current_s = first.current_s
        # By slot, accounts that have an order there in the contract only, an empty one.
        self._empty: dict[int, set[str]] = {}
        self._unseen: Price | None = None
        # Why what follows is from another state than the file's.
        self._apart = ""

    def take(self, place: int) -> None:
        """A step that is no case: a price, a later slot, other parameters."""
        step = self._steps[place]
        if isinstance(step, Parameter):
            self._scenario, self._rules = changed_rules(self._scenario, step.fields)
            self._stage.set_rules(self._rules)
        elif isinstance(step, Advance):
            self._pin_to(self._stage, step.current_s)
        elif isinstance(step, Price):
            self._price(place, step)

    def play(self, place: int, name: str) -> CaseResult:
        """An update: asked, answered, compared."""
        step = self._steps[place]
        assert isinstance(step, Update), f"step {place} is no update"
        if self._apart:
            return not_applicable(name, self._apart)
        if step.is_settle and not step.accepted:
            return not_applicable(name, EAGER)
        checks = Checks(name)
        played = self._ask(step)
        tag = "" if self._exact else self._rule(played, checks)
        if tag:
            checks.deviates(tag, "accepted", played.answer.told, step.accepted)
        elif played.answer.accepted != step.accepted:
            checks.equal("accepted", played.answer.told, step.accepted)
        if step.accepted:
            self._follow(step)
            if not self._apart:
                Comparison(checks, self._drift, self._times, tag).state(self._stage, self._numbers, step.state)
        self._file = FileState(step.state)
        return checks.result()

    def _price(self, place: int, price: Price) -> None:
        slot_ms = self._times.ms(price.time_s)
        if place and not self._is_seen(place) and slot_ms not in {*self._stage.market().requested_ms, *self._empty}:
            self._unseen = price
            self._pin_to(self._stage, price.current_s)
            return
        self._unseen = None
        self._stage.publish(slot_ms, price.price_ticks)
        for name in sorted(self._empty.pop(slot_ms, ())):
            self._stage.realise(self._numbers[name])
        self._pin_to(self._stage, price.current_s)

    def _is_seen(self, place: int) -> bool:
        """Whether anybody settles after this price and before the next."""
        for step in self._steps[place + 1 :]:
            if isinstance(step, Price):
                return False
            if isinstance(step, Update) and step.accepted:
                return True
        return False

    def _pin_to(self, stage: Stage, current_s: int) -> None:
        self._current_s = current_s
        stage.pin_to(self._times.ms(current_s))

    def _ask(self, step: Update) -> Played:
        """What becomes of an update; a copy tells where the contract never kept the version it was asked at."""
        stage = self._stage
        if self._unseen:
            stage = stage.copy()
            stage.publish(self._times.ms(self._unseen.time_s), self._unseen.price_ticks)
        number = self._numbers[step.account]
        before, price_ticks = stage.standing(number), stage.market().record.price_ticks
        answer = self._send(stage, step, before)
        if self._unseen and answer.accepted:
            self._send(self._stage, step, self._stage.standing(number))
        return Played(step, answer, before, stage.standing(number), self._file, price_ticks)

    def _send(self, stage: Stage, step: Update, before: Standing) -> Answer:
        """The command that says what the call said. Restated sizes are kept ones: the contract had no other way.

        Who calls for another account repays its debt or liquidates it; no command says anything else.
        """
        sender, account = self._numbers[step.sender], self._numbers[step.account]
        target = tuple(old if new is None else new for old, new in zip(before.target, step.sizes, strict=True))
        amount_atoms = -before.collateral_atoms if step.collateral_atoms is None else step.collateral_atoms
        if step.liquidates(before.locked_ms > 0):
            if any(target) or amount_atoms > 0:
                return Answer("NO_SUCH_LIQUIDATION")
            return self._liquidate(stage, sender, account, -amount_atoms)
        if sender != account:
            if target == tuple(before.target) and amount_atoms > 0:
                return stage.repay(sender, account, amount_atoms)
            return Answer("NOT_THE_OWNER")
        sizes = [KEPT if size is None else size for size in step.sizes]
        maker, long, short = [KEPT] * 3 if target == tuple(before.target) else sizes
        everything = step.collateral_atoms is None and amount_atoms <= 0
        return stage.change(account, (maker, long, short), EVERYTHING if everything else amount_atoms)

    @staticmethod
    def _liquidate(stage: Stage, sender: int, account: int, reward_atoms: int) -> Answer:
        answer = stage.liquidate(sender, account, reward_atoms)
        if answer.accepted and not reward_atoms:
            stage.realise(account)
        return answer

    def _rule(self, played: Played, checks: Checks) -> str:
        """The rule by which ours decides otherwise; empty where it does not, or where no rule says so."""
        step, answer = played.update, played.answer
        if answer.accepted == step.accepted:
            self._take_out_drift(step, answer)
            return ""
        if answer.refusal == "REWARD_ABOVE_LIMIT":
            return self._cap_reward(played, checks)
        tag = (
            rule_refusal(played, self._drift, checks)
            if step.accepted
            else rule_acceptance(played, self._drift, self._rules, checks)
        )
        tag = tag or rule_by_drift(played, self._drift, self._rules)
        if tag and (played.liquidates or played.moves_size):
            self._apart = APART.format(tag)
        elif tag and step.accepted:
            self._stage.realise(self._numbers[step.account])
        elif tag:
            self._drift.note_rounding(step.account)
        return tag

    def _take_out_drift(self, step: Update, answer: Answer) -> None:
        """Who takes everything out takes out what rulings left it too."""
        if answer.accepted and step.collateral_atoms is None:
            for tag, more_atoms in self._drift.collateral(step.account).items():
                self._drift.move(tag, step.account, step.account, -more_atoms)

    def _cap_reward(self, played: Played, checks: Checks) -> str:
        """PE-09: what was asked for is too much; the most there may be is paid instead."""
        step = played.update
        sender, account = self._numbers[step.sender], self._numbers[step.account]
        limit_atoms = played.answer.required
        again = self._liquidate(self._stage, sender, account, limit_atoms)
        checks.equal("capped reward accepted", again.told, True)
        closing_fees_atoms = self._stage.standing(account).pending_fees_atoms
        checks.equal(
            "reward limit", limit_atoms, reward_limit_atoms(played, self._drift, self._rules, closing_fees_atoms)
        )
        asked_atoms = -(step.collateral_atoms or 0)
        self._drift.move(REWARD, step.sender, step.account, asked_atoms - limit_atoms)
        return REWARD

    def _follow(self, step: Update) -> None:
        """Notes where the contract has an order and ours has none."""
        slot_ms = self._times.ms(self._current_s)
        if slot_ms not in self._stage.standing(self._numbers[step.account]).fees_by_slot:
            self._empty.setdefault(slot_ms, set()).add(step.account)


def _numbers(steps: list[Step]) -> dict[str, int]:
    """Everybody a scenario names, from 1, in the order of their names."""
    names: set[str] = set()
    for step in steps:
        if isinstance(step, Update):
            names |= {step.sender, step.account, *step.state.row("accounts").content}
    return {name: number for number, name in enumerate(sorted(names), 1)}
