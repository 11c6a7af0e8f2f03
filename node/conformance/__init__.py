"""Numbers produced elsewhere, run against our rulebooks: `run(paths)` reads vector files and reports case by case."""

from node.conformance.report import Report
from node.conformance.runner import run

__all__ = ["Report", "run"]
