"""What goes into and out of accounts, the vault and the fund of a Margin Trade venue."""

import random
from collections.abc import Callable

from breakwater.v1.commands_pb2 import CommandBatch
from tests.properties.margin_moods import MarginMood
from tests.properties.margin_sight import MarginSight

Row = list[int]
Send = Callable[..., CommandBatch]
Wants = Callable[..., bool]


class MarginMoney:
    """Deposits, withdrawals, LP moves, payments into the fund."""

    def __init__(self, draw: random.Random, mood: MarginMood, wants: Wants, send: Send) -> None:
        self.random = draw
        self.mood = mood
        self._wants = wants
        self._send = send

    def account(self, sight: MarginSight) -> int:
        """Anybody; at times nobody there is."""
        if self._wants("malformed", 0.03):
            return self.random.choice((0, -1, max(sight.accounts) + 1, 1 << 62))
        return self.random.choice(sight.traders)

    def moves(self, sight: MarginSight) -> list[CommandBatch]:
        """What one block brings."""
        draw, batches = self.random, []
        some = [self.account(sight) for _ in range(draw.choice((1, 3)))]
        free = [sight.accounts[number].cross.withdrawable_atoms if number in sight.accounts else 5 for number in some]
        amounts = [max(1, draw.choice((1, 999, worth // 2, worth, worth + 1))) for worth in free]
        if self._wants("malformed", 0.1):
            amounts[0] = draw.choice((0, -1, 1 << 60))
        broke = [
            number for number in sight.traders if sight.accounts[number].cross.equity_atoms < self.mood.broke_atoms
        ]
        if broke and draw.random() < self.mood.refills:
            amount = draw.choice(self.mood.deposits_atoms)
            batches.append(self._send("deposits", account=[draw.choice(broke)], amount_atoms=[amount]))
        if self._wants("deposits", 0.3):
            batches.append(self._send("deposits", account=some, amount_atoms=amounts))
        if self._wants("withdrawals", 0.4):
            batches.append(self._send("withdrawals", account=some, amount_atoms=amounts))
        pending = [
            (account, kept.withdrawal) for account, view in sorted(sight.accounts.items()) for kept in view.withdrawals
        ]
        if pending and self._wants("withdrawals", 0.5):
            account, number = draw.choice(pending)
            rows = [
                [account, number, draw.choice((0, 1))],
                [account, draw.choice((number, 12)), draw.choice((0, 1, 2))],
            ]
            batches.append(self._send("withdrawal_decisions", **columns(("account", "withdrawal", "confirm"), rows)))
        if self._wants("liquidity", 0.3):
            spared = [sight.free_margin(number) if number in sight.accounts else 5 for number in some]
            moved = [max(1, draw.choice((1, worth // 3, worth, worth + 1))) for worth in spared]
            batches.append(self._send("liquidity_deposits", account=some, amount_atoms=moved))
        owners = sorted(sight.shares.items())
        if owners and self._wants("liquidity", 0.4):
            account, shares = draw.choice([*owners, (self.account(sight), 7)])
            asked = max(1, draw.choice((1, shares // 3, shares - 1, shares, shares + 1)))
            batches.append(self._send("liquidity_withdrawals", account=[account], micro_shares=[asked]))
        if self._wants("insurance", 0.1):
            amount = draw.choice((1, 10**6, 10**9, 0, -1, 1 << 60, (1 << 60) - 1))
            batches.append(self._send("insurance_deposit", amount_atoms=amount))
        return batches


def columns(names: tuple[str, ...], rows: list[Row]) -> dict[str, list[int]]:
    """Rows as the columns of a body."""
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}
