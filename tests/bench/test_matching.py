"""The matching piece of the bench: the flow is what it says, and a peer must end with the same book."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.matching import words as w
from actors.matching.book import MatchingBook
from node.bench import matching
from node.bench.peers.contest import Contestant, contesting
from node.bench.peers.environments import NoPeer

# The calls of limit-order-book on a book of ours, as a module that its driver can import.
PEER = """
from actors.matching import words as w
from actors.matching.book import MatchingBook

class LimitOrderBook:
    def __init__(self):
        self.book = MatchingBook()

    def _place(self, side, order, lots, price, time_in_force):
        row = {"kind": w.PLACE, "order": order, "account": 1, "side": side, "price_ticks": price, "size_lots": lots}
        row |= {"time_in_force": time_in_force, "self_trade": w.TRADE_WITH_SELF}
        self.book.match(w.Operations.of_rows([row]))

    def limit_buy(self, order, lots, price):
        self._place(w.BUY, order, lots, price, w.GTC)

    def limit_sell(self, order, lots, price):
        self._place(w.SELL, order, lots, price, w.GTC)

    def market_buy(self, order, lots):
        self._place(w.BUY, order, lots, w.PRICE_TICKS_MAX, w.IOC)

    def market_sell(self, order, lots):
        self._place(w.SELL, order, lots, 1, w.IOC)

    def cancel(self, order):
        rows = self.book.match(w.Operations.of_rows([{"kind": w.CANCEL, "order": order, "account": 1}]))
        assert rows.type.tolist() == [w.DONE]

    def count(self):
        return len(self.book)

    def best_buy(self):
        return self.book.best_bid_ticks()

    def best_sell(self):
        return self.book.best_ask_ticks()

    def volume_buy(self):
        return self.book.open_lots(w.BUY)

    def volume_sell(self):
        return self.book.open_lots(w.SELL)
"""
LOSSY = PEER.replace("def cancel(self, order):", "def cancel(self, order):\n        return\n")
FLOW = 3


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "FILLING_BATCHES", 2)
    monkeypatch.setattr(matching, "WARM_BATCHES", 1)


@pytest.fixture
def peer(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Contestant]:
    """A driver that finds this module where the peer's package would be."""
    (tmp_path / "limit_order_book.py").write_text(request.param, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with contesting(Path(sys.executable), "limit-order-book") as contestant:
        yield contestant


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


def test_without_peers_the_rows_say_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("node.bench.peers.environments.HOME", tmp_path)
    monkeypatch.setattr("node.bench.peers.environments.interpreter_for", lambda oldest: None)
    first, *others = matching.rows(quick=True)
    assert first.value > 0
    assert [row.value for row in others] == [first.value] * 3
    assert others[2].reference == "matching-engine 0.1.1: not run: needs Python 3.12"
    monkeypatch.setattr("node.bench.peers.environments.interpreter_for", lambda oldest: Path(sys.executable))
    _, book, *_ = matching.rows(quick=True)
    assert book.reference == "limit-order-book 2.0.0: not installed: make bench-peers"
    assert book.ratio is None


@pytest.mark.parametrize("peer", [PEER], indirect=True)
def test_a_peer_is_measured_on_the_same_flow(peer: Contestant) -> None:
    ours_ns, theirs_ns = matching.measured(matching.mixed_flow(FLOW), [peer])
    assert theirs_ns["limit-order-book"] > ours_ns > 0


@pytest.mark.parametrize("peer", [LOSSY], indirect=True)
def test_a_peer_that_ends_elsewhere_is_no_peer(peer: Contestant) -> None:
    with pytest.raises(AssertionError, match="the books differ"):
        matching.measured(matching.mixed_flow(FLOW), [peer])


@pytest.mark.parametrize("peer", ["raise SystemError('out of order')"], indirect=True)
def test_a_peer_that_breaks_says_why(peer: Contestant) -> None:
    with pytest.raises(NoPeer, match=r"not run: SystemError: out of order"):
        peer.turn(matching._rows(matching.mixed_flow(1).batches[0], slice(None)))  # type: ignore[arg-type]
