"""The folder a load leaves: figures as text and as JSON, pictures, and the command and prices to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from node.flow.pictures import draw_latency, draw_rate, draw_shares
from node.flow.settings import LoadSettings
from node.flow.sheet import BUCKET_S, Sheet
from node.flow.tally import COUNTS
from node.flow.watching import Watch

PERCENTILES: Final = (50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 100.0)
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def figures(settings: LoadSettings, sheet: Sheet, watch: Watch, wall_s: float) -> dict[str, Any]:
    """Everything a report says. Rates are commands a second of the time the load took, latencies milliseconds."""
    counts, statuses, refusals, numbers = sheet.counts(), sheet.statuses(), sheet.refusals(), sheet.numbers()
    made = sheet.made()
    return {
        "settings": settings.facts(),
        "wall_s": round(wall_s, 3),
        "wanted_rate": settings.rate or "max",
        "sent_rate": round(counts["sent"] / wall_s, 1),
        "answered_rate": round(counts["answered"] / wall_s, 1),
        "accepted_rate": round(counts["accepted"] / wall_s, 1),
        "counts": {name: counts[name] for name in COUNTS},
        "statuses": dict(sorted(statuses.items())),
        "refusals": {
            name: {"rows": rows, "required": numbers[name][0], "actual": numbers[name][1]}
            for name, rows in refusals.most_common()
        },
        "latency_ms": _percentiles(sheet.latency),
        "service_ms": _percentiles(sheet.service),
        "by_archetype": made,
        "generator_ns": round(sheet.processor_s() / max(1, counts["sent"]) * 1e9),
        "scenery": {name: sheet.scenery.get(name, {}) for name in ("counts", "refusals", "bot")},
        "node": watch.facts(),
        "seconds": _seconds(sheet),
        "failures": list(sheet.failures),
    }


def verdict(facts: dict[str, Any]) -> list[str]:
    """What a reader must not miss, in sentences; empty where all went as asked."""
    counts, said = facts["counts"], []
    wanted = facts["wanted_rate"]
    if counts["unsent"]:
        said.append(
            f"wanted {wanted:,.0f} commands a second, reached {facts['answered_rate']:,.0f}: {counts['unsent']:,} were "
            "never sent, because the node did not keep up or was away. Percentiles are of what was sent"
        )
    if counts["unknown"]:
        said.append(
            f"{counts['unknown']:,} commands are unknown: nobody could be asked about them before the run ended"
        )
    if counts["never_sequenced"]:
        said.append(f"{counts['never_sequenced']:,} commands were sent and reached no block, as the node says itself")
    if counts["reconnects"]:
        said.append(
            f"the way to the node broke and was found again {counts['reconnects']:,} times; "
            f"{counts['answered_late']:,} commands were answered when asked for by their keys"
        )
    return said + list(facts["failures"])


def write_report(folder: Path, facts: dict[str, Any], sheet: Sheet, command: Sequence[str]) -> None:
    """Writes report.json, report.txt, pictures and reproduce.txt into the folder."""
    (folder / "report.json").write_bytes(orjson.dumps(facts, option=_OPTIONS))
    (folder / "report.txt").write_text("\n".join(report_lines(facts)) + "\n", encoding="utf-8")
    (folder / "reproduce.txt").write_text(shlex.join(command) + "\n", encoding="utf-8")
    draw_latency(
        folder / "latency.png", {"from when it was due": sheet.latency, "from when it was sent": sheet.service}
    )
    draw_rate(folder / "rate.png", facts["seconds"])
    draw_shares(folder / "flow.png", facts["seconds"])


def report_lines(facts: dict[str, Any]) -> list[str]:
    """The report as text for people."""
    counts, node = facts["counts"], facts["node"]
    lines = [f"Load of venue {facts['settings']['venue']}, {facts['wall_s']:.1f} s", ""]
    lines += [f"! {sentence}" for sentence in verdict(facts)]
    lines += ["", "commands a second"]
    lines += [f"  {name:<10} {facts[f'{name}_rate']:>14}" for name in ("wanted", "sent", "answered", "accepted")]
    lines.append(f"  processor time of the load itself: {facts['generator_ns']:,} ns a command sent")
    lines += ["", "milliseconds", f"  {'percentile':<12}{'latency':>12}{'service':>12}"]
    lines += [
        f"  {part:<12}{facts['latency_ms'][part]:>12}{facts['service_ms'][part]:>12}" for part in facts["latency_ms"]
    ]
    lines += ["", "commands", *(f"  {name.replace('_', ' '):<18}{count:>14,}" for name, count in counts.items())]
    lines += ["", "answers", *(f"  {name:<18}{count:>14,}" for name, count in facts["statuses"].items())]
    lines += ["", "refused by reason (the numbers are of the last)"]
    lines += [
        f"  {name:<28}{one['rows']:>12,}  required {one['required']}, actual {one['actual']}"
        for name, one in facts["refusals"].items()
    ]
    lines += ["", "made by archetype", *(f"  {name:<18}{count:>14,}" for name, count in facts["by_archetype"].items())]
    for title, found in (("beside the traders", facts["scenery"]), ("the node", node)):
        lines += ["", title, *(f"  {name.replace('_', ' '):<22} {value}" for name, value in found.items())]
    lines += ["", "settings", *(f"  {name:<12} {value}" for name, value in facts["settings"].items())]
    return lines


def _percentiles(histogram: Any) -> dict[str, float]:
    found = {f"p{part:g}": histogram.get_value_at_percentile(part) / 1_000 for part in PERCENTILES}
    return {**found, "mean": round(histogram.get_mean_value() / 1_000, 3)}


def _seconds(sheet: Sheet) -> list[dict[str, Any]]:
    """How it went, second by second."""
    return [
        {
            "second": number * BUCKET_S,
            "sent": bucket.counts["sent"],
            "answered": bucket.counts["answered"],
            "refused": bucket.counts["refused"],
            "unsent": bucket.counts["unsent"],
            "made": bucket.made,
            "p50_ms": bucket.latency.get_value_at_percentile(50) / 1_000,
            "p99_ms": bucket.latency.get_value_at_percentile(99) / 1_000,
        }
        for number, bucket in sorted(sheet.buckets.items())
    ]
