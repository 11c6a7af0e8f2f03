"""One shard of a Perennial venue as docs/perennial.md says it, row by row, and the market's equation to 1e-6 atoms."""

from dataclasses import dataclass, field
from typing import Any

from actors.columns import rows
from breakwater.v1 import batches_pb2 as batches

MICRO = 10**6
MOVED, RELEASE, REWARD, SETTLED, REPAID = (
    batches.VERSION_LEG_KIND_MOVED,
    batches.VERSION_LEG_KIND_RELEASE,
    batches.VERSION_LEG_KIND_REWARD,
    batches.VERSION_LEG_KIND_SETTLED,
    batches.VERSION_LEG_KIND_REPAID,
)
Sizes = tuple[int, int, int]
NOTHING: Sizes = (0, 0, 0)


@dataclass
class Position:
    """An account's row in the market: three sides of which one counts, and their values when it was realised."""

    collateral: int = 0
    sizes: Sizes = NOTHING
    basis: Sizes = NOTHING

    def unsettled_e6(self, values: Sizes) -> int:
        return sum(lots * (now - then) for lots, now, then in zip(self.sizes, values, self.basis, strict=True))


@dataclass
class NaiveShard:
    """All accounts of one market; `values` and `price` are those of the latest record."""

    free: dict[int, int] = field(default_factory=dict)
    held: dict[int, int] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)
    values: Sizes = NOTHING
    price: int = 0
    dust_e6: int = 0

    def position(self, account: int) -> Position:
        return self.positions.setdefault(account, Position())

    def realise(self, account: int, values: Sizes) -> None:
        position = self.position(account)
        whole, rest = divmod(position.unsettled_e6(values), MICRO)
        position.collateral += whole
        position.basis = values
        self.dust_e6 += rest

    def settle(self, legs: batches.VersionLegs, record: batches.VersionRecord | None) -> list[tuple[int, int]]:
        """Legs of class 0, the record, legs of class 1; (account, atoms) of the debts found."""
        ordered = sorted(rows(legs), key=lambda leg: (leg[4], leg[0], leg[1], leg[2], leg[3]))
        for leg in ordered:
            if leg[0] == 0:
                self._post(leg)
        if record:
            self.values = (record.maker_value_e6, record.long_value_e6, record.short_value_e6)
            self.price = record.price_ticks
        return [debt for leg in ordered if leg[0] == 1 for debt in self._settle_order(leg)]

    def _post(self, leg: tuple[int, ...]) -> None:
        account, kind, collateral, free, held = leg[5:10]
        if collateral or kind == MOVED:
            self.realise(account, self.values)
            self.position(account).collateral += collateral
        self.free[account] = self.free.get(account, 0) + free
        self.held[account] = self.held.get(account, 0) + held
        assert self.free[account] >= 0 and self.held[account] >= 0

    def _settle_order(self, leg: tuple[int, ...]) -> list[tuple[int, int]]:
        account, kind = leg[5], leg[6]
        assert kind == SETTLED
        self.realise(account, (leg[14], leg[15], leg[16]))
        position = self.position(account)
        position.sizes = (leg[11], leg[12], leg[13])
        position.collateral -= leg[17] + leg[18]
        is_last = leg[19] & 4
        if is_last and position.sizes == NOTHING and position.collateral < 0:
            return [(account, -position.collateral)]
        return []

    def hold(self, account: int, atoms: int) -> bool:
        """Moves free balance to held where there is enough of it."""
        if self.free.get(account, 0) < atoms:
            return False
        self.free[account] -= atoms
        self.held[account] = self.held.get(account, 0) + atoms
        return True

    def standing(self, account: int) -> tuple[int, ...]:
        """Settled sizes, and collateral at the latest version."""
        position = self.positions.get(account, Position())
        return (*position.sizes, position.collateral + position.unsettled_e6(self.values) // MICRO)

    def owed_e6(self) -> int:
        """What accounts have in the market and what rounding kept here, 1e-6 atoms."""
        whole = sum(one.collateral * MICRO + one.unsettled_e6(self.values) for one in self.positions.values())
        return whole + self.dust_e6

    def check(self, sums: Any) -> None:
        """The equation of docs/perennial.md: this shard after settling, the desk's sums of the block before."""
        desk_e6 = (sums.fees_atoms + sums.dust_atoms) * MICRO + sums.dust_rest_e6
        assert self.owed_e6() + desk_e6 == sums.balance_atoms * MICRO
        sizes = tuple(sum(one.sizes[side] for one in self.positions.values()) for side in range(3))
        assert sizes == (sums.maker_lots, sums.long_lots, sums.short_lots)
        assert sums.balance_atoms >= 0 and sums.dust_atoms >= 0
