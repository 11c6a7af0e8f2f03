"""One crash through several rulebooks: who paid, liquidations by rung, how long a breach lasted, the biggest loss.

Every figure is of events, account views or desk views. Money is in 1e-6 USD; BTC counts at the first price of the path,
at which the people's money became BTC. `paid` is what everybody's wealth changed by, signed, and comes to zero:
nothing is left out, `rounding` is the rest and holds fractions of atoms and funding that one side has paid and the
other has not yet been paid.
"""

from collections.abc import Sequence
from typing import Any

from breakwater.v1 import batches_pb2
from breakwater.v1 import common_pb2 as com
from node.load.margin_trade.tally import BookTally
from node.load.result import VenueResult
from node.load.rung_tally import RungTally
from node.load.spin.tally import SpinTally
from node.load.tally import Tally
from node.load.views import VAULT
from node.report.amounts import count
from node.report.bot_summary import breach_facts

# A sat at a price in 1e-9 USD, and a Twilight position's size (sats * ticks) at a tick in 1e-9 USD, in 1e-6 USD.
_SATS_E9 = 10**11
PAYERS = ("traders", "liquidity", "vault", "fund", "liquidators", "deleveraged", "fees", "shortfall", "rounding")
PAYER_WORDS = {
    "traders": "Traders",
    "liquidity": "LPs, makers",
    "vault": "Vault",
    "fund": "Fund",
    "liquidators": "Liquidators",
    "deleveraged": "Deleveraged",
    "fees": "Fees",
    "shortfall": "Shortfall",
    "rounding": "Rounding",
}
_WIDTH = 20


def comparison(results: Sequence[VenueResult]) -> dict[str, Any]:
    """The table by rulebook."""
    return {result.name: _column(result) for result in results}


def _column(result: VenueResult) -> dict[str, Any]:
    money = _Money(result)
    tally = result.tally
    return {
        "paid_usd_e6": money.paid(),
        "rungs": _rungs(result),
        "breach_to_closed": breach_facts(tally),
        "biggest_loss": money.biggest_loss(),
        "below_zero_usd_e6": money.below_zero(),
        "traders_deposited_usd_e6": money.deposited(result.groups.traders),
        "liquidity_deposited_usd_e6": money.deposited(result.groups.liquidity),
        "volume_usd_e6": _size_usd(result, tally.volume_size) if isinstance(tally, Tally) else tally.volume_atoms,
        "commands": tally.commands,
        "refused": tally.refused,
    }


class _Money:
    """Wealth of a venue's accounts at the end against what they brought."""

    def __init__(self, result: VenueResult) -> None:
        self._result = result
        market = result.plan.markets[0]
        price_e9 = result.plan.points[0].price_ticks * market.tick_size_e9
        self._price_e9 = price_e9 if result.plan.venue.rulebook == com.RULEBOOK_TWILIGHT else 0
        views = result.views.accounts
        self._change = {
            account: worth_atoms(view) - view.deposited_atoms + view.withdrawn_atoms for account, view in views.items()
        }

    def paid(self) -> dict[str, int]:
        """By payer; below zero who paid, above who received."""
        result, views = self._result, self._result.views
        groups = result.groups
        paid = dict.fromkeys(PAYERS, 0)
        paid["traders"], paid["liquidity"] = self._sum(groups.traders), self._sum(groups.liquidity)
        paid["liquidators"] = self._sum(result.bot_accounts)
        if result.plan.venue.rulebook == com.RULEBOOK_TWILIGHT:
            pool = views.pool
            paid["traders"] += pool.claims_atoms
            paid["liquidity"] += pool.nav_marked_atoms - pool.claims_atoms - pool.fees_atoms
            paid["fees"], paid["shortfall"] = pool.fees_atoms, -pool.shortfall_atoms
        elif result.plan.venue.rulebook == com.RULEBOOK_MARGIN_TRADE:
            sums = views.backstop.sums
            paid["vault"] = self._sum([VAULT, *groups.backers])
            paid["fund"], paid["fees"] = sums.fund_atoms - sums.deposited_atoms, sums.fees_atoms
            paid["shortfall"] = -sums.shortfall_atoms
            self._set_haircuts_apart(paid)
        elif result.plan.venue.rulebook == com.RULEBOOK_SPIN:
            fund = views.insurance
            paid["fund"], paid["fees"] = fund.fund_atoms - fund.deposited_atoms, fund.fees_atoms
            paid["shortfall"] = -fund.shortfall_atoms
        else:
            # Who owes a market has walked away: the debt is no loss of theirs any more.
            owed = sum(debt_atoms(view) for view in views.accounts.values())
            paid["traders"], paid["shortfall"] = paid["traders"] + owed, -owed
            paid["fees"] = sum(view.sums.fees_atoms for view in views.versions)
        paid["rounding"] = -sum(paid.values())
        return {payer: self.usd(amount) for payer, amount in paid.items()}

    def _set_haircuts_apart(self, paid: dict[str, int]) -> None:
        """What deleveraged counterparties lost against the mark is named by itself, whoever they were."""
        assert isinstance(self._result.tally, BookTally), "only Margin Trade deleverages"
        makers = set(self._result.groups.liquidity)
        for account, haircut in self._result.tally.haircuts_by_account.items():
            paid["liquidity" if account in makers else "traders"] += haircut
            paid["deleveraged"] -= haircut

    def biggest_loss(self) -> dict[str, int]:
        """Of a trader with all accounts of his: how much, and what part of all he ever brought, ppm."""
        lost: dict[int, int] = {}
        brought: dict[int, int] = {}
        tally = self._result.tally
        owners = tally.owners if isinstance(tally, SpinTally) else {}
        for account in self._result.groups.traders:
            view = self._result.views.accounts[account]
            owner = owners.get(account, account)
            lost[owner] = lost.get(owner, 0) - self._change[account] - debt_atoms(view)
            brought[owner] = brought.get(owner, 0) + view.deposited_atoms
        worst = max(lost, key=lambda owner: (lost[owner], -owner))
        part_ppm = lost[worst] * 1_000_000 // brought[worst] if brought[worst] else 0
        return {"account": worst, "loss_usd_e6": self.usd(lost[worst]), "of_deposits_ppm": part_ppm}

    def below_zero(self) -> int:
        """Debt of accounts that still have a position: recorded nowhere yet."""
        views = self._result.views.accounts.values()
        return self.usd(sum(max(0, -worth_atoms(view) - debt_atoms(view)) for view in views))

    def deposited(self, accounts: Sequence[int]) -> int:
        """All they ever brought."""
        return self.usd(sum(self._result.views.accounts[account].deposited_atoms for account in accounts))

    def usd(self, atoms: int) -> int:
        """1e-6 USD, floor; atoms of USDC are that already."""
        return atoms * self._price_e9 // _SATS_E9 if self._price_e9 else atoms

    def _sum(self, accounts: Sequence[int]) -> int:
        return sum(self._change[account] for account in accounts)


def worth_atoms(view: batches_pb2.AccountView) -> int:
    """Balances and what positions are worth at the last mark or version."""
    worth = view.free_atoms + view.held_atoms + view.pending_withdrawal_atoms
    worth += sum(position.equity_atoms for position in view.positions)
    worth += sum(position.upnl_atoms for position in view.cross.positions)
    worth += sum(position.upnl_atoms - position.accrued_funding_atoms for position in view.ratio.positions)
    return worth + sum(row.collateral_atoms for row in view.versioned)


def debt_atoms(view: batches_pb2.AccountView) -> int:
    """What an account without position owes Perennial markets (PE-17)."""
    return sum(-row.collateral_atoms for row in view.versioned if not row.lots and row.collateral_atoms < 0)


def _rungs(result: VenueResult) -> dict[str, dict[str, int]]:
    tally = result.tally
    if isinstance(tally, RungTally):
        accounts, notional = tally.rung_accounts(), tally.rung_notional_atoms()
        return {
            rung: {"count": number, "accounts": accounts[rung], "notional_usd_e6": notional[rung]}
            for rung, number in tally.rung_counts().items()
        }
    points = tally.liquidations
    size = sum(point.position_size for point in points)
    closed = {
        "count": len(points),
        "accounts": len({point.account for point in points}),
        "notional_usd_e6": _size_usd(result, size),
    }
    return {"closed": closed}


def _size_usd(result: VenueResult, size: int) -> int:
    """What Twilight positions of this size are worth in 1e-6 USD, at any price."""
    return size * result.plan.markets[0].tick_size_e9 // _SATS_E9


def comparison_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The table as lines of equal columns."""
    table = facts["table"]
    columns = list(table.values())
    lines = [("", _cells(list(table)))]
    lines += [(PAYER_WORDS[payer], _cells([_usd(one["paid_usd_e6"][payer]) for one in columns])) for payer in PAYERS]
    lines.append(("", _cells(["USD, signed"] * len(columns))))
    for place in range(max(len(one["rungs"]) for one in columns)):
        lines += _rung_lines(place, columns)
    breaches = [one["breach_to_closed"] for one in columns]
    lines += [
        ("Breach to", _cells([f"{_seconds(one['median_ms'])} median" for one in breaches])),
        ("closed", _cells([f"{_seconds(one['p90_ms'])} p90" for one in breaches])),
        ("", _cells([f"{_seconds(one['worst_ms'])} worst" for one in breaches])),
        ("", _cells([f"{one['times']:,} + {one['open']:,} open" for one in breaches])),
        ("Biggest loss", _cells([_usd(one["biggest_loss"]["loss_usd_e6"]) for one in columns])),
        ("", _cells([f"{one['biggest_loss']['of_deposits_ppm'] / 10_000:.1f}% of deposits" for one in columns])),
        ("Brought", _cells([f"{_usd(one['traders_deposited_usd_e6'])} traders" for one in columns])),
        ("", _cells([f"{_usd(one['liquidity_deposited_usd_e6'])} LPs" for one in columns])),
        ("Volume", _cells([_usd(one["volume_usd_e6"]) for one in columns])),
        ("Refused", _cells([f"{count(one['refused'])} of {count(one['commands'])}" for one in columns])),
        ("Conserved", _cells(["yes" if one["conserved"] else "NO" for one in facts["rulebooks"].values()])),
    ]
    return lines


def _rung_lines(place: int, columns: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """What every rulebook has on its n-th rung: how often, how many accounts, how much."""
    rungs = [list(one["rungs"].items())[place] if place < len(one["rungs"]) else None for one in columns]
    named = [f"{rung[1]['count']:,} {rung[0]}" if rung else "" for rung in rungs]
    accounts = [f"{rung[1]['accounts']:,} accounts" if rung else "" for rung in rungs]
    notional = [_usd(rung[1]["notional_usd_e6"]) if rung else "" for rung in rungs]
    return [(f"Rung {place + 1}", _cells(named)), ("", _cells(accounts)), ("", _cells(notional))]


def _cells(words: Sequence[str]) -> str:
    return "".join(f"{word:>{_WIDTH}}" for word in words)


def _usd(amount_e6: int) -> str:
    """Whole USD, half away from zero; for the eye."""
    sign = "-" if amount_e6 < 0 else ""
    whole = (abs(amount_e6) + 500_000) // 1_000_000
    return f"{sign}{whole:,}" if whole else "0"


def _seconds(time_ms: int) -> str:
    return f"{time_ms / 1000:,.0f} s"
