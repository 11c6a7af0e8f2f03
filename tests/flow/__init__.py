"""The load generator: its statistics, its counting, and short runs against real nodes."""
