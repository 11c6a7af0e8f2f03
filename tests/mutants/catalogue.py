"""All mutants, in the order of the table."""

from tests.mutants.carrying import CARRYING
from tests.mutants.keeping import KEEPING
from tests.mutants.liquidating import LIQUIDATING
from tests.mutants.paying import PAYING

MUTANTS = (*CARRYING, *KEEPING, *LIQUIDATING, *PAYING)
