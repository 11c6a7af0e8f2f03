"""Counts under the names of an enumeration, for summaries."""

from collections import Counter


def named_counts(counts: Counter[int], enum: object, prefix: str) -> dict[str, int]:
    """By name without the prefix, the most frequent first."""
    names = dict(zip(enum.values(), enum.keys(), strict=True))  # type: ignore[attr-defined]
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {names.get(number, str(number)).removeprefix(prefix): count for number, count in ordered}
