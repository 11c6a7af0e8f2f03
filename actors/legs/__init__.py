"""What runs of legs and of cancels do to a shard, in columns; `actors.orders` has the specification."""
