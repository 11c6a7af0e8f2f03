"""The people of a Margin Trade replay one by one: habits, makers' ladders, takers' orders, what events teach them."""

from collections import Counter

import numpy as np
import pytest

from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2 as com
from breakwater.v1 import events_pb2 as evt
from node.load.asks import Ask
from node.load.books.knowledge import Knowledge
from node.load.books.makers import DESKS, FIRMS, SHAPE, Makers
from node.load.books.markets import Markets
from node.load.books.orders import REDUCE_ONLY
from node.load.books.takers import HOLDING, IDLE, Takers
from node.load.habits import PPM, WHALES_PER_THOUSAND, Habits
from node.load.margin_trade.mischief import EVERY_BLOCKS, BookMischief
from node.load.providers import Providers
from node.margin_presets import margin_trade_market

TRADERS = 2_000
PRICE = 1_000_000
DEPTH_ATOMS = 10**13
DESK_COUNT = FIRMS * len(DESKS)


def _draw(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def _markets(*assets: str) -> Markets:
    return Markets([margin_trade_market(number, asset) for number, asset in enumerate(assets or ("BTC",), 1)])


def _prices(markets: Markets, price: int = PRICE) -> np.ndarray:
    return np.full(markets.count, price)


def _calm(markets: Markets) -> np.ndarray:
    return np.zeros(markets.count, np.int64)


def _known(markets: Markets, accounts: int) -> Knowledge:
    known = Knowledge(markets)
    known.reach(accounts)
    return known


def _makers(markets: Markets) -> tuple[Makers, Knowledge]:
    makers = Makers(_draw(), markets, DEPTH_ATOMS)
    makers.account[:] = np.arange(1, DESK_COUNT + 1)
    return makers, _known(markets, DESK_COUNT)


def _orders(asks: list[Ask]) -> cmd.PlaceOrders:
    (body,) = [ask.body for ask in asks if isinstance(ask.body, cmd.PlaceOrders)]
    return body


def _quoted_atoms(orders: cmd.PlaceOrders, side: int) -> int:
    rows = zip(orders.side, orders.size_lots, orders.limit_ticks, strict=True)
    return sum(size * limit for at, size, limit in rows if at == side)


def _position(account: int, market: int, lots: int, cost: int, cash: int) -> evt.Event:
    body = evt.PositionUpdated(lots=lots, cost_atoms=cost, cash_atoms=cash)
    return evt.Event(account=account, market=market, position_updated=body)


# Habits


def test_the_same_seed_is_the_same_people() -> None:
    first, again, other = (Habits(_draw(seed), 300, _markets("BTC", "ETH").max_leverage, 400) for seed in (4, 4, 5))
    for name, column in vars(first).items():
        assert np.array_equal(np.asarray(column), np.asarray(getattr(again, name))), name
    assert not np.array_equal(first.deposit_atoms, other.deposit_atoms)


def test_money_has_a_heavy_tail_and_whales() -> None:
    habits = Habits(_draw(), TRADERS, _markets().max_leverage, 400)
    assert habits.is_whale.sum() == TRADERS * WHALES_PER_THOUSAND // 1000
    small = np.sort(habits.deposit_atoms[~habits.is_whale])
    assert 1_500 * 10**6 < int(small[len(small) // 2]) < 3_500 * 10**6
    assert small[int(len(small) * 0.99)] > 5 * small[len(small) // 2]
    assert np.median(habits.deposit_atoms[habits.is_whale]) > 20 * np.median(small)


def test_leverage_stays_within_the_market_and_spreads() -> None:
    habits = Habits(_draw(), TRADERS, _markets("BTC", "ALGO").max_leverage, 400)
    most = np.array([40, 10])[habits.place]
    assert (habits.leverage >= 1).all() and (habits.leverage <= most).all()
    btc = habits.leverage[habits.place == 0]
    assert (btc > 15).mean() > 0.15 and (btc <= 3).mean() > 0.1


def test_nobody_trades_a_market_twice() -> None:
    habits = Habits(_draw(), 500, _markets("BTC", "ETH", "SOL", "LTC").max_leverage, 400)
    rows = list(zip(habits.who.tolist(), habits.place.tolist(), strict=True))
    assert len(set(rows)) == len(rows)
    assert Counter(habits.rows_of_trader.tolist()).keys() == {1, 2, 3}


# Makers


def test_the_ladder_has_the_shape_of_the_recorded_book() -> None:
    makers, known = _makers(_markets())
    orders = _orders(makers.act(1, _prices(_markets()), _calm(_markets()), known))
    assert len(orders.side) == FIRMS * len(SHAPE) * 2
    for side in (1, -1):
        within = {
            distance: sum(
                size * limit
                for at, size, limit in zip(orders.side, orders.size_lots, orders.limit_ticks, strict=True)
                if at == side and side * (PRICE - limit) <= PRICE * (distance + 50) // PPM
            )
            for distance, _ in SHAPE
        }
        for distance, depth in SHAPE:
            assert within[distance] == pytest.approx(DEPTH_ATOMS * depth / SHAPE[-1][1], rel=0.03), distance


def test_no_two_makers_cross() -> None:
    makers, known = _makers(_markets())
    bids, asks = [], []
    for block, price in enumerate(PRICE + PRICE * np.arange(-30, 31) // 10_000, 1):
        for ask in makers.act(block, np.array([price]), _calm(_markets()), known):
            if isinstance(ask.body, cmd.PlaceOrders):
                body = ask.body
                live = dict.fromkeys(body.account)
                bids = [row for row in bids if row[0] not in live]
                asks = [row for row in asks if row[0] not in live]
                for account, side, limit in zip(body.account, body.side, body.limit_ticks, strict=True):
                    (bids if side == 1 else asks).append((account, limit))
        assert max(limit for _, limit in bids) < min(limit for _, limit in asks), price


def test_whoever_quotes_far_away_does_not_follow_every_tick() -> None:
    makers, known = _makers(_markets())
    makers.act(1, _prices(_markets()), _calm(_markets()), known)
    assert makers.act(2, _prices(_markets()), _calm(_markets()), known) == []
    moved = _orders(makers.act(3, _prices(_markets(), PRICE + PRICE // 10_000), _calm(_markets()), known))
    assert set(moved.account) == {1, 4}, "the desks near the price, one a firm"
    far = _orders(makers.act(4, _prices(_markets(), PRICE + PRICE // 200), _calm(_markets()), known))
    assert set(far.account) == set(range(1, DESK_COUNT + 1))


def test_a_fill_and_age_make_a_desk_quote_anew_in_that_market_only() -> None:
    markets = _markets("BTC", "ETH")
    makers, known = _makers(markets)
    makers.act(1, _prices(markets), _calm(markets), known)
    known.happened([_position(2, 2, 7, 7 * PRICE, 0)])
    cancels, quotes = makers.act(2, _prices(markets), _calm(markets), known)
    assert isinstance(cancels.body, cmd.CancelBookOrders) and isinstance(quotes.body, cmd.PlaceOrders)
    assert (list(cancels.body.account), list(cancels.body.market)) == ([2], [2])
    assert set(quotes.body.account) == {2} and set(quotes.body.market) == {2}
    later = makers.act(100, _prices(markets), _calm(markets), known)
    assert set(_orders(later).account) == set(range(1, DESK_COUNT + 1))


def test_makers_thin_out_in_a_fall_and_lean_against_what_they_hold() -> None:
    markets = _markets()
    makers, known = _makers(markets)
    calm = _quoted_atoms(_orders(makers.act(1, _prices(markets), _calm(markets), known)), 1)
    makers, known = _makers(markets)
    falling = _quoted_atoms(_orders(makers.act(1, _prices(markets), np.array([50_000]), known)), 1)
    assert calm // 10 < falling < calm // 2
    makers, known = _makers(markets)
    for account in makers.account.tolist():
        held = int(makers._depth_atoms[0]) // PRICE // 2
        known.happened([_position(account, 1, held, held * PRICE, 0)])
    orders = _orders(makers.act(1, _prices(markets), _calm(markets), known))
    assert _quoted_atoms(orders, 1) < calm * 2 // 3 < calm < _quoted_atoms(orders, -1)


# Takers


def _takers(markets: Markets, traders: int = 400, blocks: int = 120) -> tuple[Takers, Habits, Knowledge]:
    draw = _draw()
    habits = Habits(draw, traders, markets.max_leverage, blocks)
    takers = Takers(draw, habits, markets, blocks)
    takers.account[:] = np.arange(1, traders + 1)
    known = _known(markets, traders)
    known.credit(takers.account, habits.deposit_atoms)
    return takers, habits, known


def test_nobody_sends_an_order_that_his_margin_does_not_allow() -> None:
    markets = _markets()
    takers, habits, known = _takers(markets)
    sent = 0
    for block in range(1, 12):
        asks = takers.act(block, _prices(markets), _calm(markets), known)
        for body in [ask.body for ask in asks if isinstance(ask.body, cmd.PlaceOrders)]:
            for row, account in enumerate(body.account):
                sent += 1
                value, leverage = body.size_lots[row] * PRICE, int(habits.leverage[account - 1])
                limit = body.limit_ticks[row] or PRICE + body.side[row] * PRICE // 20
                adverse = max(0, body.side[row] * (limit - PRICE)) * body.size_lots[row]
                fee = value * 5 // 10_000
                assert value // leverage + adverse + fee <= known.cash_atoms(np.array(account))
    assert sent > 200


def test_who_came_in_protects_himself_and_leaves_by_what_he_holds() -> None:
    markets = _markets()
    takers, habits, known = _takers(markets)
    events = [_position(account, 1, 50, 50 * PRICE, 10**9) for account in range(1, 401)]
    known.happened(events)
    asks = takers.act(1, _prices(markets), _calm(markets), known)
    assert (takers.state == HOLDING).all()
    triggers = [ask.body for ask in asks if isinstance(ask.body, cmd.PlaceOrders) and any(ask.body.trigger)]
    (body,) = triggers
    assert set(body.trigger) == {com.TRIGGER_KIND_STOP, com.TRIGGER_KIND_TAKE_PROFIT}
    for kind, side, level, flags, size in zip(
        body.trigger, body.side, body.trigger_ticks, body.flags, body.size_lots, strict=True
    ):
        assert (side, flags, size) == (-1, REDUCE_ONLY, 50)
        assert (level < PRICE) == (kind == com.TRIGGER_KIND_STOP)
    # A fall of two fifths: whoever panics leaves, once, until he knows what became of it.
    fallen = _prices(markets, PRICE * 3 // 5)
    leaving = [ask.body for ask in takers.act(2, fallen, _calm(markets), known)]
    panicked = {account for body in leaving if isinstance(body, cmd.PlaceOrders) for account in body.account}
    assert panicked >= {int(row) + 1 for row in np.flatnonzero(habits.panics & (habits.leverage[:400] > 5))}
    again = [ask.body for ask in takers.act(3, fallen, _calm(markets), known)]
    repeated = {account for body in again if isinstance(body, cmd.PlaceOrders) for account in body.account}
    assert not panicked & repeated


def test_whose_position_is_gone_cancels_what_is_left_and_rests() -> None:
    markets = _markets()
    takers, _, known = _takers(markets)
    known.happened([_position(5, 1, 50, 50 * PRICE, 10**9)])
    takers.act(1, _prices(markets), _calm(markets), known)
    known.happened([_position(5, 1, 0, 0, 10**9)])
    asks = takers.act(2, _prices(markets), _calm(markets), known)
    cancels = [ask.body for ask in asks if isinstance(ask.body, cmd.CancelBookOrders)]
    assert any(5 in body.account for body in cancels)
    assert takers.state[4] == IDLE and takers.due_block[4] > 2


def test_a_whale_works_an_order_by_parts() -> None:
    markets = _markets()
    takers, habits, known = _takers(markets)
    whale = int(np.flatnonzero(habits.is_whale)[0]) + 1
    known.happened([_position(whale, 1, 1, PRICE, int(habits.deposit_atoms[whale - 1]))])
    parts = []
    for block in range(1, 9):
        for ask in takers.act(block, _prices(markets), _calm(markets), known):
            if isinstance(ask.body, cmd.PlaceOrders):
                rows = zip(ask.body.account, ask.body.size_lots, ask.body.trigger, strict=True)
                parts += [size * PRICE for account, size, trigger in rows if account == whale and not trigger]
    assert len(parts) == 2
    wanted = int(habits.deposit_atoms[whale - 1]) * int(habits.leverage[whale - 1])
    assert all(wanted // 10 < part < wanted // 4 for part in parts)


# Knowledge


def test_knowledge_follows_the_events() -> None:
    markets = _markets("BTC", "ETH")
    known = _known(markets, 3)
    known.credit(np.array([1, 2, 1]), np.array([100, 50, 7]))
    assert known.cash_atoms(np.array([1, 2, 3])).tolist() == [107, 50, 0]
    known.happened([_position(1, 2, -4, -400, 90), _position(2, 1, 3, 300, 20)])
    prices = np.array([110, 95])
    # A short of four that brought 400 is worth 20 more at 95; a long of three that cost 300 gains 30 at 110.
    assert known.equity_atoms(np.array([1, 2]), prices).tolist() == [90 + 20, 20 + 30]
    assert known.lots(np.array([1, 1, 2]), np.array([0, 1, 0])).tolist() == [0, -4, 3]


def test_a_takeover_takes_everything() -> None:
    markets = _markets("BTC", "ETH")
    known = _known(markets, 2)
    known.happened([_position(1, 1, 5, 500, 90), _position(1, 2, 5, 500, 90)])
    known.happened([evt.Event(account=1, taken_over=evt.TakenOver()), evt.Event(account=9, taken_over=evt.TakenOver())])
    assert known.lots(np.array([1, 1]), np.array([0, 1])).tolist() == [0, 0]
    assert known.equity_atoms(np.array([1]), np.array([100, 100])).tolist() == [0]


# Mistakes and the lock


def test_every_mistake_is_made_in_turn() -> None:
    mischief = BookMischief(_markets())
    assert mischief.act(1, 7, np.array([PRICE])) == []
    seen: Counter[str] = Counter()
    for turn in (1, 2, 3):
        body = _orders(mischief.act(turn * EVERY_BLOCKS, 7, np.array([PRICE])))
        for row in range(len(body.account)):
            seen["size"] += not 0 < body.size_lots[row] < 1 << 44
            seen["account"] += body.account[row] != 7
            seen["market"] += body.market[row] != 1
            seen["side"] += body.side[row] not in (1, -1)
            seen["kind"] += body.kind[row] not in (com.ORDER_KIND_LIMIT, com.ORDER_KIND_MARKET)
            seen["price"] += not PRICE // 2 < body.limit_ticks[row] < PRICE * 2
    assert all(seen[name] for name in ("size", "account", "market", "side", "kind", "price")), seen


@pytest.mark.parametrize(("locked_blocks", "who"), [(0, set(range(1, 21))), (1_000, {1})])
def test_only_one_lp_ignores_the_lock(locked_blocks: int, who: set[int]) -> None:
    providers = Providers(_draw(), 20, 10**12, 200, locked_blocks)
    providers.account[:] = np.arange(1, 21)
    providers.funded(providers.deposit_atoms)
    providers.micro_shares += 10**9
    asks = [ask.body for block in range(1, 201) for ask in providers.act(block)]
    leaving = {account for body in asks if isinstance(body, cmd.LiquidityWithdrawals) for account in body.account}
    assert leaving <= who
    assert 1 in leaving or locked_blocks == 0
    assert len(leaving) > 10 or locked_blocks
