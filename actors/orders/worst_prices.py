"""How near the mark an order's worst price must be so that a fill at it loses no more than may be lost."""

from actors.ledger.book_orders import BookOrder


def drawn_in_ticks(order: BookOrder, spare_atoms: int, mark_ticks: int, quote_atoms_per_tick_lot: int) -> int:
    """The order's worst price, or the nearer one at which its lots against the mark use `spare_atoms` up.

    A sale is rounded up, a purchase down; with nothing to spare it is the mark itself, so that reducing by hand stays
    possible.
    """
    worst = mark_ticks + order.side * (max(0, spare_atoms) // (order.remaining * quote_atoms_per_tick_lot))
    return max(order.limit, worst) if order.side < 0 else min(order.limit, worst)
