"""Streams of operations for one book, as shards send them: of commands, and of ladder and vault if a venue has them."""

import random

from tests.actors.book_calls import (
    AMEND,
    BUY,
    CANCEL,
    CANCELS,
    COMMANDS,
    FOK,
    GTC,
    IOC,
    LADDER,
    LADDER_CLASS,
    MARKET,
    MARKET_ORDER,
    PLACE,
    POST_ONLY,
    REDUCE_ONLY,
    SELL,
    UNWINDING,
    VAULT_CLASS,
    VENUE,
)

MIDDLE, CAP_LOTS = 1_000, 4_000


class Flow:
    """Blocks of operations as shards send them, from one seed."""

    def __init__(self, seed: int, desks: bool = True) -> None:
        self.draw = random.Random(seed)
        self.accounts = self.draw.choice((2, 5, 12))
        self.desks = desks
        self.next_order = 1
        self.live: list[dict[str, int]] = []

    def block(self, size: int) -> list[dict[str, int]]:
        rows = [self.operation(command) for command in range(size)]
        self.draw.shuffle(rows)
        return rows

    def operation(self, command: int) -> dict[str, int]:
        draw = self.draw
        kind = draw.choices((PLACE, CANCEL, AMEND), (70, 12, 18))[0] if self.live else PLACE
        row = {"command": command, "class": COMMANDS, "kind": kind, "venue": VENUE, "market": MARKET}
        if kind == PLACE:
            return self.place(row)
        target = draw.choice(self.live)
        row |= {"order": target["order"], "account": target["account"], "side": target["side"], "size_lots": 0}
        if kind == CANCEL:
            return row | {"class": CANCELS}
        price = target["price_ticks"] + draw.choice((0, 0, 1, -1, 9))
        size = max(1, target["size_lots"] + draw.randint(-6, 3))
        return row | {"price_ticks": price, "size_lots": size, "expected_lots": target["size_lots"]}

    def place(self, row: dict[str, int]) -> dict[str, int]:
        draw, (order, self.next_order) = self.draw, (self.next_order, self.next_order + 1)
        row |= {
            **{"order": order, "account": draw.randrange(1, 1 + self.accounts), "side": draw.choice((BUY, SELL))},
            **{"price_ticks": MIDDLE + draw.randint(-9, 9), "size_lots": draw.randint(1, 30)},
            **{"time_in_force": draw.choices((GTC, IOC, FOK), (8, 2, 1))[0], "self_trade": draw.randint(1, 3)},
            **{"flags": draw.choices((0, POST_ONLY, REDUCE_ONLY, MARKET_ORDER), (7, 1, 1, 1))[0]},
            "client_order_id": draw.randint(0, 1 << 40),
        }
        special = draw.random() if self.desks else 1
        if special < 0.08:
            bankruptcy = -row["side"] * row["size_lots"] * (MIDDLE + draw.randint(-30, 30)) * 10
            desk = {"class": LADDER_CLASS, "flags": LADDER | REDUCE_ONLY, "bankruptcy_quote_atoms": bankruptcy}
            return row | desk | {"time_in_force": IOC, "order": order | 1 << 19}
        if special < 0.12:
            desk = {"class": VAULT_CLASS, "flags": UNWINDING | REDUCE_ONLY, "command": -1, "account": 0}
            return row | desk | {"time_in_force": IOC}
        self.live.append(row)
        return row

    def caps(self) -> dict[int, tuple[int, int]]:
        """Every account is told of, so that no order is its own cap."""
        draw = self.draw
        return {account: (draw.randint(-40, 40), int(draw.random() < 0.2)) for account in range(1 + self.accounts)}


def kernel_row(op: dict[str, int]) -> dict[str, int]:
    """An operation as the naive book takes it."""
    return {**op, "depth_ppm": 500_000} if op.get("flags", 0) & UNWINDING else op
