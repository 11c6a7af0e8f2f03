"""What every shard needs to find positions in danger and to move money between them, without knowing who holds them."""
