"""A Perennial venue on one shard: collateral and positions that settle at oracle versions."""
