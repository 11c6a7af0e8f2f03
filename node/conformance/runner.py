"""Runs vector files: finds them, tells their kind from their content, runs every case, collects a Report."""

from collections.abc import Sequence
from pathlib import Path

from node.conformance.documents import DocumentError, find, load
from node.conformance.kinds import kind_of, reading_matter
from node.conformance.report import FileReport, Report


def run(paths: Sequence[str | Path], exact: bool = False) -> Report:
    """Runs every vector file in `paths`, folders walked. Never raises for what a file holds: see Report.errors.

    `exact` selects the exact variant of a rulebook that has two.
    """
    return Report(tuple(_run_file(path, exact) for path in find([Path(path) for path in paths])))


def _run_file(path: Path, exact: bool) -> FileReport:
    name = path.as_posix()
    try:
        document = load(path)
    except DocumentError as error:
        return FileReport(name, error=str(error))
    matter = reading_matter(document)
    if matter is not None:
        return FileReport(name, kind=matter)
    kind = kind_of(document)
    if kind is None:
        return FileReport(name, error="unknown kind of vector file")
    return FileReport(name, kind=kind.name, results=tuple(kind.cases(document, exact)))
