"""The price at which a position becomes liquidatable, nothing else moving: for readers, no decision is made on it.

The price alone moves, by whole ticks, and moves the value of the position's side by one atom a unit and tick, as it
does wherever takers are not socialised; funding, interest and fees of pending orders are left out. Everything else is
the rulebook's own arithmetic, cuts and all: collateral floored, notional and requirement cut (PE-01, PE-02).
"""

from actors.ledger.versioned_positions import VersionedPosition
from actors.rulebooks.perennial import is_liquidatable, requirement_floor_atoms
from actors.rulebooks.perennial_versions import Accumulators
from actors.units import PPM, PRICE_BOUND, div_floor
from breakwater.v1 import events_pb2 as events

NONE = 0


class _AtPrice:
    """A taker's position as a function of the price. The notional n = floor(lots * p / 10^6) carries almost all.

    With `offset_e6` what the position would be worth without its notional, a long has n + floor((offset + r) / 10^6),
    r the rest of the notional: n + whole or n + whole + 1.
    """

    def __init__(
        self, row: VersionedPosition, values: Accumulators, price_ticks: int, maintenance_ppm: int, minimum_atoms: int
    ) -> None:
        self.lots = row.lots
        self._sign = 1 if row.kind == events.POSITION_KIND_LONG else -1
        earned_e6 = row.lots * (values[row.kind - 1] - row.basis)
        offset_e6 = row.collateral * PPM + earned_e6 - self._sign * row.lots * price_ticks
        self._offset_e6 = offset_e6
        self.whole_atoms, self.rest_e6 = divmod(offset_e6, PPM)
        self._rule = (maintenance_ppm, minimum_atoms)

    def requirement(self, notional_atoms: int) -> int:
        """The requirement of a notional, cut; a unit at a tick is an atom."""
        return requirement_floor_atoms(PPM, notional_atoms, *self._rule)

    def notional(self, price_ticks: int) -> int:
        """floor(lots * p / 10^6)."""
        return div_floor(self.lots * price_ticks, PPM)

    def fails(self, price_ticks: int) -> bool:
        """PE-02 at this price."""
        collateral = div_floor(self._offset_e6 + self._sign * self.lots * price_ticks, PPM)
        return is_liquidatable(collateral, self.requirement(self.notional(price_ticks)))

    def highest_price(self, notional_atoms: int, below_e6: int = PPM) -> int:
        """The highest price whose notional is below this one, or is this one with a rest below `below_e6`."""
        return div_floor(notional_atoms * PPM + below_e6 - 1, self.lots)


def liquidation_ticks(
    row: VersionedPosition, values: Accumulators, price_ticks: int, maintenance_ppm: int, min_maintenance_atoms: int
) -> int:
    """A long: the highest price at which it is liquidatable. A short: the lowest. 0 where there is none.

    Exact to the tick. Makers have none: what they gain and lose depends on the takers of the market. Neither has a long
    that must cover its whole notional or more (maintenance of 100%): no higher price helps it.
    """
    if row.kind not in (events.POSITION_KIND_LONG, events.POSITION_KIND_SHORT):
        return NONE
    at = _AtPrice(row, values, price_ticks, maintenance_ppm, min_maintenance_atoms)
    if row.kind == events.POSITION_KIND_SHORT:
        return _lowest_failing_short(at)
    return _highest_failing_long(at) if maintenance_ppm < PPM else NONE


def _lowest_failing_short(at: _AtPrice) -> int:
    """A short's collateral only falls with the price and its requirement only rises: bisected."""
    if not at.fails(PRICE_BOUND):
        return NONE
    safe, failing = 0, PRICE_BOUND
    while failing - safe > 1:
        middle = div_floor(safe + failing, 2)
        safe, failing = (safe, middle) if at.fails(middle) else (middle, failing)
    return failing


def _highest_failing_long(at: _AtPrice) -> int:
    """A long's collateral grows a cut earlier or later than its notional: between two notionals it goes back and forth.

    Up to the lower notional it fails whatever the cut, above the upper never; between them where the cut takes an atom,
    that is where the rest of the notional does not complete the rest of the offset. A notional is looked at once, and
    between the two there are about 1 / (1 - maintenance).
    """
    upper = _highest_failing_notional(at, extra=0)
    surely = at.highest_price(_highest_failing_notional(at, extra=1))
    price = min(at.highest_price(upper), PRICE_BOUND)
    while price > surely:
        notional = at.notional(price)
        price = min(price, at.highest_price(notional, PPM - at.rest_e6))
        if at.notional(price) == notional:
            break
    return price if price > 0 and at.fails(price) else NONE


def _highest_failing_notional(at: _AtPrice, extra: int) -> int:
    """Collateral less requirement never falls as the notional grows by an atom, so it is bisected; -1 without one.

    Where the requirement is 0 nothing fails: that is so for small notionals only, below any that fails.
    """
    failing, safe = -1, at.notional(PRICE_BOUND) + 1
    while safe - failing > 1:
        middle = div_floor(failing + safe, 2)
        is_failing = middle + at.whole_atoms + extra < at.requirement(middle)
        failing, safe = (middle, safe) if is_failing else (failing, middle)
    return failing
