"""The kinds of vector file we know, each told from its content; a new rulebook adds its kinds to KINDS."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from node.conformance import twilight_pool, twilight_positions, twilight_tables
from node.conformance.case import CaseResult


@dataclass(frozen=True, slots=True)
class Kind:
    """How to tell a file of this kind, and how to run its cases; `exact` asks for a rulebook's exact variant."""

    name: str
    recognises: Callable[[Any], bool]
    cases: Callable[[Any, bool], Iterator[CaseResult]]


def holds(list_key: str, *fields: str) -> Callable[[Any], bool]:
    """Tells a document whose list under this key is not empty and whose every item has these fields."""

    def recognises(document: Any) -> bool:
        items = document.get(list_key) if isinstance(document, dict) else None
        return (
            isinstance(items, list)
            and len(items) > 0
            and all(isinstance(item, dict) and any(field in item for field in fields) for item in items)
            and any(all(field in item for field in fields) for item in items)
        )

    return recognises


def _relations(document: Any) -> bool:
    return isinstance(document, dict) and "opcodes" in document and isinstance(document.get("programs"), dict)


def _examples(document: Any) -> bool:
    return holds("examples", "name", "given")(document)


NOT_VECTORS: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("programs and relations, for reading", _relations),
    ("documented examples, for reading", _examples),
)

KINDS: tuple[Kind, ...] = (
    Kind("twilight positions", holds("vectors", "inputs", "on_create", "at_mark"), twilight_positions.cases),
    Kind("twilight funding rate", holds("vectors", "total_long_position_size", "psi"), twilight_tables.funding_cases),
    Kind("twilight pool shares", holds("sequences", "ops"), twilight_pool.cases),
    Kind("twilight risk limits", holds("vectors", "pool_equity", "max_oi_mult"), twilight_tables.limit_cases),
    Kind("twilight trigger sets", holds("vectors", "search", "levels"), twilight_tables.trigger_cases),
)


def kind_of(document: Any) -> Kind | None:
    """The kind of a document, or None where no reader knows it."""
    return next((kind for kind in KINDS if kind.recognises(document)), None)


def reading_matter(document: Any) -> str | None:
    """What a document is that holds no cases at all, or None where it should be a vector file."""
    if document is None:
        return "text, for reading"
    return next((name for name, recognises in NOT_VECTORS if recognises(document)), None)
