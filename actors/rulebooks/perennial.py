"""Perennial: makers and takers of one market, its requirement and its liquidation fee, in integers.

Everything is a whole number of millionths: atoms of USDC, lots of the asset, ticks of the price and ppm of a rate, so
that a lot at a tick is a millionth of an atom, and a product of two is divided by a million. Every such division cuts
the fraction off (`_toward_zero`; `_floor` where nothing is below zero), one after the other, as the contracts do it.
Orders are in `perennial_orders`, the step from version to version in `perennial_versions`, what an operator may set in
`perennial_bounds`.
"""

from typing import NamedTuple

from actors.units import PPM, mul_div_floor, mul_div_toward_zero

USDC_ATOMS = 10**6
UNIT_LOTS = 10**6


class UtilisationCurve(NamedTuple):
    """The yearly interest takers pay makers, by utilisation: straight from min to target, and from target to max."""

    min_rate_ppm: int
    target_rate_ppm: int
    max_rate_ppm: int
    target_utilisation_ppm: int


class ControllerRules(NamedTuple):
    """The funding rate of a year moves by elapsed * skew / k up to +-max; k_us is a time in microseconds (PE-15)."""

    k_us: int
    max_rate_ppm: int


class RiskRules(NamedTuple):
    """What the operator of a market sets about its risk (PE-16)."""

    maintenance_ppm: int
    min_maintenance_atoms: int
    liquidation_fee_ppm: int
    min_liquidation_fee_atoms: int
    max_liquidation_fee_atoms: int
    maker_fee_ppm: int
    maker_impact_ppm: int
    taker_fee_ppm: int
    taker_skew_ppm: int
    taker_impact_ppm: int
    maker_limit_lots: int
    efficiency_limit_ppm: int
    curve: UtilisationCurve
    controller: ControllerRules
    virtual_taker_lots: int = 0
    stale_after_ms: int = 14_400_000
    maker_receive_only: bool = False


class MarketRules(NamedTuple):
    """What the operator of a market sets about its fees and who may still trade; shares are of a fee (PE-13a, PE-16).

    `taker_close_always` frees every order that increases no taker from the checks of liquidity, `maker_close_always`
    frees all orders, `closed` lets positions only shrink, without position fees, and stops all accrual.
    """

    settlement_fee_atoms: int = 0
    funding_fee_ppm: int = 0
    interest_fee_ppm: int = 0
    position_fee_ppm: int = 0
    oracle_fee_ppm: int = 0
    risk_fee_ppm: int = 0
    max_pending: int = 4
    taker_close_always: bool = False
    maker_close_always: bool = False
    closed: bool = False


class ProtocolRules(NamedTuple):
    """The protocol's share of all fees, and the bounds of what operators may set (PE-13a, PE-16)."""

    protocol_fee_ppm: int
    max_fee_ppm: int
    max_fee_atoms: int
    max_cut_ppm: int
    max_rate_ppm: int
    min_maintenance_ppm: int
    min_efficiency_ppm: int


class Totals(NamedTuple):
    """Makers, longs and shorts of a market; one account's position too, with one side above zero at most (PE-12)."""

    maker_lots: int
    long_lots: int
    short_lots: int

    @property
    def magnitude_lots(self) -> int:
        """The size of an account's position: its only side (PE-01)."""
        return max(self)

    @property
    def is_single_sided(self) -> bool:
        """At most one of the three is above zero."""
        return sum(self) == max(self)

    @property
    def major_lots(self) -> int:
        """The larger of longs and shorts."""
        return max(self.long_lots, self.short_lots)

    @property
    def minor_lots(self) -> int:
        """The smaller of longs and shorts."""
        return min(self.long_lots, self.short_lots)

    @property
    def net_lots(self) -> int:
        """What makers are asked to take: |long - short|."""
        return abs(self.long_lots - self.short_lots)

    @property
    def long_socialised_lots(self) -> int:
        """The longs that makers and shorts can answer for."""
        return min(self.maker_lots + self.short_lots, self.long_lots)

    @property
    def short_socialised_lots(self) -> int:
        """The shorts that makers and longs can answer for."""
        return min(self.maker_lots + self.long_lots, self.short_lots)

    @property
    def taker_socialised_lots(self) -> int:
        """The larger side, as far as makers and the smaller side can answer for it."""
        return min(self.major_lots, self.minor_lots + self.maker_lots)

    @property
    def is_socialised(self) -> bool:
        """Takers go beyond what makers and the other side can answer for, strictly."""
        return self.long_socialised_lots < self.long_lots or self.short_socialised_lots < self.short_lots

    @property
    def utilisation_floor_ppm(self) -> int:
        """major / (maker + minor), 1 at most; 1 without anybody."""
        return _capped_ratio_floor_ppm(self.major_lots, self.maker_lots + self.minor_lots)

    @property
    def efficiency_floor_ppm(self) -> int:
        """maker / major, 1 at most; 1 without takers."""
        return _capped_ratio_floor_ppm(self.maker_lots, self.major_lots)

    def skew_toward_zero_ppm(self, virtual_taker_lots: int) -> int:
        """(long - short) / (major + virtual taker), 0 without takers."""
        if self.major_lots == 0:
            return 0
        return mul_div_toward_zero(self.long_lots - self.short_lots, PPM, self.major_lots + virtual_taker_lots)

    @property
    def socialised_skew_floor_ppm(self) -> int:
        """The share of the socialised takers whose other side is makers."""
        taker_lots = self.taker_socialised_lots
        return mul_div_floor(taker_lots - self.minor_lots, PPM, taker_lots) if taker_lots else 0


NOTHING = Totals(0, 0, 0)


def _capped_ratio_floor_ppm(part: int, whole: int) -> int:
    """part / whole, 1 at most and wherever the whole is nothing."""
    return min(PPM, mul_div_floor(part, PPM, whole)) if whole else PPM


def notional_floor_atoms(lots: int, price_ticks: int) -> int:
    """lots * |price|, the fraction cut off; a price below zero is one of a payoff, counted by its size (PE-01)."""
    return mul_div_floor(lots, abs(price_ticks), PPM)


def requirement_floor_atoms(size_lots: int, price_ticks: int, maintenance_ppm: int, min_maintenance_atoms: int) -> int:
    """max(size * |price| * maintenance, min_maintenance), 0 without a position; cut after each product (PE-01).

    One value for opening and for keeping. A maker counts at its full size, however little of it is used.
    """
    if size_lots == 0:
        return 0
    notional_atoms = notional_floor_atoms(size_lots, price_ticks)
    return max(mul_div_floor(notional_atoms, maintenance_ppm, PPM), min_maintenance_atoms)


def is_liquidatable(collateral_atoms: int, requirement_atoms: int) -> bool:
    """max(collateral, 0) < requirement, strict; both of the latest settled position, pending fees deducted (PE-02)."""
    return not is_collateralised(collateral_atoms, requirement_atoms)


def is_collateralised(collateral_atoms: int, requirement_atoms: int) -> bool:
    """max(collateral, 0) >= requirement: without a position even a debt is (PE-03)."""
    return max(collateral_atoms, 0) >= requirement_atoms


def liquidation_fee_floor_atoms(
    requirement_atoms: int, rate_ppm: int, floor_atoms: int, cap_atoms: int, exact: bool = False
) -> int:
    """requirement * rate between floor and cap, the product cut (PE-09).

    No market has its floor above its cap, unless `exact`: then the floor wins, as in the contract, otherwise the cap.
    """
    fee_atoms = mul_div_floor(requirement_atoms, rate_ppm, PPM)
    if exact:
        return max(min(fee_atoms, cap_atoms), floor_atoms)
    return min(max(fee_atoms, floor_atoms), cap_atoms)


def reward_limit_atoms(fee_atoms: int, collateral_atoms: int, closing_fees_atoms: int, exact: bool = False) -> int:
    """The most a liquidator may ask for: the fee, but no more than what closing leaves of the collateral (PE-09).

    The closing fees are estimated at the latest valid price. `exact`: the bare fee, as in the contract.
    """
    return fee_atoms if exact else min(fee_atoms, max(collateral_atoms - closing_fees_atoms, 0))
