"""nautilus_trader's backtest engine on a mixed flow: `python nautilus_driver.py OPERATIONS`. It and NumPy only.

A strategy sends 60% passive limit orders, 30% cancels of them and 10% orders that cross, a hundred at every quote. The
engine fills orders against quotes, not against each other, so quotes swing to and fro and fill the passive orders that
lie near; the others are cancelled, and few ever rest. Each order passes the peer's risk engine, execution engine, cache
and message bus. The answer, on standard output, is one JSON object: operations, and the nanoseconds of the run.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from importlib import import_module
from typing import Any

A_QUOTE = 100
MIDDLE = 100_000
SWING = 20
DEEP = 100
_SEED = 11
_STEP_NS = 1_000_000


def flow(count: int) -> list[tuple[str, int, int]]:
    """(what, side, ticks from the middle) of every operation; a cancel names nothing, it takes the oldest."""
    draw = random.Random(_SEED)
    kinds = draw.choices(("near", "deep", "cancel", "cross"), (3, 3, 3, 1), k=count)
    away = {"near": SWING // 2, "deep": DEEP, "cancel": 0, "cross": -DEEP}
    return [(kind, draw.choice((1, -1)), away[kind]) for kind in kinds]


def trader(operations: list[tuple[str, int, int]], instrument: Any) -> Any:
    """The strategy. Its class is made here: the peer is only imported where it is installed."""
    strategy = import_module("nautilus_trader.trading.strategy").Strategy
    words = import_module("nautilus_trader.model.enums")
    buy, sell, ioc, gtc = words.OrderSide.BUY, words.OrderSide.SELL, words.TimeInForce.IOC, words.TimeInForce.GTC

    class Trader(strategy):  # type: ignore[misc, valid-type]
        def on_start(self) -> None:
            self.left = iter(operations)
            self.resting: list[Any] = []
            self.done = 0
            self.subscribe_quote_ticks(instrument.id)

        def on_quote_tick(self, tick: Any) -> None:
            for _, (kind, side, away) in zip(range(A_QUOTE), self.left, strict=False):
                self.done += 1
                if kind == "cancel" and self.resting:
                    self.cancel_order(self.resting.pop(0))
                    continue
                order = self.order_factory.limit(
                    instrument_id=instrument.id,
                    order_side=buy if side == 1 else sell,
                    quantity=instrument.make_qty(1),
                    price=instrument.make_price(MIDDLE - side * away),
                    time_in_force=ioc if kind == "cross" else gtc,
                )
                self.submit_order(order)
                if kind == "deep":
                    self.resting.append(order)

    return Trader()


def quote(model: Any, instrument: Any, place: int) -> Any:
    """A quote a tick wide, above the middle and below it in turn."""
    middle, at_ns, size = MIDDLE + SWING * (-1) ** place, (1 + place) * _STEP_NS, instrument.make_qty(1_000)
    bid, ask = instrument.make_price(middle - 1), instrument.make_price(middle + 1)
    return model.QuoteTick(instrument.id, bid, ask, size, size, at_ns, at_ns)


def run(count: int) -> dict[str, int]:
    """Builds an engine with one market, quotes and the strategy; times its run only."""
    engine_of = import_module("nautilus_trader.backtest.engine")
    configuration = import_module("nautilus_trader.config")
    model, words = import_module("nautilus_trader.model"), import_module("nautilus_trader.model.enums")
    currencies = import_module("nautilus_trader.model.currencies")
    instrument = import_module("nautilus_trader.test_kit.providers").TestInstrumentProvider.btcusdt_perp_binance()
    logging = configuration.LoggingConfig(bypass_logging=True)
    risk = configuration.RiskEngineConfig(max_order_submit_rate="100000000/00:00:01")
    engine = engine_of.BacktestEngine(engine_of.BacktestEngineConfig(logging=logging, risk_engine=risk))
    engine.add_venue(
        venue=instrument.id.venue,
        oms_type=words.OmsType.NETTING,
        account_type=words.AccountType.MARGIN,
        starting_balances=[model.Money(10**12, currencies.USDT)],
        frozen_account=True,  # without its margin accounting, which costs it four fifths of its speed
    )
    engine.add_instrument(instrument)
    engine.add_data([quote(model, instrument, place) for place in range(-(-count // A_QUOTE))])
    strategy = trader(flow(count), instrument)
    engine.add_strategy(strategy)
    begun_ns = time.perf_counter_ns()
    engine.run()
    return {"operations": strategy.done, "ns": time.perf_counter_ns() - begun_ns}


if __name__ == "__main__":
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the peer prints goes to standard error
    answer.write(json.dumps(run(int(sys.argv[1]))))
    answer.close()
