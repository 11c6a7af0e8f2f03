"""Legs of version desks: what ops did at the old records, the new records, then what versions settled (PE-05)."""

from breakwater.v1 import events_pb2
from tests.engine.perennial.state import KINDS, PPM, VersionLeg, VersionSight, version_sights
from tests.engine.state import PAYOUT, RELEASE, Block, State

SETTLE = 4
VALID, LIQUIDATION, LAST = 1, 2, 4
CREDITS = {KINDS.VERSION_LEG_KIND_RELEASE: RELEASE, KINDS.VERSION_LEG_KIND_REWARD: PAYOUT}


def settle(state: State, block: Block) -> None:
    """By (class, command, market, leg)."""
    for sight in version_sights(state, block):
        own = sight.own
        legs, own.outbox, own.debts, own.ops = own.outbox, [], [], []
        legs = sorted(legs, key=lambda leg: (leg.rank, leg.command, leg.market, leg.leg))
        for leg in legs:
            if leg.rank == 0:
                _post(sight, leg)
        own.records = {number: market.record for number, market in own.markets.items() if market.settled_ms}
        for leg in legs:
            if leg.rank == 1:
                _settle(sight, leg)
        own.drop_empty_rows()


def realise(sight: VersionSight, account: int, market: int, values: tuple[int, int, int]) -> int:
    """Brings what the side earned into the collateral, floored; the rest is dust. Returns the atoms."""
    row = sight.own.row(account, market)
    if not row.kind:
        return 0
    earned, rest = divmod(row.earned_e6(values), PPM)
    sight.own.dust_e6[market] = sight.own.dust_e6.get(market, 0) + rest
    row.collateral += earned
    row.basis = values[row.kind - 1]
    return earned


def _post(sight: VersionSight, leg: VersionLeg) -> None:
    own, key = sight.own, (SETTLE, sight.venue << 8, leg.command, leg.market << 8 | leg.leg)
    account = sight.account(leg.account)
    account.free += leg.free
    account.held += leg.held
    if leg.kind == KINDS.VERSION_LEG_KIND_MOVED or leg.collateral:
        values = own.records[leg.market].values if leg.market in own.records else (0, 0, 0)
        realise(sight, leg.account, leg.market, values)
        row = own.row(leg.account, leg.market)
        row.collateral += leg.collateral
        body = events_pb2.CollateralMoved(
            amount_atoms=leg.collateral, collateral_atoms=row.collateral, counterparty=leg.counterparty
        )
        sight.say(key, leg.account, leg.market, collateral_moved=body)
    elif leg.kind == KINDS.VERSION_LEG_KIND_REPAID:
        paid = events_pb2.Transferred(counterparty=leg.counterparty, amount_atoms=leg.held, cash_atoms=account.free)
        sight.say(key, leg.account, leg.market, transferred=paid)
    elif leg.free > 0:
        reference = sight.block.height - 1 << 20 | leg.command
        credited = events_pb2.Credited(kind=CREDITS[leg.kind], amount_atoms=leg.free, reference=reference)
        sight.say(key, leg.account, leg.market, credited=credited)


def _settle(sight: VersionSight, leg: VersionLeg) -> None:
    """Realised at the version's values, fees charged, the new sizes from here on; who owes then is told (PE-17)."""
    own = sight.own
    earned = realise(sight, leg.account, leg.market, leg.values)
    row = own.row(leg.account, leg.market)
    row.collateral -= leg.fee + leg.settlement_fee
    row.kind = next((side + 1 for side, lots in enumerate(leg.sizes) if lots), 0)
    row.lots = max(leg.sizes)
    row.basis = leg.values[row.kind - 1] if row.kind else 0
    if leg.flags & LAST and not row.lots and row.collateral < 0:
        own.debts.append((leg.market, leg.account, -row.collateral))
    body = events_pb2.PositionSettled(
        version_ms=leg.version_ms,
        valid=bool(leg.flags & VALID),
        kind=row.kind,
        lots=row.lots,
        collateral_atoms=row.collateral,
        realised_atoms=earned,
        fee_atoms=leg.fee,
        settlement_fee_atoms=leg.settlement_fee,
        is_liquidation=bool(leg.flags & LIQUIDATION),
    )
    key = (SETTLE, sight.venue << 8 | 1, leg.account, leg.market << 32 | leg.command)
    sight.say(key, leg.account, leg.market, position_settled=body)
