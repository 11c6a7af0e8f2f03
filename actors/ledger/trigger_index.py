"""The triggers of one market by the mark that fires them."""

from actors.risk.liquidation_index import LiquidationIndex


class TriggerIndex:
    """Armed orders at places of their own, which whoever arms one keeps."""

    def __init__(self) -> None:
        self._levels = LiquidationIndex()
        self._orders: list[int] = []
        self._free: list[int] = []

    def add(self, order: int, side: int, trigger_ticks: int) -> int:
        """An armed order; side as in `LiquidationIndex`. Returns its place."""
        if self._free:
            place = self._free.pop()
            self._orders[place] = order
        else:
            place = len(self._orders)
            self._orders.append(order)
        self._levels.set(place, side, trigger_ticks)
        return place

    def discard(self, place: int) -> None:
        """The order at this place is armed no more."""
        self._free.append(place)
        self._levels.clear(place)

    def met(self, mark_ticks: int) -> list[int]:
        """Orders this mark fires, ascending."""
        return sorted(self._orders[place] for place in self._levels.scan(mark_ticks).tolist())
