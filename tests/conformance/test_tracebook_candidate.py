"""Our candidate for the referee: its side of the conversation, and the referee's verdict where it is installed."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from node.conformance.tracebook_candidate import PROTOCOL, PROTOCOL_VERSION, serve

REFEREE = "tracebook-conformance"
HELLO = {"type": "hello", "protocol": PROTOCOL, "protocol_version": PROTOCOL_VERSION, "config": {"tick_size": "0.01"}}


def new(order: int, side: str, price: float | None, quantity: float, kind: str = "LIMIT") -> dict[str, Any]:
    return {
        **{"op": "new", "symbol": "A", "order_id": order, "side": side, "order_type": kind},
        **{"price": price, "quantity": quantity, "owner": 7},
    }


def converse(*events: dict[str, Any], hello: dict[str, Any] = HELLO) -> tuple[int, list[dict[str, Any]]]:
    messages = [hello, *({"type": "event", "index": n, "event": event} for n, event in enumerate(events, 1))]
    messages.append({"type": "snapshot", "index": len(events)})
    messages.append({"type": "finish", "event_count": len(events)})
    answers = io.BytesIO()
    code = serve(io.BytesIO(b"".join(json.dumps(message).encode() + b"\n" for message in messages)), answers)
    return code, [json.loads(line) for line in answers.getvalue().splitlines()]


def test_a_conversation_to_its_end() -> None:
    change = {"op": "replace", "symbol": "A", "order_id": 1, "price": None, "quantity": 1}
    take = new(4, "BUY", None, 2.25, "MARKET")
    orders = [new(1, "SELL", 100.004, 2), new(2, "SELL", 100, 1.5), new(2, "SELL", 100, 1), new(3, "BUY", 0.004, 1)]
    code, answers = converse(*orders, change, take)
    assert code == 0
    assert [answer["type"] for answer in answers] == ["ready", *["observation"] * 6, "snapshot", "complete"]
    reasons = [answer["outcome"]["reason"] for answer in answers[1:7]]
    assert reasons == [None, None, "DUPLICATE_ORDER_ID", "INVALID_ORDER", None, None]
    trade = {"symbol": "A", "buy_order_id": 4, "price": "100"}
    assert answers[6]["trades"] == [
        {**trade, "sell_order_id": 2, "quantity": "1.5"},
        {**trade, "sell_order_id": 1, "quantity": "0.75"},
    ]
    state = answers[7]["state"]
    rest = {"order_id": 1, "price": "100", "remaining_quantity": "0.25", "owner": 7, "order_type": "LIMIT"}
    assert state == {"books": [{"symbol": "A", "bids": [], "asks": [rest]}]}
    canonical = json.dumps(state, sort_keys=True, separators=(",", ":")).encode()
    assert answers[6]["state_hash"] == hashlib.sha256(canonical).hexdigest()


def test_what_is_not_active_and_what_is_too_much() -> None:
    reduce = {"op": "reduce", "symbol": "A", "order_id": 1, "quantity": 3}
    cancel = {"op": "cancel", "symbol": "A", "order_id": 1}
    clear = {"op": "clear", "symbol": "A"}
    replace = {"op": "replace", "symbol": "A", "order_id": 1, "price": 0.001, "quantity": None}
    _, answers = converse(cancel, new(1, "BUY", 1, 2), reduce, replace, clear, cancel)
    reasons = [answer["outcome"]["reason"] for answer in answers[1:7]]
    assert reasons == ["ORDER_NOT_ACTIVE", None, "INVALID_ORDER", "INVALID_REPLACEMENT", None, "ORDER_NOT_ACTIVE"]
    assert [answer["resting_order_count"] for answer in answers[1:7]] == [0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    "hello",
    [{**HELLO, "protocol_version": 2}, {"type": "event"}, {**HELLO, "config": {"matching_algorithm": "pro_rata"}}],
)
def test_what_we_do_not_speak_ends_the_conversation(hello: dict[str, Any]) -> None:
    code, answers = converse(hello=hello)
    assert code == 2
    assert [answer["type"] for answer in answers] == ["error"]


@pytest.mark.slow
def test_the_referee_passes_our_book(tmp_path: Path) -> None:
    referee = shutil.which(REFEREE)
    if referee is None:
        pytest.skip(f"{REFEREE} is not installed: `pip install {REFEREE}==0.6.0` and have it on the path")
    candidate = f"{sys.executable} -m node.conformance.tracebook_candidate"
    verdict = subprocess.run(
        [
            *(referee, "qualify", "--profile", "fifo-full-v1", "--traces", "3", "--timeout", "60"),
            *("--output-dir", str(tmp_path / "verdict"), "--candidate-cmd", candidate),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert "Qualification: PASS" in verdict.stdout
