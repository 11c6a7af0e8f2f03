"""How calls reach actors: the same bytes in one process (`inline`) or over Ray (`ray`)."""
