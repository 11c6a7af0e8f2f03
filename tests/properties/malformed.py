"""Batches that must be refused whole: keys, expiries, shapes, venues."""

import random
from typing import Protocol

from breakwater.v1.commands_pb2 import CommandBatch
from tests.properties.moods import HOUR_MS

RAGGED = ("deposits", "open_positions", "ticks", "close_positions")


class Sender(Protocol):
    """Who sends: its clock and its way to make a batch."""

    time_ms: int

    def batch(self, venue: int, body: str, /, **columns: object) -> CommandBatch: ...


def spoil(draw: random.Random, sender: Sender, old: CommandBatch, fresh: list[CommandBatch]) -> CommandBatch:
    """One batch that something is wrong with: an old one again, or one of a new shape."""
    repeated = CommandBatch()
    repeated.CopyFrom(draw.choice([old, *fresh]))
    deposit = sender.batch(1, "deposits", account=[1], amount_atoms=[5])
    match draw.randrange(10):
        case 0:
            return repeated
        case 1:
            # The same key of another principal is another key.
            deposit.request_key, deposit.principal = repeated.request_key, draw.choice((repeated.principal, 3))
        case 2:
            deposit.request_key = draw.choice((b"", b"k" * 65, b"k" * 64))
        case 3:
            deposit.expires_ms = sender.time_ms - draw.choice((1, 0, 10**9))
        case 4:
            deposit.expires_ms = sender.time_ms + 24 * HOUR_MS + draw.choice((0, 1))
        case 5:
            return sender.batch(1, draw.choice((*RAGGED, "open_accounts", "cancel_orders")))
        case 6:
            return sender.batch(1, "open_accounts", count=draw.choice((50_001, 2**32 - 1)))
        case 7:
            column = draw.choice((deposit.deposits.account, deposit.deposits.amount_atoms))
            column.extend([1] * draw.choice((1, 3)))
        case 8:
            deposit.venue = draw.choice((0, 3, 2**32 - 1))
        case 9 if draw.random() < 0.2:
            deposit.deposits.account.extend([0] * 50_000)
            deposit.deposits.amount_atoms.extend([5] * 50_000)
        case _:
            deposit.ClearField("deposits")
    return deposit
