"""Random batches for a book: every kind of operation, every flag, prices near and far, from one seed."""

import random

import numpy as np

from actors.matching import words as w

MIDDLE = 1_000
FAR_TICKS = (1, 2, 63, 64, 65, 4_096, 1 << 20, (1 << 40) - 1, 1 << 40)


class Flow:
    """Keeps which orders it has placed, so that most cancels and amendments find one."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.accounts = self.draw.choice((2, 4, 12))
        self.spread = self.draw.choice((3, 20, 200))
        self.placed: list[tuple[int, int, int, int]] = []
        self.numbers = list(range(1, 100_000))
        if self.draw.random() < 0.5:
            self.draw.shuffle(self.numbers)

    def batch(self, count: int) -> list[dict[str, int]]:
        return [self.operation() for _ in range(count)]

    def caps(self) -> dict[int, tuple[int, int]]:
        capped = [account for account in range(self.accounts) if self.draw.random() < 0.4]
        return {account: (self.draw.randint(-40, 40), self.draw.randint(0, 1)) for account in capped}

    def limits(self) -> w.Limits:
        return w.Limits(100, 100 + self.draw.choice((0, 5, 60))) if self.draw.random() < 0.3 else w.Limits()

    def operation(self) -> dict[str, int]:
        draw = self.draw
        kind = draw.choices((w.PLACE, w.CANCEL, w.AMEND, w.CANCEL_ACCOUNT), (70, 13, 15, 2))[0]
        if kind == w.PLACE:
            return self.place()
        if kind == w.CANCEL_ACCOUNT:
            return {"kind": kind, "account": draw.randrange(self.accounts + 1), "side": draw.choice((-1, 0, 1))}
        order, account, price, size = draw.choice(self.placed) if self.placed else (77, 1, MIDDLE, 5)
        if draw.random() < 0.05:
            account += 1
        op = {"kind": kind, "order": order, "account": account}
        if kind == w.AMEND:
            op["price_ticks"] = price if draw.random() < 0.5 else self.price()
            op["size_lots"] = max(0, size + draw.randint(-size, 3))
            op["expected_lots"] = size if draw.random() < 0.7 else draw.randint(1, size)
        return op

    def place(self) -> dict[str, int]:
        draw = self.draw
        order, account = self.numbers.pop(0), draw.randrange(self.accounts)
        if self.placed and draw.random() < 0.02:
            order = draw.choice(self.placed)[0]
        price, size = self.price(), draw.randint(1, 30)
        self.placed.append((order, account, price, size))
        flags = sum(flag for flag in (w.POST_ONLY, w.REDUCE_ONLY, w.MARKET) if draw.random() < 0.1)
        op = {
            **{"kind": w.PLACE, "order": order, "account": account, "side": draw.choice((w.BUY, w.SELL))},
            **{"price_ticks": price, "size_lots": size, "flags": flags},
            "time_in_force": draw.choices((w.GTC, w.IOC, w.FOK), (8, 1, 2))[0],
            "self_trade": draw.randint(w.TRADE_WITH_SELF, w.EXPIRE_BOTH),
        }
        if op["time_in_force"] == w.FOK and draw.random() < 0.3:
            op["budget_atoms"] = price * size + draw.randint(-price, price)
        if draw.random() < 0.05:
            op["flags"] |= w.VAULT_DEPTH | w.LADDER
            op["depth_ppm"] = draw.choice((0, 50_000, 333_333, 1_000_000))
            op["depth_limit_ticks"] = draw.choice((0, self.price()))
        return op

    def price(self) -> int:
        if self.draw.random() < 0.1:
            return self.draw.choice(FAR_TICKS)
        return MIDDLE + self.draw.randint(-self.spread, self.spread)


def caps_of(capped: dict[int, tuple[int, int]]) -> w.Caps:
    """The columns of what the naive book takes as a dict."""
    accounts = sorted(capped)
    columns = (accounts, [capped[a][0] for a in accounts], [capped[a][1] for a in accounts])
    return w.Caps(*(np.array(column, dtype=np.int64) for column in columns))
