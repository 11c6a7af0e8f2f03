"""Faults on real processes: `python -m tests.faults` runs the campaign, the tests here a short version of each part."""
