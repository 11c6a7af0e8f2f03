"""What a run of legs does to a shard, in columns; `actors.orders.moves` is its specification."""
