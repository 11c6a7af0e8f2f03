"""The tables a shard keeps its accounts, positions and orders in, and what may be done to them."""
