"""The order book: price-time priority over int64 arrays, matched by compiled kernels (MT-05)."""
