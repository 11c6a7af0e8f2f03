"""Isolated positions under Twilight's rules, phase by phase: what a shard does inside a block."""
