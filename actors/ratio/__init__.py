"""A Spin venue on a shard: cash, positions, orders and reservations under the margin ratio (docs/spin.md)."""
