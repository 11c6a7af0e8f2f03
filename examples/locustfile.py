"""Users of a Margin Trade venue for Locust, which is not part of Breakwater: makers move quotes, takers cross.

    pip install locust
    BREAKWATER_API_KEY=... locust -f examples/locustfile.py --headless -u 20 -r 5 -t 30s --host 127.0.0.1:7400

The node needs a price (`breakwater publish --venue 2 --repeat`). gRPC runs on threads, Locust on greenlets:
grpc.experimental.gevent makes them one.
"""

import os
import random
import time
from collections.abc import Callable
from typing import Any

import grpc.experimental.gevent
from locust import User, between, task

from node.client import Client, RefusedError

grpc.experimental.gevent.init_gevent()

VENUE, MARKET = 2, 1
FUNDS_ATOMS = 1_000_000 * 10**6
SIZE = "0.01"


class Trader(User):
    """One account. Every call is told to Locust with what it took and, where it was refused, why."""

    abstract = True

    def on_start(self) -> None:
        """Opens and funds the account."""
        self.client = Client(self.host, os.environ["BREAKWATER_API_KEY"])
        self.account = self.client.open_account(VENUE)
        self.client.deposit(self.account, FUNDS_ATOMS, VENUE)

    def on_stop(self) -> None:
        """Takes everything back and leaves."""
        self.client.cancel_orders(self.account, venue=VENUE)
        self.client.close()

    def told(self, name: str, call: Callable[..., Any], *arguments: Any, fine: str = "", **options: Any) -> Any:
        """Makes a call and tells how it went; a refusal but the one that is `fine` is a failure, and answers None."""
        begun_s, outcome, refusal = time.perf_counter(), None, None
        try:
            outcome = call(*arguments, **options)
        except (RefusedError, grpc.RpcError) as error:
            refusal = None if getattr(error, "refusal", None) == fine else error
        self.environment.events.request.fire(
            request_type="grpc",
            name=name,
            response_time=(time.perf_counter() - begun_s) * 1_000,
            response_length=0,
            exception=refusal,
            context={},
        )
        return outcome

    def price(self, side: str, away: float) -> str:
        """A price so far from the mark, a part of it, behind which the side waits; whole ticks of 0.1."""
        mark = self.client.mark(MARKET, VENUE).mark.mark_ticks / 10
        return f"{mark * (1 - away if side == 'long' else 1 + away):.1f}"


class Maker(Trader):
    """Replaces a quote on either side."""

    wait_time = between(0.05, 0.2)
    weight = 1

    def on_start(self) -> None:
        """Also begins without quotes."""
        super().on_start()
        self.quotes: dict[str, int] = {}

    @task
    def move(self) -> None:
        """Cancels the old quote of a side, which may be filled by now, and posts another."""
        side = random.choice(("long", "short"))
        if side in self.quotes:
            old = self.quotes.pop(side)
            self.told("cancel", self.client.cancel_orders, self.account, old, venue=VENUE, fine="UNKNOWN_ORDER")
        price = self.price(side, random.uniform(0.0001, 0.001))
        outcome = self.told("quote", self.client.place_order, self.account, side, SIZE, price, post_only=True)
        if outcome is not None:
            self.quotes[side] = outcome.reference


class Taker(Trader):
    """Takes what is within reach."""

    wait_time = between(0.1, 0.5)
    weight = 3

    @task
    def take(self) -> None:
        """Either way."""
        side = random.choice(("long", "short"))
        price = self.price(side, -0.002)
        self.told("take", self.client.place_order, self.account, side, SIZE, price, time_in_force="ioc")
