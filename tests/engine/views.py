"""What a reader sees of an account and of a pool between blocks."""

from actors.rulebooks import twilight
from breakwater.v1 import batches_pb2
from tests.engine.book import maintenance_e9, side_name, threshold
from tests.engine.desk import Desk
from tests.engine.state import LIMIT, STOP_LOSS, TAKE_PROFIT, AccountKey, Block, Position, State


def account_view(state: State, block: Block, key: AccountKey) -> batches_pb2.AccountView:
    account = state.accounts[key]
    positions = [held for _, held in sorted(state.positions.items()) if (held.venue, held.account) == key]
    orders = [order for _, order in sorted(state.orders.items()) if (order.venue, order.account) == key]
    return batches_pb2.AccountView(
        venue=account.venue,
        account=account.number,
        exists=True,
        frozen=account.frozen,
        free_atoms=account.free,
        held_atoms=account.held,
        margin_atoms=sum(position.margin_held for position in positions),
        pending_withdrawal_atoms=sum(account.withdrawals.values()),
        deposited_atoms=account.deposited,
        withdrawn_atoms=account.withdrawn,
        positions=[_position_view(state, block, position) for position in positions],
        orders=[
            batches_pb2.OrderView(
                order=order.number,
                market=order.market,
                side=side_name(order.side),
                limit_ticks=order.limit_ticks,
                margin_atoms=order.margin,
                leverage_hundredths=order.leverage,
            )
            for order in orders
        ],
        withdrawals=[
            batches_pb2.PendingWithdrawal(withdrawal=number, amount_atoms=amount)
            for number, amount in sorted(account.withdrawals.items())
        ],
    )


def _position_view(state: State, block: Block, position: Position) -> batches_pb2.PositionView:
    mark = block.marks[position.venue, position.market].mark_ticks
    side, size, value, held = position.side, position.size, position.entry_value, position.margin_held
    limit = threshold(state, position)
    bankruptcy = twilight.bankruptcy_value_atoms(side, value, position.initial_margin)
    return batches_pb2.PositionView(
        position=position.number,
        market=position.market,
        side=side_name(side),
        entry_ticks=position.entry_ticks,
        entry_value_atoms=value,
        position_size=size,
        initial_margin_atoms=position.initial_margin,
        margin_held_atoms=held,
        leverage_hundredths=position.leverage,
        maintenance_atoms=-(-maintenance_e9(state, position) // 10**9),
        liquidation_ticks=0 if side < 0 and limit == twilight.NEVER_SHORT else limit,
        mark_ticks=mark,
        upnl_atoms=twilight.upnl_half_away_atoms(side, size, value, mark),
        equity_atoms=twilight.equity_floor_atoms(side, size, value, held, mark),
        stop_loss_ticks=position.levels.get(STOP_LOSS, 0),
        take_profit_ticks=position.levels.get(TAKE_PROFIT, 0),
        close_limit_ticks=position.levels.get(LIMIT, 0),
        bankruptcy_ticks=size // bankruptcy if bankruptcy > 0 else 0,
    )


def pool_view(state: State, block: Block, venue: int) -> batches_pb2.PoolView:
    pool, desk = state.pools[venue], Desk(state, block, venue)
    utilisation = pool.margin * 10**6 // pool.nav if pool.nav > 0 else 0
    return batches_pb2.PoolView(
        height=block.height,
        venue=venue,
        nav_realised_atoms=pool.nav,
        nav_marked_atoms=desk.marked_nav(),
        trader_margin_atoms=pool.margin,
        micro_shares=pool.total_shares,
        claims_atoms=pool.claimed,
        shortfall_atoms=pool.shortfall,
        deficit_atoms=pool.deficit,
        fees_atoms=pool.fees,
        funding_atoms=pool.funding,
        withdrawable_atoms=twilight.withdrawable_atoms(pool.nav, pool.margin),
        utilisation_ppm=utilisation,
        totals=[
            batches_pb2.MarketTotals(
                venue=venue,
                market=market,
                long_size=totals.long_size,
                short_size=totals.short_size,
                long_entry_atoms=totals.long_entry,
                short_entry_atoms=totals.short_entry,
                positions=totals.positions,
            )
            for market, totals in sorted(pool.totals.items())
            if totals.positions
        ],
        holdings=[
            batches_pb2.ShareHolding(
                account=account,
                micro_shares=shares,
                value_atoms=twilight.redeem_floor_atoms(shares, pool.total_shares, desk.share_price(minting=False)),
            )
            for account, shares in sorted(pool.shares.items())
            if shares
        ],
    )
