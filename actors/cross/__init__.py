"""Cross margin on order books in a shard: Margin Trade's accounts, positions and orders, phase by phase."""
