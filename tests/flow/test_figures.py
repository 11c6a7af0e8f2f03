"""What processes say, put together: no row twice, times merged, sentences for what must not be missed."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest

from breakwater.v1 import common_pb2, refusals_pb2
from node.client.column_bytes import ColumnAnswer
from node.flow.display import rows
from node.flow.report import figures, report_lines, verdict
from node.flow.sheet import Sheet
from node.flow.tally import COUNTS, Tally
from tests.flow.parts import settings_of

REFUSED, RESTING = common_pb2.OUTCOME_STATUS_REFUSED, common_pb2.OUTCOME_STATUS_RESTING
POST_ONLY = refusals_pb2.REFUSAL_POST_ONLY_WOULD_CROSS


class Watched:
    """A node that was seen."""

    def __init__(self) -> None:
        self.liquidations = Counter(deleveraged=3)
        self.nav_atoms = 77
        self.last = SimpleNamespace(height=9, validated_height=7, queued_batches=2)

    def facts(self) -> dict[str, Any]:
        return {"answered": True}


def answer(status: list[int], refusal: list[int], filled: list[int]) -> ColumnAnswer:
    columns = {
        "status": status,
        "refusal": refusal,
        "filled_lots": filled,
        "required": [10 * (number + 1) for number in range(len(status))],
        "actual": [number + 1 for number in range(len(status))],
    }
    return ColumnAnswer(3, {name: np.array(column, dtype=np.int64) for name, column in columns.items()})


def tallied() -> Tally:
    tally = Tally()
    tally.sent(3, 0.0, 0.01)
    tally.answered(answer([RESTING, REFUSED, RESTING], [0, POST_ONLY, 0], [0, 0, 5]))
    tally.took(3, 0.250, 0.050)
    return tally


def test_rows_are_counted_by_status_and_refusals_with_their_numbers() -> None:
    tally = tallied()
    tally.sent(2, 0.02, 0.01)
    tally.refuse(2, "RATE_LIMITED", 20_000, 20_001)
    counts = tally.counts
    assert (counts["sent"], counts["answered"], counts["accepted"], counts["refused"]) == (5, 5, 2, 3)
    assert (counts["filled"], counts["late"], counts["sent_batches"]) == (1, 2, 2)
    assert tally.statuses == {"RESTING": 2, "REFUSED": 3}
    assert tally.refusals == {"POST_ONLY_WOULD_CROSS": 1, "RATE_LIMITED": 2}
    assert tally.numbers == {"POST_ONLY_WOULD_CROSS": (20, 2), "RATE_LIMITED": (20_000, 20_001)}


def line(tally: Tally, at_s: float, made: list[int], **more: Any) -> dict[str, Any]:
    """As it arrives: through JSON."""
    facts: dict[str, Any] = orjson.loads(
        orjson.dumps({"at_s": at_s, "made": made, "cpu_s": 0.5, **tally.facts(), **more})
    )
    return facts


def sheet_of_two() -> Sheet:
    """Two processes; the first says its figures twice."""
    sheet, first, second = Sheet(100.0), tallied(), tallied()
    sheet.take(0, line(first, 100.5, [4, 3, 2, 1]))
    first.sent(3, 0.0, 0.01)
    first.took(3, 2.0, 2.0)
    first.answered(answer([RESTING] * 3, [0] * 3, [0] * 3))
    first.counts["unsent"] = 40
    sheet.take(0, line(first, 101.5, [8, 6, 4, 2], done=True, failure=""))
    sheet.take(1, line(second, 101.2, [1, 1, 1, 1], done=True, failure="UNAUTHENTICATED"))
    return sheet


def test_processes_add_up_and_every_second_has_its_own() -> None:
    sheet = sheet_of_two()
    assert sheet.counts()["sent"] == 9 and sheet.counts()["answered"] == 9
    assert sheet.made() == {"maker": 9, "noise": 7, "momentum": 5, "whale": 3}
    assert [sheet.buckets[number].counts["sent"] for number in (0, 1)] == [3, 6]
    assert [sheet.buckets[number].made for number in (0, 1)] == [[4, 3, 2, 1], [5, 4, 3, 2]]
    assert sheet.latency.get_total_count() == 9 and sheet.service.get_total_count() == 9
    assert sheet.latency.get_value_at_percentile(50) / 1e6 == pytest.approx(0.25, rel=0.001)
    assert sheet.latency.get_max_value() / 1e6 == pytest.approx(2.0, rel=0.001)
    assert sheet.done == {0, 1} and sheet.failures == ["process 1: UNAUTHENTICATED"]
    sheet.gone(1)
    sheet.gone(2)
    assert sheet.failures[1:] == ["process 2: ended without its last figures"]


def test_a_report_says_what_must_not_be_missed() -> None:
    sheet = sheet_of_two()
    facts = figures(settings_of(rate=100.0), sheet, Watched(), 2.0)  # type: ignore[arg-type]
    assert (facts["sent_rate"], facts["answered_rate"], facts["accepted_rate"]) == (4.5, 4.5, 3.5)
    assert facts["generator_ns"] == round(2 * 0.5 / 9 * 1e9)
    assert facts["counts"] == dict.fromkeys(COUNTS, 0) | {
        name: sheet.counts()[name] for name in COUNTS if sheet.counts()[name]
    }
    assert facts["refusals"] == {"POST_ONLY_WOULD_CROSS": {"rows": 2, "required": 20, "actual": 2}}
    said = verdict(facts)
    assert said[0].startswith("wanted 100 commands a second, reached 4: 40 were never sent")
    assert said[-1] == "process 1: UNAUTHENTICATED"
    facts["counts"] |= {"unknown": 7, "never_sequenced": 8, "reconnects": 2, "answered_late": 9}
    text = "\n".join(report_lines(facts))
    for words in ("7 commands are unknown", "8 commands were sent and reached no block", "again 2 times; 9 commands"):
        assert words in text
    assert "required 20, actual 2" in text and "api_key" not in text


def test_a_run_as_fast_as_it_goes_has_nothing_to_complain_of() -> None:
    sheet = Sheet(100.0)
    sheet.take(0, line(tallied(), 100.5, [4, 3, 2, 1], done=True, failure=""))
    facts = figures(settings_of(rate=0.0), sheet, Watched(), 1.0)  # type: ignore[arg-type]
    assert facts["wanted_rate"] == "max" and verdict(facts) == []


def test_the_display_names_rates_latencies_refusals_and_the_node() -> None:
    found = dict(rows(sheet_of_two(), Watched(), 102.0))  # type: ignore[arg-type]
    assert found["time"] == "2 s"
    assert found["latency"].startswith("p50 250.")
    assert found["refused"] == "2: POST_ONLY_WOULD_CROSS 2"
    assert found["liquidations"] == "deleveraged 3" and found["NAV"] == "77 atoms"
    assert found["behind"] == "0 sent late, 40 not sent"
    assert found["node"] == "height 9, queue 2, validator 2 behind"
