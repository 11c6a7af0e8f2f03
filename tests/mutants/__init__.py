"""Faults planted one at a time, each of which the simulator has to find: `python -m tests.mutants`."""
