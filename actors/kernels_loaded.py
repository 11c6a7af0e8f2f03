"""Whether kernels are at hand for what Python and NumPy do as well, if slower.

Loading Numba takes half a second and 70 MB of a process. Shards, books and whoever commits blocks need it anyway; a
coordinator or a desk that works a few rows a block is better off without, and must not stop for it in the one block
that brings thousands.
"""

import sys


def has_kernels() -> bool:
    """Numba is loaded in this process already, for something else. What is decided never depends on it."""
    return "numba" in sys.modules
