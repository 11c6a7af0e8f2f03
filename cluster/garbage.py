"""Python's cycle collector in processes that make millions of small objects and hardly ever a cycle.

Rows, messages and tuples die by their reference counts. Looking for cycles among them took a third of a block that
liquidates thousands of accounts; what is there from the start, modules and kernels, is not looked at again.
"""

import gc

# Objects made more than freed before the youngest generation is looked at; Python's own is 700.
YOUNG = 100_000


def collect_rarely() -> None:
    """For this process, from here on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
