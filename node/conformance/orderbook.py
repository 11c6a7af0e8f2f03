"""Order book vectors: commands on a price-time-priority book, self-trade prevention off, and the book they leave."""

from collections.abc import Iterator, Sequence
from typing import Any

from actors.matching.book import MatchingBook
from actors.matching.words import (
    AMEND,
    BUY,
    CANCEL,
    DONE,
    FILL,
    FOK,
    GTC,
    IOC,
    PLACE,
    PRICE_TICKS_MAX,
    SELL,
    TRADE_WITH_SELF,
    UNKNOWN,
    Operations,
)
from node.conformance.case import CaseResult, Checks, MalformedCase, Row, guarded

SIDES = {"BID": BUY, "ASK": SELL}
TIMES_IN_FORCE = {"GTC": GTC, "IOC": IOC, "FOK": FOK, "FOK_BUDGET": FOK}
# Numbers of our own for orders that come under the number of a resting one.
_OWN_NUMBERS = 1 << 61


def recognises(document: Any) -> bool:
    """A document with a list of orders that rest at first and cases of commands."""
    cases = document.get("cases") if isinstance(document, dict) else None
    return (
        isinstance(cases, list)
        and len(cases) > 0
        and isinstance(document.get("initial"), list)
        and all(isinstance(case, dict) and "commands" in case for case in cases)
        and any("expect_asks" in case or "expect_trades_last" in case for case in cases)
    )


def cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One result per case; each starts from a book of its own with the initial orders."""
    start = Row(document, "file")
    for index, case in enumerate(document["cases"]):
        name = case.get("name")

        def check(row: Row, checks: Checks) -> None:
            _check(start, row, checks)

        yield guarded(name if isinstance(name, str) else f"case {index}", case, check)


def _check(start: Row, case: Row, checks: Checks) -> None:
    table = _Table()
    for command in start.rows("initial"):
        table.apply(command)
    for key, side in (("initial_asks", SELL), ("initial_bids", BUY)):
        if key in start.content:
            checks.equal(key, table.levels(side), start.items(key))
    for command in case.rows("commands"):
        table.apply(command)
    answers: dict[str, object] = {
        "expect_result_last": table.result,
        "expect_trades_last": table.trades,
        "expect_reject_size": table.rejected_lots,
        "expect_reduced": table.reduced_lots,
        "expect_asks": table.levels(SELL),
        "expect_bids": table.levels(BUY),
        "check_ok": table.is_sound(),
    }
    expected = [key for key in case.content if key.startswith("expect_") or key == "check_ok"]
    if not expected:
        raise MalformedCase(f"{case.name}: nothing is expected")
    for key in expected:
        if key not in answers:
            raise MalformedCase(f"{case.name}.{key}: no such answer")
        checks.equal(key, answers[key], case.value(key))


class _Table:
    """A book, and what the last command came to."""

    def __init__(self) -> None:
        self._book = MatchingBook()
        self._own_number = _OWN_NUMBERS
        self.result = ""
        self.trades: list[dict[str, int]] = []
        self.rejected_lots = 0
        self.reduced_lots = 0

    def levels(self, side: int) -> list[list[int]]:
        """[price, lots, orders], the best first."""
        return [list(level) for level in self._book.depth(side, len(self._book))]

    def is_sound(self) -> bool:
        """The book is not crossed, and a book made of its orders in their order is the same."""
        bid, ask = self._book.best_bid_ticks(), self._book.best_ask_ticks()
        copy = MatchingBook()
        copy.load(self._book.dump())
        same = all(copy.depth(side, len(copy)) == self._book.depth(side, len(copy)) for side in (BUY, SELL))
        return same and len(copy) == len(self._book) and (bid == 0 or ask == 0 or bid < ask)

    def apply(self, command: Row) -> None:
        """Does one command; what it came to replaces what the one before came to."""
        self.result, self.trades, self.rejected_lots, self.reduced_lots = "SUCCESS", [], 0, 0
        name = command.choice("op", ("new", "cancel", "reduce", "move"))
        operation = {"order": _positive(command, "id"), "account": command.integer("user")}
        if name == "new":
            self._match({**operation, **self._order(command, operation["order"])})
        elif name == "cancel":
            self._match({**operation, "kind": CANCEL})
        elif name == "reduce":
            self._reduce(operation, command.integer("by"))
        else:
            _, lots = self._resting(operation)
            amend = {"kind": AMEND, "price_ticks": _price(command), "size_lots": lots, "expected_lots": lots}
            self._match({**operation, **amend})

    def _order(self, command: Row, number: int) -> dict[str, int]:
        time_in_force = TIMES_IN_FORCE[command.choice("tif", tuple(TIMES_IN_FORCE))]
        side = SIDES[command.choice("side", tuple(SIDES))]
        if self._book.order(number) is not None:
            # A number in use may trade but not rest.
            time_in_force = IOC if time_in_force == GTC else time_in_force
            self._own_number += 1
            number = self._own_number
        order = {
            **{"kind": PLACE, "order": number, "side": side, "size_lots": _positive(command, "size")},
            **{"time_in_force": time_in_force, "self_trade": TRADE_WITH_SELF},
        }
        if time_in_force == FOK and "price" not in command.content:
            order["price_ticks"] = PRICE_TICKS_MAX if side == BUY else 1
        else:
            order["price_ticks"] = _price(command)
        if "budget" in command.content:
            # Zero means none to the book: nothing can be bought for it, and any sale brings it.
            order["budget_atoms"] = command.integer("budget") or (-1 if side == BUY else 0)
        return order

    def _reduce(self, operation: dict[str, int], lots: int) -> None:
        if lots <= 0:
            self.result = "REDUCE_WRONG_SIZE"
            return
        price_ticks, before = self._resting(operation)
        kept = max(before - lots, 0)
        amend = {"kind": AMEND, "price_ticks": price_ticks, "size_lots": kept, "expected_lots": before}
        self._match({**operation, **amend})
        if self.result == "SUCCESS":
            self.reduced_lots = before - kept

    def _resting(self, operation: dict[str, int]) -> tuple[int, int]:
        """(price, lots) of the order; where there is none, any price does: the book answers UNKNOWN."""
        order = self._book.order(operation["order"])
        return (order[3], order[4]) if order is not None else (1, 0)

    def _match(self, operation: dict[str, int]) -> None:
        rows: Sequence[tuple[int, ...]] = self._book.match(Operations.of_rows([operation])).rows()
        for row in rows:
            if row[1] == FILL:
                self.trades.append({"maker": row[2], "price": row[7], "size": row[8]})
            elif row[1] == UNKNOWN:
                self.result = "UNKNOWN_ORDER_ID"
            elif row[1] == DONE and operation["kind"] == PLACE:
                self.rejected_lots += row[8]
            elif row[1] == DONE and operation["kind"] == CANCEL:
                self.reduced_lots += row[8]


def _positive(row: Row, key: str) -> int:
    number = row.integer(key)
    if number <= 0:
        raise MalformedCase(f"{row.name}.{key}: must be positive")
    return number


def _price(command: Row) -> int:
    price_ticks = _positive(command, "price")
    if price_ticks > PRICE_TICKS_MAX:
        raise MalformedCase(f"{command.name}.price: beyond 2^40 ticks")
    return price_ticks
