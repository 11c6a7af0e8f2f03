"""The order of rows by several columns, found by a merge sort that runs through what is in order already.

Rows mostly come in order, or as a few runs that are, one a shard; NumPy's `lexsort` does not notice. It
takes over where there are no kernels (`kernels_loaded`).
"""

import numpy as np

from actors.kernels_loaded import has_kernels

# So many rows Python sorts as fast as a kernel is called.
_FEW_ROWS = 8

# Numbers so near to each other are sorted by counting.
_COUNTED = 1 << 16


def order_of(keys: np.ndarray) -> np.ndarray | None:
    """Indices that sort rows by their keys, int64[keys, rows], the first the weightiest; equal rows keep their order.

    None where they are in order.
    """
    count = keys.shape[1]
    if count < 2:
        return None
    if count <= _FEW_ROWS:
        rows = list(zip(*keys.tolist(), strict=True))
        ordered = sorted(range(count), key=rows.__getitem__)
        return None if ordered == list(range(count)) else np.array(ordered, dtype=np.int64)
    if not has_kernels():
        order = np.lexsort(keys[::-1])
        return None if bool((order[1:] > order[:-1]).all()) else order
    from actors.row_order_kernels import merged, runs_of

    starts = runs_of(keys)
    return merged(keys, starts) if len(starts) > 2 else None


def order_of_groups(keys: np.ndarray) -> np.ndarray | None:
    """`order_of` for rows in no order whose keys are few numbers near each other, as those of venues and markets are.

    Numbers of 16 bits are sorted by counting, in one pass however many there are.
    """
    order = None
    for key in keys[::-1]:
        least, most = int(key.min()), int(key.max())
        if least == most:
            continue
        near = (key - least).astype(np.uint16) if most - least < _COUNTED else key
        order = np.argsort(near, kind="stable") if order is None else order[np.argsort(near[order], kind="stable")]
    return None if order is None or (order[1:] > order[:-1]).all() else order
