"""A state of the contract against that of our actors, number by number (docs of the vectors: which, and when)."""

from breakwater.v1 import batches_pb2 as batches
from node.conformance.case import Checks, Row
from node.conformance.perennial_rules import millionths
from node.conformance.perennial_rulings import Drift
from node.conformance.perennial_stage import Stage, Standing
from node.conformance.perennial_steps import Times, totals_of_row

_NO_FEES = (0, 0)


class Comparison:
    """One state. What rulings made different must differ by just that, and is named.

    `tag` is the rule that decided the step, empty where none did; then the first that made a value another.
    """

    def __init__(self, checks: Checks, drift: Drift, times: Times, tag: str = "") -> None:
        self._checks, self._drift, self._times, self._tag = checks, drift, times, tag

    def state(self, stage: Stage, numbers: dict[str, int], row: Row) -> None:
        """The market, and every account: its wallet always, the rest where the contract has settled it to here."""
        market = row.row("global")
        latest_s = market.row("position").integer("timestamp")
        accounts = row.row("accounts")
        for name in accounts.content:
            account, standing = accounts.row(name), stage.standing(numbers[name])
            wallet_atoms = millionths(account, "wallet_delta")
            missing_atoms = wallet_atoms + sum(self._drift.wallet(name).values()) - standing.wallet_atoms
            self._drift.absorb(name, missing_atoms, of_wallet=True)
            self._ruled(f"{name} wallet", standing.wallet_atoms, wallet_atoms, self._drift.wallet(name))
            if account.row("latest").integer("timestamp") == latest_s:
                self._account(name, standing, account)
        self._market(stage.market(), market, millionths(row, "market_token_balance"))

    def _market(self, ours: batches.VersionView, market: Row, balance_atoms: int) -> None:
        sums, equal = ours.sums, self._checks.equal
        equal("market balance", sums.balance_atoms, balance_atoms + self._drift.balance_atoms)
        equal("latest price", ours.record.price_ticks, millionths(market, "latest_price"))
        equal("p_value", ours.funding_rate_ppm, millionths(market, "p_value"))
        equal("p_skew", ours.skew_ppm, millionths(market, "p_skew"))
        fees = {
            "protocol_fee": ours.protocol_fee_atoms,
            "oracle_fee": ours.oracle_fee_atoms,
            "risk_fee": ours.risk_fee_atoms,
            "donation": ours.donation_atoms,
        }
        for name, fee_atoms in fees.items():
            equal(name, fee_atoms, millionths(market, name))
        settled = (sums.maker_lots, sums.long_lots, sums.short_lots)
        equal("settled totals", settled, tuple(totals_of_row(market.row("position"))))
        pending = (ours.pending_maker_lots, ours.pending_long_lots, ours.pending_short_lots)
        equal("pending totals", pending, tuple(totals_of_row(market.row("pending"))))

    def _account(self, name: str, ours: Standing, row: Row) -> None:
        pending, equal = row.row("pending"), self._checks.equal
        collateral_atoms = millionths(row, "collateral")
        missing_atoms = collateral_atoms + self._drift.collateral_atoms(name) - ours.collateral_atoms
        self._drift.absorb(name, missing_atoms, of_wallet=False)
        self._ruled(f"{name} collateral", ours.collateral_atoms, collateral_atoms, self._drift.collateral(name))
        equal(f"{name} settled", tuple(ours.settled), tuple(totals_of_row(row.row("latest"))))
        equal(f"{name} pending", tuple(ours.target), tuple(totals_of_row(pending)))
        fees = ours.fees_by_slot.get(self._times.ms(pending.integer("timestamp")), _NO_FEES)
        equal(f"{name} pending fees", fees, (millionths(pending, "fee"), millionths(pending, "keeper")))
        equal(f"{name} locked", ours.locked_ms > 0, row.flag("locked"))
        if ours.locked_ms:
            equal(f"{name} locked until", ours.locked_ms, self._times.ms(row.integer("protection")))

    def _ruled(self, name: str, ours: int, theirs: int, drift: dict[str, int]) -> None:
        """Ours is the file's and what rulings have made of it; what the market holds is the wallets' mirror."""
        self._checks.equal(name, ours, theirs + sum(drift.values()))
        if drift:
            self._tag = self._tag or min(drift)
            self._checks.deviates(self._tag, name, ours, theirs)
