"""What bots won, what they were refused and why, and how long answers took."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, Final

from breakwater.v1 import answers_pb2, common_pb2
from node.bots.intents import Intent, Liquidate
from node.client.errors import refusal_name

# Enough for percentiles of a long run; older ones are let go.
_LATENCIES: Final = 100_000
_WON: Final = (
    common_pb2.OUTCOME_STATUS_LIQUIDATED,
    common_pb2.OUTCOME_STATUS_PENDING,
    common_pb2.OUTCOME_STATUS_DONE,
)


def is_win(intent: Intent, outcome: answers_pb2.CommandOutcome) -> bool:
    """The liquidation was this bot's."""
    return isinstance(intent, Liquidate) and outcome.status in _WON


class BotTally:
    """One bot's, or several bots' together. Amounts in atoms, times in milliseconds."""

    def __init__(self) -> None:
        """Nothing happened."""
        self.calls = self.wins = self.lost = self.relists = self.reconnects = 0
        self.rewards_atoms = self.taken_lots = self.unwound_lots = 0
        self.refusals: Counter[str] = Counter()
        self.latencies_ms: deque[float] = deque(maxlen=_LATENCIES)

    def answered(self, intent: Intent, outcome: answers_pb2.CommandOutcome, latency_ms: float | None = None) -> None:
        """Counts an answer and what it took, from the feed the call was decided on."""
        self.calls += 1
        if latency_ms is not None:
            self.latencies_ms.append(latency_ms)
        if is_win(intent, outcome):
            self.wins += 1
            self.rewards_atoms += outcome.amount_atoms
            self.taken_lots += outcome.filled_lots
        elif outcome.filled_lots:
            self.unwound_lots += outcome.filled_lots
        elif outcome.status == common_pb2.OUTCOME_STATUS_UNSPECIFIED:
            self.lost += 1
        elif outcome.refusal:
            self.refusals[refusal_name(outcome.refusal)] += 1

    def percentile_ms(self, percent: int) -> float:
        """The latency that so many of a hundred answers took at the most; 0 without answers."""
        ranked = sorted(self.latencies_ms)
        return round(ranked[min(len(ranked) - 1, len(ranked) * percent // 100)], 3) if ranked else 0.0

    def summary(self) -> dict[str, Any]:
        """Plain facts, keys stay."""
        return {
            "calls": self.calls,
            "wins": self.wins,
            "rewards_atoms": self.rewards_atoms,
            "taken_lots": self.taken_lots,
            "unwound_lots": self.unwound_lots,
            "refusals": dict(sorted(self.refusals.items())),
            "lost": self.lost,
            "relists": self.relists,
            "reconnects": self.reconnects,
            "latency_p50_ms": self.percentile_ms(50),
            "latency_p99_ms": self.percentile_ms(99),
        }
