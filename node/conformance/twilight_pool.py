"""Twilight pool shares: every operation from its own pool before, then each sequence replayed for conservation (TW-16).

The file rounds to whole shares of 1e-4 resolution; our shares are whole micro-shares, floored on mint and on redeem.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any

from actors.rulebooks import twilight, twilight_exact
from node.conformance.case import CaseResult, Checks, Row, float_product_noise, guarded

FILE_SHARE_UNIT = 10_000
OPERATIONS = ("deposit", "withdraw", "trader_payment")
ONE_SHARE = twilight.MICRO_SHARES


def cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per operation, and one per sequence."""
    for index, sequence in enumerate(document["sequences"]):
        identity = sequence.get("id", index) if isinstance(sequence, dict) else index
        operations = sequence.get("ops") if isinstance(sequence, dict) else None
        for number, operation in enumerate(operations if isinstance(operations, list) else []):
            yield guarded(f"sequence {identity} operation {number}", operation, _check_operation)
        yield guarded(f"sequence {identity} conserved", sequence, _check_conservation)


def _check_operation(row: Row, checks: Checks) -> None:
    check = {"deposit": _check_deposit, "withdraw": _check_withdrawal, "trader_payment": _check_payment}
    check[row.choice("op", OPERATIONS)](row, checks)


def _check_deposit(row: Row, checks: Checks) -> None:
    deposit, value, total = row.integer("deposit"), row.positive("tlv_before"), row.positive("tps_before")
    shares = twilight_exact.mint_shares(Fraction(deposit), total, value)
    checks.near("npoolshare", shares * FILE_SHARE_UNIT, row.number("npoolshare"))
    for name in ("tlv_after", "order_tlv1"):
        checks.equal(name, value + deposit, row.number(name))
    for name in ("tps_after", "order_tps1"):
        checks.rounded(name, total + shares, row.number(name))
    minted = twilight.mint_shares_floor(deposit, floor(total * ONE_SHARE), floor(value))
    checks.within("micro-shares minted", minted, (row.number("tps_after") - total) * ONE_SHARE, ONE_SHARE)
    # The published error belongs to the file's own rounding of the shares, taken from its pool after.
    _check_residue(checks, row, (row.number("tps_after") - total) * value, deposit * total)


def _check_withdrawal(row: Row, checks: Checks) -> None:
    shares = row.number("npoolshare") / FILE_SHARE_UNIT
    value, total = row.positive("tlv_before"), row.positive("tps_before")
    sats = twilight_exact.redeem(shares, total, value)
    checks.rounded("nwithdraw", sats * FILE_SHARE_UNIT, row.number("nwithdraw"))
    checks.rounded("payment", sats - row.integer("deposit"), row.number("payment"), sats)
    checks.rounded("withdraw_sats", sats, row.number("withdraw_sats"))
    checks.equal("tlv_after", value - row.number("withdraw_sats"), row.number("tlv_after"))
    checks.rounded("tps_after", total - shares, row.number("tps_after"), total)
    redeemed = twilight.redeem_floor_atoms(floor(shares * ONE_SHARE), floor(total * ONE_SHARE), floor(value))
    checks.within("sats redeemed", redeemed, row.number("withdraw_sats"), 1)
    _check_residue(checks, row, row.number("withdraw_sats") * total, (total - row.number("tps_after")) * value)


def _check_residue(checks: Checks, row: Row, credited: Fraction, debited: Fraction) -> None:
    """The published difference of two cross products, which the file took in 64-bit floats."""
    noise = float_product_noise(credited) + float_product_noise(debited)
    checks.within("lock_error", credited - debited, row.number("lock_error"), noise)


def _check_payment(row: Row, checks: Checks) -> None:
    checks.equal("tlv_after", row.number("tlv_before") - row.number("payment"), row.number("tlv_after"))
    checks.equal("tps_after", row.number("tps_before"), row.number("tps_after"))


@dataclass(slots=True)
class ReplayedPool:
    """Our own pool in sats and micro-shares while a sequence is replayed; lots are keyed as the file names them."""

    value: int
    genesis: int
    lots: dict[tuple[Fraction, Fraction], list[int]] = field(default_factory=dict)

    @property
    def holdings(self) -> list[int]:
        """Micro-shares of every holder, the genesis holder first."""
        return [self.genesis, *(shares for lot in self.lots.values() for shares in lot)]

    @property
    def total(self) -> int:
        """All micro-shares there are."""
        return sum(self.holdings)

    def deposit(self, row: Row) -> None:
        """Mints a lot at the share price before the deposit."""
        deposit = row.integer("deposit")
        minted = twilight.mint_shares_floor(deposit, self.total, self.value)
        self.lots.setdefault(_lot_name(row), []).append(minted)
        self.value += deposit

    def withdraw(self, row: Row) -> int:
        """Redeems the lot the file names, or as much of the genesis shares; returns the sats paid."""
        total = self.total
        lot = self.lots.get(_lot_name(row))
        if lot:
            burned = lot.pop()
        else:
            burned = min(self.genesis, floor(row.number("npoolshare") * ONE_SHARE / FILE_SHARE_UNIT))
            self.genesis -= burned
        paid = twilight.redeem_floor_atoms(burned, total, self.value)
        self.value -= paid
        return paid

    def claims(self) -> int:
        """What all holders could take out now, in sats."""
        total = self.total
        return sum(twilight.redeem_floor_atoms(shares, total, self.value) for shares in self.holdings if shares)


def _lot_name(row: Row) -> tuple[Fraction, Fraction]:
    return row.number("deposit"), row.number("npoolshare")


def _check_conservation(sequence: Row, checks: Checks) -> None:
    """Replays the sequence on our pool: no sat appears or vanishes, and the holders' claims are what is there.

    Every floor leaves less than a sat with the pool, so the claims fall short of it by less than a sat a holder.
    """
    operations = sequence.rows("ops")
    if not operations:
        return
    first = operations[0]
    pool = ReplayedPool(floor(first.number("tlv_before")), floor(first.positive("tps_before") * ONE_SHARE))
    value_after = first.number("tlv_before")
    for number, row in enumerate(operations):
        checks.equal(f"operation {number} starts where the last ended", value_after, row.number("tlv_before"))
        value_after = row.number("tlv_after")
        before, operation = pool.value, row.choice("op", OPERATIONS)
        if operation == "deposit":
            pool.deposit(row)
            checks.equal(f"operation {number} pool grows by the deposit", pool.value - before, row.integer("deposit"))
        elif operation == "withdraw":
            paid = pool.withdraw(row)
            checks.equal(f"operation {number} pays from the pool", True, 0 <= paid <= max(0, before))
        else:
            pool.value -= floor(row.number("payment"))
        if pool.total and pool.value > 0:
            unclaimed = pool.value - pool.claims()
            checks.equal(f"operation {number} claims are the pool", True, 0 <= unclaimed < len(pool.holdings))
