"""All mutants, in the order of the table."""

from tests.mutants.carrying import CARRYING
from tests.mutants.keeping import KEEPING
from tests.mutants.liquidating import LIQUIDATING
from tests.mutants.paying import PAYING

MUTANTS = (*CARRYING, *KEEPING, *LIQUIDATING, *PAYING)


def as_markdown() -> str:
    """The table as the documentation shows it."""
    lines = ["| group | mutant | where | what is wrong |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {one.group} | {one.name} | {one.place} | {one.fault} |" for one in MUTANTS)])
