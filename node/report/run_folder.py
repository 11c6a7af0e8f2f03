"""The folder a run leaves: runs/<UTC time>/ with summary, picture, receipts, the node's data and the command."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from node.load.options import ALL
from node.load.result import ReplayResult
from node.report.comparison_picture import draw_comparison
from node.report.picture import draw
from node.report.receipt_file import write_receipt
from node.report.summary import summary, summary_text

JSON_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def write_run(run_dir: Path, result: ReplayResult, command: Sequence[str]) -> dict[str, Any]:
    """Write everything but the data, which the node left there, and answer the summary."""
    facts = summary(result)
    receipts = [write_receipt(run_dir / "receipts", receipt).name for receipt in result.receipts]
    facts |= {"run_dir": str(run_dir), "receipts": receipts}
    (run_dir / "summary.json").write_bytes(orjson.dumps(facts, option=JSON_OPTIONS))
    (run_dir / "summary.txt").write_text(summary_text(facts), encoding="utf-8")
    (run_dir / "validator.pub").write_text(result.validator_key.hex() + "\n", encoding="utf-8")
    (run_dir / "reproduce.txt").write_text(shlex.join(command) + "\n", encoding="utf-8")
    if result.options.venue == ALL:
        draw_comparison(run_dir / "picture.png", result.options, facts)
        for venue in result.venues:
            draw(run_dir / f"{venue.name}.png", result.options, venue)
    else:
        draw(run_dir / "picture.png", result.options, result.venues[0])
    return facts
