"""The matching piece of the bench: the flow is what it says, and the peer must end with the same book."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from actors.matching import words as w
from actors.matching.book import MatchingBook
from node.bench import matching

PEER = "limit_order_book"


class Peer:
    """The calls of limit-order-book on a book of ours."""

    def __init__(self) -> None:
        self.book = MatchingBook()

    def _place(self, side: int, order: int, lots: int, price: int, time_in_force: int) -> None:
        row = {
            **{"kind": w.PLACE, "order": order, "account": 1, "side": side, "price_ticks": price, "size_lots": lots},
            **{"time_in_force": time_in_force, "self_trade": w.TRADE_WITH_SELF},
        }
        self.book.match(w.Operations.of_rows([row]))

    def limit_buy(self, order: int, lots: int, price: int) -> None:
        self._place(w.BUY, order, lots, price, w.GTC)

    def limit_sell(self, order: int, lots: int, price: int) -> None:
        self._place(w.SELL, order, lots, price, w.GTC)

    def market_buy(self, order: int, lots: int) -> None:
        self._place(w.BUY, order, lots, w.PRICE_TICKS_MAX, w.IOC)

    def market_sell(self, order: int, lots: int) -> None:
        self._place(w.SELL, order, lots, 1, w.IOC)

    def cancel(self, order: int) -> None:
        rows = self.book.match(w.Operations.of_rows([{"kind": w.CANCEL, "order": order, "account": 1}]))
        assert rows.type.tolist() == [w.DONE]

    def count(self) -> int:
        return len(self.book)

    def best_buy(self) -> int:
        return self.book.best_bid_ticks()

    def best_sell(self) -> int:
        return self.book.best_ask_ticks()

    def volume_buy(self) -> int:
        return self.book.open_lots(w.BUY)

    def volume_sell(self) -> int:
        return self.book.open_lots(w.SELL)


class LossyPeer(Peer):
    """Forgets every cancel."""

    def cancel(self, order: int) -> None:
        pass


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "FILLING_BATCHES", 2)
    monkeypatch.setattr(matching, "WARM_BATCHES", 1)


def installed(monkeypatch: pytest.MonkeyPatch, peer: Any) -> None:
    monkeypatch.setitem(sys.modules, PEER, peer and SimpleNamespace(LimitOrderBook=peer))


def test_the_flow_is_mixed_as_it_says() -> None:
    flow = matching.mixed_flow(3)
    ops = flow.batches[-1]
    passive = int(((ops.kind == w.PLACE) & (ops.time_in_force == w.GTC)).sum())
    cancels = int((ops.kind == w.CANCEL).sum())
    assert len(ops.kind) == matching.BATCH
    assert abs(passive - 600) < 60
    assert abs(cancels - 300) < 60
    book = MatchingBook()
    results = [book.match(batch, flow.caps) for batch in flow.batches][-1]
    assert (results.type == w.FILL).sum() > 50
    assert (results.type == w.UNKNOWN).sum() < 100


def test_without_the_peer_the_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, None)
    row = matching.matching_row(2)
    assert row.value > 0
    assert row.reference == "limit-order-book not run: not installed"
    assert row.ratio is None


def test_the_peer_is_measured_on_the_same_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, Peer)
    row = matching.matching_row(2)
    assert row.reference_value is not None
    assert row.reference_value > row.value


def test_a_peer_that_ends_elsewhere_is_no_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, LossyPeer)
    with pytest.raises(AssertionError, match="the books differ"):
        matching.matching_row(2)
