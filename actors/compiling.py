"""How kernels over columns are compiled: into the code that calls them, without counting references.

A kernel that is given arrays and neither makes nor keeps any needs no count of who holds them; counting takes more time
than the work on a row does. Divisors are never 0: nothing looks whether they are. The interpreter is let go meanwhile:
what arrives, is answered and is archived goes on beside it, a fifth more orders in all.
"""

from numba import njit

# Numba has no public name for the option that leaves reference counts out.
_BARE = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}

# What Python calls; and what such a kernel calls, which becomes part of it.
kernel = njit(**_BARE)
inlined = njit(**_BARE, forceinline=True)
