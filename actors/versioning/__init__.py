"""The desk of one Perennial market, in parts: what is pending, what may be pinned, and how versions settle."""
