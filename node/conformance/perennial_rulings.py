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
    # Atoms an account may have less, because what a ruling let it do rounded it once more (PE-10).
    _roundings: dict[str, int] = field(default_factory=dict)

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
        _add(self._collateral, tag, account, amount_atoms)
        _add(self._wallets, tag, sender, -amount_atoms)

    def note_rounding(self, account: str) -> None:
        """Ours was rounded at a step the contract refused."""
        self._roundings[account] = self._roundings.get(account, 0) + 1

    def absorb(self, account: str, missing_atoms: int, of_wallet: bool) -> None:
        """What such a rounding took is known once it is seen; more than it can have taken is none."""
        if not 0 < missing_atoms <= self._roundings.get(account, 0):
            return
        self._roundings[account] -= missing_atoms
        ledger = self._wallets if of_wallet else self._collateral
        _add(ledger, min(self._collateral[account]), account, -missing_atoms)


def _add(ledger: dict[str, dict[str, int]], tag: str, name: str, atoms: int) -> None:
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
    def liquidates(self) -> bool:
        """Whether the call is to liquidate: the contract forgets that of a locked account's own."""
        return self.update.liquidates(self.before.locked_ms > 0)

    @property
    def amount_atoms(self) -> int:
        """What the step puts into the collateral; everything out of a debt is the debt in."""
        asked_atoms = self.update.collateral_atoms
        return -self.before.collateral_atoms if asked_atoms is None else asked_atoms

    @property
    def debt_atoms(self) -> int:
        """What the account owed; the file's collateral may be that of an earlier version."""
        return max(-self.before.collateral_atoms, 0)

    @property
    def moves_size(self) -> bool:
        """Whether other sizes were asked for than were pinned last."""
        return any(new not in (None, old) for old, new in zip(self.before.target, self.update.sizes, strict=True))

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
    asked_atoms = -played.amount_atoms
    file_after = FileState(update.state).of(update.account, "collateral")
    file_atoms = file_after + asked_atoms
    missing_atoms = file_atoms + drift.collateral_atoms(update.account) - played.before.collateral_atoms
    drift.absorb(update.account, missing_atoms, of_wallet=False)
    collateral_atoms = file_atoms + drift.collateral_atoms(update.account)
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
        checks.equal("debt", answer.required, played.debt_atoms)
        checks.equal("repaid beyond the debt", moved_atoms > answer.required, True)
        tag = SHORTFALL
    else:
        return ""
    drift.move(tag, update.sender, update.account, -moved_atoms)
    return tag


def rule_acceptance(played: Played, drift: Drift, rules: Rules, checks: Checks) -> str:
    """The rule by which ours takes what the contract refused, its money checked; empty where there is none."""
    update, before, after = played.update, played.before, played.after
    amount_atoms = played.amount_atoms
    if amount_atoms < 0 or played.liquidates or played.moves_size:
        return ""
    if update.sender != update.account:
        checks.equal("within the debt", amount_atoms <= played.debt_atoms, True)
        tag = SHORTFALL
    elif not perennial.is_collateralised(after.free_atoms, played.requirement_atoms(rules, *after.positions)):
        tag = LOCK
    else:
        return ""
    checks.equal("collateral added", after.collateral_atoms - before.collateral_atoms, amount_atoms)
    drift.move(tag, update.sender, update.account, amount_atoms)
    return tag


def rule_by_drift(played: Played, drift: Drift, rules: Rules) -> str:
    """The rule that left other money, where that alone makes another decision of the same rule."""
    update = played.update
    if _funded_by_drift(played, drift):
        tag = drift.tags[0]
    elif _covered_by_drift(played, drift, rules):
        tag = min(drift.collateral(update.account))
    else:
        return ""
    moved_atoms = -played.file_moved_atoms if update.accepted else played.amount_atoms
    drift.move(tag, update.sender, update.account, moved_atoms)
    return tag


def _funded_by_drift(played: Played, drift: Drift) -> bool:
    """Whether the file's market had less than was taken out, and ours has it."""
    file_atoms, wanted_atoms = played.file_before.balance_atoms, -played.amount_atoms
    return played.answer.accepted and file_atoms < wanted_atoms <= file_atoms + drift.balance_atoms


def _covered_by_drift(played: Played, drift: Drift, rules: Rules) -> bool:
    """Whether a requirement, or nothing where money leaves, lies between what ours has and what the file's has."""
    more_atoms = drift.collateral_atoms(played.update.account)
    answer, liquidated = played.answer, played.liquidates
    if answer.refusal in ("BELOW_REQUIREMENT", "NOT_LIQUIDATABLE"):
        ours_atoms, requirement_atoms = answer.actual, answer.required
    elif answer.accepted:
        positions = (played.before.settled,) if liquidated else played.after.positions
        requirement_atoms = played.requirement_atoms(rules, *positions)
        ours_atoms = played.after.free_atoms - (played.amount_atoms if liquidated else 0)
    else:
        return False
    leaves = played.amount_atoms < 0 and not liquidated

    def covers(left_atoms: int) -> bool:
        overdrawn = leaves and left_atoms < 0
        return not overdrawn and perennial.is_collateralised(left_atoms, requirement_atoms)

    return covers(ours_atoms) != covers(ours_atoms - more_atoms)
