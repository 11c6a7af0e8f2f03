"""The result of a conformance run, for people and for programs."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from node.conformance.case import CaseResult, Outcome


@dataclass(frozen=True, slots=True)
class FileReport:
    """What one file came to: its kind and its cases, or why it could not be run."""

    path: str
    kind: str = ""
    results: tuple[CaseResult, ...] = ()
    error: str = ""

    def count(self, outcome: Outcome) -> int:
        """Cases of this file with this outcome."""
        return sum(result.outcome is outcome for result in self.results)


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. A deviating case counts as passed; a case that is not applicable counts in neither total."""

    files: tuple[FileReport, ...]

    @property
    def passed(self) -> int:
        """Cases that agree, deviating ones among them."""
        return sum(file.count(Outcome.PASSED) + file.count(Outcome.DEVIATING) for file in self.files)

    @property
    def failed(self) -> int:
        """Cases with at least one mismatch."""
        return sum(file.count(Outcome.FAILED) for file in self.files)

    @property
    def errors(self) -> tuple[str, ...]:
        """The files that could not be run, each with why."""
        return tuple(f"{file.path}: {file.error}" for file in self.files if file.error)

    @property
    def ok(self) -> bool:
        """Something was found, nothing failed, and every file could be run."""
        return bool(self.files) and not self.failed and not self.errors

    def reasons(self, outcome: Outcome) -> dict[str, int]:
        """How many cases had this outcome, by reason or rule tag."""
        counts = Counter(result.reason for _, result in self.select(outcome))
        return dict(sorted(counts.items()))

    def select(self, outcome: Outcome) -> Iterator[tuple[FileReport, CaseResult]]:
        """All cases with this outcome, with their file."""
        return ((file, result) for file in self.files for result in file.results if result.outcome is outcome)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return {
            "passed": self.passed,
            "failed": self.failed,
            "deviating": self.reasons(Outcome.DEVIATING),
            "not_applicable": self.reasons(Outcome.NOT_APPLICABLE),
            "errors": list(self.errors),
            "files": [_file_dict(file) for file in self.files],
        }

    def lines(self) -> Iterator[str]:
        """The report as text; the last line is `N passed, N failed` and nothing else."""
        for file in self.files:
            yield f"{file.path}: {_file_summary(file)}"
        for file, result in self.select(Outcome.FAILED):
            yield f"failed: {file.path}: {result.case}"
            yield from (f"    {detail}" for detail in result.details)
        for file, result in self.select(Outcome.DEVIATING):
            yield f"deviating({result.reason}): {file.path}: {result.case}: {'; '.join(result.details)}"
        yield from (f"error: {error}" for error in self.errors)
        for tag, count in self.reasons(Outcome.DEVIATING).items():
            yield f"deviating({tag}): {count}"
        for reason, count in self.reasons(Outcome.NOT_APPLICABLE).items():
            yield f"not applicable ({reason}): {count}"
        yield f"{self.passed} passed, {self.failed} failed"

    def text(self) -> str:
        """`lines` as one text, ending in a newline."""
        return "\n".join(self.lines()) + "\n"


def _file_summary(file: FileReport) -> str:
    if file.error:
        return "error"
    if not file.results:
        return f"{file.kind}: not vectors"
    counts = ((file.count(outcome), outcome) for outcome in Outcome)
    return f"{file.kind}: " + ", ".join(f"{count} {outcome}" for count, outcome in counts if count)


def _file_dict(file: FileReport) -> dict[str, Any]:
    notable = [result for result in file.results if result.outcome is not Outcome.PASSED]
    return {
        "path": file.path,
        "kind": file.kind,
        "error": file.error,
        "passed": file.count(Outcome.PASSED) + file.count(Outcome.DEVIATING),
        "failed": file.count(Outcome.FAILED),
        "cases": [
            {"case": r.case, "outcome": str(r.outcome), "reason": r.reason, "details": list(r.details)} for r in notable
        ],
    }
