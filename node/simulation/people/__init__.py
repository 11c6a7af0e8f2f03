"""Who trades on, runs and feeds the venues of a simulated world."""
