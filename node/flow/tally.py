"""What one process counts: rows sent, answered, refused by reason, never sent; and how long answers took."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
from hdrh.histogram import HdrHistogram

from breakwater.v1 import common_pb2
from node.client.column_bytes import ColumnAnswer
from node.client.errors import refusal_name

# Microseconds; longer ones count as the longest. Three digits are kept.
_LEAST_US, _MOST_US, _DIGITS = 1, 600_000_000, 3
_REFUSED: Final = common_pb2.OUTCOME_STATUS_REFUSED
# What is counted, in the order of a report. All are rows unless they say batches.
COUNTS: Final = (
    "sent",
    "sent_batches",
    "answered",
    "accepted",
    "refused",
    "filled",
    "late",
    "unsent",
    "asked_again",
    "answered_late",
    "never_sequenced",
    "unknown",
    "reconnects",
    "spared",
    "forgotten",
    "in_flight",
)


def new_histogram() -> Any:
    """An empty one for microseconds."""
    return HdrHistogram(_LEAST_US, _MOST_US, _DIGITS)


class Tally:
    """One process's. Latency runs from when a batch was due, service from when it was sent; each row counts once."""

    def __init__(self) -> None:
        """Nothing happened."""
        self.counts: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        # The numbers of the refusal that came last, by reason: required, actual.
        self.numbers: dict[str, tuple[int, int]] = {}
        self.latency, self.service = new_histogram(), new_histogram()

    def sent(self, rows: int, behind_s: float, late_after_s: float) -> None:
        """A batch left, so long after it was due."""
        self.counts["sent"] += rows
        self.counts["sent_batches"] += 1
        if behind_s > late_after_s:
            self.counts["late"] += rows

    def took(self, rows: int, latency_s: float, service_s: float) -> None:
        """An answer came."""
        self.latency.record_value(_micros(latency_s), rows)
        self.service.record_value(_micros(service_s), rows)

    def answered(self, answer: ColumnAnswer) -> None:
        """What the rows of an answer say."""
        status = np.asarray(answer.columns["status"])
        self.counts["answered"] += len(status)
        by_status = np.bincount(status)
        for number in np.flatnonzero(by_status):
            self.statuses[_status_name(int(number))] += int(by_status[number])
        refused = int(by_status[_REFUSED]) if len(by_status) > _REFUSED else 0
        self.counts["refused"] += refused
        self.counts["accepted"] += len(status) - refused
        if "filled_lots" in answer.columns:
            self.counts["filled"] += int(np.count_nonzero(answer.columns["filled_lots"]))
        if refused:
            self._refused(answer, np.flatnonzero(status == _REFUSED))

    def refuse(self, rows: int, reason: str, required: int, actual: int) -> None:
        """A batch, or a call, was refused as a whole."""
        self.counts["answered"] += rows
        self.counts["refused"] += rows
        self.statuses["REFUSED"] += rows
        self.refusals[reason] += rows
        self.numbers[reason] = (required, actual)

    def _refused(self, answer: ColumnAnswer, places: np.ndarray) -> None:
        reasons = answer.columns["refusal"][places]
        counts = np.bincount(reasons)
        for number in np.flatnonzero(counts):
            name, place = refusal_name(int(number)), places[np.flatnonzero(reasons == number)[-1]]
            self.refusals[name] += int(counts[number])
            self.numbers[name] = (int(answer.columns["required"][place]), int(answer.columns["actual"][place]))

    def facts(self) -> dict[str, Any]:
        """Everything counted so far, and the times since the last facts, ready for JSON."""
        facts = {
            "counts": dict(self.counts),
            "statuses": dict(self.statuses),
            "refusals": dict(self.refusals),
            "numbers": dict(self.numbers),
            "latency": self.latency.encode().decode(),
            "service": self.service.encode().decode(),
        }
        self.latency.reset()
        self.service.reset()
        return facts


def _micros(seconds: float) -> int:
    return min(_MOST_US, max(_LEAST_US, round(seconds * 1e6)))


def _status_name(status: int) -> str:
    known = common_pb2.OutcomeStatus.DESCRIPTOR.values_by_number.get(status)
    return known.name.removeprefix("OUTCOME_STATUS_") if known is not None else str(status)
