"""The steps of a Perennial scenario, read strictly: what nobody knows makes the case a failed one."""

from collections.abc import Mapping
from math import gcd
from typing import Any, NamedTuple

from actors.rulebooks.perennial import Totals
from node.conformance.case import MalformedCase, Row
from node.conformance.perennial_rules import MS, Rules, millionths, rules_of, unsigned_millionths

SIDES = ("maker", "long", "short")
KEEP, ALL, OK = "keep", "all", "ok"
OPERATIONS = ("init", "oracle", "advance_current", "market_parameter", "update")
_FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "init": ({"op", "oracle_latest", "oracle_current"}, {"note"}),
    "oracle": ({"op", "timestamp", "price", "valid", "oracle_current"}, {"note"}),
    "advance_current": ({"op", "oracle_current"}, {"note"}),
    "update": ({"op", "sender", "account", *SIDES, "collateral", "protect", "result", "state"}, {"note"}),
}


class Price(NamedTuple):
    """The price of a version, and the slot that orders are pinned to from then on; seconds, ticks."""

    time_s: int
    price_ticks: int
    current_s: int
    valid: bool


class Advance(NamedTuple):
    """Orders are pinned to a later slot; there is no price."""

    current_s: int


class Parameter(NamedTuple):
    """Fields of the market's parameter that have other values from here on."""

    fields: Mapping[str, Any]


class Update(NamedTuple):
    """One call of the contract; a size or the collateral that is None is kept, or taken out whole."""

    sender: str
    account: str
    sizes: tuple[int | None, int | None, int | None]
    collateral_atoms: int | None
    protect: bool
    accepted: bool
    note: str
    state: Row

    @property
    def is_settle(self) -> bool:
        """A call that asks for nothing but to be settled."""
        return self.sizes == (None, None, None) and self.collateral_atoms == 0 and not self.protect

    def liquidates(self, locked: bool) -> bool:
        """Whether the call is to liquidate. A locked account's own is not: the contract does what its owner says."""
        return self.protect and not (locked and self.sender == self.account)


Step = Price | Advance | Parameter | Update


class Times(NamedTuple):
    """How wide slots are, and how a scenario's seconds become milliseconds that are multiples of it."""

    width_s: int
    shift_s: int

    def ms(self, time_s: int) -> int:
        """The slot of a time, ms."""
        return (time_s - self.shift_s) * MS

    @property
    def width_ms(self) -> int:
        """The width of a slot."""
        return self.width_s * MS


def step_of(row: Row, place: int) -> Step:
    """Reads one step. Raises MalformedCase for an operation or a field that is unknown or missing."""
    operation = row.choice("op", OPERATIONS)
    if operation == "market_parameter":
        return Parameter({name: value for name, value in row.content.items() if name not in ("op", "note")})
    _check_fields(row, *_FIELDS[operation])
    if (operation == "init") != (place == 0):
        raise MalformedCase(f"{row.name}: a scenario begins with init, and only so")
    if operation == "update":
        return _update(row)
    current_s = row.integer("oracle_current")
    if operation == "advance_current":
        return Advance(current_s)
    version = row.row("oracle_latest") if operation == "init" else row
    price = Price(
        version.integer("timestamp"), millionths(version, "price"), current_s, operation == "init" or row.flag("valid")
    )
    if current_s <= price.time_s:
        raise MalformedCase(f"{row.name}: orders would be pinned to a price that is known")
    return price


def _update(row: Row) -> Update:
    maker, long, short = (_kept_or(row, side) for side in SIDES)
    return Update(
        sender=row.text("sender"),
        account=row.text("account"),
        sizes=(maker, long, short),
        collateral_atoms=None if row.text("collateral") == ALL else millionths(row, "collateral"),
        protect=row.flag("protect"),
        accepted=row.text("result") == OK,
        note=row.text("note") if "note" in row.content else "",
        state=row.row("state"),
    )


def _kept_or(row: Row, side: str) -> int | None:
    return None if row.text(side) == KEEP else unsigned_millionths(row, side)


def _check_fields(row: Row, needed: set[str], optional: set[str]) -> None:
    unknown = row.content.keys() - needed - optional
    if unknown:
        raise MalformedCase(f"{row.name}: unknown {', '.join(sorted(unknown))}")
    for name in sorted(needed):
        row.value(name)


def times_of(steps: list[Step]) -> Times:
    """Slots as wide as all times of the scenario allow."""
    moments = [time for step in steps for time in _moments(step)]
    width_s = gcd(*(moment - moments[0] for moment in moments))
    if not width_s:
        raise MalformedCase("a scenario whose time stands still has no slots")
    return Times(width_s, moments[0] % width_s)


def _moments(step: Step) -> tuple[int, ...]:
    if isinstance(step, Price):
        return (step.time_s, step.current_s)
    return (step.current_s,) if isinstance(step, Advance) else ()


def changed_rules(scenario: dict[str, Any], fields: Mapping[str, Any]) -> tuple[dict[str, Any], Rules]:
    """The scenario with these fields of its market parameter altered, and its rules then."""
    known = Row(scenario, "scenario").row("market_parameter").content
    unknown = fields.keys() - known.keys()
    if unknown:
        raise MalformedCase(f"market_parameter: unknown {', '.join(sorted(unknown))}")
    after = {**scenario, "market_parameter": {**known, **fields}}
    return after, rules_of(after)


def totals_of_row(row: Row) -> Totals:
    """Three sides of a position or a market."""
    return Totals(*(unsigned_millionths(row, side) for side in SIDES))
