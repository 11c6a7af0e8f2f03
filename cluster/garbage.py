"""Memory in processes that make millions of small objects and hardly ever a cycle, and large pieces of bytes a block.

Rows, messages and tuples die by their reference counts. Looking for cycles among them took a third of a block that
liquidates thousands of accounts; what is there from the start, modules and kernels, is not looked at again. And a C
library that gives every large piece back to the system meets fresh pages with the next: a fifth of a block of orders.
"""

import ctypes
import gc

# Objects made more than freed before the youngest generation is looked at; Python's own is 700.
YOUNG = 100_000
# Parameters of glibc's mallopt, and what they are set to: pieces up to the largest it allows come from memory that is
# kept, which grows by so much at a time and is not given back.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_KEPT = ((_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 2_000_000_000), (_TOP_PAD, 64 << 20))


def collect_rarely() -> None:
    """For this process, from here on; what is freed is kept for the next block."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, others keep what they keep
    if set_option is not None:
        for parameter, value in _KEPT:
            set_option(parameter, value)
