"""What a reader sees of an account and of a market's desk between blocks, and whether it all adds up."""

from actors.rulebooks.perennial import requirement_floor_atoms
from breakwater.v1 import batches_pb2
from tests.engine.perennial.state import LONG, MAKER, PPM, SHORT, Market, Record, Row, VersionSight

# So many ticks beside a liquidation price are looked at.
NEAR_TICKS = 12


def versioned_account_view(sight: VersionSight, number: int) -> batches_pb2.AccountView:
    """The account as its shard shows it; the price that liquidates is left to `check_liquidation_price`."""
    account = sight.account(number)
    view = batches_pb2.AccountView(
        venue=sight.venue,
        account=number,
        exists=True,
        frozen=account.frozen,
        free_atoms=account.free,
        held_atoms=account.held,
        pending_withdrawal_atoms=sum(account.withdrawals.values()),
        deposited_atoms=account.deposited,
        withdrawn_atoms=account.withdrawn,
        withdrawals=[
            batches_pb2.PendingWithdrawal(withdrawal=withdrawal, amount_atoms=amount)
            for withdrawal, amount in sorted(account.withdrawals.items())
        ],
    )
    for (owner, market), row in sorted(sight.own.rows.items()):
        if owner != number:
            continue
        record, rules = sight.own.records.get(market, Record()), sight.parameters[market].perennial
        needed = requirement_floor_atoms(row.lots, record.price, rules.maintenance_ppm, rules.min_maintenance_atoms)
        view.versioned.add(
            market=market,
            kind=row.kind,
            lots=row.lots,
            collateral_atoms=sight.own.standing(number, market),
            requirement_atoms=needed if market in sight.own.records else 0,
            price_ticks=record.price,
            version_ms=record.version_ms,
        )
    return view


def check_liquidation_price(sight: VersionSight, number: int, shown: batches_pb2.VersionedView) -> None:
    """The price shown liquidates, prices next to it on the safe side do not (a value that moves an atom a unit)."""
    row, record = sight.own.rows[number, shown.market], sight.own.records.get(shown.market, Record())
    rules, price = sight.parameters[shown.market].perennial, shown.liquidation_ticks
    if row.kind == MAKER or not price:
        return
    assert row.kind in (LONG, SHORT)
    way = 1 if row.kind == LONG else -1

    def fails(ticks: int) -> bool:
        gained = row.earned_e6(record.values) + way * row.lots * (ticks - record.price)
        needed = requirement_floor_atoms(row.lots, ticks, rules.maintenance_ppm, rules.min_maintenance_atoms)
        return max(0, row.collateral + gained // PPM) < needed

    assert fails(price), f"account {number} is safe at {shown}"
    safe = [price + way * step for step in range(1, NEAR_TICKS) if price + way * step > 0]
    assert not any(fails(ticks) for ticks in safe), f"account {number} is not safe beside {shown}"


def version_view(sight: VersionSight, number: int) -> batches_pb2.VersionView:
    """A desk with everybody's orders and debts; the next slot is left out."""
    market = sight.market(number)
    totals, pending = market.totals, market.pending_totals
    dust_atoms, dust_rest_e6 = divmod(market.dust_e6, PPM)
    view = batches_pb2.VersionView(
        height=sight.block.height,
        venue=sight.venue,
        market=number,
        record=batches_pb2.VersionRecord(
            venue=sight.venue,
            market=number,
            version_ms=market.settled_ms,
            price_ticks=market.price,
            maker_value_e6=market.values[0],
            long_value_e6=market.values[1],
            short_value_e6=market.values[2],
        ),
        sums=batches_pb2.VersionSums(
            venue=sight.venue,
            market=number,
            balance_atoms=market.balance,
            fees_atoms=sum(market.fees),
            shortfall_atoms=sum(market.debts.values()),
            dust_atoms=dust_atoms,
            dust_rest_e6=dust_rest_e6,
            maker_lots=totals.maker_lots,
            long_lots=totals.long_lots,
            short_lots=totals.short_lots,
        ),
        protocol_fee_atoms=market.fees[0],
        oracle_fee_atoms=market.fees[1],
        risk_fee_atoms=market.fees[2],
        donation_atoms=market.fees[3],
        funding_rate_ppm=market.rate,
        skew_ppm=market.skew,
        valid_ms=market.valid_ms,
        pending_maker_lots=pending.maker_lots,
        pending_long_lots=pending.long_lots,
        pending_short_lots=pending.short_lots,
        utilisation_ppm=pending.utilisation_floor_ppm,
        efficiency_ppm=pending.efficiency_floor_ppm,
        requested_ms=market.requested,
        debts=[
            batches_pb2.MarketDebt(account=account, amount_atoms=owed) for account, owed in sorted(market.debts.items())
        ],
    )
    for order in sorted(market.pinned, key=lambda order: (order.account, order.version_ms)):
        view.pending.add(
            account=order.account,
            version_ms=order.version_ms,
            maker_lots=order.sizes.maker_lots,
            long_lots=order.sizes.long_lots,
            short_lots=order.sizes.short_lots,
            fee_atoms=order.fee,
            settlement_fee_atoms=order.settlement_fee,
            is_liquidation=order.is_liquidation,
        )
    return view


def version_breaches(sight: VersionSight) -> list[str]:
    """The venue's equation, then every market's: sizes are those of rows and legs, and have one side."""
    own, found = sight.own, []
    accounts = [sight.account(number) for number in sight.accounts()]
    held = sum(account.free + account.held + sum(account.withdrawals.values()) for account in accounts)
    on_its_way = sum(leg.free + leg.held for leg in own.outbox)
    balances = sum(market.balance for market in own.markets.values())
    brought = sum(account.deposited - account.withdrawn for account in accounts)
    if held + on_its_way + balances != brought:
        found.append(f"{held + on_its_way + balances - brought} atoms off")
    if any(min(account.free, account.held) < 0 for account in accounts):
        found.append("a balance is below zero")
    for number, market in own.markets.items():
        found += [f"market {number}: {breach}" for breach in _market_breaches(sight, number, market)]
    return [f"venue {sight.venue}: {breach}" for breach in found]


def _market_breaches(sight: VersionSight, number: int, market: Market) -> list[str]:
    """The market's equation with what is on its way: exact, to 1e-6 of an atom."""
    own, found = sight.own, []
    rows: dict[int, Row] = {account: row for (account, where), row in own.rows.items() if where == number}
    legs = [leg for leg in own.outbox if leg.market == number]
    sizes = {account: row.sizes for account, row in rows.items()}
    collateral = sum(row.collateral for row in rows.values()) + sum(leg.collateral for leg in legs)
    collateral -= sum(leg.fee + leg.settlement_fee for leg in legs)
    unsettled = 0
    for account, row in rows.items():
        mine = [leg for leg in legs if leg.rank == 1 and leg.account == account]
        unsettled += row.earned_e6(mine[0].values if mine else market.values)
        for place, leg in enumerate(mine):
            later = mine[place + 1].values if place + 1 < len(mine) else market.values
            unsettled += sum(lots * (now - then) for lots, now, then in zip(leg.sizes, later, leg.values, strict=True))
    for leg in legs:
        if leg.rank == 1:
            sizes[leg.account] = leg.sizes
            if leg.account not in rows:
                then = zip(leg.sizes, market.values, leg.values, strict=True)
                unsettled += sum(lots * (now - value) for lots, now, value in then)
    dust = market.dust_e6 + own.dust_e6.get(number, 0)
    off = PPM * (collateral + sum(market.fees) - market.balance) + unsettled + dust
    if off:
        found.append(f"{off} millionths of an atom off")
    if {account: held for account, held in sizes.items() if max(held)} != {
        account: held for account, held in market.sizes.items() if max(held)
    }:
        found.append(f"sizes {sizes} are not {market.sizes}")
    if any(sum(lots > 0 for lots in held) > 1 for held in market.sizes.values()):
        found.append("a position has two sides")
    return found
