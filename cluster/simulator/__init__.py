"""The whole node in one thread, from one seed, with everything that can go wrong (docs/simulator.md)."""
