"""`python -m tests.mutants [--only TEXT] [--seeds 100]`: plants every mutant in turn and prints what found it."""

import argparse
import sys

from cluster.garbage import collect_rarely
from tests.mutants.catalogue import MUTANTS
from tests.mutants.hunt import Catch, hunt

_HEAD = "| group | mutant | where | seed | found by | CPU s |\n|---|---|---|---|---|---|"


def row(catch: Catch) -> str:
    """A row of the table."""
    mutant, seed = catch.mutant, "NOT FOUND" if catch.seed is None else catch.seed
    return f"| {mutant.group} | {mutant.name} | {mutant.place} | {seed} | {catch.check} | {catch.seconds:.1f} |"


def main() -> int:
    """0 where every mutant was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="only mutants whose group or name has this in it")
    parser.add_argument("--seeds", type=int, default=100, help="as many seeds may look for one")
    asked = parser.parse_args()
    collect_rarely()
    chosen = [one for one in MUTANTS if asked.only in f"{one.group} {one.name}"]
    print(_HEAD, flush=True)
    missed = 0
    for mutant in chosen:
        catch = hunt(mutant, range(1, asked.seeds + 1))
        missed += catch.seed is None
        print(row(catch), flush=True)
    print(f"\n{len(chosen) - missed} of {len(chosen)} mutants found within {asked.seeds} seeds")
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
