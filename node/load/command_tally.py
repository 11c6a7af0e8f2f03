"""Counts the answers to a replay's commands: what every rulebook's tally begins with."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from breakwater.v1 import refusals_pb2 as ref
from node.load.asks import Answers
from node.load.names import named_counts


@dataclass
class CommandTally:
    """Blocks, commands, refusals."""

    blocks: int = 0
    commands: int = 0
    refused_by_reason: Counter[int] = field(default_factory=Counter)

    @property
    def refused(self) -> int:
        """Commands refused, for whatever reason."""
        return sum(self.refused_by_reason.values())

    def answered(self, answers: Answers) -> None:
        """Count the answers to one batch."""
        self.commands += len(answers.status)
        for reason in answers.refusal[answers.refused].tolist():
            self.refused_by_reason[reason] += 1

    def saw(self, watch: Any, time_ms: int) -> None:
        """The bots' watch after a block of this time; venues without bots have none."""

    def refusals(self) -> dict[str, int]:
        """Refusals by name, without the prefix, the most frequent first."""
        return named_counts(self.refused_by_reason, ref.Refusal, "REFUSAL_")
