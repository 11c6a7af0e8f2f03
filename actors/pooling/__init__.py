"""What the pool keeps and the work it does in a block."""
