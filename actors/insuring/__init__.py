"""The money behind a venue's traders: its insurance fund, and what the desk of a Spin venue does with it."""
