"""Where our rulings part from the contracts: what they make of a step, in money, so that what follows is known.

A ruling refuses what the contract took, or takes what it refused: the money it moved, or did not, is the difference
that accounts and market carry from then on. Every ruled number is worked out here from the file's and the rulebook.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from actors.rulebooks import perennial
from actors.rulebooks.perennial import Totals
from node.conformance.case import Checks, Row
from node.conformance.perennial_rules import Rules, millionths
from node.conformance.perennial_stage import Answer, Standing
from node.conformance.perennial_steps import Update

LOCK, REWARD, SHORTFALL = "PE-08", "PE-09", "PE-17"


@dataclass
class Drift:
    """What ours have more than the file's: collateral and wallets, by account and the rule that made it so."""

    _collateral: dict[str, dict[str, int]] = field(default_factory=dict)
    _wallets: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def balance_atoms(self) -> int:
        """The market has what wallets have not."""
        return -sum(sum(by_tag.values()) for by_tag in self._wallets.values())

    @property
    def tags(self) -> list[str]:
        """All rules by which the market's balance is another, or was."""
        return sorted({tag for by_tag in self._collateral.values() for tag in by_tag})

    def collateral(self, account: str) -> dict[str, int]:
        """What an account's collateral has more, by rule, atoms."""
        return {tag: atoms for tag, atoms in self._collateral.get(account, {}).items() if atoms}

    def collateral_atoms(self, account: str) -> int:
        """The sum of it."""
        return sum(self.collateral(account).values())

    def wallet(self, account: str) -> dict[str, int]:
        """What a wallet has more, by rule, atoms."""
        return {tag: atoms for tag, atoms in self._wallets.get(account, {}).items() if atoms}

    def move(self, tag: str, sender: str, account: str, amount_atoms: int) -> None:
        """Ours moved this much more from a sender's wallet to an account's collateral."""
        for ledger, name, atoms in ((self._collateral, account, amount_atoms), (self._wallets, sender, -amount_atoms)):
            by_tag = ledger.setdefault(name, {})
            by_tag[tag] = by_tag.get(tag, 0) + atoms


class FileState(NamedTuple):
    """What the file says of a state, atoms; nothing before its first."""

    row: Row | None

    @property
    def balance_atoms(self) -> int:
        """The market's tokens."""
        return millionths(self.row, "market_token_balance") if self.row else 0

    def of(self, account: str, name: str) -> int:
        """A number of an account; 0 where the file does not know it."""
        accounts = self.row.row("accounts") if self.row else None
        if accounts is None or account not in accounts.content:
            return 0
        return millionths(accounts.row(account), name)


class Played(NamedTuple):
    """A step that was taken: what was asked and answered, and how the account stood before and after."""

    update: Update
    answer: Answer
    before: Standing
    after: Standing
    file_before: FileState
    price_ticks: int

    @property
    def file_moved_atoms(self) -> int:
        """What the contract took from the sender's wallet."""
        sender, after = self.update.sender, FileState(self.update.state)
        return self.file_before.of(sender, "wallet_delta") - after.of(sender, "wallet_delta")

    def requirement_atoms(self, rules: Rules, *positions: Totals) -> int:
        """The largest requirement of these positions (PE-01)."""
        size_lots = max(position.magnitude_lots for position in positions)
        risk = rules.risk
        return perennial.requirement_floor_atoms(
            size_lots, self.price_ticks, risk.maintenance_ppm, risk.min_maintenance_atoms
        )


def reward_limit_atoms(played: Played, drift: Drift, rules: Rules, closing_fees_atoms: int) -> int:
    """The most PE-09 lets the liquidator of this step ask for, from the collateral the file gives."""
    update, risk = played.update, rules.risk
    asked_atoms = -(update.collateral_atoms or 0)
    file_after = FileState(update.state).of(update.account, "collateral")
    collateral_atoms = file_after + asked_atoms + drift.collateral_atoms(update.account)
    fee_atoms = perennial.liquidation_fee_floor_atoms(
        played.requirement_atoms(rules, played.before.settled),
        risk.liquidation_fee_ppm,
        risk.min_liquidation_fee_atoms,
        risk.max_liquidation_fee_atoms,
    )
    limit_atoms = perennial.reward_limit_atoms(fee_atoms, collateral_atoms, closing_fees_atoms)
    return min(limit_atoms, played.file_before.balance_atoms + drift.balance_atoms)


def rule_refusal(played: Played, drift: Drift, checks: Checks) -> str:
    """The rule by which ours refuses what the contract took, its numbers checked; empty where there is none."""
    update, answer = played.update, played.answer
    moved_atoms = played.file_moved_atoms
    if answer.refusal == "COLLATERAL_LOCKED" and played.before.locked_ms and moved_atoms < 0:
        checks.equal("locked until", answer.required, played.before.locked_ms)
        tag = LOCK
    elif answer.refusal == "INSUFFICIENT_MARKET_FUNDS" and moved_atoms < 0:
        funds_atoms = played.file_before.balance_atoms + drift.balance_atoms
        checks.equal("funds of the market", answer.actual, funds_atoms)
        checks.equal("wanted beyond the funds", answer.required > funds_atoms, True)
        tag = SHORTFALL
    elif answer.refusal == "NOTHING_TO_REPAY" and moved_atoms > 0:
        checks.equal("debt", answer.required, _debt_atoms(played, drift))
        checks.equal("repaid beyond the debt", moved_atoms > answer.required, True)
        tag = SHORTFALL
    else:
        return ""
    drift.move(tag, update.sender, update.account, -moved_atoms)
    return tag


def rule_acceptance(played: Played, drift: Drift, rules: Rules, checks: Checks) -> str:
    """The rule by which ours takes what the contract refused, its money checked; empty where there is none."""
    update, before, after = played.update, played.before, played.after
    amount_atoms = update.collateral_atoms
    if amount_atoms is None or amount_atoms < 0 or update.protect or after.positions != before.positions:
        return ""
    if update.sender != update.account:
        checks.equal("within the debt", amount_atoms <= _debt_atoms(played, drift), True)
        tag = SHORTFALL
    elif not perennial.is_collateralised(after.free_atoms, played.requirement_atoms(rules, *after.positions)):
        tag = LOCK
    else:
        return ""
    checks.equal("collateral added", after.collateral_atoms - before.collateral_atoms, amount_atoms)
    drift.move(tag, update.sender, update.account, amount_atoms)
    return tag


def explained_by_drift(played: Played, drift: Drift, rules: Rules) -> bool:
    """Whether the other decision is what the collateral that earlier rulings left makes of the rule (PE-02, PE-03).

    A requirement lies between what ours has and what the file's has.
    """
    more_atoms = drift.collateral_atoms(played.update.account)
    if not more_atoms:
        return False
    answer = played.answer
    if answer.refusal in ("BELOW_REQUIREMENT", "NOT_LIQUIDATABLE"):
        ours_atoms, requirement_atoms = answer.actual, answer.required
    elif answer.accepted:
        liquidated = played.update.protect
        positions = (played.before.settled,) if liquidated else played.after.positions
        requirement_atoms = played.requirement_atoms(rules, *positions)
        paid_atoms = -(played.update.collateral_atoms or 0) if liquidated else 0
        ours_atoms = played.after.free_atoms + paid_atoms
    else:
        return False
    ours_covers = perennial.is_collateralised(ours_atoms, requirement_atoms)
    return ours_covers != perennial.is_collateralised(ours_atoms - more_atoms, requirement_atoms)


def _debt_atoms(played: Played, drift: Drift) -> int:
    account = played.update.account
    collateral_atoms = played.file_before.of(account, "collateral") + drift.collateral_atoms(account)
    return max(-collateral_atoms, 0)
