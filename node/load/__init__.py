"""Load for a node: price paths, a seeded population of traders and LPs, and the driver that replays them as blocks."""
